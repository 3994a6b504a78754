#include "compiler/quantize/reconstruct.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/channel_means.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/layer_operands.h"
#include "compiler/quantize/least_squares_codes.h"
#include "compiler/quantize/recipe_thresholds.h"
#include "compiler/quantize/sample_walk.h"
#include "core/parallel.h"

namespace workbench {

namespace {

constexpr std::int64_t kMostBytes = std::int64_t{256} << 20;  // of samples at a time
// Positions of a layer over all samples: so many for each weight of a channel, from kFew to kMost.
constexpr std::size_t kPositionsAWeight = 48, kFewPositions = 8192, kMostPositions = 32768;
constexpr std::size_t kBlock = 512;  // positions that are multiplied at once
constexpr std::array kRidges = {1e-3, 1e-2, 1e-1, 3e-1, 1.0};  // in units of the mean variance
constexpr std::array kSteps = {1.1, 0.92, 0.84, 0.76, 0.68, 0.6, 0.52};  // of the step that came
constexpr std::array kOctaves = {0.5, 2.0};
constexpr double kOffset = 0.6180339887498949;  // golden ratio: no two samples at the same places

// One layer as its reconstruction sees it.
struct LayerData {
  OperandLayer layer;
  const Node* node = nullptr;           // of the rounded network
  Shape shape;                          // of its result
  const std::vector<Tensor>* operands;  // of the rounded network, one for each sample
  const std::vector<Tensor>* targets;   // what the layer should give, before its activation
};

// Moments of one group over the samples of one fold.
OperandMoments moments_of(const LayerData& data, std::size_t group, std::size_t fold, int threads) {
  const std::size_t n = data.layer.row_size, m = data.layer.channels();
  const std::size_t samples = data.operands->size();
  OperandMoments moments(n, m);
  const std::int64_t positions = result_positions(data.shape);
  const std::size_t wanted =
      std::clamp(kPositionsAWeight * n, kFewPositions, kMostPositions) / samples;
  const std::int64_t count =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(wanted), 1, positions);
  const std::int64_t plane = element_count(data.shape) / data.shape[0] / data.shape[1];
  std::vector<double> x, t;
  std::vector<float> row(n);
  const auto flush = [&] {
    moments.add(x, t, threads);
    x.clear();
    t.clear();
  };
  for (std::size_t s = 0; s < samples; ++s) {
    const auto targets = (*data.targets)[s].values<float>();
    const double phase = kOffset * static_cast<double>(s);
    const auto offset = static_cast<std::int64_t>(
        (phase - std::floor(phase)) * static_cast<double>(positions) / static_cast<double>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      const bool second = samples > 1 ? s % 2 == 1 : i % 2 == 1;
      if (second != (fold == 1)) continue;
      const std::int64_t at = i * positions / count + offset;
      gather_operands(*data.node, (*data.operands)[s], data.shape, static_cast<std::int64_t>(group),
                      at, row);
      x.insert(x.end(), row.begin(), row.end());
      for (std::size_t c = 0; c < m; ++c) {
        const auto channel = static_cast<std::int64_t>(group * m + c);
        const std::int64_t image = at / plane;
        t.push_back(double{targets[static_cast<std::size_t>(
            (image * data.shape[1] + channel) * plane + at % plane)]});
      }
    }
    if (t.size() >= kBlock * m) flush();
  }
  flush();
  return moments;
}

struct Group {
  std::array<OperandMoments, 2> folds;
  OperandMoments all;
  std::vector<double> weights;  // [m, n]
};

// Codes of every channel of a layer, and what is chosen with them.
class LayerCodes {
 public:
  LayerCodes(const LayerData& data, Quantization quantization, const std::vector<float>& weights)
      : data_(data),
        came_(std::move(quantization)),
        quantization_(came_),
        index_(data.layer.weights_of_channels()),
        groups_(data.layer.groups),
        threads_(groups_.size() == 1 ? 0 : 1) {
    each_group([&](std::size_t g) {
      Group& group = groups_[g];
      for (std::size_t fold = 0; fold < 2; ++fold) {
        group.folds[fold] = moments_of(data_, g, fold, threads_);
      }
      group.all = group.folds[0];
      group.all.add(group.folds[1]);
      for (std::size_t c = 0; c < data_.layer.channels(); ++c) {
        for (const std::size_t i : index_[channel(g, c)]) {
          group.weights.push_back(double{weights[i]});
        }
      }
    });
  }

