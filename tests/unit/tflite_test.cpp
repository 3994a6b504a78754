// The TensorFlow Lite front end on files made here: layouts, codes, what is refused and how.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/eval/evaluate.h"
#include "tests/support/tflite_model.h"

namespace workbench::test {
namespace {

constexpr int kAdd = 0, kConv = 3, kFullyConnected = 9, kReshape = 22, kTranspose = 39, kShape = 77,
              kStridedSlice = 45, kPack = 83, kCustom = 32, kWhile = 119, kMaximum = 55, kMean = 40;

std::vector<float> counted(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

std::size_t count_of(const Graph& graph, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(
      graph.nodes, [&](const Node& node) { return op_name(node.op) == name; }));
}

std::vector<float> run(const Graph& graph, const std::vector<float>& x) {
  const Tensor input = Tensor::from<float>(graph.value(graph.inputs[0]).shape, x);
  const Tensor y = evaluate(graph, std::vector{input}).at(0);
  return {y.values<float>().begin(), y.values<float>().end()};
}

std::string error_of(const std::string& bytes) {
  try {
    import_tflite(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "imported";
}

TEST(Tflite, a_map_of_an_image_becomes_channels_first) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 1, 3, 2}), y = model.tensor("y", {1, 1, 3, 1});
  const int w = model.constant<float>("w", {1, 1, 1, 2}, {1, 10});
  model.op(kConv, {x, w}, {y}, wire::Options::Conv2D, wire::CreateConv2D(model.builder(), 1, 1, 1));
  const Graph graph = import_tflite(model.bytes({x}, {y}));
  EXPECT_EQ(graph.value(graph.inputs[0]).shape, (Shape{1, 2, 1, 3}));
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{1, 1, 1, 3}));
  EXPECT_EQ(graph.value(graph.inputs[0]).name, "x");
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "y");
  // Channel 0 is 0 1 2, channel 1 is 3 4 5: 0 + 30, 1 + 40, 2 + 50.
  EXPECT_EQ(run(graph, counted(6)), (std::vector<float>{30, 41, 52}));
}

// 4 rows, kernel 3, stride 2: (2 - 1) 2 + 3 - 4 = 1 row of padding, at the end.
TEST(Tflite, same_pads_the_odd_row_at_the_end) {
  const Graph graph = import_tflite(small_tflite(false));
  const auto conv = std::ranges::find_if(
      graph.nodes, [](const Node& node) { return std::holds_alternative<Conv>(node.op); });
  ASSERT_NE(conv, graph.nodes.end());
  const Window& window = std::get<Conv>(conv->op).window;
  EXPECT_EQ(window.pads_begin, (std::vector<std::int64_t>{0, 0}));
  EXPECT_EQ(window.pads_end, (std::vector<std::int64_t>{1, 1}));
}

TEST(Tflite, weights_behind_a_flattened_map_are_permuted_instead_of_the_map) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 1, 2, 2}), c = model.tensor("c", {1, 1, 2, 2});
  const int flat = model.tensor("flat", {1, 4}), y = model.tensor("y", {1, 1});
  const int w = model.constant<float>("w", {2, 1, 1, 2}, {1, 0, 0, 1});  // the identity
  const int f = model.constant<float>("f", {1, 4}, {1, 10, 100, 1000});
  model.op(kConv, {x, w}, {c}, wire::Options::Conv2D, wire::CreateConv2D(model.builder(), 1, 1, 1));
  model.op(kReshape, {c}, {flat}, wire::Options::Reshape,
           wire::CreateReshape(model.builder(), model.builder().CreateVector(std::vector{1, -1})));
  model.op(kFullyConnected, {flat, f}, {y}, wire::Options::FullyConnected,
           wire::CreateFullyConnected(model.builder()));
  const Graph graph = import_tflite(model.bytes({x}, {y}));
  EXPECT_EQ(count_of(graph, "Transpose"), 0U);
  // In the file's order the map is (column, channel): 1 3 2 4 where the model has 1 2 3 4.
  EXPECT_EQ(run(graph, {1, 2, 3, 4}), (std::vector<float>{1 + 30 + 200 + 4000}));
}

