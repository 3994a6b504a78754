// The steps of a recipe in their order (docs/facts/quantization.md 5.2 "recipe that works"), and
// the recipes that have names.
#include "compiler/quantize/recipe.h"

#include <algorithm>

#include "compiler/quantize/clip_layer.h"
#include "compiler/quantize/correct_weights.h"
#include "compiler/quantize/equalize.h"
#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/late_bias.h"
#include "compiler/quantize/recipe_thresholds.h"
#include "compiler/quantize/reconstruct.h"
#include "compiler/quantize/weighted_layers.h"

namespace workbench {

namespace {

void check_recipe(const Graph& graph, const Recipe& recipe, const SampleSource& samples,
                  const QuantizeTarget& target) {
  if (samples.count == 0) fail("calibration: expected at least one sample, found none");
  const auto check_bits = [&](int bits, const std::string& of) {
    require_width(bits, target.weight_widths, target,
                  fmt::format("recipe '{}'{}: weight-bits", recipe.name, of));
  };
  check_bits(recipe.weight_bits, "");
  for (const auto& [layer, bits] : recipe.layer_weight_bits) {
    check_bits(bits, fmt::format(", layer '{}'", layer));
  }
  if (recipe.equalize_limit != 0 && recipe.equalize_limit < 1) {
    fail("recipe '{}': equalize_limit: expected 0 or at least 1, found {}", recipe.name,
         recipe.equalize_limit);
  }
  if (!recipe.equalize_across_clips || recipe.equalize_limit == 0 || target.name == "none") return;
  for (const Node& node : graph.nodes) {
    if (!saturation_cap(activation_of(node.op))) continue;
    fail(
        "recipe '{}' equalizes across clips (layer '{}'), which then have one bound per channel; "
        "target '{}' has one per layer: expected target none, or {}-clip-safe",
        recipe.name, node.name, target.name, recipe.name);
  }
}

// Ours under Graffitist's restriction: one power of two per tensor.
Recipe per_tensor_power_of_two() {
  return {.name = "per-tensor-pow2",
          .prune_constant_channels = true,
          .equalize_limit = 16,
          .equalize_across_clips = true,
          .align_to_powers_of_two = true,
          .granularity = Granularity::PerTensor,
          .weight_scale = ScaleKind::PowerOfTwo,
          .activation_scale = ScaleKind::PowerOfTwo,
          .weight_method = ThresholdMethod::Mse,
          .activation_method = ThresholdMethod::KlJ,
          .round_weights = true,
          .correct_bias = true,
          .reconstruct = true,
          .fit_target = true};
}

// The same where hardware has one bound per Clip and layer.
Recipe per_tensor_power_of_two_clip_safe() {
  Recipe recipe = per_tensor_power_of_two();
  recipe.name = "per-tensor-pow2-clip-safe";
  recipe.equalize_across_clips = false;
  recipe.clip_layer_beyond = 64;  // of 127 codes the median channel's weights then have two
  return recipe;
}

// One shift per channel: neither pruning nor equalization has anything left to do.
Recipe per_channel_power_of_two() {
  Recipe recipe = per_tensor_power_of_two();
  recipe.name = "per-channel-pow2";
  recipe.prune_constant_channels = false;
  recipe.equalize_limit = 0;
  recipe.equalize_across_clips = false;
  recipe.granularity = Granularity::PerChannel;
  return recipe;
}

// One multiplier per channel.
Recipe per_channel() {
  return {.name = "per-channel",
          .weight_method = ThresholdMethod::Max,
          .activation_method = ThresholdMethod::Mse,
          .round_weights = true,
          .correct_bias = true,
          .reconstruct = true,
          .fit_target = true};
}

// What Graffitist's static mode chooses (docs/facts/quantization.md 1.3), in the formats of the
// target.
Recipe published_static() {
  return {.name = "published-static",
          .granularity = Granularity::PerTensor,
          .weight_scale = ScaleKind::PowerOfTwo,
          .activation_scale = ScaleKind::PowerOfTwo,
          .weight_method = ThresholdMethod::Max,
          .activation_method = ThresholdMethod::KlJ,
          .outputs_at_max = false};
}

// The xfDNN quantizer's recalibration (docs/facts/xdnn.md 3.7).
Recipe xfdnn() {
  return {.name = "xfdnn",
          .weight_method = ThresholdMethod::Max,
          .activation_method = ThresholdMethod::KlJ,
          .maximum_at_empty_bin = true,
          .outputs_at_max = false};
}

std::vector<Recipe> named_recipes() {
  return {xfdnn(),
          per_channel(),
          per_channel_power_of_two(),
          per_tensor_power_of_two(),
          per_tensor_power_of_two_clip_safe(),
          published_static()};
}

constexpr int kWideBits = 8;

// Steps of any size per channel leave weights of 8 bits so near to what they stand for that
// round_weights() does as well.
bool reconstructs(const Graph& annotated, const Recipe& recipe) {
  if (!recipe.reconstruct) return false;
  if (recipe.weight_scale == ScaleKind::PowerOfTwo) return true;
  return std::ranges::any_of(weighted_layers(annotated), [&](const WeightedLayer& layer) {
    const auto& codes = annotated.value(annotated.nodes[layer.node].inputs[1]).quantization;
    return codes && codes->bits < kWideBits;
  });
}

}  // namespace

Recipe default_recipe(std::string_view target, Effort effort) {
  if (target != "xdnn" && target != "pulp" && target != "none") {
    fail("target: expected xdnn, pulp or none, found '{}'", target);
  }
  Recipe recipe = per_channel();
  recipe.name = "default";
  recipe.round_weights = recipe.correct_bias = recipe.reconstruct = effort != Effort::Fast;
  recipe.search_thresholds = effort == Effort::Best;
  return recipe;
}

std::vector<Recipe> simpler_recipes(const Recipe& recipe) {
  Recipe plain = recipe;
  plain.name = "per-channel without corrections";
  plain.round_weights = plain.correct_bias = plain.reconstruct = false;
  plain.search_thresholds = false;
  Recipe divergence = plain;
  divergence.name = "xfdnn";
  divergence.activation_method = ThresholdMethod::KlJ;
  divergence.maximum_at_empty_bin = true;
  return {plain, divergence};
}

Recipe recipe_named(std::string_view name) {
  for (Recipe& recipe : named_recipes()) {
    if (recipe.name == name) return std::move(recipe);
  }
  fail("recipe: expected one of {}, found '{}'", fmt::join(recipe_names(), ", "), name);
}

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const Recipe& recipe : named_recipes()) names.push_back(recipe.name);
  return names;
}

