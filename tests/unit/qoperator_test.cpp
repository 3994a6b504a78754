// What is written as a QLinear operator, and what is not, and why.
#include <gtest/gtest.h>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "compiler/import/qoperator_form.h"
#include "core/eval/evaluate.h"
#include "tests/support/float_graph.h"
#include "tests/support/onnx_model.h"

namespace workbench {
namespace {

// Rounded as files say it: half to even.
Quantization signed_codes(double step) {
  return {.bits = 8, .thresholds = {127 * step}, .rounding = Rounding::HalfEven};
}
Quantization unsigned_codes(double step) {
  Quantization codes = signed_codes(step);
  codes.is_signed = false;
  codes.thresholds = {255 * step};
  return codes;
}

// A network between codes, in QDQ form, operator by operator.
struct QdqGraph {
  FloatGraph build{"net"};

  // `real` as codes and back.
  ValueId through_codes(ValueId real, const Quantization& codes) {
    const std::string name = build.graph().value(real).name;
    Value value{.name = name + "_int8", .shape = build.graph().value(real).shape};
    value.type = storage_type(codes);
    value.quantization = codes;
    const ValueId code = build.graph().add_value(std::move(value));
    build.graph().nodes.push_back(
        {.name = name + "_quantize", .op = Quantize{}, .inputs = {real}, .outputs = {code}});
    return build.add(name + "_quantized", Dequantize{}, {code});
  }
  ValueId input(const std::string& name, const Shape& shape, const Quantization& codes) {
    return through_codes(build.input(name, shape), codes);
  }
  ValueId weights(const std::string& name, const Shape& shape, const std::vector<std::int8_t>& w,
                  const Quantization& codes) {
    const ValueId id = build.graph().add_constant(name, Tensor::from<std::int8_t>(shape, w));
    build.graph().value(id).quantization = codes;
    return build.add(name + "_quantized", Dequantize{}, {id});
  }
  ValueId bias(const std::string& name, const std::vector<float>& values) {
    return build.graph().add_constant(
        name, Tensor::from<float>({static_cast<std::int64_t>(values.size())}, values));
  }
  Graph graph(ValueId result) {
    build.output(result);
    EXPECT_TRUE(verify(build.graph()).empty());
    return build.graph();
  }
};

// Steps: x 0.5, w 0.25 and 0.5 (per channel), y as told.
Graph conv_graph(const Activation& activation, const Quantization& result,
                 const std::vector<float>& bias = {1, 1}) {
  QdqGraph build;
  const ValueId x = build.input("x", {1, 1, 1, 2}, signed_codes(0.5));
  Quantization per_channel{.bits = 8, .thresholds = {127 * 0.25, 127 * 0.5}};
  const ValueId w = build.weights("w", {2, 1, 1, 1}, {4, -2}, per_channel);
  const ValueId b = build.bias("b", bias);
  const ValueId y = build.build.add(
      "conv", Conv{.window = FloatGraph::window(1), .activation = activation}, {x, w, b});
  return build.graph(build.through_codes(y, result));
}

onnx::GraphProto written(const Graph& form) {
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(export_onnx_bytes(form, CodesForm::QOperator)));
  return model.graph();
}

std::vector<std::string> operators(const Graph& form) {
  std::vector<std::string> names;
  const onnx::GraphProto graph = written(form);
  for (const auto& node : graph.node()) names.push_back(node.op_type());
  return names;
}

using Names = std::vector<std::string>;

std::vector<float> computed(const Graph& graph, const std::vector<float>& x) {
  return test::floats_of(test::evaluate_one(graph, x));
}

const Activation kRelu{.kind = Activation::Kind::Relu};
const Activation kRelu6{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6};

TEST(QOperator, a_layer_is_one_node_from_codes_to_codes) {
  const Graph form = qoperator_form(conv_graph({}, signed_codes(0.5)));
  EXPECT_EQ(operators(form), (Names{"QuantizeLinear", "QLinearConv", "DequantizeLinear"}));
  EXPECT_TRUE(without_qlinear_form(form).empty());
  const onnx::GraphProto graph = written(form);
  const onnx::NodeProto& node = graph.node(1);
  EXPECT_EQ(
      Names(node.input().begin(), node.input().end()),
      (Names{"x_int8", "conv_int8_x_scale", "conv_int8_x_zero_point", "w", "conv_int8_w_scale",
             "conv_int8_w_zero_point", "conv_int8_y_scale", "conv_int8_y_zero_point", "b_int32"}));
  EXPECT_EQ(node.output(0), "conv_int8");
  EXPECT_EQ(node.name(), "conv");
  // The real bias is dead: it is not in the file.
  for (const auto& constant : graph.initializer()) EXPECT_NE(constant.name(), "b");
}

// x 5, 0; w 1, -1; bias 8 * 0.5 * 0.25 and 4 * 0.5 * 0.5, both 1: y 6, 1 and -4, 1.
TEST(QOperator, what_is_read_again_computes_the_same) {
  const Graph form = qoperator_form(conv_graph({}, signed_codes(0.5)));
  const Graph back = import_onnx_bytes(export_onnx_bytes(form, CodesForm::QOperator), "back");
  const std::vector<float> y = {6, 1, -4, 1};
  EXPECT_EQ(computed(form, {5, 0}), y);
  EXPECT_EQ(computed(back, {5, 0}), y);
}

// In steps of 0.125 and 0.25: 0.3 is 2.4, -0.375 is -1.5, half way, to even.
TEST(QOperator, a_bias_is_rounded_to_steps_of_the_accumulator) {
  const Graph form = qoperator_form(conv_graph({}, signed_codes(0.125), {0.3F, -0.375F}));
  for (const Value& value : form.values) {
    if (value.name != "b_int32") continue;
    const auto codes = value.constant->values<std::int32_t>();
    EXPECT_EQ(std::vector<std::int32_t>(codes.begin(), codes.end()),
              (std::vector<std::int32_t>{2, -2}));
  }
  EXPECT_EQ(computed(form, {0, 0}), (std::vector<float>{0.25F, 0.25F, -0.5F, -0.5F}));
}

// A file from another producer: 3 in steps of 0.1 and -2 in steps of 0.2 are 0.3 and -0.4.
TEST(QOperator, a_bias_in_other_steps_gets_those_of_the_operands) {
  Graph graph = conv_graph({}, signed_codes(0.125));
  Value codes{.name = "c", .shape = {2}, .type = ElementType::Int32};
  codes.constant = Tensor::from<std::int32_t>({2}, {3, -2});
  const double high = 2147483647;
  codes.quantization = Quantization{.bits = 32, .thresholds = {0.1 * high, 0.2 * high}};
  const ValueId id = graph.add_value(std::move(codes));
  const ValueId real = values_by_name(graph).at("b");
  graph.value(real).constant.reset();
  graph.nodes.insert(
      graph.nodes.begin(),
      {.name = "b_dequantize", .op = Dequantize{}, .inputs = {id}, .outputs = {real}});
  const Graph form = qoperator_form(graph);
  EXPECT_TRUE(without_qlinear_form(form).empty());
  EXPECT_EQ(computed(form, {0, 0}), (std::vector<float>{0.25F, 0.25F, -0.5F, -0.5F}));
}

TEST(QOperator, a_bias_beyond_32_bits_leaves_the_layer_as_it_was) {
  const Graph graph = conv_graph({}, signed_codes(0.5), {1e9F, 1});
  const Graph form = qoperator_form(graph);
  EXPECT_EQ(export_onnx_bytes(form), export_onnx_bytes(graph));
  EXPECT_EQ(without_qlinear_form(form),
            (Names{"conv (Conv): bias 'b': 1000000000 takes more than 32 bits"}));
}

TEST(QOperator, an_activation_that_saturation_says_is_left_out) {
  // Codes of both start at 0; the last one stands for 6.
  for (const Activation& activation : {kRelu, kRelu6}) {
    Graph graph = conv_graph(activation, unsigned_codes(6.0 / 255));
    for (Value& value : graph.values) {  // operands of the same type
      if (value.name != "x_int8") continue;
      value.type = ElementType::Uint8;
      value.quantization = unsigned_codes(0.5);
    }
    const Graph form = qoperator_form(graph);
    EXPECT_EQ(operators(form), (Names{"QuantizeLinear", "QLinearConv", "DequantizeLinear"}));
    EXPECT_EQ(computed(form, {20, 3}), computed(graph, {20, 3}));
  }
}

TEST(QOperator, an_activation_within_the_codes_is_a_node_of_its_own) {
  for (const Activation& activation : {kRelu, kRelu6}) {
    const Graph graph = conv_graph(activation, signed_codes(0.35));
    const Graph form = qoperator_form(graph);
    const std::string name = op_name(Activate{activation});
    EXPECT_EQ(operators(form), (Names{"QuantizeLinear", "QLinearConv", "DequantizeLinear", name,
                                      "QuantizeLinear", "DequantizeLinear"}));
    EXPECT_EQ(without_qlinear_form(form),
              (Names{"conv_activation (" + name + "): no QLinear operator does this"}));
    for (float x = -8; x <= 8; x += 0.5F) {
      EXPECT_EQ(computed(form, {x, 0}), computed(graph, {x, 0})) << x;
    }
  }
}

TEST(QOperator, codes_that_cut_fractions_off_are_not_rounded_twice) {
  Quantization cut = signed_codes(0.35);
  cut.rounding = Rounding::Floor;
  const Graph graph = conv_graph(kRelu, cut);
  EXPECT_EQ(export_onnx_bytes(qoperator_form(graph)), export_onnx_bytes(graph));
}

// ONNX Runtime's operators have one: int8 codes of x become uint8, 128 above.
TEST(QOperator, activations_get_one_type) {
  const Graph graph = conv_graph({}, unsigned_codes(0.5));
  const Graph form = qoperator_form(graph);
  EXPECT_EQ(operators(form), (Names{"QuantizeLinear", "QLinearConv", "DequantizeLinear"}));
  for (const Value& value : form.values) {
    if (value.name == "w") {
      EXPECT_EQ(value.type, ElementType::Int8);
    }
    if (value.name != "x_int8") continue;
    EXPECT_EQ(value.type, ElementType::Uint8);
    EXPECT_EQ(value.quantization->step(), 0.5);
    EXPECT_EQ(value.quantization->zero_point(), 128);
  }
  for (float x = -70; x <= 70; x += 3.25F) {
    EXPECT_EQ(computed(form, {x, 0}), computed(graph, {x, 0})) << x;
  }
}

// The result is the network's own and must not change.
TEST(QOperator, types_that_differ_are_named) {
  Graph graph = conv_graph({}, unsigned_codes(0.5));
  graph.outputs.push_back(values_by_name(graph).at("x_int8"));
  EXPECT_EQ(without_qlinear_form(qoperator_form(graph)),
            (Names{"conv (Conv): 'x_int8' is int8, 'conv_int8' is uint8: QLinear operators have "
                   "one type"}));
}

// Two inputs a, b of [1, 2, 2, 2] into `op`, its result as codes.
Graph two_operands(Op op, const std::string& name) {
  QdqGraph build;
  const ValueId a = build.input("a", {1, 2, 2, 2}, signed_codes(0.5));
  const ValueId b = build.input("b", {1, 2, 2, 2}, signed_codes(0.25));
  const ValueId y = build.build.add(name, std::move(op), {a, b});
  return build.graph(build.through_codes(y, signed_codes(1)));
}

Graph one_operand(Op op, const std::string& name) {
  QdqGraph build;
  const ValueId a = build.input("a", {1, 2, 2, 2}, signed_codes(0.5));
  const ValueId y = build.build.add(name, std::move(op), {a});
  return build.graph(build.through_codes(y, signed_codes(0.25)));
}

std::vector<Tensor> results(const Graph& graph) {
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    const float k = inputs.empty() ? 1 : -1.5F;
    inputs.push_back(Tensor::from<float>(
        graph.value(id).shape, {k, 2 * k, -3 * k, 4 * k, 5 * k, -6.5F * k, 7 * k, 8 * k}));
  }
  return evaluate(graph, inputs, {.arithmetic = Arithmetic::Exact, .threads = 1});
}

