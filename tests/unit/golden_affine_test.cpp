// The meaning of PULP's integer nodes; every expected number follows from docs/facts/pulp.md 3.1,
// by hand in the comment beside it.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "sim/golden/golden.h"
#include "tests/support/one_node.h"

namespace workbench {
namespace {

using Integers = std::vector<std::int64_t>;
using Unsigned = std::vector<std::uint8_t>;
using Signed = std::vector<std::int8_t>;

template <typename T>
Tensor tensor(Shape shape, const std::vector<T>& values) {
  return Tensor::from<T>(std::move(shape), values);
}

template <typename T>
Integers integers(const Tensor& codes) {
  return {codes.values<T>().begin(), codes.values<T>().end()};
}

Tensor result_of(const OneNode& one) {
  const Graph graph = graph_of(one);
  return golden::run(graph, {&one.operands[0], 1})[static_cast<std::size_t>(graph.outputs[0])];
}

Tensor accumulator_of(const OneNode& one) {
  const Graph graph = graph_of(one);
  return golden::accumulator(graph, graph.nodes[0], golden::run(graph, {&one.operands[0], 1}));
}

Window window(std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = 0) {
  return {.kernel = {kernel, kernel},
          .strides = {stride, stride},
          .dilations = {1, 1},
          .pads_begin = {pad, pad},
          .pads_end = {pad, pad}};
}

const AffineRequantize kAccumulator = {.low = std::numeric_limits<std::int32_t>::min(),
                                       .high = std::numeric_limits<std::int32_t>::max()};

Integers rescaled(const std::vector<std::int32_t>& x, const AffineRequantize& how) {
  return integers<std::int32_t>(
      result_of({.op = Identity{},
                 .operands = {tensor({1, 1, static_cast<std::int64_t>(x.size())}, x)},
                 .result = ElementType::Int32,
                 .affine = how}));
}

TEST(GoldenAffine, each_rounding_cuts_its_own_way) {
  AffineRequantize how = kAccumulator;
  how.divisor = 4;
  // -5/4 = -1.25, -6/4 = -1.5, -2/4 = -0.5, 2/4 = 0.5, 6/4 = 1.5, 7/4 = 1.75
  const std::vector<std::int32_t> x = {-5, -6, -2, 2, 6, 7};
  EXPECT_EQ(rescaled(x, how), (Integers{-2, -2, -1, 0, 1, 1}));
  how.rounding = Rounding::TowardZero;
  EXPECT_EQ(rescaled(x, how), (Integers{-1, -1, 0, 0, 1, 1}));
  how.rounding = Rounding::HalfUp;
  EXPECT_EQ(rescaled(x, how), (Integers{-1, -1, 0, 1, 2, 2}));
}

TEST(GoldenAffine, half_of_an_odd_divisor_is_cut_as_deeploy_cuts_it) {
  AffineRequantize how = kAccumulator;
  how.divisor = 5;
  how.rounding = Rounding::HalfUp;
  // floor((n + 2) / 5): 2 -> 0, 3 -> 1, -3 -> floor(-0.2) = -1, -2 -> 0
  EXPECT_EQ(rescaled({2, 3, -3, -2}, how), (Integers{0, 1, -1, 0}));
}

TEST(GoldenAffine, products_beyond_64_bits_are_exact) {
  AffineRequantize how = kAccumulator;
  how.multiplier = {std::int64_t{1} << 40};
  how.offset = {-1};
  how.divisor = std::int64_t{1} << 41;
  // (2^31 - 1) * 2^40 - 1 over 2^41 = 2^30 - 0.5 - tiny -> 2^30 - 1; 1 -> 0.49.. -> 0; -1 -> -1
  EXPECT_EQ(rescaled({2147483647, 1, -1}, how), (Integers{(1 << 30) - 1, 0, -1}));
}

TEST(GoldenAffine, codes_saturate_at_the_range_of_the_rescaling) {
  EXPECT_EQ(rescaled({-300, 0, 300}, {.low = 0, .high = 255}), (Integers{0, 0, 255}));
  EXPECT_EQ(rescaled({-300, 0, 300}, {.low = -8, .high = 7}), (Integers{-8, 0, 7}));
}

TEST(GoldenAffine, a_convolution_pads_with_0_and_rescales_each_channel_its_own_way) {
  // 200 under two 1x1 filters -128 and 3, biases 100 and -1: -25500 and 599, around them the bias.
  // (x * 1 + 25500) / 2: 0 and 12800 -> 255; (x * 2 - 8) / 2: -5 -> 0 and 595 -> 255
  const OneNode one = {
      .op = Conv{.window = window(1, 1, 1)},
      .operands = {tensor<std::uint8_t>({1, 1, 1, 1}, {200}),
                   tensor<std::int8_t>({2, 1, 1, 1}, {-128, 3}),
                   tensor<std::int32_t>({2}, {100, -1})},
      .result = ElementType::Uint8,
      .affine = AffineRequantize{.multiplier = {1, 2}, .offset = {25500, -8}, .divisor = 2}};
  EXPECT_EQ(integers<std::int64_t>(accumulator_of(one)),
            (Integers{100, 100, 100, 100, -25500, 100, 100, 100, 100,  //
                      -1, -1, -1, -1, 599, -1, -1, -1, -1}));
  EXPECT_EQ(integers<std::uint8_t>(result_of(one)),
            (Integers{255, 255, 255, 255, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255, 0, 0, 0, 0}));
}

TEST(GoldenAffine, long_dot_products_do_not_wrap) {
  // 40000 * 255 * -128 = -1305600000 fits; twice as many terms leave 32 bits: -2611200000
  const std::int64_t terms = 80000;
  const OneNode one = {
      .op = Conv{.window = window(1)},
      .operands = {tensor({1, terms, 1, 1}, Unsigned(terms, 255)),
                   tensor({1, terms, 1, 1}, Signed(terms, -128))},
      .result = ElementType::Int8,
      .affine = AffineRequantize{.divisor = std::int64_t{1} << 25, .low = -128, .high = 127}};
  EXPECT_EQ(integers<std::int64_t>(accumulator_of(one)), (Integers{-2611200000}));
  EXPECT_EQ(integers<std::int8_t>(result_of(one)), (Integers{-78}));  // -77.8
}

TEST(GoldenAffine, a_gemm_adds_its_bias_and_may_leave_as_int32) {
  // [1 2] times rows [3 4], [-5 6] of the transposed weights: 11 and 7; bias 1000 and -7
  EXPECT_EQ(
      integers<std::int32_t>(result_of({.op = Gemm{.transpose_b = true},
                                        .operands = {tensor<std::uint8_t>({1, 2}, {1, 2}),
                                                     tensor<std::int8_t>({2, 2}, {3, 4, -5, 6}),
                                                     tensor<std::int32_t>({2}, {1000, -7})},
                                        .result = ElementType::Int32,
                                        .affine = kAccumulator})),
      (Integers{1011, 0}));
  EXPECT_EQ(
      integers<std::int32_t>(result_of({.op = MatMul{},
                                        .operands = {tensor<std::int8_t>({1, 2}, {-1, 2}),
                                                     tensor<std::int8_t>({2, 2}, {3, 4, -5, 6})},
                                        .result = ElementType::Int32,
                                        .affine = kAccumulator})),
      (Integers{-13, 8}));  // -3 - 10, -4 + 12
}

TEST(GoldenAffine, an_average_pool_sums_and_divides_once) {
  // 1 + 2 + 3 + 5 = 11; 11 * 64 / 256 = 2.75 -> 2
  EXPECT_EQ(integers<std::uint8_t>(
                result_of({.op = AveragePool{.window = window(2)},
                           .operands = {tensor<std::uint8_t>({1, 1, 2, 2}, {1, 2, 3, 5})},
                           .result = ElementType::Uint8,
                           .affine = AffineRequantize{.multiplier = {64}, .divisor = 256}})),
            (Integers{2}));
}

TEST(GoldenAffine, an_add_rescales_operands_then_their_sum) {
  const OneNode one = {.op = Binary{},
                       .operands = {tensor<std::uint8_t>({1, 2, 1, 1}, {7, 200}),
                                    tensor<std::int8_t>({1, 2, 1, 1}, {-7, 50})},
                       .result = ElementType::Uint8,
                       .affine = AffineRequantize{.multiplier = {3}, .divisor = 2},
                       .operand_affine = {{.divisor = 2}, {.divisor = 2, .low = -128, .high = 10}}};
  // 7/2 -> 3, -7/2 -> -4: -1 * 3 / 2 = -1.5 -> clamped 0; 100 + 10 (of 25): 165
  EXPECT_EQ(integers<std::uint8_t>(result_of(one)), (Integers{0, 165}));
  const Graph graph = graph_of(one);
  const auto values = golden::run(graph, {&one.operands[0], 1});
  EXPECT_EQ(integers<std::int64_t>(golden::rescaled_operand(graph, graph.nodes[0], 1, values)),
            (Integers{-4, 10}));
}

TEST(GoldenAffine, padding_never_wins_a_max_pool_of_any_codes) {
  const Integers expected(4, -3);
  EXPECT_EQ(
      integers<std::int32_t>(result_of({.op = MaxPool{.window = window(2, 1, 1)},
                                        .operands = {tensor<std::int32_t>({1, 1, 1, 1}, {-3})},
                                        .result = ElementType::Int32})),
      expected);
  EXPECT_EQ(integers<std::uint8_t>(
                result_of({.op = MaxPool{.window = window(2)},
                           .operands = {tensor<std::uint8_t>({1, 1, 2, 2}, {1, 255, 127, 128})},
                           .result = ElementType::Uint8})),
            (Integers{255}));
}

Quantization steps_of_1(int bits, bool is_signed) {
  Quantization q{.bits = bits, .is_signed = is_signed};
  q.thresholds = {static_cast<double>(q.high())};
  return q;
}

template <typename Code>
Integers quantized(const std::vector<float>& reals, const Quantization& quantization) {
  return integers<Code>(
      result_of({.op = Quantize{},
                 .operands = {tensor({static_cast<std::int64_t>(reals.size())}, reals)},
                 .result = element_type_of<Code>(),
                 .result_quantization = quantization}));
}

TEST(GoldenAffine, whole_numbers_become_codes_of_the_same_value) {
  EXPECT_EQ(quantized<std::uint8_t>({0, 1, 254, 255, 256, -1}, steps_of_1(8, false)),
            (Integers{0, 1, 254, 255, 255, 0}));
  EXPECT_EQ(quantized<std::int8_t>({-129, -128, -127, 127, 128}, steps_of_1(8, true)),
            (Integers{-128, -128, -127, 127, 127}));
}

TEST(GoldenAffine, logits_of_32_bits_come_out_as_the_float_that_holds_them) {
  // 2^24 + 1 lies between two floats and goes to the even one; all others are floats
  const std::vector<std::int32_t> codes = {16777216, -16777215, 16777217, -2147483647 - 1, 3};
  const Tensor reals = result_of({.op = Dequantize{},
                                  .operands = {tensor({5}, codes)},
                                  .operand_quantization = steps_of_1(32, true)});
  EXPECT_EQ(reals, tensor<float>({5}, {16777216, -16777215, 16777216, -2147483648.0F, 3}));
}

TEST(GoldenAffineDeathTest, an_op_without_an_accumulator_is_a_bug) {
  EXPECT_DEATH(result_of({.op = Reshape{.shape = {1}},
                          .operands = {tensor<std::uint8_t>({1}, {1})},
                          .result = ElementType::Uint8,
                          .affine = AffineRequantize{}}),
               "no affine rescaling");
}

}  // namespace
}  // namespace workbench
