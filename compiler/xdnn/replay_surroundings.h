// What a replayed program has around its instructions: filters, DDR addresses, the host's part, and
// what is said of the whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compiler/xdnn/lower.h"
#include "core/graph.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

struct ReplayFilters {
  std::int32_t step = 0;  // a convolution
  std::size_t node = 0;   // whose weights these are
  GroupBlock block;       // of them
};
struct ReplayDdrUse {
  std::int32_t step = 0;    // gather, scatter or tiled instruction
  std::size_t tensor = 0;   // of Program::ddr_tensors
  std::int64_t offset = 0;  // in it, bytes: of a group of channels
  std::size_t operand = 0;
  bool result = false;
};

// Packs the filters, behind one another. Throws Error where they exceed the DDR.
void pack_replay_filters(const Graph& graph, const Machine& card,
                         const std::vector<ReplayFilters>& filters, Program& program);

// Places the DDR tensors behind the filters and tells the instructions where. `between`: the tensor
// that slice 0 leaves to slice 1, which has two buffers; -1: none.
void place_replay_tensors(const Graph& graph, const Machine& machine,
                          const std::vector<ReplayDdrUse>& uses, std::ptrdiff_t between,
                          Program& program);

// Nodes that the accelerator does not run: when `turns` says (by name, the instruction behind), or
// as late as the instructions that read their results let them, in as few turns. Throws Error where
// the host needs a value that stays inside, or one that is not there yet.
void add_replay_host(const Graph& graph, const std::vector<ReplayDdrUse>& uses,
                     const std::map<std::string, std::int32_t>& turns, Program& program);

// Figures of the whole program: moved bytes, peak and extent of the AM.
void describe_replay(const Graph& graph, const Machine& machine, Program& program);

}  // namespace workbench::xdnn
