// The transaction tier of xDNN V3 in SystemC: one process per engine, one event per row, burst or
// filter slab, contention at AM ports and DDR, real data moved.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "isa/timeline.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

struct SimulateOptions {
  bool collect = true;  // keep every named tensor, not only the outputs
  int threads = 0;      // for the arithmetic; results do not depend on it
};

struct SimulationResult {
  std::vector<Tensor> outputs;            // one per network output
  std::map<std::string, Tensor> tensors;  // by value name of the quantized graph, [1, C, H, W]
  Timeline timeline;                      // host steps take no time in it
  std::vector<Hazard> hazards;            // empty for a correct program
  std::map<std::string, std::int64_t> wide_accumulators;  // layer -> sums beyond 24 bits, if any
};

// May be called any number of times in a process, never twice at once. `inputs`: float32, one per
// input of program.host. After a hazard that leaves no sensible value (address out of range,
// deadlock) the run ends and outputs may be missing.
SimulationResult simulate(const Program& program, const Machine& machine,
                          std::span<const Tensor> inputs, const SimulateOptions& options = {});

}  // namespace workbench::xdnn
