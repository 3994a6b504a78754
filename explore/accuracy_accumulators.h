// How many bits the sums of products of the integer layers need: of these images, and of any.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/graph.h"
#include "explore/accuracy.h"

namespace workbench {

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

}  // namespace workbench
