#include "explore/quantization.h"

#include <algorithm>

#include "compiler/passes/passes.h"
#include "compiler/quantize/activation_thresholds.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/graffitist.h"
#include "compiler/quantize/nemo_stages.h"
#include "compiler/quantize/requantized_codes.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/support.h"
#include "core/file.h"
#include "explore/data.h"
#include "explore/machine_file.h"

namespace workbench {

namespace {

// Part of the whole that a stage takes, for one progress bar over several stages.
StageProgress within(const Progress& progress, double begin, double end) {
  if (!progress) return {};
  return [=](std::string_view stage, double fraction) {
    progress(stage, begin + (end - begin) * fraction);
  };
}

std::optional<Machine> machine_of(const QuantizationRequest& request) {
  if (request.target == "none") {
    if (!request.machine.empty()) fail("--hw: expected none with --target none");
    return std::nullopt;
  }
  if (request.target != "xdnn" && request.target != "pulp") {
    fail("--target: expected xdnn, pulp or none, found '{}'", request.target);
  }
  const bool wants_xdnn = request.target == "xdnn";
  const std::filesystem::path path =
      request.machine.empty() ? find_machine_file(wants_xdnn ? "v3_96" : "gap8") : request.machine;
  Machine machine = load_machine(path, request.overrides);
  if (std::holds_alternative<xdnn::Machine>(machine) != wants_xdnn) {
    fail("--target {}: expected a machine of that family, found {}", request.target, name(machine));
  }
  return machine;
}

QuantizeTarget target_of(const std::optional<Machine>& machine, int activation_bits) {
  if (!machine) return free_quantize_target(activation_bits);
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&*machine)) {
    return xdnn_quantize_target({.bits = static_cast<int>(xdnn->array.bits),
                                 .limits = xdnn::requantize_limits(*xdnn),
                                 .host_reason = xdnn::host_reasons(*xdnn)});
  }
  return pulp_quantize_target({.activation_bits = activation_bits});
}

// A scheme with a flow of its own, for which there is no recipe.
bool is_published_flow(const QuantizationRequest& request) {
  if (request.scheme == "nemo" && request.target != "pulp") {
    fail("--scheme nemo: expected --target pulp, found {}", request.target);
  }
  return request.scheme == "graffitist" || request.scheme == "nemo";
}

Recipe recipe_of(const QuantizationRequest& request) {
  return request.scheme == "default" || is_published_flow(request)
             ? default_recipe(request.target, request.effort)
             : recipe_named(request.scheme);
}

// The float network as the target's compiler will see it.
Graph passed_network(const Graph& imported, const QuantizationRequest& request,
                     const std::optional<Machine>& machine) {
  Graph passed = imported;
  run_passes(passed, float_pipeline(request.passes));
  if (machine) {
    const auto* xdnn = std::get_if<xdnn::Machine>(&*machine);
    if (xdnn != nullptr) xdnn::fit_limits(passed, *xdnn, request.passes);
  }
  return passed;
}

Graph network_without_codes(Graph graph) {
  for (Value& value : graph.values) value.quantization.reset();
  graph.scale_groups.clear();
  return graph;
}

// Statistics of the float network for whom no recipe gathered them.
Statistics statistics_of(const Graph& graph, const SampleSource& calibration,
                         const StageProgress& progress) {
  return collect_statistics(graph, calibration, {}, progress);
}

void quantize_with_graffitist(const QuantizationRequest& request, const SampleSource& calibration,
                              const QuantizeTarget& target, const Progress& progress,
                              QuantizedNetwork& network) {
  graffitist::Network quantized = graffitist::quantize_static(
      network.imported, calibration, graffitist::published_recipe(""), within(progress, 0.1, 0.8));
  network.floats = target.prepare(network_without_codes(quantized.annotated));
  network.annotated = target.annotate(target.prepare(std::move(quantized.annotated)), {});
  network.reference = std::move(quantized.reference);
  network.notes = std::move(quantized.notes);
  network.statistics = statistics_of(network.floats, calibration, within(progress, 0.8, 0.95));
  network.integers = request.target == "none" ? network.reference : target.lower(network.annotated);
}

