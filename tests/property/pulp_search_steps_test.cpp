// Chains and graphs of up to 500 layers on clusters with little memory: the searches for tiles and
// addresses take no more steps than their budgets, counted and not timed, and leave a plan that
// fits.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/search_steps.h"
#include "compiler/pulp/tile_search.h"
#include "tests/support/pulp_layers.h"

namespace workbench::pulp {
namespace {

// Convolutions and sums of maps of one size, each of a map that was computed before: of the last
// `reach` ones.
Network random_network(std::mt19937_64& random, std::int64_t layers, std::int64_t reach) {
  const std::int64_t channels = 4 * static_cast<std::int64_t>(1 + random() % 6);
  const std::int64_t side = static_cast<std::int64_t>(4 + random() % 12);
  Network network;
  const auto add_map = [&] {
    network.activations.push_back({.value = "v" + std::to_string(network.activations.size()),
                                   .channels = channels,
                                   .height = side,
                                   .width = side});
  };
  add_map();
  for (std::int64_t i = 0; i < layers; ++i) {
    const auto operand = [&] {
      const auto back = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(reach));
      return static_cast<std::int32_t>(std::max<std::int64_t>(0, i - back));
    };
    const bool sum = random() % 4 == 0;
    Layer layer = layer_of(sum ? Family::Add : Family::Conv, {.in_c = channels,
                                                              .out_c = channels,
                                                              .size = side,
                                                              .kernel = sum ? 1 : 3,
                                                              .pad = sum ? 0 : 1});
    layer.name = "layer" + std::to_string(i);
    layer.in = operand();
    if (sum) layer.in2 = operand();
    layer.out = static_cast<std::int32_t>(i + 1);
    network.layers.push_back(layer);
    add_map();
  }
  return network;
}

struct Planned {
  MemoryPlans made;
  SearchSteps steps;
};

Planned planned(const Network& network, const Machine& machine, Tiler tiler, std::int64_t limit) {
  KernelCosts costs(machine);
  TilingMemo memo{costs};
  memo.steps.placement_limit = limit;
  MemoryPlans made = plan_memory(network, machine, tiler, {}, {}, memo);
  return {std::move(made), memo.steps};
}

void expect_fits(const Planned& planned, const Network& network, const Machine& machine) {
  EXPECT_NE(planned.made.plans.empty(), planned.made.obstacle.empty());
  for (const MemoryPlan& plan : planned.made.plans) {
    EXPECT_EQ(plan.layers.size(), network.layers.size());
    EXPECT_LE(plan.l2_bytes, machine.l2.buffer_bytes);
  }
}

TEST(PulpSearchSteps, of_random_graphs_stay_within_their_budgets) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr int kNetworks = 4;
#else
  constexpr int kNetworks = 24;
#endif
  std::mt19937_64 random(19);
  int stopped = 0, found = 0;
  for (int i = 0; i < kNetworks; ++i) {
    SCOPED_TRACE(testing::Message() << "network " << i);
    const std::int64_t layers = i == 0 ? 500 : static_cast<std::int64_t>(1 + random() % 500);
    const std::int64_t reach = i % 2 == 1 ? 1 : static_cast<std::int64_t>(1 + random() % 40);
    const Network network = random_network(random, layers, reach);
    Machine machine;
    const std::int64_t map = network.activations.front().bytes();
    machine.l2.buffer_bytes = map * static_cast<std::int64_t>(4 + random() % 24) + 16384;
    const Tiler tiler = i % 3 == 2 ? Tiler::Dory : Tiler::Optimal;
    const Planned whole = planned(network, machine, tiler, kPlacementSteps);
    expect_fits(whole, network, machine);
    // A search that ends early: what follows are few passes, each of all layers and of all pairs of
    // volumes.
    const Planned early = planned(network, machine, tiler, 0);
    expect_fits(early, network, machine);
    const std::int64_t volumes = 8 * layers + 8;
    EXPECT_LE(early.steps.placement, 16 * volumes * volumes);
    EXPECT_LE(whole.steps.placement, kPlacementSteps + volumes * (volumes + 20000));
    stopped += early.steps.stopped ? 1 : 0;
    found += early.made.plans.empty() ? 0 : 1;
    EXPECT_EQ(whole.made.plans.empty(), early.made.plans.empty());
  }
  EXPECT_GT(stopped, kNetworks / 4);
  EXPECT_GT(found, kNetworks / 4);
}

TEST(PulpSearchSteps, fewer_tiles_are_spread_over_all_sizes) {
  const Layer layer = layer_of(
      Family::Conv, {.in_c = 16, .out_c = 64, .size = 512, .kernel = 3, .stride = 1, .pad = 1});
  Tiling sliced;
  sliced.slice = {layer.call.out_c, layer.call.out_h, layer.call.out_w};
  const Machine machine;
  std::int64_t all = 0;
  for (const std::int64_t most : {kTilesPerLayer, std::int64_t{20000}, std::int64_t{1000}}) {
    SearchSteps steps;
    const auto tiles = rank_tiles(layer, sliced, machine, 5, false, most, steps);
    ASSERT_FALSE(tiles.empty()) << most;
    EXPECT_EQ(steps.stopped, most < kTilesPerLayer);
    if (most == kTilesPerLayer) all = steps.tiles;
    // Of each kernel and number of cores, at most.
    const auto searches = static_cast<std::int64_t>(4 * machine.cluster.cores);
    EXPECT_LE(steps.tiles, most * searches);
    EXPECT_LE(steps.tiles, all);
    for (const Tiling& tiling : tiles) {
      EXPECT_LE(l1_map(layer, tiling, machine).end, machine.l1.buffer_bytes);
    }
  }
}

}  // namespace
}  // namespace workbench::pulp
