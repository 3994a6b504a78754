#include "compiler/quantize/correct_weights.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/eval/evaluate.h"
#include "core/parallel.h"

namespace workbench {

namespace {

constexpr std::int64_t kMostBytes = std::int64_t{256} << 20;  // of samples or moments at a time

bool is_known(const Graph& graph, ValueId id) { return id == kNoValue || is_constant(graph, id); }

// Per value the index of the last node that reads it; past the end for results of the network.
std::vector<std::size_t> last_readers(const Graph& graph) {
  std::vector<std::size_t> last(graph.values.size(), 0);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].inputs) {
      if (id != kNoValue) last[static_cast<std::size_t>(id)] = n;
    }
  }
  for (const ValueId id : graph.outputs) last[static_cast<std::size_t>(id)] = graph.nodes.size();
  return last;
}

// Of the values that are alive at once, at most, for one sample.
std::int64_t live_bytes(const Graph& graph) {
  const std::vector<std::size_t> last = last_readers(graph);
  const auto bytes = [&](ValueId id) {
    if (is_known(graph, id)) return std::int64_t{0};
    return element_count(graph.value(id).shape) * element_bytes(graph.value(id).type);
  };
  std::int64_t live = 0, most = 0;
  for (const ValueId id : graph.inputs) live += bytes(id);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    std::vector<ValueId> read = graph.nodes[n].inputs;
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (const ValueId id : graph.nodes[n].outputs) live += bytes(id);
    most = std::max(most, live);
    for (const ValueId id : read) {
      if (id != kNoValue && last[static_cast<std::size_t>(id)] == n) live -= bytes(id);
    }
  }
  return most;
}

// `node` without its activation.
Node linear_part(Node node) {
  if (Activation* activation = fused_activation(node.op)) *activation = {};
  return node;
}

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

// Mean of each index of axis 1, over all tensors seen.
struct ChannelMeans {
  std::vector<double> sums;
  std::int64_t count = 0;  // values of each

  void add(const Tensor& tensor) {
    const auto values = tensor.values<float>();
    const std::int64_t channels = tensor.dim(1);
    const std::int64_t run = tensor.size() / tensor.dim(0) / channels;
    sums.resize(static_cast<std::size_t>(channels), 0.0);
    for (std::int64_t i = 0; i < tensor.dim(0) * channels; ++i) {
      double sum = 0;
      for (std::int64_t k = 0; k < run; ++k) {
        sum += double{values[static_cast<std::size_t>(i * run + k)]};
      }
      sums[static_cast<std::size_t>(i % channels)] += sum;
    }
    count += tensor.dim(0) * run;
  }
  double mean(std::size_t channel) const { return sums[channel] / static_cast<double>(count); }
};

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

void shift_channels(Tensor& tensor, const std::vector<float>& by) {
  const std::int64_t run = tensor.size() / tensor.dim(0) / tensor.dim(1);
  const auto values = tensor.mutable_values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] += by[i / static_cast<std::size_t>(run) % by.size()];
  }
}

// The rounded network, every node on all samples before the next.
class Walk {
 public:
  Walk(Graph& annotated, const SampleSource& samples, std::size_t count,
       std::map<std::string, ChannelMeans> means)
      : annotated_(annotated),
        graph_(rounded(annotated)),
        means_(std::move(means)),
        last_(last_readers(graph_)),
        values_(graph_.values.size()),
        count_(count) {
    for (const WeightedLayer& layer : weighted_layers(annotated)) {
      layers_.emplace(annotated.nodes[layer.node].name, layer);
    }
    for (std::size_t s = 0; s < count; ++s) {
      const std::vector<Tensor> inputs = samples.at(s);
      for (std::size_t i = 0; i < inputs.size(); ++i) of(graph_.inputs[i]).push_back(inputs[i]);
    }
  }

  std::size_t size() const { return graph_.nodes.size(); }

