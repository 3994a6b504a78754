#include "compiler/quantize/correct_weights.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/channel_means.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/layer_operands.h"
#include "compiler/quantize/sample_walk.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/eval/evaluate.h"
#include "core/parallel.h"

namespace workbench {

namespace {

constexpr std::int64_t kMostBytes = std::int64_t{256} << 20;  // of samples or moments at a time

// `graph` with the activations of weighted layers as nodes of their own.
Graph unfused(const Graph& graph) {
  Graph result = graph;
  result.nodes.clear();
  for (const Node& node : graph.nodes) {
    const Activation activation = fused(node);
    if (!is_weighted_layer(graph, node) || activation.kind == Activation::Kind::None) {
      result.nodes.push_back(node);
      continue;
    }
    Node linear = linear_part(node);
    const Value& out = graph.value(node.outputs[0]);
    linear.outputs[0] = result.add_value(
        {.name = unique_value_name(result, out.name + "_before"), .shape = out.shape});
    Node after{.name = unique_node_name(graph, node.name + "_after"),
               .op = Activate{activation},
               .inputs = linear.outputs,
               .outputs = node.outputs};
    result.nodes.push_back(std::move(linear));
    result.nodes.push_back(std::move(after));
  }
  return result;
}

// By node name: what each weighted layer gives before its activation.
std::map<std::string, ChannelMeans> reference_means(const Graph& reference,
                                                    const SampleSource& samples, std::size_t count,
                                                    const StageProgress& progress) {
  const Graph graph = unfused(reference);
  std::map<std::string, ChannelMeans> means;
  std::map<ValueId, std::string> names;
  for (const Node& node : graph.nodes) {
    if (is_weighted_layer(graph, node)) names[node.outputs[0]] = node.name;
  }
  EvaluateOptions options;
  options.observe = [&](ValueId id, const Tensor& tensor) {
    const auto found = names.find(id);
    if (found != names.end()) means[found->second].add(tensor);
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (progress)
      progress("bias correction", 0.5 * static_cast<double>(i) / static_cast<double>(count));
    evaluate(graph, samples.at(i), options);
  }
  return means;
}

}  // namespace

void correct_bias(Graph& annotated, const Graph& reference, const SampleSource& samples,
                  std::vector<std::string>& notes, const StageProgress& progress) {
  const std::int64_t fit = kMostBytes / std::max<std::int64_t>(live_bytes(rounded(annotated)), 1);
  const auto count =
      std::min(samples.count, static_cast<std::size_t>(std::max<std::int64_t>(fit, 1)));
  const std::map<std::string, ChannelMeans> means =
      reference_means(reference, samples, count, progress);
  std::map<std::string, WeightedLayer> layers;
  for (const WeightedLayer& layer : weighted_layers(annotated)) {
    const std::string& name = annotated.nodes[layer.node].name;
    if (means.contains(name) && layer_bias(annotated, layer)) layers.emplace(name, layer);
  }
  SampleWalk walk(rounded(annotated), samples, count);
  for (std::size_t n = 0; n < walk.graph().nodes.size(); ++n) {
    if (progress) {
      progress("bias correction",
               0.5 + 0.5 * static_cast<double>(n) / static_cast<double>(walk.graph().nodes.size()));
    }
    const std::string& name = walk.graph().nodes[n].name;
    const auto layer = layers.find(name);
    if (layer == layers.end()) {
      walk.run(n);
    } else {
      run_with_means(walk, n, means.at(name), annotated, layer->second);
    }
    walk.leave(n);
  }
  if (progress) progress("bias correction", 1);
  notes.push_back(fmt::format("biases of {} layers corrected over {} sample{}", layers.size(),
                              count, count == 1 ? "" : "s"));
}

namespace {

constexpr std::int64_t kMostPositions = 256;  // of a result and sample
constexpr int kMostSweeps = 20;

// First and second moments of what one group of a layer multiplies its weights with.
struct Moments {
  std::size_t size = 0;
  std::vector<double> first, second;  // [size], [size, size]: the lower triangle
  double count = 0;

  void add(const std::vector<float>& x) {
    for (std::size_t i = 0; i < size; ++i) {
      const double xi = double{x[i]};
      first[i] += xi;
      if (xi == 0) continue;
      double* row = &second[i * size];
      for (std::size_t j = 0; j <= i; ++j) row[j] += xi * double{x[j]};
    }
    count += 1;
  }
  double mean(std::size_t i) const { return first[i] / count; }
  double covariance(std::size_t i, std::size_t j) const {
    return second[std::max(i, j) * size + std::min(i, j)] / count - mean(i) * mean(j);
  }
};

struct Layer {
  OperandLayer operands;
  std::string name;
  std::vector<Moments> groups;

