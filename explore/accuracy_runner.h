// The integer network on one image after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "explore/accuracy.h"
#include "explore/quantization.h"

namespace workbench {

struct IntegerRun {
  std::vector<Tensor> outputs;
  NamedTensors tensors;  // by value name of network.integers, as far as they can be read
  std::int64_t hazards = 0;
};
// On the simulator of the target, or in float arithmetic for "none". Never called twice at once.
// `keep_tensors`: false saves their copies.
using IntegerRunner = std::function<IntegerRun(std::span<const Tensor> inputs, bool keep_tensors)>;

// Compiles. Throws Error for a network that the machine cannot run. Refers to `network`.
IntegerRunner integer_runner(const QuantizedNetwork& network);

struct GoldenDifference {
  std::int64_t values = 0, mismatches = 0;
};
// The run against the golden model; a network without a target runs again in the arithmetic that
// the golden model promises bits of.
GoldenDifference golden_difference(const QuantizedNetwork& network, std::span<const Tensor> inputs,
                                   const NamedTensors& computed);

}  // namespace workbench
