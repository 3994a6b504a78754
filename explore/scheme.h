// Ways to quantize a float network, by the names that --scheme takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compiler/quantize/graffitist.h"
#include "compiler/quantize/recipe.h"

namespace workbench {

struct Scheme {
  enum class Flow {
    Published,   // as the family's own tools do it: xfDNN's thresholds, in NEMO's integers on PULP
    Recipe,      // ours for the target, or one of recipe_names()
    Graffitist,  // its static mode
    Nemo,        // its stages FQ, QD, ID: PULP alone
  };
  Flow flow = Flow::Recipe;
  std::string name;
  std::vector<graffitist::Transform> transforms;  // Graffitist's
  bool input_bias = false;                        // Nemo's
};

// `transforms`: Graffitist's, one each, in place of the published list; with "graffitist" alone.
// "default", "published", "graffitist", "graffitist-int4", either with ":NETWORK" for what was
// published for that network, "nemo", "nemo-input-bias", or a recipe. Throws Error naming the
// nearest, then all others.
Scheme scheme_named(std::string_view name, const std::vector<std::string>& transforms = {});
// What --transforms was given, one each: files that list them, or texts (split_transforms()).
// Throws Error.
std::vector<std::string> transform_texts(const std::vector<std::string>& given);
std::vector<std::string> scheme_names();

// Throws Error where the target ("xdnn", "pulp", "none") has no such arithmetic.
void require_target(const Scheme& scheme, std::string_view target);

// What decides about values to which a scheme, or a file that came quantized, gives no codes; and
// all about a Recipe.
Recipe recipe_of(const Scheme& scheme, std::string_view target, Effort effort);

}  // namespace workbench
