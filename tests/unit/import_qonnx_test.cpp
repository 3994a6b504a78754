// QONNX's operators: quantizers of any width, and its layers with channels last.
#include <gtest/gtest.h>

#include <algorithm>

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

bool has_codes(const Graph& graph) {
  return std::ranges::any_of(
      graph.nodes, [](const Node& node) { return std::holds_alternative<Quantize>(node.op); });
}

OnnxModel activation_model(const std::string& mode, bool is_signed, int bits = 4) {
  OnnxModel model;
  model.input("x", {1, 2, 4, 4}).output("y");
  model.floats("s", {}, {0.5F});
  model.floats("z", {}, {0});
  model.floats("bits", {}, {static_cast<float>(bits)});
  NodeBuilder quant = model.node("Quant", {"x", "s", "z", "bits"}, {"y"}).named("q");
  quant.with("signed", is_signed ? 1 : 0).with("rounding_mode", mode.c_str());
  quant.proto().set_domain("qonnx.custom_op.general");
  return model;
}

// CEIL, and what rounds halves down, is no machine's.
TEST(ImportQonnx, activations_are_codes_where_machines_round_so) {
  for (const char* mode : {"ROUND", "HALF_EVEN", "HALF_UP", "FLOOR"}) {
    EXPECT_TRUE(has_codes(activation_model(mode, true).import())) << mode;
    EXPECT_TRUE(activation_model(mode, true).notes().empty()) << mode;
  }
  EXPECT_TRUE(has_codes(activation_model("DOWN", false).import()));
  for (const char* mode : {"CEIL", "UP", "HALF_DOWN", "DOWN"}) {
    EXPECT_FALSE(has_codes(activation_model(mode, true).import())) << mode;
    EXPECT_EQ(activation_model(mode, true).notes(),
              (std::vector<std::string>{
                  "codes of Quant are computed on the host: no target rounds so (first 'q')"}))
        << mode;
  }
  EXPECT_EQ(activation_model("ROUND", true, 12).notes().at(0),
            "codes of Quant are computed on the host: of 2 to 8 bits alone there are codes (first "
            "'q')");
}

struct ThresholdCase {
  const char* name;
  int steps;
  float scale, bias;
  bool is_even, becomes_codes;
};

// Thresholds of three channels in 64ths, of a distance of their own each.
std::vector<float> thresholds_of(const ThresholdCase& of) {
  std::vector<float> thresholds;
  for (int c = 0; c < 3; ++c) {
    for (int k = 0; k < of.steps; ++k) {
      const int uneven = !of.is_even && c == 1 && k == 1 ? 1 : 0;
      thresholds.push_back(static_cast<float>((k - 2) * 8 * (1 << c) + 4 * c + uneven) / 64);
    }
  }
  return thresholds;
}

class ImportMultiThreshold : public testing::TestWithParam<ThresholdCase> {};

// Inputs lie on thresholds and beside them.
TEST_P(ImportMultiThreshold, counts_the_thresholds_that_are_reached) {
  const ThresholdCase& of = GetParam();
  const std::vector<float> thresholds = thresholds_of(of);
  OnnxModel model;
  model.input("x", {1, 3, 8, 128}).output("y");
  model.floats("t", {3, of.steps}, thresholds);
  NodeBuilder node = model.node("MultiThreshold", {"x", "t"}, {"y"}).named("m");
  node.with("out_scale", of.scale).with("out_bias", of.bias).with("out_dtype", "INT8");
  node.proto().set_domain("finn.custom_op.general");
  std::vector<float> x, wanted;
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < 8 * 128; ++i) {
      x.push_back(static_cast<float>(i - 512) / 64);
      int reached = 0;
      for (int k = 0; k < of.steps; ++k) {
        reached += x.back() >= thresholds[static_cast<std::size_t>(c * of.steps + k)] ? 1 : 0;
      }
      wanted.push_back(of.bias + of.scale * static_cast<float>(reached));
    }
  }
  const Graph graph = model.import();
  EXPECT_EQ(has_codes(graph), of.becomes_codes);
  EXPECT_EQ(model.notes().empty(), of.becomes_codes);
  const std::vector<Tensor> input = {Tensor::from<float>({1, 3, 8, 128}, x)};
  const Tensor y = evaluate(graph, input, {.arithmetic = Arithmetic::Exact, .threads = 1})[0];
  const auto found = y.values<float>();
  EXPECT_EQ(std::vector<float>(found.begin(), found.end()), wanted);
}

INSTANTIATE_TEST_SUITE_P(Forms, ImportMultiThreshold,
                         testing::Values(ThresholdCase{"four_bits", 15, 0.5F, 0, true, true},
                                         ThresholdCase{"signed_bits", 15, 0.25F, -2, true, true},
                                         ThresholdCase{"narrow", 14, 0.25F, -1.75F, true, true},
                                         ThresholdCase{"few_codes", 5, 1, 0, true, true},
                                         ThresholdCase{"one", 1, 1, 0, true, true},
                                         ThresholdCase{"eight_bits", 255, 0.125F, 0, true, true},
                                         ThresholdCase{"bipolar", 1, 2, -1, true,
                                                       false},  // no code is zero
                                         ThresholdCase{"uneven", 15, 0.5F, 0, false, false}),
                         [](const auto& of) { return std::string(of.param.name); });

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
  OnnxModel bare;
  bare.input("x", {1, 4, 4, 2}).output("y");
  bare.node("Conv", {"x"}, {"y"}).named("n").proto().set_domain("qonnx.custom_op.channels_last");
  EXPECT_EQ(bare.import_error(),
            "test: node 'n' (Conv): input 1: expected weights [M, ..., C], with channels last, "
            "found none");
}

}  // namespace
}  // namespace workbench::test
