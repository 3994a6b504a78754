#include "compiler/xdnn/branch_pools.h"

#include "compiler/passes/passes.h"
#include "compiler/xdnn/lower.h"

namespace workbench::xdnn {

std::optional<Graph> pools_in_branches(const Graph& quantized) {
  Graph moved = quantized;
  if (!pool_around_concat(moved)) return std::nullopt;
  // Codes of a branch are those of the joined map: a pool keeps them.
  for (const Node& node : moved.nodes) {
    const ValueId result = node.outputs[0];
    if (static_cast<std::size_t>(result) < quantized.values.size()) continue;
    const Value& operand = moved.value(node.inputs[0]);
    if (!is_code(operand.type)) return std::nullopt;  // the host's
    Value& part = moved.values[static_cast<std::size_t>(result)];
    part.type = operand.type;
    part.quantization = operand.quantization;
  }
  return moved;
}

}  // namespace workbench::xdnn
