#include "compiler/xdnn/grouped.h"

#include <algorithm>
#include <set>

#include "compiler/xdnn/layout.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

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

}  // namespace workbench::xdnn
