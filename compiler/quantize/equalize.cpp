#include "compiler/quantize/equalize.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/eval/evaluate.h"
#include "core/math.h"

namespace workbench {

namespace {

constexpr int kMostSweeps = 20;
constexpr double kSettled = 0.01;  // octaves that no factor moves by any more
constexpr double kClipRoom = 1.25;
constexpr float kUnbounded = 3.0e38F;  // exporters write +-FLT_MAX or infinity for "no bound"

// A layer under way: its weights are multiplied by in[input] * out[output] in the end.
struct Scaled {
  WeightedLayer layer;
  std::vector<double> in, out;
};

struct Pair {
  std::size_t writer = 0;
  std::vector<std::size_t> readers;
  std::vector<double> lowest, highest;  // of the factor of each channel
  std::vector<double> factor;           // s: the writer's channel is divided by it
  bool bounds_move = false;             // a Clip of the writer becomes one bound per channel
};

bool has_bound(const Activation& activation) {
  return activation.kind == Activation::Kind::Clip &&
         (activation.beta < kUnbounded || !activation.bounds.empty());
}

double bound_of(const Activation& activation, std::size_t channel) {
  return activation.bounds.empty() ? double{activation.beta} : double{activation.bounds[channel]};
}

// f(x / s) = f(x) / s, once a clip's bound has been divided, too.
bool scales(const Activation& activation) {
  using Kind = Activation::Kind;
  const Kind kind = activation.kind;
  if (kind == Kind::Clip) {
    return activation.alpha == 0 && activation.beta > 0;
  }
  return kind == Kind::None || kind == Kind::Relu || kind == Kind::LeakyRelu || kind == Kind::PRelu;
}

// The least threshold of a power-of-two step from `threshold` on: 127/128 of a power of two, which
// signed codes reach and unsigned ones exceed.
double end_of_codes(double threshold) {
  constexpr double kEnd = 127.0 / 128;
  return std::ldexp(kEnd, static_cast<int>(std::ceil(math::log2(threshold / kEnd))));
}

class Equalization {
 public:
  Equalization(Graph& graph, const Statistics& statistics, const EqualizeOptions& options)
      : graph_(graph), statistics_(statistics), options_(options) {
    for (const WeightedLayer& layer : weighted_layers(graph)) {
      layers_.push_back({layer, std::vector<double>(static_cast<std::size_t>(layer.inputs), 1.0),
                         std::vector<double>(static_cast<std::size_t>(layer.outputs), 1.0)});
    }
    for (std::size_t i = 0; i < layers_.size(); ++i) add_pair(i);
  }

  void run() {
    settle();
    if (options_.lift_beyond > 0 && lift_clips()) settle();
  }

  // One factor for all channels of a layer whose threshold is known.
  void align(const Thresholds& thresholds) {
    for (Pair& pair : pairs_) {
      const auto found = thresholds.find(graph_.value(node_of(pair.writer).outputs[0]).name);
      if (found == thresholds.end() || found->second <= 0) continue;
      const double factor = found->second / end_of_codes(found->second);
      pair.factor.assign(pair.factor.size(), factor);
      for (double& f : layers_[pair.writer].out) f /= factor;
      for (const std::size_t reader : pair.readers) {
        for (double& f : layers_[reader].in) f *= factor;
      }
    }
  }

  void apply(std::vector<std::string>& notes) {
    for (const Scaled& scaled : layers_) {
      if (changed(scaled.in) || changed(scaled.out)) scale_constants(scaled);
    }
    for (const Pair& pair : pairs_) finish(pair, notes);
  }

 private:
  static bool changed(const std::vector<double>& factors) {
    return std::any_of(factors.begin(), factors.end(), [](double f) { return f != 1; });
  }
  Node& node_of(std::size_t layer) { return graph_.nodes[layers_[layer].layer.node]; }

  std::size_t layer_of(std::size_t node) const {
    const auto found = std::find_if(layers_.begin(), layers_.end(),
                                    [&](const Scaled& s) { return s.layer.node == node; });
    return static_cast<std::size_t>(found - layers_.begin());
  }

