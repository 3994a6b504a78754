// QONNX's operators: quantizers of any width, and its layers with channels last.
#include <gtest/gtest.h>

#include "tests/support/codes_model.h"

namespace workbench::test {
namespace {

using Signed = std::vector<std::int8_t>;

Signed signed_codes(const Tensor& tensor) {
  return {tensor.values<std::int8_t>().begin(), tensor.values<std::int8_t>().end()};
}

// Codes of the constant that the first node of the graph reads.
const Value& codes_of_weights(const Graph& graph) {
  EXPECT_TRUE(std::holds_alternative<Dequantize>(graph.nodes.at(0).op));
  return graph.value(graph.nodes.at(0).inputs[0]);
}

// Four bits without the lowest code, in steps of 0.5 and 0.25: 7.2, -18; 3.2, -2.
OnnxModel qonnx_model(const std::string& op, const std::vector<std::string>& operands) {
  OnnxModel model;
  model.input("x", {1, 2, 1, 1}).output("y");
  model.floats("w", {2, 2, 1, 1}, {3.6F, -9, 0.8F, -0.5F});
  model.floats("s", {2, 1, 1, 1}, {0.5F, 0.25F});
  model.floats("z", {}, {0});
  model.floats("bits", {}, {4});
  NodeBuilder quant = model.node(op, operands, {"q"});
  if (op == "Quant") quant.with("signed", 1).with("narrow", 1);
  quant.proto().set_domain("qonnx.custom_op.general");
  model.node("Conv", {"x", "q"}, {"y"});
  return model;
}

TEST(ImportQonnx, weights_keep_their_codes) {
  const Graph graph = qonnx_model("Quant", {"w", "s", "z", "bits"}).import();
  const Value& codes = codes_of_weights(graph);
  ASSERT_TRUE(codes.constant && codes.quantization);
  EXPECT_EQ(signed_codes(*codes.constant), (Signed{7, -7, 3, -2}));
  EXPECT_EQ(codes.quantization->bits, 4);
  EXPECT_EQ(codes.quantization->axis, 0);
  EXPECT_FLOAT_EQ(static_cast<float>(codes.quantization->step(0)), 0.5F);
  EXPECT_FLOAT_EQ(static_cast<float>(codes.quantization->step(1)), 0.25F);
}

TEST(ImportQonnx, bipolar_weights_are_codes_of_two_bits) {
  const Graph graph = qonnx_model("BipolarQuant", {"w", "s"}).import();
  const Value& codes = codes_of_weights(graph);
  ASSERT_TRUE(codes.constant && codes.quantization);
  EXPECT_EQ(signed_codes(*codes.constant), (Signed{1, -1, 1, -1}));
  EXPECT_EQ(codes.quantization->bits, 2);
  EXPECT_FLOAT_EQ(static_cast<float>(codes.quantization->step(1)), 0.25F);
}

// As QCDQ has them: rounded and cut in the file.
TEST(ImportQonnx, weights_that_are_rounded_in_the_file_are_codes) {
  OnnxModel model;
  model.input("x", {1, 2, 1, 1}).output("y");
  model.floats("w", {2, 2, 1, 1}, {3.6F, -9, 0.8F, -0.5F});
  add_scale(model, "w", {0.5F, 0.25F}, kInt8, 0);
  model.codes("low", {}, kInt8, {-7});
  model.codes("high", {}, kInt8, {7});
  model.node("QuantizeLinear", with_scale("w"), {"rounded"}).with("axis", 0);
  model.node("Clip", {"rounded", "low", "high"}, {"cut"});
  model.node("DequantizeLinear", {"cut", "w_scale", "w_zero"}, {"q"}).with("axis", 0);
  model.node("Conv", {"x", "q"}, {"y"});
  const Graph graph = model.import();
  const Value& codes = codes_of_weights(graph);
  ASSERT_TRUE(codes.constant && codes.quantization);
  EXPECT_EQ(signed_codes(*codes.constant), (Signed{7, -7, 3, -2}));
  EXPECT_FLOAT_EQ(static_cast<float>(codes.quantization->step(0)), 0.5F);
}

// Of x / 0.5 in four bits, which ties are next to: -1.5, -0.5, 0.5, 1.5, 2.25 and, beyond, 9 and
// -9.
std::vector<float> quantized(const std::string& mode, bool as_weights) {
  OnnxModel model;
  model.output("y");
  if (as_weights) {
    model.floats("x", {1, 7}, {-0.75F, -0.25F, 0.25F, 0.75F, 1.125F, 4.5F, -4.5F});
    model.input("unused", {1});
  } else {
    model.input("x", {1, 7});
  }
  model.floats("s", {}, {0.5F});
  model.floats("z", {}, {0});
  model.floats("bits", {}, {4});
  NodeBuilder quant = model.node("IntQuant", {"x", "s", "z", "bits"}, {"y"});
  quant.with("signed", 1).with("narrow", 0).with("rounding_mode", mode.c_str());
  quant.proto().set_domain("qonnx.custom_op.general");
  std::vector<Tensor> x = {
      Tensor::from<float>({1, 7}, {-0.75F, -0.25F, 0.25F, 0.75F, 1.125F, 4.5F, -4.5F})};
  if (as_weights) x = {Tensor::from<float>({1}, {0})};
  const Tensor y = evaluate(model.import(), x, {.arithmetic = Arithmetic::Exact, .threads = 1})[0];
  std::vector<float> codes;
  for (const float value : y.values<float>()) codes.push_back(value / 0.5F);
  return codes;
}

TEST(ImportQonnx, every_rounding_mode) {
  const std::vector<std::pair<std::string, std::vector<float>>> cases = {
      {"ROUND", {-2, 0, 0, 2, 2, 7, -8}},         {"half_even", {-2, 0, 0, 2, 2, 7, -8}},
      {"FLOOR", {-2, -1, 0, 1, 2, 7, -8}},        {"CEIL", {-1, 0, 1, 2, 3, 7, -8}},
      {"ROUND_TO_ZERO", {-1, 0, 0, 1, 2, 7, -8}}, {"DOWN", {-1, 0, 0, 1, 2, 7, -8}},
      {"UP", {-2, -1, 1, 2, 3, 7, -8}},           {"HALF_UP", {-2, -1, 1, 2, 2, 7, -8}},
      {"HALF_DOWN", {-1, 0, 0, 1, 2, 7, -8}},
  };
  for (const auto& [mode, codes] : cases) {
    EXPECT_EQ(quantized(mode, false), codes) << mode;
    EXPECT_EQ(quantized(mode, true), codes) << mode << " of weights";
  }
}

TEST(ImportQonnx, one_signed_bit_is_plus_or_minus_one) {
  OnnxModel model = qonnx_model("Quant", {"w", "s", "z", "one"});
  model.floats("one", {}, {1});
  const Value codes = codes_of_weights(model.import());
  ASSERT_TRUE(codes.constant);
  EXPECT_EQ(signed_codes(*codes.constant), (Signed{1, -1, 1, -1}));
}

// A convolution, a batch norm and a pool: of maps [1, 4, 4, 2], and between transpositions of ours.
OnnxModel channels_last_model(bool wrapped) {
  OnnxModel model;
  model.input("x", {1, 4, 4, 2}).output("y");
  std::vector<float> weights;
  for (int i = 0; i < 3 * 2 * 2 * 2; ++i) weights.push_back(static_cast<float>(i % 7) - 2.5F);
  model.floats("w", {3, 2, 2, 2}, weights);  // [O, H, W, I]
  for (const char* name : {"scale", "bias", "mean"}) model.floats(name, {3}, {1, -2, 0.5F});
  model.floats("variance", {3}, {1, 4, 0.25F});
  const std::vector<std::int64_t> first = {0, 3, 1, 2}, last = {0, 2, 3, 1};
  const auto layer = [&](const std::string& op, std::vector<std::string> operands,
                         const std::string& result) {
    if (!wrapped) {
      model.node("Transpose", {operands[0]}, {result + "_in"}).with("perm", first);
      operands[0] = result + "_in";
    }
    NodeBuilder node = model.node(op, operands, {wrapped ? result : result + "_out"});
    if (wrapped) {
      node.proto().set_domain("qonnx.custom_op.channels_last");
    } else {
      model.node("Transpose", {result + "_out"}, {result}).with("perm", last);
    }
    return node;
  };
  if (!wrapped) model.node("Transpose", {"w"}, {"w_oihw"}).with("perm", first);
  layer("Conv", {"x", wrapped ? "w" : "w_oihw"}, "c");
  layer("BatchNormalization", {"c", "scale", "bias", "mean", "variance"}, "b");
  layer("MaxPool", {"b"}, "y").with("kernel_shape", std::vector<std::int64_t>{2, 2});
  return model;
}

TEST(ImportQonnx, layers_with_channels_last) {
  std::vector<float> pixels;
  for (int i = 0; i < 32; ++i) pixels.push_back(static_cast<float>(i * 5 % 11) - 4);
  const std::vector<Tensor> x = {Tensor::from<float>({1, 4, 4, 2}, pixels)};
  const auto result = [&](bool wrapped) {
    return evaluate(channels_last_model(wrapped).import(), x,
                    {.arithmetic = Arithmetic::Exact, .threads = 1})
        .at(0);
  };
  EXPECT_EQ(result(true), result(false));
  EXPECT_EQ(result(true).shape(), (Shape{1, 2, 2, 3}));
}

TEST(ImportQonnx, other_layers_with_channels_last_are_refused) {
  OnnxModel model;
  model.input("x", {1, 4, 4, 2}).output("y");
  model.node("Softplus", {"x"}, {"y"})
      .named("n")
      .proto()
      .set_domain("qonnx.custom_op.channels_last");
  EXPECT_EQ(model.import_error(),
            "test: node 'n' (Softplus): operator of domain 'qonnx.custom_op.channels_last' is not "
            "supported");
  OnnxModel flat;
  flat.input("x", {1, 4}).output("y");
  flat.node("MaxPool", {"x"}, {"y"}).named("n").proto().set_domain("qonnx.custom_op.channels_last");
  EXPECT_EQ(flat.import_error(),
            "test: node 'n' (MaxPool): input 0: expected maps [N, ..., C] of 3 dimensions, found "
            "[1, 4]");
}

}  // namespace
}  // namespace workbench::test
