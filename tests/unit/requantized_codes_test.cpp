// What a network that came quantized loses on a target with symmetric codes.
#include <gtest/gtest.h>

#include "compiler/passes/passes.h"
#include "compiler/quantize/quantize_target.h"
#include "tests/support/codes_model.h"

namespace workbench::test {
namespace {

struct Codes {
  int type = kInt8;
  std::int32_t zero_point = 0;
  float scale = 0.5F;
};

void rounded(OnnxModel& model, const std::string& name, const Codes& codes) {
  add_scale(model, name, {codes.scale}, codes.type, codes.zero_point);
  const std::vector<std::string> operands = with_scale(name);
  model.node("QuantizeLinear", operands, {name + "_codes"});
  model.node("DequantizeLinear", {name + "_codes", operands[1], operands[2]}, {name + "_real"});
}

// x -> codes -> 1x1 Conv by quantized weights -> (Relu ->) codes -> y
OnnxModel network(const Codes& x, const Codes& w, const Codes& y, bool relu = true) {
  OnnxModel model;
  model.input("x", {1, 1, 2, 2}).output("out");
  rounded(model, "x", x);
  model.codes("w", {1, 1, 1, 1}, w.type, {w.zero_point + 3});
  add_scale(model, "w", {w.scale}, w.type, w.zero_point);
  model.node("DequantizeLinear", with_scale("w"), {"w_real"});
  model.node("Conv", {"x_real", "w_real"}, {relu ? "sum" : "y"}).named("conv");
  if (relu) model.node("Relu", {"sum"}, {"y"});
  rounded(model, "y", y);
  model.node("MaxPool", {"y_real"}, {"out"}).with("kernel_shape", std::vector<std::int64_t>{2, 2});
  return model;
}

Graph annotated(const Graph& imported, const QuantizeTarget& target) {
  Graph graph = target.prepare(imported);
  run_passes(graph, float_pipeline());
  return target.annotate(std::move(graph), {});
}

std::vector<std::string> lines_for(const OnnxModel& model,
                                   const QuantizeTarget& target = xdnn_quantize_target({})) {
  const Graph imported = model.import();
  return requantized_codes(imported, annotated(imported, target)).lines;
}

TEST(RequantizedCodes, symmetric_codes_stay) {
  EXPECT_EQ(lines_for(network({}, {}, {})), std::vector<std::string>{});
}

// uint8 around 128 is int8 under other names.
TEST(RequantizedCodes, centred_codes_stay) {
  EXPECT_EQ(lines_for(network({kUint8, 128}, {}, {kUint8, 128})), std::vector<std::string>{});
}

// Codes 0 to 255 in steps of 0.5 become 0 to 127 in steps of 127.5 / 127: 1 of the first, 0.5, is
// nearest to 0 and loses its whole step.
TEST(RequantizedCodes, unsigned_codes_widen_on_a_target_of_signed_ones) {
  EXPECT_EQ(lines_for(network({}, {}, {kUint8, 0})),
            std::vector<std::string>{"value 'y': came as uint8, scale 0.5; is int8, scale 1.004: "
                                     "differs by up to 1 steps"});
  EXPECT_EQ(lines_for(network({}, {}, {kUint8, 0}), pulp_quantize_target({})),
            std::vector<std::string>{});
}

// 0 to 63.5 in steps of 0.5 become 0 to 255 in steps of 63.5 / 255, in which 0.5 is 2.008 and half
// of that or less is lost: 0.498 of a step of 0.5 at most. Codes below 0 are idle behind a Relu.
TEST(RequantizedCodes, signed_codes_of_results_that_are_not_negative_become_finer) {
  const std::vector<std::string> lines = lines_for(network({}, {}, {}), pulp_quantize_target({}));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(
      lines[0].starts_with("value 'y': came as int8, scale 0.5; is uint8, scale 0.249: "
                           "differs by up to 0.2"))
      << lines[0];
}

// -1.5 to 126 becomes +-126 in steps of 126 / 127: 63 lies between two of them, half a step of
// 0.9921 away from each.
TEST(RequantizedCodes, zero_points_widen_to_the_larger_side) {
  EXPECT_EQ(lines_for(network({kUint8, 3}, {}, {})),
            std::vector<std::string>{"value 'x': came as uint8, zero point 3, scale 0.5; is int8, "
                                     "scale 0.9921: differs by up to 0.992 steps"});
}

// x widens, y and the weights stay.
TEST(RequantizedCodes, are_counted) {
  const Graph imported = network({kUint8, 3}, {}, {}).import();
  const RequantizedCodes found =
      requantized_codes(imported, annotated(imported, xdnn_quantize_target({})));
  EXPECT_EQ(found.summary(),
            "re-lowered: 1 of 2 activations and the weights of 0 of 1 layers have other codes than "
            "the file's");
  EXPECT_EQ(requantized_codes(imported, annotated(imported, pulp_quantize_target({}))).activations,
            2U);
  EXPECT_FALSE(RequantizedCodes{}.summary().has_value());
}

// A target that has zero points keeps them.
TEST(RequantizedCodes, zero_points_stay_on_pulp) {
  EXPECT_EQ(lines_for(network({kUint8, 3}, {}, {kInt8, -128}), pulp_quantize_target({})),
            std::vector<std::string>{});
}

// x -> codes -> Pad -> codes -> 3x3 Conv, as TensorFlow Lite's files have it: the Pad becomes the
// convolution's, and zeros have the code they had.
TEST(RequantizedCodes, codes_of_what_is_padded_are_codes_before_it) {
  const auto padded = [](const Codes& before, const Codes& behind) {
    OnnxModel model;
    model.input("x", {1, 1, 2, 2}).output("out");
    rounded(model, "x", before);
    model.integers("pads", {0, 0, 1, 1, 0, 0, 1, 1});
    model.node("Pad", {"x_real", "pads"}, {"p"});
    rounded(model, "p", behind);
    model.floats("w", {1, 1, 3, 3}, std::vector<float>(9, 1.0F));
    model.node("Conv", {"p_real", "w"}, {"y"}).named("conv");
    rounded(model, "y", {});
    model.node("MaxPool", {"y_real"}, {"out"})
        .with("kernel_shape", std::vector<std::int64_t>{2, 2});
    return model;
  };
  EXPECT_EQ(lines_for(padded({}, {})), std::vector<std::string>{});
  EXPECT_EQ(lines_for(padded({}, {kInt8, 0, 0.25F})).size(), 1U);
}

TEST(RequantizedCodes, weights_with_zero_points_are_named_by_layer) {
  EXPECT_EQ(lines_for(network({}, {kUint8, 128}, {})),
            std::vector<std::string>{
                "layer 'conv': weights came as uint8, zero point 128, scale 0.5; no target has "
                "their zero points: they are rounded anew, to the largest of each output channel"});
}

// x -> codes -> 1x1 Conv -> codes -> Relu -> codes -> out
OnnxModel rounded_before_relu(const Codes& sum, const Codes& y) {
  OnnxModel inside;
  inside.input("x", {1, 1, 2, 2}).output("out");
  rounded(inside, "x", {});
  inside.floats("w", {1, 1, 1, 1}, {1.0F});
  inside.node("Conv", {"x_real", "w"}, {"sum"}).named("conv");
  rounded(inside, "sum", sum);
  inside.node("Relu", {"sum_real"}, {"y"});
  rounded(inside, "y", y);
  inside.node("Identity", {"y_real"}, {"out"});
  return inside;
}

// Rounded twice to different steps, or cut off first at 63.5, or at 0.5 * (255 - 200) = 27.5: not
// what rounding once behind the Relu gives.
TEST(RequantizedCodes, codes_inside_a_fused_layer_are_lost) {
  const std::string sum = "value 'sum': came as ";
  EXPECT_EQ(lines_for(rounded_before_relu({kInt8, 0, 0.25F}, {})),
            std::vector<std::string>{sum + "int8, scale 0.25; is not rounded"});
  EXPECT_EQ(lines_for(rounded_before_relu({kInt8, 0, 1.0F}, {})),
            std::vector<std::string>{sum + "int8, scale 1; is not rounded"});
  EXPECT_EQ(lines_for(rounded_before_relu({}, {kUint8, 0}), pulp_quantize_target({})),
            std::vector<std::string>{sum + "int8, scale 0.5; is not rounded"});
  EXPECT_EQ(lines_for(rounded_before_relu({kUint8, 200}, {})),
            std::vector<std::string>{sum + "uint8, zero point 200, scale 0.5; is not rounded"});
}

// As a QLinearConv and a Relu on its codes are.
TEST(RequantizedCodes, rounding_before_a_relu_is_rounding_behind_it_on_the_same_steps) {
  EXPECT_EQ(lines_for(rounded_before_relu({}, {})), std::vector<std::string>{});
  EXPECT_EQ(lines_for(rounded_before_relu({kUint8, 128}, {})), std::vector<std::string>{});
}

// Quantizers drop the Relu before codes that start at 0: it is there again.
TEST(RequantizedCodes, a_relu_that_saturation_stood_for_is_restored) {
  for (const Codes& codes : {Codes{kUint8, 0}, Codes{kInt8, -128}}) {
    const Graph graph = annotated(network({}, {}, codes, false).import(), xdnn_quantize_target({}));
    const auto& conv = std::get<Conv>(graph.nodes.at(0).op);
    EXPECT_EQ(conv.activation.kind, Activation::Kind::Relu);
    EXPECT_EQ(graph.value(graph.nodes[0].outputs[0]).name, "y");
  }
  const Graph plain =
      annotated(network({}, {}, {kUint8, 5}, false).import(), xdnn_quantize_target({}));
  EXPECT_EQ(std::get<Conv>(plain.nodes.at(0).op).activation.kind, Activation::Kind::None);
}

}  // namespace
}  // namespace workbench::test
