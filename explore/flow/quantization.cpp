#include "explore/flow/quantization.h"

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>
#include <span>

#include "compiler/import/export.h"
#include "compiler/passes/passes.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/code_bits.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/hidden_codes.h"
#include "compiler/quantize/integer_network.h"
#include "compiler/quantize/nemo_stages.h"
#include "compiler/quantize/quantize_target.h"
#include "compiler/quantize/real_network.h"
#include "compiler/quantize/recipe_thresholds.h"
#include "compiler/quantize/result_error.h"
#include "compiler/quantize/saturation.h"
#include "compiler/quantize/statistics_cache.h"
#include "compiler/quantize/table.h"
#include "compiler/quantize/weighted_layers.h"
#include "compiler/xdnn/replay_listing.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/file.h"
#include "core/math.h"
#include "data/image.h"
#include "data/image_set.h"
#include "data/samples.h"
#include "explore/flow/golden_text.h"
#include "explore/flow/memory_need.h"
#include "explore/flow/partition.h"

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

bool is_recipe(std::string_view name) {
  const std::vector<std::string> recipes = recipe_names();
  return name == "default" || std::ranges::find(recipes, name) != recipes.end();
}

Scheme scheme_in_file(const std::string& path) {
  RecipeFile file = parse_recipe_file(read_file(path), path);
  if (!is_recipe(file.scheme)) {
    fail("{}: scheme: expected default, {}, found '{}'", path, fmt::join(recipe_names(), ", "),
         file.scheme);
  }
  return {.flow = Scheme::Flow::Recipe,
          .name = path,
          .recipe = std::move(file.scheme),
          .bits = std::move(file.bits)};
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
  if (name.empty() || name == "published") return {Flow::Published, "published", {}};
  if (is_recipe(name)) {
    return {.flow = Flow::Recipe, .name = std::string(name), .recipe = std::string(name)};
  }
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(name, ignored)) refuse(name);
  return scheme_in_file(std::string(name));
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
  const bool own = scheme.flow == Scheme::Flow::Recipe && scheme.recipe != "default";
  return own ? recipe_named(scheme.recipe) : default_recipe(target, effort);
}

namespace {

void append(std::vector<std::string>& lines, const std::vector<std::string>& more) {
  lines.insert(lines.end(), more.begin(), more.end());
}

Graph network_without_codes(Graph graph) {
  for (Value& value : graph.values) value.quantization.reset();
  graph.scale_groups.clear();
  return graph;
}

std::set<std::string> computed_names(const Graph& graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values) {
    if (!value.constant) names.insert(value.name);
  }
  return names;
}

// Keeps the values of `imported` whose names `passed` has. What an imported pair of QuantizeLinear
// and DequantizeLinear reads is kept as far as its codes reach: that is what `passed` says, where
// the pair has become a threshold.
class ReferenceValues {
 public:
  ReferenceValues(const Graph& imported, const Graph& passed)
      : imported_(imported), names_(computed_names(passed)), ranges_(ranges_of_pairs(imported)) {}

  bool wants(const std::string& name) const { return names_.contains(name); }
  void keep(ValueId id, const Tensor& tensor) {
    const std::string& name = imported_.value(id).name;
    if (!wants(name)) return;
    Tensor& kept = values_.insert_or_assign(name, tensor).first->second;
    const auto range = ranges_.find(name);
    if (range != ranges_.end()) saturate(kept, range->second);
  }
  NamedTensors take() { return std::move(values_); }

 private:
  const Graph& imported_;
  const std::set<std::string> names_;
  const RealRanges ranges_;
  NamedTensors values_;
};

// Float values of the run's input, for the names that `passed` keeps.
NamedTensors values_of(const Graph& imported, const Graph& passed, std::span<const Tensor> input) {
  ReferenceValues values(imported, passed);
  evaluate(imported, input,
           {.observe = [&](ValueId id, const Tensor& tensor) { values.keep(id, tensor); }});
  return values.take();
}

