// What PULP kernels and transfers compute, with numbers worked out by hand from
// docs/facts/pulp.md 2.2.
#include <gtest/gtest.h>

#include <initializer_list>

#include "isa/pulp/codes.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/semantics.h"

namespace workbench::pulp {
namespace {

constexpr std::int64_t kIn = 0, kIn2 = 32, kWeights = 64, kBias = 128, kKappa = 160, kLambda = 192;
constexpr std::int64_t kOut = 224;

struct Cluster {
  Memory memory{.l1 = std::vector<std::uint8_t>(256, 0xee), .l2 = {}, .l3 = {}};

  void put(std::int64_t address, std::initializer_list<int> bytes) {
    for (const int byte : bytes) {
      memory.l1.at(static_cast<std::size_t>(address++)) = static_cast<std::uint8_t>(byte);
    }
  }
  void put_word(std::int64_t address, std::int64_t word, int bytes = 4) {
    for (int i = 0; i < bytes; ++i) put(address + i, {static_cast<int>(word >> (8 * i) & 0xff)});
  }
  std::vector<int> codes(std::int64_t address, std::int64_t count) const {
    return {memory.l1.begin() + address, memory.l1.begin() + address + count};
  }
  std::vector<int> run(const Kernel& kernel, std::int64_t bytes) {
    execute(kernel, memory);
    return codes(kOut, bytes);
  }
};

Kernel call(KernelKind kind) {
  return {.kind = kind,
          .in = kIn,
          .in2 = kIn2,
          .weights = kWeights,
          .bias = kBias,
          .kappa = kKappa,
          .lambda = kLambda,
          .out = kOut};
}

using Codes = std::vector<int>;

TEST(PulpNormalize, shifts_are_floors_and_results_are_clipped) {
  Kernel kernel{.out_signed = true, .norm = true, .shift = 1};
  EXPECT_EQ(normalized(-3, 1, 0, kernel), -2);
  EXPECT_EQ(normalized(-3, 100, 0, kernel), -128);
  EXPECT_EQ(normalized(3, 100, 0, kernel), 127);
  kernel.out_signed = false;
  EXPECT_EQ(normalized(-3, 1, 0, kernel), 0);
  EXPECT_EQ(normalized(3, 200, 0, kernel), 255);
  kernel.out_bits = 4;
  EXPECT_EQ(normalized(3, 200, 0, kernel), 15);
}

// 2^16 * 2^16 + 5 is 5 modulo 2^32.
TEST(PulpNormalize, thirty_two_bits_wrap_before_the_shift_and_sixty_four_behind_it) {
  Kernel kernel{.norm = true, .norm_bits = 32, .shift = 1};
  EXPECT_EQ(normalized(65536, 65536, 5, kernel), 2);
  kernel.norm_bits = 64;  // 2^31 + 2, which is -2^31 + 2 in 32 bits
  EXPECT_EQ(normalized(65536, 65536, 5, kernel), 0);
  kernel.shift = 30;
  EXPECT_EQ(normalized(65536, 65536, 5, kernel), 4);
  kernel.norm_bits = 32;
  EXPECT_EQ(normalized(65536, 65536, 5, kernel), 0);
}

// -2^63 - 1 + 2 wraps at 64 bits, too: 2^63 - 1 and on to -2^63 + 1.
TEST(PulpNormalize, sixty_four_bits_wrap_as_well) {
  const Kernel kernel{.norm = true, .norm_bits = 64, .shift = 62};
  EXPECT_EQ(normalized(-1, INT64_MIN, 0, kernel), 0);  // 2^63 is -2^63
  EXPECT_EQ(normalized(-1, INT64_MIN, -1, kernel), 1);
}

// All weights 1, so every result is the sum of what its window covers of 1 2 / 3 4.
TEST(PulpConv, padding_on_each_side_is_its_own) {
  Cluster cluster;
  cluster.put(kIn, {1, 2, 3, 4});
  cluster.put(kWeights, {1, 1, 1, 1});
  Kernel kernel = call(KernelKind::ConvHoWo);
  kernel.in_w = kernel.in_h = kernel.kernel_w = kernel.kernel_h = 2;
  kernel.pad_top = kernel.pad_right = 1;
  kernel.out_w = kernel.out_h = 2;
  EXPECT_EQ(cluster.run(kernel, 4), (Codes{3, 2, 10, 6}));
}

TEST(PulpConv, strides_and_dilations_of_each_axis_are_their_own) {
  Cluster cluster;
  cluster.put(kIn, {1, 2, 3, 4, 5, 6, 7, 8});  // 2 rows of 4
  cluster.put(kWeights, {1, 10});
  Kernel kernel = call(KernelKind::ConvHo);
  kernel.in_w = 4, kernel.in_h = 2, kernel.kernel_w = 2;
  kernel.dilation_x = 3, kernel.out_w = 1, kernel.out_h = 2;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{41, 85}));
  kernel.dilation_x = 1, kernel.stride_x = 2, kernel.out_w = 2, kernel.stride_y = 2;
  kernel.out_h = 1;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{21, 43}));
}