Recipe for_target(Recipe recipe, const QuantizeTarget& target) {
  if (recipe.weight_bits == 0) recipe.weight_bits = target.bits;
  return recipe;
}

Annotated apply_recipe(const Graph& graph, const SampleSource& samples, const Recipe& given,
                       const QuantizeTarget& target, const StageProgress& progress,
                       const Statistics* known) {
  const Recipe recipe = for_target(given, target);
  check_recipe(graph, recipe, samples, target);
  Annotated result{.graph = graph, .statistics = {}, .notes = {}};
  Graph& edited = result.graph;
  result.statistics = known != nullptr ? *known : collect_statistics(edited, samples, {}, progress);
  if (recipe.prune_constant_channels) {
    prune_constant_channels(edited, result.statistics, samples.count, result.notes);
  }
  if (recipe.equalize_limit > 1) {
    const EqualizeOptions options{.limit = recipe.equalize_limit,
                                  .across_clips = recipe.equalize_across_clips,
                                  .lift_beyond = recipe.clip_layer_beyond};
    equalize(edited, result.statistics, options, result.notes);
    result.statistics = collect_statistics(edited, samples, {}, progress);
  }
  if (recipe.align_to_powers_of_two) {
    Recipe real = recipe;
    real.activation_scale = ScaleKind::Real;
    align_to_powers_of_two(edited, activation_thresholds(edited, result.statistics, real, target),
                           result.notes);
    result.statistics = collect_statistics(edited, samples, {}, progress);
  }
  Thresholds least;
  if (recipe.clip_layer_beyond > 0) {
    least = mirror_channel_bounds(
        edited, activation_thresholds(edited, result.statistics, recipe, target), result.notes);
    if (!least.empty()) result.statistics = collect_statistics(edited, samples, {}, progress);
  }
  const bool late_bias = recipe.fit_target && target.late_bias;
  if (late_bias && set_clips_apart(edited, result.statistics, target, result.notes)) {
    result.statistics = collect_statistics(edited, samples, {}, progress);
  }
  const Graph reference = edited;
  result.floats = reference;
  Thresholds thresholds = activation_thresholds(reference, result.statistics, recipe, target);
  for (const auto& [name, threshold] : least) {
    thresholds[name] = std::max(thresholds[name], threshold);
  }
  if (late_bias) {
    thresholds = with_room_for_biases(reference, result.statistics, std::move(thresholds), target);
  }
  edited = target.annotate(std::move(edited), thresholds);
  if (recipe.activation_scale == ScaleKind::PowerOfTwo) make_steps_powers_of_two(edited);
  choose_weight_thresholds(edited, target.has_weight_codes(edited), recipe,
                           target.accumulator_bits);
  if (recipe.fit_target && recipe.weight_scale == ScaleKind::Real && target.fit_multipliers) {
    target.fit_multipliers(edited);
  }
  if (reconstructs(edited, recipe)) {
    reconstruct_layers(edited, reference, samples, recipe, target.accumulator_bits, result.notes,
                       progress);
  } else {
    if (recipe.round_weights) round_weights(edited, samples, progress);
    if (recipe.correct_bias) correct_bias(edited, reference, samples, result.notes, progress);
  }
  if (recipe.search_thresholds) {
    search_thresholds(edited, reference, samples, target, result.notes, progress);
    if (recipe.correct_bias) correct_bias(edited, reference, samples, result.notes, progress);
  }
  return result;
}

}  // namespace workbench
