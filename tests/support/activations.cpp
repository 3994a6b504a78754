#include "tests/support/activations.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/eval/evaluate.h"
#include "workloads/builder.h"

namespace workbench {

namespace {

std::vector<float> noise(std::int64_t count, std::uint64_t key, double deviation) {
  std::vector<float> values(static_cast<std::size_t>(count));
  const WeightFill fill{.values = values, .key = key, .deviation = deviation};
  fill_weights({&fill, 1});
  return values;
}

double deviation(std::span<const float> values) {
  double sum = 0;
  double squares = 0;
  for (const float v : values) {
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  const auto count = static_cast<double>(values.size());
  return std::sqrt(std::max(0.0, squares / count - sum / count * (sum / count)));
}

}  // namespace

Tensor image_like(const Shape& shape, std::uint64_t seed) {
  // 55.4^2 + 32^2 = 64^2
  std::vector<float> pixels = noise(element_count(shape), weight_key(seed, "fine"), 32);
  const std::vector<float> blocks = noise(element_count(shape), weight_key(seed, "coarse"), 55.4);
  const std::int64_t rows = shape[2];
  const std::int64_t columns = shape[3];
  for (std::int64_t i = 0; i < element_count(shape); ++i) {
    const std::int64_t column = i % columns / 8 * 8;
    const std::int64_t row = i / columns % rows / 8 * 8;
    const std::int64_t plane = i / columns / rows;
    pixels[static_cast<std::size_t>(i)] +=
        blocks[static_cast<std::size_t>((plane * rows + row) * columns + column)];
  }
  return Tensor::from<float>(shape, pixels, Layout::Nchw);
}

std::vector<std::string> activation_faults(const Graph& graph, std::uint64_t seed) {
  const std::vector<std::ptrdiff_t> writers = producers(graph);
  std::set<ValueId> logits;
  for (const Node& node : graph.nodes) {
    if (std::holds_alternative<Softmax>(node.op)) logits.insert(node.inputs[0]);
  }
  std::vector<std::string> faults;
  EvaluateOptions options;
  options.observe = [&](ValueId id, const Tensor& tensor) {
    const std::ptrdiff_t writer = writers[static_cast<std::size_t>(id)];
    if (writer < 0) return;
    const Op& op = graph.nodes[static_cast<std::size_t>(writer)].op;
    if (std::holds_alternative<Softmax>(op)) return;
    const std::span<const float> values = tensor.values<float>();
    const double found = deviation(values);
    const bool in_range =
        logits.contains(id) ? found >= 0.5 && found <= 8 : found >= 1e-2 && found <= 1e2;
    if (!in_range) {
      faults.push_back(fmt::format("{}: deviation {}", graph.value(id).name, found));
    }
    const bool dead = std::all_of(values.begin(), values.end(), [](float v) { return v == 0; });
    if (std::holds_alternative<Activate>(op) && dead) {
      faults.push_back(fmt::format("{}: zero everywhere", graph.value(id).name));
    }
  };
  const Tensor input = image_like(graph.value(graph.inputs.at(0)).shape, seed);
  evaluate(graph, {&input, 1}, options);
  return faults;
}

}  // namespace workbench
