// Tile sizes of hardware-assisted tiling (xdnn.md 4.7), chosen by modelled cost: while one tile is
// computed the next one is brought from DDR, so wide low tiles that re-read little win until their
// buffers no longer fit.
#include <algorithm>
#include <optional>
#include <set>

#include "compiler/xdnn/lowered.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/footprint.h"

namespace workbench::xdnn {

namespace {

// Sizes that cut `total` into distinct numbers of pieces, multiples of `unit`.
std::vector<std::int64_t> candidate_sizes(std::int64_t total, std::int64_t unit) {
  std::set<std::int64_t> sizes;
  for (std::int64_t pieces = 1; pieces <= total; ++pieces) {
    sizes.insert(std::min(total, round_up(ceil_div(total, pieces), unit)));
  }
  return {sizes.begin(), sizes.end()};
}

Cycles tiled_cost(const Instruction& instruction, const Machine& machine) {
  const ConvCost conv = conv_cost(instruction, machine);
  const bool resident = conv.passes * conv.slab_buffers <= machine.filters.buffers;
  const Cycles filters = ddr_cycles(conv.slab, machine) * (resident ? 0 : conv.passes);
  Cycles total{}, computing{};
  for (const TileCost& tile : tile_costs(instruction, machine.geometry())) {
    total += std::max(computing, ddr_cycles(tile.ddr, machine) + filters);
    computing = {tile.out_rows * tile.out_cols * conv.steps * conv.passes};
  }
  return total + computing;
}

}  // namespace

void choose_tile(Lowered& lowered, LoweredOp& op, const Machine& machine, std::int64_t limit) {
  const Map& result = lowered.maps[static_cast<std::size_t>(op.result)];
  struct Choice {
    Cycles cost;
    std::int64_t width, height, words;
  };
  std::optional<Choice> best;
  std::int64_t smallest = 0;
  for (const std::int64_t width : candidate_sizes(result.width, 8)) {
    for (const std::int64_t height : candidate_sizes(result.height, 1)) {
      op.tile_width = width, op.tile_height = height;
      const Instruction instruction = instruction_of(lowered, op, machine);
      const std::int64_t words = tile_buffer_words(instruction);
      if (smallest == 0 || words < smallest) smallest = words;
      if (2 * words > limit) continue;
      const Cycles cost = tiled_cost(instruction, machine);
      if (!best || cost < best->cost) best = Choice{cost, width, height, words};
    }
  }
  if (!best) {  // not even the smallest: place() will say what is missing
    op.tile_width = std::min<std::int64_t>(8, result.width), op.tile_height = 1;
    op.buffer_words = smallest;
    return;
  }
  op.tile_width = best->width, op.tile_height = best->height, op.buffer_words = best->words;
}

void choose_tiles(Lowered& lowered, const Machine& machine, std::int64_t words_limit) {
  for (LoweredOp& op : lowered.ops) {
    if (has_tile_buffers(op)) choose_tile(lowered, op, machine, words_limit);
  }
}

}  // namespace workbench::xdnn
