// Codes with zero points that a network came with, as PULP's kernels can have them. A kernel
// multiplies codes as they are, so that a zero point becomes a part of what is added behind it;
// only a border of zeros, and a cut at zero, need a zero whose code is the lowest.
#pragma once

#include <optional>
#include <vector>

#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/thresholds.h"
#include "core/graph.h"

namespace workbench {

// Whether codes have a zero point.
bool is_shifted(const Quantization& codes);

// Per ValueId, of those that are `present`: the 8-bit codes with a zero point that the value came
// with, or that values tied to it came with, where every node around can do without. A tied set
// whose members came with different ones keeps none.
std::vector<std::optional<Quantization>> kept_codes(const Graph& graph, const Roles& roles,
                                                    const std::vector<bool>& present,
                                                    ScaleClasses& ties);

// The same steps as unsigned codes: what kernels compute with. Others are returned as they are.
Quantization kernel_codes(Quantization codes);

// Convolutions that pad a graph input whose codes have a zero point read it with a border of zeros,
// which the host adds before it makes codes.
Graph with_input_borders(Graph graph);

// Whether a layer came as integers: its bias as codes of 32 bits, or an activation on either side
// with a zero point. It is computed as the file's own arithmetic has it.
bool came_as_integers(const Graph& graph, const Node& node);

}  // namespace workbench
