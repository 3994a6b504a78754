// Widths of codes that the user asks for, in place of the target's: for the whole network and layer
// by layer, as options or in a recipe file.
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

// All of `file`, but for what `options` say.
CodeBits overridden(CodeBits file, const CodeBits& options);

// `layers`: "NAME:weight-bits=4,activation-bits=8" each; a name may contain colons. Throws Error.
CodeBits code_bits(int weights, int activations, const std::vector<std::string>& layers);

// A recipe file (docs/quantization.md): the recipe whose steps it takes, and widths.
struct RecipeFile {
  std::string scheme = "default";
  CodeBits bits;
};
// `name`: of the file, for messages. Throws Error with name and line.
RecipeFile parse_recipe_file(const std::string& yaml, const std::string& name);
// The file that is read as that.
std::string recipe_file_text(const RecipeFile& recipe);

// Throws Error for a width that the target has not, before anything is measured.
void require_widths(const CodeBits& bits, const QuantizeTarget& target);

// `recipe` with those widths of weights.
Recipe with_weight_bits(Recipe recipe, const CodeBits& bits);

// `target`, whose annotate() narrows the codes of activations: all but those of the network's
// inputs and results, and those of layers named. Values of a group below have the largest width
// that one of them has. Throws Error (from annotate()) for a layer that the network has not and a
// width that the target has not.
QuantizeTarget with_activation_bits(QuantizeTarget target, const CodeBits& bits);

// Activations whose codes have one width: on one scale (Graph::scale_groups), or operands of a sum
// where the target asks for that. Each group ascending, those of one value left out.
std::vector<std::vector<ValueId>> groups_of_one_width(const Graph& annotated,
                                                      const QuantizeTarget& target);

}  // namespace workbench