TEST(PulpConv, channels_have_their_own_bias_kappa_and_lambda) {
  Cluster cluster;
  cluster.put(kIn, {2, 3});
  cluster.put(kWeights, {1, 1, 1, -1});  // accumulators 5 and -1, with bias 15 and 19
  cluster.put_word(kBias, 10), cluster.put_word(kBias + 4, 20);
  cluster.put_word(kKappa, 4), cluster.put_word(kKappa + 4, 8);
  cluster.put_word(kLambda, 1), cluster.put_word(kLambda + 4, -40);
  Kernel kernel = call(KernelKind::PointwiseCo);
  kernel.in_c = 2, kernel.out_c = 2, kernel.has_bias = kernel.norm = true, kernel.shift = 2;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{15, 28}));  // 61 / 4, 112 / 4
}

TEST(PulpConv, constants_of_sixty_four_bits_are_read_as_such) {
  Cluster cluster;
  cluster.put(kIn, {1});
  cluster.put(kWeights, {3});
  cluster.put_word(kKappa, std::int64_t{1} << 36, 8);
  cluster.put_word(kLambda, std::int64_t{5} << 35, 8);
  Kernel kernel = call(KernelKind::PointwiseHo);
  kernel.norm = true, kernel.norm_bits = 64, kernel.shift = 35;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{11}));
}

TEST(PulpConv, activations_are_signed_where_the_call_says_so) {
  Cluster cluster;
  cluster.put(kIn, {0xff});
  cluster.put(kWeights, {-1});
  Kernel kernel = call(KernelKind::PointwiseHo);
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{0}));  // -255
  kernel.in_signed = true;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{1}));
  kernel.out_signed = true, kernel.multiplier = -128;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{0x80}));
}

TEST(PulpConv, signed_padding_is_zero) {
  Cluster cluster;
  cluster.put(kIn, {5});
  cluster.put(kWeights, {100, 2, 100});
  Kernel kernel = call(KernelKind::ConvHo);
  kernel.in_signed = true, kernel.kernel_w = 3, kernel.pad_left = kernel.pad_right = 1;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{10}));
}

// Without norm the arithmetic is that of 32 bits: 255 * 127 * 2^17 = 32385 * 2^17 wraps to
// (32385 mod 2^15 - 2^15) * 2^17 = -383 * 2^17.
TEST(PulpConv, the_multiplier_of_the_relu_path_wraps_at_thirty_two_bits) {
  Cluster cluster;
  cluster.put(kIn, {255});
  cluster.put(kWeights, {127});
  Kernel kernel = call(KernelKind::PointwiseHo);
  kernel.multiplier = 1 << 17, kernel.shift = 19, kernel.out_signed = true;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{256 - 96}));  // floor(-95.75)
}

// Inputs 1, 2 (4 bits); weights 1, -1 and -2, 1 (2 bits): -1 and 0. Codes 15 and 0, 4 bits each.
TEST(PulpConv, narrow_codes_begin_in_the_low_bits) {
  Cluster cluster;
  cluster.put(kIn, {0x21});
  cluster.put(kWeights, {0b1101, 0b0110});
  Kernel kernel = call(KernelKind::PointwiseHo);
  kernel.in_c = 2, kernel.out_c = 2, kernel.in_bits = 4, kernel.weight_bits = 2;
  kernel.out_bits = 4, kernel.out_signed = true;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{0x0f, 0xee}));
}

TEST(PulpDepthwise, planes_become_pixels) {
  Cluster cluster;
  cluster.put(kIn, {1, 2, 3, 10, 20, 30});  // two channels of three columns
  cluster.put(kWeights, {1, 0, 1, 0, 1, 1});
  Kernel kernel = call(KernelKind::DepthwiseLess4);
  kernel.in_w = 3, kernel.in_c = kernel.out_c = 2, kernel.kernel_w = 3;
  kernel.pad_left = kernel.pad_right = 1, kernel.out_w = 3;
  EXPECT_EQ(cluster.run(kernel, 6), (Codes{2, 30, 4, 50, 2, 30}));
}

