// The transaction tier of xDNN in SystemC: one process per unit, one event per row, burst or filter
// slab, contention at AM ports and DDR banks, real data moved. As many engines run side by side as
// the board has (docs/facts/xdnn.md 1.1), each with its own image; engine e uses bank e %
// ddr_banks.
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

// Images that slice 1 of an engine works on when its program uses slice 0 (throughput mode,
// docs/facts/xdnn.md 1.7): the first two fill the buffers between the slices, the last one tells
// the steady interval, in which slice 0 works on one more.
inline constexpr std::int64_t kThroughputImages = 3;

struct SimulateOptions {
  bool collect = true;  // keep every named tensor, not only the outputs
  int threads = 0;      // for the arithmetic; results do not depend on it
};

// When an engine was done, and how far apart its images were.
struct EngineTimes {
  Cycles latency;           // of the first image, from its start on
  Cycles interval;          // from image to image in the steady state: `latency` without slice 0
  Cycles ddr_waited;        // its requests, until the bank served them; all images
  std::int64_t images = 1;  // runs of the program
};

struct SimulationResult {
  std::vector<Tensor> outputs;            // one per network output
  std::map<std::string, Tensor> tensors;  // by value name of the quantized graph, [1, C, H, W]
  // Of engine 0; host steps take no time in it. With slice 0: the steady interval, in which slice 1
  // works on one image and slice 0 on a later one.
  Timeline timeline;
  std::vector<EngineTimes> engines;
  std::vector<Hazard> hazards;                            // empty for a correct program
  std::map<std::string, std::int64_t> wide_accumulators;  // layer -> sums beyond 24 bits, if any
};

// May be called any number of times in a process, never twice at once. `inputs`: float32, one per
// input of program.host. Values are computed for the first image of engine 0; further images and
// engines only take time. Throws Error when the program uses a slice 0 that the machine lacks, or
// an instruction is malformed (well_formed.h).
// After a hazard that leaves no sensible value (address out of range, deadlock) the run ends and
// outputs may be missing.
SimulationResult simulate(const Program& program, const Machine& machine,
                          std::span<const Tensor> inputs, const SimulateOptions& options = {});

}  // namespace workbench::xdnn