  // Of kRidges the one whose codes, chosen on one half of the samples, do best on the other;
  // nothing if the nearest codes do better still.
  std::optional<double> ridge() const {
    constexpr std::size_t kNearest = kRidges.size();
    std::vector<std::array<double, kNearest + 1>> errors(2 * index_.size());
    each_group([&](std::size_t g) {
      for (std::size_t fold = 0; fold < 2; ++fold) {
        const OperandMoments &seen = groups_[g].folds[fold], &other = groups_[g].folds[1 - fold];
        if (seen.empty() || other.empty() || seen.mean_variance() <= 0) continue;
        for (std::size_t k = 0; k < kNearest; ++k) {
          const LeastSquares squares(seen, groups_[g].weights, kRidges[k]);
          each_channel([&](std::size_t c) {
            const ChannelCodes found = squares.codes(c, came_.step(channel(g, c)), high());
            errors[2 * channel(g, c) + fold][k] = LeastSquares::error(other, c, real(found));
          });
        }
        each_channel([&](std::size_t c) {
          errors[2 * channel(g, c) + fold][kNearest] = nearest(g, c, other).error;
        });
      }
    });
    std::array<double, kNearest + 1> sums{};
    for (const auto& of_channel : errors) {
      for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += of_channel[k];
    }
    std::size_t best = 0;
    for (std::size_t k = 1; k < kNearest; ++k) {
      if (sums[k] <= sums[best]) best = k;
    }
    if (sums[kNearest] < sums[best]) return std::nullopt;
    return kRidges[best];
  }

  void take_nearest() {
    found_.resize(index_.size());
    each_group([&](std::size_t g) {
      each_channel([&](std::size_t c) { found_[channel(g, c)] = nearest(g, c, groups_[g].all); });
    });
  }

  // Codes, and steps of `factors` times those that came and not below `least`, by their error. The
  // first of the factors is 1.
  void choose(double ridge, const std::vector<double>& factors, const std::vector<double>& least) {
    take_nearest();
    std::vector<std::optional<LeastSquares>> squares(groups_.size());
    std::vector<std::vector<double>> errors(index_.size(),
                                            std::vector<double>(factors.size(), 0.0));
    each_group([&](std::size_t g) {
      if (groups_[g].all.mean_variance() <= 0) return;
      squares[g].emplace(groups_[g].all, groups_[g].weights, ridge);
      each_channel([&](std::size_t c) {
        for (std::size_t k = 0; k < factors.size(); ++k) {
          const std::size_t at = channel(g, c);
          errors[at][k] = squares[g]->rounded_error(c, step(at, factors[k]), high());
        }
      });
    });
    const std::size_t steps = came_.thresholds.size();
    std::vector<double> chosen(steps, 1.0);
    for (std::size_t part = 0; part < steps; ++part) {
      double best = 0;
      for (std::size_t k = 0; k < factors.size(); ++k) {
        double sum = 0;
        for (std::size_t c = part; c < index_.size(); c += steps) sum += errors[c][k];
        if (k > 0 && (step(part, factors[k]) * high() < least[part] || sum >= best)) continue;
        best = sum;
        chosen[part] = factors[k];
      }
    }
    std::vector<ChannelCodes> found = found_;
    each_group([&](std::size_t g) {
      if (!squares[g]) return;
      each_channel([&](std::size_t c) {
        const std::size_t at = channel(g, c);
        found[at] = squares[g]->codes(c, step(at, chosen[at % steps]), high());
      });
    });
    for (std::size_t part = 0; part < steps; ++part) take_if_better(found, part, chosen[part]);
  }

  const Quantization& quantization() const { return quantization_; }
  void write(std::vector<float>& weights) const {
    for (std::size_t c = 0; c < found_.size(); ++c) {
      const std::vector<double> w = real(found_[c]);
      for (std::size_t i = 0; i < w.size(); ++i) {
        weights[index_[c][i]] = static_cast<float>(w[i]);
      }
    }
  }

