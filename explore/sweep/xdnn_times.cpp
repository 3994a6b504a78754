// The analytic tier of xDNN for a whole card: isa/xdnn/schedule.h for one engine, and what the
// banks of DDR and the two slices of throughput mode add to it.
#include <algorithm>

#include "explore/sweep/figures.h"
#include "isa/xdnn/schedule.h"

namespace workbench {

namespace {

// The steps of one slice as a program of their own, which is all that a schedule reads.
struct SliceProgram {
  xdnn::Program program;
  std::vector<std::size_t> steps;  // of the whole program
};

bool uses_slice0(const xdnn::Program& program) {
  return std::any_of(program.steps.begin(), program.steps.end(),
                     [](const xdnn::Step& step) { return tail(step.instruction).slice == 0; });
}

SliceProgram steps_of(const xdnn::Program& whole, bool slice0) {
  SliceProgram part;
  std::size_t next_host_step = 0;
  for (std::size_t i = 0; i < whole.steps.size(); ++i) {
    while (next_host_step < whole.host_steps.size() &&
           whole.host_steps[next_host_step].before <= static_cast<std::int32_t>(i)) {
      const auto before = static_cast<std::int32_t>(part.steps.size());
      part.program.host_steps.push_back({before, {}});
      ++next_host_step;
    }
    if ((tail(whole.steps[i].instruction).slice == 0) != slice0) continue;
    part.steps.push_back(i);
    part.program.steps.push_back(whole.steps[i]);
  }
  return part;
}

// By how much each instruction puts off the end of all before it, to its layer.
Cycles add_layers(const SliceProgram& part, const xdnn::Program& whole,
                  const xdnn::Machine& machine, std::vector<LayerTime>& layers) {
  const xdnn::AnalyticSchedule schedule = xdnn::analytic_schedule(part.program, machine);
  Cycles end;
  for (std::size_t i = 0; i < part.steps.size(); ++i) {
    const auto layer = whole.info.instruction_layer[part.steps[i]];
    LayerTime& time = layers[static_cast<std::size_t>(layer)];
    const Cycles finish = std::max(end, schedule.finish[i]);
    time.cycles += finish - end;
    end = finish;
    const xdnn::Instruction& instruction = part.program.steps[i].instruction;
    time.on_array = time.on_array || (xdnn::unit_of(instruction) == xdnn::Unit::Conv &&
                                      tail(instruction).slice != 0);
  }
  // What was issued last may have been held up by a wait that no instruction's end shows.
  if (!part.steps.empty()) {
    const auto last = whole.info.instruction_layer[part.steps.back()];
    layers[static_cast<std::size_t>(last)].cycles += schedule.end - end;
  }
  return schedule.end;
}

// Deals `cycles` out to the layers in proportion to their bytes, all of them.
void add_by_bytes(Cycles cycles, std::span<const LayerTraffic> traffic, std::int64_t bytes,
                  std::vector<LayerTime>& layers) {
  double moved = 0;
  std::int64_t given = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    moved += static_cast<double>(traffic[i].ddr_bytes);
    const auto due = static_cast<std::int64_t>(moved / static_cast<double>(bytes) *
                                               static_cast<double>(cycles.value));
    layers[i].cycles += Cycles{due - given};
    given = due;
  }
}

// One engine of a machine, whose DDR is all its own. Everything but images per second.
PointTimes engine_times(const xdnn::Program& program, const xdnn::Machine& machine) {
  PointTimes times;
  times.layers.resize(program.info.layers.size());
  const SliceProgram main = steps_of(program, false);
  const Cycles main_end = add_layers(main, program, machine, times.layers);
  times.cycles = times.latency = main_end;
  if (uses_slice0(program)) {
    // A slice works on an image from start to end before it takes the next, slice 1 on what slice 0
    // has finished (xdnn.md 1.7): the slower one sets the pace.
    std::vector<LayerTime> beside(times.layers.size());
    const Cycles slice0_end = add_layers(steps_of(program, true), program, machine, beside);
    times.latency += slice0_end;
    times.cycles = std::max(main_end, slice0_end);
    const auto first = program.info.instruction_layer.front();
    times.layers[static_cast<std::size_t>(first)].cycles += times.cycles - main_end;
    return times;
  }
  const std::vector<LayerTraffic> moved = traffic(program, machine);
  std::int64_t bytes = 0;
  for (const LayerTraffic& layer : moved) bytes += layer.ddr_bytes;
  const Cycles moving{
      static_cast<std::int64_t>(static_cast<double>(bytes) / machine.ddr_bytes_per_cycle())};
  if (moving > times.cycles) {
    add_by_bytes(moving - times.cycles, moved, bytes, times.layers);
    times.cycles = times.latency = moving;
  }
  return times;
}

}  // namespace

PointTimes analytic_times(const xdnn::Program& program, const xdnn::Machine& machine) {
  PointTimes times = engine_times(program, machine);
  times.at_least = times.cycles;
  const std::int64_t engines = machine.board.engines;
  const std::int64_t sharing = ceil_div(engines, std::min(engines, machine.board.ddr_banks));
  if (sharing > 1) {
    // They run the same program from the same moment on and want the bank at the same moments, of
    // which each gets its part, burst by burst.
    xdnn::Machine crowded = machine;
    crowded.ddr.efficiency /= static_cast<double>(sharing);
    const Cycles alone = times.cycles;
    times = engine_times(program, crowded);
    times.at_least = alone;
  }
  if (times.cycles.value > 0) {
    const double cycles_per_second = machine.clocks.report * 1e3 * 1e3;
    times.images_per_second =
        static_cast<double>(engines) * (cycles_per_second * static_cast<double>(machine.images()) /
                                        static_cast<double>(times.cycles.value));
  }
  return times;
}

}  // namespace workbench
