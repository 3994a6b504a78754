// Every pass, and the pipeline, on random networks: what is computed and what is named stays.
#include "compiler/passes/passes.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "tests/support/graph_builder.h"
#include "tests/support/random_float_graph.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

constexpr std::uint64_t kFirstSeed = 20240501;
constexpr std::uint64_t kCases = 200;

testing::AssertionResult well_formed(const Graph& graph) {
  const std::vector<Violation> violations = verify(graph);
  if (violations.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << violations[0].message;
}

TEST(PassesProperty, each_pass_alone_keeps_the_network_and_its_names) {
  std::map<std::string_view, int> fired;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph original = random_float_graph(seed);
    ASSERT_TRUE(well_formed(original));
    const std::vector<Tensor> inputs = random_inputs(original, seed);
    for (const Pass& pass : float_pipeline()) {
      SCOPED_TRACE(pass.name);
      Graph graph = original;
      if (!pass.run(graph)) continue;
      ++fired[pass.name];
      ASSERT_TRUE(well_formed(graph)) << print_graph(graph);
      ASSERT_TRUE(same_network(original, graph, inputs))
          << print_graph(original) << print_graph(graph);
      EXPECT_FALSE(pass.run(graph)) << "the pass is not done after one call";
    }
  }
  // These need what these graphs only hold after other passes, or not.
  const std::set<std::string_view> rare = {"absorb_qdq", "gemm_to_conv", "merge_average_scale",
                                           "remove_dead"};
  for (const Pass& pass : float_pipeline()) {
    if (rare.contains(pass.name)) continue;
    EXPECT_GE(fired[pass.name], 5) << pass.name;
  }
}

TEST(PassesProperty, the_pipeline_keeps_the_network_after_every_pass_and_settles) {
  std::map<std::string_view, int> fired;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Graph original = random_float_graph(seed);
    const std::vector<Tensor> inputs = random_inputs(original, seed);
    Graph graph = original;
    for (const Pass& pass : float_pipeline()) {
      SCOPED_TRACE(pass.name);
      if (!pass.run(graph)) continue;
      ++fired[pass.name];
      ASSERT_TRUE(well_formed(graph)) << print_graph(graph);
      ASSERT_TRUE(same_network(original, graph, inputs)) << print_graph(graph);
    }
    run_passes(graph, float_pipeline());
    ASSERT_TRUE(same_network(original, graph, inputs))
        << print_graph(original) << print_graph(graph);
    const std::string settled = print_graph(graph);
    run_passes(graph, float_pipeline());
    EXPECT_EQ(print_graph(graph), settled);
  }
  EXPECT_GE(fired["gemm_to_conv"], 5);
  EXPECT_GE(fired["remove_dead"], 5);
}

TEST(PassesProperty, the_same_network_is_rewritten_the_same_way) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + 20; ++seed) {
    Graph first = random_float_graph(seed);
    Graph second = random_float_graph(seed);
    run_passes(first, float_pipeline());
    run_passes(second, float_pipeline());
    EXPECT_EQ(print_graph(first), print_graph(second)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace workbench
