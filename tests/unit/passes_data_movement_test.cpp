// drop_identities, flatten_concat, remove_dead.
#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

TEST(DropIdentities, readers_of_an_identity_read_its_input) {
  GraphBuilder b;
  const ValueId y = b.add("identity", Identity{}, {b.input("x", {1, 2, 3, 3})});
  b.output(b.relu("relu", y));
  Graph graph = b.graph();
  EXPECT_TRUE(drop_identities(graph));
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.value(graph.nodes[0].inputs[0]).name, "x");
}

TEST(DropIdentities, a_graph_output_keeps_its_name) {
  GraphBuilder b;
  const ValueId y = b.relu("relu", b.input("x", {1, 2, 3, 3}));
  b.output(b.add("result", Identity{}, {y}));
  b.output(b.add("exp", Activate{{Activation::Kind::Exp}}, {y}));
  Graph graph = b.graph();
  EXPECT_TRUE(drop_identities(graph));
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(graph.value(graph.nodes[0].outputs[0]).name, "result");
  EXPECT_EQ(graph.nodes[0].merged, std::vector<std::string>{"result"});
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(DropIdentities, an_identity_between_two_names_of_the_user_stays) {
  GraphBuilder b;
  b.output(b.add("result", Identity{}, {b.input("x", {1, 2, 3, 3})}));
  EXPECT_FALSE(drop_identities(b.graph()));
}

TEST(DropIdentities, ops_that_change_nothing_go) {
  GraphBuilder b;
  const Shape shape{1, 2, 3, 3};
  ValueId y = b.relu("first", b.input("x", shape));
  y = b.add("reshape", Reshape{shape}, {y});
  y = b.add("pad", Pad{.begin = {0, 0, 0, 0}, .end = {0, 0, 0, 0}, .value = 5}, {y});
  y = b.add("transpose", Transpose{{0, 1, 2, 3}}, {y});
  y = b.add("slice", Slice{.starts = {0}, .ends = {3}, .axes = {2}, .steps = {1}}, {y});
  y = b.add("resize", Resize{.scales = {1, 1, 1, 1}, .sizes = shape}, {y});
  y = b.add("max", MaxPool{.window = square_window(1)}, {y});
  y = b.add("average", AveragePool{.window = square_window(1)}, {y});
  y = b.add("concat", Concat{}, {y});
  y = b.add("space", SpaceToDepth{.block = 1}, {y});
  y = b.add("depth", DepthToSpace{.block = 1}, {y});
  y = b.binary("times_one", Binary::Kind::Mul, y, b.constant("one", {}, {1}));
  y = b.binary("plus_zero", Binary::Kind::Add, y, b.constant("zero", {2, 1, 1}, {0, 0}));
  b.output(b.add("last", Activate{{Activation::Kind::Tanh}}, {y}));
  Graph graph = b.graph();
  EXPECT_TRUE(drop_identities(graph));
  EXPECT_EQ(graph.nodes.size(), 2U);
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(DropIdentities, ops_that_keep_the_shape_but_not_the_values_stay) {
  GraphBuilder b;
  const Shape shape{1, 2, 3, 3};
  const ValueId x = b.input("x", shape);
  b.output(b.add("flip", Slice{.starts = {2}, .ends = {-1}, .axes = {2}, .steps = {-1}}, {x}));
  b.output(b.add("transpose", Transpose{{0, 1, 3, 2}}, {x}));
  b.output(b.add("max", MaxPool{.window = square_window(3, 1, 1)}, {x}));
  const Pad shift{.begin = {0, 0, 1, 0}, .end = {0, 0, -1, 0}};
  b.output(b.add("shift", shift, {x}));
  b.output(b.binary("negate", Binary::Kind::Sub, b.constant("zero", {}, {0}), x));
  EXPECT_FALSE(drop_identities(b.graph()));
}

TEST(DropIdentities, movements_that_cancel_go) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2, 3, 4});
  const ValueId there = b.add("to_nhwc", Transpose{{0, 2, 3, 1}}, {x});
  const ValueId back = b.add("to_nchw", Transpose{{0, 3, 1, 2}}, {there});
  const ValueId flat = b.add("flat", Reshape{{1, 24}}, {back});
  const ValueId map = b.add("map", Reshape{{1, 2, 3, 4}}, {flat});
  b.output(b.relu("relu", map));
  Graph graph = b.graph();
  EXPECT_TRUE(drop_identities(graph));
  EXPECT_TRUE(remove_dead(graph));
  EXPECT_EQ(graph.nodes.size(), 1U);
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(DropIdentities, a_transpose_of_unit_dimensions_is_a_reshape) {
  GraphBuilder b;
  b.output(b.add("t", Transpose{{0, 2, 3, 1}}, {b.input("x", {2, 5, 1, 1})}));
  Graph graph = b.graph();
  EXPECT_TRUE(drop_identities(graph));
  EXPECT_EQ(std::get<Reshape>(graph.nodes[0].op).shape, (Shape{2, 1, 1, 5}));
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(FlattenConcat, an_inner_concat_hands_over_its_parts_in_order) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2, 3, 3});
  const ValueId y = b.relu("y", x);
  const ValueId inner = b.add("inner", Concat{.axis = 1}, {x, y});
  const ValueId outer = b.add("outer", Concat{.axis = -3}, {y, inner, x});
  b.output(outer);
  Graph graph = b.graph();
  EXPECT_TRUE(flatten_concat(graph));
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(graph.nodes[1].inputs, (std::vector<ValueId>{y, x, y, x}));
  EXPECT_EQ(graph.nodes[1].merged, std::vector<std::string>{"inner"});
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(FlattenConcat, a_concat_read_twice_or_along_another_axis_stays) {
  GraphBuilder twice;
  const ValueId x = twice.input("x", {1, 2, 3, 3});
  const ValueId inner = twice.add("inner", Concat{}, {x, x});
  twice.output(twice.add("outer", Concat{}, {inner, inner}));
  EXPECT_FALSE(flatten_concat(twice.graph()));

  GraphBuilder other;
  const ValueId y = other.input("y", {1, 2, 3, 3});
  other.output(other.add("outer", Concat{.axis = 2},
                         {other.add("inner", Concat{.axis = 1}, {y, y}),
                          other.add("inner2", Concat{.axis = 1}, {y, y})}));
  EXPECT_FALSE(flatten_concat(other.graph()));
}

