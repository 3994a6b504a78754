// Layouts and reuse: decisions about volumes that come before their addresses.
#include <algorithm>

#include "compiler/xdnn/layout.h"
#include "compiler/xdnn/lowered.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

bool holds_one_whole_map(const Lowered& lowered, int volume) {
  int maps = 0;
  for (const Map& map : lowered.maps) {
    if (map.volume != volume) continue;
    if (!map.whole) return false;
    ++maps;
  }
  return maps == 1;
}

// Kernel height and width of a convolution op.
std::pair<std::int64_t, std::int64_t> kernel(const Lowered& lowered, const LoweredOp& op) {
  const Node& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)];
  const auto* conv = std::get_if<workbench::Conv>(&node.op);
  const Window& window = conv != nullptr ? conv->window : std::get<ConvTranspose>(node.op).window;
  return {window.kernel[0], window.kernel[1]};
}

// The layout all readers of `volume` agree on; the plain one when they do not.
ChannelLayout agreed_layout(const Lowered& lowered, int volume, const Machine& machine) {
  const LoweredVolume& v = lowered.volumes[static_cast<std::size_t>(volume)];
  const ChannelLayout plain = plain_layout(v.channels, machine.geometry());
  std::vector<ChannelLayout> wanted;
  for (const LoweredOp& op : lowered.ops) {
    if (volume_written(lowered, op) == volume && op.blocked) return plain;  // written in parts
    const auto read = volumes_read(lowered, op);
    if (std::find(read.begin(), read.end(), volume) == read.end()) continue;
    if (op.kind != LoweredKind::Conv || op.blocked) return plain;
    const auto [kernel_h, kernel_w] = kernel(lowered, op);
    wanted.push_back(am_source_layout(v.channels, kernel_h, kernel_w, machine));
  }
  const bool agreed = !wanted.empty() && std::all_of(wanted.begin(), wanted.end(),
                                                     [&](const auto& w) { return w == wanted[0]; });
  return agreed ? wanted[0] : plain;
}

}  // namespace

void choose_layouts(Lowered& lowered, const Machine& machine) {
  for (std::size_t v = 0; v < lowered.volumes.size(); ++v) {
    const int volume = static_cast<int>(v);
    if (!holds_one_whole_map(lowered, volume)) continue;
    lowered.volumes[v].layout = agreed_layout(lowered, volume, machine);
  }
  for (LoweredOp& op : lowered.ops) {
    if (!op.source_in_ddr || op.slice == 0) continue;  // slice 0: throughput.cpp chose
    const Map& source = lowered.maps[static_cast<std::size_t>(op.sources[0])];
    const auto [kernel_h, kernel_w] = kernel(lowered, op);
    op.ddr_layout = ddr_source_layout(source.channels, kernel_h, kernel_w, machine);
  }
}

void reuse_operands(Lowered& lowered) {
  const auto read_after = [&](int volume, std::size_t position) {
    for (std::size_t i = position + 1; i < lowered.ops.size(); ++i) {
      const auto read = volumes_read(lowered, lowered.ops[i]);
      if (std::find(read.begin(), read.end(), volume) != read.end()) return true;
    }
    return false;
  };
  for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
    const LoweredOp& op = lowered.ops[i];
    if (op.kind != LoweredKind::Eltwise) continue;
    const int result = volume_written(lowered, op);
    const bool free_result = holds_one_whole_map(lowered, result) &&
                             !lowered.volumes[static_cast<std::size_t>(result)].layout.replicated();
    const std::vector<int> operands = volumes_read(lowered, op);
    int reused = -1;
    for (const int volume : operands) {
      const bool whole =
          std::none_of(lowered.maps.begin(), lowered.maps.end(),
                       [&](const Map& map) { return map.volume == volume && !map.whole; });
      if (reused < 0 && free_result && whole && !read_after(volume, i)) reused = volume;
    }
    // The other operand goes to the far end of the memory, where both can be read at once.
    for (const int volume : operands) {
      if (volume != (reused >= 0 ? reused : operands[0])) {
        lowered.volumes[static_cast<std::size_t>(volume)].prefer_top = true;
      }
    }
    if (reused < 0) continue;
    for (Map& map : lowered.maps) {
      if (map.volume == result) map.volume = reused;
    }
  }
}

}  // namespace workbench::xdnn
