// A file is input: whatever is wrong with it is one line that names where.
#include <gtest/gtest.h>

#include <limits>

#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Integers = std::vector<std::int64_t>;

OnnxModel relu_model(const Shape& x) {
  OnnxModel model;
  model.input("x", x).output("y");
  model.node("Relu", {"x"}, {"y"}).named("r");
  return model;
}

TEST(ImportError, bytes_that_are_no_model) {
  EXPECT_THROW(import_onnx_bytes("not a model at all", "f.onnx"), Error);
  try {
    import_onnx_bytes("", "f.onnx");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "f.onnx: expected an ONNX model with a graph, found none");
  }
}

TEST(ImportError, truncated_file) {
  const std::string bytes = relu_model({1, 3}).proto().SerializeAsString();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(import_onnx_bytes(std::string_view(bytes).substr(0, size), "f"), Error) << size;
  }
}

TEST(ImportError, missing_file_is_named) {
  try {
    import_model("/nonexistent/model.onnx");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "/nonexistent/model.onnx: cannot read: No such file or directory");
  }
}

TEST(ImportError, directory_is_no_file) { EXPECT_THROW(import_model("/tmp"), Error); }

TEST(ImportError, cycle_names_a_node_in_it) {
  OnnxModel model;
  model.input("x", {1}).output("y");
  model.node("Add", {"x", "b"}, {"a"}).named("first");
  model.node("Relu", {"a"}, {"b"}).named("second");
  model.node("Relu", {"b"}, {"y"}).named("third");
  EXPECT_EQ(model.import_error(),
            "test: node 'first' (Add): expected a graph without cycles, found one through this "
            "node");
}

TEST(ImportError, nodes_out_of_order_are_sorted) {
  OnnxModel model;
  model.input("x", {1}).output("y");
  model.node("Relu", {"a"}, {"y"}).named("second");
  model.node("Exp", {"x"}, {"a"}).named("first");
  EXPECT_EQ(model.import().nodes[0].name, "first");
}

TEST(ImportError, missing_initializer) {
  OnnxModel model;
  model.input("x", {1, 1, 3, 3}).output("y");
  model.node("Conv", {"x", "w"}, {"y"}).named("c");
  EXPECT_EQ(model.import_error(),
            "test: node 'c' (Conv): expected an input that something writes, found 'w', which no "
            "node, graph input or initializer provides");
}

TEST(ImportError, output_nobody_writes) {
  OnnxModel model = relu_model({1});
  model.output("z");
  EXPECT_EQ(model.import_error(),
            "test: output 'z': expected a value that something writes, found none");
}

TEST(ImportError, no_outputs) {
  OnnxModel model = relu_model({1});
  model.graph().clear_output();
  EXPECT_EQ(model.import_error(), "test: expected a graph with outputs, found none");
}

TEST(ImportError, value_written_twice) {
  OnnxModel model = relu_model({1});
  model.node("Exp", {"x"}, {"y"}).named("e");
  EXPECT_EQ(model.import_error(),
            "test: node 'e' (Exp): expected an output name of its own, found 'y', which is already "
            "taken");
}

TEST(ImportError, initializer_given_twice) {
  OnnxModel model = relu_model({1});
  model.floats("w", {1}, {1});
  model.floats("w", {1}, {2});
  EXPECT_EQ(model.import_error(),
            "test: initializer 'w': expected one initializer of this name, found two");
}

TEST(ImportError, symbolic_batch_becomes_one) {
  const Graph graph = relu_model({-1, 3}).import();
  EXPECT_EQ(graph.value(graph.inputs[0]).shape, (Shape{1, 3}));
}

TEST(ImportError, shape_option_that_does_not_fit) {
  OnnxModel model = relu_model({-1, 3});
  EXPECT_EQ(model.import_error({.input_shapes = {{"z", {1}}}}),
            "test: --shape z: expected one of the inputs 'x'");
  EXPECT_EQ(model.import_error({.input_shapes = {{"x", {1}}}}),
            "test: --shape x: expected 2 dimensions, found 1");
}

TEST(ImportError, zero_size_input) {
  EXPECT_EQ(relu_model({1, 0}).import_error(),
            "test: input 'x': expected elements, found none (shape [1, 0])");
}

TEST(ImportError, zero_size_result) {
  OnnxModel model;
  model.input("x", {4}).output("y");
  model.integers("from", {2});
  model.integers("to", {2});
  model.node("Slice", {"x", "from", "to"}, {"y"}).named("s");
  EXPECT_EQ(model.import_error(),
            "test: node 's' (Slice): output 'y': expected elements, found none (shape [0])");
}

TEST(ImportError, absurd_size) {
  EXPECT_EQ(relu_model({1 << 20, 1 << 20}).import_error(),
            "test: input 'x': expected at most 2147483648 elements, found shape [1048576, "
            "1048576]");
}

TEST(ImportError, unknown_operator_and_domain) {
  OnnxModel model;
  model.input("x", {1}).output("y");
  NodeBuilder node = model.node("NonMaxSuppression", {"x"}, {"y"}).named("nms");
  EXPECT_EQ(model.import_error(),
            "test: node 'nms' (NonMaxSuppression): operator is not supported");
  node.proto().set_domain("com.microsoft");
  EXPECT_EQ(model.import_error(),
            "test: node 'nms' (NonMaxSuppression): operator of domain 'com.microsoft' is not "
            "supported");
}

TEST(ImportError, unknown_attribute_shows_its_value) {
  OnnxModel model = relu_model({1});
  onnx::AttributeProto& attribute = *model.graph().mutable_node(0)->add_attribute();
  attribute.set_name("twist");
  set_value(attribute, Integers{1, 2});
  EXPECT_EQ(model.import_error(),
            "test: node 'r' (Relu): attribute 'twist' = [1, 2] is not supported");
}