struct Measured {
  Thresholds thresholds;
  NamedTensors values;  // of the run's input, as values_of() has them; empty: not asked for
};

// Thresholds of every value of `passed`. They and the values come from evaluating `imported`, so
// that no pass has touched them; only values that a pass invented are measured on `passed`.
Measured measure(const Graph& imported, const Graph& passed, const RunData& data,
                 const SampleSource& samples, int bits, bool keep_values) {
  ReferenceValues values(imported, passed);
  Measured measured;
  const auto keep = [&](ValueId id, const Tensor& tensor) { values.keep(id, tensor); };
  const auto wanted = [&](const Value& value) { return values.wants(value.name); };
  const bool by_product = keep_values && data.input_is_last_sample;
  measured.thresholds =
      calibrate(imported, samples, bits,
                by_product ? keep : std::function<void(ValueId, const Tensor&)>(), wanted);
  measured.values = values.take();
  if (keep_values && !by_product) measured.values = values_of(imported, passed, data.input);

  const auto missing = [&](const Value& value) {
    return value.type == ElementType::Float32 && !value.constant &&
           !measured.thresholds.contains(value.name);
  };
  if (std::any_of(passed.values.begin(), passed.values.end(), missing)) {
    measured.thresholds.merge(calibrate(passed, samples, bits, {}, missing));
  }
  return measured;
}

// Writes what --save-optimized asks for. Thresholds that came with a quantized model are no part of
// a float network: says so.
void save_optimized(const Graph& imported, const Graph& passed, const std::filesystem::path& path,
                    std::vector<std::string>& warnings) {
  if (path.empty()) return;
  export_onnx(with_saturation(passed, ranges_of_pairs(imported)), path);
  const bool quantized =
      std::any_of(passed.values.begin(), passed.values.end(),
                  [](const Value& value) { return value.quantization.has_value(); });
  if (quantized) {
    warnings.push_back(fmt::format("{}: has no thresholds, --save-quantizer writes those of '{}'",
                                   path.string(), passed.name));
  }
}

void require_tables(const CompileRequest& request, const Target& target) {
  if (request.quantizer_table.empty() || target.takes_tables) return;
  fail("--quantizer-json: expected an xDNN machine, found {}",
       target.machine ? name(*target.machine) : target.quantize.name);
}

std::optional<QuantizerTable> read_table(const CompileRequest& request, const Scheme& scheme) {
  if (request.quantizer_table.empty()) return std::nullopt;
  if (scheme.flow != Scheme::Flow::Published) {
    fail("--quantizer-json and --scheme: expected one of them");
  }
  return quantizer_table_from_json(read_file(request.quantizer_table),
                                   request.quantizer_table.string());
}

// Of layers with constant weights that are `wanted`, per node.
std::int64_t weighted_macs(const Graph& graph, const std::vector<bool>& wanted) {
  std::int64_t sum = 0;
  for (const WeightedLayer& layer : weighted_layers(graph)) {
    if (wanted[layer.node]) sum += macs(graph, graph.nodes[layer.node]);
  }
  return sum;
}

constexpr std::size_t kEnoughToCompare = 4, kComparedSamples = 16;
constexpr double kWorthIt = 0.794328234724;  // a decibel

bool has_node(const Graph& graph, std::string_view name) {
  return std::ranges::any_of(graph.nodes, [&](const Node& node) { return node.name == name; });
}

// Whether instructions carry names that only `parts`, the network cut for the machine, has.
bool names_parts(const xdnn::Listing& listing, const Graph& whole, const Graph& parts) {
  return std::ranges::any_of(listing.entries, [&](const xdnn::Entry& entry) {
    const std::string name = xdnn::executed(entry) ? xdnn::name_of(entry) : "";
    return !name.empty() && has_node(parts, name) && !has_node(whole, name);
  });
}

