// Random layers, L1 and L2 sizes, core counts: what the tilers return can run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <random>

#include "compiler/pulp/dory_tiling.h"
#include "compiler/pulp/kernel_rules.h"
#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/tile_model.h"
#include "compiler/pulp/tile_search.h"
#include "compiler/pulp/tiling.h"
#include "core/error.h"
#include "isa/pulp/check.h"
#include "isa/pulp/cost.h"
#include "isa/pulp/footprint.h"
#include "tests/support/pulp_layers.h"

namespace workbench::pulp {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 30;
#else
constexpr std::uint64_t kCases = 300;
#endif

struct Case {
  Network network;
  Machine machine;
  L2Budget budget;
  const Layer& layer() const { return network.layers.front(); }
};

Case random_case(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto log_uniform = [&](double low, double high) {
    const double log = std::uniform_real_distribution<>(std::log(low), std::log(high))(random);
    return static_cast<std::int64_t>(std::exp(log));
  };
  Case one;
  one.network.layers.push_back(random_layer(random));
  one.machine.l1.buffer_bytes = log_uniform(400, 65536);
  const std::int64_t cores[] = {1, 2, 3, 4, 8, 8, 16};
  one.machine.cluster.cores = cores[random() % 7];
  one.machine.l2.buffer_bytes = log_uniform(4000, 500000);
  one.budget = {.bytes = one.machine.l2.buffer_bytes,
                .input_in_l3 = random() % 8 == 0,
                .output_in_l3 = random() % 8 == 0};
  return one;
}

void for_each_block(const Cut& all, const Cut& cut,
                    const std::function<void(const Cut& at, const Cut& block)>& visit,
                    const Cut& from = {0, 0, 0}) {
  for (std::int64_t c = 0; c < all.out_c; c += cut.out_c) {
    for (std::int64_t y = 0; y < all.out_h; y += cut.out_h) {
      for (std::int64_t x = 0; x < all.out_w; x += cut.out_w) {
        visit({from.out_c + c, from.out_h + y, from.out_w + x},
              {std::min(cut.out_c, all.out_c - c), std::min(cut.out_h, all.out_h - y),
               std::min(cut.out_w, all.out_w - x)});
      }
    }
  }
}

void for_each_tile(const Layer& layer, const Tiling& tiling,
                   const std::function<void(const Cut& at, const Cut& block)>& visit) {
  const Cut whole{layer.call.out_c, layer.call.out_h, layer.call.out_w};
  for_each_block(whole, tiling.slice, [&](const Cut& at, const Cut& slice) {
    for_each_block(slice, tiling.tile, visit, at);
  });
}

struct Piece {
  std::int64_t begin, end;
};

// The buffers of `call`, each as large as it needs them.
std::vector<Piece> pieces(const Kernel& call, const L1Map& map, const Machine& machine) {
  std::vector<Piece> result;
  const auto add = [&](const std::int64_t(&at)[2], std::int64_t bytes) {
    if (bytes == 0) return;
    result.push_back({at[0], at[0] + bytes});
    if (at[1] != at[0]) result.push_back({at[1], at[1] + bytes});
  };
  add(map.in, input_bytes(call));
  add(map.in2, second_input_bytes(call));
  add(map.out, output_bytes(call));
  add(map.weights, weight_bytes(call));
  add(map.kappa, norm_bytes(call));
  add(map.lambda, norm_bytes(call));
  add(map.bias, bias_bytes(call));
  const std::int64_t scratch = scratch_bytes(call, machine);
  if (scratch > 0) result.push_back({map.scratch, map.scratch + scratch});
  std::sort(result.begin(), result.end(),
            [](const Piece& a, const Piece& b) { return a.begin < b.begin; });
  return result;
}

void expect_disjoint(const std::vector<Piece>& all, const L1Map& map, std::int64_t l1_bytes) {
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_GE(all[i].begin, all[i - 1].end);
  EXPECT_LE(all.back().end, map.end);
  EXPECT_LE(map.end, l1_bytes);
}

void expect_pass_runs(const Case& one, const Tiling& tiling, const Kernel& tile, const Pass& pass) {
  Kernel call = pass_call(tile, tiling.passes, pass);
  call.kappa = tiling.map.kappa[1], call.lambda = tiling.map.lambda[1];
  call.bias = call.sums_in ? tiling.map.sums : tiling.map.bias[1];
  call.out = pass.last ? tiling.map.out[1] : tiling.map.sums;
  EXPECT_EQ(malformed(call, one.machine), "");
  L1Map map = tiling.map;
  if (!pass.last) map.out[0] = map.out[1] = map.sums;
  if (call.sums_in) map.bias[0] = map.bias[1] = map.sums;
  if (call.sums_in && !pass.last) call.sums_in = call.has_bias = false;  // in place
  expect_disjoint(pieces(call, map, one.machine), map, one.machine.l1.buffer_bytes);
}

void expect_runs(const Case& one, const Tiling& tiling) {
  const Layer& layer = one.layer();
  std::int64_t outputs = 0;
  for_each_tile(layer, tiling, [&](const Cut& at, const Cut& block) {
    Kernel tile = tile_call(layer, tiling.kernel, at.out_c, at.out_h, at.out_w, block);
    tile.cores = tiling.cores;
    for (const Pass& pass : passes_of(tiling.passes, tile))
      expect_pass_runs(one, tiling, tile, pass);
    EXPECT_EQ(at.out_c * layer.call.out_bits % 8, 0);
    const InputSpan rows = input_rows(layer.call, at.out_h, at.out_h + block.out_h);
    EXPECT_GE(rows.begin, 0);
    EXPECT_LE(rows.end, layer.call.in_h);
    EXPECT_LE(rows.pad_before, layer.call.pad_top);
    EXPECT_LE(rows.pad_after, layer.call.pad_bottom);
    outputs += block.out_c * block.out_h * block.out_w;
  });
  EXPECT_EQ(outputs, layer.call.out_c * layer.call.out_h * layer.call.out_w);
  // DORY does not count what alignment takes.
  EXPECT_LE(l2_bytes(layer, tiling, one.machine), one.budget.bytes + 32);
  EXPECT_GE(tiling.input_from_l3, one.budget.input_in_l3);
  EXPECT_GE(tiling.output_to_l3, one.budget.output_in_l3);
}

TEST(PulpTilingProperty, optimal_tiles_run_and_exist_where_the_smallest_tile_fits) {
  std::uint64_t on_some_cores = 0;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    const Case one = random_case(seed);
    const auto [tiling, obstacle] =
        optimal_tiling(one.layer(), one.network, one.machine, one.budget);
    EXPECT_EQ(tiling.has_value(), obstacle.empty());
    if (tiling) {
      expect_runs(one, *tiling);
      on_some_cores += tiling->cores > 0 ? 1 : 0;
      continue;
    }
    const auto choices = slice_choices(one.layer(), one.machine, one.budget);
    if (choices.empty()) {
      EXPECT_GT(smallest_l2(one.layer(), one.machine, one.budget), one.budget.bytes) << obstacle;
    } else {
      EXPECT_GT(smallest_l1(one.layer(), choices.front(), one.machine), one.machine.l1.buffer_bytes)
          << obstacle;
    }
  }
  EXPECT_GE(on_some_cores, kCases / 60);
}

