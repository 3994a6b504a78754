// A network's application (compiler/pulp/emit_c.h) on the detailed tier, watched from outside: its
// layers, kernel calls and waits become the same Timeline as the transaction tier's, and what it
// leaves in the memories the same tensors.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "isa/pulp/program.h"
#include "sim/pulp/simulate.h"
#include "sim/riscv/profile.h"

namespace workbench::riscv {

// Where the host has work between layers, the application has been written to be watched there
// (HostBetween::Watched).
struct Application {
  const pulp::Program& program;      // that it was written from
  std::vector<std::string> kernels;  // its functions that are kernel calls
  Elf elf;                           // built with REPORT=0
  std::map<std::string, std::string> files;
};

struct NetworkRun {
  // Without hazards. Tensors: those that are whole behind a layer, and what the host makes. The
  // cores' time is that of the core that comes last to each barrier; from the first layer on, to
  // the barrier behind the last. The host's work between layers, and the way there and back, is in
  // no cycle.
  pulp::SimulationResult result;
  std::vector<Spent> layers;  // by layer of the program: of all cores of the cluster together
  std::int64_t instructions = 0, cycles = 0;  // with loading, of the fabric controller, too
  int exit_code = 0;                          // 0: its outputs are as expected
  std::string console;
};

// `inputs`: as simulate()'s, of the same values as the application's files. Throws Error: the
// application does what no core can, or ends before its last layer.
NetworkRun run_network(const Application& application, const pulp::Machine& machine,
                       std::span<const Tensor> inputs);

}  // namespace workbench::riscv
