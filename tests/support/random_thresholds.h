// Data for a random network, and thresholds that are near what quantization of it would choose.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize_target.h"
#include "core/eval/evaluate.h"

namespace workbench {

// Normal, of deviation 64.
inline Tensor normal_tensor(const Shape& shape, std::mt19937_64& random) {
  std::normal_distribution<float> normal(0, 64);
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape, Layout::Nchw);
  for (float& v : tensor.mutable_values<float>()) v = normal(random);
  return tensor;
}

// A threshold per value of `graph`: its largest magnitude on `x` times 0.3 to 1.2.
inline Thresholds random_thresholds(const Graph& graph, const Tensor& x, std::mt19937_64& random) {
  Thresholds thresholds;
  evaluate(graph, {&x, 1}, {.observe = [&](ValueId id, const Tensor& tensor) {
             double largest = 0;
             for (const float v : tensor.values<float>()) {
               largest = std::max(largest, std::fabs(static_cast<double>(v)));
             }
             const auto part = static_cast<double>(3 + random() % 10) / 10;
             thresholds[graph.value(id).name] = largest * part;
           }});
  return thresholds;
}

// Codes of 8 bits for weights that the target has codes for, per tensor or per channel; steps are
// powers of two, which need not be those of max|w|, or any float.
inline void annotate_weights(Graph& graph, const QuantizeTarget& target, std::mt19937_64& random) {
  const std::vector<bool> has_codes = target.has_weight_codes(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!has_codes[n]) continue;
    const auto* gemm = std::get_if<Gemm>(&graph.nodes[n].op);
    Value& weights = graph.value(graph.nodes[n].inputs[1]);
    if (!weights.constant || weights.quantization) continue;
    Quantization codes{.bits = 8, .axis = gemm != nullptr && !gemm->transpose_b ? 1 : 0};
    const auto channels = weights.shape[static_cast<std::size_t>(codes.axis)];
    const std::size_t count = random() % 3 == 0 ? 1 : static_cast<std::size_t>(channels);
    for (std::size_t c = 0; c < count; ++c) {
      const float step = random() % 2 == 0 ? 0.0078125F : 0.003F + 1e-4F * static_cast<float>(c);
      codes.thresholds.push_back(double{step} * 127);
    }
    weights.quantization = codes;
  }
}

}  // namespace workbench
