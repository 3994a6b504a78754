// A float network made integer for a target by one of the schemes that --scheme names, with
// everything that can be said about it kept: what `workbench quantize` writes and `workbench
// accuracy` measures.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/quantize/graffitist.h"
#include "compiler/quantize/image_set.h"
#include "compiler/quantize/recipe.h"
#include "explore/flow/inputs.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"

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

struct QuantizationRequest {
  ModelSource model;
  std::string target = "xdnn";    // "xdnn", "pulp", "none"
  std::filesystem::path machine;  // of that family; "none" has none
  MachineOptions overrides;
  // One of scheme_names() (explore/scheme.h). A network that came quantized (QDQ, QOperator) is
  // taken as it is, whatever the scheme.
  std::string scheme = "default";
  std::vector<std::string> transforms;  // Graffitist's, in place of the published (scheme.h)
  Effort effort = Effort::Normal;
  PassSwitches passes;
  std::filesystem::path calibration_cache;  // folder (statistics_cache.h); empty: none
};

struct QuantizedNetwork {
  std::string target, scheme;
  std::optional<Machine> machine;
  Graph imported;   // float, before any pass: what accuracy is measured against
  Graph floats;     // after passes, pruned and equalized: what layers are measured against
  Graph annotated;  // float, edited, with Value::quantization (compiler/quantize/recipe.h)
  Graph reference;  // the scheme's own arithmetic, every rounding an explicit node
  Graph integers;   // what the target runs; for "none" the reference
  Statistics statistics;
  int accumulator_bits = 32;         // the target's
  std::string quantizer_parameters;  // Graffitist's quantization_params.json; empty: another scheme
  bool calibrated = true;            // false: all codes came with the file, images decided nothing
  std::vector<std::string> notes, warnings;
};

// Whether the file has codes of its own: QuantizeLinear, DequantizeLinear or what they mean.
bool came_quantized(const Graph& imported);

// The machine to quantize for; none with the target "none". Throws Error.
std::optional<Machine> machine_of(const QuantizationRequest& request);

// The images to calibrate with, as inputs of the request's model: preprocessed as the file (empty:
// MODEL.preprocess.yaml, if there) and the options say. Throws Error.
ImageSet open_calibration(const QuantizationRequest& request, ImageRequest images,
                          const std::filesystem::path& preprocessing,
                          const PreprocessingOptions& steps);

// What remains to be done where `imported`, `target`, `machine` and `scheme` of `network` are set:
// its codes, by `scheme`. `passed` makes of the imported network what the target's passes leave,
// if the scheme wants that. Throws Error.
QuantizedNetwork quantize_by_scheme(QuantizedNetwork network, const Scheme& scheme, Effort effort,
                                    const QuantizeTarget& target,
                                    const std::function<Graph(const Graph&)>& passed,
                                    const SampleSource& calibration, const Progress& progress = {});

// Throws Error for whatever the user's files get wrong.
QuantizedNetwork quantize_network(const QuantizationRequest& request,
                                  const SampleSource& calibration, const Progress& progress = {});

// How far the integers of one layer are from the scheme's own codes, each layer given the scheme's
// codes as operands: what lowering changed, and nothing inherited.
struct LoweringDifference {
  std::string layer;
  std::int64_t values = 0, differing = 0;
  std::int64_t largest_steps = 0;  // in codes of the result
};
// Of every integer layer, in graph order, over the first `count` samples. Throws Error as
// SampleSource does.
std::vector<LoweringDifference> lowering_differences(const QuantizedNetwork& network,
                                                     const SampleSource& samples,
                                                     std::size_t count);

}  // namespace workbench
