// What imported codes cut off stays cut off when their pairs are gone.
#include <gtest/gtest.h>

#include "compiler/passes/passes.h"
#include "compiler/quantize/saturation.h"
#include "core/eval/evaluate.h"
#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

// A float value behind `x`, rounded to `codes` and back.
ValueId pair(GraphBuilder& b, ValueId x, const Quantization& codes) {
  Graph& graph = b.graph();
  const std::string name = graph.value(x).name;
  const ValueId code =
      graph.add_value({.name = name + "_q",
                       .shape = b.shape(x),
                       .type = codes.is_signed ? ElementType::Int8 : ElementType::Uint8,
                       .quantization = codes});
  graph.nodes.push_back({.name = name + "_q", .op = Quantize{}, .inputs = {x}, .outputs = {code}});
  return b.add(name + "_dq", Dequantize{}, {code});
}

std::vector<float> results(const Graph& graph, const std::vector<float>& input) {
  const Tensor x = Tensor::from<float>(graph.value(graph.inputs[0]).shape, input);
  std::vector<float> found;
  evaluate(graph, std::span(&x, 1), {.observe = [&](ValueId id, const Tensor& tensor) {
             if (id != graph.outputs[0]) return;
             const auto values = tensor.values<float>();
             found.assign(values.begin(), values.end());
           }});
  return found;
}

// uint8, step 0.5, zero point 100: -50 to 77.5.
const Quantization kShifted{.is_signed = false, .thresholds = {127.5}, .zero_points = {100}};

TEST(Saturation, ranges_are_those_of_the_codes_by_either_name) {
  GraphBuilder b;
  const ValueId x = b.relu("x", b.input("in", {1, 4}));
  b.output(b.relu("y", pair(b, x, kShifted)));
  const RealRanges ranges = ranges_of_pairs(b.graph());
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_DOUBLE_EQ(ranges.at("x").low, -50);
  EXPECT_DOUBLE_EQ(ranges.at("x_dq").high, 77.5);
}

TEST(Saturation, an_input_that_stays_real_is_cut_too) {
  GraphBuilder b;
  b.output(b.relu("y", b.input("in", {1, 4})));
  const RealRanges ranges = {{"in", {-1, 2}}, {"y", {0, 2}}, {"z", {0, 1}}};
  const RealRanges open = ranges_without_codes(ranges, b.graph(), {false});
  EXPECT_EQ(open.size(), 2U);
  EXPECT_EQ(open.at("in").high, 2);
  Graph graph = with_saturation(b.graph(), open);
  EXPECT_EQ(results(graph, {-3, 1, 2, 3}), (std::vector<float>{0, 1, 2, 2}));
}

TEST(Saturation, a_network_without_its_pairs_cuts_where_they_did) {
  GraphBuilder b;
  const ValueId x =
      b.binary("x", Binary::Kind::Mul, b.input("in", {1, 4}), b.random_constant("two", {}, 2, 2));
  b.output(
      b.binary("y", Binary::Kind::Mul, pair(b, x, kShifted), b.random_constant("one", {}, 1, 1)));
  Graph graph = b.graph();
  const RealRanges ranges = ranges_of_pairs(graph);
  const std::vector<float> input = {-100, -10, 30, 50};
  EXPECT_EQ(results(graph, input), (std::vector<float>{-50, -20, 60, 77.5F}));
  EXPECT_TRUE(absorb_qdq(graph));
  EXPECT_TRUE(remove_dead(graph));
  EXPECT_EQ(results(graph, input), (std::vector<float>{-200, -20, 60, 100}));
  const Graph cut = with_saturation(graph, ranges);
  EXPECT_TRUE(verify(cut).empty());
  EXPECT_EQ(results(cut, input), (std::vector<float>{-50, -20, 60, 77.5F}));
}

TEST(Saturation, what_cannot_leave_the_range_gets_no_clip) {
  GraphBuilder b;
  const Quantization sure{.is_signed = false, .thresholds = {1}};  // 0 to 1
  ValueId x = b.add("x", Activate{{Activation::Kind::Sigmoid}}, {b.input("in", {1, 1, 4, 4})});
  x = pair(b, x, sure);
  x = b.add("pool", MaxPool{.window = square_window(2, 2)}, {x});
  b.output(b.relu("y", pair(b, x, sure)));
  Graph graph = b.graph();
  const RealRanges ranges = ranges_of_pairs(graph);
  EXPECT_TRUE(absorb_qdq(graph));
  EXPECT_TRUE(remove_dead(graph));
  EXPECT_EQ(with_saturation(graph, ranges).nodes.size(), graph.nodes.size());
}

TEST(Saturation, only_values_without_codes_are_left_to_a_clip) {
  GraphBuilder b;
  const ValueId x = b.relu("x", b.input("in", {1, 4}));
  const ValueId y = b.relu("y", x);
  b.output(y);
  b.graph().value(x).quantization = Quantization{.thresholds = {1}};
  const RealRanges ranges = {{"x", {-1, 1, 0.1}}, {"y", {-1, 1, 0.1}}};
  const RealRanges open = ranges_without_codes(ranges, b.graph(), {false, false});
  ASSERT_EQ(open.size(), 1U);
  EXPECT_TRUE(open.contains("y"));
  EXPECT_TRUE(ranges_without_codes(ranges, b.graph(), {false, true}).empty());
}

}  // namespace
}  // namespace workbench
