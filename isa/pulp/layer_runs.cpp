#include "isa/pulp/layer_runs.h"

#include <algorithm>
#include <variant>

#include "core/error.h"

namespace workbench::pulp {

std::vector<LayerRun> layer_runs(const Program& program) {
  const auto& layers = program.info.instruction_layer;
  std::vector<LayerRun> runs;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto layer = static_cast<std::size_t>(layers[i]);
    if (runs.empty() || runs.back().layer != layer) runs.push_back({layer, i, i});
    runs.back().end = i + 1;
  }
  return runs;
}

std::size_t run_at(const std::vector<LayerRun>& runs, std::int32_t first) {
  const auto found = std::find_if(runs.begin(), runs.end(), [&](const LayerRun& run) {
    return run.begin == static_cast<std::size_t>(first);
  });
  if (found == runs.end()) {
    fail("the host has work before instruction {}: expected it between layers", first);
  }
  return static_cast<std::size_t>(found - runs.begin());
}

std::optional<std::size_t> run_that_ends_with(const Program& program,
                                              const std::vector<LayerRun>& runs,
                                              const Probe& probe) {
  const auto after = static_cast<std::size_t>(probe.after);
  for (std::size_t run = 0; run < runs.size(); ++run) {
    if (after < runs[run].begin || after >= runs[run].end) continue;
    const bool idle = std::all_of(
        program.instructions.begin() + static_cast<std::ptrdiff_t>(after + 1),
        program.instructions.begin() + static_cast<std::ptrdiff_t>(runs[run].end),
        [](const Instruction& op) {
          return !std::holds_alternative<Kernel>(op) && !std::holds_alternative<Dma>(op) &&
                 !std::holds_alternative<L3Transfer>(op);
        });
    return idle ? std::optional(run) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace workbench::pulp