  // Whether the node's bias was corrected.
  bool step(std::size_t n) {
    const Node& node = graph_.nodes[n];
    const auto layer = layers_.find(node.name);
    const bool correct = layer != layers_.end() && means_.contains(node.name) &&
                         layer_bias(annotated_, layer->second);
    correct ? run_corrected(node, layer->second) : run(node, node);
    for (const ValueId id : node.inputs) release(id, n);
    for (const ValueId id : node.outputs) release(id, n);
    return correct;
  }

 private:
  std::vector<Tensor>& of(ValueId id) { return values_[static_cast<std::size_t>(id)]; }

  void release(ValueId id, std::size_t n) {
    if (id != kNoValue && last_[static_cast<std::size_t>(id)] <= n) of(id).clear();
  }

  // `node`, computed as `as` says.
  void run(const Node& node, const Node& as) {
    for (std::size_t s = 0; s < count_; ++s) {
      std::vector<Tensor> operands;
      for (const ValueId id : node.inputs) {
        if (id == kNoValue) {
          operands.emplace_back();
        } else {
          operands.push_back(is_constant(graph_, id) ? *graph_.value(id).constant : of(id)[s]);
        }
      }
      std::vector<Tensor> results = evaluate_node(graph_, as, operands);
      for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        if (node.outputs[i] != kNoValue) of(node.outputs[i]).push_back(std::move(results[i]));
      }
    }
  }

  void run_corrected(const Node& node, const WeightedLayer& layer) {
    run(node, linear_part(node));
    ChannelMeans means;
    for (const Tensor& tensor : of(node.outputs[0])) means.add(tensor);
    const ChannelMeans& wanted = means_.at(node.name);
    std::vector<float> bias = *layer_bias(annotated_, layer), shift = bias;
    for (std::size_t c = 0; c < bias.size(); ++c) {
      shift[c] = static_cast<float>(wanted.mean(c) - means.mean(c));
      bias[c] += shift[c];
    }
    set_layer_bias(annotated_, layer, bias);
    for (Tensor& tensor : of(node.outputs[0])) {
      shift_channels(tensor, shift);
      const Node after{.name = node.name,
                       .op = Activate{fused(node)},
                       .inputs = {node.outputs[0]},
                       .outputs = node.outputs};
      tensor = evaluate_node(graph_, after, std::vector<Tensor>{std::move(tensor)})[0];
    }
  }

  Graph& annotated_;
  Graph graph_;
  std::map<std::string, ChannelMeans> means_;
  std::map<std::string, WeightedLayer> layers_;
  std::vector<std::size_t> last_;
  std::vector<std::vector<Tensor>> values_;
  std::size_t count_;
};

}  // namespace

void correct_bias(Graph& annotated, const Graph& reference, const SampleSource& samples,
                  std::vector<std::string>& notes, const StageProgress& progress) {
  const std::int64_t fit = kMostBytes / std::max<std::int64_t>(live_bytes(rounded(annotated)), 1);
  const auto count =
      std::min(samples.count, static_cast<std::size_t>(std::max<std::int64_t>(fit, 1)));
  Walk walk(annotated, samples, count, reference_means(reference, samples, count, progress));
  std::size_t corrected = 0;
  for (std::size_t n = 0; n < walk.size(); ++n) {
    if (progress) {
      progress("bias correction",
               0.5 + 0.5 * static_cast<double>(n) / static_cast<double>(walk.size()));
    }
    if (walk.step(n)) ++corrected;
  }
  if (progress) progress("bias correction", 1);
  notes.push_back(fmt::format("biases of {} layers corrected over {} sample{}", corrected, count,
                              count == 1 ? "" : "s"));
}

namespace {

constexpr std::int64_t kMostWeights = 2304;   // of a channel: 256 channels of 3x3
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
  WeightedLayer weighted;
  std::string name;
  std::vector<Moments> groups;

  std::size_t row_size() const {
    return static_cast<std::size_t>(weighted.inputs * weighted.cells) / groups.size();
  }
  std::int64_t bytes() const {
    const auto n = static_cast<std::int64_t>(row_size());
    return static_cast<std::int64_t>(groups.size()) * n * n * 8;
  }
  void reset() {
    const std::size_t n = row_size();
    for (Moments& group : groups) {
      group = {n, std::vector<double>(n, 0.0), std::vector<double>(n * n, 0.0), 0};
    }
  }
};

