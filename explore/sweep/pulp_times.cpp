// The analytic tier of PULP for a point: isa/pulp/schedule.h, its expected times.
#include <algorithm>

#include "explore/sweep/figures.h"
#include "isa/pulp/schedule.h"

namespace workbench {

PointTimes analytic_times(const pulp::Program& program, const pulp::Machine& machine) {
  const pulp::AnalyticSchedule schedule = pulp::analytic_schedule(program, machine);
  PointTimes times;
  times.cycles = times.latency = schedule.expected.end;
  times.at_least = schedule.earliest.end;
  times.layers.resize(program.info.layers.size());
  Cycles end;
  std::optional<std::size_t> last;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const std::int32_t index = program.info.instruction_layer[i];
    if (index < 0) continue;
    last = static_cast<std::size_t>(index);
    LayerTime& layer = times.layers[*last];
    const Cycles finish = std::max(end, schedule.expected.finish[i]);
    layer.cycles += finish - end;
    layer.on_array =
        layer.on_array || std::holds_alternative<pulp::Kernel>(program.instructions[i]);
    end = finish;
  }
  if (last) times.layers[*last].cycles += times.cycles - end;
  if (times.cycles.value > 0) {
    times.images_per_second =
        machine.clocks.cluster * 1e3 * 1e3 / static_cast<double>(times.cycles.value);
  }
  return times;
}

}  // namespace workbench