// One network being quantized.
class Quantizing {
 public:
  Quantizing(const Imported& imported, const Target& target, const RunData& data,
             const CompileRequest& request, bool keeps_floats, const Progress& progress)
      : imported_(imported.graph),
        listing_(imported.listing),
        target_(target),
        data_(data),
        request_(request),
        progress_(progress),
        scheme_(scheme_named(request.scheme, request.transforms)),
        keeps_floats_(keeps_floats),
        samples_(with_cache(data.calibration, request.calibration_cache,
                            [this](const std::string& text) { cache_warnings_.push_back(text); })) {
    require_target(scheme_, target.quantize.name);
    table_ = read_table(request, scheme_);
    bits_ = overridden(scheme_.bits,
                       code_bits(request.weight_bits, request.activation_bits, request.layers));
    if (bits_.any() && scheme_.flow != Scheme::Flow::Recipe) {
      fail(
          "--weight-bits, --activation-bits and --layer: expected --scheme default or a recipe, "
          "found '{}'",
          scheme_.name);
    }
    require_widths(bits_, target.quantize);
    target_.quantize = with_activation_bits(target_.quantize, bits_);
    recipe_ = for_target(
        with_weight_bits(recipe_of(scheme_, target.quantize.name, request.effort), bits_),
        target.quantize);
    result_.target = target.quantize.name;
    result_.scheme = scheme_.name;
    result_.machine = target.machine;
    result_.accumulator_bits = target.quantize.accumulator_bits;
    result_.input = data.input;
    result_.notes = data.notes;
  }
  Quantizing(const Quantizing&) = delete;
  Quantizing& operator=(const Quantizing&) = delete;

  Quantized run() {
    using Flow = Scheme::Flow;
    const bool came = came_quantized(imported_);
    const bool wants_passes =
        came || scheme_.flow == Flow::Published || scheme_.flow == Flow::Recipe;
    Graph prepared =
        wants_passes || !request_.save_optimized.empty() || !request_.dump_passes.empty()
            ? after_passes()
            : Graph();
    if (progress_) progress_("calibrating", 0.3);
    const Stopwatch stopwatch;
    if (scheme_.flow == Flow::Published) {
      as_published(std::move(prepared));
    } else {
      if (came) {
        as_it_came(std::move(prepared));
      } else if (scheme_.flow == Flow::Graffitist) {
        with_graffitist();
      } else if (scheme_.flow == Flow::Nemo) {
        with_nemo();
      } else {
        with_recipe(prepared);
      }
      if (wants_values()) result_.float_values = values_of(imported_, result_.floats, data_.input);
    }
    result_.calibrate_seconds += stopwatch.seconds() - lower_seconds_;
    result_.compile_seconds += lower_seconds_;
    return finished();
  }

 private:
  bool wants_values() const { return request_.keep_reference && !data_.input.empty(); }

  // The float network as the target's compiler will see it.
  Graph after_passes() {
    const Stopwatch stopwatch;
    Graph passed = imported_;
    run_passes(passed, float_pipeline(request_.passes), request_.dump_passes);
    fit(passed);
    save_optimized(imported_, passed, request_.save_optimized, pass_warnings_);
    passed = target_.quantize.prepare(std::move(passed));
    if (came_quantized(imported_)) restore_hidden_codes(passed, imported_);
    place(passed);
    if (came_quantized(imported_)) passed = saturated_on_host(std::move(passed));
    result_.compile_seconds += stopwatch.seconds();
    return passed;
  }

  // A third-party program was made for the network as it is, a saved one of ours for its parts.
  void fit(Graph& passed) const {
    if (!target_.fit) return;
    Graph parts = passed;
    if (!target_.fit(parts, request_.passes)) return;
    if (!request_.program.empty() && !(listing_ && names_parts(*listing_, passed, parts))) return;
    passed = std::move(parts);
    if (!request_.dump_passes.empty()) {
      write_file(request_.dump_passes / "fit_limits.txt", print_graph(passed));
    }
  }