std::vector<Layer> layers_to_round(const Graph& annotated) {
  std::vector<Layer> layers;
  for (const WeightedLayer& weighted : weighted_layers(annotated)) {
    const Node& node = annotated.nodes[weighted.node];
    const auto* conv = std::get_if<Conv>(&node.op);
    const bool known = (conv != nullptr && conv->window.kernel.size() == 2) ||
                       std::holds_alternative<Gemm>(node.op);
    if (!known || !annotated.value(node.inputs[1]).quantization ||
        !layer_bias(annotated, weighted)) {
      continue;
    }
    Layer layer{weighted, node.name, {}};
    layer.groups.resize(conv != nullptr ? static_cast<std::size_t>(conv->groups) : 1);
    if (static_cast<std::int64_t>(layer.row_size()) <= kMostWeights) {
      layers.push_back(std::move(layer));
    }
  }
  return layers;
}

// Operands of the weights of group `group` at one position of the result, in their order.
void gather(const Conv& conv, const Tensor& x, std::int64_t group, std::int64_t image,
            std::int64_t row, std::int64_t column, std::vector<float>& to) {
  const Window& window = conv.window;
  const std::int64_t channels = x.dim(1) / conv.groups, height = x.dim(2), width = x.dim(3);
  const float* values = x.values<float>().data();
  std::size_t k = 0;
  for (std::int64_t c = 0; c < channels; ++c) {
    const float* plane = values + ((image * x.dim(1)) + group * channels + c) * height * width;
    for (std::int64_t i = 0; i < window.kernel[0]; ++i) {
      const std::int64_t h =
          row * window.strides[0] - window.pads_begin[0] + i * window.dilations[0];
      for (std::int64_t j = 0; j < window.kernel[1]; ++j) {
        const std::int64_t w =
            column * window.strides[1] - window.pads_begin[1] + j * window.dilations[1];
        const bool inside = h >= 0 && h < height && w >= 0 && w < width;
        to[k++] = inside ? plane[h * width + w] : 0;
      }
    }
  }
}

// Some positions of every image of the result, evenly spread.
void add_positions(const Conv& conv, const Tensor& x, const Shape& out, Layer& layer) {
  const std::int64_t positions = out[0] * out[2] * out[3];
  const std::int64_t count = std::min(positions, kMostPositions);
  parallel_for(static_cast<std::int64_t>(layer.groups.size()), 0, [&](std::int64_t group) {
    Moments& moments = layer.groups[static_cast<std::size_t>(group)];
    std::vector<float> row(moments.size);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t at = i * positions / count;
      gather(conv, x, group, at / (out[2] * out[3]), at / out[3] % out[2], at % out[3], row);
      moments.add(row);
    }
  });
}

void add_rows(const Tensor& x, Layer& layer) {
  const auto values = x.values<float>();
  const std::size_t size = layer.groups[0].size;
  for (std::size_t begin = 0; begin < values.size(); begin += size) {
    layer.groups[0].add({values.begin() + static_cast<std::ptrdiff_t>(begin),
                         values.begin() + static_cast<std::ptrdiff_t>(begin + size)});
  }
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
      if (const auto* conv = std::get_if<Conv>(&node->op)) {
        add_positions(*conv, tensor, rounded_graph.value(node->outputs[0]).shape, *layer);
      } else {
        add_rows(tensor, *layer);
      }
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
  const WeightedLayer& weighted = layer.weighted;
  const Quantization quantization =
      *annotated.value(annotated.nodes[weighted.node].inputs[1]).quantization;
  std::vector<float> weights = layer_weights(annotated, weighted);
  std::vector<float> bias = *layer_bias(annotated, weighted);
  const std::size_t n = layer.row_size();
  // The weights of each output channel, in the order of the moments.
  std::vector<std::vector<std::size_t>> index(static_cast<std::size_t>(weighted.outputs));
  for (std::size_t i = 0; i < weights.size(); ++i) index[weighted.output_of(i)].push_back(i);
  const std::size_t rows_per_group = index.size() / layer.groups.size();
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
