// Graphs written as ONNX: what the file holds, and that reading it back changes nothing.
#include "compiler/import/export.h"

#include <gtest/gtest.h>
#include <onnx/checker.h>
#include <onnx/shape_inference/implementation.h>

#include <filesystem>

#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Integers = std::vector<std::int64_t>;

// x [1, 2, 1, 2] -> one node -> y.
Graph graph_of(Op op, const Shape& y, std::vector<Tensor> constants = {}) {
  Graph graph{.name = "g"};
  const ValueId x = graph.add_value({.name = "x", .shape = {1, 2, 1, 2}});
  std::vector<ValueId> inputs{x};
  for (std::size_t i = 0; i < constants.size(); ++i) {
    inputs.push_back(graph.add_constant(fmt::format("c{}", i), constants[i]));
  }
  const ValueId out = graph.add_value({.name = "y", .shape = y});
  graph.nodes.push_back({.name = "n", .op = std::move(op), .inputs = inputs, .outputs = {out}});
  graph.inputs = {x};
  graph.outputs = {out};
  EXPECT_TRUE(verify(graph).empty());
  return graph;
}

onnx::ModelProto parsed(const Graph& graph) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(export_onnx_bytes(graph)));
  return model;
}

std::vector<std::string> operators(const Graph& graph) {
  std::vector<std::string> names;
  const onnx::ModelProto model = parsed(graph);
  for (const onnx::NodeProto& node : model.graph().node()) names.push_back(node.op_type());
  return names;
}

// The ONNX library accepts the file, infers our shape for y, and our importer reads back a graph
// with the same values.
void expect_round_trip(const Graph& graph) {
  onnx::ModelProto model = parsed(graph);
  EXPECT_NO_THROW(onnx::checker::check_model(model));
  model.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  onnx::shape_inference::InferShapes(model);
  Shape inferred;
  for (const auto& dim : model.graph().output(0).type().tensor_type().shape().dim()) {
    inferred.push_back(dim.dim_value());
  }
  EXPECT_EQ(inferred, graph.value(graph.outputs[0]).shape);
  const std::vector<float> x{-1.5F, 0.5F, 2, -0.25F};
  const Graph back = import_onnx_bytes(export_onnx_bytes(graph), "back");
  // As numbers: truncated toward zero by a cast to integers, a fraction below zero loses its sign.
  EXPECT_EQ(floats_of(evaluate_one(back, x)), floats_of(evaluate_one(graph, x)));
}

