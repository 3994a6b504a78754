#include "explore/flow/quantization.h"

#include <algorithm>
#include <filesystem>

#include "compiler/passes/passes.h"
#include "compiler/quantize/activation_thresholds.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/graffitist.h"
#include "compiler/quantize/nemo_stages.h"
#include "compiler/quantize/requantized_codes.h"
#include "compiler/quantize/statistics_cache.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/support.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/flow/inputs.h"
#include "explore/flow/machine.h"

namespace workbench {

namespace {

constexpr std::string_view kGraffitist = "graffitist", kInt4 = "graffitist-int4",
                           kNemoInputBias = "nemo-input-bias";

[[noreturn]] void refuse(std::string_view name) {
  std::vector<std::string> others = scheme_names();
  const std::string nearest = nearest_name(name, others);
  std::erase(others, nearest);
  fail("--scheme: expected {} (the nearest), {}, found '{}'", nearest, fmt::join(others, ", "),
       name);
}

}  // namespace

std::vector<std::string> scheme_names() {
  std::vector<std::string> names = {"default",          "published", std::string(kGraffitist),
                                    std::string(kInt4), "nemo",      std::string(kNemoInputBias)};
  for (std::string& recipe : recipe_names()) names.push_back(std::move(recipe));
  return names;
}

Scheme scheme_named(std::string_view name, const std::vector<std::string>& transforms) {
  using Flow = Scheme::Flow;
  if (!transforms.empty()) {
    if (name != kGraffitist) {
      fail("--transforms: expected --scheme graffitist, found {}",
           name.empty() ? "none" : fmt::format("'{}'", name));
    }
    return {Flow::Graffitist, std::string(name), graffitist::parse_transforms(transforms)};
  }
  const std::size_t colon = name.find(':');
  const std::string_view family = name.substr(0, colon);
  if (family == kGraffitist || family == kInt4) {
    const std::string_view network =
        colon == std::string_view::npos ? std::string_view() : name.substr(colon + 1);
    return {Flow::Graffitist, std::string(name),
            graffitist::published_recipe(network, family == kInt4 ? -4 : -8)};
  }
  if (name == "nemo" || name == kNemoInputBias) {
    return {Flow::Nemo, std::string(name), {}, name == kNemoInputBias};
  }
  if (name == "published") return {Flow::Published, std::string(name), {}};
  const std::vector<std::string> recipes = recipe_names();
  if (name != "default" && std::ranges::find(recipes, name) == recipes.end()) refuse(name);
  return {Flow::Recipe, std::string(name), {}};
}

std::vector<std::string> transform_texts(const std::vector<std::string>& given) {
  std::vector<std::string> texts;
  for (const std::string& one : given) {
    std::error_code ignored;
    const bool is_file = std::filesystem::is_regular_file(one, ignored);
    const std::vector<std::string> found =
        graffitist::split_transforms(is_file ? read_file(one) : one);
    if (found.empty())
      fail("--transforms '{}': expected transforms of Graffitist, found none", one);
    texts.insert(texts.end(), found.begin(), found.end());
  }
  return texts;
}

void require_target(const Scheme& scheme, std::string_view target) {
  if (target != "xdnn" && target != "pulp" && target != "none") {
    fail("--target: expected xdnn, pulp or none, found '{}'", target);
  }
  if (scheme.flow == Scheme::Flow::Nemo && target != "pulp") {
    fail("--scheme {}: expected target pulp, found {}", scheme.name, target);
  }
  if (scheme.flow == Scheme::Flow::Published && target == "none") {
    fail("--scheme published: expected target xdnn or pulp, found none");
  }
}

Recipe recipe_of(const Scheme& scheme, std::string_view target, Effort effort) {
  if (scheme.flow == Scheme::Flow::Published) return recipe_named("xfdnn");
  const bool own = scheme.flow == Scheme::Flow::Recipe && scheme.name != "default";
  return own ? recipe_named(scheme.name) : default_recipe(target, effort);
}

namespace {

QuantizeTarget target_of(const std::optional<Machine>& machine, int activation_bits) {
  if (!machine) return free_quantize_target(activation_bits);
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&*machine)) {
    return xdnn_quantize_target({.bits = static_cast<int>(xdnn->array.bits),
                                 .limits = xdnn::requantize_limits(*xdnn),
                                 .host_reason = xdnn::host_reasons(*xdnn)});
  }
  return pulp_quantize_target({.activation_bits = activation_bits});
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

// One network being quantized.
class Quantizing {
 public:
  Quantizing(QuantizedNetwork network, const Scheme& scheme, Effort effort,
             const QuantizeTarget& target, const SampleSource& calibration,
             const Progress& progress)
      : network_(std::move(network)),
        scheme_(scheme),
        recipe_(recipe_of(scheme, target.name, effort)),
        target_(target),
        calibration_(calibration),
        progress_(progress) {}