TEST(PulpTilingProperty, dorys_tiles_run) {
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    const Case one = random_case(seed);
    const auto [tiling, obstacle] = dory_tiling(one.layer(), one.network, one.machine, one.budget);
    EXPECT_EQ(tiling.has_value(), obstacle.empty());
    if (!tiling) continue;
    expect_runs(one, *tiling);
    ++found;
  }
  EXPECT_GT(found, kCases / 4);
}

TEST(PulpTilingProperty, optimal_tiles_are_never_slower_than_dorys_by_the_model) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(seed);
    Case one = random_case(seed);
    one.budget = {.bytes = one.machine.l2.buffer_bytes = 500000};
    const auto dory = dory_tiling(one.layer(), one.network, one.machine, one.budget).tiling;
    if (!dory) continue;
    const auto tiling = optimal_tiling(one.layer(), one.network, one.machine, one.budget).tiling;
    ASSERT_TRUE(tiling);
    EXPECT_LE(tiling->modelled.value, modelled_cycles(one.layer(), *dory, one.machine).value);
  }
}

// Exact and rough cycles of a layer's first tile.
struct TileCost {
  double exact = 0, rough = 0;
};

TileCost tile_cost(const Layer& layer, KernelKind kind, const Cut& tile, const Machine& machine) {
  const Kernel call = tile_call(layer, kind, 0, 0, 0, tile);
  const std::vector<std::int64_t> cores = core_cycles(call, machine);
  const std::int64_t in_rows = call.in_h + call.pad_top + call.pad_bottom;
  return {static_cast<double>(*std::max_element(cores.begin(), cores.end())),
          map_work(kind, layer.call, std::ssize(cores), in_rows, call.out_h, call.out_w) *
              channel_work(kind, layer.call, std::ssize(cores), call.out_c)};
}

