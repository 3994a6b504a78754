#include "sim/xdnn/overlay.h"

#include <algorithm>

#include "sim/common/clock.h"
#include "sim/xdnn/host.h"

namespace workbench::xdnn {

Overlay::Overlay(const Program& p, const Machine& m, const SimulateOptions& o)
    : program(p),
      machine(m),
      options(o),
      hazards(p, m),
      read_ports("am_read_ports", m.am.read_ports),
      write_ports("am_write_ports", m.am.write_ports),
      ddr("ddr", 1),
      probes_of_(p.steps.size()) {
  memory.geometry = machine.geometry();
  memory.am.assign(static_cast<std::size_t>(machine.am_words() * machine.word_bytes()), 0);
  memory.ddr.reserve(static_cast<std::size_t>(program.ddr_bytes));
  memory.ddr.assign(program.constants.begin(), program.constants.end());
  memory.ddr.resize(static_cast<std::size_t>(program.ddr_bytes));
  resources.dispatch = recorder.add_resource("dispatch");
  resources.filters = recorder.add_resource("filters");
  resources.tiles = recorder.add_resource("tiles");
  for (int u = 0; u < kUnits; ++u) {
    resources.unit[static_cast<std::size_t>(u)] =
        recorder.add_resource(std::string(to_string(static_cast<Unit>(u))));
  }
  resources.conv = resources.unit[static_cast<std::size_t>(Unit::Conv)];
  resources.ddr = recorder.add_resource("ddr");
  for (std::size_t i = 0; i < program.probes.size(); ++i) {
    missing_writers_.push_back(program.probes[i].after.size());
    for (const std::int32_t writer : program.probes[i].after) {
      probes_of_[static_cast<std::size_t>(writer)].push_back(i);
    }
  }
}

void Overlay::take(Unit unit) {
  --waiting[static_cast<std::size_t>(unit)];
  taken[static_cast<std::size_t>(unit)].notify(sc_core::SC_ZERO_TIME);
}

Result Overlay::start(std::int32_t instruction) {
  if (broken || !hazards.begin(instruction, sim::now())) {
    broken = true;
    return {};
  }
  Result result = execute(step(instruction), machine, memory, options.threads);
  if (result.wide_accumulators > 0) {
    const auto layer = program.info.instruction_layer[static_cast<std::size_t>(instruction)];
    wide_accumulators[program.info.layers[static_cast<std::size_t>(layer)].name] +=
        result.wide_accumulators;
  }
  return result;
}

void Overlay::finish(std::int32_t instruction, const Result& result) {
  commit(result, memory);
  hazards.end(instruction);
  if (!broken) collect(instruction);
  const auto unit = static_cast<std::size_t>(unit_of(step(instruction).instruction));
  --outstanding[unit];
  done[unit].notify(sc_core::SC_ZERO_TIME);
}

void Overlay::collect(std::int32_t instruction) {
  for (const std::size_t i : probes_of_[static_cast<std::size_t>(instruction)]) {
    if (--missing_writers_[i] > 0 || !options.collect) continue;
    const Probe& probe = program.probes[i];
    const AmTensor where{probe.address, probe.channels, probe.height,
                         probe.width,   probe.layout,   probe.start_channel};
    tensors[probe.value] = nchw_from_am(memory, where);
  }
}

std::int64_t Overlay::transfer(std::int32_t instruction, Client client, std::int64_t bytes,
                               std::int64_t& moved) {
  std::int64_t waited = 0;
  while (bytes > 0) {
    const std::int64_t burst = std::min(bytes, machine.ddr.burst_bytes);
    const Cycles cycles = ddr_cycles({moved + burst}, machine) - ddr_cycles({moved}, machine);
    const std::int64_t asked = sim::now();
    const std::int64_t begin = ddr.acquire(static_cast<int>(client), 1, cycles.value);
    waited += begin - asked;
    sim::wait_until(begin + cycles.value);
    recorder.record(resources.ddr, instruction, asked, begin, sim::now(), Cause::Work, burst);
    moved += burst;
    bytes -= burst;
  }
  return waited;
}

}  // namespace workbench::xdnn
