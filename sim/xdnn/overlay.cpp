#include "sim/xdnn/overlay.h"

#include <fmt/format.h>

#include <algorithm>

#include "isa/xdnn/footprint.h"
#include "sim/common/kernel.h"
#include "sim/xdnn/host.h"

namespace workbench::xdnn {

// --- engine --------------------------------------------------------------------------------------

Engine::Engine(int n, const Program& p, const Machine& m, const SimulateOptions& o,
               sim::Arbiter& bank)
    : number(n),
      program(p),
      machine(m),
      options(o),
      ddr(bank),
      recorder(n == 0),
      probes_of_(p.steps.size()) {
  has_slice0 = std::any_of(p.steps.begin(), p.steps.end(),
                           [](const Step& step) { return tail(step.instruction).slice == 0; });
  if (number != 0) return;
  hazards = std::make_unique<HazardMonitor>(program, machine);
  memory.geometry = machine.geometry();
  memory.am.assign(static_cast<std::size_t>(machine.am_words() * machine.word_bytes()), 0);
  memory.ddr.reserve(static_cast<std::size_t>(program.ddr_bytes));
  memory.ddr.assign(program.constants.begin(), program.constants.end());
  memory.ddr.resize(static_cast<std::size_t>(program.ddr_bytes));
  for (std::size_t i = 0; i < program.probes.size(); ++i) {
    missing_writers_.push_back(program.probes[i].after.size());
    for (const std::int32_t writer : program.probes[i].after) {
      probes_of_[static_cast<std::size_t>(writer)].push_back(i);
    }
  }
}

namespace {

// Puts a piece where it belongs in the tensor, which the first piece makes.
void put_piece(const Probe& probe, const Tensor& piece, Tensor& whole) {
  const Shape shape{1, probe.value_channels, probe.value_height, probe.width};
  if (whole.shape() != shape) whole = Tensor::zeros(piece.type(), shape, Layout::Nchw);
  const std::int64_t code = element_bytes(piece.type());
  const std::byte* const from = piece.data();
  std::byte* const to = whole.mutable_data();
  const std::int64_t plane = probe.height * probe.width * code;
  for (std::int64_t c = 0; c < probe.channels; ++c) {
    const std::int64_t row = (probe.first_channel + c) * probe.value_height + probe.first_row;
    std::copy_n(from + c * plane, plane, to + row * probe.width * code);
  }
}

}  // namespace

void Engine::collect(std::int32_t instruction) {
  for (const std::size_t i : probes_of_[static_cast<std::size_t>(instruction)]) {
    if (--missing_writers_[i] > 0 || !options.collect) continue;
    const Probe& probe = program.probes[i];
    const AmTensor where{probe.address, probe.channels, probe.height,
                         probe.width,   probe.layout,   probe.start_channel};
    Tensor piece = nchw_from_am(memory, where);
    if (probe.value_channels == 0) {
      tensors[probe.value] = std::move(piece);
    } else {
      put_piece(probe, piece, tensors[probe.value]);
    }
  }
  // What streams to DDR has no place in the AM where a probe could find it.
  const Tail& t = tail(program.steps[static_cast<std::size_t>(instruction)].instruction);
  if (!t.destination_in_ddr || !options.collect) return;
  const DdrTensor whole = ddr_result(program.steps[static_cast<std::size_t>(instruction)]);
  for (const DdrTensor& d : program.ddr_tensors) {
    const bool same = d.address == whole.address && d.channels == whole.channels &&
                      d.height == whole.height && d.width == whole.width;
    if (!same) continue;
    tensors[d.value] = nchw_from_pixels(read_ddr(memory, d.address, d.channels, d.height, d.width),
                                        d.channels, d.height, d.width);
  }
}

// --- slice ---------------------------------------------------------------------------------------

namespace {

std::string port_name(const Overlay& overlay, const char* what) {
  return overlay.name + "_" + what;
}

}  // namespace

Overlay::Overlay(Engine& e, int s)
    : engine(e),
      slice(s),
      name(fmt::format("engine{}_slice{}", e.number, s)),
      program(e.program),
      own_machine(e.machine, s),
      machine(own_machine.get()),
      options(e.options),
      read_ports(port_name(*this, "read_ports").c_str(), machine.am.read_ports),
      write_ports(port_name(*this, "write_ports").c_str(), machine.am.write_ports),
      recorder(e.recorder) {
  bool to_ddr = false;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Tail& t = tail(program.steps[i].instruction);
    if ((t.slice == 0) != (slice == 0)) continue;
    instructions.push_back(static_cast<std::int32_t>(i));
    to_ddr = to_ddr || t.destination_in_ddr;
  }
  const std::string prefix = slice == 0 ? "slice 0 " : "";
  resources.dispatch = recorder.add_resource(prefix + "dispatch");
  resources.filters = recorder.add_resource(prefix + "filters");
  resources.tiles = recorder.add_resource(prefix + "tiles");
  resources.unit.fill(-1);
  for (int u = 0; u < kUnits; ++u) {
    const Unit unit = static_cast<Unit>(u);
    if (slice == 0 && unit != Unit::Conv) continue;  // the block has nothing else
    resources.unit[static_cast<std::size_t>(u)] =
        recorder.add_resource(prefix + std::string(to_string(unit)));
  }
  resources.conv = resources.unit[static_cast<std::size_t>(Unit::Conv)];
  if (to_ddr) resources.results = recorder.add_resource(prefix + "results");
  if (engine.ddr_resource < 0) engine.ddr_resource = recorder.add_resource("ddr");
  resources.ddr = engine.ddr_resource;
}

