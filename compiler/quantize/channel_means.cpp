#include "compiler/quantize/channel_means.h"

namespace workbench {

namespace {

void shift_channels(Tensor& tensor, const std::vector<float>& by) {
  const std::int64_t run = tensor.size() / tensor.dim(0) / tensor.dim(1);
  const auto values = tensor.mutable_values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] += by[i / static_cast<std::size_t>(run) % by.size()];
  }
}

}  // namespace

void ChannelMeans::add(const Tensor& tensor) {
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

void run_with_means(SampleWalk& walk, std::size_t n, const ChannelMeans& wanted, Graph& annotated,
                    const WeightedLayer& layer) {
  const Node& node = walk.graph().nodes[n];
  walk.run(n, linear_part(node));
  std::vector<Tensor>& results = walk.of(node.outputs[0]);
  ChannelMeans means;
  for (const Tensor& tensor : results) means.add(tensor);
  std::vector<float> bias = *layer_bias(annotated, layer), shift = bias;
  for (std::size_t c = 0; c < bias.size(); ++c) {
    shift[c] = static_cast<float>(wanted.mean(c) - means.mean(c));
    bias[c] += shift[c];
  }
  set_layer_bias(annotated, layer, bias);
  for (Tensor& tensor : results) shift_channels(tensor, shift);
  walk.activate(n);
}

}  // namespace workbench
