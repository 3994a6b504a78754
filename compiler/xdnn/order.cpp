#include "compiler/xdnn/order.h"

#include "compiler/xdnn/lowered.h"

namespace workbench::xdnn {

std::vector<std::size_t> natural_order(const Graph& quantized) {
  const auto readers = consumers(quantized);
  std::vector<std::size_t> order;
  std::vector<bool> done(quantized.nodes.size(), false);
  const auto emit = [&](std::size_t n, const auto& self) -> void {
    order.push_back(n);
    done[n] = true;
    for (const std::size_t reader :
         readers[static_cast<std::size_t>(quantized.nodes[n].outputs[0])]) {
      const Node& next = quantized.nodes[reader];
      const bool pool =
          std::holds_alternative<MaxPool>(next.op) || std::holds_alternative<AveragePool>(next.op);
      if (pool && !done[reader] && on_accelerator(quantized, next)) self(reader, self);
    }
  };
  for (std::size_t n = 0; n < quantized.nodes.size(); ++n) {
    if (!done[n]) emit(n, emit);
  }
  return order;
}

}  // namespace workbench::xdnn
