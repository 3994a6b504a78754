// Layers with constant weights as the steps of a recipe see them: which weight belongs to which
// channel, and which layers read the channels that a layer writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/graph.h"

namespace workbench {

// A Conv, ConvTranspose or Gemm with constant float weights [rows, columns, cells]: outputs and
// inputs, or the other way round.
struct WeightedLayer {
  std::size_t node = 0;
  std::int64_t inputs = 0, outputs = 0;  // channels (columns) of the whole tensors
  int axis = 0;                          // of the weights, that quantization per channel runs along
  std::size_t steps = 0;  // length of that axis: `outputs`, less where groups share it
  bool rows_are_outputs = true;
  std::int64_t columns = 1, cells = 1, rows_per_group = 1;

  // Channel that weight i reads and writes.
  std::size_t input_of(std::size_t i) const { return rows_are_outputs ? column(i) : row(i); }
  std::size_t output_of(std::size_t i) const { return rows_are_outputs ? row(i) : column(i); }

 private:
  std::size_t row(std::size_t i) const { return i / static_cast<std::size_t>(columns * cells); }
  std::size_t column(std::size_t i) const {
    const auto group = row(i) / static_cast<std::size_t>(rows_per_group);
    const auto in_group = i / static_cast<std::size_t>(cells) % static_cast<std::size_t>(columns);
    return in_group + group * static_cast<std::size_t>(columns);
  }
};
bool is_weighted_layer(const Graph& graph, const Node& node);
std::vector<WeightedLayer> weighted_layers(const Graph& graph);  // in graph order

// The fused activation; None where the op can have none.
const Activation& fused(const Node& node);

// The bias as one number per output channel: zeros where there is none. Nothing where it is no
// constant of that form.
std::optional<std::vector<float>> layer_bias(const Graph& graph, const WeightedLayer& layer);
// Makes `bias` the layer's, adding the operand where there is none.
void set_layer_bias(Graph& graph, const WeightedLayer& layer, const std::vector<float>& bias);
// Makes `weights` the layer's, keeping shape and layout.
void set_layer_weights(Graph& graph, const WeightedLayer& layer, const std::vector<float>& weights);
std::vector<float> layer_weights(const Graph& graph, const WeightedLayer& layer);

// Layers that read the channels of `value` one by one, directly or behind nodes that keep channels
// apart and give s * y for s * x, s > 0 (pools, ReLU, flattening of 1x1 maps).
struct ChannelReaders {
  std::vector<std::size_t> nodes;  // ascending
  bool all = true;                 // false: others read it, too, or it is a result of the network
};
ChannelReaders channel_readers(const Graph& graph, ValueId value);

}  // namespace workbench
