// The transaction tier of a PULP cluster in SystemC: the cores, the cluster DMA's two directions,
// fabric controller and uDMA, one event per instruction or transfer, contention at TCDM banks, real
// data moved.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "isa/program_info.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"
#include "isa/timeline.h"

namespace workbench::pulp {

struct SimulateOptions {
  bool collect = true;  // keep every named tensor, not only the outputs
  bool values = true;   // false: timing and hazards only, no data; outputs and tensors stay empty
  int threads = 0;      // for the arithmetic; results do not depend on it
};

struct SimulationResult {
  std::vector<Tensor> outputs;            // one per network output
  std::map<std::string, Tensor> tensors;  // by value name of the quantized graph, [1, C, H, W];
  // what the host reads or writes has the shape that the graph says
  // Resources "cores" (the slowest core of each stretch), "dma in", "dma out", "l3".
  Timeline timeline;
  std::vector<Cycles>
      counters;  // per layer: between CounterStart and CounterStop, DORY's num_cycles
  std::vector<Hazard> hazards;  // empty for a correct program
};

// May be called any number of times in a process, never twice at once. `inputs`: float32, one per
// input of program.host. Throws Error when an instruction is malformed (footprint.h). After a
// hazard that leaves no sensible value (address out of range) the run ends and outputs may be
// missing.
SimulationResult simulate(const Program& program, const Machine& machine,
                          std::span<const Tensor> inputs, const SimulateOptions& options = {});

}  // namespace workbench::pulp
