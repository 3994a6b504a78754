// Every reason for which a node stays on the host, with its sentence, and that nothing within the
// limits (docs/facts/xdnn.md 1.8) is refused.
#include <gtest/gtest.h>

#include <limits>

#include "compiler/xdnn/support.h"
#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

const xdnn::Machine kV3;
constexpr const char* kRuns = "runs";

// Why the last node of the graph cannot run; "runs" when it can.
std::string reason(const GraphBuilder& b) {
  return xdnn::host_reasons(kV3)(b.graph(), b.graph().nodes.back()).value_or(kRuns);
}

// One node on a [1, 8, 32, 32] map (or `shape`); operands beyond the first as given by `more`.
std::string reason_for(Op op, const Shape& shape = {1, 8, 32, 32},
                       const std::vector<Shape>& more = {}) {
  GraphBuilder b;
  std::vector<ValueId> inputs = {b.input("x", shape)};
  for (const Shape& operand : more) inputs.push_back(b.input("y", operand));
  b.add("n", std::move(op), inputs);
  return reason(b);
}

std::string conv_reason(const Window& window, Activation activation = {},
                        const Shape& shape = {1, 8, 64, 64}, std::int64_t groups = 1) {
  GraphBuilder b;
  b.conv("n", b.input("x", shape), shape[1], window, groups);
  std::get<Conv>(b.graph().nodes.back().op).activation = std::move(activation);
  return reason(b);
}

Window dilated(std::int64_t kernel, std::int64_t dilation) {
  Window window = square_window(kernel);
  window.dilations = {dilation, dilation};
  return window;
}

TEST(XdnnSupport, convolutions_at_the_limits_run) {
  EXPECT_EQ(conv_reason(square_window(1)), kRuns);
  EXPECT_EQ(conv_reason(square_window(11, 15, 15), {}, {1, 8, 64, 64}), kRuns);
  EXPECT_EQ(conv_reason(dilated(3, 16)), kRuns);
  Window row = square_window(1);
  row.kernel = {1, 15};
  EXPECT_EQ(conv_reason(row), kRuns);
  GraphBuilder b;
  b.conv("n", b.input("x", {1, 4096, 1, 1}), 1, square_window(1));  // 43 steps
  EXPECT_EQ(reason(b), kRuns);
}

TEST(XdnnSupport, a_window_beyond_the_limits_does_not_run) {
  EXPECT_EQ(conv_reason(square_window(16)), "kernel 16x16, at most 15");
  EXPECT_EQ(conv_reason(square_window(1, 16)), "stride 16x16, at most 15");
  EXPECT_EQ(conv_reason(dilated(3, 17)), "dilation 17x17, at most 16");
  EXPECT_EQ(conv_reason(square_window(15, 1, 16)), "padding 16x16, at most 15");
}

TEST(XdnnSupport, negative_padding_does_not_run) {
  GraphBuilder b;
  b.conv("n", b.input("x", {1, 8, 32, 32}), 8, square_window(5));
  std::get<Conv>(b.graph().nodes.back().op).window.pads_end = {0, -1};
  EXPECT_EQ(reason(b), "negative padding");
}

TEST(XdnnSupport, a_convolution_with_too_many_steps_does_not_run) {
  // 15x15 on 8 channels that do not come from the network's input: 225 steps.
  GraphBuilder b;
  const ValueId x = b.relu("relu", b.input("x", {1, 8, 32, 32}));
  b.conv("n", x, 8, square_window(15));
  EXPECT_EQ(reason(b), "225 array steps per pixel, the filter buffers hold 128");
  // From DDR twelve taps share a step: ceil(225 / 12) = 19.
  EXPECT_EQ(conv_reason(square_window(15)), kRuns);
}

