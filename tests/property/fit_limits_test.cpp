// Random hostile networks on random narrow machines: what fit_limits makes of them computes the
// same, and every convolution of it runs on the machine.
#include "compiler/xdnn/fit_limits.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/support.h"
#include "tests/support/graph_builder.h"
#include "tests/support/hostile_graph.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

constexpr std::uint64_t kFirstSeed = 77001;
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 20;
#else
constexpr std::uint64_t kCases = 120;
#endif

xdnn::Machine narrow_machine(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
  };
  xdnn::Machine machine;
  machine.name = "narrow";
  machine.array.rows = 16 * between(1, 3);
  machine.filters.buffer_steps = between(3, 10);
  machine.filters.steps_max = machine.filters.buffer_steps * 4;
  machine.limits.kernel_max = between(2, 7);
  machine.limits.stride_max = between(2, 4);
  machine.limits.pad_max = between(1, 4);
  machine.limits.dilation_max = between(1, 3);
  machine.limits.upsample_max = between(1, 2) * 2;
  machine.features.prelu = between(0, 1);
  return machine;
}

// Strides of convolutions that no pool of the machine can make up for.
bool has_prime_stride(const Graph& graph, const xdnn::Machine& machine) {
  for (const Node& node : graph.nodes) {
    const auto* conv = std::get_if<Conv>(&node.op);
    if (conv == nullptr) continue;
    for (const std::int64_t stride : conv->window.strides) {
      std::int64_t rest = stride;
      for (std::int64_t f = 2; f <= machine.limits.stride_max; ++f) {
        while (rest % f == 0) rest /= f;
      }
      if (rest > 1) return true;
      // Two factors: that of the convolution and that of the pool.
      bool found = false;
      for (std::int64_t f = 1; f <= machine.limits.stride_max; ++f) {
        found = found || (stride % f == 0 && stride / f <= machine.limits.stride_max);
      }
      if (!found) return true;
    }
  }
  return false;
}

TEST(FitLimitsProperty, every_convolution_runs_on_the_machine_and_the_network_stays) {
  int changed = 0, checked = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph original = hostile_graph(seed);
    const xdnn::Machine machine = narrow_machine(seed);
    Graph graph = original;
    changed += xdnn::fit_limits(graph, machine) ? 1 : 0;
    EXPECT_TRUE(same_network(original, graph, random_inputs(original, seed), 1e-4))
        << print_graph(original);
    if (has_prime_stride(original, machine)) continue;
    ++checked;
    const auto reason = xdnn::host_reasons(machine);
    for (const Node& node : graph.nodes) {
      if (macs(graph, node) == 0) continue;
      const auto why = reason(graph, node);
      EXPECT_FALSE(why) << node.name << ": " << *why << "\n" << print_graph(original);
    }
  }
  EXPECT_GE(static_cast<std::uint64_t>(changed), kCases * 4 / 5);
  EXPECT_GE(static_cast<std::uint64_t>(checked), kCases * 2 / 3);
}

TEST(FitLimitsProperty, what_fits_is_left_alone_and_twice_is_once) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases / 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Graph graph = hostile_graph(seed);
    const xdnn::Machine machine = narrow_machine(seed);
    xdnn::fit_limits(graph, machine);
    const std::string once = print_graph(graph);
    EXPECT_FALSE(xdnn::fit_limits(graph, machine));
    EXPECT_EQ(print_graph(graph), once);
  }
}

TEST(FitLimitsProperty, without_any_one_rewrite_the_network_still_stays) {
  const auto rewrites = xdnn::describe_limit_rewrites();
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases * 2 / 5; ++seed) {
    const std::string off(rewrites[seed % rewrites.size()].name);
    SCOPED_TRACE("seed " + std::to_string(seed) + " without " + off);
    const Graph original = hostile_graph(seed);
    Graph graph = original;
    xdnn::fit_limits(graph, narrow_machine(seed), {.with = {}, .without = {off}});
    EXPECT_TRUE(same_network(original, graph, random_inputs(original, seed), 1e-4))
        << print_graph(original);
  }
}

// Groups of channels, of three kinds of spelling: with rows and columns, as one run of pixels, and
// with the batch left out.
TEST(FitLimits, a_channel_shuffle_is_a_convolution_of_zeros_and_ones) {
  struct Spelling {
    Shape shape;
    std::vector<std::int64_t> permutation;
  };
  for (const auto& [shape, permutation] :
       {Spelling{{1, 3, 4, 5, 6}, {0, 2, 1, 3, 4}}, Spelling{{1, 3, 4, 30}, {0, 2, 1, 3}},
        Spelling{{2, 3, 2, 5, 6}, {2, 0, 1, 3, 4}}}) {
    GraphBuilder b;
    const ValueId x = b.input("x", {1, 12, 5, 6});
    const ValueId split = b.add("split", Reshape{shape}, {x});
    const ValueId moved = b.add("moved", Transpose{permutation}, {split});
    b.output(b.add("shuffled", Reshape{{1, 12, 5, 6}}, {moved}));
    xdnn::Machine machine;
    Graph graph = b.graph();
    EXPECT_TRUE(xdnn::fit_limits(graph, machine));
    ASSERT_EQ(graph.nodes.size(), 1U);
    EXPECT_TRUE(std::holds_alternative<Conv>(graph.nodes[0].op));
    EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 1), 0));
  }
}

TEST(FitLimits, what_moves_more_than_channels_stays) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 12, 5, 6});
  const ValueId split = b.add("split", Reshape{{1, 3, 4, 5, 6}}, {x});
  const ValueId moved = b.add("moved", Transpose{{0, 2, 1, 4, 3}}, {split});
  b.output(b.add("shuffled", Reshape{{1, 12, 5, 6}}, {moved}));
  Graph graph = b.graph();
  EXPECT_FALSE(xdnn::fit_limits(graph, xdnn::Machine{}));
}

TEST(FitLimits, a_rewrite_that_is_off_leaves_the_convolution_to_the_host) {
  GraphBuilder b;
  b.output(b.conv("conv", b.input("x", {1, 3, 12, 12}), 4, square_window(5, 1, 2)));
  xdnn::Machine machine;
  machine.name = "narrow";
  machine.limits.kernel_max = 3;
  Graph graph = b.graph();
  EXPECT_FALSE(xdnn::fit_limits(graph, machine, {.with = {}, .without = {"split_kernel"}}));
  EXPECT_TRUE(xdnn::fit_limits(graph, machine));
  // The last Add writes what the convolution wrote.
  EXPECT_EQ(graph.value(graph.nodes.back().outputs[0]).name, "conv");
  EXPECT_EQ(graph.nodes.back().name, "conv_sum");
  EXPECT_EQ(graph.nodes.back().merged, std::vector<std::string>{"conv"});
}

}  // namespace
}  // namespace workbench