TEST(Tflite, transposes_around_a_convolution_leave_no_node) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 2, 1, 3}), t = model.tensor("t", {1, 1, 3, 2});
  const int c = model.tensor("c", {1, 1, 3, 1}), y = model.tensor("y", {1, 1, 1, 3});
  const int there = model.constant<std::int32_t>("there", {4}, {0, 2, 3, 1});
  const int back = model.constant<std::int32_t>("back", {4}, {0, 3, 1, 2});
  const int w = model.constant<float>("w", {1, 1, 1, 2}, {1, 10});
  model.op(kTranspose, {x, there}, {t});
  model.op(kConv, {t, w}, {c}, wire::Options::Conv2D, wire::CreateConv2D(model.builder(), 1, 1, 1));
  model.op(kTranspose, {c, back}, {y});
  const Graph graph = import_tflite(model.bytes({x}, {y}));
  EXPECT_EQ(graph.value(graph.inputs[0]).shape, (Shape{1, 2, 1, 3}));
  EXPECT_EQ(count_of(graph, "Transpose"), 0U);
  EXPECT_EQ(run(graph, counted(6)), (std::vector<float>{30, 41, 52}));
}

// real = 0.5 (code - 2): x = 1, 2 -> codes 4, 6; w = 0.25 * (4, -8) = 1, -2; bias 8 * 0.125 = 1:
// 1 - 4 + 1 = -2, cut to 0 by RELU; 6, 1: 6 - 2 + 1 = 5.
TEST(Tflite, codes_become_quantize_and_dequantize_around_real_operators) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 2}, TfliteModel::kInt8, {0.5F}, {2});
  const int y = model.tensor("y", {1, 1}, TfliteModel::kInt8, {1.0F}, {-3});
  const int w = model.constant<std::int8_t>("w", {1, 2}, {4, -8}, {0.25F}, {0});
  const int b = model.constant<std::int32_t>("b", {1}, {8}, {0.125F}, {0}, 3);
  model.op(kFullyConnected, {x, w, b}, {y}, wire::Options::FullyConnected,
           wire::CreateFullyConnected(model.builder(), 1));
  const Graph graph = import_tflite(model.bytes({x}, {y}));
  EXPECT_EQ(count_of(graph, "Quantize"), 2U);
  EXPECT_EQ(count_of(graph, "Dequantize"), 4U);  // x, y, weights, bias
  EXPECT_EQ(run(graph, {1, 2}), (std::vector<float>{0}));
  EXPECT_EQ(run(graph, {6, 1}), (std::vector<float>{5}));
}

TEST(Tflite, shape_arithmetic_is_computed_at_import) {
  TfliteModel model;
  auto& fbb = model.builder();
  const int x = model.tensor("x", {2, 3}), y = model.tensor("y", {2, 1, 3});
  const int shape = model.tensor("shape", {2}, TfliteModel::kInt32);
  const int rows = model.tensor("rows", {}, TfliteModel::kInt32);
  const int to = model.tensor("to", {3}, TfliteModel::kInt32);
  const int zero = model.constant<std::int32_t>("zero", {1}, {0});
  const int one = model.constant<std::int32_t>("one", {1}, {1});
  const int unit = model.constant<std::int32_t>("unit", {}, {1});
  const int rest = model.constant<std::int32_t>("rest", {}, {-1});
  model.op(kShape, {x}, {shape});
  model.op(kStridedSlice, {shape, zero, one, one}, {rows}, wire::Options::StridedSlice,
           wire::CreateStridedSlice(fbb, 0, 0, 0, 0, 1));
  model.op(kPack, {rows, unit, rest}, {to}, wire::Options::Pack, wire::CreatePack(fbb, 3, 0));
  model.op(kReshape, {x, to}, {y});
  const Graph graph = import_tflite(model.bytes({x}, {y}));
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{2, 1, 3}));
  EXPECT_EQ(run(graph, counted(6)), counted(6));
}

// Rows 1 and 3 of the map in the file's order, each over columns: axis 2 of the model is rows.
TEST(Tflite, reductions_follow_the_order_of_the_model) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 2, 2, 2}), c = model.tensor("c", {1, 2, 2, 2});
  const int y = model.tensor("y", {1, 2, 2});
  const int w = model.constant<float>("w", {2, 1, 1, 2}, {1, 0, 0, 1});
  const int axes = model.constant<std::int32_t>("axes", {1}, {2});
  model.op(kConv, {x, w}, {c}, wire::Options::Conv2D, wire::CreateConv2D(model.builder(), 1, 1, 1));
  model.op(kMean, {c, axes}, {y});
  const Graph graph = import_tflite(model.bytes({x}, {y}));
  // Channel 0 is 0 1 / 2 3, channel 1 is 4 5 / 6 7; y is (row, channel).
  EXPECT_EQ(run(graph, counted(8)), (std::vector<float>{0.5F, 4.5F, 2.5F, 6.5F}));
}