TEST(XdnnSupport, weights_and_bias_must_be_constant) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8, 32, 32}), w = b.input("w", {4, 8, 1, 1});
  b.add("n", Conv{.window = square_window(1)}, {x, w});
  EXPECT_EQ(reason(b), "weights are not constant");
  b.add("t", ConvTranspose{.window = square_window(1), .output_padding = {0, 0}},
        {x, b.input("wt", {8, 4, 1, 1})});
  EXPECT_EQ(reason(b), "weights are not constant");
  b.add("m", Conv{.window = square_window(1)},
        {x, b.random_constant("c", {4, 8, 1, 1}), b.input("b", {4})});
  EXPECT_EQ(reason(b), "bias is not constant");
}

TEST(XdnnSupport, only_two_dimensions_run) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8, 4, 4, 4});
  b.conv("n", x, 8, square_window(1, 1, 0, 3));
  EXPECT_EQ(reason(b), "only 2-D convolutions");
  b.add("m", MaxPool{.window = square_window(2, 1, 0, 3)}, {x});
  EXPECT_EQ(reason(b), "only 2-D pools");
  b.add("a", AveragePool{.window = square_window(2, 1, 0, 3)}, {x});
  EXPECT_EQ(reason(b), "only 2-D pools");
}

TEST(XdnnSupport, activations_that_saturation_or_two_scales_express_run) {
  const float infinity = std::numeric_limits<float>::infinity();
  using Kind = Activation::Kind;
  const Window w = square_window(3);
  EXPECT_EQ(conv_reason(w, {.kind = Kind::Relu}), kRuns);
  EXPECT_EQ(conv_reason(w, {.kind = Kind::Clip, .alpha = 0, .beta = 6}), kRuns);
  EXPECT_EQ(conv_reason(w, {.kind = Kind::Clip, .alpha = -3, .beta = 3}), kRuns);
  EXPECT_EQ(conv_reason(w, {.kind = Kind::Clip, .alpha = 1, .beta = 6}),
            "clip to [1, 6] is no saturation");
  EXPECT_EQ(conv_reason(w, {.kind = Kind::Clip, .alpha = 0, .beta = infinity}),
            "clip to [0, inf] is no saturation");
  EXPECT_EQ(conv_reason(w, {.kind = Kind::LeakyRelu, .alpha = 0.1F}), kRuns);
  EXPECT_EQ(conv_reason(w, {.kind = Kind::LeakyRelu, .alpha = -0.1F}),
            "PReLU slopes must not be negative");
  EXPECT_EQ(conv_reason(w, {.kind = Kind::PRelu, .slopes = {0.1F}}), kRuns);
  EXPECT_EQ(conv_reason(w, {.kind = Kind::PRelu, .slopes = {0.1F, -0.1F}}),
            "PReLU slopes must not be negative");
  EXPECT_EQ(conv_reason(w, {.kind = Kind::Sigmoid}),
            "the array's output stage has no such activation");
}

TEST(XdnnSupport, grouped_convolutions_run_in_blocks) {
  EXPECT_EQ(conv_reason(square_window(3), {}, {1, 512, 8, 8}, 512), kRuns);
  EXPECT_EQ(conv_reason(square_window(3), {}, {1, 96, 8, 8}, 2), kRuns);
  // 15x15 takes 225 steps even for a single group in a single word.
  EXPECT_EQ(conv_reason(square_window(15), {}, {1, 8, 16, 16}, 2), "no legal split of the groups");
}

TEST(XdnnSupport, deconvolutions_run_within_the_same_limits) {
  const auto reason_of = [](const Window& window, std::int64_t channels) {
    GraphBuilder b;
    const ValueId x = b.input("x", {1, channels, 8, 8});
    Shape weights = {channels, 4};
    weights.insert(weights.end(), window.kernel.begin(), window.kernel.end());
    b.add("n", ConvTranspose{.window = window, .output_padding = {0, 0}},
          {x, b.random_constant("w", weights)});
    return reason(b);
  };
  EXPECT_EQ(reason_of(square_window(4, 2, 1), 8), kRuns);
  EXPECT_EQ(reason_of(square_window(2, 16), 8), "stride 16x16, at most 15");
  // Replication from DDR does not exist for deconvolutions: 12x12 = 144 steps.
  EXPECT_EQ(reason_of(square_window(12), 8),
            "144 array steps per pixel, the filter buffers hold 128");
}

