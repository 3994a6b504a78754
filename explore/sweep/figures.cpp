#include "explore/sweep/figures.h"

#include <algorithm>

#include "explore/energy/energy.h"
#include "isa/pulp/schedule.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/machine.h"

namespace workbench {

namespace {

std::string shape_text(const Shape& shape) {
  const std::size_t skip = shape.size() > 1 && shape[0] == 1 ? 1 : 0;
  return fmt::format(
      "{}", fmt::join(shape.begin() + static_cast<std::ptrdiff_t>(skip), shape.end(), "x"));
}

std::int64_t ddr_bytes(const xdnn::Instruction& instruction, const xdnn::Machine& machine) {
  if (xdnn::unit_of(instruction) != xdnn::Unit::Conv) {
    return xdnn::stream_cost(instruction, machine).ddr.value;
  }
  const xdnn::ConvCost cost = xdnn::conv_cost(instruction, machine);
  Bytes bytes = cost.slab * cost.passes + xdnn::result_bytes(instruction, machine.geometry());
  if (tail(instruction).source_in_ddr) {
    for (const xdnn::TileCost& tile : xdnn::tile_costs(instruction, machine.geometry())) {
      bytes += tile.ddr;
    }
  }
  return bytes.value;
}

// Adds to the layer of each instruction.
template <typename Count>
std::vector<LayerTraffic> by_layer(const ProgramInfo& info, std::size_t instructions,
                                   const Count& count) {
  std::vector<LayerTraffic> layers(info.layers.size());
  for (std::size_t i = 0; i < instructions; ++i) {
    const std::int32_t layer = info.instruction_layer[i];
    if (layer >= 0) count(i, layers[static_cast<std::size_t>(layer)]);
  }
  return layers;
}

std::vector<LayerTraffic> traffic_of(const xdnn::Program& program, const xdnn::Machine& card) {
  return by_layer(program.info, program.steps.size(), [&](std::size_t i, LayerTraffic& layer) {
    const xdnn::Instruction& instruction = program.steps[i].instruction;
    const xdnn::MachineOfSlice own(card, tail(instruction).slice);
    layer.ddr_bytes += ddr_bytes(instruction, own.get());
  });
}

std::vector<LayerTraffic> traffic_of(const pulp::Program& program, const pulp::Machine&) {
  const auto& instructions = program.instructions;
  return by_layer(program.info, instructions.size(), [&](std::size_t i, LayerTraffic& layer) {
    if (const auto* dma = std::get_if<pulp::Dma>(&instructions[i])) layer.dma_bytes += dma->bytes();
    if (const auto* l3 = std::get_if<pulp::L3Transfer>(&instructions[i])) {
      layer.l3_bytes += l3->bytes();
    }
  });
}

// Where the last filters end: the size of the image of constants, be it there or not.
std::int64_t constant_bytes(const xdnn::Program& program, const xdnn::Machine& card) {
  std::int64_t end = 0;
  for (const xdnn::Step& step : program.steps) {
    if (xdnn::unit_of(step.instruction) != xdnn::Unit::Conv) continue;
    const auto* fused = std::get_if<xdnn::ConvPool>(&step.instruction);
    const xdnn::Conv& conv =
        fused != nullptr ? fused->conv : std::get<xdnn::Conv>(step.instruction);
    const xdnn::MachineOfSlice own(card, conv.tail.slice);
    end = std::max(end,
                   step.filter_address + xdnn::filter_bytes(xdnn::filter_shape(conv), own.get()));
  }
  return end;
}

double real(std::int64_t value) { return static_cast<double>(value); }

void add_of_family(const xdnn::Program& program, const xdnn::Machine& machine,
                   std::span<const LayerTraffic> layers, std::map<std::string, double>& metrics) {
  std::int64_t ddr = 0;
  for (const LayerTraffic& layer : layers) ddr += layer.ddr_bytes;
  metrics["ddr_bytes"] = real(ddr);
  metrics["am_peak_bytes"] = real(program.info.peak_bytes);
  metrics["program_bytes"] = real(constant_bytes(program, machine));
  metrics["instructions"] = real(static_cast<std::int64_t>(program.steps.size()));
}

void add_of_family(const pulp::Program& program, const pulp::Machine&,
                   std::span<const LayerTraffic> layers, std::map<std::string, double>& metrics) {
  std::int64_t dma = 0, l3 = 0;
  for (const LayerTraffic& layer : layers) dma += layer.dma_bytes, l3 += layer.l3_bytes;
  metrics["dma_bytes"] = real(dma);
  metrics["l3_bytes"] = real(l3);
  metrics["l1_bytes"] = real(program.l1_bytes);
  metrics["l2_bytes"] = real(program.l2_bytes);
  metrics["program_bytes"] = real(static_cast<std::int64_t>(program.constants.size()));
  metrics["instructions"] = real(static_cast<std::int64_t>(program.instructions.size()));
}

void add_layers(const ProgramInfo& program, const MachineInfo& machine, bool xdnn,
                const PointTimes& times, std::span<const LayerTraffic> traffic,
                PointResult& result) {
  for (std::size_t i = 0; i < program.layers.size(); ++i) {
    const LayerInfo& info = program.layers[i];
    LayerFigures layer{.name = info.name, .op = info.op, .shape = shape_text(info.shape)};
    const LayerTime& time = times.layers[i];
    double mac_per_cycle = 0;  // as report.cpp: what ran elsewhere says nothing of the array
    if (time.cycles.value > 0 && time.on_array) {
      mac_per_cycle = real(info.macs * machine.images) / real(time.cycles.value);
    }
    layer.metrics["cycles"] = real(time.cycles.value);
    layer.metrics["macs"] = real(info.macs);
    layer.metrics["mac_per_cycle"] = mac_per_cycle;
    layer.metrics["percent_of_peak"] = 100 * mac_per_cycle / machine.peak_macs_per_cycle;
    if (xdnn) {
      layer.metrics["ddr_bytes"] = real(traffic[i].ddr_bytes);
    } else {
      layer.metrics["dma_bytes"] = real(traffic[i].dma_bytes);
      layer.metrics["l3_bytes"] = real(traffic[i].l3_bytes);
    }
    result.layers.push_back(std::move(layer));
  }
}

}  // namespace

PointTimes times_of(const Report& report) {
  PointTimes times{.cycles = report.cycles,
                   .latency = report.engines.at(0).latency,
                   .at_least = {},
                   .images_per_second = report.card_images_per_second,
                   .layers = {}};
  const auto at = [](Step step) { return static_cast<std::size_t>(step); };
  for (const LayerReport& layer : report.layers) {
    const Cycles work =
        layer.waterfall[at(Step::Ideal)] + layer.waterfall[at(Step::EdgeAndPadding)];
    times.layers.push_back({layer.cycles, work.value > 0});
  }
  return times;
}

PointTimes analytic_times(const Program& program, const Machine& machine) {
  if (const auto* xdnn = std::get_if<xdnn::Program>(&program)) {
    return analytic_times(*xdnn, std::get<xdnn::Machine>(machine));
  }
  return analytic_times(std::get<pulp::Program>(program), std::get<pulp::Machine>(machine));
}

std::vector<LayerTraffic> traffic(const Program& program, const Machine& machine) {
  if (const auto* xdnn = std::get_if<xdnn::Program>(&program)) {
    return traffic_of(*xdnn, std::get<xdnn::Machine>(machine));
  }
  return traffic_of(std::get<pulp::Program>(program), std::get<pulp::Machine>(machine));
}

void add_figures(const Program& program, const Machine& machine, const PointTimes& times,
                 bool layers, PointResult& result, const std::string& technology) {
  const ProgramInfo& about = info(program);
  const MachineInfo about_machine = machine_info(machine);
  const std::vector<LayerTraffic> moved = traffic(program, machine);
  CHECK(times.layers.size() == about.layers.size(), "{} layers of {}", times.layers.size(),
        about.layers.size());
  auto& metrics = result.metrics;
  metrics["cycles"] = real(times.cycles.value);
  if (times.at_least) metrics["cycles_at_least"] = real(times.at_least->value);
  metrics["latency_ms"] = real(times.latency.value) / (about_machine.report_clock_mhz * 1e3);
  metrics["images_per_second"] = times.images_per_second;
  metrics["macs"] = real(about.network_macs);
  std::int64_t macs = 0;  // of the accelerator: what the host computes is not the array's merit
  for (const LayerInfo& layer : about.layers) macs += layer.macs;
  const double cycles = real(times.cycles.value);
  const double mac_per_cycle = cycles > 0 ? real(macs * about_machine.images) / cycles : 0;
  metrics["mac_per_cycle"] = mac_per_cycle;
  metrics["array_efficiency"] = mac_per_cycle / about_machine.peak_macs_per_cycle;
  double host = 0;
  for (const HostStepInfo& step : about.host_steps) host += step.milliseconds;
  metrics["host_ms"] = host;
  const bool is_xdnn = std::holds_alternative<xdnn::Program>(program);
  if (is_xdnn) {
    add_of_family(std::get<xdnn::Program>(program), std::get<xdnn::Machine>(machine), moved,
                  metrics);
  } else {
    add_of_family(std::get<pulp::Program>(program), std::get<pulp::Machine>(machine), moved,
                  metrics);
  }
  if (layers) add_layers(about, about_machine, is_xdnn, times, moved, result);
  add_energy(program, machine, times, technology_for(machine, technology), result);
}

// The analytic tier of xDNN for a whole card: isa/xdnn/cost.h for one engine, and what the
// banks of DDR and the two slices of throughput mode add to it.

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

// The analytic tier of PULP for a point: isa/pulp/schedule.h, its expected times.

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

// Energy and area of a point (docs/energy.md).

namespace {

void add_estimate(const std::string& name, const std::string& unit, const Estimate& estimate,
                  std::map<std::string, double>& metrics) {
  metrics[name + "_" + unit] = estimate.typical;
  metrics[name + "_low_" + unit] = estimate.low;
  metrics[name + "_high_" + unit] = estimate.high;
}

void add_blocks(const xdnn::Machine& machine, std::map<std::string, double>& metrics) {
  const FpgaBlocks engine = fpga_blocks(machine);
  const auto engines = static_cast<double>(machine.board.engines);
  metrics["dsps"] = engines * static_cast<double>(engine.dsps);
  metrics["urams"] = engines * static_cast<double>(engine.urams);
  metrics["brams"] = engines * static_cast<double>(engine.brams);
}

}  // namespace

void add_energy(const Program& program, const Machine& machine, const PointTimes& times,
                const Technology& technology, PointResult& result) {
  std::vector<Cycles> layer_cycles;
  for (const LayerTime& layer : times.layers) layer_cycles.push_back(layer.cycles);
  const ProgramEnergy used = energy(program, machine, technology, layer_cycles);
  const double each = 1 / static_cast<double>(machine_info(machine).images);
  const Estimate image = used.total.millijoules() * each;
  add_estimate("energy", "mj", image, result.metrics);
  result.metrics["power_mw"] = image.typical * times.images_per_second;
  add_estimate("area", "mm2", area(machine, technology), result.metrics);
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&machine)) add_blocks(*xdnn, result.metrics);
  for (std::size_t i = 0; i < result.layers.size(); ++i) {
    result.layers[i].metrics["energy_mj"] = used.layer_millijoules.at(i).typical * each;
  }
}

}  // namespace workbench