  std::int64_t bytes() const {
    const auto n = static_cast<std::int64_t>(operands.row_size);
    return static_cast<std::int64_t>(operands.groups) * n * n * 8;
  }
  void reset() {
    const std::size_t n = operands.row_size;
    groups.assign(operands.groups,
                  {n, std::vector<double>(n, 0.0), std::vector<double>(n * n, 0.0), 0});
  }
};

std::vector<Layer> layers_to_round(const Graph& annotated) {
  std::vector<Layer> layers;
  for (const WeightedLayer& weighted : weighted_layers(annotated)) {
    if (const auto operands = operand_layer(annotated, weighted)) {
      layers.push_back({*operands, annotated.nodes[weighted.node].name, {}});
    }
  }
  return layers;
}

// Some positions of every image of the result, evenly spread; all rows of a Gemm.
void add_positions(const Node& node, const Tensor& x, const Shape& out, Layer& layer) {
  const std::int64_t positions = result_positions(out);
  const std::int64_t count =
      std::holds_alternative<Gemm>(node.op) ? positions : std::min(positions, kMostPositions);
  parallel_for(static_cast<std::int64_t>(layer.groups.size()), 0, [&](std::int64_t group) {
    Moments& moments = layer.groups[static_cast<std::size_t>(group)];
    std::vector<float> row(moments.size);
    for (std::int64_t i = 0; i < count; ++i) {
      gather_operands(node, x, out, group, i * positions / count, row);
      moments.add(row);
    }
  });
}

void collect_moments(const Graph& rounded_graph, std::span<Layer> layers,
                     const std::vector<Tensor>& sample) {
  std::multimap<ValueId, std::pair<const Node*, Layer*>> readers;
  for (const Node& node : rounded_graph.nodes) {
    for (Layer& layer : layers) {
      if (layer.name == node.name) readers.emplace(node.inputs[0], std::pair(&node, &layer));
    }
  }
  EvaluateOptions options;
  options.observe = [&](ValueId id, const Tensor& tensor) {
    const auto [begin, end] = readers.equal_range(id);
    for (auto at = begin; at != end; ++at) {
      const auto& [node, layer] = at->second;
      add_positions(*node, tensor, rounded_graph.value(node->outputs[0]).shape, *layer);
    }
  };
  evaluate(rounded_graph, sample, options);
}

// One output channel: weights in steps, the codes chosen for them, and their errors.
struct Row {
  std::vector<double> wanted, error;  // error: code - wanted
};

// Rounds single weights the other way, the best sweep after sweep, while d^T C d falls.
void improve(Row& row, const std::vector<double>& covariance, double high) {
  const std::size_t n = row.wanted.size();
  std::vector<double> slope(n, 0.0);  // C d
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) slope[i] += covariance[i * n + j] * row.error[j];
  }
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    bool changed = false;
    for (std::size_t i = 0; i < n; ++i) {
      const double move = row.error[i] > 0 ? -1 : 1;  // to the code on the other side
      const double code = row.wanted[i] + row.error[i] + move;
      if (row.error[i] == 0 || std::abs(code) > high) continue;
      if (2 * move * slope[i] + covariance[i * n + i] >= -1e-12 * covariance[i * n + i]) continue;
      row.error[i] += move;
      for (std::size_t j = 0; j < n; ++j) slope[j] += move * covariance[i * n + j];
      changed = true;
    }
    if (!changed) return;
  }
}

void round_layer(Graph& annotated, const Layer& layer) {
  const WeightedLayer& weighted = layer.operands.weighted;
  const Quantization quantization =
      *annotated.value(annotated.nodes[weighted.node].inputs[1]).quantization;
  std::vector<float> weights = layer_weights(annotated, weighted);
  std::vector<float> bias = *layer_bias(annotated, weighted);
  const std::size_t n = layer.operands.row_size, rows_per_group = layer.operands.channels();
  const std::vector<std::vector<std::size_t>> index = layer.operands.weights_of_channels();
  const auto high = static_cast<double>(quantization.high());
  parallel_for(static_cast<std::int64_t>(layer.groups.size()), 0, [&](std::int64_t g) {
    const Moments& moments = layer.groups[static_cast<std::size_t>(g)];
    std::vector<double> covariance(n * n);
    for (std::size_t i = 0; i < n * n; ++i) covariance[i] = moments.covariance(i / n, i % n);
    for (std::size_t r = 0; r < rows_per_group; ++r) {
      const std::size_t channel = static_cast<std::size_t>(g) * rows_per_group + r;
      const double step = quantization.step(channel);
      Row row;
      for (const std::size_t i : index[channel]) {
        const double wanted = double{weights[i]} / step;
        row.wanted.push_back(wanted);
        row.error.push_back(std::clamp(std::round(wanted), -high, high) - wanted);
      }
      improve(row, covariance, high);
      double shift = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double code = std::round(row.wanted[i] + row.error[i]);
        weights[index[channel][i]] = static_cast<float>(code * step);
        shift += row.error[i] * step * moments.mean(i);
      }
      bias[channel] = static_cast<float>(double{bias[channel]} - shift);
    }
  });
  set_layer_weights(annotated, weighted, weights);
  annotated.value(annotated.nodes[weighted.node].inputs[1]).quantization = quantization;
  set_layer_bias(annotated, weighted, bias);
}

}  // namespace

void round_weights(Graph& annotated, const SampleSource& samples, const StageProgress& progress) {
  round_weights(annotated, Graph(annotated), samples, progress);
}

void round_weights(Graph& annotated, const Graph& operands, const SampleSource& samples,
                   const StageProgress& progress) {
  std::vector<Layer> layers = layers_to_round(annotated);
  const Graph graph = rounded(operands);
  for (std::size_t begin = 0, end = 0; begin < layers.size(); begin = end) {
    std::int64_t bytes = 0;
    while (end < layers.size() && (end == begin || bytes + layers[end].bytes() <= kMostBytes)) {
      bytes += layers[end].bytes();
      layers[end++].reset();
    }
    const std::span<Layer> part(layers.begin() + static_cast<std::ptrdiff_t>(begin), end - begin);
    for (std::size_t s = 0; s < samples.count; ++s) {
      if (progress) {
        const double done = static_cast<double>(s) / static_cast<double>(samples.count);
        progress("rounding",
                 (static_cast<double>(begin) + done * static_cast<double>(end - begin)) /
                     static_cast<double>(layers.size()));
      }
      collect_moments(graph, part, samples.at(s));
    }
    for (Layer& layer : part) {
      round_layer(annotated, layer);
      layer.groups.assign(layer.groups.size(), {});
    }
  }
  if (progress) progress("rounding", 1);
}

}  // namespace workbench
