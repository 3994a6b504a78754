#include "tests/support/same_network.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "core/eval/evaluate.h"

namespace workbench {

namespace {

std::map<std::string, Tensor> all_values(const Graph& graph, const std::vector<Tensor>& inputs) {
  std::map<std::string, Tensor> values;
  EvaluateOptions options{.arithmetic = Arithmetic::Exact, .threads = 1};
  options.observe = [&](ValueId id, const Tensor& tensor) {
    values.emplace(graph.value(id).name, tensor);
  };
  evaluate(graph, inputs, options);
  return values;
}

testing::AssertionResult agree(const std::string& name, const Tensor& expected, const Tensor& found,
                               double tolerance) {
  if (expected.shape() != found.shape()) {
    return testing::AssertionFailure() << name << ": expected shape " << to_string(expected.shape())
                                       << ", found " << to_string(found.shape());
  }
  const auto left = expected.values<float>();
  const auto right = found.values<float>();
  double largest = 0;
  for (const float v : left) largest = std::max(largest, std::abs(double{v}));
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (std::abs(double{left[i]} - double{right[i]}) <= tolerance * largest + 1e-6) continue;
    return testing::AssertionFailure() << name << "[" << i << "]: expected " << left[i]
                                       << ", found " << right[i] << ", largest " << largest;
  }
  return testing::AssertionSuccess();
}

}  // namespace

testing::AssertionResult same_network(const Graph& expected, const Graph& found,
                                      const std::vector<Tensor>& inputs, double tolerance) {
  if (expected.outputs.size() != found.outputs.size()) {
    return testing::AssertionFailure() << "number of outputs differs";
  }
  for (std::size_t i = 0; i < expected.outputs.size(); ++i) {
    const std::string& name = expected.value(expected.outputs[i]).name;
    if (found.value(found.outputs[i]).name != name) {
      return testing::AssertionFailure() << "output " << i << " is no longer named " << name;
    }
  }
  const auto before = all_values(expected, inputs);
  const auto after = all_values(found, inputs);
  for (const auto& [name, tensor] : before) {
    const auto other = after.find(name);
    if (other == after.end()) continue;
    if (auto result = agree(name, tensor, other->second, tolerance); !result) return result;
  }
  return testing::AssertionSuccess();
}

}  // namespace workbench
