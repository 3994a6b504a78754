// What a network that came quantized (QDQ, QOperator) loses on the way to a target whose codes are
// symmetric: which of its codes are not the ones it runs with, and how far they are apart.
#pragma once

#include <string>
#include <vector>

#include "compiler/quantize/quantize_target.h"
#include "core/graph.h"

namespace workbench {

// One line per activation, then per layer with weights, whose codes in `imported` (between Quantize
// and Dequantize, constant before Dequantize) are not those of `annotated`, the same network after
// the passes and QuantizeTarget::annotate, by value name:
//   "value 'x': came as uint8, zero point 3, scale 0.0123; is int8, scale 0.0246: differs by up to
//    1 steps"
// in steps of what came, over all its codes. Empty: the target runs the codes that came.
std::vector<std::string> requantized_codes(const Graph& imported, const Graph& annotated);

// Whether every activation of `prepared` (after the passes and target.prepare()) that becomes codes
// has come with its own, so that there is nothing to calibrate.
bool has_all_codes(const Graph& prepared, const QuantizeTarget& target);

}  // namespace workbench
