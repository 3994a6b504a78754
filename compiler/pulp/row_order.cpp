#include "compiler/pulp/row_order.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace workbench::pulp {
namespace {

using Orders = std::vector<std::optional<FeatureMap>>;

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

bool is_row(const Value& value) {
  return value.shape.size() == 2 && value.shape[0] == 1 && is_integer(value);
}

bool is_view(const Node& node) {
  return std::holds_alternative<Reshape>(node.op) || std::holds_alternative<Identity>(node.op);
}

bool by_channel(const Node& node) {
  return node.affine && (node.affine->multiplier.size() > 1 || node.affine->offset.size() > 1);
}

// The map that the value is, where pixels end with bytes: rows are closely packed.
std::optional<FeatureMap> packed_map(const Value& value) {
  if (value.shape.size() > 4 || value.shape.empty() || !is_integer(value)) return std::nullopt;
  if (value.shape.size() > 2 && value.shape[0] != 1) return std::nullopt;
  const FeatureMap map = activation_like(value, value.name);
  if (map.height * map.width == 1 || map.channels * map.bits % 8 != 0) return std::nullopt;
  return map;
}

// What the readers of a node's result want, its operand must have.
void hand_back(const Graph& graph, const Node& node, Orders& orders) {
  const Value &in = graph.value(node.inputs[0]), &out = graph.value(node.outputs[0]);
  if (!is_row(in) || !is_view(node) || by_channel(node)) return;
  const std::optional<FeatureMap> wanted =
      is_row(out) ? orders[at(node.outputs[0])] : packed_map(out);
  if (wanted) orders[at(node.inputs[0])] = wanted;
}

// Joins and sums take rows side by side, and rescale elements one by one.
bool needs_row(const Node& node) {
  return std::holds_alternative<Concat>(node.op) || std::holds_alternative<Binary>(node.op) ||
         by_channel(node);
}

template <typename T>
std::vector<T> reordered(const std::vector<T>& list, const FeatureMap& map, std::size_t each) {
  const auto channels = static_cast<std::size_t>(map.channels);
  const auto pixels = static_cast<std::size_t>(map.height * map.width);
  if (list.size() != channels * pixels * each) return list;  // one for all
  std::vector<T> result;
  result.reserve(list.size());
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t c = 0; c < channels; ++c) {
      const auto from = list.begin() + static_cast<std::ptrdiff_t>((c * pixels + pixel) * each);
      result.insert(result.end(), from, from + static_cast<std::ptrdiff_t>(each));
    }
  }
  return result;
}

}  // namespace

Orders rows_as_maps(const Graph& graph) {
  Orders orders(graph.values.size());
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    if (on_cluster(graph, node)) hand_back(graph, node, orders);
  }
  for (const Node& node : graph.nodes) {
    if (!on_cluster(graph, node) || !needs_row(node)) continue;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) orders[at(id)].reset();
    }
  }
  return orders;
}

void write_in_order_of(const FeatureMap& map, Layer& layer) {
  CHECK(layer.call.out_c == map.channels * map.height * map.width, "{}: {} results, a map of {}",
        layer.name, layer.call.out_c, map.channels * map.height * map.width);
  const auto outs = static_cast<std::size_t>(layer.call.out_c);
  layer.weights = reordered(layer.weights, map, layer.weights.size() / outs);
  layer.bias = reordered(layer.bias, map, 1);
  layer.kappa = reordered(layer.kappa, map, 1);
  layer.lambda = reordered(layer.lambda, map, 1);
}

}  // namespace workbench::pulp
