// Sizes that a model leaves open: what is chosen, and what is said about it.
#include <gtest/gtest.h>

#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Integers = std::vector<std::int64_t>;

OnnxModel relu_model(const Shape& x, int type = onnx::TensorProto::FLOAT) {
  OnnxModel model;
  model.input("x", x, type).output("y");
  model.node("Relu", {"x"}, {"y"});
  return model;
}

Shape input_shape(const OnnxModel& model, const ImportOptions& options = {}) {
  const Graph graph = model.import(options);
  return graph.value(graph.inputs.at(0)).shape;
}

void rename(OnnxModel& model, int dimension, const std::string& name) {
  auto& tensor = *model.graph().mutable_input(0)->mutable_type()->mutable_tensor_type();
  tensor.mutable_shape()->mutable_dim(dimension)->set_dim_param(name);
}

TEST(ImportSizes, a_batch_becomes_1_without_a_word) {
  EXPECT_EQ(input_shape(relu_model({-1, 3})), (Shape{1, 3}));
  EXPECT_TRUE(relu_model({-1, 3}).notes().empty());
}

TEST(ImportSizes, what_is_chosen_is_typical_of_what_it_counts) {
  EXPECT_EQ(input_shape(relu_model({1, 3, -1, -1})), (Shape{1, 3, 224, 224}));
  EXPECT_EQ(input_shape(relu_model({-1, -1, -1, 3})), (Shape{1, 224, 224, 3}));
  EXPECT_EQ(input_shape(relu_model({-1, -1, -1, -1})), (Shape{1, 3, 224, 224}));
  EXPECT_EQ(input_shape(relu_model({-1, -1, 64})), (Shape{1, 128, 64}));
  EXPECT_EQ(input_shape(relu_model({3, -1, -1})), (Shape{3, 224, 224}));
  EXPECT_EQ(input_shape(relu_model({-1, -1}, onnx::TensorProto::INT64)), (Shape{1, 128}));
  EXPECT_EQ(input_shape(relu_model({-1, -1})), (Shape{1, 16000}));
}

TEST(ImportSizes, the_choice_is_said_in_one_line) {
  EXPECT_EQ(relu_model({-1, 3, -1, 224}).notes(),
            (std::vector<std::string>{"input 'x': 1,3,224,224 (dimension 2 'd2' chosen, as of an "
                                      "image; --shape x=1,3,224,224 changes it)"}));
}

TEST(ImportSizes, shape_fixes_what_is_open_and_changes_what_is_not) {
  OnnxModel model = relu_model({-1, 3, -1, 224});
  const ImportOptions options{.input_shapes = {{"x", {2, 3, 64, 96}}}};
  EXPECT_EQ(input_shape(model, options), (Shape{2, 3, 64, 96}));
  EXPECT_TRUE(model.notes(options).empty());
}

TEST(ImportSizes, equal_names_are_equal_sizes) {
  OnnxModel model;
  model.input("a", {1, -1}, onnx::TensorProto::INT64).input("x", {1, -1}).output("y").output("z");
  model.node("Relu", {"x"}, {"y"});
  model.node("Identity", {"a"}, {"z"});
  const Graph chosen = model.import();
  EXPECT_EQ(chosen.value(chosen.inputs[1]).shape, (Shape{1, 128}));  // d1: of the first input
  const Graph given = model.import({.input_shapes = {{"x", {1, 50}}}});
  EXPECT_EQ(given.value(given.inputs[0]).shape, (Shape{1, 50}));
}

TEST(ImportSizes, names_say_what_is_counted) {
  OnnxModel model = relu_model({-1, -1});
  rename(model, 1, "sequence_length");
  EXPECT_EQ(input_shape(model), (Shape{1, 128}));
}

// [1, 1, H, W] flattened for a matrix of 784 rows: 28 x 28.
TEST(ImportSizes, a_size_is_found_that_the_graph_accepts) {
  OnnxModel model;
  model.input("x", {1, 1, -1, -1}).output("y");
  model.floats("w", {784, 1}, std::vector<float>(784, 1));
  model.node("Flatten", {"x"}, {"f"});
  model.node("MatMul", {"f", "w"}, {"y"});
  EXPECT_EQ(input_shape(model), (Shape{1, 1, 28, 28}));
  EXPECT_EQ(model.notes().size(), 1U);
}

// A size that nobody would think of: 19 x 19 = 361.
TEST(ImportSizes, sizes_that_are_no_usual_ones_are_found_too) {
  OnnxModel model;
  model.input("x", {1, 1, -1, -1}).output("y");
  model.floats("w", {361, 1}, std::vector<float>(361, 1));
  model.node("Flatten", {"x"}, {"f"});
  model.node("MatMul", {"f", "w"}, {"y"});
  EXPECT_EQ(input_shape(model), (Shape{1, 1, 19, 19}));
}

TEST(ImportSizes, channels_are_those_of_the_weights) {
  OnnxModel model;
  model.input("x", {-1, -1, -1, -1}).output("y");
  model.floats("w", {2, 5, 1, 1}, std::vector<float>(10, 1));
  model.node("Conv", {"x", "w"}, {"y"});
  EXPECT_EQ(input_shape(model), (Shape{1, 5, 224, 224}));
}

TEST(ImportSizes, an_input_without_a_shape_gets_that_of_its_reader) {
  OnnxModel model;
  model.input("x", {}).output("y");
  model.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  model.floats("w", {7, 3}, std::vector<float>(21, 1));
  model.node("MatMul", {"x", "w"}, {"y"});
  EXPECT_EQ(input_shape(model), (Shape{1, 7}));
}

TEST(ImportSizes, an_error_says_with_which_sizes) {
  OnnxModel model;
  model.input("x", {1, 3, -1, -1}).output("y");
  model.node("Twist", {"x"}, {"y"}).named("t");
  EXPECT_EQ(model.import_error(),
            "test: node 't' (Twist): operator is not supported; with input 'x': 1,3,224,224 "
            "(dimension 2 'd2', 3 'd3' chosen, as of an image; --shape x=1,3,224,224 changes it)");
}

// Shape, Gather, Mul and Concat of what was chosen: [1, C, H, W] to [1, C * H, W].
TEST(ImportSizes, shape_arithmetic_follows_the_choice) {
  OnnxModel model;
  model.input("x", {1, 2, -1, 4}).output("y");
  for (const auto& [name, index] :
       {std::pair("i0", 0), std::pair("i1", 1), std::pair("i2", 2), std::pair("i3", 3)}) {
    model.integers(name, {index});
  }
  model.node("Shape", {"x"}, {"s"});
  for (const char* i : {"0", "1", "2", "3"}) {
    model.node("Gather", {"s", std::string("i") + i}, {std::string("s") + i});
  }
  model.node("Mul", {"s1", "s2"}, {"m"});
  model.node("Concat", {"s0", "m", "s3"}, {"to"}).with("axis", 0);
  model.node("Reshape", {"x", "to"}, {"y"});
  const Graph graph = model.import({.input_shapes = {{"x", {1, 2, 6, 4}}}});
  EXPECT_EQ(graph.value(graph.outputs[0]).shape, (Shape{1, 12, 4}));
}

}  // namespace
}  // namespace workbench::test
