// The budget below which no search can succeed: what the most demanding op needs at least.
#include <algorithm>
#include <limits>

#include "compiler/xdnn/chunk_group.h"
#include "compiler/xdnn/memory_plan.h"
#include "compiler/xdnn/plan_choices.h"

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

// Weight of op `i` when its operands come from DDR chunk by chunk and its result stays in the AM.
std::int64_t least_in_chunks(const MemoryModel& model, int i) {
  const PlanOp& op = model.ops[at(i)];
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  Segment segment{i, i + 1};
  if (!op.channelwise || !can_chunk(model, segment)) return least;
  const auto place = [&](int v) { return v == op.write.volume ? Where::Nowhere : Where::Ddr; };
  for (const std::int64_t chunk : chunk_sizes(model, op.write.channels.size())) {
    segment.chunk = chunk;
    if (const auto cost = group_cost(model, segment, {}, place)) {
      least = std::min(least, cost->extra);
    }
  }
  return least;
}

}  // namespace

LeastBudget least_budget(const MemoryModel& model) {
  LeastBudget worst;
  for (int i = 0; i < static_cast<int>(model.ops.size()); ++i) {
    const PlanOp& op = model.ops[at(i)];
    if (op.download) continue;
    std::int64_t least = model.weight(op.scratch_words);  // the op whole
    bool possible = true;
    for (const Access& read : op.reads) {
      if (op.tiled) continue;
      const PlanVolume& v = model.volumes[at(read.volume)];
      const std::int64_t words =
          model.words(read.volume, v.read_whole() ? Span{0, v.channels} : read.channels, v.height);
      least += model.weight(words);
      possible = possible && model.fits_alone(words);
    }
    if (op.write.volume >= 0) {
      const PlanVolume& v = model.volumes[at(op.write.volume)];
      const std::int64_t words = model.words(
          op.write.volume, v.atomic ? Span{0, v.channels} : op.write.channels, v.height);
      least += model.weight(words);
      possible = possible && model.fits_alone(words);
    }
    if (!possible) least = std::numeric_limits<std::int64_t>::max();
    for (const BandChoice& choice : band_choices(model, i, i + 1)) {
      least = std::min(least, choice.cost.peak);
    }
    least = std::min(least, least_in_chunks(model, i));
    if (least > worst.budget) worst = {least, i};
  }
  return worst;
}

}  // namespace workbench::xdnn
