#include "compiler/quantize/late_bias.h"

#include <algorithm>
#include <cmath>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/weighted_layers.h"

namespace workbench {

namespace {

constexpr double kWorthASum = 1.05;  // below this the Clip stays: what is cut is less than a step

bool cuts_at_zero(const Activation& activation) {
  return activation.kind == Activation::Kind::Relu ||
         (activation.kind == Activation::Kind::Clip && activation.alpha == 0);
}

// One channel of a layer: its bias, and the range of its sums before it.
struct Sums {
  double bias = 0, low = 0, high = 0;

  double reach() const { return std::max({std::abs(bias), std::abs(low), std::abs(high)}); }
};

// Those that matter where the codes of the result tell numbers up to `threshold` apart: channels
// that calibration has never seen above 0 in front of a Relu do not.
std::vector<Sums> sums_of(const Graph& graph, const WeightedLayer& layer,
                          const Statistics& statistics, double threshold) {
  const Node& node = graph.nodes[layer.node];
  const auto bias = layer_bias(graph, layer);
  const auto found = statistics.find(graph.value(node.outputs[0]).name);
  if (!bias || found == statistics.end()) return {};
  const ValueStatistics& seen = found->second;
  if (seen.channel_high.size() != bias->size()) return {};
  std::vector<Sums> result;
  for (std::size_t c = 0; c < bias->size(); ++c) {
    const auto b = double{(*bias)[c]}, high = double{seen.channel_high[c]};
    if (cuts_at_zero(fused(node)) && high <= 0) continue;
    result.push_back({.bias = b,
                      .low = std::max(double{seen.channel_low[c]}, -threshold) - b,
                      .high = std::min(high, threshold) - b});
  }
  return result;
}

// Mean square of what is cut off numbers spread evenly over [low, high] at `threshold`.
double cut_above(double low, double high, double threshold) {
  if (high <= threshold) return 0;
  const double most = high - threshold, least = std::max(low - threshold, 0.0);
  if (high - low < 1e-12 * most) return most * most;
  return (most * most * most - least * least * least) / (3 * (high - low));
}

// Squared error of codes up to `high` at `threshold`: two roundings, and what is cut.
double cost(const std::vector<Sums>& channels, double threshold, double high) {
  const double step = threshold / high;
  double sum = static_cast<double>(channels.size()) * step * step / 6;
  for (const Sums& c : channels) {
    const double lost = std::max(std::abs(c.bias) - threshold, 0.0);
    sum +=
        lost * lost + cut_above(c.low, c.high, threshold) + cut_above(-c.high, -c.low, threshold);
  }
  return sum;
}

// How far the codes of the layer's result must reach, from `threshold` on: as far as one of the
// channels needs, the one that costs the least. A channel far beyond the others is not worth
// coarse codes for all.
double needed_reach(const Graph& graph, const WeightedLayer& layer, const Statistics& statistics,
                    double threshold, double high) {
  const std::vector<Sums> channels = sums_of(graph, layer, statistics, threshold);
  double best = threshold, least = cost(channels, threshold, high);
  for (const Sums& channel : channels) {
    const double reach = channel.reach();
    if (reach <= threshold) continue;
    const double of_reach = cost(channels, reach, high);
    if (of_reach >= least) continue;
    least = of_reach;
    best = reach;
  }
  return best;
}

std::vector<WeightedLayer> layers_on_target(const Graph& graph, const QuantizeTarget& target) {
  std::vector<WeightedLayer> layers = weighted_layers(graph);
  const std::vector<bool> runs = target.runs_on_target(graph);
  std::erase_if(layers, [&](const WeightedLayer& layer) { return !runs[layer.node]; });
  return layers;
}

// The least threshold from `threshold` on whose ratio to `result` the eight bits of a sum's scale
// hold: 1 part in 64 or more.
double in_parts_of(double result, double threshold) {
  const double ratio = threshold / result;
  const double part = std::ldexp(1.0, std::ilogb(ratio) - 6);
  return std::ceil(ratio / part) * part * result;
}

// The result's threshold where a sum of the value with itself is all that reads it.
double threshold_of_own_sum(const Graph& annotated, ValueId id) {
  for (const Node& node : annotated.nodes) {
    if (!std::holds_alternative<Binary>(node.op) || node.inputs != std::vector<ValueId>(2, id)) {
      continue;
    }
    const auto& codes = annotated.value(node.outputs[0]).quantization;
    if (codes) return codes->thresholds[0];
  }
  return 0;
}

std::vector<float> halved(std::vector<float> numbers) {
  for (float& number : numbers) number /= 2;
  return numbers;
}

void set_clip_apart(Graph& graph, const WeightedLayer& layer) {
  const ValueId result = graph.nodes[layer.node].outputs[0];
  set_layer_weights(graph, layer, halved(layer_weights(graph, layer)));
  set_layer_bias(graph, layer, halved(*layer_bias(graph, layer)));
  const Value& clipped = graph.value(result);
  const ValueId half = graph.add_value({.name = unique_value_name(graph, clipped.name + "_half"),
                                        .shape = clipped.shape,
                                        .type = clipped.type});
  Node& node = graph.nodes[layer.node];
  Activation& activation = *fused_activation(node.op);
  Node sum{.name = unique_node_name(graph, node.name + "_clip"),
           .op = Binary{.kind = Binary::Kind::Add, .activation = activation},
           .inputs = {half, half},
           .outputs = {result}};
  activation = {.kind = Activation::Kind::Relu};
  node.outputs[0] = half;
  insert_node(graph, layer.node + 1, std::move(sum));
}

}  // namespace

bool set_clips_apart(Graph& graph, const Statistics& statistics, const QuantizeTarget& target,
                     std::vector<std::string>& notes) {
  const std::vector<WeightedLayer> layers = layers_on_target(graph, target);
  const double high = std::ldexp(1.0, target.bits - 1) - 1;
  std::size_t apart = 0;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {  // indices before stay
    const Activation& clip = fused(graph.nodes[layer->node]);
    const auto cap = saturation_cap(clip);
    if (!cap || clip.alpha != 0 || !layer_bias(graph, *layer)) continue;
    if (needed_reach(graph, *layer, statistics, *cap, high) <= kWorthASum * *cap) continue;
    set_clip_apart(graph, *layer);
    ++apart;
  }
  if (apart > 0) {
    notes.push_back(
        fmt::format("the Clips of {} layers are sums of their own: their biases need "
                    "codes beyond them",
                    apart));
  }
  return apart > 0;
}

Thresholds with_room_for_biases(const Graph& graph, const Statistics& statistics,
                                Thresholds thresholds, const QuantizeTarget& target) {
  const Graph annotated = target.annotate(graph, thresholds);
  const auto raise = [&](ValueId id, double least) {
    double& threshold = thresholds[annotated.value(id).name];
    threshold = std::max(threshold, least);
  };
  for (const WeightedLayer& layer : layers_on_target(annotated, target)) {
    const ValueId out = annotated.nodes[layer.node].outputs[0];
    const auto& codes = annotated.value(out).quantization;
    if (!codes) continue;
    const double own = codes->thresholds[0];
    double reach =
        needed_reach(annotated, layer, statistics, own, static_cast<double>(codes->high()));
    const double of_sum = threshold_of_own_sum(annotated, out);
    if (of_sum > 0) reach = in_parts_of(of_sum, reach);
    if (reach <= own) continue;
    raise(out, reach);
    for (const ScaleGroup& group : annotated.scale_groups) {
      if (std::ranges::find(group.members, out) == group.members.end()) continue;
      for (const ValueId member : group.members) raise(member, reach);
    }
  }
  return thresholds;
}

}  // namespace workbench