  void settle() {
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      double moved = 0;
      for (Pair& pair : pairs_) moved = std::max(moved, balance(pair));
      if (moved < kSettled) break;
    }
  }

  void add_pair(std::size_t writer) {
    const Node& node = node_of(writer);
    const ChannelReaders readers = channel_readers(graph_, node.outputs[0]);
    if (!readers.all || readers.nodes.empty() || !scales(fused(node)) ||
        !layer_bias(graph_, layers_[writer].layer)) {
      return;
    }
    const std::size_t channels = layers_[writer].out.size();
    Pair pair;
    pair.writer = writer;
    for (const std::size_t reader : readers.nodes) {
      pair.readers.push_back(layer_of(reader));
      if (layers_[pair.readers.back()].in.size() != channels) return;
    }
    pair.factor.assign(channels, 1.0);
    pair.lowest.assign(channels, 1 / options_.limit);
    pair.highest.assign(channels, options_.limit);
    if (has_bound(fused(node))) {
      pair.bounds_move = options_.across_clips;
      if (!pair.bounds_move) stay_off_clip(node, pair);
    }
    pairs_.push_back(std::move(pair));
  }

  // Whether a pair is free of its clip now.
  bool lift_clips() {
    bool lifted = false;
    for (Pair& pair : pairs_) {
      const Node& node = node_of(pair.writer);
      const bool is_map = graph_.value(node.outputs[0]).shape.size() > 2;
      if (!has_bound(fused(node)) || pair.bounds_move || !is_map) continue;
      if (range_of_held(pair) <= options_.lift_beyond) continue;
      pair.lowest.assign(pair.lowest.size(), 1 / options_.limit);
      pair.highest.assign(pair.highest.size(), options_.limit);
      pair.bounds_move = lifted = true;
    }
    return lifted;
  }

  // The largest weight of channels that stay as they are over that of the median channel; channels
  // without weights do not count.
  double range_of_held(const Pair& pair) const {
    const std::vector<double> written = ranges(layers_[pair.writer], true);
    std::vector<double> live;
    double held = 0;
    for (std::size_t c = 0; c < written.size(); ++c) {
      if (written[c] <= 0) continue;
      live.push_back(written[c]);
      if (pair.lowest[c] == pair.highest[c]) held = std::max(held, written[c]);
    }
    if (live.empty()) return 0;
    const auto median = live.begin() + static_cast<std::ptrdiff_t>(live.size() / 2);
    std::nth_element(live.begin(), median, live.end());
    return held / *median;
  }

  void stay_off_clip(const Node& node, Pair& pair) const {
    const auto found = statistics_.find(graph_.value(node.outputs[0]).name);
    for (std::size_t c = 0; c < pair.factor.size(); ++c) {
      const double bound = bound_of(fused(node), c) / kClipRoom;
      const bool known =
          found != statistics_.end() && found->second.channel_high.size() == pair.factor.size();
      const double high = known ? double{found->second.channel_high[c]} : bound;
      if (high < bound) {
        pair.lowest[c] = std::max(pair.lowest[c], high / bound);
      } else {
        pair.lowest[c] = pair.highest[c] = 1;
      }
    }
  }

  // Largest |weight| of each output (input) channel, as scaled so far.
  std::vector<double> ranges(const Scaled& scaled, bool outputs) const {
    const WeightedLayer& layer = scaled.layer;
    const auto weights = graph_.value(graph_.nodes[layer.node].inputs[1]).constant->values<float>();
    std::vector<double> largest(outputs ? scaled.out.size() : scaled.in.size(), 0.0);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::size_t in = layer.input_of(i), out = layer.output_of(i);
      double& of_channel = largest[outputs ? out : in];
      of_channel =
          std::max(of_channel, std::abs(double{weights[i]}) * scaled.in[in] * scaled.out[out]);
    }
    return largest;
  }

