// DORY's choice of tiles: its constraint programme by exhaustive search, ties to the
// lexicographically smallest tile as its solver does (pulp.md 3.3).
#include <algorithm>

#include "compiler/pulp/dory_rules.h"
#include "compiler/pulp/kernel_choice.h"
#include "compiler/pulp/l1_map.h"
#include "core/error.h"

namespace workbench::pulp {
namespace {

// Extra bits of the constraint C + 20 <= 32 * 8 * L1 are less than one bit of memory.
bool fits(const DoryProblem& problem, const DoryTile& tile, std::int64_t l1_bytes) {
  const std::int64_t bits = 2 * buffer_bits(problem, tile) + im2col_bits(problem, tile);
  return 32 * bits + 20 <= 32 * 8 * l1_bytes;
}

// Along an axis that the tile covers all of, the whole output belongs to it.
Cut cut_of(const DoryProblem& problem, const DoryTile& tile) {
  return {.out_c = tile.n,
          .out_h = tile.h_in >= problem.in_h ? problem.out_h : tile.h_out,
          .out_w = tile.w_in >= problem.in_w ? problem.out_w : tile.w_out};
}

// DORY counts im2col buffers of tall inputs too small, and the output of a whole padded map without
// its border: such a tile would overrun L1.
bool really_fits(const Layer& layer, const Tiling& tiling, const Machine& machine) {
  return l1_map(layer, tiling, machine).end <= machine.l1.buffer_bytes;
}

std::int64_t channel_step(const DoryProblem& problem) { return 8 / problem.narrowest_bits(); }

std::int64_t smallest_channels(const DoryProblem& problem) {
  const bool whole_channels =
      problem.layer->kind == LayerKind::Add || problem.layer->kind == LayerKind::Requantize;
  return whole_channels ? problem.out_c : std::min(problem.out_c, channel_step(problem));
}

[[noreturn]] void fail_no_tile(const DoryProblem& problem, const std::vector<DoryExtent>& rows,
                               const std::vector<DoryExtent>& columns, const Machine& machine) {
  const std::string& name = problem.layer->name;
  if (rows.empty() || columns.empty()) {
    fail(
        "{}: no L2-L1 tiling found: DORY's border rule leaves no tile of a {}x{} map under a "
        "{}x{} filter (pulp.md 3.3)",
        name, problem.in_h, problem.in_w, problem.kernel_h, problem.kernel_w);
  }
  const DoryTile least{smallest_channels(problem), rows.front().in, rows.front().out,
                       columns.front().in, columns.front().out};
  const std::int64_t bytes =
      (2 * buffer_bits(problem, least) + im2col_bits(problem, least)) / 8 + 1;
  const char* rule = "DORY's memory rule";
  if (problem.layer->kind == LayerKind::Depthwise) {
    rule = "DORY's rule that a depthwise tile covers a map up to 32x32, and else its width,";
  } else if (problem.layer->kind != LayerKind::MaxPool &&
             problem.layer->kind != LayerKind::AveragePool) {
    rule = "DORY's rule that input channels are not tiled";
  }
  fail(
      "{}: no L2-L1 tiling found: by {} the smallest tile, buffered twice, takes {} bytes of L1, "
      "of which there are {}",
      name, rule, bytes, machine.l1.buffer_bytes);
}

// The best tile by DORY's objective, in `tiling`.
void search(const DoryProblem& problem, const Machine& machine, Tiling& tiling) {
  const std::vector<DoryExtent> rows = row_extents(problem), columns = column_extents(problem);
  std::int64_t best = -1;
  const std::int64_t step = channel_step(problem);
  for (std::int64_t n = smallest_channels(problem); n <= problem.out_c; n += step) {
    for (const DoryExtent& row : rows) {
      if (objective_bound(problem, n, row, machine.l1.buffer_bytes) <= best) continue;
      for (const DoryExtent& column : columns) {
        const DoryTile tile{n, row.in, row.out, column.in, column.out};
        if (!fits(problem, tile, machine.l1.buffer_bytes)) break;  // wider ones take more
        const std::int64_t value = objective(problem, tile);
        if (value <= best) continue;
        Tiling candidate = tiling;
        candidate.tile = cut_of(problem, tile);
        if (!really_fits(*problem.layer, candidate, machine)) continue;
        if (!row_tiles_read(problem.layer->call, problem.out_h, candidate.tile.out_h) ||
            !column_tiles_read(problem.layer->call, problem.out_w, candidate.tile.out_w)) {
          continue;
        }
        best = value;
        tiling = candidate;
      }
    }
  }
  if (best < 0) fail_no_tile(problem, rows, columns, machine);
}

}  // namespace

Tiling dory_tiling(const Layer& layer, const Network& network, const Machine& machine,
                   const L2Budget& budget) {
  Tiling tiling = dory_slices(layer, network, machine, budget);
  tiling.kernel = dory_kernel(layer, machine);
  const DoryProblem problem = dory_problem(layer, tiling.slice);
  tiling.tile = tiling.slice;
  tiling.double_buffered = false;
  if (!fits_untiled(problem, whole(problem), machine) || !really_fits(layer, tiling, machine)) {
    tiling.double_buffered = true;
    search(problem, machine, tiling);
  }
  tiling.as_dory = true;
  if (!really_fits(layer, tiling, machine)) tiling.as_dory = false;
  tiling.map = l1_map(layer, tiling, machine);
  return tiling;
}

}  // namespace workbench::pulp