TEST(PulpLinear, accumulators_are_stored_as_they_wrap) {
  Cluster cluster;
  cluster.put(kIn, {1, 2});
  cluster.put(kWeights, {1, 0, -1, -1});
  cluster.put_word(kBias, INT32_MAX), cluster.put_word(kBias + 4, 0);
  Kernel kernel = call(KernelKind::Linear32);
  kernel.in_c = 2, kernel.out_c = 2, kernel.has_bias = true, kernel.out_bits = 32;
  EXPECT_EQ(cluster.run(kernel, 8), (Codes{0, 0, 0, 0x80, 0xfd, 0xff, 0xff, 0xff}));
}

// (200 * 3 + 8) >> 2 = 152 and (255 * 2) >> 0 = 510, clipped 255: the sum 407 or 662, half of it.
TEST(PulpAdd, operands_have_maps_of_their_own_and_may_be_clipped) {
  Cluster cluster;
  cluster.put(kIn, {200});
  cluster.put(kIn2, {255});
  Kernel kernel = call(KernelKind::Add);
  kernel.multiplier1 = 3, kernel.offset1 = 8, kernel.shift1 = 2, kernel.multiplier2 = 2;
  kernel.multiplier = 1, kernel.offset = -160, kernel.shift = 1;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{251}));  // 502 / 2
  kernel.clip_operands = true;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{123}));  // 247 / 2
}

TEST(PulpAdd, operands_have_signs_of_their_own) {
  Cluster cluster;
  cluster.put(kIn, {0xff});
  cluster.put(kIn2, {0xff});
  Kernel kernel = call(KernelKind::Add);
  kernel.in2_signed = true;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{254}));
  kernel.in_signed = kernel.out_signed = true;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{0xfe}));
}

// The last layer of MV1-128: floor(sum / 16) as (sum * 256 / 16) >> 8.
TEST(PulpAveragePool, divides_before_the_shift) {
  Cluster cluster;
  cluster.put(kIn, {9, 9, 9, 8});
  Kernel kernel = call(KernelKind::AveragePool);
  kernel.in_w = kernel.in_h = kernel.kernel_w = kernel.kernel_h = 2;
  kernel.multiplier = 256, kernel.divisor = 4, kernel.shift = 8;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{8}));
  kernel.offset = 128;  // half up: 8.75
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{9}));
}

// Sum 1 times -1 is 2^32 - 1 without a sign: / 4 = 2^30 - 1, >> 24 = 63.
TEST(PulpAveragePool, unsigned_codes_are_divided_without_a_sign_and_signed_ones_truncate) {
  Cluster cluster;
  cluster.put(kIn, {1});
  Kernel kernel = call(KernelKind::AveragePool);
  kernel.multiplier = -1, kernel.divisor = 4, kernel.shift = 24;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{63}));
  cluster.put(kIn, {256 - 7});
  kernel.in_signed = kernel.out_signed = true, kernel.multiplier = 1, kernel.shift = 0;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{0xff}));  // -7 / 4 = -1
  kernel.divisor = 1, kernel.shift = 2;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{0xfe}));  // floor(-7 / 4) = -2
}

TEST(PulpAveragePool, padding_adds_nothing) {
  Cluster cluster;
  cluster.put(kIn, {8, 16});
  Kernel kernel = call(KernelKind::AveragePool);
  kernel.in_w = 2, kernel.kernel_w = 2, kernel.pad_left = 1, kernel.out_w = 2, kernel.divisor = 2;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{4, 12}));
}

TEST(PulpMaxPool, leaves_the_maxima_of_rows_in_its_input) {
  Cluster cluster;
  cluster.put(kIn, {1, 3, 2, 5, 9, 0, 0, 4});
  Kernel kernel = call(KernelKind::MaxPool);
  kernel.in_w = 4, kernel.in_h = 2, kernel.kernel_w = kernel.kernel_h = 2;
  kernel.stride_x = kernel.stride_y = 2, kernel.out_w = 2;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{9, 5}));
  EXPECT_EQ(cluster.codes(kIn, 8), (Codes{3, 5, 2, 5, 9, 4, 0, 4}));
  EXPECT_TRUE(pools_exactly(kernel));
}