  // The most octaves a factor moved by.
  double balance(Pair& pair) {
    const std::vector<double> written = ranges(layers_[pair.writer], true);
    std::vector<double> read(written.size(), 0.0);
    for (const std::size_t reader : pair.readers) {
      const std::vector<double> of_reader = ranges(layers_[reader], false);
      for (std::size_t c = 0; c < read.size(); ++c) read[c] = std::max(read[c], of_reader[c]);
    }
    double moved = 0;
    for (std::size_t c = 0; c < written.size(); ++c) {
      if (written[c] <= 0 || read[c] <= 0) continue;
      const double wanted = pair.factor[c] * std::sqrt(written[c] / read[c]);
      const double factor = std::clamp(wanted, pair.lowest[c], pair.highest[c]);
      const double ratio = factor / pair.factor[c];
      moved = std::max(moved, std::abs(math::log2(ratio)));
      pair.factor[c] = factor;
      layers_[pair.writer].out[c] /= ratio;
      for (const std::size_t reader : pair.readers) layers_[reader].in[c] *= ratio;
    }
    return moved;
  }

  void scale_constants(const Scaled& scaled) {
    const WeightedLayer& layer = scaled.layer;
    std::vector<float> weights = layer_weights(graph_, layer);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      weights[i] = static_cast<float>(double{weights[i]} * scaled.in[layer.input_of(i)] *
                                      scaled.out[layer.output_of(i)]);
    }
    set_layer_weights(graph_, layer, weights);
    if (!changed(scaled.out)) return;
    std::vector<float> bias = *layer_bias(graph_, layer);
    for (std::size_t c = 0; c < bias.size(); ++c) {
      bias[c] = static_cast<float>(double{bias[c]} * scaled.out[c]);
    }
    set_layer_bias(graph_, layer, bias);
  }

  static void divide_bounds(Node& node, const std::vector<double>& factors) {
    Activation activation = fused(node);
    const bool same = std::all_of(factors.begin(), factors.end(),
                                  [&](double factor) { return factor == factors[0]; });
    if (same && activation.bounds.empty()) {
      activation.beta = static_cast<float>(double{activation.beta} / factors[0]);
    } else if (changed(factors)) {
      std::vector<float> bounds;
      for (std::size_t c = 0; c < factors.size(); ++c) {
        bounds.push_back(static_cast<float>(bound_of(activation, c) / factors[c]));
      }
      activation.bounds = std::move(bounds);
    }
    *fused_activation(node.op) = std::move(activation);
  }

  void finish(const Pair& pair, std::vector<std::string>& notes) {
    Node& node = node_of(pair.writer);
    // What stays off the clip has no use for a bound of its own.
    if (pair.bounds_move) divide_bounds(node, pair.factor);
    std::size_t fixed = 0;
    for (std::size_t c = 0; c < pair.factor.size(); ++c) {
      if (pair.lowest[c] == pair.highest[c]) ++fixed;
    }
    if (changed(pair.factor)) {
      const auto [least, most] = std::minmax_element(pair.factor.begin(), pair.factor.end());
      notes.push_back(fmt::format("{}: equalized with its readers by factors {:.2g} to {:.2g}",
                                  node.name, *least, *most));
    }
    if (fixed > 0) {
      notes.push_back(fmt::format("{}: {} of {} channels reach the clip at {}: not equalized",
                                  node.name, fixed, pair.factor.size(), fused(node).beta));
    }
  }

  Graph& graph_;
  const Statistics& statistics_;
  EqualizeOptions options_;
  std::vector<Scaled> layers_;
  std::vector<Pair> pairs_;
};

}  // namespace

void equalize(Graph& graph, const Statistics& statistics, const EqualizeOptions& options,
              std::vector<std::string>& notes) {
  Equalization equalization(graph, statistics, options);
  equalization.run();
  equalization.apply(notes);
}

void align_to_powers_of_two(Graph& graph, const Thresholds& thresholds,
                            std::vector<std::string>& notes) {
  const Statistics none;
  Equalization equalization(graph, none, {.across_clips = true});
  equalization.align(thresholds);
  equalization.apply(notes);
}

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

// Per channel the bias that replaces it; none where the channel varies.
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
