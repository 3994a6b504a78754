// DORY's choice of tiles: its constraint programme by exhaustive search, ties to the
// lexicographically smallest tile as its solver does (docs/facts/pulp.md 3.3).
#include "compiler/pulp/dory_tiling.h"

#include <algorithm>
#include <optional>

#include "compiler/pulp/kernel_rules.h"
#include "compiler/pulp/tiling.h"
#include "core/error.h"
#include "isa/pulp/footprint.h"

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
  return elementwise(*problem.layer) ? problem.out_c
                                     : std::min(problem.out_c, channel_step(problem));
}

// Why there is no tile of the problem.
std::string no_tile(const DoryProblem& problem, const Machine& machine) {
  const std::string& name = problem.layer->name;
  const std::vector<DoryExtent> rows = row_extents(problem), columns = column_extents(problem);
  if (rows.empty() || columns.empty()) {
    return fmt::format(
        "{}: no L2-L1 tiling found: DORY's border rule leaves no tile of a {}x{} map under a "
        "{}x{} filter (docs/facts/pulp.md 3.3)",
        name, problem.in_h, problem.in_w, problem.kernel_h, problem.kernel_w);
  }
  const DoryTile least{smallest_channels(problem), rows.front().in, rows.front().out,
                       columns.front().in, columns.front().out};
  const std::int64_t bytes =
      (2 * buffer_bits(problem, least) + im2col_bits(problem, least)) / 8 + 1;
  const char* rule = "DORY's memory rule";
  if (traits(problem.layer->family).planes) {
    rule = "DORY's rule that a depthwise tile covers a map up to 32x32, and else its width,";
  } else if (!pools(*problem.layer)) {
    rule = "DORY's rule that input channels are not tiled";
  }
  return fmt::format(
      "{}: no L2-L1 tiling found: by {} the smallest tile, buffered twice, takes {} bytes of L1, "
      "of which there are {}",
      name, rule, bytes, machine.l1.buffer_bytes);
}

// `tiling` with the best tile by DORY's objective; nothing: no tile fits.
std::optional<Tiling> search(const DoryProblem& problem, const Machine& machine,
                             const Tiling& tiling, SearchSteps& steps) {
  const std::vector<DoryExtent> rows = row_extents(problem), columns = column_extents(problem);
  std::optional<Tiling> found;
  std::int64_t best = -1;
  const std::int64_t step = channel_step(problem);
  const std::int64_t most = steps.tiles + kDoryTiles;
  for (std::int64_t n = smallest_channels(problem); n <= problem.out_c; n += step) {
    for (const DoryExtent& row : rows) {
      if (++steps.tiles > most) {
        steps.stopped = true;
        return found;
      }
      if (objective_bound(problem, n, row, machine.l1.buffer_bytes) <= best) continue;
      for (const DoryExtent& column : columns) {
        const DoryTile tile{n, row.in, row.out, column.in, column.out};
        ++steps.tiles;
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
        found = candidate;
      }
    }
  }
  return found;
}

// DORY's L3-L2 tiler (docs/facts/pulp.md 3.4): whole layer, else slices of the weights, else of the
// rows.

// The layer's calls, its tensors whole.
Kernel whole_call(const Layer& layer, const Machine& machine) {
  Kernel call = layer.call;
  call.kind = dory_kernel(layer, machine);
  return call;
}

std::int64_t constant_bytes(const Kernel& call) {
  return weight_bytes(call) + 2 * norm_bytes(call) + bias_bytes(call);
}

struct L2Rules {
  std::int64_t bytes = 0;         // for the layer
  std::int64_t weight_bytes = 0;  // of those, for its weights
};

// What the next layer's prefetched weights leave; weights of more than half of L2 are not
// prefetched whole.
L2Rules rules_of(const Layer& layer, const Network& network, const Machine& machine,
                 const L2Budget& budget) {
  const std::int64_t l2 = machine.l2.buffer_bytes;
  const auto here = std::find_if(network.layers.begin(), network.layers.end(),
                                 [&](const Layer& other) { return other.name == layer.name; });
  L2Rules rules{.bytes = std::min(budget.bytes, l2), .weight_bytes = l2};
  if (here == network.layers.end()) return rules;
  if (here != network.layers.begin() && constant_bytes(whole_call(layer, machine)) > l2 / 2) {
    rules.weight_bytes = l2 / 2;
  }
  const auto next = here + 1;
  if (next != network.layers.end()) {
    const std::int64_t prefetched = std::min(constant_bytes(whole_call(*next, machine)), l2 / 2);
    rules.bytes = std::min(rules.bytes, l2 - prefetched);
  }
  return rules;
}

