#include "compiler/quantize/prune_constant_channels.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/eval/evaluate.h"

namespace workbench {

namespace {

constexpr std::int64_t kLeastValues = 256;
constexpr double kTolerance = 1e-6;  // of the layer's largest magnitude: noise of float sums

// What the activation makes `result` of: itself, or what a negative slope undoes.
std::optional<float> bias_for(const Activation& activation, float result, std::size_t channel,
                              double tolerance) {
  std::vector<float> candidates{result};
  if (activation.kind == Activation::Kind::LeakyRelu)
    candidates.push_back(result / activation.alpha);
  if (activation.kind == Activation::Kind::PRelu) {
    const auto& slopes = activation.slopes;
    candidates.push_back(result / slopes[slopes.size() == 1 ? 0 : channel]);
  }
  for (const float bias : candidates) {
    if (std::abs(double{apply(activation, bias, channel)} - double{result}) <= tolerance) {
      return bias;
    }
  }
  return std::nullopt;
}

// Per channel the bias that says it all; nothing where the channel changes.
std::vector<std::optional<float>> constant_channels(const Node& node,
                                                    const ValueStatistics& statistics) {
  const double tolerance =
      kTolerance * std::max(std::abs(statistics.low), std::abs(statistics.high));
  std::vector<std::optional<float>> constants(statistics.channel_low.size());
  for (std::size_t c = 0; c < constants.size(); ++c) {
    const double low = statistics.channel_low[c], high = statistics.channel_high[c];
    if (high - low > tolerance) continue;
    const double middle = (low + high) / 2;
    const auto result = static_cast<float>(std::abs(middle) <= tolerance ? 0 : middle);
    constants[c] = bias_for(fused(node), result, c, tolerance);
  }
  return constants;
}

void clear_readers(Graph& graph, ValueId value, const std::vector<bool>& zero) {
  const ChannelReaders readers = channel_readers(graph, value);
  for (const WeightedLayer& layer : weighted_layers(graph)) {
    if (!std::binary_search(readers.nodes.begin(), readers.nodes.end(), layer.node)) continue;
    std::vector<float> weights = layer_weights(graph, layer);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (zero[layer.input_of(i)]) weights[i] = 0;
    }
    set_layer_weights(graph, layer, weights);
  }
}

// How many channels were constant.
std::size_t prune(Graph& graph, const WeightedLayer& layer, const ValueStatistics& statistics) {
  const auto constants = constant_channels(graph.nodes[layer.node], statistics);
  auto bias = layer_bias(graph, layer);
  if (!bias || constants.size() != bias->size()) return 0;
  std::vector<bool> zero(constants.size());
  std::size_t pruned = 0;
  for (std::size_t c = 0; c < constants.size(); ++c) {
    if (!constants[c]) continue;
    ++pruned;
    (*bias)[c] = *constants[c];
    zero[c] = apply(fused(graph.nodes[layer.node]), *constants[c], c) == 0;
  }
  if (pruned == 0) return 0;
  std::vector<float> weights = layer_weights(graph, layer);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (constants[layer.output_of(i)]) weights[i] = 0;
  }
  set_layer_weights(graph, layer, weights);
  set_layer_bias(graph, layer, *bias);
  clear_readers(graph, graph.nodes[layer.node].outputs[0], zero);
  return pruned;
}

}  // namespace

void prune_constant_channels(Graph& graph, const Statistics& statistics, std::size_t samples,
                             std::vector<std::string>& notes) {
  for (const WeightedLayer& layer : weighted_layers(graph)) {
    const Value& result = graph.value(graph.nodes[layer.node].outputs[0]);
    const auto found = statistics.find(result.name);
    const std::int64_t values =
        element_count(result.shape) / layer.outputs * static_cast<std::int64_t>(samples);
    const bool is_result = is_graph_output(graph, graph.nodes[layer.node].outputs[0]);
    if (found == statistics.end() || values < kLeastValues || is_result) continue;
    const std::size_t pruned = prune(graph, layer, found->second);
    if (pruned == 0) continue;
    notes.push_back(fmt::format("{}: {} of {} channels are constant: pruned",
                                graph.nodes[layer.node].name, pruned, layer.outputs));
  }
}

}  // namespace workbench