void quantize_with_nemo(const SampleSource& calibration, const Progress& progress,
                        QuantizedNetwork& network) {
  NemoStages stages = nemo_stages(network.imported, calibration, {.signed_activations = true},
                                  within(progress, 0.1, 0.6));
  network.floats = network_without_codes(stages.annotated);
  network.annotated = std::move(stages.annotated);
  network.reference = std::move(stages.quantized_deployable);
  network.integers = std::move(stages.integers);
  network.notes = std::move(stages.notes);
  network.statistics = statistics_of(network.floats, calibration, within(progress, 0.6, 0.95));
}

void quantize_with_recipe(const QuantizationRequest& request, const SampleSource& calibration,
                          const Recipe& recipe, const QuantizeTarget& target,
                          const Progress& progress, QuantizedNetwork& network) {
  Graph prepared = target.prepare(passed_network(network.imported, request, network.machine));
  if (came_quantized(network.imported)) {
    network.scheme = "as it came";
    network.floats = network_without_codes(prepared);
    network.statistics = statistics_of(network.floats, calibration, within(progress, 0.1, 0.9));
    // What the file says counts; the values it leaves real are for the recipe.
    network.annotated =
        target.annotate(std::move(prepared),
                        activation_thresholds(network.floats, network.statistics, recipe, target));
    network.warnings = requantized_codes(network.imported, network.annotated);
  } else {
    Annotated annotated =
        apply_recipe(prepared, calibration, recipe, target, within(progress, 0.1, 0.9));
    network.floats = std::move(annotated.floats);
    network.annotated = std::move(annotated.graph);
    network.statistics = std::move(annotated.statistics);
    network.notes = std::move(annotated.notes);
  }
  network.reference = fake_quantized(network.annotated);
  network.integers = target.lower(network.annotated);
}

}  // namespace

bool came_quantized(const Graph& imported) {
  return std::any_of(imported.nodes.begin(), imported.nodes.end(), [](const Node& node) {
    return std::holds_alternative<Quantize>(node.op) || std::holds_alternative<Dequantize>(node.op);
  });
}

ImageSet open_calibration(const QuantizationRequest& request, ImageRequest images,
                          const std::filesystem::path& preprocessing,
                          const PreprocessingOptions& steps) {
  const Graph graph = load_model(request.model);
  if (graph.inputs.size() != 1) {
    fail("{}: expected a network of one input to calibrate with images, found {}",
         request.model.name, graph.inputs.size());
  }
  if (images.path.empty()) {
    const Tensor sample = synthetic_sample(graph.value(graph.inputs[0]).shape, 1);
    return {
        .name = "synthetic data",
        .names = {"synthetic"},
        .labels = {},
        .samples = {1, [sample](std::size_t) { return std::vector{sample}; }},
        .warnings = {"no --calibration: calibrated on one synthetic image; accuracy is not real"}};
  }
  images.with_labels = false;
  images.input_shape = graph.value(graph.inputs[0]).shape;
  images.preprocessing =
      merge_preprocessing(preprocessing_file(request.model.name, preprocessing), steps);
  return open_images(images);
}

QuantizedNetwork quantize_network(const QuantizationRequest& request,
                                  const SampleSource& calibration, const Progress& progress) {
  check(request.passes, known_passes());
  QuantizedNetwork network{.target = request.target, .scheme = request.scheme};
  network.machine = machine_of(request);
  network.imported = load_model(request.model);
  const Recipe recipe = recipe_of(request);
  const QuantizeTarget target = target_of(network.machine, recipe.activation_bits);
  network.accumulator_bits = target.accumulator_bits;
  if (request.scheme == "graffitist") {
    quantize_with_graffitist(request, calibration, target, progress, network);
  } else if (request.scheme == "nemo" && !came_quantized(network.imported)) {
    quantize_with_nemo(calibration, progress, network);
  } else {
    quantize_with_recipe(request, calibration, recipe, target, progress, network);
  }
  return network;
}

}  // namespace workbench
