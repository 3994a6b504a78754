// The widths that a search decides about: of the weights of each layer, and of each activation, or
// group of activations whose codes have one width.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "compiler/quantize/code_bits.h"
#include "compiler/quantize/quantize_target.h"
#include "core/graph.h"
#include "explore/bits/selection.h"

namespace workbench {

struct WidthVariable {
  bool weights = true;              // else activations
  std::vector<std::string> layers;  // whose weights, or results, have this width
  std::vector<ValueId> values;      // of the annotated graph: the constant, or the activations
  std::int64_t elements = 0;        // of all values together
};

struct Widths {
  std::vector<int> choices;              // bits, widest first
  std::vector<WidthVariable> variables;  // in the order of the network

  // Of value `id` as an index into `variables`; none: its width is not decided.
  std::optional<std::size_t> variable_of(ValueId id) const;
};

// Of a network annotated for `target` at its full width. Not decided: inputs and results of the
// network, what shares a width with them, and what came with zero points.
Widths widths_of(const Graph& annotated, const QuantizeTarget& target);

// A choice for each variable as a recipe says it, every layer by name.
CodeBits code_bits(const Widths& widths, const Options& options);

// Bytes of the weights, codes packed.
std::int64_t weight_bytes(const Widths& widths, const Options& options);

// What --weight-bits and --activation-bits choose: edge layers keep the full width. Both are among
// the choices.
Options uniform_options(const Widths& widths, int weight_bits, int activation_bits);

}  // namespace workbench
