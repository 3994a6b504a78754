#include "sim/pulp/simulate.h"

#include <systemc>
#include <utility>

#include "core/error.h"
#include "isa/pulp/check.h"
#include "isa/pulp/footprint.h"
#include "sim/common/kernel.h"
#include "sim/pulp/cluster.h"

namespace workbench::pulp {

namespace {

void check_well_formed(const Program& program, const Machine& machine) {
  const auto& layers = program.info.layers;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    std::string fault = malformed(program.instructions[i], machine);
    if (fault.empty()) fault = decoration(program.instructions[i]);
    if (fault.empty()) continue;
    const auto layer = i < program.info.instruction_layer.size()
                           ? static_cast<std::size_t>(program.info.instruction_layer[i])
                           : layers.size();
    fail("{}: instruction {} ('{}'): {}", program.info.network, i,
         layer < layers.size() ? layers[layer].name : "", fault);
  }
}

}  // namespace

SimulationResult simulate(const Program& program, const Machine& machine,
                          std::span<const Tensor> inputs, const SimulateOptions& options) {
  const sim::FreshKernel kernel;
  check_well_formed(program, machine);
  Cluster cluster(program, machine, options);
  Host host(program, cluster.memory, cluster.hazards,
            options.values ? inputs : std::span<const Tensor>(), options.threads);
  const DmaLane dma_in("dma_in", cluster, Direction::In);
  const DmaLane dma_out("dma_out", cluster, Direction::Out);
  const L3Port l3("l3", cluster);
  const Team team("team", cluster, host);
  try {
    const sim::StackBounds own_stack;
    sc_core::sc_start();
  } catch (const sc_core::sc_report& report) {  // what a process threw, in the kernel's wrapping
    fail("{}: simulation failed: {}", program.info.network, report.what());
  }
  CHECK(team.finished(), "the cores wait for what never comes");
  SimulationResult result;
  result.hazards = cluster.hazards.hazards();
  result.timeline = cluster.recorder.timeline(sim::now());
  result.counters = team.counters();
  if (!options.values || !team.complete()) return result;
  result.outputs = host.values().outputs();
  if (!options.collect) return result;
  result.tensors = team.tensors();
  name_shapes(program.host, result.tensors);
  result.tensors.merge(host.values().by_name());
  return result;
}

}  // namespace workbench::pulp
