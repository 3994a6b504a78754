// Which nodes are left to the host: the cut is the best there is, and what is chosen is never
// slower by the model than the machine doing all it can, nor than the host doing everything.
#include "explore/flow/partition.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/fit_limits.h"
#include "explore/flow/min_cut.h"
#include "explore/flow/pipeline.h"
#include "sim/golden/golden.h"
#include "tests/support/graph_builder.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_machine.h"

namespace workbench {
namespace {

struct Network {
  struct Edge {
    int from, to;
    std::int64_t capacity;
  };
  int vertices = 0;
  std::vector<Edge> edges;

  std::int64_t price(unsigned side) const {
    std::int64_t sum = 0;
    for (const Edge& edge : edges) {
      if ((side >> edge.from & 1) != 0 && (side >> edge.to & 1) == 0) sum += edge.capacity;
    }
    return sum;
  }
};

Network random_network(std::mt19937_64& random) {
  Network network{.vertices = static_cast<int>(2 + random() % 8), .edges = {}};
  const auto count = static_cast<std::uint64_t>(network.vertices);
  for (std::uint64_t i = 0; i < 3 * count; ++i) {
    const int from = static_cast<int>(random() % count), to = static_cast<int>(random() % count);
    if (from != to) network.edges.push_back({from, to, static_cast<std::int64_t>(random() % 20)});
  }
  return network;
}

TEST(MinCut, costs_no_more_than_any_other) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const Network network = random_network(random);
    MinCut cut;
    for (int v = 0; v < network.vertices; ++v) cut.add_vertex();
    for (const auto& edge : network.edges) cut.add_edge(edge.from, edge.to, edge.capacity);
    const std::vector<bool> found = cut.source_side(0, 1);
    ASSERT_TRUE(found[0]);
    ASSERT_FALSE(found[1]);
    unsigned side = 0;
    for (std::size_t v = 0; v < found.size(); ++v) side |= static_cast<unsigned>(found[v]) << v;
    std::int64_t least = network.price(side);
    for (unsigned other = 1; other < 1U << network.vertices; other += 4) {  // 0 in, 1 out
      least = std::min(least, network.price(other));
    }
    EXPECT_EQ(network.price(side), least);
  }
}

TEST(MinCut, passes_through_long_chains) {
  MinCut cut;
  int last = cut.add_vertex();
  const int sink = cut.add_vertex();
  for (int i = 0; i < 100'000; ++i) {
    const int next = cut.add_vertex();
    cut.add_edge(last, next, i == 40'000 ? 3 : 5);
    last = next;
  }
  cut.add_edge(last, sink, 4);
  const std::vector<bool> side = cut.source_side(0, sink);
  EXPECT_EQ(std::count(side.begin(), side.end(), true), 40'001);
}

struct Case {
  Graph prepared;
  Machine machine;
};

// A network with much that no engine has, on a machine beside a host of any speed.
Case make_case(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Case c{.prepared = random_graph(random, {.min_layers = 4,
                                           .max_layers = 9,
                                           .max_channels = 24,
                                           .max_elements = 10'000,
                                           .max_macs = 500'000,
                                           .split = 0.1,
                                           .host_op = 0.35}),
         .machine = {}};
  xdnn::Machine overlay = random_machine(random, xdnn::Family::V3);
  overlay.host.gflops = std::pow(10.0, static_cast<double>(random() % 5) - 1);
  overlay.host.gigabytes_per_second = overlay.host.gflops;
  run_passes(c.prepared, float_pipeline());
  xdnn::fit_limits(c.prepared, overlay);
  c.machine = overlay;
  return c;
}

TEST(Partition, is_never_slower_by_the_model_than_either_extreme) {
  int moved = 0, kept = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed);
    const Target target = target_for(c.machine);
    const Partition partition = partition_by_gain(c.prepared, target);
    const auto all = modelled_milliseconds(c.prepared, target, {});
    const auto chosen = modelled_milliseconds(c.prepared, target, partition.left);
    if (!all) continue;  // does not fit the machine's memory
    ASSERT_TRUE(chosen);
    EXPECT_LE(*chosen, *all);
    if (!partition.depends_on_times) {
      EXPECT_TRUE(partition.left.empty());
      continue;
    }
    LeftToHost everything;
    const std::vector<bool> runs = target.quantize.runs_on_target(c.prepared);
    for (std::size_t n = 0; n < runs.size(); ++n) {
      if (runs[n]) everything[c.prepared.nodes[n].name] = "host";
    }
    const auto host = modelled_milliseconds(c.prepared, target, everything);
    ASSERT_TRUE(host);
    EXPECT_LE(*chosen, *host);
    partition.left.empty() || partition.left.size() == everything.size() ? ++kept : ++moved;
  }
  EXPECT_GT(moved, 0);
  EXPECT_GT(kept, 0);
}

