#include "compiler/xdnn/split_passes.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/place.h"
#include "compiler/xdnn/placed.h"

namespace workbench::xdnn {

// --- pieces of instructions ----------------------------------------------------------------------

namespace {

LoweredOp part_of(LoweredOp op, std::int64_t begin, std::int64_t end, std::size_t number) {
  op.block.out_begin = begin, op.block.out_end = end;
  op.tile += fmt::format("#{}", number);
  return op;
}

// `ops` instead of `count` ops from `at` on; what counts ops counts on, behind the last of them.
void replace(Lowered& lowered, std::size_t at, std::size_t count,
             const std::vector<LoweredOp>& ops) {
  const auto place = lowered.ops.begin() + static_cast<std::ptrdiff_t>(at);
  lowered.ops.insert(lowered.ops.erase(place, place + static_cast<std::ptrdiff_t>(count)),
                     ops.begin(), ops.end());
  const auto last = static_cast<std::int32_t>(at + count) - 1;
  const auto more = static_cast<std::int32_t>(ops.size() - count);
  for (HostStep& step : lowered.host_steps) {
    if (step.before > last) step.before += more;
  }
  for (MapProbe& probe : lowered.probes) {
    for (std::int32_t& after : probe.after) after += after >= last ? more : 0;
  }
  set_lifetimes(lowered);
}

}  // namespace

// --- convolutions of some channels each ----------------------------------------------------------

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
  std::vector<LoweredOp> ops;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    ops.push_back(part_of(whole, parts[p].begin, parts[p].end, p + 1));
    ops.back().half_rate = parts[p].half_rate;
  }
  replace(lowered, at, 1, ops);
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
    search.see(time);
    if (all || !search.until_nothing_gains || time == before) return time;
  }
}

// --- sums beside the convolution that feeds them -------------------------------------------------

namespace {

// Ends of the chunks, the last one that of all channels.
using Chunks = std::vector<std::int64_t>;

class SumCuts {
 public:
  SumCuts(const Lowered& placed, const Machine& machine)
      : placed_(placed), machine_(machine), geometry_(machine.geometry()) {}

  // The sum at `i` works channel by channel with what the convolution before it makes, and neither
  // writes where the other still reads.
  bool possible(std::size_t i) const {
    if (i == 0) return false;
    const LoweredOp &conv = placed_.ops[i - 1], &sum = placed_.ops[i];
    const bool cut = conv.blocked || conv.slice == 0 || conv.source_in_ddr ||
                     conv.destination_in_ddr || sum.block.out_end > 0;
    if (conv.kind != LoweredKind::Conv || sum.kind != LoweredKind::Eltwise || cut) return false;
    if (std::find(sum.sources.begin(), sum.sources.end(), conv.result) == sum.sources.end()) {
      return false;
    }
    const Map& made = map(conv.result);
    if (conv.block.out_begin != 0 || conv.block.out_end != made.channels) return false;
    if (made.first_channel != 0 || host_between(i)) return false;
    std::vector<int> maps = sum.sources;
    maps.push_back(sum.result);
    const bool plain = std::all_of(maps.begin(), maps.end(), [&](int id) {
      return map(id).volume >= 0 && !volume(map(id)).layout.replicated() &&
             map(id).start % geometry_.channel_granule() == 0;
    });
    if (!plain) return false;
    const Map& result = map(sum.result);
    if (result.volume == made.volume)
      return false;  // what the convolution has made is written over
    const auto read = volumes_read(placed_, conv);
    return std::none_of(read.begin(), read.end(), [&](int id) {
      return id >= 0 && overlap(placed_.volumes[at(id)], volume(result));
    });
  }