TEST(PulpMaxPool, compares_signed_codes_as_such) {
  Cluster cluster;
  cluster.put(kIn, {0xff, 1});
  Kernel kernel = call(KernelKind::MaxPool);
  kernel.in_w = kernel.kernel_w = 2;
  kernel.in_signed = kernel.out_signed = true;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{1}));
  cluster.put(kIn, {0xff, 1});
  kernel.in_signed = kernel.out_signed = false;
  EXPECT_EQ(cluster.run(kernel, 1), (Codes{0xff}));
}

// Window 1 of 9 1 1 1 writes the 9 over column 1, which window 2 begins with.
TEST(PulpMaxPool, windows_of_stride_one_with_left_padding_see_earlier_maxima) {
  Cluster cluster;
  cluster.put(kIn, {9, 1, 1, 1});
  Kernel kernel = call(KernelKind::MaxPool);
  kernel.in_w = kernel.out_w = 4, kernel.kernel_w = 3, kernel.pad_left = kernel.pad_right = 1;
  EXPECT_EQ(cluster.run(kernel, 4), (Codes{9, 9, 9, 9}));
  EXPECT_FALSE(pools_exactly(kernel));
  kernel.stride_x = 2, kernel.out_w = 2;  // as in ResNet
  EXPECT_TRUE(pools_exactly(kernel));
}

// Window 1 begins with column 0, whose 1 is written over the 9 before that is compared.
TEST(PulpMaxPool, windows_that_begin_left_of_their_result_lose_what_was_there) {
  Cluster cluster;
  cluster.put(kIn, {1, 9});
  Kernel kernel = call(KernelKind::MaxPool);
  kernel.in_w = kernel.out_w = kernel.kernel_w = 2, kernel.pad_left = 1;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{1, 1}));
  EXPECT_FALSE(pools_exactly(kernel));
}

// What MaxPool makes 9 9 9 9 and 1 1 of.
TEST(PulpMaxPoolDirect, any_window_gives_its_maximum_and_the_input_stays) {
  Cluster cluster;
  cluster.put(kIn, {9, 1, 1, 1});
  Kernel kernel = call(KernelKind::MaxPoolDirect);
  kernel.in_w = kernel.out_w = 4, kernel.kernel_w = 3, kernel.pad_left = kernel.pad_right = 1;
  EXPECT_EQ(cluster.run(kernel, 4), (Codes{9, 9, 1, 1}));
  EXPECT_EQ(cluster.codes(kIn, 4), (Codes{9, 1, 1, 1}));
  EXPECT_TRUE(pools_exactly(kernel));
  cluster.put(kIn, {1, 9});
  kernel.in_w = kernel.out_w = kernel.kernel_w = 2, kernel.pad_right = 0;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{1, 9}));
}

// Padding is no code: maxima of negative ones are negative.
TEST(PulpMaxPoolDirect, compares_signed_codes_as_such) {
  Cluster cluster;
  cluster.put(kIn, {0x80, 0xfe, 0xff, 0x81});  // -128 -2; -1 -127
  Kernel kernel = call(KernelKind::MaxPoolDirect);
  kernel.in_w = kernel.in_h = kernel.out_w = kernel.out_h = 2;
  kernel.kernel_w = kernel.kernel_h = 2, kernel.pad_left = kernel.pad_top = 1;
  kernel.in_signed = kernel.out_signed = true;
  EXPECT_EQ(cluster.run(kernel, 4), (Codes{0x80, 0xfe, 0xff, 0xff}));
  kernel.in_signed = kernel.out_signed = false;
  EXPECT_EQ(cluster.run(kernel, 4), (Codes{0x80, 0xfe, 0xff, 0xff}));
  cluster.put(kIn, {1});
  EXPECT_EQ(cluster.run(kernel, 4), (Codes{1, 0xfe, 0xff, 0xff}));
  kernel.in_signed = kernel.out_signed = true;
  EXPECT_EQ(cluster.run(kernel, 4), (Codes{1, 1, 1, 1}));
}

// Two pixels of three channels of 4 bits: 3 8 1 and 5 2 15, signed 3 -8 1 and 5 2 -1.
TEST(PulpMaxPoolDirect, sub_byte_codes_keep_their_places) {
  Cluster cluster;
  cluster.put(kIn, {0x83, 0xe1, 0x25, 0x0f});
  Kernel kernel = call(KernelKind::MaxPoolDirect);
  kernel.in_c = kernel.out_c = 3, kernel.in_bits = kernel.out_bits = 4;
  kernel.in_w = kernel.kernel_w = 2;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{0x85, 0x0f}));
  kernel.in_signed = kernel.out_signed = true;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{0x25, 0x01}));
}

