#include "compiler/xdnn/split_passes.h"

#include <utility>
#include <vector>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/placed.h"

namespace workbench::xdnn {

namespace {

struct Part {
  std::int64_t begin = 0, end = 0;  // output channels
  bool half_rate = false;
};
using Parts = std::vector<Part>;

// Output channels of a pass.
struct PassWidths {
  std::int64_t full, half;
};

// The last channels at half rate, when they are at most half a pass.
Parts half_last(const GroupBlock& block, const PassWidths& widths) {
  const std::int64_t rest = (block.out_end - block.out_begin) % widths.full;
  const std::int64_t cut = block.out_end - rest;
  if (rest == 0 || rest > widths.half || cut == block.out_begin) return {};
  return {{block.out_begin, cut, false}, {cut, block.out_end, true}};
}

// The first half pass at half rate, and the last channels too when they are at most half a pass.
Parts half_first(const GroupBlock& block, const PassWidths& widths) {
  const std::int64_t first = block.out_begin + widths.half;
  if (first >= block.out_end) return {};
  Parts parts = {{block.out_begin, first, true}};
  const GroupBlock rest{block.in_begin, block.in_end, first, block.out_end};
  if (block.out_end - first <= widths.half) {
    parts.push_back({first, block.out_end, true});
  } else if (const Parts others = half_last(rest, widths); !others.empty()) {
    parts.insert(parts.end(), others.begin(), others.end());
  } else {
    parts.push_back({first, block.out_end, false});
  }
  return parts;
}

bool can_be_split(const Lowered& lowered, const LoweredOp& op, const Machine& machine) {
  if (op.kind != LoweredKind::Conv || op.blocked || op.half_rate || op.slice == 0) return false;
  if (op.source_in_ddr || op.destination_in_ddr) return false;
  const Map& result = lowered.maps[static_cast<std::size_t>(op.result)];
  if (lowered.volumes[static_cast<std::size_t>(result.volume)].layout.replicated()) return false;
  const Instruction instruction = instruction_of(lowered, op, machine);
  return tail(instruction).pingpong_weight && !tail(instruction).half_rate;
}

// `parts` instead of op `at`; what counts ops counts on.
void replace(Lowered& lowered, std::size_t at, const Parts& parts) {
  const LoweredOp whole = lowered.ops[at];
  const auto place = lowered.ops.begin() + static_cast<std::ptrdiff_t>(at);
  std::vector<LoweredOp> ops;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    LoweredOp& op = ops.emplace_back(whole);
    op.block.out_begin = parts[p].begin, op.block.out_end = parts[p].end;
    op.half_rate = parts[p].half_rate;
    op.tile += fmt::format("#{}", p + 1);
  }
  lowered.ops.insert(lowered.ops.erase(place), ops.begin(), ops.end());
  const auto index = static_cast<std::int32_t>(at);
  const auto more = static_cast<std::int32_t>(parts.size()) - 1;
  for (HostStep& step : lowered.host_steps) {
    if (step.before > index) step.before += more;
  }
  for (LoweredVolume& volume : lowered.volumes) {
    if (volume.first > index) volume.first += more;
    if (volume.last >= index) volume.last += more;
  }
  for (MapProbe& probe : lowered.probes) {  // behind the last part
    for (std::int32_t& after : probe.after) after += after >= index ? more : 0;
  }
}

// One sweep over the network.
Cycles sweep(Lowered& placed, const Machine& machine, const PassWidths& widths, Cycles time,
             std::int64_t& budget, bool all) {
  for (std::size_t i = 0; i < placed.ops.size() && budget > 0; ++i) {
    if (!can_be_split(placed, placed.ops[i], machine)) continue;
    Lowered best;
    Cycles best_time = time;
    std::size_t parts_of_best = 0;
    for (const auto& way : {half_last, half_first}) {
      const Parts parts = way(placed.ops[i].block, widths);
      const auto count = static_cast<std::int64_t>(placed.ops.size() + parts.size());
      if (parts.empty() || count > machine.control.instructions_max || budget <= 0) continue;
      budget -= count;
      Lowered candidate = placed;
      replace(candidate, i, parts);
      const Cycles then = modelled_time(candidate, machine);
      if (then >= best_time && !all) continue;
      best = std::move(candidate), best_time = then, parts_of_best = parts.size();
    }
    if (parts_of_best == 0) continue;
    placed = std::move(best), time = best_time;
    i += parts_of_best - 1;
  }
  return time;
}

}  // namespace

Cycles split_passes(Lowered& placed, const Machine& machine, Cycles time, const Search& search,
                    bool all) {
  if (machine.width_aligned()) return time;
  const PassWidths widths{machine.pass_channels(false), machine.pass_channels(true)};
  if (widths.half >= widths.full) return time;
  std::int64_t budget = search.split_steps;
  while (true) {
    const Cycles before = time;
    time = sweep(placed, machine, widths, time, budget, all);
    if (all || !search.until_nothing_gains || time == before) return time;
  }
}

}  // namespace workbench::xdnn
