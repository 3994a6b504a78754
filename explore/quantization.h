// A float network made integer for a target, with everything that can be said about it kept:
// what `workbench quantize` writes and `workbench accuracy` measures.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compiler/passes/switches.h"
#include "compiler/quantize/image_set.h"
#include "compiler/quantize/recipe.h"
#include "explore/model.h"
#include "explore/pipeline.h"
#include "explore/scheme.h"
#include "explore/target.h"

namespace workbench {

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
