// Golden against simulated, value by value.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench {

struct LayerVerdict {
  std::string name;  // value name, which is the layer's
  std::int64_t values = 0, mismatches = 0;
  // First difference in row-major order, when there is one.
  std::vector<std::int64_t> coordinates;  // [n, c, h, w]
  double expected = 0, got = 0;
};

struct Verdict {
  std::vector<LayerVerdict> layers;  // every compared value, in graph order
  std::int64_t values_compared = 0, mismatches = 0;
  bool bit_exact() const { return mismatches == 0; }
};

// Compares every value that `simulated` (by value name) holds and golden knows; types and shapes
// must agree (a shape difference counts every value as a mismatch; [1, C, H, W] stands for the
// [1, C*H*W] that the network flattened it to, and for fewer dimensions without its ones). Floats
// compare as bits, NaN equal to NaN.
Verdict compare(const Graph& quantized, const std::vector<Tensor>& golden,
                const std::map<std::string, Tensor>& simulated);

// The same, value by value, as the golden model computes them.
class Comparison {
 public:
  // Both are kept by reference.
  Comparison(const Graph& quantized, const std::map<std::string, Tensor>& simulated);
  void add(ValueId id, const Tensor& golden);
  Verdict verdict() const;  // of what was added, in the order of the graph's values

 private:
  const Graph& quantized_;
  const std::map<std::string, Tensor>& simulated_;
  std::map<ValueId, LayerVerdict> layers_;
};

// 10 log10(sum(reference^2) / sum((reference - value)^2)); value codes are dequantized first by
// `quantization` when set. +inf when equal; -inf never: a zero reference gives 0.
double signal_to_noise_db(const Tensor& reference, const Tensor& value,
                          const std::optional<Quantization>& quantization);

}  // namespace workbench
