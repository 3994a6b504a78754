#include "compiler/import/channels_last.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "compiler/import/names.h"
#include "core/shapes.h"

namespace workbench::importer {

namespace {

struct Wrapped {
  std::string_view op;
  int maps;  // so many operands have channels last
};
constexpr Wrapped kOperators[] = {
    {"AveragePool", 1}, {"BatchNormalization", 1}, {"Conv", 2}, {"MaxPool", 1}};

onnx::NodeProto transposition(const std::string& from, const std::string& to, std::size_t rank,
                              bool to_channels_first) {
  onnx::NodeProto node;
  node.set_op_type("Transpose");
  node.add_input(from);
  node.add_output(to);
  onnx::AttributeProto& axes = *node.add_attribute();
  axes.set_name("perm");
  axes.set_type(onnx::AttributeProto::INTS);
  const auto last = static_cast<std::int64_t>(rank) - 1;
  for (std::int64_t i = 0; i <= last; ++i) {
    const std::int64_t first = i == 1 ? last : i - 1, back = i == last ? 1 : i + 1;
    axes.add_ints(i == 0 ? 0 : to_channels_first ? first : back);
  }
  return node;
}

// A tensor beside result 0, under a key that is no name in a file: of its own for each node, as
// results are.
std::string tensor_beside(NodeReader& node, std::string_view what) {
  ImportState& state = node.state();
  const std::string name = fmt::format("{}_{}", node.output_name(0), what);
  const std::string key = name + '\0';
  state.scope->visible[key] = state.value_names.take(text_name(name));
  state.scope->read.emplace(key);
  return key;
}

}  // namespace

bool is_channels_last(const onnx::NodeProto& proto) {
  return proto.domain() == "qonnx.custom_op.channels_last";
}

std::vector<onnx::NodeProto> with_channels_first(NodeReader& node) {
  const auto* wrapped = std::ranges::find(kOperators, node.op(), &Wrapped::op);
  if (wrapped == std::end(kOperators)) {
    node.refuse("operator of domain '{}' is not supported", node.domain());
  }
  std::vector<onnx::NodeProto> nodes;
  onnx::NodeProto inner = node.proto();
  inner.clear_domain();
  for (int i = 0; i < wrapped->maps; ++i) {
    if (node.has_input(static_cast<std::size_t>(i))) continue;
    node.refuse("input {}: expected {}, found none", i,
                i == 0 ? "maps [N, ..., C]" : "weights [M, ..., C], with channels last");
  }
  const std::size_t rank = node.shape(0).size();
  for (int i = 0; i < wrapped->maps; ++i) {
    const std::size_t found = node.shape(static_cast<std::size_t>(i)).size();
    if (found != rank || rank < 3) {
      node.refuse("input {}: expected maps [N, ..., C] of {} dimensions, found {}", i,
                  std::max<std::size_t>(rank, 3),
                  to_string(node.shape(static_cast<std::size_t>(i))));
    }
    inner.set_input(i, tensor_beside(node, i == 0 ? "maps" : "weights"));
    nodes.push_back(transposition(node.proto().input(i), inner.input(i), rank, true));
  }
  inner.set_output(0, tensor_beside(node, "result"));
  nodes.push_back(inner);
  nodes.push_back(transposition(inner.output(0), node.output_name(0), rank, false));
  return nodes;
}

}  // namespace workbench::importer