  // Graffitist and NEMO have networks of their own; a third-party program says what is the host's.
  void place(const Graph& prepared) {
    using Flow = Scheme::Flow;
    const bool runs_it = came_quantized(imported_) || scheme_.flow == Flow::Published ||
                         scheme_.flow == Flow::Recipe;
    if (request_.placement == Placement::All || !request_.allow_host || !target_.machine) return;
    if (listing_) {
      result_.left_to_host = xdnn::left_to_host(*listing_);
    } else if (request_.program.empty() && runs_it) {
      Partition partition = partition_by_gain(prepared, target_);
      result_.depends_on_times = partition.depends_on_times;
      result_.left_to_host = std::move(partition.left);
    }
    if (result_.left_to_host.empty()) return;
    target_ = target_.leaving(result_.left_to_host);
    target_.quantize = with_activation_bits(target_.quantize, bits_);
  }

  // Where a layer of a network that came quantized stays real, nothing else cuts its result.
  Graph saturated_on_host(Graph prepared) const {
    const QuantizeTarget& target = target_.quantize;
    Thresholds any;
    for (const Value& value : prepared.values) {
      if (!value.constant) any[value.name] = 1;
    }
    const Graph annotated = target.annotate(prepared, any);
    const RealRanges open = ranges_without_codes(ranges_of_pairs(imported_), annotated,
                                                 target.has_weight_codes(annotated));
    return with_saturation(std::move(prepared), open);
  }

  void as_published(Graph prepared) {
    const bool came = came_quantized(imported_);
    result_.calibrated = !came || table_ || !has_all_codes(prepared, target_.quantize);
    Measured measured;
    if (result_.calibrated) {
      measured =
          measure(imported_, prepared, data_, samples_, target_.published_bits, wants_values());
    } else {
      for (const Value& value : prepared.values) {
        if (!value.constant) measured.thresholds[value.name] = 0;
      }
      if (wants_values()) measured.values = values_of(imported_, prepared, data_.input);
    }
    result_.float_values = std::move(measured.values);
    if (came || keeps_floats_) {
      result_.annotated = target_.quantize.annotate(prepared, measured.thresholds);
    }
    if (came) warn_of_other_codes();
    if (progress_) progress_("quantizing", 0.9);
    const Stopwatch stopwatch;
    result_.integers =
        target_.published(prepared, measured.thresholds, table_ ? &*table_ : nullptr);
    lower_seconds_ = stopwatch.seconds();
    if (table_) {
      if (const auto left_out = layers_left_out(*table_, result_.integers)) {
        result_.warnings.push_back(request_.quantizer_table.string() + ": " + *left_out);
      }
    }
    if (!keeps_floats_) return;
    if (!came) {
      choose_weight_thresholds(result_.annotated,
                               target_.quantize.has_weight_codes(result_.annotated), recipe_,
                               target_.quantize.accumulator_bits);
    }
    result_.floats = network_without_codes(std::move(prepared));
    result_.reference = fake_quantized(result_.annotated);
    gather_statistics(0.9);
  }

  void warn_of_other_codes() {
    const RequantizedCodes found = requantized_codes(imported_, result_.annotated);
    if (const auto summary = found.summary()) result_.warnings.push_back(*summary);
    append(result_.warnings, found.lines);
  }

  void with_graffitist() {
    graffitist::Network quantized = graffitist::quantize_static(
        imported_, samples_, scheme_.transforms, within(progress_, 0.3, 0.8));
    const QuantizeTarget& target = target_.quantize;
    result_.floats = target.prepare(network_without_codes(quantized.annotated));
    const std::set<std::string> known = computed_names(quantized.annotated);
    Graph prepared = target.prepare(std::move(quantized.annotated));
    // What the target's form has put between a layer and its activation, Graffitist does not round.
    const auto is_new = [&](const Value& value) {
      return value.type == ElementType::Float32 && !value.constant && !known.contains(value.name);
    };
    Thresholds thresholds;
    if (std::ranges::any_of(prepared.values, is_new)) {
      thresholds = calibrate(result_.floats, samples_, 8, {}, is_new);
    }
    result_.annotated = target.annotate(std::move(prepared), thresholds);
    result_.reference = std::move(quantized.reference);
    result_.quantizer_parameters = graffitist::quantization_parameters_json(quantized);
    append(result_.notes, quantized.notes);
    if (keeps_floats_) gather_statistics(0.8);
    result_.integers = target_.machine ? target.lower(result_.annotated) : result_.reference;
  }

