// Sequential reconstruction of layers with few-bit weights (docs/facts/quantization.md 5.4).
#pragma once

#include <string>
#include <vector>

#include "compiler/quantize/recipe.h"
#include "core/graph.h"
#include "data/samples.h"

namespace workbench {

// Layer by layer in graph order: new codes, steps and bias for each weighted layer of `annotated`
// whose weights have codes, so that it gives of the operands that the rounded and already changed
// network has what `reference`, the float network of the same nodes, gives of its own. Where a sum
// alone reads the result and its other operand has been computed, that operand's error is made up
// for, too. How far weights may leave those of `reference` for that is found by two-fold cross
// validation, for each layer. Steps keep their kind (recipe.weight_scale) and those of 8 bits and
// more their size. On the positions that are looked at no channel's error (where channels share a
// step: no layer's) is larger than that of the nearest codes in the steps that came. Over as many
// of the first samples as fit into 256 MiB, both networks' values together. Layers that
// operand_layer() does not know have their biases corrected, as correct_bias() does.
void reconstruct_layers(Graph& annotated, const Graph& reference, const SampleSource& samples,
                        const Recipe& recipe, int accumulator_bits, std::vector<std::string>& notes,
                        const StageProgress& progress = {});

}  // namespace workbench