TEST(XdnnSupport, max_pools_within_the_limits_run) {
  EXPECT_EQ(reason_for(MaxPool{.window = square_window(15, 15, 7)}), kRuns);
  EXPECT_EQ(reason_for(MaxPool{.window = square_window(3, 2), .ceil_mode = true}), kRuns);
  EXPECT_EQ(reason_for(MaxPool{.window = square_window(16)}), "kernel 16x16, at most 15");
  EXPECT_EQ(reason_for(MaxPool{.window = dilated(2, 2)}), "no dilated pools");
}

TEST(XdnnSupport, a_max_pool_that_gives_indices_does_not_run) {
  GraphBuilder b;
  b.add("n", MaxPool{.window = square_window(2, 2)}, {b.input("x", {1, 8, 4, 4})});
  Value indices{.name = "i", .shape = {1, 8, 2, 2}, .type = ElementType::Int64};
  const ValueId id = b.graph().add_value(std::move(indices));
  b.graph().nodes.back().outputs.push_back(id);
  EXPECT_EQ(reason(b), "the pool engine gives no indices");
}

TEST(XdnnSupport, average_pools_divide_by_the_whole_window_only) {
  EXPECT_EQ(reason_for(AveragePool{.window = square_window(8, 8)}), kRuns);
  EXPECT_EQ(reason_for(AveragePool{.window = square_window(3, 1, 1), .count_include_pad = true}),
            kRuns);
  EXPECT_EQ(reason_for(AveragePool{.window = square_window(3, 1, 1)}),
            "the pool engine divides every window by its whole area, padding included");
  // 32 rows, 3x3/2: windows at 0, 2 ... 30, the last one reaches row 32.
  EXPECT_EQ(reason_for(AveragePool{.window = square_window(3, 2), .ceil_mode = true}),
            "the last window reaches beyond the padding (ceil mode)");
  EXPECT_EQ(reason_for(AveragePool{.window = square_window(2, 2), .ceil_mode = true}), kRuns);
  EXPECT_EQ(reason_for(AveragePool{.window = dilated(2, 2)}), "no dilated pools");
  EXPECT_EQ(reason_for(AveragePool{.window = square_window(16)}), "kernel 16x16, at most 15");
}

TEST(XdnnSupport, only_sums_of_two_equal_maps_run) {
  using Kind = Binary::Kind;
  const Shape map = {1, 8, 32, 32};
  EXPECT_EQ(reason_for(Binary{}, map, {map}), kRuns);
  EXPECT_EQ(reason_for(Binary{.activation = {.kind = Activation::Kind::Relu}}, map, {map}), kRuns);
  EXPECT_EQ(reason_for(Binary{.kind = Kind::Mul}, map, {map}), "the eltwise engine only adds");
  EXPECT_EQ(reason_for(Binary{.kind = Kind::Sub}, map, {map}), "the eltwise engine only adds");
  EXPECT_EQ(reason_for(Binary{}, map, {{1, 8, 1, 1}}), "the eltwise engine does not broadcast");
  EXPECT_EQ(reason_for(Binary{.activation = {.kind = Activation::Kind::Tanh}}, map, {map}),
            "the eltwise engine only has ReLU");
  EXPECT_EQ(
      reason_for(Binary{.activation = {.kind = Activation::Kind::Clip, .beta = 6}}, map, {map}),
      kRuns);
  EXPECT_EQ(
      reason_for(Binary{.activation = {.kind = Activation::Kind::Clip, .alpha = -1, .beta = 6}},
                 map, {map}),
      "clip to [-1, 6] is no saturation");
  GraphBuilder b;
  b.add("n", Binary{}, {b.input("x", map), b.random_constant("c", map)});
  EXPECT_EQ(reason(b), "one operand is a constant map");
}

TEST(XdnnSupport, a_lone_relu_runs_and_other_activations_do_not) {
  EXPECT_EQ(reason_for(Activate{{.kind = Activation::Kind::Relu}}), kRuns);
  EXPECT_EQ(reason_for(Activate{{.kind = Activation::Kind::Sigmoid}}),
            "no unit of the overlay computes Sigmoid");
}

