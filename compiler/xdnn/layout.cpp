#include "compiler/xdnn/layout.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <set>
#include <utility>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/lower.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

// --- replication ---------------------------------------------------------------------------------

namespace {

// Of `channels`, the last word of which holds `units` copies; nothing where there are none.
std::optional<ChannelLayout> copied(std::int64_t channels, std::int64_t units,
                                    const Machine& machine) {
  if (machine.width_aligned() || machine.features.replication == 0) return std::nullopt;
  const std::int64_t word = machine.geometry().word_channels();
  const std::int64_t rest = channels % word, width = word / units;
  if (rest == 0 || width < 1) return std::nullopt;
  return ChannelLayout{channels / word, ceil_div(rest, width), units, width};
}

ChannelLayout fewest_steps(std::int64_t channels, std::int64_t kernel_h, std::int64_t kernel_w,
                           std::initializer_list<std::int64_t> copies, const Machine& machine) {
  if (machine.width_aligned()) return {};
  ChannelLayout best = plain_layout(channels, machine.geometry());
  for (const std::int64_t units : copies) {
    const auto candidate = copied(channels, units, machine);
    if (candidate &&
        array_steps(*candidate, kernel_h, kernel_w) < array_steps(best, kernel_h, kernel_w)) {
      best = *candidate;
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

// Per volume the maps that are, or are a part of it.
std::vector<std::vector<std::size_t>> maps_of_volumes(const Lowered& lowered) {
  std::vector<std::vector<std::size_t>> maps(lowered.volumes.size());
  for (std::size_t m = 0; m < lowered.maps.size(); ++m) {
    const int volume = lowered.maps[m].volume;
    if (volume >= 0) maps[static_cast<std::size_t>(volume)].push_back(m);
  }
  return maps;
}

bool all_whole(const Lowered& lowered, const std::vector<std::size_t>& maps) {
  return std::ranges::all_of(maps, [&](std::size_t m) { return lowered.maps[m].whole; });
}

bool one_whole(const Lowered& lowered, const std::vector<std::size_t>& maps) {
  return maps.size() == 1 && all_whole(lowered, maps);
}

// Per volume the ops that read or write it, each once, in their order.
std::vector<std::vector<const LoweredOp*>> ops_of_volumes(const Lowered& lowered) {
  std::vector<std::vector<const LoweredOp*>> ops(lowered.volumes.size());
  for (const LoweredOp& op : lowered.ops) {
    std::vector<int> touched = volumes_read(lowered, op);
    touched.push_back(volume_written(lowered, op));
    for (const int volume : touched) {
      if (volume < 0) continue;
      auto& of = ops[static_cast<std::size_t>(volume)];
      if (of.empty() || of.back() != &op) of.push_back(&op);
    }
  }
  return ops;
}

// Kernel height and width of a convolution op.
std::pair<std::int64_t, std::int64_t> kernel(const Lowered& lowered, const LoweredOp& op) {
  const Node& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)];
  const auto* conv = std::get_if<workbench::Conv>(&node.op);
  const Window& window = conv != nullptr ? conv->window : std::get<ConvTranspose>(node.op).window;
  return {window.kernel[0], window.kernel[1]};
}

// One volume and the ops that decide about its layout.
class VolumeLayout {
 public:
  // `ops`: those that read or write it.
  VolumeLayout(Lowered& lowered, int volume, const std::vector<const LoweredOp*>& ops,
               const Machine& machine)
      : lowered_(lowered), volume_(volume), ops_(ops), machine_(machine) {}

  ChannelLayout run(SharedLayout shared) {
    if (!may_be_copied()) return plain();
    const bool agreed = std::all_of(readers_.begin(), readers_.end(), [&](const LoweredOp* op) {
      return wanted_by(*op) == wanted_by(*readers_[0]);
    });
    if (agreed) return wanted_by(*readers_[0]);
    return shared == SharedLayout::Plain ? plain() : best_of_copies(shared);
  }

 private:
  LoweredVolume& volume() { return lowered_.volumes[static_cast<std::size_t>(volume_)]; }
  ChannelLayout plain() { return plain_layout(volume().channels, machine_.geometry()); }

  // Only convolutions read it, and whole words are written. Finds the readers.
  bool may_be_copied() {
    for (const LoweredOp* op : ops_) {
      if (volume_written(lowered_, *op) == volume_ && writes_a_part(*op)) return false;
      const auto read = volumes_read(lowered_, *op);
      if (std::find(read.begin(), read.end(), volume_) == read.end()) continue;
      if (op->kind != LoweredKind::Conv || op->blocked) return false;
      readers_.push_back(op);
    }
    return !readers_.empty();
  }

  bool writes_a_part(const LoweredOp& op) const {
    const Map& result = lowered_.maps[static_cast<std::size_t>(op.result)];
    return op.blocked || (op.kind == LoweredKind::Conv &&
                          op.block.out_end - op.block.out_begin < result.channels);
  }

  ChannelLayout wanted_by(const LoweredOp& op) {
    const auto [kernel_h, kernel_w] = kernel(lowered_, op);
    return am_source_layout(volume().channels, kernel_h, kernel_w, machine_);
  }

  ChannelLayout best_of_copies(SharedLayout shared) {
    ChannelLayout best = plain();
    Cycles best_time = *time_with(best);
    for (const std::int64_t units : {2, 3}) {
      const auto candidate = copied(volume().channels, units, machine_);
      const auto time = candidate ? time_with(*candidate) : std::nullopt;
      if (!time || (shared == SharedLayout::Fastest && *time >= best_time)) continue;
      best = *candidate, best_time = *time;
    }
    return best;
  }

  // Of all readers, and of a gather that brings it; nothing when filters do not fit.
  std::optional<Cycles> time_with(const ChannelLayout& layout) {
    const ChannelLayout before = std::exchange(volume().layout, layout);
    std::optional<Cycles> total = Cycles{};
    for (const LoweredOp* op : ops_) {
      const bool brings =
          op->kind == LoweredKind::Gather && volume_written(lowered_, *op) == volume_;
      const auto read = volumes_read(lowered_, *op);
      const bool reads = std::find(read.begin(), read.end(), volume_) != read.end();
      if (!brings && !reads) continue;
      if (reads && !filters_fit(*op, layout)) {
        total.reset();
        break;
      }
      *total += duration({.instruction = instruction_of(lowered_, *op, machine_)}, machine_);
    }
    volume().layout = before;
    return total;
  }

  bool filters_fit(const LoweredOp& op, const ChannelLayout& layout) {
    const auto [kernel_h, kernel_w] = kernel(lowered_, op);
    return filter_mode(array_steps(layout, kernel_h, kernel_w), machine_).possible;
  }

  Lowered& lowered_;
  int volume_;
  const std::vector<const LoweredOp*>& ops_;
  const Machine& machine_;
  std::vector<const LoweredOp*> readers_;
};

}  // namespace

void choose_layouts(Lowered& lowered, const Machine& machine, SharedLayout shared) {
  const auto maps = maps_of_volumes(lowered);
  const auto ops = ops_of_volumes(lowered);
  for (std::size_t v = 0; v < lowered.volumes.size(); ++v) {
    if (!one_whole(lowered, maps[v])) continue;
    lowered.volumes[v].layout =
        VolumeLayout(lowered, static_cast<int>(v), ops[v], machine).run(shared);
  }
  for (LoweredOp& op : lowered.ops) {
    if (!op.source_in_ddr || op.slice == 0) continue;  // slice 0: use_slice0() chose
    const Map& source = lowered.maps[static_cast<std::size_t>(op.sources[0])];
    const auto [kernel_h, kernel_w] = kernel(lowered, op);
    op.ddr_layout = ddr_source_layout(source.channels, kernel_h, kernel_w, machine);
  }
}

void choose_rates(Lowered& lowered, const Machine& machine, bool all) {
  if (machine.width_aligned() || machine.pass_channels(true) >= machine.pass_channels(false)) {
    return;
  }
  // Not counting the first slab, which may be loaded beside the instruction before.
  const auto without_first = [&](const Instruction& instruction) {
    return duration({.instruction = instruction}, machine) -
           conv_work(instruction, machine).first_load;
  };
  for (LoweredOp& op : lowered.ops) {
    if (op.kind != LoweredKind::Conv || op.source_in_ddr || op.slice == 0) continue;
    const Instruction full = instruction_of(lowered, op, machine);
    if (tail(full).half_rate) continue;
    op.half_rate = true;
    const Instruction half = instruction_of(lowered, op, machine);
    const bool padding = conv_work(half, machine).compute == conv_work(full, machine).compute;
    const bool sooner = !tail(full).pingpong_weight && without_first(half) < without_first(full);
    op.half_rate = tail(half).pingpong_weight && (all || padding || sooner);
  }
}

void reuse_operands(Lowered& lowered) {
  const auto at = [](int volume) { return static_cast<std::size_t>(volume); };
  auto maps = maps_of_volumes(lowered);
  std::vector<std::size_t> last_read(lowered.volumes.size(), 0);
  for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
    for (const int volume : volumes_read(lowered, lowered.ops[i])) {
      if (volume >= 0) last_read[at(volume)] = i;
    }
  }
  for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
    const LoweredOp& op = lowered.ops[i];
    if (op.kind != LoweredKind::Eltwise) continue;
    const int result = volume_written(lowered, op);
    const bool free_result = result >= 0 && one_whole(lowered, maps[at(result)]) &&
                             !lowered.volumes[at(result)].layout.replicated();
    const std::vector<int> operands = volumes_read(lowered, op);
    int reused = -1;
    for (const int volume : operands) {
      const bool whole = all_whole(lowered, maps[at(volume)]);
      if (reused < 0 && free_result && whole && last_read[at(volume)] <= i) reused = volume;
    }
    // The other operand goes to the far end of the memory, where both can be read at once.
    for (const int volume : operands) {
      if (volume != (reused >= 0 ? reused : operands[0])) {
        lowered.volumes[static_cast<std::size_t>(volume)].prefer_top = true;
      }
    }
    if (reused < 0) continue;
    for (const std::size_t m : maps[at(result)]) {
      lowered.maps[m].volume = reused;
      maps[at(reused)].push_back(m);
    }
    maps[at(result)].clear();
    last_read[at(reused)] = std::max(last_read[at(reused)], last_read[at(result)]);
  }
}

}  // namespace workbench::xdnn
