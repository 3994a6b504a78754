// What is computed at import: shape arithmetic, views of weights, other names of constants.
#include <gtest/gtest.h>

#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Integers = std::vector<std::int64_t>;

OnnxModel model_of(const Shape& x) {
  OnnxModel model;
  model.input("x", x).output("y");
  return model;
}

// What torch writes for x.view(x.size(0), -1): Shape, Gather, Unsqueeze, Concat, Reshape.
TEST(ImportFold, shape_arithmetic_leaves_one_reshape) {
  OnnxModel model = model_of({2, 3, 4});
  model.integers("first", {0});
  model.integers("axes", {0});
  model.integers("rest", {-1});
  model.node("Shape", {"x"}, {"shape"});
  model.codes("zero", {}, onnx::TensorProto::INT32, {0});
  model.node("Gather", {"shape", "zero"}, {"batch"}).with("axis", 0);
  model.node("Unsqueeze", {"batch", "axes"}, {"batch1"});
  model.node("Concat", {"batch1", "rest"}, {"target"}).with("axis", 0);
  model.node("Reshape", {"x", "target"}, {"y"});
  const Graph graph = model.import();
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(op_of<Reshape>(graph).shape, (Shape{2, 12}));
  EXPECT_EQ(graph.values.size(), 2U);  // x and y: no constant is left behind
}

// channels / 2 as shufflenet splits them: Shape, Slice, Div, Cast.
TEST(ImportFold, integer_arithmetic_truncates_as_onnx_says) {
  OnnxModel model = model_of({7, 3});
  for (const auto& [name, value] : {std::pair{"zero", 0}, {"one", 1}, {"two", 2}}) {
    model.integers(name, {value});
  }
  model.node("Shape", {"x"}, {"shape"});
  model.node("Slice", {"shape", "zero", "one"}, {"rows"});
  model.node("Div", {"rows", "two"}, {"half"});
  model.node("Slice", {"x", "zero", "half"}, {"y"});
  const Graph graph = model.import();
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{3, 3}));
}

TEST(ImportFold, division_by_zero_is_an_error_of_the_file) {
  OnnxModel model = model_of({7});
  model.integers("a", {1});
  model.integers("b", {0});
  model.node("Div", {"a", "b"}, {"s"}).named("d");
  model.node("Reshape", {"x", "s"}, {"y"});
  EXPECT_EQ(model.import_error(),
            "test: node 'd' (Div): input 1: expected no zero to divide by, found one");
}

TEST(ImportFold, overflow_is_an_error_of_the_file) {
  OnnxModel model = model_of({7});
  model.integers("a", {std::numeric_limits<std::int64_t>::max()});
  model.node("Mul", {"a", "a"}, {"s"}).named("m");
  model.node("Reshape", {"x", "s"}, {"y"});
  EXPECT_EQ(model.import_error(),
            "test: node 'm' (Mul): expected a result that fits int64, found operands "
            "9223372036854775807 and 9223372036854775807");
}

TEST(ImportFold, identity_of_a_weight_is_the_weight) {
  OnnxModel model = model_of({1, 1, 2, 2});
  model.floats("w", {1, 1, 1, 1}, {2});
  model.node("Identity", {"w"}, {"w2"});
  model.node("Conv", {"x", "w2"}, {"h"});
  model.node("Conv", {"h", "w"}, {"y"});
  const Graph graph = model.import();
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(graph.nodes[0].inputs[1], graph.nodes[1].inputs[1]);
}

TEST(ImportFold, output_that_names_a_constant_keeps_its_name) {
  OnnxModel model = model_of({1});
  model.floats("w", {2}, {1, 2});
  model.output("v");
  model.node("Relu", {"x"}, {"y"});
  model.node("Identity", {"w"}, {"v"});
  const Graph graph = model.import();
  EXPECT_EQ(graph.value(graph.outputs[1]).name, "v");
  EXPECT_EQ(floats_of(*graph.value(graph.outputs[1]).constant), (std::vector<float>{1, 2}));
}

// The MNIST model of CNTK: the weights of the last layer are reshaped before they are used.
TEST(ImportFold, reshaped_weights_are_constants) {
  OnnxModel model(8);
  model.input("x", {1, 4}).input("w", {2, 2, 1}).output("y");
  model.floats("w", {2, 2, 1}, {1, 2, 3, 4});
  model.integers("shape", {4, 1});
  model.node("Reshape", {"w", "shape"}, {"w2"});
  model.node("MatMul", {"x", "w2"}, {"y"});
  const Graph graph = model.import();
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.inputs.size(), 1U);  // w is an initializer, declared among the inputs
  EXPECT_EQ(floats_of(evaluate_one(graph, {1, 1, 1, 1})), (std::vector<float>{10}));
}