Cut whole_cut(const Layer& layer) { return {layer.call.out_c, layer.call.out_h, layer.call.out_w}; }

std::int64_t preferences(const Layer& layer, const Cut& slice, bool fits_l1) {
  const Kernel& call = layer.call;
  return (fits_l1 ? 20'000'000 : 0) + 100'000 * ((slice.out_h - 1) % 8) +
         (slice.out_c % 4 == 0 ? 100'000 : 0) + (call.out_c % slice.out_c == 0 ? 1'000'000 : 0) +
         (call.out_h % slice.out_h == 0 ? 1'000'000 : 0) +
         (slice.out_h == call.out_h ? 100'000 : 0) + (slice.out_c == call.out_c ? 10'000 : 0);
}

// What passes through L2 at a time: a slice, the tensors that are not sliced whole.
struct Candidate {
  Cut slice;
  std::int64_t l2_bytes = 0;
  DoryTile passing;
};

// Of all candidates that fit, the one preferred; bits of L2 count, too.
std::optional<Cut> best_slice(const Layer& layer, const Machine& machine, std::int64_t limit,
                              const std::vector<Candidate>& candidates) {
  const DoryProblem problem = dory_problem(layer, whole_cut(layer));
  std::optional<Cut> best;
  std::int64_t best_value = -1;
  for (const Candidate& candidate : candidates) {
    if (candidate.l2_bytes > limit) continue;
    const bool fits_l1 = fits_untiled(problem, candidate.passing, machine);
    const std::int64_t value =
        8 * candidate.l2_bytes + preferences(layer, candidate.slice, fits_l1);
    if (value <= best_value) continue;
    best_value = value;
    best = candidate.slice;
  }
  return best;
}

std::optional<Tiling> weight_slices(const Layer& layer, const Machine& machine,
                                    const L2Rules& rules) {
  const Kernel call = whole_call(layer, machine);
  const std::int64_t activations =
      input_bytes(call) + second_input_bytes(call) + output_bytes(call);
  const std::int64_t limit = std::min(rules.weight_bytes, rules.bytes - activations);
  const DoryProblem problem = dory_problem(layer, whole_cut(layer));
  std::vector<Candidate> candidates;
  const std::int64_t step = 8 / problem.narrowest_bits();
  for (std::int64_t n = step; n < call.out_c; n += step) {
    Kernel part = call;
    part.out_c = n;
    DoryTile passing = whole(problem);
    passing.n = n;
    candidates.push_back({{n, call.out_h, call.out_w}, 2 * constant_bytes(part), passing});
  }
  const auto slice = best_slice(layer, machine, limit, candidates);
  if (!slice) return std::nullopt;
  Tiling tiling;
  tiling.slice = *slice;
  tiling.weights_from_l3_by_slice = true;
  return tiling;
}

struct RowSlicing {
  bool input = false, output = false;
};

std::optional<Tiling> row_slices(const Layer& layer, const Machine& machine, const L2Rules& rules,
                                 const RowSlicing& sliced, std::int64_t pieces) {
  const Kernel call = whole_call(layer, machine);
  if (constant_bytes(call) > rules.weight_bytes) return std::nullopt;
  const DoryProblem problem = dory_problem(layer, whole_cut(layer));
  const std::int64_t forced = pieces > 0 ? ceil_div(call.out_h, pieces) : 0;
  std::vector<Candidate> candidates;
  for (std::int64_t rows = std::max<std::int64_t>(forced, 1); rows < call.out_h; ++rows) {
    const Cut cut{call.out_c, rows, call.out_w};
    Kernel part = call;
    if (sliced.input) part.in_h = std::min(dory_problem(layer, cut).in_h, call.in_h);
    if (sliced.output) part.out_h = rows;
    DoryTile passing = whole(problem);
    passing.h_in = part.in_h;
    passing.h_out = part.out_h;
    const std::int64_t bytes =
        (sliced.input ? 2 : 1) * (input_bytes(part) + second_input_bytes(part)) +
        (sliced.output ? 2 : 1) * output_bytes(part) + constant_bytes(call);
    if (bytes > rules.bytes) break;  // more rows take more
    candidates.push_back({cut, bytes, passing});
    if (forced > 0) break;
  }
  const auto slice = best_slice(layer, machine, rules.bytes, candidates);
  if (!slice) return std::nullopt;
  Tiling tiling;
  tiling.slice = *slice;
  tiling.input_from_l3 = sliced.input;
  tiling.output_to_l3 = sliced.output;
  tiling.slice_order = LoopOrder::RowsOuter;
  return tiling;
}

// Into how many slices of rows the layer before cut what this one reads; 0: into none.
std::int64_t pieces_of_input(const Layer& layer, const Network& network, const Machine& machine) {
  for (const Layer& other : network.layers) {
    if (other.out != layer.in || other.name == layer.name) continue;
    const L2Rules rules = rules_of(other, network, machine, {.bytes = machine.l2.buffer_bytes});
    for (const bool input : {false, true}) {
      const auto tiling = row_slices(other, machine, rules, {.input = input, .output = true}, 0);
      if (tiling) return ceil_div(other.call.out_h, tiling->slice.out_h);
    }
  }
  return 0;
}

std::optional<Tiling> any_slices(const Layer& layer, const Network& network, const Machine& machine,
                                 const L2Budget& budget, const L2Rules& rules) {
  if (!budget.input_in_l3 && !budget.output_in_l3 && channels_can_be_sliced(layer)) {
    if (auto tiling = weight_slices(layer, machine, rules)) return tiling;
  }
  if (traits(layer.family).vector) return std::nullopt;
  const std::int64_t pieces = budget.input_in_l3 ? pieces_of_input(layer, network, machine) : 0;
  for (const RowSlicing sliced : {RowSlicing{true, false}, {false, true}, {true, true}}) {
    if (sliced.input < budget.input_in_l3 || sliced.output < budget.output_in_l3) continue;
    // Rows of an input that lies in L2 whole are sliced only together with the output's.
    if (sliced.input && !sliced.output && !budget.input_in_l3) continue;
    if (auto tiling = row_slices(layer, machine, rules, sliced, pieces)) return tiling;
  }
  return std::nullopt;
}

std::int64_t whole_bytes(const Kernel& call) {
  return input_bytes(call) + second_input_bytes(call) + output_bytes(call) + constant_bytes(call);
}

std::optional<Tiling> dory_slices(const Layer& layer, const Network& network,
                                  const Machine& machine, const L2Budget& budget) {
  const Kernel call = whole_call(layer, machine);
  const L2Rules rules = rules_of(layer, network, machine, budget);
  Tiling tiling;
  tiling.slice = whole_cut(layer);
  tiling.l2_double_buffered = false;
  if (!budget.input_in_l3 && !budget.output_in_l3 && whole_bytes(call) <= rules.bytes &&
      constant_bytes(call) <= rules.weight_bytes) {
    return tiling;
  }
  return any_slices(layer, network, machine, budget, rules);
}

// Why there are no slices of the layer.
std::string no_slices(const Layer& layer, const Network& network, const Machine& machine,
                      const L2Budget& budget) {
  return fmt::format(
      "{}: no L3-L2 tiling found: the layer takes {} bytes of L2, {} are there, and DORY slices "
      "weights or activations, not both at once (docs/facts/pulp.md 3.4)",
      layer.name, whole_bytes(whole_call(layer, machine)),
      rules_of(layer, network, machine, budget).bytes);
}

}  // namespace

TilingResult dory_tiling(const Layer& layer, const Network& network, const Machine& machine,
                         const L2Budget& budget, SearchSteps& steps) {
  std::optional<Tiling> tiling = dory_slices(layer, network, machine, budget);
  if (!tiling) return {std::nullopt, no_slices(layer, network, machine, budget)};
  tiling->kernel = dory_kernel(layer, machine);
  const DoryProblem problem = dory_problem(layer, tiling->slice);
  tiling->tile = tiling->slice;
  tiling->double_buffered = false;
  if (!fits_untiled(problem, whole(problem), machine) || !really_fits(layer, *tiling, machine)) {
    tiling->double_buffered = true;
    tiling = search(problem, machine, *tiling, steps);
    if (!tiling) return {std::nullopt, no_tile(problem, machine)};
  }
  tiling->as_dory = true;
  if (!really_fits(layer, *tiling, machine)) tiling->as_dory = false;
  tiling->map = l1_map(layer, *tiling, machine);
  return {tiling, ""};
}

TilingResult dory_tiling(const Layer& layer, const Network& network, const Machine& machine,
                         const L2Budget& budget) {
  SearchSteps steps;
  return dory_tiling(layer, network, machine, budget, steps);
}

}  // namespace workbench::pulp