 private:
  std::size_t channel(std::size_t g, std::size_t c) const { return g * data_.layer.channels() + c; }
  double high() const { return static_cast<double>(quantization_.high()); }
  // Real steps are float32 numbers, as files hold them.
  double step(std::size_t at, double factor) const {
    const double step = came_.step(at);
    return factor == 1 ? step : double{static_cast<float>(step * factor)};
  }
  static std::vector<double> real(const ChannelCodes& codes) {
    std::vector<double> w(codes.codes);
    for (double& code : w) code *= codes.step;
    return w;
  }
  ChannelCodes nearest(std::size_t g, std::size_t c, const OperandMoments& of) const {
    const std::span<const double> weights = groups_[g].weights;
    const std::size_t n = data_.layer.row_size;
    return LeastSquares::nearest(of, c, weights.subspan(c * n, n), came_.step(channel(g, c)),
                                 high());
  }
  // Of all channels that have step `part`.
  void take_if_better(const std::vector<ChannelCodes>& found, std::size_t part, double factor) {
    const std::size_t steps = came_.thresholds.size();
    double now = 0, before = 0;
    for (std::size_t c = part; c < found.size(); c += steps) {
      now += found[c].error;
      before += found_[c].error;
    }
    if (now >= before) return;
    for (std::size_t c = part; c < found.size(); c += steps) found_[c] = found[c];
    quantization_.thresholds[part] = step(part, factor) * high();
  }
  template <typename Body>
  void each_group(const Body& body) const {
    parallel_for(static_cast<std::int64_t>(groups_.size()), 0,
                 [&](std::int64_t g) { body(static_cast<std::size_t>(g)); });
  }
  template <typename Body>
  void each_channel(const Body& body) const {
    parallel_for(static_cast<std::int64_t>(data_.layer.channels()), threads_,
                 [&](std::int64_t c) { body(static_cast<std::size_t>(c)); });
  }

  const LayerData& data_;
  Quantization came_, quantization_;
  std::vector<std::vector<std::size_t>> index_;
  std::vector<Group> groups_;
  int threads_;  // of one group
  std::vector<ChannelCodes> found_;
};

class Reconstruction {
 public:
  Reconstruction(Graph& annotated, const Graph& reference, const SampleSource& samples,
                 std::size_t count, const Recipe& recipe, int accumulator_bits)
      : annotated_(annotated),
        recipe_(recipe),
        accumulator_bits_(accumulator_bits),
        floats_(reference, samples, count),
        codes_(rounded(annotated), samples, count) {
    for (const WeightedLayer& layer : weighted_layers(annotated)) {
      if (layer_bias(annotated, layer)) layers_.emplace(annotated.nodes[layer.node].name, layer);
    }
    for (const WeightedLayer& layer : weighted_layers(codes_.graph())) {
      rounded_layers_.emplace(codes_.graph().nodes[layer.node].name, layer);
    }
  }

  std::size_t size() const { return codes_.graph().nodes.size(); }
  std::size_t changed() const { return changed_; }

  void step(std::size_t n) {
    const std::string name = codes_.graph().nodes[n].name;
    const auto layer = layers_.find(name);
    if (layer == layers_.end()) {
      codes_.run(n);
    } else {
      run_layer(n, layer->second);
    }
    codes_.leave(n);
  }

 private:
  void run_layer(std::size_t n, const WeightedLayer& layer) {
    const Node& node = annotated_.nodes[layer.node];
    while (floats_.graph().nodes[float_node_].name != node.name) run_float();
    const ValueId out = node.outputs[0];
    floats_.run(float_node_, linear_part(floats_.graph().nodes[float_node_]));
    std::vector<Tensor> targets = floats_.of(out);
    floats_.activate(float_node_);
    floats_.leave(float_node_++);
    make_up_for_sum(layer, targets);
    if (const auto known = operand_layer(annotated_, layer)) {
      const Node& running = codes_.graph().nodes[n];
      change({.layer = *known,
              .node = &running,
              .shape = codes_.graph().value(running.outputs[0]).shape,
              .operands = &codes_.of(running.inputs[0]),
              .targets = &targets});
      ++changed_;
    }
    ChannelMeans means;
    for (const Tensor& tensor : targets) means.add(tensor);
    run_with_means(codes_, n, means, annotated_, layer);
  }

  void run_float() {
    floats_.run(float_node_);
    floats_.leave(float_node_++);
  }

