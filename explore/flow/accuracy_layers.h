// Each layer's share of the difference between a float network and its integers, accumulated over
// images as sums, extremes and counts; the bits its sums of products need, and advice.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"
#include "explore/flow/accuracy.h"
#include "explore/flow/quantization.h"
#include "explore/flow/signal_to_noise.h"

namespace workbench {

class LayerMeter {
 public:
  // Refers to `network`.
  explicit LayerMeter(const Quantized& network);

  // The float network that layers are compared with.
  const Graph& floats() const { return graph_; }
  // One image. `in_float`: by ValueId of floats(); `in_integers`: by name of network.integers.
  void add(const std::vector<Tensor>& in_float, const NamedTensors& in_integers);
  // In graph order, those that change anything; accumulators and advice are left to others.
  std::vector<LayerAccuracy> layers() const;

 private:
  // A form in which the integer network has a value.
  struct Form {
    std::string name;
    const Value* value = nullptr;
  };
  struct Extent {
    float low = 0, high = 0;
  };
  struct Layer {
    ValueId result = kNoValue;
    std::ptrdiff_t node = -1;             // of floats(); -1: an input
    const Quantization* codes = nullptr;  // null: weights are codes, the result is not
    double signal = 0, noise = 0, own_signal = 0, own_noise = 0, inherited_noise = 0;
    std::int64_t values = 0, clipped = 0;
    std::vector<Extent> channels;
    std::string before;  // layers whose results never reach memory
  };
  struct Image;

  void find_forms();
  const Quantization* codes_of(ValueId id) const;  // by annotation; null: none
  void find_layers();
  std::optional<Tensor> computed(ValueId id, const NamedTensors& tensors) const;
  const Tensor& real(Image& image, ValueId id) const;
  Tensor evaluated(Image& image, const Node& node) const;
  std::string unseen(const Image& image, const Node& node) const;
  static void measure(Layer& layer, const Tensor& expected, const Tensor& exact, const Tensor& got);
  static void widen(Layer& layer, const Tensor& values);
  LayerAccuracy described(const Layer& layer) const;
  static std::vector<bool> describe_channels(const Layer& layer, LayerAccuracy& result);
  void describe_weights(const Node& node, const std::vector<bool>& constant,
                        LayerAccuracy& result) const;

  const Quantized& network_;
  const Graph& graph_;
  std::map<std::string, ValueId> annotated_;  // by name, of network.annotated
  std::vector<std::ptrdiff_t> writers_;
  std::vector<std::vector<Form>> forms_;  // by ValueId, best first
  std::vector<Layer> layers_;
};

// Largest of the magnitudes over the median one; 0 where that says nothing.
double range_ratio(std::vector<double> magnitudes);

struct AccumulatorBits {
  int used = 0, bound = 0;  // signed, with sign
};

// Sums are made again in float32 from the codes that the target computed: exact while they need no
// more than 24 bits, and within one in a million beyond, where they are only told as bits.
class AccumulatorMeter {
 public:
  // Refers to `integers`.
  explicit AccumulatorMeter(const Graph& integers);
  void add(const NamedTensors& tensors);
  // By name of the layer's result, of the integer graph.
  std::map<std::string, AccumulatorBits> bits() const;

 private:
  struct Layer {
    std::string operand, result;  // values of the integer graph
    Graph graph;                  // the layer alone, on codes as float32: operand, weights, result
    std::vector<double> biases, low, high;  // per output channel; of the sums seen, before the bias
    AccumulatorBits bits;
  };
  void add_layer(const Graph& integers, const Node& node);

  std::vector<Layer> layers_;
};

// Bits of a signed number that holds both.
int signed_bits(double low, double high);

struct AdviceContext {
  bool is_last = false;              // of the layers with weights
  bool weights_per_channel = true;   // scales of its weights
  bool is_default = true;            // the scheme
  bool searches_thresholds = false;  // --effort best
  bool has_16_bits = false;          // the machine could be one of 16-bit codes, and is not
  int accumulator_bits = 0;          // of the hardware; 0: no hardware
  std::vector<int> weight_widths;    // QuantizeTarget's
};

std::vector<Advice> advice_for(const LayerAccuracy& layer, const AdviceContext& context);

}  // namespace workbench
