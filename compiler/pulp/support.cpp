#include "compiler/pulp/support.h"

#include "compiler/pulp/layer.h"
#include "core/error.h"

namespace workbench::pulp {

namespace {

// Bytes of L1 that one result takes at the least, as codes of 8 bits; 0 where nothing is known.
struct LeastBytes {
  const Graph& graph;
  const Node& node;

  // A row of inputs and one of weights.
  std::int64_t operator()(const Gemm&) const {
    return 2 * graph.value(node.inputs[0]).shape.back();
  }
  std::int64_t operator()(const MatMul&) const {
    return 2 * graph.value(node.inputs[0]).shape.back();
  }
  // A window of as many channels as layers are cut into at the least (layers_of.cpp).
  std::int64_t operator()(const AveragePool& op) const {
    return kChannelStep * (element_count(op.window.kernel) + 1);
  }
  template <typename Op>
  std::int64_t operator()(const Op&) const {
    return 0;
  }
};

}  // namespace

std::function<std::optional<std::string>(const Graph&, const Node&)> host_reasons(
    const Machine& machine) {
  return [machine](const Graph& graph, const Node& node) -> std::optional<std::string> {
    if (node.inputs.empty()) return std::nullopt;
    const std::int64_t bytes = std::visit(LeastBytes{graph, node}, node.op);
    if (bytes <= machine.l1.buffer_bytes) return std::nullopt;
    return fmt::format("operands of one result take {} bytes of L1, {} has {}", bytes, machine.name,
                       machine.l1.buffer_bytes);
  };
}

}  // namespace workbench::pulp