// Whatever is left to the host: the run is bit-exact, and every node is in one place.
TEST(Partition, runs_bit_exactly) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed);
    const Target whole = target_for(c.machine);
    std::mt19937_64 random(seed);
    LeftToHost some;
    for (const Node& node : c.prepared.nodes) {
      if (random() % 3 == 0) some[node.name] = "drawn";
    }
    const Target target = whole.leaving(some);
    Thresholds thresholds;
    for (const Value& value : c.prepared.values) {
      if (!value.constant) thresholds[value.name] = 100;
    }
    const Graph integers = target.quantize.lower(target.quantize.annotate(c.prepared, thresholds));
    std::optional<Program> program;
    try {
      program = target.compile(integers, {}, true, {}).program;
    } catch (const Error&) {
      continue;
    }
    const std::vector<Tensor> input = random_inputs(c.prepared, seed);
    const Simulated run = target.simulate(*program, input, {});
    const Verdict verdict = compare(integers, golden::run(integers, input), run.tensors);
    EXPECT_TRUE(verdict.bit_exact());
    EXPECT_TRUE(run.hazards.empty());
    for (const HostStepInfo& step : info(*program).host_steps) {
      for (const HostNodeInfo& node : step.nodes) {
        if (!some.contains(node.name)) continue;
        EXPECT_EQ(node.reason, "drawn") << node.name;
      }
    }
  }
}

// A 1x1 convolution of one pixel between two sigmoids: nothing that is worth a way there and back.
TEST(Partition, leaves_a_small_island_to_the_host) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 16, 8, 8});
  const ValueId wide = build.conv("wide", x, 64, square_window(3, 1, 1));
  const ValueId pooled = build.add("pool", AveragePool{.window = square_window(8)}, {wide});
  const ValueId first = build.add("first", Activate{{.kind = Activation::Kind::Sigmoid}}, {pooled});
  const ValueId island = build.conv("island", first, 8, square_window(1));
  const ValueId second =
      build.add("second", Activate{{.kind = Activation::Kind::Sigmoid}}, {island});
  build.output(build.conv("last", second, 8, square_window(1)));
  xdnn::Machine overlay = xdnn::load_machine("configs/v3_96.yaml");
  const Partition partition = partition_by_gain(build.graph(), target_for(Machine(overlay)));
  EXPECT_TRUE(partition.depends_on_times);
  EXPECT_TRUE(partition.left.contains("island"));
  overlay.host.gflops = overlay.host.gigabytes_per_second = 1e-3;
  EXPECT_TRUE(partition_by_gain(build.graph(), target_for(Machine(overlay))).left.empty());
}

// A classifier's tail is no way back.
TEST(Partition, asks_no_times_where_nothing_comes_back) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 16, 8, 8});
  const ValueId y = build.conv("y", x, 8, square_window(8));
  build.output(build.add("z", Softmax{.axis = 1}, {y}));
  const Machine machine = xdnn::load_machine("configs/v3_96.yaml");
  const Partition partition = partition_by_gain(build.graph(), target_for(machine));
  EXPECT_FALSE(partition.depends_on_times);
  EXPECT_TRUE(partition.left.empty());
}

}  // namespace
}  // namespace workbench
