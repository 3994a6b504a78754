// What the compiler may choose by modelled time beside the plain plan. Each choice adds candidates
// and takes none away, so that a program is never modelled slower than without it.
#pragma once

namespace workbench::xdnn {

enum class Use {
  Never,
  WhereFaster,  // of the plan with and the plan without, the one of less modelled time
  Always,       // wherever it is possible: for tests, which hold it to the golden model
};

struct Choices {
  Use shared_copies = Use::WhereFaster;  // channels copied for readers that want different layouts
  Use half_rate = Use::WhereFaster;      // filters that fill both buffers as twice as many passes
  Use spread = Use::WhereFaster;         // words stay unused for a while after their last reader
  Use pools_in_branches = Use::WhereFaster;  // max pool behind a concat: one in each branch
};

inline Choices all_choices(Use use) { return {use, use, use, use}; }

}  // namespace workbench::xdnn
