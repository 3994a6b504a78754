#include <gtest/gtest.h>

#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

TEST(PoolToAverage, a_mean_over_space_is_a_pool_of_the_whole_map) {
  GraphBuilder b;
  const Reduce mean{.axes = {-1, 2}};
  b.output(b.add("mean", mean, {b.input("x", {2, 3, 4, 5})}));
  Graph graph = b.graph();
  EXPECT_TRUE(pool_to_average(graph));
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(std::get<AveragePool>(graph.nodes[0].op).window.kernel,
            (std::vector<std::int64_t>{4, 5}));
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(PoolToAverage, dropped_dimensions_are_reshaped_away_under_the_old_name) {
  GraphBuilder b;
  const Reduce max{.kind = Reduce::Kind::Max, .axes = {2, 3}, .keep_dims = false};
  b.output(b.add("max", max, {b.input("x", {2, 3, 4, 5})}));
  Graph graph = b.graph();
  EXPECT_TRUE(pool_to_average(graph));
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(graph.nodes[0].name, "max");
  EXPECT_TRUE(std::holds_alternative<MaxPool>(graph.nodes[0].op));
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "max");
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(PoolToAverage, other_reductions_stay) {
  const auto fires = [](const Reduce& reduce) {
    GraphBuilder b;
    b.output(b.add("reduce", reduce, {b.input("x", {2, 3, 4, 5})}));
    return pool_to_average(b.graph());
  };
  EXPECT_FALSE(fires({.kind = Reduce::Kind::Sum, .axes = {2, 3}}));
  EXPECT_FALSE(fires({.axes = {1}}));
  EXPECT_FALSE(fires({.axes = {1, 2, 3}}));
}

}  // namespace
}  // namespace workbench