TEST(RemoveDead, nodes_values_and_optional_results_nobody_reads_go) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 1, 4, 4});
  b.relu("unread", b.conv("dead", x, 2, square_window(1)));
  const ValueId y = b.add("pool", MaxPool{.window = square_window(2, 2)}, {x});
  b.output(y);
  Graph& graph = b.graph();
  const ValueId indices = graph.add_value(
      {.name = "indices", .shape = graph.value(y).shape, .type = ElementType::Int64});
  graph.nodes.back().outputs.push_back(indices);

  EXPECT_TRUE(remove_dead(graph));

  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.nodes[0].outputs.size(), 1U);
  EXPECT_EQ(graph.values.size(), 2U);
  EXPECT_TRUE(verify(graph).empty());
  EXPECT_FALSE(remove_dead(graph));
}

TEST(RemoveDead, an_unread_graph_input_stays) {
  GraphBuilder b;
  b.input("unread", {1, 2});
  b.output(b.relu("relu", b.input("x", {1, 2})));
  EXPECT_FALSE(remove_dead(b.graph()));
}

void expect_that_all_go(const Graph& original) {
  Graph graph = original;
  EXPECT_TRUE(move_transposes(graph));
  EXPECT_TRUE(std::ranges::none_of(graph.nodes, [](const Node& node) {
    return std::holds_alternative<Transpose>(node.op);
  })) << print_graph(graph);
  EXPECT_TRUE(same_network(original, graph, random_inputs(graph, 7)));
}

const Transpose kFirst{{0, 3, 1, 2}}, kLast{{0, 2, 3, 1}};

TEST(MoveTransposes, one_and_the_one_back_leave_what_lies_between) {
  GraphBuilder b;
  ValueId y = b.relu("before", b.input("x", {1, 2, 3, 4}));
  y = b.add("last", kLast, {y});
  y = b.add("exp", Activate{{Activation::Kind::Exp}}, {y});
  y = b.binary("half", Binary::Kind::Mul, y, b.constant("h", {}, {0.5F}));
  y = b.add("first", kFirst, {y});
  b.output(b.relu("behind", y));
  expect_that_all_go(b.graph());
}

TEST(MoveTransposes, residual_sums_with_channels_last) {
  GraphBuilder b;
  const ValueId x = b.relu("before", b.input("x", {1, 2, 3, 4}));
  const ValueId shortcut = b.relu("a", b.add("a_last", kLast, {x}));
  ValueId y = b.add("a_first", kFirst, {shortcut});
  y = b.add("tanh", Activate{{Activation::Kind::Tanh}}, {y});
  y = b.binary("sum", Binary::Kind::Add, b.add("y_last", kLast, {y}), shortcut);
  y = b.add("sum_first", kFirst, {y});
  b.output(b.relu("behind", y));
  expect_that_all_go(b.graph());
}

TEST(MoveTransposes, one_goes_into_the_axes_of_a_mean) {
  GraphBuilder b;
  ValueId y = b.relu("before", b.input("x", {1, 2, 3, 4}));
  y = b.relu("relu", b.add("last", kLast, {y}));
  y = b.add("mean", Reduce{.axes = {1, 2}, .keep_dims = false}, {y});
  b.output(b.relu("behind", y));
  expect_that_all_go(b.graph());
}

TEST(MoveTransposes, nothing_moves_that_does_not_go) {
  GraphBuilder one;
  one.output(one.relu("relu", one.add("last", kLast, {one.input("x", {1, 2, 3, 4})})));
  EXPECT_FALSE(move_transposes(one.graph()));
  // A slope for each index of what is axis 1 there.
  GraphBuilder slopes;
  ValueId y = slopes.add("last", kLast, {slopes.relu("before", slopes.input("x", {1, 2, 3, 4}))});
  y = slopes.add("prelu", PRelu{}, {y, slopes.constant("s", {3, 1, 1}, {0.1F, 0.2F, 0.3F})});
  slopes.output(slopes.relu("behind", slopes.add("first", kFirst, {y})));
  EXPECT_FALSE(move_transposes(slopes.graph()));
}

}  // namespace
}  // namespace workbench
