// What the tensors and modelled memories of a run take, from shapes alone: known, and refused where
// it is more than the limit, before the first of them is allocated. Least figures: what is small
// beside tensors (weights, histograms, hazards) is not counted.
#pragma once

#include <algorithm>
#include <cstdint>

#include "explore/flow/target.h"

namespace workbench {

// The most that one evaluation of `graph` holds at once beside its inputs, each value dead after
// its last use. `scratch`: with what the golden model needs beside operands and results.
std::int64_t evaluation_bytes(const Graph& graph, bool scratch = false);

// Beside the inputs and whatever is held already.
struct RunMemory {
  std::int64_t simulation = 0;   // modelled memories, the host's values, what is collected
  std::int64_t collected = 0;    // of these, what outlives the simulation
  std::int64_t golden_all = 0;   // the golden model's values together, ...
  std::int64_t golden_live = 0;  // ... or each until its last use

  std::int64_t side_by_side() const { return simulation + golden_all; }
  // The golden model after the simulation, compared value by value.
  std::int64_t in_turn() const { return std::max(simulation, collected + golden_live); }
};
RunMemory run_memory(const Graph& integers, const Program& program, const Machine& machine);

// Throws Error when calibration, or the run, would need more than the limit. A network that may
// come near it is compiled for this, as far as it can be: with thresholds of 1, or as the integers
// that it came as.
void require_memory_for_run(const Imported& imported, const Target& target,
                            const CompileRequest& request);
// The same of calibration alone.
void require_memory_for_calibration(const Graph& graph);

}  // namespace workbench
