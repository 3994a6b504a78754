#include "compiler/quantize/hidden_codes.h"

#include <algorithm>
#include <map>
#include <string>

#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

// The codes that the activation reads; none without a pair before it.
const Quantization* codes_read(const Graph& imported, const Node& activation) {
  const auto dequantize = writer_of(imported, activation.inputs[0]);
  if (!dequantize || !std::holds_alternative<Dequantize>(imported.nodes[*dequantize].op)) {
    return nullptr;
  }
  const ValueId codes = imported.nodes[*dequantize].inputs[0];
  const auto quantize = writer_of(imported, codes);
  if (!quantize || !std::holds_alternative<Quantize>(imported.nodes[*quantize].op)) return nullptr;
  const auto& found = imported.value(codes).quantization;
  return found ? &*found : nullptr;
}

}  // namespace

void restore_hidden_codes(Graph& prepared, const Graph& imported) {
  std::map<std::string, const Node*> activations;
  for (const Node& node : imported.nodes) {
    if (std::holds_alternative<Activate>(node.op)) activations.emplace(node.name, &node);
  }
  for (const Node& node : prepared.nodes) {
    const auto* activate = std::get_if<Activate>(&node.op);
    const auto writer = activate ? writer_of(prepared, node.inputs[0]) : std::nullopt;
    if (!writer || prepared.value(node.inputs[0]).quantization) continue;
    for (const std::string& merged : prepared.nodes[*writer].merged) {
      const auto found = activations.find(merged);
      if (found == activations.end()) continue;
      const Activation& own = std::get<Activate>(found->second->op).activation;
      if (own.kind != activate->activation.kind) continue;
      if (const Quantization* codes = codes_read(imported, *found->second)) {
        prepared.value(node.inputs[0]).quantization = *codes;
      }
    }
  }
}

}  // namespace workbench
