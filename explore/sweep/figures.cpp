#include "explore/sweep/figures.h"

#include <algorithm>

#include "explore/report/metrics.h"
#include "isa/pulp/schedule.h"
#include "isa/xdnn/cost.h"

namespace workbench {

namespace {

double real(const MetricValue& value) {
  const auto* integer = std::get_if<std::int64_t>(&value);
  return integer != nullptr ? static_cast<double>(*integer) : std::get<double>(value);
}

// The figures that a part of the table has for points.
template <typename Part, typename Measured>
std::map<std::string, double> figures(Part Metric::*part, const Measured& measured) {
  std::map<std::string, double> result;
  for (const Metric& metric : metrics()) {
    const Part& row = metric.*part;
    if (row.value == nullptr || row.shown == Shown::Run) continue;
    const MetricValue value = row.value(measured);
    if (!std::holds_alternative<std::monostate>(value)) {
      result.emplace(metric.name, real(value));
    }
  }
  return result;
}

}  // namespace

void add_figures(const Report& report, bool layers, PointResult& result) {
  result.metrics = figures(&Metric::run, report);
  if (!layers) return;
  for (const LayerReport& layer : report.layers) {
    result.layers.push_back({.name = layer.name,
                             .op = layer.op,
                             .shape = layer.shape,
                             .metrics = figures(&Metric::layer, layer)});
  }
}

// The analytic tier of xDNN for a whole card: isa/xdnn/cost.h for one engine, and what the
// banks of DDR and the two slices of throughput mode add to it.

namespace {

struct EngineTimes {
  Cycles cycles, latency;
  std::vector<LayerTime> layers;  // per layer of the program; they add up to `cycles`
};

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
  const xdnn::EarliestTimes schedule = xdnn::earliest_times(part.program, machine);
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
    moved += static_cast<double>(traffic[i].external_bytes);
    const auto due = static_cast<std::int64_t>(moved / static_cast<double>(bytes) *
                                               static_cast<double>(cycles.value));
    layers[i].cycles += Cycles{due - given};
    given = due;
  }
}

// One engine of a machine, whose DDR is all its own.
EngineTimes engine_times(const xdnn::Program& program, const xdnn::Machine& machine) {
  EngineTimes times;
  times.layers.resize(program.info.layers.size());
  const SliceProgram main = steps_of(program, false);
  const Cycles main_end = add_layers(main, program, machine, times.layers);
  times.cycles = times.latency = main_end;
  if (uses_slice0(program)) {
    // A slice works on an image from start to end before it takes the next, slice 1 on what slice 0
    // has finished (docs/facts/xdnn.md 1.7): the slower one sets the pace.
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
  for (const LayerTraffic& layer : moved) bytes += layer.external_bytes;
  const Cycles moving{
      static_cast<std::int64_t>(static_cast<double>(bytes) / machine.ddr_bytes_per_cycle())};
  if (moving > times.cycles) {
    add_by_bytes(moving - times.cycles, moved, bytes, times.layers);
    times.cycles = times.latency = moving;
  }
  return times;
}

}  // namespace

Report analytic_report(const xdnn::Program& program, const xdnn::Machine& machine) {
  EngineTimes times = engine_times(program, machine);
  const Cycles alone = times.cycles;
  const std::int64_t engines = machine.board.engines;
  const std::int64_t sharing = ceil_div(engines, std::min(engines, machine.board.ddr_banks));
  if (sharing > 1) {
    // They run the same program from the same moment on and want the bank at the same moments, of
    // which each gets its part, burst by burst.
    xdnn::Machine crowded = machine;
    crowded.ddr.efficiency /= static_cast<double>(sharing);
    times = engine_times(program, crowded);
  }
  const EngineReport engine{.latency = times.latency, .interval = times.cycles};
  Report report = make_report(program.info, times.layers, info(machine),
                              std::vector<EngineReport>(static_cast<std::size_t>(engines), engine));
  count_images(program.images, report);
  report.cycles_at_least = alone;
  return report;
}

// The analytic tier of PULP: isa/pulp/schedule.h, its expected times.
Report analytic_report(const pulp::Program& program, const pulp::Machine& machine) {
  const pulp::AnalyticSchedule schedule = pulp::analytic_schedule(program, machine);
  std::vector<LayerTime> layers(program.info.layers.size());
  Cycles end;
  std::optional<std::size_t> last;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const std::int32_t index = program.info.instruction_layer[i];
    if (index < 0) continue;
    last = static_cast<std::size_t>(index);
    LayerTime& layer = layers[*last];
    const Cycles finish = std::max(end, schedule.expected.finish[i]);
    layer.cycles += finish - end;
    layer.on_array =
        layer.on_array || std::holds_alternative<pulp::Kernel>(program.instructions[i]);
    end = finish;
  }
  const Cycles cycles = schedule.expected.end;
  if (last) layers[*last].cycles += cycles - end;
  Report report =
      make_report(program.info, layers, info(machine), {{.latency = cycles, .interval = cycles}});
  report.cycles_at_least = schedule.earliest.end;
  return report;
}

Report analytic_report(const Program& program, const Machine& machine) {
  if (const auto* xdnn = std::get_if<xdnn::Program>(&program)) {
    return analytic_report(*xdnn, std::get<xdnn::Machine>(machine));
  }
  return analytic_report(std::get<pulp::Program>(program), std::get<pulp::Machine>(machine));
}

}  // namespace workbench
