#include "explore/energy/accesses.h"

#include <algorithm>
#include <cmath>

#include "core/units.h"
#include "isa/pulp/cost.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/well_formed.h"

namespace workbench {

namespace {

template <typename Accesses>
Accesses& operator+=(Accesses& a, const Accesses& b) {
  Accesses::fields(a, [&](std::string_view name, std::int64_t& mine) {
    Accesses::fields(b, [&](std::string_view other, const std::int64_t& theirs) {
      if (name == other) mine += theirs;
    });
  });
  return a;
}

const xdnn::Conv& conv_of(const xdnn::Instruction& instruction) {
  const auto* fused = std::get_if<xdnn::ConvPool>(&instruction);
  return fused != nullptr ? fused->conv : std::get<xdnn::Conv>(instruction);
}

std::int64_t macs(const xdnn::Conv& conv) {
  const std::int64_t pixels = conv.transposed ? conv.in_w * conv.in_h : conv.out_w * conv.out_h;
  return pixels * conv.out_ch * conv.in_ch * conv.kernel_w * conv.kernel_h;
}

// Each step of the array takes a word of the activation memory; results leave by the row. Tiles
// come from DDR by way of that memory, results that go to DDR do not.
XdnnAccesses conv_accesses(const xdnn::Instruction& instruction, bool kept,
                           const xdnn::Machine& machine) {
  const xdnn::ConvCost cost = xdnn::conv_cost(instruction, machine);
  const xdnn::Conv& conv = conv_of(instruction);
  const xdnn::Geometry geometry = machine.geometry();
  const std::int64_t results = xdnn::result_bytes(instruction, geometry).value;
  std::int64_t tiles = 0;
  std::int64_t steps = cost.compute().value;
  if (conv.tail.source_in_ddr) {
    steps = 0;
    for (const xdnn::TileCost& tile : xdnn::tile_costs(instruction, geometry)) {
      tiles += tile.ddr.value;
      steps += tile.out_rows * tile.out_cols * cost.steps * cost.passes;
    }
  }
  const auto slots = std::llround(static_cast<double>(steps) * machine.peak_macs_per_cycle());
  XdnnAccesses counted;
  counted.macs = std::min<std::int64_t>(macs(conv) * machine.images(), slots);
  counted.idle_slots = slots - counted.macs;
  const std::int64_t written = results > 0 ? 0 : cost.row_writes * cost.rows * cost.passes;
  counted.am_bytes = (steps + written) * machine.word_bytes() + tiles;
  counted.filter_bytes = kept ? 0 : cost.slab.value * cost.passes;
  counted.ddr_bytes = counted.filter_bytes + tiles + results;
  return counted;
}

XdnnAccesses stream_accesses(const xdnn::Instruction& instruction, const xdnn::Machine& machine) {
  const xdnn::StreamCost cost = xdnn::stream_cost(instruction, machine);
  const std::int64_t cycles = cost.rows * cost.row_cycles.value;
  XdnnAccesses counted;
  counted.am_bytes = cycles * (cost.read_ports + cost.write_ports) * machine.word_bytes();
  counted.ddr_bytes = cost.ddr.value;
  return counted;
}

// `kept`: its filters need not be loaded.
XdnnAccesses accesses_of(const xdnn::Instruction& instruction, bool kept,
                         const xdnn::Machine& card) {
  const xdnn::MachineOfSlice own(card, tail(instruction).slice);
  XdnnAccesses counted = xdnn::unit_of(instruction) == xdnn::Unit::Conv
                             ? conv_accesses(instruction, kept, own.get())
                             : stream_accesses(instruction, own.get());
  counted.instructions = 1;
  return counted;
}

constexpr std::int64_t kWord = 4;

class PulpCount {
 public:
  explicit PulpCount(const pulp::Machine& machine) : machine_(machine), kernels_(machine) {}

  PulpAccesses operator()(const pulp::Kernel& op) {
    const pulp::KernelFigures& figures = kernels_.of(op);
    PulpAccesses counted;
    for (const std::vector<pulp::CodeCost>& phase : figures.phases) {
      for (const pulp::CodeCost& core : phase) {
        counted.core_cycles += core.cycles;
        counted.l1_words += core.accesses;
      }
    }
    counted.macs = pulp::macs(op);
    return counted;
  }
  PulpAccesses operator()(const pulp::Code& op) const {
    PulpAccesses counted;
    counted.core_cycles = machine_.cluster.cores * pulp::code_cycles(op, machine_).value;
    counted.l2_bytes = machine_.cluster.cores * op.l2_loads * kWord;
    return counted;
  }
  PulpAccesses operator()(const pulp::Dma& op) const {
    PulpAccesses counted;
    counted.l2_bytes = op.bytes();
    counted.l1_words = ceil_div(op.length, kWord) * op.lines * op.rows * op.planes;
    const pulp::Machine::Dma& dma = machine_.dma;
    const std::int64_t commands = op.planes * op.rows * (op.two_d ? 1 : op.lines);
    counted.core_cycles = commands * (op.two_d ? dma.issue_cycles_2d : dma.issue_cycles_1d);
    return counted;
  }
  PulpAccesses operator()(const pulp::L3Transfer& op) const {
    PulpAccesses counted;
    counted.l3_bytes = counted.l2_bytes = op.bytes();
    return counted;
  }
  PulpAccesses operator()(const pulp::DmaWait&) const {
    PulpAccesses counted;
    counted.core_cycles = machine_.cluster.cores * machine_.dma.poll_cycles;
    return counted;
  }
  PulpAccesses operator()(const pulp::Barrier&) const { return {}; }
  PulpAccesses operator()(const pulp::L3Wait&) const { return {}; }
  PulpAccesses operator()(const pulp::CounterStart&) const { return {}; }
  PulpAccesses operator()(const pulp::CounterStop&) const { return {}; }

 private:
  const pulp::Machine& machine_;
  pulp::KernelTable kernels_;
};

template <typename Accesses, typename Count>
std::vector<Accesses> by_layer(const ProgramInfo& info, std::size_t instructions,
                               const Count& count) {
  std::vector<Accesses> layers(info.layers.size());
  for (std::size_t i = 0; i < instructions; ++i) {
    const std::int32_t layer = info.instruction_layer[i];
    if (layer >= 0) layers[static_cast<std::size_t>(layer)] += count(i);
  }
  return layers;
}

}  // namespace

std::vector<XdnnAccesses> accesses(const xdnn::Program& program, const xdnn::Machine& machine) {
  const std::vector<bool> kept = xdnn::kept_filters(program, machine);
  return by_layer<XdnnAccesses>(program.info, program.steps.size(), [&](std::size_t i) {
    return accesses_of(program.steps[i].instruction, kept[i], machine);
  });
}

std::vector<PulpAccesses> accesses(const pulp::Program& program, const pulp::Machine& machine) {
  PulpCount count(machine);
  return by_layer<PulpAccesses>(program.info, program.instructions.size(), [&](std::size_t i) {
    return std::visit(count, program.instructions[i]);
  });
}

template <typename Accesses>
Accesses sum(const std::vector<Accesses>& layers) {
  Accesses total;
  for (const Accesses& layer : layers) total += layer;
  return total;
}

template XdnnAccesses sum(const std::vector<XdnnAccesses>& layers);
template PulpAccesses sum(const std::vector<PulpAccesses>& layers);

}  // namespace workbench