// Rough growth over exact growth, from the tile that the search scales by to another; none where
// that is no tile, or so small that entry and exit of the kernel prevail.
std::optional<double> relative_growth(const Layer& layer, KernelKind kind, const Cut& tile,
                                      const Machine& machine) {
  const Kernel& whole = layer.call;
  if (!row_tiles_read(whole, whole.out_h, tile.out_h)) return std::nullopt;
  if (!column_tiles_read(whole, whole.out_w, tile.out_w)) return std::nullopt;
  const Cut usual{std::min<std::int64_t>(whole.out_c, 32), std::min<std::int64_t>(whole.out_h, 8),
                  std::min<std::int64_t>(whole.out_w, 8)};
  const TileCost from = tile_cost(layer, kind, usual, machine);
  const TileCost to = tile_cost(layer, kind, tile, machine);
  if (to.exact < 2000) return std::nullopt;
  return to.rough / from.rough * from.exact / to.exact;
}

// docs/facts/pulp.md 4.4
TEST(KernelRules, rough_cycles_grow_as_the_exact_ones_do) {
  std::mt19937_64 random(1);
  const Machine machine;
  std::map<KernelKind, std::vector<double>> growth;
  for (int i = 0; i < 4000; ++i) {
    const Layer layer = random_layer(random);
    const Kernel& whole = layer.call;
    const auto up_to = [&](std::int64_t most) {
      return 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most));
    };
    const Cut tile{up_to(whole.out_c), up_to(whole.out_h), up_to(whole.out_w)};
    if (whole.in_bits != 8 || whole.out_bits != 8 || whole.weight_bits != 8) continue;
    for (const KernelKind kind : usable_kernels(layer, machine)) {
      if (const auto one = relative_growth(layer, kind, tile, machine))
        growth[kind].push_back(*one);
    }
  }
  EXPECT_GT(growth.size(), 10u);
  for (auto& [kind, values] : growth) {
    std::sort(values.begin(), values.end());
    if (values.size() < 20) continue;  // of windows that are seldom drawn
    const double median = values[values.size() / 2];
    EXPECT_GT(median, 0.75) << to_string(kind) << ", " << values.size() << " tiles";
    EXPECT_LT(median, 1.15) << to_string(kind) << ", " << values.size() << " tiles";
    if (!traits(kind).weights || values.size() < 100) continue;
    EXPECT_GT(values[values.size() / 20], 0.6) << to_string(kind);
    EXPECT_LT(values[values.size() * 19 / 20], 1.45) << to_string(kind);
  }
}

}  // namespace
}  // namespace workbench::pulp