TEST(ImportFold, transposed_and_sliced_weights_are_constants) {
  OnnxModel model = model_of({1, 2});
  model.floats("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  model.integers("from", {1});
  model.integers("to", {3});
  model.node("Transpose", {"w"}, {"t"});
  model.integers("axis", {1});
  model.node("Slice", {"t", "from", "to", "axis"}, {"u"});
  model.node("MatMul", {"x", "u"}, {"y"});
  const Graph graph = model.import();
  ASSERT_EQ(graph.nodes.size(), 1U);
  // [1 1] * [[3 5] [4 6]]
  EXPECT_EQ(floats_of(evaluate_one(graph, {1, 1})), (std::vector<float>{7, 11}));
}

TEST(ImportFold, cast_of_a_constant_saturates_and_rounds_toward_zero) {
  OnnxModel model = model_of({1});
  model.output("c");
  model.floats("f", {3}, {-2.7F, 2.7F, 3e9F});
  model.node("Relu", {"x"}, {"y"});
  model.node("Cast", {"f"}, {"c"}).with("to", onnx::TensorProto::INT32);
  const Graph graph = model.import();
  EXPECT_EQ(*graph.value(graph.outputs[1]).constant,
            Tensor::from<std::int32_t>({3}, {-2, 2, 2147483647}));
}

TEST(ImportFold, cast_between_float_widths_is_identity) {
  OnnxModel model;
  model.input("x", {2}, onnx::TensorProto::FLOAT16).output("y");
  model.node("Cast", {"x"}, {"y"}).with("to", onnx::TensorProto::FLOAT);
  const Graph graph = model.import();
  EXPECT_TRUE(std::holds_alternative<Identity>(graph.nodes.at(0).op));
  EXPECT_EQ(graph.value(graph.inputs[0]).type, ElementType::Float32);
}

TEST(ImportFold, cast_of_an_activation_to_truth_values_tells_what_is_not_0) {
  OnnxModel model = model_of({2});
  model.node("Cast", {"x"}, {"t"}).with("to", onnx::TensorProto::BOOL);
  model.node("Cast", {"t"}, {"y"}).with("to", onnx::TensorProto::FLOAT);
  EXPECT_EQ(floats_of(evaluate_one(model.import(), {0.5F, 0})), (std::vector<float>{1, 0}));
}

TEST(ImportFold, huge_constant_of_shape_is_refused) {
  OnnxModel model = model_of({2});
  model.integers("s", {1 << 15, 1 << 15});
  model.node("ConstantOfShape", {"s"}, {"c"}).named("c");
  model.node("Add", {"x", "c"}, {"y"});
  EXPECT_EQ(
      model.import_error(),
      "test: node 'c' (ConstantOfShape): output: expected at most 134217728 elements to fold, "
      "found [32768, 32768]");
}

TEST(ImportFold, constant_node_forms) {
  OnnxModel model = model_of({1});
  model.output("a").output("b");
  model.node("Constant", {}, {"a"}).with("value_float", 1.5F);
  model.node("Constant", {}, {"b"}).with("value_ints", Integers{4, 5});
  model.node("Relu", {"x"}, {"y"});
  const Graph graph = model.import();
  EXPECT_EQ(*graph.value(graph.outputs[1]).constant, Tensor::scalar(1.5F));
  EXPECT_EQ(*graph.value(graph.outputs[2]).constant, Tensor::from<std::int64_t>({2}, {4, 5}));
}

// The dimensions of [2, 3] before the first: none; then 6 behind them.
TEST(ImportFold, parts_of_shapes_may_be_empty) {
  OnnxModel model;
  model.input("x", {2, 3}).output("y");
  model.integers("zero", {0});
  model.integers("six", {6});
  model.node("Shape", {"x"}, {"s"});
  model.node("Slice", {"s", "zero", "zero"}, {"none"});
  model.node("Concat", {"none", "six"}, {"to"}).with("axis", 0);
  model.node("Reshape", {"x", "to"}, {"y"});
  const Graph graph = model.import();
  ASSERT_EQ(graph.nodes.size(), 1U);
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{6}));
}

}  // namespace
}  // namespace workbench::test
