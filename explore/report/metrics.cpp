#include "explore/report/metrics.h"

#include <algorithm>
#include <array>
#include <utility>

#include "explore/energy/energy.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/machine.h"

namespace workbench {

namespace {

MetricValue value(std::int64_t number) { return number; }
MetricValue value(double number) { return number; }
MetricValue value(Cycles cycles) { return cycles.value; }
template <typename T>
MetricValue value(const std::optional<T>& number) {
  return number ? value(*number) : MetricValue();
}

// Members of what a report is made of, as functions of it.
template <auto member>
MetricValue of_run(const Report& report) {
  return value(report.*member);
}
template <auto member>
MetricValue of_program(const Report& report) {
  return value(report.program.*member);
}
template <auto member>
MetricValue of_costs(const Report& report) {
  return report.costs ? value((*report.costs).*member) : MetricValue();
}
template <auto estimate, auto end>
MetricValue of_estimate(const Report& report) {
  return report.costs ? value((*report.costs).*estimate.*end) : MetricValue();
}
template <auto member>
MetricValue of_layer(const LayerReport& layer) {
  return value(layer.*member);
}
template <auto member>
MetricValue of_layer_costs(const LayerReport& layer) {
  return layer.costs ? value((*layer.costs).*member) : MetricValue();
}
MetricValue engine_count(const Report& report) {
  return static_cast<std::int64_t>(report.engines.size());
}

constexpr Metric kMetrics[] = {
    {"cycles",
     "cycles",
     Better::Lower,
     {"of engine 0, in the machine's report clock; throughput mode: from image to image; analytic: "
      "xDNN without waits for a port or the DDR, of which engines on one bank have equal parts; "
      "PULP "
      "with conflicts at banks as random accesses have them",
      of_run<&Report::cycles>},
     {"of the run's cycles that are this layer's, to which they add up; analytic: by which it ends "
      "after all before it",
      of_layer<&LayerReport::cycles>}},
    {"cycles_at_least",
     "cycles",
     Better::Neither,
     {"analytic tier: a bound that no run falls below; of xDNN its cycles, had the engine a bank "
      "of "
      "DDR to itself",
      of_run<&Report::cycles_at_least>, Shown::Points},
     {}},
    {"busy_cycles",
     "cycles",
     Better::Lower,
     {},
     {"from the first engine's begin to the last engine's end, overlap included",
      of_layer<&LayerReport::busy_cycles>, Shown::Run}},
    {"num_cycles",
     "cycles",
     Better::Lower,
     {"PULP: as DORY's performance counter counts them, sum over the layers: without what the "
      "cores "
      "wait for between layers",
      of_run<&Report::num_cycles>, Shown::Run},
     {"PULP: from the barrier before the layer to the one behind it",
      of_layer<&LayerReport::num_cycles>, Shown::Run}},
    {"run_ms",
     "ms",
     Better::Lower,
     {"cycles / report clock", of_run<&Report::run_ms>, Shown::Run},
     {}},
    {"latency_ms",
     "ms",
     Better::Lower,
     {"of one image on engine 0, from its start; in throughput mode longer than run_ms; of a "
      "cluster with host_ms",
      of_run<&Report::latency_ms>},
     {}},
    {"images_per_second",
     "images/s",
     Better::Higher,
     {"of the card: engines x images/s of the slowest one; analytic: all are as fast as engine 0",
      of_run<&Report::images_per_second>},
     {}},
    {"engine_images_per_second",
     "images/s",
     Better::Higher,
     {"of engine 0: images of a run / run_ms, x 1000; of a cluster / (run_ms + host_ms)",
      of_run<&Report::engine_images_per_second>, Shown::Run},
     {}},
    {"engines", "", Better::Neither, {"on the card", engine_count, Shown::Run}, {}},
    {"mac_per_cycle",
     "MAC/cycle",
     Better::Higher,
     {"MACs of the layers on the accelerator, of all images of a run, / cycles",
      of_run<&Report::mac_per_cycle>},
     {"macs of all images of a run / cycles; 0 beside the array",
      of_layer<&LayerReport::mac_per_cycle>}},
    {"array_efficiency",
     "fraction",
     Better::Higher,
     {"mac_per_cycle / peak MAC/cycle of the array", of_run<&Report::array_efficiency>},
     {}},
    {"percent_of_peak",
     "%",
     Better::Higher,
     {},
     {"100 x mac_per_cycle / peak MAC/cycle of the array",
      of_layer<&LayerReport::percent_of_peak>}},
    {"macs",
     "MAC",
     Better::Neither,
     {"of the network as it was imported", of_program<&ProgramInfo::network_macs>, Shown::Points},
     {"of the network as it was imported, never padded", of_layer<&LayerReport::macs>}},
    {"ops",
     "",
     Better::Neither,
     {},
     {"of the network as it was imported, as xfDNN counts them", of_layer<&LayerReport::ops>,
      Shown::Run}},
    {"host_ms",
     "ms",
     Better::Lower,
     {"estimate, sum over host steps; of a cluster in latency_ms and images/s, never in cycles",
      of_run<&Report::host_ms>},
     {}},
    {"external_bytes",
     "bytes",
     Better::Lower,
     {"moved between the accelerator and memories outside it, for one run of one engine: xDNN's "
      "DDR; "
      "PULP's L2 (by DMA) and L3",
      of_run<&Report::external_bytes>},
     {"moved between the accelerator and memories outside it",
      of_layer<&LayerReport::external_bytes>}},
    {"result_bytes",
     "bytes",
     Better::Lower,
     {},
     {"memory that the result takes: activation memory, or L2",
      of_layer<&LayerReport::result_bytes>, Shown::Run}},
    {"moveops",
     "bytes",
     Better::Lower,
     {"AM-format bytes of gathers and scatters of intermediate tensors",
      of_program<&ProgramInfo::moveops>, Shown::Run},
     {}},
    {"io_bytes",
     "bytes",
     Better::Lower,
     {"AM-format bytes of gathers and scatters of the network's input and output",
      of_program<&ProgramInfo::io_bytes>, Shown::Run},
     {}},
    {"peak_bytes",
     "bytes",
     Better::Lower,
     {"most memory that holds live tensors at one time: activation memory, or L2",
      of_program<&ProgramInfo::peak_bytes>, Shown::Everywhere, true},
     {}},
    {"minimum_bytes",
     "bytes",
     Better::Lower,
     {"largest sum of live tensors at one step of the network as it is written, before placement "
      "and spilling",
      of_program<&ProgramInfo::minimum_bytes>, Shown::Run, true},
     {}},
    {"extent_bytes",
     "bytes",
     Better::Lower,
     {"end of the highest address used", of_program<&ProgramInfo::extent_bytes>, Shown::Run, true},
     {}},
    {"capacity_bytes",
     "bytes",
     Better::Neither,
     {"of that memory, for programs", of_program<&ProgramInfo::capacity_bytes>, Shown::Run, true},
     {}},
    {"l1_bytes",
     "bytes",
     Better::Lower,
     {"PULP: end of the highest L1 address used", of_costs<&Costs::l1_bytes>, Shown::Points},
     {}},
    {"l2_bytes",
     "bytes",
     Better::Lower,
     {"PULP: end of the highest L2 address used", of_costs<&Costs::l2_bytes>, Shown::Points},
     {}},
    {"dma_bytes",
     "bytes",
     Better::Lower,
     {"PULP: moved between L2 and L1", of_costs<&Costs::dma_bytes>, Shown::Points},
     {"PULP: moved between L2 and L1", of_layer_costs<&LayerCosts::dma_bytes>, Shown::Points}},
    {"l3_bytes",
     "bytes",
     Better::Lower,
     {"PULP: moved between L3 and L2", of_costs<&Costs::l3_bytes>, Shown::Points},
     {"PULP: moved between L3 and L2", of_layer_costs<&LayerCosts::l3_bytes>, Shown::Points}},
    {"program_bytes",
     "bytes",
     Better::Lower,
     {"filters, weights and parameters that the program brings along",
      of_costs<&Costs::program_bytes>, Shown::Points},
     {}},
    {"instructions",
     "",
     Better::Lower,
     {"of the program", of_costs<&Costs::instructions>, Shown::Points},
     {}},
    {"energy_mj",
     "mJ",
     Better::Lower,
     {"estimate, of one image, without the host: accesses x energy of each + power at rest x time "
      "(docs/energy.md)",
      of_estimate<&Costs::energy_mj, &Estimate::typical>, Shown::Points},
     {"estimate, of one image: the layer's share of the point's energy_mj",
      of_layer_costs<&LayerCosts::energy_mj>, Shown::Points}},
    {"energy_low_mj",
     "mJ",
     Better::Lower,
     {"the least that energy_mj may be", of_estimate<&Costs::energy_mj, &Estimate::low>,
      Shown::Points},
     {}},
    {"energy_high_mj",
     "mJ",
     Better::Lower,
     {"the most that energy_mj may be", of_estimate<&Costs::energy_mj, &Estimate::high>,
      Shown::Points},
     {}},
    {"power_mw",
     "mW",
     Better::Lower,
     {"energy_mj x images_per_second", of_costs<&Costs::power_mw>, Shown::Points},
     {}},
    {"area_mm2",
     "mm2",
     Better::Lower,
     {"estimate: of the cluster with L1, L2 and fabric, or of the silicon of an FPGA that all "
      "engines take (docs/energy.md)",
      of_estimate<&Costs::area_mm2, &Estimate::typical>, Shown::Points},
     {}},
    {"area_low_mm2",
     "mm2",
     Better::Lower,
     {"the least that area_mm2 may be", of_estimate<&Costs::area_mm2, &Estimate::low>,
      Shown::Points},
     {}},
    {"area_high_mm2",
     "mm2",
     Better::Lower,
     {"the most that area_mm2 may be", of_estimate<&Costs::area_mm2, &Estimate::high>,
      Shown::Points},
     {}},
    {"dsps",
     "",
     Better::Lower,
     {"xDNN: DSP48 of all engines", of_costs<&Costs::dsps>, Shown::Points},
     {}},
    {"urams",
     "",
     Better::Lower,
     {"xDNN: UltraRAM blocks of all engines", of_costs<&Costs::urams>, Shown::Points},
     {}},
    {"brams",
     "",
     Better::Lower,
     {"xDNN: block RAMs of all engines, filter buffers alone", of_costs<&Costs::brams>,
      Shown::Points},
     {}},
};

template <typename Part>
std::vector<PointMetric> for_points(Part Metric::*part) {
  std::vector<PointMetric> rows;
  for (const Metric& metric : kMetrics) {
    const Part& shown = metric.*part;
    if (shown.value == nullptr || shown.shown == Shown::Run) continue;
    rows.push_back({metric.name, metric.unit, shown.meaning, metric.better});
  }
  return rows;
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

void add_traffic(const xdnn::Program& program, std::size_t instruction, const xdnn::Machine& card,
                 LayerTraffic& layer) {
  const xdnn::Instruction& step = program.steps[instruction].instruction;
  const xdnn::MachineOfSlice own(card, tail(step).slice);
  layer.external_bytes += ddr_bytes(step, own.get());
}

void add_traffic(const pulp::Program& program, std::size_t instruction, const pulp::Machine&,
                 LayerTraffic& layer) {
  const auto add = [&](std::int64_t bytes, std::int64_t& sum) {
    sum += bytes;
    layer.external_bytes += bytes;
  };
  const pulp::Instruction& step = program.instructions[instruction];
  if (const auto* dma = std::get_if<pulp::Dma>(&step)) add(dma->bytes(), layer.dma_bytes);
  if (const auto* l3 = std::get_if<pulp::L3Transfer>(&step)) add(l3->bytes(), layer.l3_bytes);
}

template <typename FamilyProgram, typename FamilyMachine>
std::vector<LayerTraffic> traffic_of(const FamilyProgram& program, const FamilyMachine& machine,
                                     std::size_t instructions) {
  std::vector<LayerTraffic> layers(program.info.layers.size());
  for (std::size_t i = 0; i < instructions; ++i) {
    const std::int32_t layer = program.info.instruction_layer[i];
    if (layer >= 0) add_traffic(program, i, machine, layers[static_cast<std::size_t>(layer)]);
  }
  return layers;
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

void add_program(const xdnn::Program& program, const xdnn::Machine& machine, Costs& costs) {
  const FpgaBlocks engine = fpga_blocks(machine);
  const std::int64_t engines = machine.board.engines;
  costs.program_bytes = constant_bytes(program, machine);
  costs.instructions = static_cast<std::int64_t>(program.steps.size());
  costs.dsps = engines * engine.dsps;
  costs.urams = engines * engine.urams;
  costs.brams = engines * engine.brams;
}
void add_layer(const xdnn::Program&, const LayerTraffic&, Costs&, LayerCosts&) {}

void add_program(const pulp::Program& program, const pulp::Machine&, Costs& costs) {
  costs.program_bytes = static_cast<std::int64_t>(program.constants.size());
  costs.instructions = static_cast<std::int64_t>(program.instructions.size());
  costs.l1_bytes = program.l1_bytes;
  costs.l2_bytes = program.l2_bytes;
  costs.dma_bytes = costs.l3_bytes = 0;
}
void add_layer(const pulp::Program&, const LayerTraffic& moved, Costs& costs, LayerCosts& layer) {
  layer.dma_bytes = moved.dma_bytes;
  layer.l3_bytes = moved.l3_bytes;
  *costs.dma_bytes += moved.dma_bytes;
  *costs.l3_bytes += moved.l3_bytes;
}

// Everything but energy and area.
template <typename FamilyProgram, typename FamilyMachine>
void add_program_costs(const FamilyProgram& program, const FamilyMachine& machine, Report& report) {
  const std::vector<LayerTraffic> moved = traffic(program, machine);
  CHECK(moved.size() == report.layers.size(), "{} layers of {}", report.layers.size(),
        moved.size());
  report.costs.emplace();
  report.external_bytes = 0;
  add_program(program, machine, *report.costs);
  for (std::size_t i = 0; i < moved.size(); ++i) {
    LayerReport& layer = report.layers[i];
    layer.external_bytes = moved[i].external_bytes;
    report.external_bytes += layer.external_bytes;
    add_layer(program, moved[i], *report.costs, layer.costs.emplace());
  }
}

}  // namespace

std::span<const Metric> metrics() { return kMetrics; }

std::span<const PointMetric> point_metrics() {
  static const std::vector<PointMetric> rows = for_points(&Metric::run);
  return rows;
}

std::span<const PointMetric> layer_metrics() {
  static const std::vector<PointMetric> rows = for_points(&Metric::layer);
  return rows;
}

const PointMetric* find_point_metric(std::string_view name) {
  const auto rows = point_metrics();
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [&](const PointMetric& metric) { return metric.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

std::string_view present_name(std::string_view name) {
  using Renamed = std::pair<std::string_view, std::string_view>;
  constexpr std::array<Renamed, 3> kRenamed = {{{"ddr_bytes", "external_bytes"},
                                                {"am_peak_bytes", "peak_bytes"},
                                                {"ddr_stall", "memory_wait"}}};
  for (const auto& [old, present] : kRenamed) {
    if (name == old) return present;
  }
  return name;
}

std::vector<LayerTraffic> traffic(const xdnn::Program& program, const xdnn::Machine& machine) {
  std::vector<LayerTraffic> layers = traffic_of(program, machine, program.steps.size());
  const std::vector<bool> kept = xdnn::kept_filters(program, machine);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const std::int32_t layer = program.info.instruction_layer[i];
    if (!kept[i] || layer < 0) continue;
    const xdnn::ConvCost cost = xdnn::conv_cost(program.steps[i].instruction, machine);
    layers[static_cast<std::size_t>(layer)].external_bytes -= (cost.slab * cost.passes).value;
  }
  return layers;
}

std::vector<LayerTraffic> traffic(const pulp::Program& program, const pulp::Machine& machine) {
  return traffic_of(program, machine, program.instructions.size());
}

void add_costs(const Program& program, const Machine& machine, const Technology& technology,
               Report& report) {
  const auto* xdnn = std::get_if<xdnn::Program>(&program);
  if (xdnn != nullptr) {
    add_program_costs(*xdnn, std::get<xdnn::Machine>(machine), report);
  } else {
    add_program_costs(std::get<pulp::Program>(program), std::get<pulp::Machine>(machine), report);
  }
  std::vector<Cycles> layer_cycles;
  for (const LayerReport& layer : report.layers) layer_cycles.push_back(layer.cycles);
  const ProgramEnergy used = energy(program, machine, technology, layer_cycles);
  const double each = 1 / static_cast<double>(report.machine.images);
  report.costs->energy_mj = used.total.millijoules() * each;
  report.costs->power_mw = report.costs->energy_mj.typical * report.images_per_second;
  report.costs->area_mm2 = area(machine, technology);
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    report.layers[i].costs->energy_mj = used.layer_millijoules[i].typical * each;
  }
}

}  // namespace workbench