void expect_operator(const Graph& graph, const std::string& wanted) {
  const Graph form = qoperator_form(graph);
  const Names found = operators(form);
  EXPECT_NE(std::find(found.begin(), found.end(), wanted), found.end()) << wanted;
  EXPECT_TRUE(without_qlinear_form(form).empty()) << wanted;
  const Graph back = import_onnx_bytes(export_onnx_bytes(form, CodesForm::QOperator), "back");
  EXPECT_TRUE(results(back) == results(graph)) << wanted;
}

TEST(QOperator, each_operator_reads_its_operands_in_its_own_order) {
  expect_operator(two_operands(Binary{.kind = Binary::Kind::Add}, "y"), "QLinearAdd");
  expect_operator(two_operands(Binary{.kind = Binary::Kind::Mul}, "y"), "QLinearMul");
  expect_operator(two_operands(Concat{.axis = 1}, "y"), "QLinearConcat");
  expect_operator(two_operands(MatMul{}, "y"), "QLinearMatMul");
  expect_operator(one_operand(AveragePool{.window = FloatGraph::window(2)}, "y"),
                  "QLinearAveragePool");
  expect_operator(one_operand(Activate{{.kind = Activation::Kind::Sigmoid}}, "y"),
                  "QLinearSigmoid");
  expect_operator(one_operand(Activate{{.kind = Activation::Kind::LeakyRelu, .alpha = 0.3F}}, "y"),
                  "QLinearLeakyRelu");
}