  void with_nemo() {
    NemoStages stages = nemo_stages(imported_, samples_,
                                    {.signed_activations = true, .input_bias = scheme_.input_bias},
                                    within(progress_, 0.3, 0.6));
    result_.floats = network_without_codes(stages.annotated);
    result_.annotated = std::move(stages.annotated);
    result_.reference = std::move(stages.quantized_deployable);
    result_.integers = std::move(stages.integers);
    append(result_.notes, stages.notes);
    if (keeps_floats_) gather_statistics(0.6);
  }

  // What the file says counts; the values it leaves real are for the recipe.
  void as_it_came(Graph prepared) {
    if (scheme_.name != "default") {
      result_.warnings.push_back(fmt::format(
          "--scheme {}: the network came quantized and keeps its own codes", scheme_.name));
    }
    result_.scheme = "as it came";
    result_.calibrated = !has_all_codes(prepared, target_.quantize);
    result_.floats = network_without_codes(prepared);
    gather_statistics(0.3);
    result_.annotated = target_.quantize.annotate(
        std::move(prepared),
        activation_thresholds(result_.floats, result_.statistics, recipe_, target_.quantize));
    warn_of_other_codes();
    lower();
  }

  void with_recipe(const Graph& prepared) {
    Annotated annotated = best_recipe(prepared);
    result_.floats = std::move(annotated.floats);
    result_.annotated = std::move(annotated.graph);
    result_.statistics = std::move(annotated.statistics);
    append(result_.notes, annotated.notes);
    require_integers(prepared);
    lower();
  }

  // The default's result or, where a simpler recipe brings the results nearer to those of the float
  // network by a decibel, that one's.
  Annotated best_recipe(const Graph& prepared) {
    Annotated best =
        apply_recipe(prepared, samples_, recipe_, target_.quantize, within(progress_, 0.3, 0.8));
    const bool compares = scheme_.recipe == "default" && request_.effort != Effort::Fast &&
                          samples_.count >= kEnoughToCompare;
    if (!compares) return best;
    const ResultReference reference(prepared, samples_, kComparedSamples);
    const auto error_of = [&](const Annotated& found) { return reference.error_of(found.graph); };
    const auto decibels = [](double error) { return -10 * math::log10(std::max(error, 1e-12)); };
    const Statistics statistics = best.statistics;
    double least = error_of(best);
    std::string compared = fmt::format("default {:.1f}", decibels(least)), taken = "default";
    for (const Recipe& recipe : simpler_recipes(recipe_)) {
      const bool same_floats = recipe.equalize_limit <= 1 && !target_.quantize.late_bias;
      Annotated other =
          apply_recipe(prepared, samples_, recipe, target_.quantize, within(progress_, 0.8, 0.9),
                       same_floats ? &statistics : nullptr);
      const double error = error_of(other);
      compared += fmt::format(", {} {:.1f}", recipe.name, decibels(error));
      if (error >= kWorthIt * least) continue;
      least = error;
      taken = recipe.name;
      best = std::move(other);
    }
    best.notes.push_back(
        fmt::format("signal to noise of the results in dB, mean over {} images: {}; took {}",
                    std::min(samples_.count, kComparedSamples), compared, taken));
    return best;
  }

