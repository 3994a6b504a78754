// Exact allocation by branch and bound: finds a placement, proves that there is none, or says that
// its budget was spent. Budgets are counts of nodes, never time, so answers are reproducible.
#pragma once

#include <cstdint>
#include <optional>

#include "compiler/memory/allocate.h"

namespace workbench {

struct ExactResult {
  std::optional<Solution> solution;
  // place_exactly: there is a solution or there can be none. least_extent: the same, and no
  // solution has a smaller extent.
  bool proved = false;
  std::int64_t lower_bound = 0;  // no solution has a smaller extent
  std::int64_t nodes = 0;        // buffers placed by the search
};

// Any placement within problem.capacity. `prefer_top` is ignored. Problems of more than
// PlacementSearch::kMostBuffers buffers are not searched.
ExactResult place_exactly(const Problem& problem, std::int64_t node_limit);

// The placement of smallest extent, at most problem.capacity.
ExactResult least_extent(const Problem& problem, std::int64_t node_limit);

}  // namespace workbench