TEST(QOperator, what_no_operator_does_is_named) {
  const Names why = without_qlinear_form(
      qoperator_form(one_operand(MaxPool{.window = FloatGraph::window(2)}, "pool")));
  EXPECT_EQ(why, (Names{"pool (MaxPool): no QLinear operator does this"}));
}

// [1, 2] times [3, 2] transposed, scales per row of the weights.
Graph gemm_graph(bool real_result) {
  QdqGraph build;
  const ValueId a = build.input("a", {1, 2}, signed_codes(0.5));
  Quantization per_row{.bits = 8, .thresholds = {127.0, 127 * 0.5, 127 * 0.25}};
  const ValueId w = build.weights("w", {3, 2}, {1, 2, 3, 4, 5, 6}, per_row);
  const ValueId y = build.build.add("gemm", Gemm{.transpose_b = true, .alpha = 0.5F},
                                    {a, w, build.bias("c", {1, 2, 3})});
  return build.graph(real_result ? y : build.through_codes(y, signed_codes(0.5)));
}

TEST(QOperator, a_gemm_may_have_a_real_result) {
  for (const bool real_result : {false, true}) {
    const Graph graph = gemm_graph(real_result);
    const Graph form = qoperator_form(graph);
    const Graph back = import_onnx_bytes(export_onnx_bytes(form, CodesForm::QOperator), "back");
    EXPECT_TRUE(without_qlinear_form(form).empty());
    EXPECT_EQ(written(form).node(1).op_type(), "QGemm");
    // 0.5 * (3 * 1 - 1 * 2) + 1, 0.5 * (3 * 1.5 - 1 * 2) + 2, 0.5 * (3 * 1.25 - 1.5) + 3
    const std::vector<float> y =
        real_result ? std::vector<float>{1.5F, 3.25F, 4.125F} : std::vector<float>{1.5F, 3, 4};
    EXPECT_EQ(computed(back, {3, -1}), y);
    EXPECT_EQ(computed(form, {3, -1}), y);
  }
}

}  // namespace
}  // namespace workbench
