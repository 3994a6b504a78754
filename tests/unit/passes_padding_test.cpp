#include <gtest/gtest.h>

#include <limits>

#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

Pad top_left_padding(float value = 0) {
  return {.begin = {0, 0, 2, 1}, .end = {0, 0, 1, 0}, .value = value};
}

TEST(CanonicalizePadding, zeros_before_a_conv_add_to_its_own_padding) {
  GraphBuilder b;
  const ValueId padded = b.add("pad", top_left_padding(), {b.input("x", {1, 2, 5, 5})});
  b.output(b.conv("conv", padded, 3, square_window(3, 2, 1)));
  Graph graph = b.graph();
  EXPECT_TRUE(canonicalize_padding(graph));
  const auto& conv = std::get<Conv>(graph.nodes[1].op);
  EXPECT_EQ(conv.window.pads_begin, (std::vector<std::int64_t>{3, 2}));
  EXPECT_EQ(conv.window.pads_end, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(graph.nodes[1].merged, std::vector<std::string>{"pad"});
  EXPECT_TRUE(remove_dead(graph));
  EXPECT_EQ(graph.nodes.size(), 1U);
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(CanonicalizePadding, padding_that_is_not_spatial_zeros_stays) {
  const auto fires = [](const Pad& pad) {
    GraphBuilder b;
    const ValueId padded = b.add("pad", pad, {b.input("x", {1, 2, 5, 5})});
    b.output(b.conv("conv", padded, 3, square_window(3)));
    return canonicalize_padding(b.graph());
  };
  EXPECT_TRUE(fires(top_left_padding()));
  EXPECT_FALSE(fires(top_left_padding(1)));
  EXPECT_FALSE(fires({.begin = {0, 1, 0, 0}, .end = {0, 0, 0, 0}}));
  EXPECT_FALSE(fires({.begin = {0, 0, -1, 0}, .end = {0, 0, 0, 0}}));
  EXPECT_FALSE(fires({.mode = Pad::Mode::Reflect, .begin = {0, 0, 1, 1}, .end = {0, 0, 1, 1}}));
  EXPECT_FALSE(fires({.mode = Pad::Mode::Edge, .begin = {0, 0, 1, 1}, .end = {0, 0, 1, 1}}));
}

TEST(CanonicalizePadding, average_pool_counts_the_cells_that_were_padded) {
  GraphBuilder b;
  const ValueId padded = b.add("pad", top_left_padding(), {b.input("x", {1, 2, 5, 5})});
  b.output(b.add("pool", AveragePool{.window = square_window(3)}, {padded}));
  Graph graph = b.graph();
  EXPECT_TRUE(canonicalize_padding(graph));
  EXPECT_TRUE(std::get<AveragePool>(graph.nodes[1].op).count_include_pad);
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(CanonicalizePadding, average_pool_that_leaves_its_own_padding_out_keeps_the_pad) {
  for (const bool counts : {false, true}) {
    GraphBuilder b;
    const ValueId padded = b.add("pad", top_left_padding(), {b.input("x", {1, 2, 5, 5})});
    const AveragePool pool{.window = square_window(3, 1, 1), .count_include_pad = counts};
    b.output(b.add("pool", pool, {padded}));
    Graph graph = b.graph();
    EXPECT_EQ(canonicalize_padding(graph), counts);
    EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
  }
}

// pads of 2 and 1 in a 3-wide window: each window still sees a real cell
TEST(CanonicalizePadding, max_pool_takes_padding_that_cannot_win) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2, 5, 5});
  const Pad lowest = top_left_padding(std::numeric_limits<float>::lowest());
  const MaxPool pool{.window = square_window(3)};
  b.output(b.add("pool1", pool, {b.add("pad1", lowest, {x})}));
  b.output(b.add("pool2", pool, {b.add("pad2", top_left_padding(), {b.relu("relu", x)})}));
  Graph graph = b.graph();
  EXPECT_TRUE(canonicalize_padding(graph));
  EXPECT_TRUE(remove_dead(graph));
  EXPECT_EQ(graph.nodes.size(), 3U);  // relu and the pools
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(CanonicalizePadding, zeros_that_may_win_a_max_pool_stay) {
  GraphBuilder b;
  const ValueId padded = b.add("pad", top_left_padding(), {b.input("x", {1, 2, 5, 5})});
  b.output(b.add("pool", MaxPool{.window = square_window(3)}, {padded}));
  EXPECT_FALSE(canonicalize_padding(b.graph()));
}

TEST(CanonicalizePadding, padding_wider_than_the_max_pool_window_stays) {
  GraphBuilder b;
  const Pad lowest = top_left_padding(std::numeric_limits<float>::lowest());
  const ValueId padded = b.add("pad", lowest, {b.input("x", {1, 2, 5, 5})});
  b.output(b.add("pool", MaxPool{.window = square_window(2)}, {padded}));
  EXPECT_FALSE(canonicalize_padding(b.graph()));
}

// 6 cells and 2 of padding, window 3, stride 2: three whole windows and, in ceil mode, one that
// starts at cell 6 of 8. As the pool's own padding cell 6 is real when the padding is in front
// (6 < 6 + 2), and behind all real cells when it is not (6 >= 6 + 0): that window is dropped.
TEST(CanonicalizePadding, ceil_mode_pools_keep_a_pad_that_decides_on_the_last_window) {
  const auto fires = [](std::int64_t begin, std::int64_t end) {
    GraphBuilder b;
    const Pad pad{
        .begin = {0, 0, begin}, .end = {0, 0, end}, .value = std::numeric_limits<float>::lowest()};
    const ValueId padded = b.add("pad", pad, {b.input("x", {1, 1, 6})});
    const Window window = square_window(3, 2, 0, 1);
    b.output(b.add("pool", MaxPool{.window = window, .ceil_mode = true}, {padded}));
    return canonicalize_padding(b.graph());
  };
  EXPECT_TRUE(fires(2, 0));
  EXPECT_FALSE(fires(0, 2));
}

}  // namespace
}  // namespace workbench
