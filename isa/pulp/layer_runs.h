// A program's instructions layer by layer, as an application in C has them: one table per run.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "isa/pulp/program.h"

namespace workbench::pulp {

// Instructions [begin, end) of one layer; a layer that is gone back to is run again.
struct LayerRun {
  std::size_t layer = 0, begin = 0, end = 0;
};

std::vector<LayerRun> layer_runs(const Program& program);

// The run that begins with instruction `first`, as those behind a step of the host do. Throws Error
// where none does, as in programs that were written by hand.
std::size_t run_at(const std::vector<LayerRun>& runs, std::int32_t first);

// The run behind whose instructions the tensor is still as the probe finds it: in it nothing moves
// or computes after the probe. None: it is overwritten, or may be.
std::optional<std::size_t> run_that_ends_with(const Program& program,
                                              const std::vector<LayerRun>& runs,
                                              const Probe& probe);

}  // namespace workbench::pulp