void Overlay::take(Unit unit) {
  --waiting[static_cast<std::size_t>(unit)];
  taken[static_cast<std::size_t>(unit)].notify(sc_core::SC_ZERO_TIME);
}

void Overlay::begin_tiles(std::int32_t instruction) {
  if (computing()) engine.hazards->begin_tiles(instruction, sim::now());
}

Result Overlay::start(std::int32_t instruction) {
  if (!computing()) return {};
  if (engine.broken || !engine.hazards->begin(instruction, sim::now())) {
    engine.broken = true;
    return {};
  }
  Result result = execute(step(instruction), machine, engine.memory, options.threads);
  if (result.channel_off) engine.hazards->channel_off(instruction, sim::now());
  if (result.wide_accumulators > 0) {
    const auto layer = program.info.instruction_layer[static_cast<std::size_t>(instruction)];
    engine.wide_accumulators[program.info.layers[static_cast<std::size_t>(layer)].name] +=
        result.wide_accumulators;
  }
  return result;
}

void Overlay::reads_done(std::int32_t instruction) {
  if (computing()) engine.hazards->reads_done(instruction);
}

void Overlay::finish(std::int32_t instruction, const Result& result) {
  if (computing()) {
    commit(result, engine.memory);
    engine.hazards->end(instruction);
    if (!engine.broken) engine.collect(instruction);
  }
  const auto unit = static_cast<std::size_t>(unit_of(step(instruction).instruction));
  --outstanding[unit];
  done[unit].notify(sc_core::SC_ZERO_TIME);
}

std::int64_t Overlay::transfer(std::int32_t instruction, Client client, std::int64_t bytes,
                               std::int64_t& moved) {
  const int who = (engine.number * 2 + slice) * kClients + static_cast<int>(client);
  std::int64_t waited = 0;
  while (bytes > 0) {
    const std::int64_t burst = std::min(bytes, machine.ddr.burst_bytes);
    const Cycles cycles = ddr_cycles({moved + burst}, machine) - ddr_cycles({moved}, machine);
    const std::int64_t asked = sim::now();
    const std::int64_t begin = engine.ddr.acquire(who, 1, cycles.value);
    waited += begin - asked;
    sim::wait_until(begin + cycles.value);
    recorder.record(resources.ddr, instruction, asked, begin, sim::now(), Cause::Work, burst);
    moved += burst;
    bytes -= burst;
  }
  engine.ddr_waited += waited;
  return waited;
}

}  // namespace workbench::xdnn
