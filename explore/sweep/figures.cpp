#include "explore/sweep/figures.h"

#include <algorithm>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/slice.h"

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

}  // namespace workbench
