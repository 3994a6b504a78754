// Which nodes become integer nodes, and the part each plays in the number system.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "compiler/quantize/quantize.h"
#include "core/graph.h"

namespace workbench {

enum class Role {
  Weighted,  // Conv, ConvTranspose, Gemm: weights, bias, one multiplier per output channel
  Average,   // AveragePool: sums its window, one multiplier
  Sum,       // Binary add of two activations
  Rescale,   // NEMO's Relu on its own: codes of another scale
  Concat,    // all operands on the result's scale, no arithmetic
  Move,      // MaxPool, Resize, Reshape, ...: codes pass through unchanged
};
using Roles = std::vector<std::optional<Role>>;  // per node; nothing where it stays float

// The role `node` can play as an integer node of xDNN; nothing if integers cannot express it at
// all, whatever the target.
std::optional<Role> integer_role(const Graph& graph, const Node& node);

// Roles on xDNN. What `options.host_reason` lets through must be expressible (CHECKed); without a
// host_reason, everything expressible is integer.
Roles integer_nodes(const Graph& graph, const QuantizeOptions& options);

// The operands of an integer node that carry activations (not weights, bias or scales).
std::span<const ValueId> data_operands(const Node& node, Role role);

// Whether `id` is there, no constant and of real numbers.
bool is_real(const Graph& graph, ValueId id);

// Whether weights and bias are constants of real numbers.
bool has_constant_parameters(const Graph& graph, const Node& node);

// Whether saturation of codes can stand for the activation: None, Relu, Clip(0, a), Clip(-a, a). A
// Clip with a bound per channel is no saturation.
bool is_saturation(const Activation& activation);

// For a Clip that saturation at the largest code can stand for: the real value which that code must
// not exceed. Nothing for other activations and for unbounded clips.
std::optional<double> saturation_cap(const Activation& activation);

// `activation` as an integer node performs it: None, Relu or PRelu. Clip(0, a) becomes Relu and
// Clip(-a, a) None: the threshold of the result is capped to a, so codes saturate there.
Activation integer_activation(const Activation& activation);

}  // namespace workbench