TEST(ImportError, attribute_of_the_wrong_type) {
  OnnxModel model;
  model.input("x", {1, 2}).output("y");
  model.node("Softmax", {"x"}, {"y"}).named("s").with("axis", 1.0F);
  EXPECT_EQ(model.import_error(),
            "test: node 's' (Softmax): attribute 'axis': expected INT, found FLOAT");
}

TEST(ImportError, operand_of_the_wrong_type) {
  OnnxModel model;
  model.input("x", {1, 2}, onnx::TensorProto::INT64).output("y");
  model.node("Exp", {"x"}, {"y"}).named("e");
  EXPECT_EQ(model.import_error(),
            "test: node 'e' (Exp): input 0 'x': expected float32, found int64");
}

TEST(ImportError, strings_are_no_numbers) {
  OnnxModel model;
  model.input("x", {1, 2}, onnx::TensorProto::STRING).output("y");
  model.node("Relu", {"x"}, {"y"});
  EXPECT_EQ(model.import_error(),
            "test: input 'x': expected a tensor of numbers, found element type STRING");
}

TEST(ImportError, nan_weight_is_located) {
  OnnxModel model = relu_model({1});
  model.floats("w", {3}, {0, 1, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_EQ(model.import_error(),
            "test: initializer 'w': expected finite numbers, found nan at element 2");
}

TEST(ImportError, initializer_of_the_wrong_size) {
  OnnxModel model = relu_model({1});
  model.floats("w", {4}, {0, 1});
  EXPECT_EQ(model.import_error(),
            "test: initializer 'w': expected 4 elements for shape [4], found 2");
  model.graph().mutable_initializer(0)->clear_float_data();
  model.graph().mutable_initializer(0)->set_raw_data("12345");
  EXPECT_EQ(model.import_error(),
            "test: initializer 'w': expected 16 bytes for shape [4], found 5");
}

TEST(ImportError, external_data_is_refused) {
  OnnxModel model = relu_model({1});
  model.floats("w", {1}, {0}).set_data_location(onnx::TensorProto::EXTERNAL);
  EXPECT_EQ(model.import_error(),
            "test: initializer 'w': expected the data inside the model, which has no file, found "
            "external data");
}

TEST(ImportError, every_obstacle_is_named_equal_ones_together) {
  OnnxModel model;
  model.input("x", {1}).output("y");
  model.node("Twist", {"x"}, {"a"}).named("t1");
  model.node("Twist", {"x"}, {"b"}).named("t2");
  model.node("Relu", {"x"}, {"c"}).named("r").with("slope", 1);
  model.node("Sum", {"a", "b", "c"}, {"d"});
  model.node("Bend", {"d"}, {"y"}).named("b1");  // known to be unknown although its operand is
  EXPECT_EQ(model.import_error(),
            "test: 3 obstacles: Twist (2 nodes, first 't1'): operator is not supported; node 'r' "
            "(Relu): attribute 'slope' = 1 is not supported; node 'b1' (Bend): operator is not "
            "supported");
}

TEST(ImportError, many_obstacles_stay_one_line_of_bounded_length) {
  OnnxModel model;
  model.input("x", {1}).output("y");
  for (int i = 0; i < 1000; ++i) {
    model.node(fmt::format("Op{}", i), {"x"}, {fmt::format("v{}", i)});
  }
  NodeBuilder sum = model.node("Sum", {}, {"y"});
  for (int i = 0; i < 1000; ++i) sum.proto().add_input(fmt::format("v{}", i));
  const std::string error = model.import_error();
  EXPECT_LT(error.size(), 3000U);
  EXPECT_NE(error.find("Op0"), std::string::npos);
  EXPECT_NE(error.find(" more"), std::string::npos);
}

TEST(ImportError, what_no_output_depends_on_is_no_obstacle) {
  OnnxModel model = relu_model({1});
  model.node("Twist", {"x"}, {"t"});
  EXPECT_EQ(model.import().nodes.size(), 1U);
}

TEST(ImportError, names_that_are_no_text_are_escaped) {
  OnnxModel model;
  model.input("x\n", {1}).output("y\xff");
  model.node("Relu", {"x\n"}, {"y\xff"}).named("a\nb\xff");
  const Graph graph = model.import();
  EXPECT_EQ(graph.nodes[0].name, "a\\x0ab\\xff");
  EXPECT_EQ(graph.value(graph.inputs[0]).name, "x\\x0a");
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "y\\xff");
}

TEST(ImportError, run_time_shape_is_refused_with_the_operand) {
  OnnxModel model;
  model.input("x", {4}).input("s", {2}, onnx::TensorProto::INT64).output("y");
  model.node("Reshape", {"x", "s"}, {"y"}).named("r");
  EXPECT_EQ(model.import_error(),
            "test: node 'r' (Reshape): input 1 (shape): expected a constant, found 's', known only "
            "at run time");
}

TEST(ImportError, too_many_inputs) {
  OnnxModel model;
  model.input("x", {4}).output("y");
  model.node("Relu", {"x", "x"}, {"y"}).named("r");
  EXPECT_EQ(model.import_error(), "test: node 'r' (Relu): expected at most 1 inputs, found 2");
}

TEST(ImportError, missing_operand) {
  OnnxModel model;
  model.input("x", {4}).output("y");
  model.node("Add", {"x"}, {"y"}).named("a");
  EXPECT_EQ(model.import_error(), "test: node 'a' (Add): input 1: expected a value, found none");
}

}  // namespace
}  // namespace workbench::test