TEST(XdnnSupport, maps_are_concatenated_along_channels_only) {
  const Shape map = {1, 8, 32, 32};
  EXPECT_EQ(reason_for(Concat{.axis = 1}, map, {map}), kRuns);
  EXPECT_EQ(reason_for(Concat{.axis = -3}, map, {{1, 3, 32, 32}}), kRuns);
  EXPECT_EQ(reason_for(Concat{.axis = 2}, map, {map}),
            "concat along axis 2, only channels can be concatenated");
  GraphBuilder b;
  b.add("n", Concat{}, {b.input("x", map), b.random_constant("c", map)});
  EXPECT_EQ(reason(b), "one operand is a constant");
}

TEST(XdnnSupport, maps_are_upsampled_by_powers_of_two_up_to_8) {
  const auto resize = [](float h, float w, Resize how = {}) {
    how.scales = {1, 1, h, w};
    how.sizes = {1, 8, static_cast<std::int64_t>(32 * h), static_cast<std::int64_t>(32 * w)};
    return reason_for(how);
  };
  EXPECT_EQ(resize(2, 8), kRuns);
  EXPECT_EQ(resize(1, 1), kRuns);
  EXPECT_EQ(resize(16, 2), "upsampling 32 to 512, factors are 1, 2, 4 ... 8");
  EXPECT_EQ(resize(2, 3), "upsampling 32 to 96, factors are 1, 2, 4 ... 8");
  EXPECT_EQ(resize(1.5F, 2), "upsampling 32 to 48, factors are 1, 2, 4 ... 8");
  EXPECT_EQ(resize(0.5F, 1), "upsampling 32 to 16, factors are 1, 2, 4 ... 8");
  using Coordinates = Resize::Coordinates;
  using Nearest = Resize::Nearest;
  const auto mode = [&](Coordinates c, Nearest n) {
    return resize(2, 2, {.coordinates = c, .nearest = n});
  };
  EXPECT_EQ(mode(Coordinates::HalfPixel, Nearest::RoundPreferFloor), kRuns);
  EXPECT_EQ(mode(Coordinates::PytorchHalfPixel, Nearest::RoundPreferCeil), kRuns);
  const std::string uneven = "this coordinate mode does not repeat pixels evenly";
  EXPECT_EQ(mode(Coordinates::AlignCorners, Nearest::Floor), uneven);
  EXPECT_EQ(mode(Coordinates::Asymmetric, Nearest::Ceil), uneven);
  EXPECT_EQ(mode(Coordinates::HalfPixel, Nearest::Floor), uneven);
}

TEST(XdnnSupport, channels_cannot_be_upsampled) {
  EXPECT_EQ(reason_for(Resize{.scales = {1, 2, 1, 1}, .sizes = {1, 16, 32, 32}}),
            "only rows and columns can be upsampled");
}

TEST(XdnnSupport, fully_connected_layers_and_the_rest_run_on_the_host) {
  EXPECT_EQ(reason_for(Gemm{}, {1, 8}, {{8, 4}}), "fully connected layers run on the host");
  EXPECT_EQ(reason_for(MatMul{}, {1, 8}, {{8, 4}}), "fully connected layers run on the host");
  EXPECT_EQ(reason_for(Softmax{}), "no unit of the overlay computes Softmax");
  EXPECT_EQ(reason_for(Lrn{.size = 5}), "no unit of the overlay computes LRN");
  EXPECT_EQ(reason_for(SpaceToDepth{.block = 2}), "no unit of the overlay computes SpaceToDepth");
}

