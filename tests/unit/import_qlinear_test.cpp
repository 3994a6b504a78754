// Operators in QOperator form, and weights that other operators quantize. Real numbers are in the
// comments, codes in the tests: real = (code - zero point) * scale.
#include <gtest/gtest.h>

#include "tests/support/codes_model.h"

namespace workbench::test {
namespace {

using Codes = std::vector<std::int32_t>;
using Integers = std::vector<std::int64_t>;
using Unsigned = std::vector<std::uint8_t>;
using Signed = std::vector<std::int8_t>;

// One node of ONNX Runtime's domain, or the standard's. Operands are constants.
struct CodesModel {
  OnnxModel model;
  std::vector<std::string> operands;

  CodesModel() {
    auto& set = *model.proto().add_opset_import();
    set.set_domain("com.microsoft");
    set.set_version(1);
    model.output("y");
  }
  CodesModel& tensor(const std::string& name, const Shape& shape, int type, const Codes& codes,
                     const std::vector<float>& scales, std::int32_t zero_point = 0) {
    model.codes(name, shape, type, codes);
    add_scale(model, name, scales, type, zero_point);
    operands = joined(operands, with_scale(name));
    return *this;
  }
  CodesModel& result(int type, float scale, std::int32_t zero_point = 0) {
    add_scale(model, "y", {scale}, type, zero_point);
    operands = joined(operands, {"y_scale", "y_zero"});
    return *this;
  }
  NodeBuilder node(const std::string& op, const std::string& domain = "com.microsoft") {
    NodeBuilder node = model.node(op, operands, {"y"});
    node.proto().set_domain(domain);
    return node.named("n");
  }
  Tensor run() const {
    return evaluate(model.import(), {}, {.arithmetic = Arithmetic::Exact, .threads = 1}).at(0);
  }
};

Unsigned unsigned_codes(const Tensor& tensor) {
  return {tensor.values<std::uint8_t>().begin(), tensor.values<std::uint8_t>().end()};
}
Signed signed_codes(const Tensor& tensor) {
  return {tensor.values<std::int8_t>().begin(), tensor.values<std::int8_t>().end()};
}

// x 5, 0; w 1, -1; bias 8 * 0.5 * 0.25 and 4 * 0.5 * 0.5, both 1: y 6, 1 and -4, 1.
CodesModel conv_model() {
  CodesModel m;
  m.tensor("x", {1, 1, 1, 2}, kUint8, {13, 3}, {0.5F}, 3);
  m.tensor("w", {2, 1, 1, 1}, kInt8, {4, -2}, {0.25F, 0.5F});
  m.result(kUint8, 0.5F, 10);
  m.model.codes("b", {2}, kInt32, {8, 4});
  m.operands.push_back("b");
  return m;
}

TEST(ImportQlinear, a_convolution_has_scales_per_channel_and_an_integer_bias) {
  CodesModel m = conv_model();
  m.node("QLinearConv", "");
  EXPECT_EQ(unsigned_codes(m.run()), (Unsigned{22, 12, 2, 12}));
}

TEST(ImportQlinear, the_operator_on_real_numbers_has_the_name_of_the_node) {
  CodesModel m = conv_model();
  m.node("QLinearConv", "");
  const Graph graph = m.model.import();
  ASSERT_EQ(graph.nodes.size(), 5U);  // three Dequantize, Conv, Quantize
  EXPECT_EQ(graph.nodes[3].name, "n");
  EXPECT_TRUE(std::holds_alternative<Conv>(graph.nodes[3].op));
  EXPECT_EQ(graph.value(graph.nodes[3].outputs[0]).name, "y_float");
  EXPECT_EQ(graph.value(graph.nodes[1].outputs[0]).name, "w_float");
  EXPECT_EQ(graph.value(graph.nodes[1].inputs[0]).quantization->thresholds.size(), 2U);
}

// The same bias codes mean 8 * 0.5 * 1 = 4 in the second convolution.
TEST(ImportQlinear, a_bias_that_two_convolutions_share_means_something_else_in_each) {
  CodesModel m = conv_model();
  m.node("QLinearConv", "");
  m.model.codes("v", {2, 2, 1, 1}, kInt8, {0, 0, 0, 0});
  add_scale(m.model, "v", {1.0F}, kInt8, 0);
  add_scale(m.model, "z", {1.0F}, kUint8, 0);
  m.model.output("z");
  m.model.node(
      "QLinearConv",
      joined(joined(joined(with_scale("y"), with_scale("v")), {"z_scale", "z_zero"}), {"b"}),
      {"z"});
  const std::vector<Tensor> found =
      evaluate(m.model.import(), {}, {.arithmetic = Arithmetic::Exact, .threads = 1});
  EXPECT_EQ(unsigned_codes(found.at(0)), (Unsigned{22, 12, 2, 12}));
  EXPECT_EQ(unsigned_codes(found.at(1)), (Unsigned{4, 4, 2, 2}));
}

// 1, -1 times columns 2, 6 and 2, 4: -4, -2
TEST(ImportQlinear, a_matrix_product_may_have_a_scale_per_column) {
  CodesModel m;
  m.tensor("a", {1, 2}, kUint8, {12, 8}, {0.5F}, 10);
  m.tensor("b", {2, 2}, kInt8, {2, 4, 6, 8}, {1.0F, 0.5F});
  m.result(kUint8, 1, 100).node("QLinearMatMul", "");
  EXPECT_EQ(unsigned_codes(m.run()), (Unsigned{96, 98}));
}

// 5, -2 and 4, 0: sums 9, -2, products 20, 0
TEST(ImportQlinear, sums_and_products_rescale_both_operands) {
  for (const bool sum : {true, false}) {
    CodesModel m;
    m.tensor("a", {1, 2}, kInt8, {10, -4}, {0.5F}).tensor("b", {1, 2}, kInt8, {3, 1}, {2.0F}, 1);
    m.result(kInt8, 1, -1).node(sum ? "QLinearAdd" : "QLinearMul");
    EXPECT_EQ(signed_codes(m.run()), sum ? (Signed{8, -3}) : (Signed{19, -1}));
  }
}

// 1, 2, 3, 4: mean 2.5; of rows 1.5 and 3.5; in steps of 0.25 above 1
TEST(ImportQlinear, average_pools_round_once) {
  CodesModel m;
  m.tensor("x", {1, 1, 2, 2}, kUint8, {2, 4, 6, 8}, {0.5F}).result(kUint8, 0.25F, 1);
  CodesModel rows = m;
  m.node("QLinearGlobalAveragePool").with("channels_last", 0);
  EXPECT_EQ(unsigned_codes(m.run()), Unsigned{11});
  rows.node("QLinearAveragePool").with("kernel_shape", Integers{1, 2});
  EXPECT_EQ(unsigned_codes(rows.run()), (Unsigned{7, 15}));
}

// Two channels, pixel by pixel: 1, 2, 3, 4 and 4, 4, 4, 0: means 2.5 and 3; of rows 1.5, 4 and 3.5,
// 2; in steps of 0.25 above 1.
TEST(ImportQlinear, average_pools_may_have_channels_last) {
  CodesModel m;
  m.tensor("x", {1, 2, 2, 2}, kUint8, {2, 8, 4, 8, 6, 8, 8, 0}, {0.5F}).result(kUint8, 0.25F, 1);
  CodesModel rows = m, padded = m;
  m.node("QLinearGlobalAveragePool").with("channels_last", 1);
  EXPECT_EQ(unsigned_codes(m.run()), (Unsigned{11, 13}));
  EXPECT_EQ(m.run().shape(), (Shape{1, 1, 1, 2}));
  rows.node("QLinearAveragePool").with("kernel_shape", Integers{1, 2}).with("channels_last", 1);
  EXPECT_EQ(unsigned_codes(rows.run()), (Unsigned{7, 17, 15, 9}));
  EXPECT_EQ(rows.run().shape(), (Shape{1, 2, 1, 2}));
  padded.node("QLinearAveragePool")
      .with("kernel_shape", Integers{2, 2})
      .with("channels_last", 1)
      .with("auto_pad", "SAME_UPPER");
  EXPECT_NE(padded.model.import_error().find("expected NOTSET or VALID beside channels_last"),
            std::string::npos);
}

// 2 and 1 in steps of 0.5 above 3
TEST(ImportQlinear, concat_brings_every_operand_to_the_scale_of_the_result) {
  CodesModel m;
  m.result(kUint8, 0.5F, 3).tensor("a", {1, 1}, kUint8, {4}, {0.5F});
  m.tensor("b", {1, 1}, kUint8, {6}, {0.25F}, 2).node("QLinearConcat").with("axis", 1);
  EXPECT_EQ(unsigned_codes(m.run()), (Unsigned{7, 5}));
}

// a 2, 0; rows of b 1, 2 and 2, 3; alpha 2; c 5 * 2 and 2 * 1: 4 + 10 and 8 + 2
CodesModel gemm_model() {
  CodesModel m;
  m.tensor("a", {1, 2}, kUint8, {3, 1}, {1.0F}, 1);
  m.tensor("b", {2, 2}, kInt8, {1, 2, 4, 6}, {1.0F, 0.5F});
  m.model.codes("c", {2}, kInt32, {5, 2});
  m.operands.push_back("c");
  return m;
}

TEST(ImportQlinear, gemm_ends_in_codes_or_in_real_numbers) {
  CodesModel real = gemm_model();
  CodesModel codes = gemm_model();
  real.node("QGemm").with("transB", 1).with("alpha", 2.0F);
  EXPECT_EQ(floats_of(real.run()), (std::vector<float>{14, 10}));
  codes.result(kUint8, 2).node("QGemm").with("transB", 1).with("alpha", 2.0F);
  EXPECT_EQ(unsigned_codes(codes.run()), (Unsigned{7, 5}));
}

// -4 and 2, halved below 0
TEST(ImportQlinear, activations_are_computed_on_real_numbers) {
  CodesModel leaky;
  leaky.tensor("x", {1, 2}, kInt8, {-8, 4}, {0.5F}).result(kInt8, 0.5F);
  leaky.node("QLinearLeakyRelu").with("alpha", 0.5F);
  EXPECT_EQ(signed_codes(leaky.run()), (Signed{-4, 4}));
  CodesModel sigmoid;  // 0 gives 0.5
  sigmoid.tensor("x", {1, 1}, kUint8, {7}, {0.5F}, 7).result(kUint8, 0.00390625F);
  sigmoid.node("QLinearSigmoid");
  EXPECT_EQ(unsigned_codes(sigmoid.run()), Unsigned{128});
}

// 0, 1, 2 and 3 have a mean of 1.5: 6 steps of 0.25 above the zero point.
TEST(ImportQlinear, a_mean_over_axes_rounds_once) {
  CodesModel m;
  m.tensor("x", {1, 1, 1, 4}, kUint8, {3, 5, 7, 9}, {0.5F}, 3).result(kUint8, 0.25F, 2);
  m.node("QLinearReduceMean").with("axes", Integers{3}).with("keepdims", 0);
  const Tensor y = m.run();
  EXPECT_EQ(y.shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(unsigned_codes(y), Unsigned{8});
}

// Equal numbers: halves along the last axis, quarters over all that old operator sets flatten.
TEST(ImportQlinear, softmax_is_that_of_the_operator_set_it_names) {
  const auto run = [](std::int64_t opset) {
    CodesModel m;
    m.tensor("x", {1, 2, 2}, kInt8, {5, 5, 5, 5}, {0.5F}, 1).result(kUint8, 0.00390625F);
    m.node("QLinearSoftmax").with("opset", opset);
    return unsigned_codes(m.run());
  };
  EXPECT_EQ(run(13), (Unsigned{128, 128, 128, 128}));
  EXPECT_EQ(run(11), (Unsigned{64, 64, 64, 64}));
}

// 2 where the condition holds, else 5.
TEST(ImportQlinear, where_chooses_between_real_numbers) {
  CodesModel m;
  m.model.codes("c", {2}, onnx::TensorProto::BOOL, {1, 0});
  m.operands = {"c"};
  m.tensor("x", {2}, kUint8, {4, 4}, {0.5F});
  m.tensor("z", {2}, kUint8, {6, 6}, {1.0F}, 1);
  m.result(kUint8, 0.5F, 1).node("QLinearWhere");
  EXPECT_EQ(unsigned_codes(m.run()), (Unsigned{5, 11}));
}

// 1 and 2 by 3 and -1 at a scale of 0.5, as real numbers: 1 * 1.5 + 2 * -0.5.
TEST(ImportQlinear, dynamic_quantization_is_made_static_with_a_word) {
  OnnxModel model;
  model.input("x", {1, 2}).output("y");
  model.codes("w", {2, 1}, kInt8, {3, -1});
  model.floats("s", {}, {0.5F});
  model.node("DynamicQuantizeLinear", {"x"}, {"q", "xs", "xz"});
  model.node("MatMulInteger", {"q", "w", "xz"}, {"m"});
  model.node("Cast", {"m"}, {"f"}).with("to", 1);
  model.node("Mul", {"xs", "s"}, {"scale"});
  model.node("Mul", {"f", "scale"}, {"y"});
  EXPECT_EQ(model.notes(),
            (std::vector<std::string>{"dynamic quantization made static: the scales that 1 "
                                      "operators find at run time are those of the calibration"}));
  const std::vector<Tensor> x = {Tensor::from<float>({1, 2}, {1, 2})};
  const Tensor y = evaluate(model.import(), x, {.arithmetic = Arithmetic::Exact, .threads = 1})[0];
  EXPECT_EQ(y.values<float>()[0], 0.5F);
}

TEST(ImportQlinear, what_cannot_be_imported_says_why) {
  CodesModel dynamic;
  dynamic.node("DynamicQuantizeLSTM", "");
  EXPECT_EQ(dynamic.model.import_error(),
            "test: node 'n' (DynamicQuantizeLSTM): not supported: its scales are known at run "
            "time only, the targets need them now: quantize statically");
  CodesModel standard;
  standard.node("QLinearAdd", "");
  EXPECT_EQ(standard.model.import_error(),
            "test: node 'n' (QLinearAdd): expected an operator of domain 'com.microsoft', found "
            "the standard's");
  CodesModel other;
  other.node("QLinearConv", "com.example");
  EXPECT_EQ(other.model.import_error(),
            "test: node 'n' (QLinearConv): operator of domain 'com.example' is not supported");
  CodesModel scales;
  scales.tensor("x", {1, 2}, kInt8, {1, 2}, {1.0F, 2.0F}).result(kInt8, 1).node("QLinearSigmoid");
  EXPECT_EQ(scales.model.import_error(),
            "test: node 'n' (QLinearSigmoid): input 1 (scale): expected one number, found 2");
}

TEST(ImportQlinear, operands_of_the_wrong_type_are_refused) {
  CodesModel bias = conv_model();
  bias.model.codes("b8", {2}, kInt8, {1, 2});
  bias.operands.back() = "b8";
  bias.node("QLinearConv", "");
  EXPECT_EQ(bias.model.import_error(),
            "test: node 'n' (QLinearConv): input 8 (bias): expected int32, found int8");
  CodesModel zero;
  zero.model.codes("x", {1, 1}, kUint8, {1});
  add_scale(zero.model, "x", {1.0F}, kInt8, 1);
  zero.operands = with_scale("x");
  zero.result(kUint8, 1).node("QLinearSigmoid");
  EXPECT_EQ(zero.model.import_error(),
            "test: node 'n' (QLinearSigmoid): input 2 (zero_point): expected uint8 like input 0, "
            "found int8");
}

}  // namespace
}  // namespace workbench::test
