// What a replayed program needs around its instructions: filters, DDR addresses, the host's part.
#pragma once

#include <vector>

#include "core/graph.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

struct ReplayFilters {
  std::int32_t step = 0;  // a convolution
  std::size_t node = 0;   // whose weights these are
};
struct ReplayDdrUse {
  std::int32_t step = 0;   // gather, scatter or tiled convolution
  std::size_t tensor = 0;  // of Program::ddr_tensors
};

// Throws Error when the array cannot run the convolution as it is written down: a layout that does
// not hold its channels, more steps than the filter buffers take in its mode.
void check_replay_filters(const Entry& entry, const Conv& conv, const Machine& machine);

// Packs the filters, places the DDR tensors behind them and tells the instructions where.
void place_replay_tensors(const Graph& graph, const Machine& machine,
                          const std::vector<ReplayFilters>& filters,
                          const std::vector<ReplayDdrUse>& uses, Program& program);

// Nodes that the accelerator does not run: before the first instruction what depends on none of its
// results, at the end the others. Throws Error where the host needs a value that stays inside.
void add_replay_host(const Graph& graph, Program& program);

}  // namespace workbench::xdnn
