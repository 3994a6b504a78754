// Widths of codes that the user asks for, in place of the target's: for the whole network and layer
// by layer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/quantize/quantize_target.h"
#include "compiler/quantize/recipe.h"

namespace workbench {

struct CodeBits {
  struct Layer {
    int weights = 0, activations = 0;  // 0: as the network has; activations: of the layer's result
  };
  int weights = 0, activations = 0;     // 0: as the target has
  std::map<std::string, Layer> layers;  // by name of the node after the passes

  bool any() const { return weights != 0 || activations != 0 || !layers.empty(); }
};

// `layers`: "NAME:weight-bits=4,activation-bits=8" each; a name may contain colons. Throws Error.
CodeBits code_bits(int weights, int activations, const std::vector<std::string>& layers);

// `recipe` with those widths of weights.
Recipe with_weight_bits(Recipe recipe, const CodeBits& bits);

// `target`, whose annotate() narrows the codes of activations: all but those of the network's
// inputs and results, and those of layers named. Values on one scale have the largest width that
// one of them has. Throws Error (from annotate()) for a layer that the network has not, for a
// target whose codes have one width, and for more bits than it has.
QuantizeTarget with_activation_bits(QuantizeTarget target, const CodeBits& bits);

}  // namespace workbench