  // A scheme that leaves most of what the target could compute to the host is none for it.
  void require_integers(const Graph& prepared) {
    const QuantizeTarget& target = target_.quantize;
    const std::int64_t all = weighted_macs(prepared, std::vector(prepared.nodes.size(), true));
    const std::int64_t could = weighted_macs(prepared, target.runs_on_target(prepared));
    const std::int64_t does =
        weighted_macs(result_.annotated, target.has_weight_codes(result_.annotated));
    const auto percent = [&](std::int64_t part) {
      return 100 * static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(all, 1));
    };
    if (target_.machine && 2 * does < could) {
      fail(
          "--scheme {}: leaves {:.0f} % of the MACs to the host in float, where {:.0f} % could be "
          "integers: expected --scheme default",
          scheme_.name, percent(all - does), percent(could));
    }
    if (target_.machine && does < all) {
      result_.notes.push_back(
          fmt::format("in float on the host: {:.1f} % of the MACs of layers with weights",
                      percent(all - does)));
    }
  }

  void lower() {
    if (keeps_floats_) result_.reference = fake_quantized(result_.annotated);
    result_.integers = target_.quantize.lower(result_.annotated);
  }

  // Of the float network, where no recipe gathered them.
  void gather_statistics(double begin) {
    result_.statistics =
        collect_statistics(result_.floats, samples_, {}, within(progress_, begin, 0.95));
  }

  Quantized finished() {
    std::vector<std::string> warnings = std::move(pass_warnings_);
    append(warnings, result_.calibrated ? data_.warnings : data_.uncalibrated_warnings);
    append(warnings, result_.warnings);
    append(warnings, cache_warnings_);
    result_.warnings = std::move(warnings);
    if (keeps_floats_) {
      result_.imported = imported_;
      if (scheme_.flow != Scheme::Flow::Nemo) result_.lower = target_.quantize.lower;
    } else {
      result_.floats = result_.annotated = result_.reference = {};
      result_.statistics = {};
    }
    return std::move(result_);
  }

  const Graph& imported_;
  const std::optional<xdnn::Listing>& listing_;
  Target target_;  // leaving what the placement leaves to the host
  const RunData& data_;
  const CompileRequest& request_;
  const Progress& progress_;
  const Scheme scheme_;
  const bool keeps_floats_;
  std::vector<std::string> pass_warnings_, cache_warnings_;
  const SampleSource samples_;
  std::optional<QuantizerTable> table_;
  CodeBits bits_;
  Recipe recipe_;
  double lower_seconds_ = 0;
  Quantized result_;
};

// What the request's input file holds for an integer network; without one, seeded codes.
RunData integer_data(const Graph& imported, const CompileRequest& request) {
  const std::filesystem::path& path = request.data.input;
  RunData data;
  if (path.empty()) {
    data.input = synthetic_codes(imported);
    data.warnings = {"no --input: running on seeded codes"};
  } else if (path.extension() == ".txt" || path.extension() == ".npz") {
    IntegerInput input = read_integer_input(path, imported);
    data.input = std::move(input.tensors);
    data.notes = std::move(input.notes);
  } else {
    DataOptions options = request.data;
    options.calibration = path;  // no calibration is needed
    data = read_data(imported, request.model.name, options);
  }
  return data;
}

Quantized as_integers(const Graph& imported, const Target& target, const CompileRequest& request) {
  RunData data = integer_data(imported, request);
  const Stopwatch stopwatch;
  std::vector<std::string> saturations;
  Graph integers = integer_network(imported, data.input, {.saturations = &saturations});
  append(data.warnings, saturations);
  if (!request.dump_passes.empty()) {
    write_file(request.dump_passes / "integer_network.txt", print_graph(integers));
  }
  return {.target = target.quantize.name,
          .scheme = "as it came",
          .machine = target.machine,
          .integers = std::move(integers),
          .came_as_integers = true,
          .calibrated = false,
          .accumulator_bits = target.quantize.accumulator_bits,
          .notes = std::move(data.notes),
          .warnings = std::move(data.warnings),
          .input = std::move(data.input),
          .compile_seconds = stopwatch.seconds()};
}

