// One node through the float evaluator, and the tensors to feed it.
#pragma once

#include <random>
#include <vector>

#include "core/eval/evaluate.h"
#include "tests/support/one_node.h"

namespace workbench {

inline std::vector<Tensor> evaluate_all(const OneNode& one,
                                        Arithmetic arithmetic = Arithmetic::Exact,
                                        int threads = 1) {
  const Graph graph = graph_of(one);
  return evaluate(graph, std::vector<Tensor>{one.operands[0]},
                  {.arithmetic = arithmetic, .threads = threads});
}

inline Tensor evaluate_one(const OneNode& one, Arithmetic arithmetic = Arithmetic::Exact,
                           int threads = 1) {
  return evaluate_all(one, arithmetic, threads)[0];
}

template <typename T>
std::vector<T> elements(const Tensor& tensor) {
  const auto values = tensor.values<T>();
  return {values.begin(), values.end()};
}

// 0, 1, 2, ...
inline Tensor counting(const Shape& shape) {
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape);
  float next = 0;
  for (float& v : tensor.mutable_values<float>()) v = next++;
  return tensor;
}

// Uniform in [-1, 1).
inline Tensor noise(std::mt19937_64& random, const Shape& shape) {
  std::uniform_real_distribution<float> value(-1, 1);
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape);
  for (float& v : tensor.mutable_values<float>()) v = value(random);
  return tensor;
}

inline Window square(std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = 0) {
  return {{kernel, kernel}, {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}};
}

}  // namespace workbench
