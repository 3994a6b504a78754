// DORY's rules of 2021-03 (dory-f8), as published: what its two tilers may choose from and what
// they prefer (docs/facts/pulp.md 3.3, 3.4). Sizes are in bits, as there.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/pulp/search_steps.h"
#include "compiler/pulp/tiling.h"

namespace workbench::pulp {

// A layer, or a slice of it in L2, as DORY's L2-L1 tiler sees it.
struct DoryProblem {
  const Layer* layer = nullptr;
  std::int64_t in_c = 1, in_h = 1, in_w = 1, out_c = 1, out_h = 1, out_w = 1;
  std::int64_t kernel_h = 1, kernel_w = 1;  // with dilation
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;

  // Bits of a code where the narrowest tensor has fewer than 8, else 8.
  std::int64_t narrowest_bits() const;
};
DoryProblem dory_problem(const Layer& layer, const Cut& slice);

bool elementwise(const Layer& layer);  // additions, requantizations
bool pools(const Layer& layer);

struct DoryTile {
  std::int64_t n = 1, h_in = 1, h_out = 1, w_in = 1, w_out = 1;
};
DoryTile whole(const DoryProblem& problem);

// Bits in L1 of one set of buffers, and of the im2col buffer beside them.
std::int64_t buffer_bits(const DoryProblem& problem, const DoryTile& tile);
std::int64_t im2col_bits(const DoryProblem& problem, const DoryTile& tile);
// Whether it fits L1 single-buffered, which suffices where nothing is tiled.
bool fits_untiled(const DoryProblem& problem, const DoryTile& tile, const Machine& machine);

// Extents of the input, ascending, that tiles may have along an axis.
struct DoryExtent {
  std::int64_t in = 1, out = 1;
};
std::vector<DoryExtent> row_extents(const DoryProblem& problem);
std::vector<DoryExtent> column_extents(const DoryProblem& problem);

// What the L2-L1 solver maximises.
std::int64_t objective(const DoryProblem& problem, const DoryTile& tile);

// No tile of these channels and rows that fits L1 has more.
std::int64_t objective_bound(const DoryProblem& problem, std::int64_t n, const DoryExtent& row,
                             std::int64_t l1_bytes);

// DORY's tiles, or the rule by which its solver finds none.
TilingResult dory_tiling(const Layer& layer, const Network& network, const Machine& machine,
                         const L2Budget& budget, SearchSteps& steps);
TilingResult dory_tiling(const Layer& layer, const Network& network, const Machine& machine,
                         const L2Budget& budget);

}  // namespace workbench::pulp
