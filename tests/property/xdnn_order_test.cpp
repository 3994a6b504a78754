// Whatever the order of the layers, the network computes the same: random networks on random
// machines, compiled in random orders and in every order the compiler chooses.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/compile.h"
#include "compiler/xdnn/network_tasks.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/graph_builder.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_machine.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 40;
#else
constexpr int kCases = 120;
#endif

struct Case {
  Graph quantized;
  xdnn::Machine machine;
  std::vector<Tensor> input;
};

Case make_case(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Case c;
  // Many joins, so that there is something to choose.
  Graph graph = random_graph(random, {.residual = 0.25, .concat = 0.25});
  c.machine = random_machine(random);
  c.machine.am.size_bytes = std::int64_t{16} << 20;  // what does not fit is another test's subject
  for (const ValueId id : graph.inputs) {
    c.input.push_back(random_tensor(random, graph.value(id).shape, -128, 128));
  }
  run_passes(graph, float_pipeline());
  c.quantized = quantize(
      graph, calibrate(graph, {c.input}, 8),
      {.limits = xdnn::requantize_limits(c.machine), .host_reason = xdnn::host_reasons(c.machine)});
  return c;
}

// Every node by name, each after its operands, otherwise at random.
xdnn::OrderFile random_schedule(const Graph& graph, std::mt19937_64& random) {
  const auto writer = producers(graph);
  xdnn::OrderFile file{.path = "random", .entries = {}};
  std::vector<bool> done(graph.nodes.size(), false);
  while (file.entries.size() < graph.nodes.size()) {
    std::vector<std::size_t> ready;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      const auto& inputs = graph.nodes[n].inputs;
      const bool possible = std::all_of(inputs.begin(), inputs.end(), [&](ValueId id) {
        const std::ptrdiff_t from = id == kNoValue ? -1 : writer[static_cast<std::size_t>(id)];
        return from < 0 || done[static_cast<std::size_t>(from)];
      });
      if (possible && !done[n]) ready.push_back(n);
    }
    const std::size_t n = ready[random() % ready.size()];
    done[n] = true;
    file.entries.push_back({graph.nodes[n].name, static_cast<int>(file.entries.size()) + 1});
  }
  return file;
}

void expect_order_of(const Graph& graph, const std::vector<std::size_t>& order) {
  const auto writer = producers(graph);
  std::vector<bool> done(graph.nodes.size(), false);
  for (const std::size_t n : order) {
    ASSERT_LT(n, done.size());
    EXPECT_FALSE(done[n]);
    for (const ValueId id : graph.nodes[n].inputs) {
      const std::ptrdiff_t from = id == kNoValue ? -1 : writer[static_cast<std::size_t>(id)];
      EXPECT_TRUE(from < 0 || done[static_cast<std::size_t>(from)]) << graph.nodes[n].name;
    }
    done[n] = true;
  }
  EXPECT_EQ(order.size(), done.size());
}

void check_case(const Case& c, const xdnn::OrderOptions& schedule) {
  const xdnn::Program program = xdnn::compile(c.quantized, c.machine, {.order = schedule});
  const auto result = xdnn::simulate(program, c.machine, c.input);
  for (const Hazard& hazard : result.hazards) ADD_FAILURE() << to_string(hazard);
  const Verdict verdict = compare(c.quantized, golden::run(c.quantized, c.input), result.tensors);
  EXPECT_EQ(verdict.mismatches, 0);
  EXPECT_GT(verdict.values_compared, 0);
}

class RandomOrders : public ::testing::TestWithParam<int> {};

TEST_P(RandomOrders, run_bit_exactly) {
  for (int i = 0; i < kCases / 4; ++i) {
    const auto seed = static_cast<std::uint64_t>(70'000 + 1000 * GetParam() + i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed);
    std::mt19937_64 random(seed);
    const xdnn::OrderFile file = random_schedule(c.quantized, random);
    const auto order = xdnn::order_nodes(c.quantized, file);
    for (std::size_t n = 0; n < order.size(); ++n) {  // a full list is taken as it is
      EXPECT_EQ(c.quantized.nodes[order[n]].name, file.entries[n].node);
    }
    check_case(c, {.file = file});
    if (HasFailure()) break;
  }
}
INSTANTIATE_TEST_SUITE_P(Slices, RandomOrders, ::testing::Range(0, 4));

TEST(ChosenOrders, are_valid_and_run_bit_exactly) {
  for (std::uint64_t seed = 80'000; seed < 80'000 + kCases / 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed);
    for (const auto goal :
         {xdnn::OrderGoal::Time, xdnn::OrderGoal::Space, xdnn::OrderGoal::Natural}) {
      expect_order_of(c.quantized, xdnn::order_nodes(c.quantized, c.machine, goal));
      check_case(c, {.goal = goal});
    }
    if (HasFailure()) break;
  }
}

TEST(ChosenOrders, of_least_space_have_no_higher_peak_than_others) {
  // Sub-graph by sub-graph: what one of them leaves alive does not depend on its schedule.
  for (std::uint64_t seed = 90'000; seed < 90'060; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed);
    const auto network = network_tasks(c.quantized, c.machine);
    int next = 0;
    for (const xdnn::Region& region : network.regions) {
      EXPECT_EQ(region.begin, next);
      next = region.end;
      const xdnn::OrderProblem part = part_of(network.compiled, region);
      xdnn::TaskOrder natural(part.tasks.size());
      for (std::size_t t = 0; t < natural.size(); ++t) natural[t] = static_cast<int>(t);
      EXPECT_LE(best_order(part, xdnn::Goal::Space).score.peak, score(part, natural).peak);
      EXPECT_LE(best_order(part, xdnn::Goal::Time).score.time, score(part, natural).time);
    }
    EXPECT_EQ(next, static_cast<int>(network.compiled.tasks.size()));
  }
}

}  // namespace
}  // namespace workbench
