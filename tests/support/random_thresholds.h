// Data for a random network, and thresholds that are near what quantization of it would choose.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/quantize/calibrate.h"
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

}  // namespace workbench
