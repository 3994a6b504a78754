// Instructions that no machine can make sense of, by what is said of them.
#include <gtest/gtest.h>

#include <functional>

#include "isa/pulp/check.h"
#include "isa/pulp/footprint.h"

namespace workbench::pulp {
namespace {

const Machine kMachine;

// 3x3 stride 2, 4 -> 8 channels, 8x8 -> 4x4 pixels.
Kernel convolution() {
  return {.kind = KernelKind::ConvHoWo,
          .in_w = 8,
          .in_h = 8,
          .in_c = 4,
          .out_w = 4,
          .out_h = 4,
          .out_c = 8,
          .kernel_w = 3,
          .kernel_h = 3,
          .stride_x = 2,
          .stride_y = 2,
          .pad_top = 1,
          .pad_bottom = 1,
          .pad_left = 1,
          .pad_right = 1,
          .norm = true,
          .shift = 20};
}

std::string after(const std::function<void(Kernel&)>& change, const Machine& machine = kMachine) {
  Kernel kernel = convolution();
  change(kernel);
  return malformed(kernel, machine);
}

// A square map of 4 channels that keeps its size.
std::string of(
    KernelKind kind, const std::function<void(Kernel&)>& change = [](Kernel&) {}) {
  Kernel kernel{.kind = kind, .in_w = 4, .in_h = 4, .in_c = 4, .out_w = 4, .out_h = 4, .out_c = 4};
  change(kernel);
  return malformed(kernel, kMachine);
}

TEST(PulpMalformed, what_kernels_can_do_is_not) {
  EXPECT_EQ(malformed(convolution(), kMachine), "");
  EXPECT_EQ(of(KernelKind::PointwiseHo), "");
  EXPECT_EQ(of(KernelKind::Add), "");
  EXPECT_EQ(of(KernelKind::Requantize), "");
  EXPECT_EQ(of(KernelKind::DepthwiseLess4), "");
  // PULP-NN is told how many rows to make; DORY asks for fewer than a padded tile has.
  EXPECT_EQ(of(KernelKind::DepthwiseLess4, [](Kernel& k) { k.out_h = 3; }), "");
  EXPECT_EQ(of(KernelKind::PointwiseHo, [](Kernel& k) { k.out_h = 3; }).substr(0, 25),
            "pointwise_Ho out_h must b");
  // The last row of the input is in no window.
  EXPECT_EQ(after([](Kernel& k) { k.in_h = 7; }), "");
}

TEST(PulpMalformed, sizes_that_contradict_each_other_are) {
  EXPECT_EQ(after([](Kernel& k) { k.out_h = 5; }),
            "conv_HoWo out_h must be 4, found 5: in_h 8, kernel 3, stride 2, padding 1, 1");
  EXPECT_EQ(after([](Kernel& k) { k.in_w = 4; }),
            "conv_HoWo out_w must be 2, found 4: in_w 4, kernel 3, stride 2, padding 1, 1");
  EXPECT_EQ(after([](Kernel& k) { k.dilation_y = 9; }),
            "conv_HoWo a window that reaches 19 in h does not fit 8 and padding 1, 1");
  EXPECT_EQ(after([](Kernel& k) { k.in_c = 0; }),
            "conv_HoWo in_c must lie between 1 and 65535, found 0");
  EXPECT_EQ(after([](Kernel& k) { k.out = -4; }),
            "conv_HoWo out must lie between 0 and 1099511627776, found -4");
}

TEST(PulpMalformed, numbers_that_registers_do_not_hold_are) {
  EXPECT_EQ(after([](Kernel& k) { k.shift = 32; }),
            "conv_HoWo shift must lie between 0 and 31, found 32");
  EXPECT_EQ(after([](Kernel& k) { k.shift = 63, k.norm_bits = 64; }), "");
  EXPECT_EQ(after([](Kernel& k) { k.shift = 32, k.norm_bits = 64, k.norm = false; }),
            "conv_HoWo shift must lie between 0 and 31, found 32");
  EXPECT_EQ(after([](Kernel& k) { k.norm_bits = 48; }),
            "conv_HoWo norm_bits must be 32 or 64, found 48");
  EXPECT_EQ(after([](Kernel& k) { k.weight_bits = 3; }),
            "conv_HoWo weight_bits must be 8, 4 or 2, found 3");
  EXPECT_EQ(after([](Kernel& k) { k.out_bits = 16; }),
            "conv_HoWo out_bits must be 8, 4 or 2, found 16");
  EXPECT_EQ(after([](Kernel& k) { k.out_bits = 32; }),
            "conv_HoWo leaves sums, and has kappa and lambda");
  EXPECT_EQ(after([](Kernel& k) { k.multiplier = INT64_C(1) << 31; }),
            "conv_HoWo multiplier must lie between -2147483648 and 2147483647, found 2147483648");
  EXPECT_EQ(after([](Kernel& k) { k.kind = static_cast<KernelKind>(1000); }),
            "kernel 1000 does not exist");
}

TEST(PulpMalformed, words_at_odd_addresses_are) {
  EXPECT_EQ(after([](Kernel& k) { k.kappa = 6; }),
            "conv_HoWo kappa at 6: words lie at multiples of 4");
  EXPECT_EQ(after([](Kernel& k) { k.kappa = 6, k.norm = false; }), "");
  EXPECT_EQ(after([](Kernel& k) { k.in = k.weights = k.out = k.scratch = 7; }), "");
}

TEST(PulpMalformed, operands_larger_than_l1_are) {
  EXPECT_EQ(after([](Kernel& k) { k.out_c = 4096; }),
            "conv_HoWo weights takes 147456 bytes, L1 has 65536");
}

TEST(PulpMalformed, an_odd_number_of_cores_has_no_pairs) {
  Machine machine;
  machine.cluster.cores = 7;
  EXPECT_EQ(after([](Kernel&) {}, machine),
            "conv_HoWo deals rows to pairs of cores, of 7 one is left over");
  EXPECT_EQ(after([](Kernel& k) { k.kind = KernelKind::ConvHo; }, machine), "");
  machine.cluster.cores = 1;
  EXPECT_EQ(after([](Kernel&) {}, machine), "");
}

TEST(PulpMalformed, no_more_cores_take_part_than_there_are) {
  EXPECT_EQ(after([](Kernel& k) { k.cores = 9; }),
            "conv_HoWo cores must lie between 0 and 8, found 9");
  EXPECT_EQ(after([](Kernel& k) { k.cores = -1; }),
            "conv_HoWo cores must lie between 0 and 8, found -1");
  EXPECT_EQ(after([](Kernel& k) { k.cores = 8; }), "");
  EXPECT_EQ(after([](Kernel& k) { k.cores = 5; }),
            "conv_HoWo deals rows to pairs of cores, of 5 one is left over");
  Machine seven;
  seven.cluster.cores = 7;
  EXPECT_EQ(after([](Kernel& k) { k.cores = 6; }, seven), "");
}

// 3x3 over 512 channels: two columns of 4608 bytes a core.
TEST(PulpMalformed, im2col_buffers_of_all_cores_may_not_fit_where_those_of_some_do) {
  const auto deep = [](std::int64_t cores) {
    return after([&](Kernel& k) {
      k.in_c = 512, k.in_h = k.in_w = 2, k.out_h = k.out_w = 1, k.cores = cores;
    });
  };
  EXPECT_EQ(deep(0), "conv_HoWo scratch takes 73728 bytes, L1 has 65536");
  EXPECT_EQ(deep(6), "");
}

TEST(PulpMalformed, each_kernel_has_its_limits) {
  EXPECT_EQ(of(KernelKind::PointwiseHoWo, [](Kernel& k) { k.stride_x = 2, k.out_w = 2; }),
            "pointwise_HoWo has a 1x1 window, stride 1 and no padding");
  EXPECT_EQ(of(KernelKind::Add, [](Kernel& k) { k.pad_top = 1; }),
            "add has a 1x1 window, stride 1 and no padding");
  EXPECT_EQ(of(KernelKind::Linear),
            "linear takes a vector: in_w and in_h must be 1, found 4 and 4");
  EXPECT_EQ(of(KernelKind::Depthwise3x3s1), "depthwise_3x3_s1 has a 3x3 window and stride 1");
  EXPECT_EQ(of(KernelKind::DepthwiseGeneric), "depthwise_generic needs 4 weights per channel");
  EXPECT_EQ(of(KernelKind::DepthwiseLess4, [](Kernel& k) { k.kernel_w = 4; }),
            "depthwise_generic_less_4_weights has at most 3 weights per channel");
  EXPECT_EQ(of(KernelKind::AveragePool, [](Kernel& k) { k.out_c = 8; }),
            "avgpool out_c must be in_c (4), found 8");
  EXPECT_EQ(of(KernelKind::AveragePool, [](Kernel& k) { k.dilation_x = 2; }),
            "avgpool has no dilation");
  EXPECT_EQ(of(KernelKind::MaxPool, [](Kernel& k) { k.out_signed = true; }),
            "maxpool keeps codes as they are: in and out must be of one type");
  EXPECT_EQ(of(KernelKind::MaxPoolDirect,
               [](Kernel& k) {
                 k.pad_left = 3;
                 k.in_w = 5;
               }),
            "maxpool_direct has a 1x1 window, some of it over nothing but padding");
  EXPECT_EQ(of(KernelKind::MaxPoolDirect, [](Kernel& k) { k.out_bits = 4; }),
            "maxpool_direct keeps codes as they are: in and out must be of one type");
}

TEST(PulpMalformed, flags_that_mean_nothing_are) {
  EXPECT_EQ(of(KernelKind::Add, [](Kernel& k) { k.norm = true; }), "add has no kappa and lambda");
  EXPECT_EQ(of(KernelKind::MaxPool, [](Kernel& k) { k.has_bias = true; }), "maxpool has no bias");
  EXPECT_EQ(of(KernelKind::PointwiseCo, [](Kernel& k) { k.clip_operands = true; }),
            "pointwise_Co has no operands to clip");
  EXPECT_EQ(of(KernelKind::PointwiseCo, [](Kernel& k) { k.divisor = 9; }),
            "pointwise_Co has no divisor, found 9");
}

TEST(PulpMalformed, transfers_the_dma_cannot_do_are) {
  const auto dma = [](Dma op) { return malformed(op, kMachine); };
  EXPECT_EQ(dma({.length = 64}), "");
  EXPECT_EQ(dma({.length = 0}), "dma: length must lie between 1 and 1099511627776, found 0");
  EXPECT_EQ(dma({.length = 4, .l1_row_stride = -4}),
            "dma: l1_row_stride must lie between 0 and 1099511627776, found -4");
  EXPECT_EQ(dma({.length = 4, .id = 16}), "dma: id must lie between 0 and 15, found 16");
  EXPECT_EQ(dma({.length = 65536}), "dma: a command of 65536 bytes, the DMA takes 65535");
  EXPECT_EQ(dma({.length = 32768, .lines = 2}), "");
  EXPECT_EQ(dma({.length = 32768, .lines = 2, .two_d = true}),
            "dma: a command of 65536 bytes, the DMA takes 65535");
  EXPECT_EQ(dma({.length = 256, .lines = 1 << 20, .rows = 1 << 30, .planes = 1 << 30}),
            "dma: moves more than the 65536 bytes of L1");
  EXPECT_EQ(malformed(DmaWait{.id = -1}, kMachine),
            "dma_wait: id must lie between 0 and 15, found -1");
}

TEST(PulpMalformed, l3_without_l3_is) {
  const L3Transfer transfer{.length = 100000, .rows = 5};
  EXPECT_EQ(malformed(transfer, kMachine), "");
  EXPECT_EQ(malformed(L3Transfer{.length = 100000, .rows = 6}, kMachine),
            "l3: moves more than the 524288 bytes of L2");
  Machine machine;
  machine.l3.size_bytes = 0;
  EXPECT_EQ(malformed(transfer, machine), "l3: the machine has no L3");
  EXPECT_EQ(malformed(L3Wait{.id = 256}, kMachine),
            "l3_wait: id must lie between 0 and 255, found 256");
}

TEST(PulpMalformed, code_of_negative_length_is) {
  EXPECT_EQ(malformed(Code{.instructions = -1}, kMachine),
            "code: instructions must lie between 0 and 1000000000, found -1");
  EXPECT_EQ(malformed(Barrier{}, kMachine), "");
}

}  // namespace
}  // namespace workbench::pulp
