#include "compiler/quantize/clip_layer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/error.h"
#include "core/math.h"

namespace workbench {

namespace {

Conv one_tap_per_channel(const Shape& shape, const Activation& activation) {
  const std::size_t rank = shape.size() - 2;
  const std::vector<std::int64_t> ones(rank, 1), zeros(rank, 0);
  return {.window = {.kernel = ones,
                     .strides = ones,
                     .dilations = ones,
                     .pads_begin = zeros,
                     .pads_end = zeros},
          .groups = shape[1],
          .activation = activation};
}

// Steps from 0 to the last code that all formats of 8 bits and more have.
constexpr double kLastCode = 127;

// 127 steps of the power of two that `threshold` is rounded up to.
double end_of_steps(double threshold) {
  return std::ldexp(kLastCode, static_cast<int>(std::ceil(math::log2(threshold / kLastCode))));
}

bool has_channel_bounds(const Graph& graph, const WeightedLayer& layer) {
  const Node& node = graph.nodes[layer.node];
  const Activation& clip = fused(node);
  return !clip.bounds.empty() && clip.alpha == 0 && layer_bias(graph, layer) &&
         graph.value(node.outputs[0]).shape.size() > 2;
}

void mirror(Graph& graph, const WeightedLayer& layer, double end) {
  const double step = end / kLastCode;
  std::vector<float> bounds = fused(graph.nodes[layer.node]).bounds;
  for (float& bound : bounds) {
    const double steps = std::clamp(std::round(double{bound} / step), 1.0, kLastCode);
    bound = static_cast<float>(steps * step);
  }
  std::vector<float> weights = layer_weights(graph, layer), bias = *layer_bias(graph, layer);
  for (float& weight : weights) weight = -weight;
  for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = bounds[c] - bias[c];
  set_layer_weights(graph, layer, weights);
  set_layer_bias(graph, layer, bias);
  const Activation cut{.kind = Activation::Kind::Clip, .alpha = 0, .beta = static_cast<float>(end)};
  *fused_activation(graph.nodes[layer.node].op) = cut;
  const std::vector<float> gains(bounds.size(), -1.0F);
  insert_clip_layer(graph, layer.node, "mirrored", gains, bounds, cut);
}

}  // namespace

void insert_clip_layer(Graph& graph, std::size_t n, const std::string& own,
                       std::span<const float> gains, std::span<const float> bias,
                       const Activation& activation) {
  const ValueId result = graph.nodes[n].outputs[0];
  const Value clipped = graph.value(result);
  const ValueId before =
      graph.add_value({.name = unique_value_name(graph, clipped.name + "_" + own),
                       .shape = clipped.shape,
                       .type = clipped.type});
  Shape shape(clipped.shape.size(), 1);
  shape[0] = clipped.shape[1];
  const auto constant = [&](const char* name, const Shape& of, std::span<const float> values) {
    return graph.add_constant(
        unique_value_name(graph, clipped.name + name),
        Tensor::from<float>(of, std::vector<float>(values.begin(), values.end())));
  };
  Node& node = graph.nodes[n];
  Node clip{.name = unique_node_name(graph, node.name + "_clip"),
            .op = one_tap_per_channel(clipped.shape, activation),
            .inputs = {before, constant("_gain", shape, gains)},
            .outputs = {result}};
  if (!bias.empty()) clip.inputs.push_back(constant("_bound", {shape[0]}, bias));
  node.outputs[0] = before;
  insert_node(graph, n + 1, std::move(clip));
}

Thresholds mirror_channel_bounds(Graph& graph, const Thresholds& thresholds,
                                 std::vector<std::string>& notes) {
  Thresholds least;
  const std::vector<WeightedLayer> layers = weighted_layers(graph);
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {  // indices before stay
    if (!has_channel_bounds(graph, *layer)) continue;
    const std::string result = graph.value(graph.nodes[layer->node].outputs[0]).name;
    const double end = end_of_steps(thresholds.at(result));
    mirror(graph, *layer, end);
    notes.push_back(fmt::format("{}: bounds of its channels are a layer of their own",
                                graph.nodes[layer->node].name));
    least[result] = least[graph.value(graph.nodes[layer->node].outputs[0]).name] = end;
  }
  return least;
}

}  // namespace workbench
