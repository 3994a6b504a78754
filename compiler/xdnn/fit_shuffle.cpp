#include "compiler/xdnn/fit_shuffle.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "compiler/xdnn/fit_parts.h"

namespace workbench::xdnn {

namespace {

// How many dimensions of `shape` stand for channels: those before the ones that are `pixels`
// together, which `permutation` leaves where they are.
std::optional<std::size_t> leading(const Shape& shape, std::int64_t pixels,
                                   const std::vector<std::int64_t>& permutation) {
  std::int64_t product = 1;
  std::size_t at = shape.size();
  while (at > 0 && product < pixels) product *= shape[--at];
  if (product != pixels) return std::nullopt;
  for (std::size_t d = at; d < shape.size(); ++d) {
    if (permutation[d] != static_cast<std::int64_t>(d)) return std::nullopt;
  }
  return at;
}

// By channel of the result, the channel of the operand: the elements of a tensor of `shape`, moved
// by the first `shape.size()` entries of `permutation`.
std::vector<std::int64_t> moved(const Shape& shape, const std::vector<std::int64_t>& permutation) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  std::vector<std::int64_t> from = {0};
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const auto axis = static_cast<std::size_t>(permutation[d]);
    std::vector<std::int64_t> longer;
    for (const std::int64_t base : from) {
      for (std::int64_t i = 0; i < shape[axis]; ++i) longer.push_back(base + i * strides[axis]);
    }
    from = std::move(longer);
  }
  return from;
}

Tensor reordering_weights(const std::vector<std::int64_t>& from) {
  const auto channels = static_cast<std::int64_t>(from.size());
  Tensor weights = zeros({channels, channels, 1, 1});
  const std::span<float> values = weights.mutable_values<float>();
  for (std::size_t c = 0; c < from.size(); ++c) {
    values[c * from.size() + static_cast<std::size_t>(from[c])] = 1;
  }
  return weights;
}

// The Reshapes around a Transpose that nothing else reads.
struct Shuffle {
  std::size_t before, behind;
};

std::optional<Shuffle> around(const Graph& graph, std::size_t n) {
  const Node& transpose = graph.nodes[n];
  if (!std::holds_alternative<Transpose>(transpose.op)) return std::nullopt;
  const auto before = writer_of(graph, transpose.inputs[0]);
  const auto behind = sole_reader(graph, transpose.outputs[0]);
  if (!before || !behind || sole_reader(graph, transpose.inputs[0]) != n) return std::nullopt;
  const bool reshapes = std::holds_alternative<Reshape>(graph.nodes[*before].op) &&
                        std::holds_alternative<Reshape>(graph.nodes[*behind].op);
  return reshapes ? std::optional(Shuffle{*before, *behind}) : std::nullopt;
}

bool become_conv(Graph& graph, std::size_t n) {
  const auto shuffle = around(graph, n);
  if (!shuffle) return false;
  const ValueId from = graph.nodes[shuffle->before].inputs[0];
  Node& last = graph.nodes[shuffle->behind];
  const Shape& shape = graph.value(from).shape;
  if (shape.size() != 4 || shape[0] != 1 || graph.value(last.outputs[0]).shape != shape ||
      graph.value(from).constant) {
    return false;
  }
  const auto& permutation = std::get<Transpose>(graph.nodes[n].op).permutation;
  const Shape& split = graph.value(graph.nodes[n].inputs[0]).shape;
  const auto count = leading(split, shape[2] * shape[3], permutation);
  if (!count) return false;
  const Shape channels(split.begin(), split.begin() + static_cast<std::ptrdiff_t>(*count));
  const ValueId weights = graph.add_constant(unique_value_name(graph, last.name + "_order"),
                                             reordering_weights(moved(channels, permutation)));
  last.op = workbench::Conv{.window = unit_window()};
  last.inputs = {from, weights};
  return true;
}

}  // namespace

bool shuffle_to_conv(Graph& graph) {
  const bool changed = sweep(graph, become_conv);
  if (changed) remove_dead(graph);
  return changed;
}

}  // namespace workbench::xdnn