  // Ways to cut: whole words, and where that leaves any, whole passes.
  std::vector<Chunks> ways(std::size_t i) const {
    const std::int64_t channels = map(placed_.ops[i - 1].result).channels;
    const Conv conv = conv_of(instruction_of(placed_, placed_.ops[i - 1], machine_));
    const std::int64_t word = geometry_.channel_granule();
    const std::int64_t both = std::lcm(word, machine_.pass_channels(conv.tail.half_rate));
    const std::int64_t unit = both < channels ? both : word;
    std::vector<Chunks> list;
    const auto add = [&](Chunks chunks) {
      if (chunks.size() < 2 || std::find(list.begin(), list.end(), chunks) != list.end()) return;
      list.push_back(std::move(chunks));
    };
    for (std::int64_t size = unit; size < channels; size *= 2) {  // as large as each other
      Chunks chunks;
      for (std::int64_t end = size; end < channels; end += size) chunks.push_back(end);
      chunks.push_back(channels);
      add(std::move(chunks));
    }
    for (std::int64_t size = unit; size < channels; size *= 2) {  // a small last one
      const std::int64_t end = (channels - size) / unit * unit;
      if (end > 0) add({end, channels});
    }
    return list;
  }

  // `beside`: all sums but the last leave a port to the convolution.
  Lowered cut(std::size_t i, const Chunks& chunks, bool beside) const {
    Lowered result = placed_;
    std::vector<LoweredOp> ops;
    std::int64_t begin = 0;
    for (std::size_t c = 0; c < chunks.size(); ++c) {
      ops.push_back(part_of(placed_.ops[i - 1], begin, chunks[c], c + 1));
      ops.push_back(part_of(placed_.ops[i], begin, chunks[c], c + 1));
      ops.back().one_port = ops.back().one_port || (beside && c + 1 < chunks.size());
      begin = chunks[c];
    }
    replace(result, i - 1, 2, ops);
    return result;
  }

 private:
  static std::size_t at(int id) { return static_cast<std::size_t>(id); }
  static Conv conv_of(const Instruction& instruction) {
    const auto* fused = std::get_if<ConvPool>(&instruction);
    return fused != nullptr ? fused->conv : std::get<Conv>(instruction);
  }
  const Map& map(int id) const { return placed_.maps[at(id)]; }
  const LoweredVolume& volume(const Map& map) const { return placed_.volumes[at(map.volume)]; }
  bool overlap(const LoweredVolume& a, const LoweredVolume& b) const {
    return a.address < b.address + b.words(geometry_) && b.address < a.address + a.words(geometry_);
  }
  bool host_between(std::size_t i) const {
    return std::any_of(placed_.host_steps.begin(), placed_.host_steps.end(),
                       [&](const HostStep& step) { return step.before == static_cast<int>(i); });
  }

  const Lowered& placed_;
  const Machine& machine_;
  const Geometry geometry_;
};

}  // namespace

Cycles sums_beside(Lowered& placed, const Machine& machine, Cycles time, const Search& search,
                   bool all) {
  const bool by_plan = !placed.probes.empty();  // values have pieces that overwrite each other
  if (machine.width_aligned() || by_plan) return time;
  constexpr std::int64_t kForAll = 1'000'000;
  std::int64_t budget = all ? kForAll : search.chunk_steps;
  for (std::size_t i = 1; i < placed.ops.size() && budget > 0; ++i) {
    const SumCuts cuts(placed, machine);
    if (!cuts.possible(i)) continue;
    std::optional<Lowered> best;
    for (const Chunks& chunks : cuts.ways(i)) {
      for (const bool beside : {true, false}) {
        Lowered candidate = cuts.cut(i, chunks, beside);
        const auto count = static_cast<std::int64_t>(candidate.ops.size());
        if (count > machine.control.instructions_max || (budget -= count) < 0) continue;
        const Cycles then = modelled_time(candidate, machine);
        if (then >= time && !(all && !best)) continue;
        best = std::move(candidate), time = then;
      }
    }
    if (!best) continue;
    i += best->ops.size() - placed.ops.size();
    placed = std::move(*best);
    search.see(time);
  }
  return time;
}

}  // namespace workbench::xdnn
