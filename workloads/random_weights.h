// Seeded weights that are the same bits on every machine and for every number of threads: element i
// of a tensor is a function of (key, i) in integer arithmetic, then one product and one sum in
// float.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace workbench {

// Key of one tensor's sequence: different for every (seed, name).
std::uint64_t weight_key(std::uint64_t seed, std::string_view name);

// One tensor to fill with an approximation of a Gaussian (the sum of four uniform numbers, so no
// value is further than 3.5 deviations from the mean).
struct WeightFill {
  std::span<float> values;
  std::uint64_t key = 0;
  double mean = 0;
  double deviation = 1;
};

// Fills all of them on up to `threads` threads (0: as many as the machine has).
void fill_weights(std::span<const WeightFill> fills, int threads = 0);

}  // namespace workbench