// For a machine without rescalings of integers: the real network that the codes stand for, one step
// being 1, is quantized for it.
Quantized requantized(const Imported& came, const Target& target, const CompileRequest& request,
                      const RunData& data, bool keeps_floats, const Progress& progress) {
  const Graph integers = integer_network(came.graph, data.input);
  const auto rescales = [](const Node& node) { return node.affine.has_value(); };
  const auto rescalings = std::count_if(integers.nodes.begin(), integers.nodes.end(), rescales);
  Imported real = came;
  real.graph = real_network(integers);
  Quantized quantized = Quantizing(real, target, data, request, keeps_floats, progress).run();
  quantized.warnings.insert(
      quantized.warnings.begin(),
      fmt::format(
          "came as integers, as NEMO, Quantlab and Deeploy write them: {} rescalings that {} "
          "does not have are quantized again, codes differ from the file's",
          rescalings, target.machine ? name(*target.machine) : "target " + target.quantize.name));
  return quantized;
}

// What integer_data() gives, and calibration: with what the request names, else with the input.
RunData calibrated_codes(const Graph& imported, const CompileRequest& request) {
  RunData data = integer_data(imported, request);
  if (!request.data.calibration.empty()) {
    DataOptions options = request.data;
    options.input = options.calibration;
    data.calibration = read_data(imported, request.model.name, options).calibration;
  } else if (data.calibration.count == 0) {
    data.calibration = {1, [input = data.input](std::size_t) { return input; }};
    data.input_is_last_sample = true;
  }
  return data;
}

// What the import chose for the user comes before what was found since.
Quantized with_notes_of(const Imported& imported, Quantized quantized) {
  quantized.warnings.insert(quantized.warnings.begin(), imported.notes.begin(),
                            imported.notes.end());
  return quantized;
}

}  // namespace

bool came_quantized(const Graph& imported) {
  return std::any_of(imported.nodes.begin(), imported.nodes.end(), [](const Node& node) {
    return std::holds_alternative<Quantize>(node.op) || std::holds_alternative<Dequantize>(node.op);
  });
}

ImageSet open_calibration(const CompileRequest& request, ImageRequest images,
                          const std::filesystem::path& preprocessing,
                          const PreprocessingOptions& steps) {
  const Graph graph = imported(load_model(request.model)).graph;
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

Quantized quantize_network(const Imported& imported, const Target& target,
                           const CompileRequest& request, const Progress& progress) {
  check(request.passes, known_passes());
  require_tables(request, target);
  const bool stays = target.takes_integer_networks && is_integer_network(imported.graph);
  if (!stays) require_memory_for_calibration(imported.graph);
  // What keeps float values, where there are some, is going to run.
  if (request.keep_reference) require_memory_for_run(imported, target, request);
  if (stays) return with_notes_of(imported, as_integers(imported.graph, target, request));
  if (is_integer_network(imported.graph)) {
    const RunData data = calibrated_codes(imported.graph, request);
    return with_notes_of(imported, requantized(imported, target, request, data, false, progress));
  }
  const RunData data = read_data(imported.graph, request.model.name, request.data);
  return with_notes_of(imported,
                       Quantizing(imported, target, data, request, false, progress).run());
}

Quantized quantize_network(const CompileRequest& request, const SampleSource& calibration,
                           const Progress& progress) {
  check(request.passes, known_passes());
  require_target(scheme_named(request.scheme, request.transforms), request.target);
  const Target target = target_for(machine_of(request));
  require_tables(request, target);
  const Imported imported = target.import(request);
  const RunData data{.calibration = calibration};
  if (!target.takes_integer_networks && is_integer_network(imported.graph)) {
    return with_notes_of(imported, requantized(imported, target, request, data, true, progress));
  }
  require_memory_for_calibration(imported.graph);
  return with_notes_of(imported, Quantizing(imported, target, data, request, true, progress).run());
}

}  // namespace workbench
