#include "compiler/quantize/correct_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/eval/evaluate.h"

namespace workbench {

namespace {

constexpr std::int64_t kMostBytes = std::int64_t{256} << 20;

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

}  // namespace workbench
