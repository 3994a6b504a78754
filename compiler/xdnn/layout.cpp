#include "compiler/xdnn/layout.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "compiler/xdnn/lower.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

// --- replication ---------------------------------------------------------------------------------

namespace {

ChannelLayout fewest_steps(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                           std::initializer_list<std::int64_t> copies, const Machine& machine) {
  if (machine.width_aligned()) return {};
  const std::int64_t word = machine.geometry().word_channels();
  ChannelLayout best = plain_layout(channels, machine.geometry());
  const std::int64_t rest = channels % word;
  if (rest == 0 || machine.features.replication == 0) return best;
  for (const std::int64_t units : copies) {
    const std::int64_t width = word / units;
    if (width < 1) continue;
    const ChannelLayout candidate{channels / word, ceil_div(rest, width), units, width};
    if (array_steps(candidate, kernel_h, kernel_w) < array_steps(best, kernel_h, kernel_w)) {
      best = candidate;
    }
  }
  return best;
}

}  // namespace

ChannelLayout am_source_layout(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                               const Machine& machine) {
  return fewest_steps(channels, kernel_h, kernel_w, {2, 3}, machine);
}

ChannelLayout ddr_source_layout(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                                const Machine& machine) {
  return fewest_steps(channels, kernel_h, kernel_w, {2, 3, 12}, machine);
}

// --- grouped convolutions ------------------------------------------------------------------------

namespace {

std::vector<GroupBlock> blocks_of(const GroupedShape& shape, std::int64_t bundle,
                                  std::int64_t granule) {
  const std::int64_t in_per_group = shape.in_channels / shape.groups;
  const std::int64_t out_per_group = shape.out_channels / shape.groups;
  std::vector<GroupBlock> blocks;
  for (std::int64_t g = 0; g < shape.groups; g += bundle) {
    const std::int64_t end = std::min(shape.groups, g + bundle);
    blocks.push_back({g * in_per_group / granule * granule, end * in_per_group, g * out_per_group,
                      end * out_per_group});
  }
  return blocks;
}

// Modelled duration of all blocks one after the other; -1 when one does not fit the filters.
std::int64_t total_cost(const std::vector<GroupBlock>& blocks, const GroupedShape& shape,
                        const Machine& machine) {
  std::int64_t total = 0;
  for (const GroupBlock& block : blocks) {
    Conv conv;
    conv.kernel_h = shape.kernel_h, conv.kernel_w = shape.kernel_w;
    conv.in_h = shape.in_h, conv.in_w = shape.in_w, conv.in_ch = block.in_end - block.in_begin;
    conv.out_h = shape.out_h, conv.out_w = shape.out_w;
    conv.out_ch = block.out_end - block.out_begin;
    conv.tail.source = blocks.size() == 1
                           ? am_source_layout(conv.in_ch, conv.kernel_h, conv.kernel_w, machine)
                           : plain_layout(conv.in_ch, machine.geometry());
    const auto mode_with = [&](const ChannelLayout& layout) {
      FilterShape filters = filter_shape(conv);
      filters.source = layout;
      return filter_mode(filters, machine);
    };
    const std::int64_t filter = conv.in_ch * conv.kernel_h * conv.kernel_w;
    if (machine.limits.filter_max > 0 && filter > machine.limits.filter_max) return -1;
    if (!mode_with(plain_layout(conv.in_ch, machine.geometry())).possible) return -1;
    const FilterMode chosen = mode_with(conv.tail.source);
    conv.tail.half_rate = chosen.half_rate;
    conv.tail.pingpong_weight = chosen.pingpong;
    total += duration({.instruction = conv}, machine).value;
  }
  return total;
}

}  // namespace

std::vector<GroupBlock> split_groups(const GroupedShape& shape, const Machine& machine) {
  const std::int64_t granule = machine.geometry().channel_granule();
  const std::int64_t in_per_group = shape.in_channels / shape.groups;
  std::set<std::int64_t> bundles = {1, shape.groups};
  for (std::int64_t b = 2; b < shape.groups; b *= 2) bundles.insert(b);
  for (std::int64_t end = granule; end < shape.in_channels; end *= 2) {
    bundles.insert(std::max<std::int64_t>(1, end / in_per_group));
  }
  const std::int64_t pass = machine.pass_channels(false);
  const std::int64_t out_per_group = shape.out_channels / shape.groups;
  bundles.insert(
      std::clamp<std::int64_t>(pass / std::max<std::int64_t>(1, out_per_group), 1, shape.groups));
  std::vector<GroupBlock> best;
  std::int64_t best_cost = -1;
  for (const std::int64_t bundle : bundles) {
    auto blocks = blocks_of(shape, bundle, granule);
    const std::int64_t cost = total_cost(blocks, shape, machine);
    if (cost >= 0 && (best_cost < 0 || cost < best_cost)) {
      best_cost = cost;
      best = std::move(blocks);
    }
  }
  return best;
}

// --- volumes -------------------------------------------------------------------------------------

// Layouts and reuse: decisions about volumes that come before their addresses.

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
    if (!op.source_in_ddr || op.slice == 0) continue;  // slice 0: use_slice0() chose
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