TEST(Export, fused_activation_is_a_node_of_its_own) {
  Conv conv{.window = {{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, .groups = 2};
  conv.activation = {.kind = Activation::Kind::Clip, .alpha = -1, .beta = 1};
  const Graph graph = graph_of(conv, {1, 2, 1, 2}, {Tensor::from<float>({2, 1, 1, 1}, {2, 3})});
  EXPECT_EQ(operators(graph), (std::vector<std::string>{"Conv", "Clip"}));
  EXPECT_EQ(parsed(graph).graph().node(0).name(), "n");
  EXPECT_EQ(parsed(graph).graph().node(1).output(0), "y");
  expect_round_trip(graph);
}

TEST(Export, fused_slopes_apply_per_channel) {
  Binary add{.kind = Binary::Kind::Add};
  add.activation = {.kind = Activation::Kind::PRelu, .slopes = {0.5F, 0.25F}};
  expect_round_trip(graph_of(add, {1, 2, 1, 2}, {Tensor::from<float>({1}, {-1})}));
}

// ONNX has no such Clip: a lower bound, then a Min.
TEST(Export, clip_bounds_apply_per_channel) {
  Binary add{.kind = Binary::Kind::Add};
  add.activation = {.kind = Activation::Kind::Clip, .beta = 6, .bounds = {0.5F, 1.5F}};
  const Graph graph = graph_of(add, {1, 2, 1, 2}, {Tensor::from<float>({1}, {1})});
  EXPECT_EQ(operators(graph), (std::vector<std::string>{"Add", "Relu", "Min"}));
  expect_round_trip(graph);
  add.activation.alpha = -0.25F;
  expect_round_trip(graph_of(add, {1, 2, 1, 2}, {Tensor::from<float>({1}, {-1})}));
}

TEST(Export, every_activation_survives) {
  using Kind = Activation::Kind;
  for (const Kind kind : {Kind::None, Kind::Relu, Kind::LeakyRelu, Kind::Sigmoid, Kind::Tanh,
                          Kind::HardSigmoid, Kind::Exp, Kind::Clip, Kind::Floor, Kind::Truncate}) {
    expect_round_trip(
        graph_of(Activate{{.kind = kind, .alpha = 0.25F, .beta = 0.5F}}, {1, 2, 1, 2}));
  }
}

TEST(Export, elementary_functions_survive) {
  using Kind = Activation::Kind;
  for (auto kind = Kind::Abs; kind <= Kind::Shrink;
       kind = static_cast<Kind>(static_cast<int>(kind) + 1)) {
    SCOPED_TRACE(Activation{.kind = kind}.name());
    const Activation activation{.kind = kind, .alpha = 0.25F, .beta = 0.5F};
    const std::vector<float> x{-1.5F, 0.5F, 2, -0.25F};
    const Graph graph = graph_of(Activate{activation}, {1, 2, 1, 2});
    EXPECT_NO_THROW(onnx::checker::check_model(parsed(graph)));
    const Graph back = import_onnx_bytes(export_onnx_bytes(graph), "back");
    const auto found = floats_of(evaluate_one(back, x)), wanted = floats_of(evaluate_one(graph, x));
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_TRUE(found[i] == wanted[i] || (std::isnan(found[i]) && std::isnan(wanted[i])));
    }
  }
}

// Gelu and Mish are younger than opset 13: their definitions, which round between steps.
TEST(Export, young_functions_are_written_as_their_definitions) {
  using Kind = Activation::Kind;
  for (const Kind kind : {Kind::Gelu, Kind::GeluTanh, Kind::Mish}) {
    const std::vector<float> x{-1.5F, 0.5F, 2, -0.25F};
    const Graph graph = graph_of(Activate{{.kind = kind}}, {1, 2, 1, 2});
    EXPECT_NO_THROW(onnx::checker::check_model(parsed(graph)));
    const Graph back = import_onnx_bytes(export_onnx_bytes(graph), "back");
    const auto found = floats_of(evaluate_one(back, x)), wanted = floats_of(evaluate_one(graph, x));
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(found[i], wanted[i], 1e-6);
  }
}

TEST(Export, operators_of_the_host_survive) {
  const Tensor two = Tensor::from<float>({2}, {2, -1});
  for (auto kind = Reduce::Kind::Min; kind <= Reduce::Kind::SumSquare;
       kind = static_cast<Reduce::Kind>(static_cast<int>(kind) + 1)) {
    if (kind == Reduce::Kind::LogSum) continue;  // of negative sums: not a number
    expect_round_trip(graph_of(Reduce{.kind = kind, .axes = {1}}, {1, 1, 1, 2}));
  }
  expect_round_trip(graph_of(Binary{.kind = Binary::Kind::Max}, {1, 2, 1, 2}, {two}));
  expect_round_trip(graph_of(Binary{.kind = Binary::Kind::Fmod}, {1, 2, 1, 2}, {two}));
  expect_round_trip(graph_of(Repeat{{1, 2, 3, 2}}, {1, 2, 3, 2}));  // Expand
  expect_round_trip(graph_of(Repeat{{1, 2, 1, 6}}, {1, 2, 1, 6}));  // Tile
  const Tensor indices = Tensor::from<std::int64_t>({2}, {1, -2});
  expect_round_trip(graph_of(Gather{.axis = 1}, {1, 2, 1, 2}, {indices}));
  expect_round_trip(graph_of(TopK{.axis = 3, .least = true}, {1, 2, 1, 1}));
  expect_round_trip(graph_of(CumSum{.axis = 3, .reverse = true}, {1, 2, 1, 2}));
  const Resize resize{.scales = {1, 1, 2, 2}, .sizes = {1, 2, 2, 4}};
  expect_round_trip(graph_of(Interpolate{.resize = resize}, {1, 2, 2, 4}));
  expect_round_trip(graph_of(Interpolate{.resize = resize, .cubic = true}, {1, 2, 2, 4}));
}

TEST(Export, the_opset_is_the_oldest_that_has_all_operators) {
  const Tensor two = Tensor::from<float>({2}, {2, -1});
  const auto opset = [](const Graph& graph) { return parsed(graph).opset_import(0).version(); };
  EXPECT_EQ(opset(graph_of(Identity{}, {1, 2, 1, 2})), 13);
  const Graph norm = graph_of(LayerNorm{}, {1, 2, 1, 2}, {two, two});
  EXPECT_EQ(opset(norm), 17);
  expect_round_trip(norm);
  EXPECT_EQ(opset(graph_of(LayerNorm{.rms = true}, {1, 2, 1, 2}, {two})), 23);
}

// HardSwish is younger than opset 13. x * max(0, min(1, x/6 + 1/2)) at -1.5: -1.5 * 0.25.
TEST(Export, hard_swish_becomes_hard_sigmoid_and_mul) {
  const Graph graph = graph_of(Activate{{.kind = Activation::Kind::HardSwish}}, {1, 2, 1, 2});
  EXPECT_EQ(operators(graph), (std::vector<std::string>{"HardSigmoid", "Mul"}));
  const Graph back = import_onnx_bytes(export_onnx_bytes(graph), "back");
  EXPECT_FLOAT_EQ(floats_of(evaluate_one(back, {-1.5F, 0, 0, 0}))[0], -0.375F);
}

// Backwards over columns: the end before column 0 is -1 here and "very negative" in ONNX.
TEST(Export, slice_to_before_the_first_element) {
  expect_round_trip(graph_of(Slice{{1}, {-1}, {3}, {-1}}, {1, 2, 1, 2}));
}

TEST(Export, movement_and_reduction_survive) {
  expect_round_trip(graph_of(Reshape{{2, 2}}, {2, 2}));
  expect_round_trip(graph_of(Transpose{{0, 3, 2, 1}}, {1, 2, 1, 2}));
  expect_round_trip(
      graph_of(Pad{.begin = {0, 0, 1, 0}, .end = {0, 0, 0, 2}, .value = 7}, {1, 2, 2, 4}));
  expect_round_trip(graph_of(
      Pad{.mode = Pad::Mode::Reflect, .begin = {0, 0, 0, 1}, .end = {0, 0, 0, 0}}, {1, 2, 1, 3}));
  expect_round_trip(
      graph_of(Reduce{.kind = Reduce::Kind::Sum, .axes = {1}, .keep_dims = false}, {1, 1, 2}));
  expect_round_trip(graph_of(Reduce{.kind = Reduce::Kind::Mean, .axes = {2, 3}}, {1, 2, 1, 1}));
  expect_round_trip(graph_of(Softmax{.axis = 1, .log = true}, {1, 2, 1, 2}));
  expect_round_trip(graph_of(Lrn{.size = 3}, {1, 2, 1, 2}));
  expect_round_trip(
      graph_of(InstanceNorm{.epsilon = 0.5F}, {1, 2, 1, 2},
               {Tensor::from<float>({2}, {2, 3}), Tensor::from<float>({2}, {-1, 1})}));
  expect_round_trip(graph_of(DepthToSpace{.block = 1}, {1, 2, 1, 2}));
}

TEST(Export, resize_keeps_scales_or_sizes) {
  expect_round_trip(graph_of(Resize{.scales = {1, 1, 2, 2}, .sizes = {1, 2, 2, 4}}, {1, 2, 2, 4}));
  // floor(2 * 1.4) = 2 is not 3: only the sizes can be written.
  const Graph graph =
      graph_of(Resize{.scales = {1, 1, 1, 1.4F}, .sizes = {1, 2, 1, 3}}, {1, 2, 1, 3});
  EXPECT_EQ(parsed(graph).graph().node(0).input_size(), 4);
}

TEST(Export, quantize_and_dequantize_keep_their_parameters) {
  Graph graph{.name = "g"};
  const ValueId x = graph.add_value({.name = "x", .shape = {1, 2, 1, 2}});
  Value code{.name = "q", .shape = {1, 2, 1, 2}, .type = ElementType::Uint8};
  code.quantization = {.is_signed = false,
                       .thresholds = {255, 127.5},
                       .zero_points = {128, 7},
                       .axis = 1,
                       .rounding = Rounding::HalfEven};
  const ValueId q = graph.add_value(code);
  const ValueId y = graph.add_value({.name = "y", .shape = {1, 2, 1, 2}});
  graph.nodes.push_back({.name = "a", .op = Quantize{}, .inputs = {x}, .outputs = {q}});
  graph.nodes.push_back({.name = "b", .op = Dequantize{}, .inputs = {q}, .outputs = {y}});
  graph.inputs = {x};
  graph.outputs = {y};
  expect_round_trip(graph);
  const Graph back = import_onnx_bytes(export_onnx_bytes(graph), "back");
  EXPECT_EQ(back.value(back.nodes[0].outputs[0]).quantization, code.quantization);
}

TEST(Export, two_exports_are_the_same_bytes_and_the_file_is_them) {
  const Graph graph = graph_of(Activate{{.kind = Activation::Kind::Clip, .beta = 6}}, {1, 2, 1, 2});
  EXPECT_EQ(export_onnx_bytes(graph), export_onnx_bytes(graph));
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "export_test.onnx";
  export_onnx(graph, path);
  EXPECT_EQ(import_model(path).nodes.size(), 1U);
  EXPECT_EQ(import_model(path).name, "g");
  std::filesystem::remove(path);
}

TEST(Export, unwritable_path_is_an_error) {
  const Graph graph = graph_of(Identity{}, {1, 2, 1, 2});
  EXPECT_THROW(export_onnx(graph, "/nonexistent/g.onnx"), Error);
}

}  // namespace
}  // namespace workbench::test
