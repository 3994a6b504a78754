// A memory plan carried out step by step, twice: which tensors a volume needs in DDR depends on
// everything that is read of it later.
#include "compiler/xdnn/pieces.h"

#include <algorithm>

#include "compiler/xdnn/carry_steps.h"

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

Lowered carry_out_with(const Lowered& whole, const MemoryModel& model, const MemoryPlan& plan,
                       Cuts& cuts, bool first_pass) {
  Carried net(whole, model);
  VolumePlaces places(net, cuts, first_pass);
  for (const PlanStep& step : plan.steps) {
    net.host_steps_until(step.segment.begin);
    for (const int v : step.evict) places.evict(v, step.segment.begin);
    switch (step.kind) {
      case PlanStep::Kind::Whole:
        carry_whole(net, places, step);
        break;
      case PlanStep::Kind::Chunked:
        carry_chunked(net, places, step);
        break;
      case PlanStep::Kind::Banded:
        carry_banded(net, places, step);
        break;
    }
    places.forget_dead(step.segment.end);
  }
  net.host_steps_until(static_cast<int>(whole.ops.size()));
  net.add_probes();
  return std::move(net.out);
}

}  // namespace

Lowered carry_out(const Lowered& whole, const MemoryModel& model, const MemoryPlan& plan) {
  Cuts cuts;
  carry_out_with(whole, model, plan, cuts, true);
  return carry_out_with(whole, model, plan, cuts, false);
}

void reuse_chunks(Lowered& lowered) {
  const auto map_at = [&](int id) -> const Map& { return lowered.maps[at(id)]; };
  for (std::size_t r = 0; r < lowered.volumes.size(); ++r) {
    const int result = static_cast<int>(r);
    std::vector<std::size_t> writers;
    bool possible = true;
    for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
      if (volume_written(lowered, lowered.ops[i]) != result) continue;
      possible = possible && lowered.ops[i].kind == LoweredKind::Eltwise;
      writers.push_back(i);
    }
    if (!possible || writers.size() < 2) continue;
    const LoweredVolume& to = lowered.volumes[r];
    for (std::size_t operand = 0; operand < 2; ++operand) {
      const int from = map_at(lowered.ops[writers[0]].sources[operand]).volume;
      if (from < 0 || from == result) continue;
      const LoweredVolume& v = lowered.volumes[at(from)];
      bool good = v.channels == to.channels && v.height == to.height && v.width == to.width &&
                  v.layout == to.layout && !v.layout.replicated();
      for (std::size_t i = 0; i < lowered.ops.size() && good; ++i) {
        const LoweredOp& op = lowered.ops[i];
        const bool writer = std::find(writers.begin(), writers.end(), i) != writers.end();
        if (i > writers[0] && volume_written(lowered, op) == from) good = false;
        if (writer) {
          const Map& in = map_at(op.sources[operand]);
          const Map& other = map_at(op.sources[1 - operand]);
          good = good && in.volume == from && in.start == map_at(op.result).start &&
                 other.volume != from;
        } else if (i > writers[0]) {
          const auto read = volumes_read(lowered, op);
          good = good && std::find(read.begin(), read.end(), from) == read.end();
        }
      }
      if (!good) continue;
      for (Map& map : lowered.maps) {
        if (map.volume == result) map.volume = from;
      }
      break;
    }
  }
}

}  // namespace workbench::xdnn