TEST(XdnnSupport, maps_the_memory_cannot_hold_do_not_run) {
  const Op relu = Activate{{.kind = Activation::Kind::Relu}};
  EXPECT_EQ(reason_for(relu, {1, 4096, 1, 4094}), kRuns);
  EXPECT_EQ(reason_for(relu, {1, 4097, 1, 1}), "4097 channels, at most 4096");
  EXPECT_EQ(reason_for(relu, {1, 1, 4095, 2}), "map 4095x2, sides at most 4094");
  EXPECT_EQ(reason_for(relu, {2, 8, 4, 4}), "batch 2 (only 1)");
  EXPECT_EQ(reason_for(relu, {1, 8, 4}), "'x' has 3 dimensions, not N,C,H,W");
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 8, 4, 4});
  b.graph().value(x).type = ElementType::Float64;
  b.relu("n", x);
  EXPECT_EQ(reason(b), "operand is not float32");
}

// docs/facts/xdnn.md 1.8 and 2.2: what V2 has not.
xdnn::Machine v2() {
  xdnn::Machine machine;
  machine.family_name = "xdnn_v2";
  machine.array.rows = 28;
  machine.limits.filter_max = 4608;
  machine.limits.powers_of_two = 1;
  machine.filters.steps_max = machine.filters.buffer_steps = 9216;
  machine.features = {
      .replication = 0, .tiling = 0, .inline_pool = 0, .prelu = 0, .deconv = 0, .upsample = 0};
  return machine;
}

std::string reason_on(const xdnn::Machine& machine, const GraphBuilder& b) {
  return xdnn::host_reasons(machine)(b.graph(), b.graph().nodes.back()).value_or(kRuns);
}

TEST(XdnnSupport, v2_strides_and_dilations_are_powers_of_two) {
  const auto reason_of = [](const Window& window) {
    GraphBuilder b;
    b.conv("n", b.input("x", {1, 8, 64, 64}), 8, window);
    return reason_on(v2(), b);
  };
  EXPECT_EQ(reason_of(square_window(3, 8, 1)), kRuns);
  EXPECT_EQ(reason_of(square_window(3, 3, 1)), "stride 3x3, strides are powers of two");
  EXPECT_EQ(reason_of(dilated(3, 4)), kRuns);
  EXPECT_EQ(reason_of(dilated(3, 3)), "dilation 3x3, dilations are powers of two");
  GraphBuilder b;
  b.add("n", MaxPool{.window = square_window(3, 3)}, {b.input("x", {1, 8, 64, 64})});
  EXPECT_EQ(reason_on(v2(), b), "stride 3x3, strides are powers of two");
}

TEST(XdnnSupport, filters_beyond_the_field_do_not_run) {
  const auto reason_of = [](std::int64_t channels) {
    GraphBuilder b;
    b.conv("n", b.input("x", {1, channels, 8, 8}), 8, square_window(3, 1, 1));
    return reason_on(v2(), b);
  };
  EXPECT_EQ(reason_of(512), kRuns);
  EXPECT_EQ(reason_of(513), "filters of 4617 weights, at most 4608");
}

TEST(XdnnSupport, units_that_a_machine_has_not_are_named) {
  GraphBuilder b;
  const ValueId x = b.conv("c", b.input("x", {1, 8, 8, 8}), 8, square_window(1));
  std::get<Conv>(b.graph().nodes.back().op).activation = {.kind = Activation::Kind::LeakyRelu,
                                                          .alpha = 0.1F};
  EXPECT_EQ(reason_on(v2(), b), "the overlay has no PReLU");
  b.add("u", Resize{.scales = {1, 1, 2, 2}, .sizes = {1, 8, 16, 16}}, {x});
  EXPECT_EQ(reason_on(v2(), b), "the overlay has no upsampling");
  b.add("d", ConvTranspose{.window = square_window(2, 2), .output_padding = {0, 0}},
        {x, b.random_constant("w", {8, 4, 2, 2})});
  EXPECT_EQ(reason_on(v2(), b), "the overlay has no deconvolution");
}

