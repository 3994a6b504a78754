// Large maps in small memories, and graphs of up to 500 layers: the searches of the xDNN compiler
// take no more steps than their budgets, counted and not timed, and growing networks take no more
// than n log n of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/compile.h"
#include "compiler/xdnn/memory_plan.h"
#include "compiler/xdnn/network_tasks.h"
#include "compiler/xdnn/order.h"
#include "compiler/xdnn/order_search.h"
#include "compiler/xdnn/placed.h"
#include "compiler/xdnn/plan_cuts.h"
#include "core/error.h"
#include "tests/support/graph_builder.h"
#include "tests/support/random_machine.h"

namespace workbench::xdnn {
namespace {

// WORKBENCH_SEARCH_SEED: for other networks and machines, by hand.
std::uint64_t seed_from(std::uint64_t usual) {
  const char* number = std::getenv("WORKBENCH_SEARCH_SEED");
  return usual + (number == nullptr ? 0 : std::strtoull(number, nullptr, 10));
}

std::int64_t dice(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
}

// Convolutions and sums, each of one of the last `reach` maps; all maps are alike.
Graph random_layers(std::mt19937_64& random, std::int64_t layers, std::int64_t reach,
                    const Shape& map, const std::vector<std::int64_t>& kernel) {
  GraphBuilder build(random());
  std::vector<ValueId> values = {build.input("x", map)};
  const std::vector<std::int64_t> pads = {kernel[0] / 2, kernel[1] / 2};
  const Window window{kernel, {1, 1}, {1, 1}, pads, pads};
  for (std::int64_t i = 0; i < layers; ++i) {
    const auto operand = [&] {
      const auto most = std::min<std::int64_t>(reach, std::ssize(values));
      return values[values.size() - static_cast<std::size_t>(dice(random, 1, most))];
    };
    const std::string name = "n" + std::to_string(i);
    const bool sum = i > 0 && dice(random, 1, 4) == 1;
    values.push_back(sum ? build.binary(name, Binary::Kind::Add, operand(), operand())
                         : build.conv(name, operand(), map[1], window));
  }
  Graph graph = build.graph();
  const auto readers = consumers(graph);
  for (const ValueId id : values) {
    if (readers[static_cast<std::size_t>(id)].empty()) graph.outputs.push_back(id);
  }
  return graph;
}

Graph quantized_for(const Machine& machine, Graph graph) {
  run_passes(graph, float_pipeline());
  Thresholds thresholds;  // any: only the values' sizes matter here
  for (const Value& value : graph.values) {
    if (!value.constant) thresholds[value.name] = 1;
  }
  return quantize(graph, thresholds,
                  {.limits = requantize_limits(machine), .host_reason = host_reasons(machine)});
}

struct OrderSteps {
  std::int64_t tasks = 0, steps = 0, largest_append = 0;
};

// As order.cpp asks for it, region by region.
OrderSteps order_steps(const Graph& quantized, const Machine& machine) {
  const NetworkTasks network = network_tasks(quantized, machine);
  const NetworkParts parts(network.compiled);
  OrderSteps sum;
  EngineClock clock;
  for (const auto& region : network.regions) {
    const OrderProblem part = parts.part(region, clock);
    const SearchResult best = best_order(part, Goal::Time);
    EXPECT_TRUE(is_valid(part, best.order));
    clock = best.score.clock;
    sum.tasks += std::ssize(part.tasks);
    sum.steps += best.steps;
    sum.largest_append = std::max(sum.largest_append, part.steps_of_append());
  }
  return sum;
}

#if defined(__SANITIZE_ADDRESS__)
constexpr std::int64_t kMostLayers = 125;
constexpr int kMachines = 6;
#else
constexpr std::int64_t kMostLayers = 500;
constexpr int kMachines = 40;
#endif

TEST(XdnnSearchSteps, of_an_order_grow_no_worse_than_n_log_n) {
  std::mt19937_64 random(seed_from(23));
  for (const std::int64_t reach : {std::int64_t{2}, std::int64_t{6}, kMostLayers}) {
    double least = 0;  // steps for each n log n, of the smallest network
    for (std::int64_t layers = kMostLayers / 16; layers <= kMostLayers; layers *= 2) {
      SCOPED_TRACE(testing::Message() << layers << " layers, reach " << reach);
      Machine machine = random_machine(random);
      machine.am.size_bytes = std::int64_t{16} << 20;
      const Graph graph = random_layers(random, layers, reach, {1, 8, 6, 6}, {3, 3});
      const OrderSteps taken = order_steps(quantized_for(machine, graph), machine);
      // One successor of each level is appended though nothing is left.
      const std::int64_t budget = SearchLimits{}.steps_per_task * taken.tasks;
      EXPECT_LE(taken.steps, budget + taken.tasks * taken.largest_append);
      const double n = static_cast<double>(std::max<std::int64_t>(2, taken.tasks));
      const double each = static_cast<double>(SearchLimits{}.steps_per_task);
      EXPECT_LE(static_cast<double>(taken.steps), 2 * each * n * std::log2(n));
      least = std::max(least, static_cast<double>(taken.steps) / (n * std::log2(n)));
    }
    EXPECT_GT(least, 0);
  }
}

TEST(XdnnSearchSteps, of_memory_plans_for_large_maps_stay_within_their_budget) {
  std::mt19937_64 random(seed_from(29));
  int planned = 0, refused = 0;
  const std::vector<Shape> maps = {{1, 1, 1, 20000}, {1, 2, 500, 500}, {1, 1, 1500, 1500},
                                   {1, 16, 64, 64},  {1, 3, 8, 5000},  {1, 4, 300, 2}};
  const std::vector<std::vector<std::int64_t>> kernels = {{1, 1}, {1, 7}, {3, 3}, {1, 31}};
  for (int i = 0; i < kMachines; ++i) {
    const Shape& map = maps[random() % maps.size()];
    auto kernel = kernels[random() % kernels.size()];
    kernel[0] = std::min(kernel[0], map[2]);
    const Family family = i % 3 == 0 ? Family::Darius : Family::V3;
    Machine machine = random_machine(random, family);
    machine.am.size_bytes = std::int64_t{1} << dice(random, 14, 20);
    if (!contradiction(machine).empty()) continue;
    SCOPED_TRACE(testing::Message()
                 << "machine " << i << ", map " << map[1] << "x" << map[2] << "x" << map[3]);
    const Graph graph = random_layers(random, dice(random, 1, 6), 3, map, kernel);
    try {
      const Graph quantized = quantized_for(machine, graph);
      const Placed placed = place_fastest_order(quantized, machine);
      // The last step that began may be as large as one program.
      const std::int64_t last = PlanSteps::kOfPlannedOp * machine.control.instructions_max;
      EXPECT_LE(placed.plan_steps, PlanSteps::kMost + 2 * last);
      planned += placed.plan_steps > 0 ? 1 : 0;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(planned, kMachines / 8);
  EXPECT_LT(refused, kMachines);
}

// A machine may cut a small network into a thousand layers. The states that the search for a plan
// goes on from are counted, and become fewer where the steps would not do for all.
TEST(XdnnSearchSteps, of_a_memory_plan_for_many_layers_are_those_it_has) {
  std::mt19937_64 random(seed_from(31));
  Machine machine = load_machine("configs/math_engine.yaml");
  machine.am.size_bytes = std::int64_t{1} << 17;
  const Graph graph = random_layers(random, 150, 12, {1, 8, 16, 16}, {1, 1});
  const Graph quantized = quantized_for(machine, graph);
  Lowered lowered = lower(quantized, machine, natural_order(quantized));
  const MemoryModel model(lowered, machine);
  std::vector<std::int64_t> taken;
  for (const std::int64_t limit : {std::int64_t{1} << 17, std::int64_t{1} << 40}) {
    PlanSteps steps{.limit = limit};
    BandChoices bands(model, steps);
    EXPECT_TRUE(search_plan(model, machine.am.buffers, bands));
    taken.push_back(steps.taken);
  }
  // Few states before each op, each with a few ways on, are the least there is.
  EXPECT_LE(taken[0], (std::int64_t{1} << 17) + 512 * std::ssize(model.ops));
  EXPECT_GE(taken[1], 4 * taken[0]);
}

}  // namespace
}  // namespace workbench::xdnn
