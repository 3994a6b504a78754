#include "compiler/quantize/late_bias.h"

#include <algorithm>
#include <cmath>

#include "compiler/quantize/clip_layer.h"
#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/weighted_layers.h"

namespace workbench {

namespace {

constexpr double kRoom = 1.25;         // of a channel's largest result; assumed
constexpr double kWorthALayer = 1.05;  // below this the Clip stays: less than a step is cut

bool cuts_at_zero(const Activation& activation) {
  return activation.kind == Activation::Kind::Relu ||
         (activation.kind == Activation::Kind::Clip && activation.alpha == 0);
}

// One channel of a layer: its bias, and the range of its sums before it.
struct Sums {
  std::size_t index = 0;  // of the channel
  double bias = 0, low = 0, high = 0;

  double reach() const { return std::max({std::abs(bias), std::abs(low), std::abs(high)}); }
};

enum class Results { Seen, WithRoom };  // of calibration; and what other data may add

// Those that matter where the codes of the result tell numbers up to `threshold` apart: channels
// that calibration has never seen above 0 in front of a Relu do not; with room, they may reach the
// threshold.
std::vector<Sums> sums_of(const Graph& graph, const WeightedLayer& layer,
                          const Statistics& statistics, double threshold,
                          Results results = Results::Seen) {
  const Node& node = graph.nodes[layer.node];
  const auto bias = layer_bias(graph, layer);
  const auto found = statistics.find(graph.value(node.outputs[0]).name);
  if (!bias || found == statistics.end()) return {};
  const ValueStatistics& seen = found->second;
  if (seen.channel_high.size() != bias->size()) return {};
  std::vector<Sums> result;
  for (std::size_t c = 0; c < bias->size(); ++c) {
    const auto b = double{(*bias)[c]};
    auto high = double{seen.channel_high[c]};
    const bool dead = cuts_at_zero(fused(node)) && high <= 0;
    if (dead && results == Results::Seen) continue;
    if (results == Results::WithRoom) high = dead ? threshold : kRoom * high;
    result.push_back({.index = c,
                      .bias = b,
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

// Per channel, how many times beyond the Clip at `cap` its sums and its bias reach, as far as it is
// worth coarser codes of this channel: 1 for those that the codes up to the Clip hold.
std::vector<double> reaches_beyond(const Graph& graph, const WeightedLayer& layer,
                                   const Statistics& statistics, double cap, double high,
                                   Results results) {
  std::vector<double> beyond(static_cast<std::size_t>(layer.outputs), 1.0);
  for (const Sums& channel : sums_of(graph, layer, statistics, cap, results)) {
    const double reach = std::min(channel.reach(), high * cap);
    if (reach <= cap) continue;
    if (cost({channel}, reach, high) < cost({channel}, cap, high)) {
      beyond[channel.index] = reach / cap;
    }
  }
  return beyond;
}

void set_clip_apart(Graph& graph, const WeightedLayer& layer, const std::vector<double>& beyond) {
  std::vector<float> weights = layer_weights(graph, layer), bias = *layer_bias(graph, layer);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(double{weights[i]} / beyond[layer.output_of(i)]);
  }
  for (std::size_t c = 0; c < bias.size(); ++c) {
    bias[c] = static_cast<float>(double{bias[c]} / beyond[c]);
  }
  set_layer_weights(graph, layer, weights);
  set_layer_bias(graph, layer, bias);
  const std::vector<float> gains(beyond.begin(), beyond.end());
  insert_clip_layer(graph, layer.node, "small", gains, {}, fused(graph.nodes[layer.node]));
}

// Whether the layer's result is a map of channels, and its codes are cut at 0 and one bound.
bool has_clip(const Graph& graph, const WeightedLayer& layer) {
  const Node& node = graph.nodes[layer.node];
  const Activation& clip = fused(node);
  return saturation_cap(clip) && clip.alpha == 0 && clip.bounds.empty() &&
         layer_bias(graph, layer) && graph.value(node.outputs[0]).shape.size() > 2;
}

}  // namespace

bool set_clips_apart(Graph& graph, const Statistics& statistics, const QuantizeTarget& target,
                     std::vector<std::string>& notes) {
  const std::vector<WeightedLayer> layers = layers_on_target(graph, target);
  const double high = std::ldexp(1.0, target.bits - 1) - 1;
  std::size_t apart = 0;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {  // indices before stay
    if (!has_clip(graph, *layer)) continue;
    const double cap = *saturation_cap(fused(graph.nodes[layer->node]));
    const auto beyond = [&](Results results) {
      return reaches_beyond(graph, *layer, statistics, cap, high, results);
    };
    if (std::ranges::max(beyond(Results::Seen)) <= kWorthALayer) continue;
    Graph edited = graph;
    set_clip_apart(edited, *layer, beyond(Results::WithRoom));
    if (!target.runs_on_target(edited)[layer->node + 1]) continue;
    graph = std::move(edited);
    ++apart;
  }
  if (apart > 0) {
    notes.push_back(
        fmt::format("the Clips of {} layers are layers of their own: biases of some "
                    "channels need codes beyond them",
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
    const double reach =
        needed_reach(annotated, layer, statistics, own, static_cast<double>(codes->high()));
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
