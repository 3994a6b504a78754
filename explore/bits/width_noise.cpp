#include "explore/bits/width_noise.h"

#include <algorithm>
#include <utility>

#include "compiler/quantize/correct_weights.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/error.h"

namespace workbench {

namespace {

// Gives `to` the weights of the layer that writes them as `from` has them, with its bias: rounding
// moves means into it.
void take_layer(const Graph& from, ValueId weights, Graph& to) {
  for (const WeightedLayer& layer : weighted_layers(to)) {
    if (to.nodes[layer.node].inputs[1] != weights) continue;
    CHECK(from.nodes.at(layer.node).name == to.nodes[layer.node].name, "networks of other layers");
    set_layer_weights(to, layer, layer_weights(from, layer));
    if (const auto bias = layer_bias(from, layer)) set_layer_bias(to, layer, *bias);
    to.value(weights).quantization = from.value(weights).quantization;
    return;
  }
  CHECK(false, "value {} is the weights of no layer", to.value(weights).name);
}

}  // namespace

WidthNetwork width_network(const Quantized& base, QuantizeTarget target, Recipe recipe,
                           const SampleSource& samples) {
  recipe.prune_constant_channels = false;
  recipe.equalize_limit = 0;
  recipe.align_to_powers_of_two = false;
  recipe.correct_bias = false;
  recipe.reconstruct = false;  // what one layer loses in company of the others as they are
  recipe.search_thresholds = false;
  return {.floats = base.floats,
          .statistics = base.statistics,
          .target = std::move(target),
          .recipe = std::move(recipe),
          .samples = samples};
}

Graph annotated_with(const WidthNetwork& network, const CodeBits& bits, bool rounds) {
  Recipe recipe = with_weight_bits(network.recipe, bits);
  recipe.round_weights = recipe.round_weights && rounds;
  return apply_recipe(network.floats, network.samples, recipe,
                      with_activation_bits(network.target, bits), {}, &network.statistics)
      .graph;
}

WidthNoise measure_noise(const WidthNetwork& network, const Graph& annotated, const Widths& widths,
                         const ResultReference& reference, const StageProgress& progress) {
  WidthNoise noise{.base = reference.error_of(annotated), .more = {}};
  noise.more.assign(widths.variables.size(), std::vector<double>(widths.choices.size(), 0));
  const std::size_t all = widths.variables.size() * (widths.choices.size() - 1);
  std::size_t done = 0;
  for (std::size_t choice = 1; choice < widths.choices.size(); ++choice) {
    Graph narrow =
        annotated_with(network, code_bits(widths, Options(widths.variables.size(), choice)), false);
    if (network.recipe.round_weights) round_weights(narrow, annotated, network.samples);
    for (std::size_t v = 0; v < widths.variables.size(); ++v) {
      if (progress) {
        progress("measuring narrower codes",
                 static_cast<double>(done++) / static_cast<double>(all));
      }
      const WidthVariable& variable = widths.variables[v];
      Graph one = annotated;
      for (const ValueId id : variable.values) {
        if (variable.weights) {
          take_layer(narrow, id, one);
        } else {
          one.value(id).quantization = narrow.value(id).quantization;
        }
      }
      noise.more[v][choice] = std::max(0.0, reference.error_of(one) - noise.base);
    }
  }
  return noise;
}

}  // namespace workbench