  // A sum that alone reads the layer's result: what its other operand is off is the layer's task.
  void make_up_for_sum(const WeightedLayer& layer, std::vector<Tensor>& targets) {
    const Node& node = annotated_.nodes[layer.node];
    if (fused(node).kind != Activation::Kind::None) return;
    const auto reader = sole_reader(annotated_, node.outputs[0]);
    if (!reader) return;
    const Node& sum = annotated_.nodes[*reader];
    const auto* binary = std::get_if<Binary>(&sum.op);
    if (binary == nullptr || binary->kind != Binary::Kind::Add) return;
    const std::size_t slot = sum.inputs[0] == node.outputs[0] ? 1 : 0;
    const std::vector<Tensor>& wanted = floats_.of(sum.inputs[slot]);
    const std::vector<Tensor>& given = codes_.of(rounded_operand(sum.name, slot));
    if (wanted.size() != targets.size() || given.size() != targets.size()) return;
    if (wanted[0].shape() != targets[0].shape()) return;
    for (std::size_t s = 0; s < targets.size(); ++s) {
      const auto to = targets[s].mutable_values<float>();
      const auto a = wanted[s].values<float>(), b = given[s].values<float>();
      for (std::size_t i = 0; i < to.size(); ++i) to[i] += a[i] - b[i];
    }
  }

  ValueId rounded_operand(const std::string& node, std::size_t slot) const {
    for (const Node& one : codes_.graph().nodes) {
      if (one.name == node) return one.inputs[slot];
    }
    CHECK(false, "node '{}' is not in the rounded network", node);
  }

  void change(const LayerData& data) {
    const WeightedLayer& weighted = data.layer.weighted;
    const auto quantization = [&]() -> std::optional<Quantization>& {
      return annotated_.value(annotated_.nodes[weighted.node].inputs[1]).quantization;
    };
    std::vector<float> weights = layer_weights(annotated_, weighted);
    LayerCodes codes(data, *quantization(), weights);
    const std::vector<double> least =
        least_weight_thresholds(annotated_, weighted, codes.quantization().thresholds.size(),
                                codes.quantization().bits, accumulator_bits_);
    std::vector<double> factors = {1};
    if (codes.quantization().bits < 8) {
      const bool octaves = recipe_.weight_scale == ScaleKind::PowerOfTwo;
      if (octaves) factors.insert(factors.end(), kOctaves.begin(), kOctaves.end());
      if (!octaves) factors.insert(factors.end(), kSteps.begin(), kSteps.end());
    }
    if (const auto ridge = codes.ridge()) {
      codes.choose(*ridge, factors, least);
    } else {
      codes.take_nearest();
    }
    codes.write(weights);
    const Quantization found = codes.quantization();
    set_layer_weights(annotated_, weighted, weights);
    quantization() = found;
    const Tensor& constant = *annotated_.value(annotated_.nodes[weighted.node].inputs[1]).constant;
    const Tensor as_run = rounded_constant(constant, found);
    const auto values = as_run.values<float>();
    set_layer_weights(codes_.graph(), rounded_layers_.at(data.node->name),
                      {values.begin(), values.end()});
  }

  Graph& annotated_;
  const Recipe& recipe_;
  int accumulator_bits_;
  SampleWalk floats_, codes_;
  std::size_t float_node_ = 0;  // the next
  std::map<std::string, WeightedLayer> layers_, rounded_layers_;
  std::size_t changed_ = 0;
};

}  // namespace

void reconstruct_layers(Graph& annotated, const Graph& reference, const SampleSource& samples,
                        const Recipe& recipe, int accumulator_bits, std::vector<std::string>& notes,
                        const StageProgress& progress) {
  const std::int64_t bytes = live_bytes(reference) + live_bytes(rounded(annotated));
  const std::int64_t fit = kMostBytes / std::max<std::int64_t>(bytes, 1);
  const auto count =
      std::min(samples.count, static_cast<std::size_t>(std::max<std::int64_t>(fit, 1)));
  Reconstruction walk(annotated, reference, samples, count, recipe, accumulator_bits);
  for (std::size_t n = 0; n < walk.size(); ++n) {
    if (progress) {
      progress("reconstruction", static_cast<double>(n) / static_cast<double>(walk.size()));
    }
    walk.step(n);
  }
  if (progress) progress("reconstruction", 1);
  notes.push_back(fmt::format("{} layers reconstructed over {} sample{}", walk.changed(), count,
                              count == 1 ? "" : "s"));
}

}  // namespace workbench
