// Loop and Scan: unrolled where the number of iterations is known, else refused.
#include <gtest/gtest.h>

#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

// A body whose nodes are written as those of a model.
void set_body(NodeBuilder node, const OnnxModel& body) {
  onnx::AttributeProto& attribute = *node.proto().add_attribute();
  attribute.set_name("body");
  attribute.set_type(onnx::AttributeProto::GRAPH);
  *attribute.mutable_g() = OnnxModel(body).graph();
}

OnnxModel& scalar(OnnxModel& model, const std::string& name, std::int64_t value) {
  model.integers(name, {value}).clear_dims();
  return model;
}

// h = w h, of every h a row: w = 2 is an initializer of the body.
OnnxModel doubling(const std::string& condition = "keep_on") {
  OnnxModel body;
  body.input("k", {}, onnx::TensorProto::INT64).input("keep_on", {}, onnx::TensorProto::BOOL);
  body.input("h", {2}).output(condition).output("next").output("row");
  body.floats("w", {}, {2});
  body.node("Mul", {"h", "w"}, {"next"});
  body.node("Identity", {"next"}, {"row"});
  return body;
}

OnnxModel looping(const OnnxModel& body, std::int64_t count) {
  OnnxModel model;
  model.input("x", {2}).output("last").output("rows");
  scalar(model, "count", count);
  set_body(model.node("Loop", {"count", "", "x"}, {"last", "rows"}).named("loop"), body);
  return model;
}

TEST(ImportLoop, a_known_number_of_iterations_is_unrolled) {
  const Graph graph = looping(doubling(), 3).import();
  const auto results = evaluate(graph, std::vector{Tensor::from<float>({2}, {1, 5})});
  EXPECT_EQ(floats_of(results.at(0)), (std::vector<float>{8, 40}));
  EXPECT_EQ(results.at(1).shape(), (Shape{3, 2}));
  EXPECT_EQ(floats_of(results.at(1)), (std::vector<float>{2, 10, 4, 20, 8, 40}));
  EXPECT_EQ(graph.value(graph.outputs.at(0)).name, "last");
}

TEST(ImportLoop, the_iteration_ends_a_loop) {  // k < 1: the third is not begun
  OnnxModel body = doubling("small");
  scalar(body, "one", 1);
  body.node("Less", {"k", "one"}, {"small"});
  const Graph graph = looping(body, 10).import();
  const auto results = evaluate(graph, std::vector{Tensor::from<float>({2}, {1, 5})});
  EXPECT_EQ(floats_of(results.at(0)), (std::vector<float>{4, 20}));
}

TEST(ImportLoop, a_loop_without_iterations_gives_what_it_got) {
  OnnxModel model = looping(doubling(), 0);
  EXPECT_EQ(model.import_error(),
            "test: node 'loop' (Loop): output 1: expected iterations, found none");
  model.graph().mutable_output()->RemoveLast();
  EXPECT_EQ(floats_of(evaluate_one(model.import(), {3, 4})), (std::vector<float>{3, 4}));
}

TEST(ImportLoop, conditions_of_data_are_refused) {
  OnnxModel body = doubling("small");
  body.floats("ten", {2}, {10, 10});
  body.node("ReduceMax", {"h"}, {"most"}).with("keepdims", 0);
  body.floats("limit", {}, {10});
  body.node("Less", {"most", "limit"}, {"small"});
  EXPECT_EQ(looping(body, 10).import_error(),
            "test: node 'loop' (Loop): body, output 0 (cond): expected a condition that is known "
            "at import, found one that depends on data: such loops are not supported");
  OnnxModel open = looping(doubling(), 3);
  open.graph().clear_initializer();
  open.input("count", {}, onnx::TensorProto::INT64);
  EXPECT_EQ(open.import_error(),
            "test: node 'loop' (Loop): input 0 (M): expected a constant, found 'count', known only "
            "at run time");
}

TEST(ImportLoop, loops_without_end_are_refused) {
  const std::string error = looping(doubling(), std::int64_t{1} << 40).import_error();
  EXPECT_NE(error.find("expected at most"), std::string::npos) << error;
  OnnxModel empty;  // no node to count
  empty.input("k", {}, onnx::TensorProto::INT64).input("c", {}, onnx::TensorProto::BOOL);
  empty.output("c");
  OnnxModel model;
  model.input("x", {2}).output("x");
  set_body(model.node("Loop", {""}, {}).named("loop"), empty);
  EXPECT_EQ(model.import_error(), "");  // no output depends on it
}

TEST(ImportLoop, an_obstacle_within_is_named_once) {
  OnnxModel body = doubling();
  body.graph().mutable_node(0)->set_op_type("Twist");
  const std::string error = looping(body, 3).import_error();
  EXPECT_EQ(error, "test: node 'loop/0/Twist_next' (Twist): operator is not supported");
}

// Running sums of rows, from the last row to the first: state s, result s of every step.
TEST(ImportScan, steps_along_an_axis_are_unrolled) {
  OnnxModel body;
  body.input("s", {2}).input("row", {2}).output("sum").output("kept");
  body.node("Add", {"s", "row"}, {"sum"});
  body.node("Identity", {"sum"}, {"kept"});
  OnnxModel model;
  model.input("x", {2, 3}).output("end").output("sums");
  model.floats("zero", {2}, {0, 0});
  NodeBuilder scan = model.node("Scan", {"zero", "x"}, {"end", "sums"}).named("scan");
  scan.with("num_scan_inputs", 1).with("scan_input_axes", std::vector<std::int64_t>{1});
  scan.with("scan_input_directions", std::vector<std::int64_t>{1});
  set_body(scan, body);
  const Graph graph = model.import();
  // Columns (1,4), (2,5), (3,6), the last one first.
  const auto results =
      evaluate(graph, std::vector{Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6})});
  EXPECT_EQ(floats_of(results.at(0)), (std::vector<float>{6, 15}));
  EXPECT_EQ(floats_of(results.at(1)), (std::vector<float>{3, 6, 5, 11, 6, 15}));
}

}  // namespace
}  // namespace workbench::test