TEST(Tflite, a_maximum_with_a_number_is_a_clip) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 3}), y = model.tensor("y", {1, 3});
  const int low = model.constant<float>("low", {}, {-1});
  model.op(kMaximum, {x, low}, {y});
  EXPECT_EQ(run(import_tflite(model.bytes({x}, {y})), {-5, 0, 2}), (std::vector<float>{-1, 0, 2}));
}

TEST(Tflite, all_obstacles_are_named_at_once) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 2}), a = model.tensor("a", {1, 2});
  const int b = model.tensor("b", {1, 2}), y = model.tensor("y", {1, 2});
  model.op(kWhile, {x}, {a});
  model.op(kCustom, {x}, {b});
  model.op(kAdd, {a, b}, {y}, wire::Options::Add, wire::CreateArithmetic(model.builder(), 0));
  const std::string error = error_of(model.bytes({x}, {y}));
  EXPECT_NE(
      error.find(
          "2 obstacles: node 'a' (WHILE): control flow that depends on values is not "
          "supported; node 'b' (CUSTOM:): a custom operator, whose meaning is not in the file"),
      std::string::npos)
      << error;
}

TEST(Tflite, operators_without_a_result_that_leaves_are_no_obstacle) {
  TfliteModel model;
  const int x = model.tensor("x", {1, 2}), a = model.tensor("a", {1, 2});
  const int y = model.tensor("y", {1, 2});
  model.op(kWhile, {x}, {a});
  model.op(kAdd, {x, x}, {y}, wire::Options::Add, wire::CreateArithmetic(model.builder(), 1));
  EXPECT_EQ(run(import_tflite(model.bytes({x}, {y})), {-2, 3}), (std::vector<float>{0, 6}));
}

TEST(Tflite, files_that_claim_what_is_not_there_end_in_one_line) {
  const auto model = [](auto&& change) {
    TfliteModel made;
    const int x = made.tensor("x", {1, 2}), y = made.tensor("y", {1, 2});
    return change(made, x, y);
  };
  const std::pair<std::string, std::string> cases[] = {
      {small_tflite(false).substr(0, 300), "expected a TensorFlow Lite model, found 300 bytes"},
      {model([](TfliteModel& m, int x, int y) {
         m.op(kAdd, {x, x}, {y});
         return m.bytes({x}, {y}, 2);
       }),
       "version: expected 3, found 2"},
      {model([](TfliteModel& m, int x, int y) {
         m.op(kAdd, {x, 7}, {y});
         return m.bytes({x}, {y});
       }),
       "operator 0 (ADD): expected indices of 2 tensors, found 7"},
      {model([](TfliteModel& m, int x, int y) {
         m.op(kAdd, {x, y}, {y});
         return m.bytes({x}, {y});
       }),
       "operator 0 (ADD): expected operands that stand before it, found tensor 1 'y'"},
      {model([](TfliteModel& m, int x, int) {
         m.op(kAdd, {x, x}, {x});
         return m.bytes({x}, {x});
       }),
       "operator 0 (ADD): expected a result of its own, found tensor 0 'x'"},
      {model([](TfliteModel& m, int x, int y) {
         const int w = m.constant<float>("w", {3}, {1, 2});
         m.op(kAdd, {x, w}, {y});
         return m.bytes({x}, {y});
       }),
       "tensor 2 'w': expected 12 bytes for float32[3], found 8"},
      {model([](TfliteModel& m, int x, int y) {
         const int w = m.constant<std::int8_t>("w", {2}, {1, 2}, {-1}, {0});
         m.op(kAdd, {x, w}, {y});
         return m.bytes({x}, {y});
       }),
       "tensor 2 'w': expected scales above 0, found -1"},
      {model([](TfliteModel& m, int x, int y) {
         m.op(kConv, {x, x}, {y});
         return m.bytes({x}, {y});
       }),
       "node 'y' (CONV_2D): expected builtin_options, found none of its kind"},
  };
  for (const auto& [bytes, text] : cases) {
    const std::string error = error_of(bytes);
    EXPECT_NE(error.find(text), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace workbench::test
