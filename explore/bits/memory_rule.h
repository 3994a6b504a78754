// The memory-driven rule of Rusci, Capotondi and Benini ("Memory-driven mixed low precision
// quantization for enabling deep network inference on microcontrollers", MLSys 2020, algorithms 1
// and 2), which looks at sizes alone: what a search has to beat.
#pragma once

#include <cstdint>

#include "core/graph.h"
#include "explore/bits/widths.h"

namespace workbench {

struct MemoryLimits {
  std::int64_t weight_bytes = 0;
  std::int64_t activation_bytes = 0;  // of a layer's operands and result together
};

// Starts from the widest codes. Activations, forwards: a layer's result, where operand and result
// do not fit and it is the larger of the two or equally large and wider; backwards: its operand
// likewise. Then weights: while all together do not fit, of the layers whose share of the bytes is
// within 5 % of the largest share, the first is cut. What cannot be cut further stays.
Options memory_driven(const Graph& annotated, const Widths& widths, const MemoryLimits& limits);

// The largest sum of a layer's operands and its result.
std::int64_t activation_bytes(const Graph& annotated, const Widths& widths, const Options& options);

}  // namespace workbench