  QuantizedNetwork run(const std::function<Graph(const Graph&)>& passed) {
    if (came_quantized(network_.imported)) {
      as_it_came(target_.prepare(passed(network_.imported)));
    } else if (scheme_.flow == Scheme::Flow::Graffitist) {
      with_graffitist();
    } else if (scheme_.flow == Scheme::Flow::Nemo) {
      with_nemo();
    } else {
      with_recipe(target_.prepare(passed(network_.imported)));
    }
    return std::move(network_);
  }

 private:
  void with_graffitist() {
    graffitist::Network quantized = graffitist::quantize_static(
        network_.imported, calibration_, scheme_.transforms, within(progress_, 0.1, 0.8));
    network_.floats = target_.prepare(network_without_codes(quantized.annotated));
    network_.annotated = target_.annotate(target_.prepare(std::move(quantized.annotated)), {});
    network_.reference = std::move(quantized.reference);
    network_.quantizer_parameters = graffitist::quantization_parameters_json(quantized);
    network_.notes = std::move(quantized.notes);
    gather_statistics(0.8);
    network_.integers =
        target_.name == "none" ? network_.reference : target_.lower(network_.annotated);
  }

  void with_nemo() {
    NemoStages stages = nemo_stages(network_.imported, calibration_,
                                    {.signed_activations = true, .input_bias = scheme_.input_bias},
                                    within(progress_, 0.1, 0.6));
    network_.floats = network_without_codes(stages.annotated);
    network_.annotated = std::move(stages.annotated);
    network_.reference = std::move(stages.quantized_deployable);
    network_.integers = std::move(stages.integers);
    network_.notes = std::move(stages.notes);
    gather_statistics(0.6);
  }

  // What the file says counts; the values it leaves real are for the recipe.
  void as_it_came(Graph prepared) {
    if (scheme_.name != "default") {
      network_.warnings.push_back(fmt::format(
          "--scheme {}: the network came quantized and keeps its own codes", scheme_.name));
    }
    network_.scheme = "as it came";
    network_.calibrated = !has_all_codes(prepared, target_);
    network_.floats = network_without_codes(prepared);
    gather_statistics(0.1);
    network_.annotated = target_.annotate(
        std::move(prepared),
        activation_thresholds(network_.floats, network_.statistics, recipe_, target_));
    for (std::string& line : requantized_codes(network_.imported, network_.annotated)) {
      network_.warnings.push_back(std::move(line));
    }
    lower();
  }

  void with_recipe(const Graph& prepared) {
    Annotated annotated =
        apply_recipe(prepared, calibration_, recipe_, target_, within(progress_, 0.1, 0.9));
    network_.floats = std::move(annotated.floats);
    network_.annotated = std::move(annotated.graph);
    network_.statistics = std::move(annotated.statistics);
    network_.notes = std::move(annotated.notes);
    lower();
  }

  void lower() {
    network_.reference = fake_quantized(network_.annotated);
    network_.integers = target_.lower(network_.annotated);
  }

  // Of the float network, where no recipe gathered them.
  void gather_statistics(double begin) {
    network_.statistics =
        collect_statistics(network_.floats, calibration_, {}, within(progress_, begin, 0.95));
  }

  QuantizedNetwork network_;
  const Scheme& scheme_;
  Recipe recipe_;
  const QuantizeTarget& target_;
  const SampleSource& calibration_;
  const Progress& progress_;
};

}  // namespace

std::optional<Machine> machine_of(const QuantizationRequest& request) {
  if (request.target == "none") {
    if (!request.machine.empty()) fail("--hw: expected none with --target none");
    return std::nullopt;
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

QuantizedNetwork quantize_by_scheme(QuantizedNetwork network, const Scheme& scheme, Effort effort,
                                    const QuantizeTarget& target,
                                    const std::function<Graph(const Graph&)>& passed,
                                    const SampleSource& calibration, const Progress& progress) {
  require_target(scheme, target.name);
  network.accumulator_bits = target.accumulator_bits;
  return Quantizing(std::move(network), scheme, effort, target, calibration, progress).run(passed);
}

QuantizedNetwork quantize_network(const QuantizationRequest& request,
                                  const SampleSource& calibration, const Progress& progress) {
  check(request.passes, known_passes());
  const Scheme scheme = scheme_named(request.scheme, request.transforms);
  require_target(scheme, request.target);
  QuantizedNetwork network{.target = request.target, .scheme = request.scheme};
  network.machine = machine_of(request);
  network.imported = load_model(request.model);
  const Recipe recipe = recipe_of(scheme, request.target, request.effort);
  const QuantizeTarget target = target_of(network.machine, recipe.activation_bits);
  const auto passed = [&request, machine = network.machine](const Graph& imported) {
    return passed_network(imported, request, machine);
  };
  std::vector<std::string> warnings;
  const SampleSource samples =
      with_cache(calibration, request.calibration_cache,
                 [&](const std::string& text) { warnings.push_back(text); });
  network = quantize_by_scheme(std::move(network), scheme, request.effort, target, passed, samples,
                               progress);
  network.warnings.insert(network.warnings.end(), warnings.begin(), warnings.end());
  return network;
}

}  // namespace workbench
