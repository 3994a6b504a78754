// What the compiler may choose by modelled time beside the plain plan. Each choice adds candidates
// and takes none away, so that a program is never modelled slower than without it.
#pragma once

#include <cstdint>
#include <functional>

#include "core/units.h"

namespace workbench::xdnn {

enum class Use {
  Never,
  WhereFaster,  // of the plan with and the plan without, the one of less modelled time
  Always,       // wherever it is possible: for tests, which hold it to the golden model
};

struct Choices {
  Use shared_copies = Use::WhereFaster;  // channels copied for readers that want different layouts
  Use half_rate = Use::WhereFaster;      // half as many output channels per pass though all fit
  Use spread = Use::WhereFaster;         // words stay unused for a while after their last reader
  Use pools_in_branches = Use::WhereFaster;  // max pool behind a concat: one in each branch
  Use split_passes = Use::WhereFaster;       // some output channels of a convolution at half rate
  Use merged_images = Use::WhereFaster;      // one image's last layers beside the next one's first
  Use one_port_sums = Use::WhereFaster;      // operands one after the other, beside the array
  Use stacked_images = Use::WhereFaster;     // of merged images the last layers in one map
  Use reordered = Use::WhereFaster;          // instructions with addresses, in another order
  Use sums_beside = Use::WhereFaster;  // sums by channels, beside the convolution that feeds them
};

inline Choices all_choices(Use use) { return {use, use, use, use, use, use, use, use, use, use}; }

// How much is tried: each search has a bound, and what it has found by then is taken.
struct Search {
  std::int64_t cuts = 6;              // points of the network from or to which images may be merged
  std::int64_t split_steps = 20'000;  // instructions to model again for ways to split convolutions
  std::int64_t sum_steps = 10'000;    // the same for ways to read the operands of sums
  bool until_nothing_gains = false;   // sweeps again
  std::int64_t stacks = 8;            // points of the network from which images may be stacked
  std::int64_t best_stacks = 2;       // of these, so many with several points to merge from
  std::int64_t move_steps = 3'000'000;  // instructions to walk through for other orders of them
  std::int64_t chunk_steps = 0;         // instructions to model again for ways to cut sums
  // Told the modelled times of programs that are found on the way.
  std::function<void(Cycles time)> seen = {};
  void see(Cycles time) const {
    if (seen) seen(time);
  }
};
inline Search thorough_search() {
  return {48, 1'000'000, 500'000, true, 32, 8, 100'000'000, 500'000};
}

}  // namespace workbench::xdnn