TEST(PulpRequantize, channels_are_scaled_one_by_one) {
  Cluster cluster;
  cluster.put(kIn, {10, 10, 20, 20});
  cluster.put_word(kKappa, 1), cluster.put_word(kKappa + 4, 2);
  cluster.put_word(kLambda, 0), cluster.put_word(kLambda + 4, 4);
  Kernel kernel = call(KernelKind::Requantize);
  kernel.in_w = kernel.out_w = 2, kernel.in_c = kernel.out_c = 2, kernel.norm = true;
  kernel.shift = 2, kernel.out_bits = 4;
  EXPECT_EQ(cluster.run(kernel, 2), (Codes{0x62, 0xb5}));  // 2, 6; 5, 11
}

TEST(PulpKernel, each_has_a_row_in_its_family) {
  for (int kind = 0; kind <= static_cast<int>(last(KernelKind{})); ++kind) {
    const KernelTraits& row = traits(static_cast<KernelKind>(kind));
    SCOPED_TRACE(std::string(row.name));
    EXPECT_EQ(static_cast<int>(row.kind), kind);
    EXPECT_EQ(to_string(row.kind), row.name);
    const auto family = kernels_of(row.family);
    EXPECT_TRUE(&row >= family.data() && &row < family.data() + family.size());
    // What tiling rules ask of a family is the same for all its kernels (whether a depthwise input
    // lies in planes they ask of the kernel).
    const KernelTraits& first = traits(row.family);
    EXPECT_TRUE(row.weights == first.weights && row.by_channel == first.by_channel &&
                row.vector == first.vector && row.window == first.window &&
                row.operands == first.operands);
    EXPECT_TRUE(row.planes == first.planes || row.kind == KernelKind::DepthwisePixels);
    EXPECT_TRUE(row.execute != nullptr && row.code[0] != nullptr);
  }
}

TEST(PulpKernel, values_do_not_depend_on_threads) {
  Memory one{.l1 = std::vector<std::uint8_t>(1 << 20), .l2 = {}, .l3 = {}};
  for (std::size_t i = 0; i < one.l1.size(); ++i) {
    one.l1[i] = static_cast<std::uint8_t>(i * i * 31 >> 4);
  }
  Kernel kernel{.kind = KernelKind::PointwiseHoWo, .weights = 300000, .out = 600000};
  kernel.in_c = kernel.out_c = 512, kernel.multiplier = 3, kernel.shift = 14;
  kernel.in_w = kernel.in_h = kernel.out_w = kernel.out_h = 23;  // 139 million products
  Memory two = one;
  execute(kernel, one, 1);
  execute(kernel, two, 2);
  EXPECT_TRUE(one.l1 == two.l1);
}

TEST(PulpDma, planes_rows_and_lines_have_strides_on_both_sides) {
  Memory memory{.l1 = std::vector<std::uint8_t>(8), .l2 = {1, 2, 3, 4, 5, 6, 7, 8}, .l3 = {}};
  // Two pixels of three channels (and a gap) to planes: one line of a byte for each.
  execute(Dma{.l2 = 1,
              .l1 = 0,
              .length = 1,
              .lines = 2,
              .planes = 3,
              .l2_line_stride = 3,
              .l2_plane_stride = 1,
              .l1_line_stride = 1,
              .l1_plane_stride = 2},
          memory);
  EXPECT_EQ(memory.l1, (std::vector<std::uint8_t>{2, 5, 3, 6, 4, 7, 0, 0}));
  execute(Dma{.to_l1 = false,
              .l2 = 0,
              .l1 = 4,
              .length = 2,
              .rows = 2,
              .l2_row_stride = 6,
              .l1_row_stride = 2},
          memory);
  EXPECT_EQ(memory.l2, (std::vector<std::uint8_t>{4, 7, 3, 4, 5, 6, 0, 0}));
}

TEST(PulpL3, rows_go_both_ways) {
  Memory memory{.l1 = {}, .l2 = std::vector<std::uint8_t>(4), .l3 = {1, 2, 3, 4, 5, 6}};
  execute(L3Transfer{.l3 = 1, .l2 = 0, .length = 2, .rows = 2, .l3_stride = 3, .l2_stride = 2},
          memory);
  EXPECT_EQ(memory.l2, (std::vector<std::uint8_t>{2, 3, 5, 6}));
  execute(L3Transfer{.to_l2 = false, .l3 = 0, .l2 = 3, .length = 1}, memory);
  EXPECT_EQ(memory.l3, (std::vector<std::uint8_t>{6, 2, 3, 4, 5, 6}));
}

}  // namespace
}  // namespace workbench::pulp