TEST(XdnnSupport, channels_are_sliced_where_they_have_an_address) {
  const auto slice = [](const xdnn::Machine& machine, const Slice& op) {
    GraphBuilder b;
    b.add("n", op, {b.input("x", {1, 200, 8, 8})});
    return reason_on(machine, b);
  };
  const auto channels = [](std::int64_t begin, std::int64_t end) {
    return Slice{.starts = {begin}, .ends = {end}, .axes = {1}, .steps = {1}};
  };
  EXPECT_EQ(slice(kV3, channels(0, 17)), kRuns);
  EXPECT_EQ(slice(kV3, channels(96, 120)), kRuns);
  EXPECT_EQ(slice(kV3, channels(97, 120)),
            "slice from channel 97, slices begin at multiples of 96");
  EXPECT_EQ(slice(v2(), channels(97, 120)), kRuns);
  EXPECT_EQ(slice(kV3, {.starts = {0, 0}, .ends = {96, 4}, .axes = {1, 2}, .steps = {1, 1}}),
            "only channels can be sliced");
  EXPECT_EQ(slice(kV3, {.starts = {0}, .ends = {96}, .axes = {1}, .steps = {2}}),
            "slices have no steps");
}

TEST(XdnnSupport, requantization_is_the_familys) {
  // docs/facts/xdnn.md 3.6.
  const RequantizeLimits v3 = xdnn::requantize_limits(kV3);
  EXPECT_EQ(v3.scale_bits, 16);
  EXPECT_EQ(v3.conv_prescale_max, 0);
  EXPECT_EQ(v3.conv_shift_max, 32);
  EXPECT_EQ(v3.other_shift_max, 40);
  EXPECT_FALSE(v3.bias_after);
  const RequantizeLimits two = xdnn::requantize_limits(v2());
  EXPECT_EQ(two.scale_bits, 8);
  EXPECT_EQ(two.conv_prescale_max, 16);
  EXPECT_EQ(two.conv_shift_max, 8);
  EXPECT_EQ(two.other_shift_max, 8);
  EXPECT_EQ(two.bias_bits, 8);
  EXPECT_TRUE(two.bias_after);
}

TEST(XdnnSupport, requantization_follows_the_width_of_codes) {
  // docs/facts/xdnn.md 3.6; the clamp behind the prescale and the bias: 3.2 and 3.3.
  xdnn::Machine machine = kV3;
  machine.array.bits = 16;
  const RequantizeLimits v3 = xdnn::requantize_limits(machine);
  EXPECT_EQ(v3.scale_bits, 16);
  EXPECT_EQ(v3.conv_prescale_max, 24);
  EXPECT_EQ(v3.prescaled_bits, 24);
  EXPECT_EQ(v3.conv_shift_max, 24);
  EXPECT_EQ(v3.other_shift_max, 32);
  EXPECT_EQ(v3.average_shift_max, 32);
  EXPECT_EQ(v3.bias_bits, 48);
  EXPECT_EQ(v3.bias_shift, 16);
  EXPECT_FALSE(v3.bias_after);
  machine = v2();
  machine.array.bits = 16;
  const RequantizeLimits two = xdnn::requantize_limits(machine);
  EXPECT_EQ(two.scale_bits, 8);
  EXPECT_EQ(two.conv_prescale_max, 32);
  EXPECT_EQ(two.prescaled_bits, 16);
  EXPECT_EQ(two.conv_shift_max, 8);
  EXPECT_EQ(two.other_shift_max, 8);
  EXPECT_EQ(two.bias_bits, 16);
  EXPECT_EQ(two.bias_shift, 0);
  EXPECT_TRUE(two.bias_after);
}

TEST(XdnnSupport, no_host_tolerates_the_classifier_tail) {
  EXPECT_TRUE(xdnn::host_by_design(Gemm{}));
  EXPECT_TRUE(xdnn::host_by_design(MatMul{}));
  EXPECT_TRUE(xdnn::host_by_design(Softmax{}));
  EXPECT_TRUE(xdnn::host_by_design(Lrn{}));
  EXPECT_TRUE(xdnn::host_by_design(Reshape{}));
  EXPECT_FALSE(xdnn::host_by_design(Conv{}));
  EXPECT_FALSE(xdnn::host_by_design(Activate{}));
}

}  // namespace
}  // namespace workbench
