#include "explore/dory_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace workbench {

namespace {

std::string sizes(const std::array<std::int64_t, 3>& chw) {
  return fmt::format("{}x{}x{}", chw[0], chw[1], chw[2]);
}

// Sum of the bytes that hold the codes: two's complement, int32 codes as four bytes.
std::optional<std::int64_t> checksum(const NamedTensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.type() == ElementType::Float32) return std::nullopt;
  const Tensor& tensor = found->second;
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < tensor.size_bytes(); ++i)
    sum += std::to_integer<int>(tensor.data()[i]);
  return sum;
}

std::string text(const std::optional<std::int64_t>& sum) {
  return sum ? std::to_string(*sum) : "not kept";
}

// The node of the graph that a layer begins with, and the one whose result it leaves.
struct Ends {
  const Node* first = nullptr;
  const Node* last = nullptr;
};

Ends ends_of(const Graph& graph, const LayerInfo& layer) {
  Ends ends;
  for (const Node& node : graph.nodes) {
    const bool part =
        std::find(layer.merged.begin(), layer.merged.end(), node.name) != layer.merged.end();
    if (!part && node.name != layer.name) continue;
    if (ends.first == nullptr) ends.first = &node;
    ends.last = &node;
  }
  return ends;
}

std::string kernel_text(const pulp::LayerTiling& tiling) {
  if (tiling.cores == 0) return tiling.kernel;
  return fmt::format("{} on {} core{}", tiling.kernel, tiling.cores, tiling.cores == 1 ? "" : "s");
}

std::string layer_lines(const Compiled& compiled, const SimulatedNetwork& run,
                        const pulp::LayerTiling& tiling) {
  const auto index = static_cast<std::size_t>(tiling.layer);
  const LayerInfo& layer = compiled.info().layers.at(index);
  const std::int64_t cycles = run.counters.at(index).value;
  std::string lines = fmt::format(
      "Layer {}: {} ({})\n"
      "  num_cycles: {}  MACs: {}  MAC/cycle: {:.3f}\n"
      "  L2 slice  in {} out {}, {} slices, {} bytes\n"
      "  L1 tile   in {} out {}, {} tiles, {} buffered, {} bytes of {} ({:.1f} %)\n",
      index, layer.name, kernel_text(tiling), cycles, layer.macs,
      cycles == 0 ? 0.0 : static_cast<double>(layer.macs) / static_cast<double>(cycles),
      sizes(tiling.l2_in), sizes(tiling.l2_out), tiling.l2_slices, tiling.l2_bytes,
      sizes(tiling.l1_in), sizes(tiling.l1_out), tiling.l1_tiles,
      tiling.double_buffered ? "double" : "single", tiling.l1_bytes,
      compiled.pulp_machine().l1.buffer_bytes,
      100.0 * static_cast<double>(tiling.l1_bytes) /
          static_cast<double>(compiled.pulp_machine().l1.buffer_bytes));
  const Ends ends = ends_of(compiled.quantized, layer);
  const auto sum_of = [&](ValueId id) {
    return checksum(run.tensors, compiled.quantized.value(id).name);
  };
  lines += fmt::format("  checksum  weights {}", tiling.weight_checksum);
  if (ends.first != nullptr) lines += fmt::format(", in {}", text(sum_of(ends.first->inputs[0])));
  if (ends.last != nullptr) lines += fmt::format(", out {}", text(sum_of(ends.last->outputs[0])));
  return lines + "\n";
}

}  // namespace

std::string dory_report(const Compiled& compiled, const SimulatedNetwork& run) {
  std::string lines;
  for (const pulp::LayerTiling& tiling : compiled.pulp_program().tilings) {
    lines += layer_lines(compiled, run, tiling);
  }
  std::int64_t macs = 0, cycles = 0;
  for (const LayerInfo& layer : compiled.info().layers) macs += layer.macs;
  for (const Cycles& counter : run.counters) cycles += counter.value;
  return lines +
         fmt::format("[0] : num_cycles: {}\n[0] : MACs: {}\n[0] : MAC/cycle: {:.6f}\n\n", cycles,
                     macs,
                     cycles == 0 ? 0.0 : static_cast<double>(macs) / static_cast<double>(cycles));
}

}  // namespace workbench
