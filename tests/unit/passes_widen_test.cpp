#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

std::ptrdiff_t reshapes(const Graph& graph) {
  return std::count_if(graph.nodes.begin(), graph.nodes.end(),
                       [](const Node& node) { return std::holds_alternative<Reshape>(node.op); });
}

TEST(Widen1d, a_convolution_gets_height_1_between_two_reshapes) {
  GraphBuilder b;
  Window window = square_window(3, 2, 0, 1);
  window.pads_begin = {2};
  b.output(b.conv("conv", b.input("x", {2, 4, 9}), 6, window, 2));
  Graph graph = b.graph();
  EXPECT_TRUE(widen_1d(graph));
  ASSERT_EQ(graph.nodes.size(), 3U);
  const auto& conv = std::get<Conv>(graph.nodes[1].op);
  EXPECT_EQ(graph.nodes[1].name, "conv");
  EXPECT_EQ(conv.window.kernel, (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(conv.window.strides, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(conv.window.pads_begin, (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(graph.value(graph.nodes[1].inputs[1]).shape, (Shape{6, 2, 1, 3}));
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "conv");
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(Widen1d, a_network_is_widened_as_a_whole) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2, 12});
  const ValueId first = b.conv("conv1", x, 4, square_window(3, 1, 1, 1));
  const ValueId tanh = b.add("tanh", Activate{{Activation::Kind::Tanh}}, {first});
  const ValueId second = b.conv("conv2", tanh, 4, square_window(3, 1, 1, 1));
  const ValueId sum = b.binary("sum", Binary::Kind::Add, second, tanh);
  const ValueId joined = b.add("joined", Concat{.axis = -1}, {sum, tanh});
  const ValueId shifted =
      b.binary("shifted", Binary::Kind::Mul, joined, b.random_constant("k", {4, 24}));
  const ValueId sloped = b.add("sloped", PRelu{}, {shifted, b.random_constant("s", {4, 1})});
  const ValueId pooled = b.add("pool", MaxPool{.window = square_window(2, 2, 0, 1)}, {sloped});
  const ConvTranspose up{.window = square_window(2, 2, 0, 1), .output_padding = {1}};
  b.output(b.add("up", up, {pooled, b.random_constant("up_w", {4, 3, 2})}));
  Graph graph = b.graph();
  run_passes(graph, float_pipeline());
  EXPECT_EQ(reshapes(graph), 2);  // in and out
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(Widen1d, three_dimensional_data_without_a_convolution_stays) {
  GraphBuilder b;
  b.output(b.relu("relu", b.input("x", {1, 2, 12})));
  b.output(b.conv("conv", b.input("y", {1, 2, 3, 3}), 2, square_window(1)));
  EXPECT_FALSE(widen_1d(b.graph()));
}

}  // namespace
}  // namespace workbench
