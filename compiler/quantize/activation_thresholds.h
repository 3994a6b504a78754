// Scales of activations by a recipe: which threshold of which value's statistics.
#pragma once

#include "compiler/quantize/quantize_target.h"
#include "compiler/quantize/recipe.h"
#include "compiler/quantize/statistics.h"
#include "core/graph.h"

namespace workbench {

// Of every value in `statistics`: max|x| for the network's inputs and (outputs_at_max) for what no
// layer with weights and no sum stands behind, else by the recipe's method, for the width and sign
// that the target gives the value; 0 for a dead one.
Thresholds activation_thresholds(const Graph& graph, const Statistics& statistics,
                                 const Recipe& recipe, const QuantizeTarget& target);

// Widens the steps of all annotated activations to powers of two: a threshold t becomes that of the
// step 2^ceil(log2 t) / 2^(bits - sign) (quantization.md 1.1); one that is of such a step stays.
void make_steps_powers_of_two(Graph& annotated);

}  // namespace workbench
