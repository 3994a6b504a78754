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
#include "compiler/quantize/code_bits.h"
#include "compiler/quantize/graffitist.h"
#include "compiler/quantize/recipe.h"
#include "data/image_set.h"
#include "explore/flow/target.h"

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
  std::string recipe;                             // Recipe: the one whose steps are taken
  CodeBits bits;                                  // Recipe: widths that its file says
};

// `transforms`: Graffitist's, one each, in place of the published list; with "graffitist" alone.
// "default", "published", "graffitist", "graffitist-int4", either with ":NETWORK" for what was
// published for that network, "nemo", "nemo-input-bias", a recipe, or a recipe file (code_bits.h).
// Throws Error naming the nearest, then all others.
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

// A network as integers, and how they were found.
struct Quantized {
  std::string target, scheme;  // names; of a network that kept its own codes: "as it came"
  std::optional<Machine> machine;
  Graph integers;                    // what the target runs; for "none" `reference`
  bool came_as_integers = false;     // there is no float network to compare with
  bool calibrated = true;            // false: all codes came with the file, no image decided any
  int accumulator_bits = 32;         // the target's
  std::string quantizer_parameters;  // Graffitist's quantization_params.json; empty: another scheme
  LeftToHost left_to_host;           // by the request's placement, ...
  bool depends_on_times = false;     // ... which has asked what takes how long on the machine
  std::vector<std::string> notes, warnings;
  std::vector<Tensor> input;  // of the run; empty: there is none
  NamedTensors float_values;  // of that input, for each name that the passes keep; may not be kept
  double calibrate_seconds = 0, compile_seconds = 0;

  // Kept where they are to be explained, not for a run: they take several times the memory.
  Graph imported;   // float, before any pass: what accuracy is measured against
  Graph floats;     // after passes, pruned and equalized: what layers are measured against
  Graph annotated;  // float, edited, with Value::quantization (compiler/quantize/recipe.h)
  Graph reference;  // the scheme's own arithmetic, every rounding an explicit node
  // `annotated` with other numbers as integers; none: the integers do not follow from it alone.
  std::function<Graph(const Graph& annotated)> lower;
  Statistics statistics;  // of `floats`
};

// Whether the file has codes of its own: QuantizeLinear, DequantizeLinear or what they mean.
bool came_quantized(const Graph& imported);

// The images to calibrate with, as inputs of the request's model: preprocessed as the file (empty:
// MODEL.preprocess.yaml, if there) and the options say. Throws Error.
ImageSet open_calibration(const CompileRequest& request, ImageRequest images,
                          const std::filesystem::path& preprocessing,
                          const PreprocessingOptions& steps);

// The second stage of a run: `imported` as integers for the target, by the request's scheme,
// calibrated with and run on the request's data. Throws Error for whatever the user's files get
// wrong.
Quantized quantize_network(const Imported& imported, const Target& target,
                           const CompileRequest& request, const Progress& progress = {});
// The same of the request's network, calibrated with `calibration`, and kept to be explained.
Quantized quantize_network(const CompileRequest& request, const SampleSource& calibration,
                           const Progress& progress = {});

// Distance of one layer's integers from the scheme's own codes, on the scheme's codes as operands:
// the effect of lowering alone.
struct LoweringDifference {
  std::string layer;
  std::int64_t values = 0, differing = 0;
  std::int64_t largest_steps = 0;  // in codes of the result
};
// Of every integer layer, in graph order, over the first `count` samples. Throws Error as
// SampleSource does.
std::vector<LoweringDifference> lowering_differences(const Quantized& network,
                                                     const SampleSource& samples,
                                                     std::size_t count);

}  // namespace workbench
