// Cycles of PULP kernels, transfers and code without conflicts, against numbers derived by hand
// from docs/facts/pulp.md 2.3 to 2.6.
#include <gtest/gtest.h>

#include <algorithm>

#include "isa/pulp/cost.h"
#include "isa/pulp/kernel_code.h"

namespace workbench::pulp {
namespace {

Kernel pointwise(std::int64_t w, std::int64_t h, std::int64_t ci, std::int64_t co) {
  Kernel kernel{.kind = KernelKind::PointwiseHoWo};
  kernel.in_w = kernel.out_w = w;
  kernel.in_h = kernel.out_h = h;
  kernel.in_c = ci;
  kernel.out_c = co;
  kernel.norm = true;
  return kernel;
}

std::int64_t slowest(const Kernel& kernel, const Machine& machine = {}) {
  const std::vector<std::int64_t> cores = core_cycles(kernel, machine);
  return *std::max_element(cores.begin(), cores.end());
}

TEST(PulpCost, a_block_of_the_matrix_product_takes_14_cycles_per_4_columns_and_109) {
  const std::int64_t one = slowest(pointwise(2, 8, 64, 4));
  EXPECT_EQ(slowest(pointwise(2, 8, 64, 8)) - one, 14 * 16 + 109);
  // Another pair of pixels: another block and the call of the product, 120.
  EXPECT_EQ(slowest(pointwise(4, 8, 64, 4)) - one, 14 * 16 + 109 + 120);
  // Nine rows for eight cores: pairs of cores share rows, so that the slowest has three of one
  // pixel each.
  EXPECT_EQ(core_cycles(pointwise(2, 9, 64, 4), {}).size(), 8u);
}

TEST(PulpCost, left_over_columns_take_18_cycles_each) {
  // 3 of 35; their rows are 35 bytes apart, so words of rows 1 to 3 and of the second pixel of the
  // first row cross the end of the banks' (8 words each); and pixels lie 70 bytes apart by cores.
  const std::int64_t words = 8, crossing = 3 + 1;
  const std::vector<std::int64_t> with = core_cycles(pointwise(2, 8, 35, 4), {});
  const std::vector<std::int64_t> without = core_cycles(pointwise(2, 8, 32, 4), {});
  EXPECT_EQ(with[0] - without[0], 3 * 18 + words * crossing);
}

TEST(PulpCost, cores_without_work_take_the_call_only) {
  const std::vector<std::int64_t> cores = core_cycles(pointwise(1, 4, 64, 4), {});
  EXPECT_EQ(cores[3], cores[0]);
  EXPECT_EQ(cores[4], 94);
  EXPECT_EQ(cores[7], 94);
}

// Eight rows: two a core for four of them, and three for three.
TEST(PulpCost, of_some_cores_each_has_more_to_do_and_the_others_wait) {
  Kernel kernel = pointwise(8, 8, 64, 32);
  kernel.kind = KernelKind::PointwiseHo;
  const std::vector<std::int64_t> all = core_cycles(kernel, {});
  kernel.cores = 4;
  const std::vector<std::int64_t> four = core_cycles(kernel, {});
  const std::int64_t row = four[0] - all[0];
  EXPECT_EQ(four[4], 0);
  EXPECT_EQ(four[7], 0);
  kernel.cores = 3;
  const std::vector<std::int64_t> three = core_cycles(kernel, {});
  EXPECT_EQ(three[0], four[0] + row);
  EXPECT_EQ(three[2], four[0]);
  EXPECT_EQ(kernel_cycles(kernel, {}), Cycles{three[0] + Machine{}.cluster.barrier_cycles});
}

TEST(PulpCost, a_column_of_a_depthwise_kernel_is_built_row_by_row_and_summed_output_by_output) {
  Kernel kernel{.kind = KernelKind::DepthwiseGeneric};
  kernel.in_w = 8;
  kernel.in_h = 4;
  kernel.in_c = kernel.out_c = 1;
  kernel.kernel_w = kernel.kernel_h = 3;
  kernel.out_w = 6;
  kernel.out_h = 2;
  kernel.norm = true;
  // Per column 28; rows 3, outputs 16. Words that cross: of the map, with columns 1, 2, 3 and 5,
  // in all 4 rows; of the buffer, rows at 3, 6, 9; of filter and buffer in the sums, from byte 1
  // on: two words of the filter in each output, and of the buffer at 1 and 4: two in the first
  // output.
  const std::int64_t per_column = 28 + 4 * 3 + 2 * 16 + 3 + 2 * 2 + 2;
  EXPECT_EQ(core_cycles(kernel, {})[0], 132 + 39 + 6 * per_column + 4 * 4);
  kernel.pad_top = kernel.pad_bottom = 1;
  kernel.out_h = 4;
  const std::int64_t more = 11 + 9 + 2 * 16;
  EXPECT_GT(core_cycles(kernel, {})[0], 132 + 39 + 6 * (per_column + more));
}

TEST(PulpCost, im2col_copies_a_row_of_the_window_by_words) {
  Kernel kernel = pointwise(4, 8, 8, 4);
  kernel.kind = KernelKind::ConvHo;
  const std::int64_t small = slowest(kernel);
  kernel.in_c = 16;
  // Four pixels, two more words of 3 cycles each; two pairs, two more steps of 14 four times.
  EXPECT_EQ(slowest(kernel) - small, 4 * 2 * 3 + 2 * 2 * 14);
}

TEST(PulpCost, rows_shared_by_two_cores_take_half_the_pixels_each) {
  const std::int64_t half = slowest(pointwise(4, 8, 64, 4));
  const std::int64_t shared = slowest(pointwise(8, 4, 64, 4));
  EXPECT_EQ(shared, half + 5);
}

TEST(PulpCost, sub_byte_weights_are_unpacked_and_64_bit_norms_take_longer) {
  Kernel kernel = pointwise(2, 8, 64, 4);
  const std::int64_t plain = slowest(kernel);
  Machine machine;
  const auto of = [&](std::int64_t bits, std::int64_t channels) {
    Kernel call = kernel;
    call.weight_bits = bits;
    call.in_c = channels;
    return slowest(call, machine);
  };
  // A word of weights of four channels: 4 loads; for each four of its codes 4 times 6 instructions
  // to make bytes of them, 2 loads of activations, 8 products.
  EXPECT_EQ(of(4, 128) - of(4, 64), 8 * (4 + 2 * (4 * 6 + 2 + 8)));
  EXPECT_EQ(of(2, 128) - of(2, 64), 4 * (4 + 4 * (4 * 6 + 2 + 8)));
  // A value left over, of two pixels: 2 loads, 4 p.extract, 8 p.mac, 5 for pointers, field and
  // branches, of which 2 are taken. Which words are misaligned depends on the number of values.
  machine.core.misaligned = 0;
  EXPECT_EQ(of(4, 66) - of(4, 65), 2 + 4 + 8 + 5 + 2 * 2);
  kernel.weight_bits = 8;
  kernel.norm_bits = 64;
  // Of 8 outputs each 2 loads more; 10 instructions, of which a mulh takes 4 more, and 13 of the
  // shift with 2 jumps, for 3 that wait for a load.
  EXPECT_EQ(slowest(kernel) - plain, 8 * (2 + 10 + 4 + 13 + 2 - 3 - 1));
}

TEST(PulpCost, the_core_of_the_machine_says_what_stalls_cost) {
  Machine machine;
  machine.core.taken_branch = machine.core.load_use = machine.core.jump = 0;
  machine.core.misaligned = 0;
  // Of 1229 cycles: a branch back of row and block, two and two jumps in the call, 8 stalls.
  EXPECT_EQ(slowest(pointwise(2, 8, 256, 4)), 1229);
  EXPECT_EQ(slowest(pointwise(2, 8, 256, 4), machine), 1229 - 2 * 4 - 2 - 8);
}

TEST(PulpCost, the_slowest_core_and_the_barrier_make_the_kernel) {
  Machine machine;
  const Kernel kernel = pointwise(2, 8, 256, 4);
  EXPECT_EQ(kernel_cycles(kernel, machine).value, 1229 + machine.cluster.barrier_cycles);
  machine.l1.conflicts = 0;
  EXPECT_EQ(expected_kernel_cycles(kernel, machine), kernel_cycles(kernel, machine));
}

TEST(PulpCost, phases_of_a_max_pool_meet_at_a_barrier) {
  Kernel kernel{.kind = KernelKind::MaxPool};
  kernel.in_w = kernel.in_h = 4;
  kernel.out_w = kernel.out_h = 2;
  kernel.in_c = kernel.out_c = 16;
  kernel.kernel_w = kernel.kernel_h = kernel.stride_x = kernel.stride_y = 2;
  Machine machine;
  const std::int64_t before = slowest(kernel, machine);
  machine.cluster.barrier_cycles += 100;
  EXPECT_EQ(slowest(kernel, machine), before + 100);
}

TEST(PulpCost, additions_of_few_rows_leave_more_cores_idle_than_they_have_to) {
  Kernel kernel = pointwise(4, 5, 8, 8);
  kernel.kind = KernelKind::Add;
  const std::vector<std::int64_t> cores = core_cycles(kernel, {});
  EXPECT_EQ(cores[0], cores[1]);  // two rows each ...
  EXPECT_LT(cores[2], cores[1]);  // ... the fifth
  EXPECT_LT(cores[3], cores[2]);  // none
  EXPECT_EQ(cores[3], cores[7]);
  kernel.kind = KernelKind::AveragePool;
  kernel.in_h = kernel.out_h = 4;
  const std::vector<std::int64_t> pool = core_cycles(kernel, {});
  EXPECT_EQ(pool[0], pool[3]);  // a row each: a power of two
}

// A pixel is copied, 3 a byte, and compared with each tap of its window: 9, and for a word two
// loads, a stall, the comparison and a store. Bytes left over take 17 each. Of 4 bits: 4
// instructions for four channels, per row of the window 3 and a branch back (2), per tap a load, a
// stall, a comparison and 6 to unpack; a store and 3 to pack.
TEST(PulpCost, a_direct_max_pool_loads_and_compares_each_tap) {
  Kernel kernel{.kind = KernelKind::MaxPoolDirect};
  kernel.in_w = kernel.out_w = 2;
  kernel.in_h = kernel.out_h = 8;
  kernel.kernel_w = 2;
  kernel.kernel_h = 3;
  kernel.pad_left = kernel.pad_top = kernel.pad_bottom = 1;
  const auto with = [&](std::int64_t channels, std::int64_t bits) {
    kernel.in_c = kernel.out_c = channels;
    kernel.in_bits = kernel.out_bits = bits;
    return slowest(kernel);
  };
  // The window of the left pixel has one column inside the map, of three rows.
  const std::int64_t taps = 3 + 6;
  EXPECT_EQ(with(8, 8) - with(4, 8), 2 * 4 * 3 + taps * 5);
  EXPECT_EQ(with(3, 8) - with(2, 8), 2 * 3 + taps * 17);
  const std::int64_t four = 4 + 3 * 5 + 6 * 3 + 1;
  EXPECT_EQ(with(8, 4) - with(4, 4), 2 * (four + 6 * 6 + 3));
  // Call, row with its branch, two pixels, six rows of their windows.
  EXPECT_EQ(with(4, 8), 70 + 14 + 2 * (61 + 4 * 3) + 6 * 23 + taps * (9 + 5));
}

TEST(PulpCost, the_average_pool_adds_a_tap_in_two_cycles) {
  Kernel kernel{.kind = KernelKind::AveragePool};
  kernel.in_h = kernel.in_w = kernel.kernel_h = kernel.kernel_w = 4;
  kernel.divisor = 16;
  kernel.in_c = kernel.out_c = 1;
  const std::int64_t one = slowest(kernel);
  kernel.in_c = kernel.out_c = 2;
  // 4 rows of 3 and 4 taps of 2; 5, a branch back, a store.
  const std::int64_t channel = 4 * (3 + 4 * 2) + 5 + 2 + 1;
  EXPECT_EQ(channel, 52);  // docs/facts/pulp.md 2.6.3
  EXPECT_EQ(slowest(kernel) - one, channel);
  kernel.divisor = 15;  // no shift: each channel divides, 32 in all
  EXPECT_EQ(slowest(kernel) - one, channel + 2 * 32);
}

// Pairs of outputs: a load of activations, two of weights and two products per word. A core with
// one output makes it alone: two loads, of which the product waits for the second.
TEST(PulpCost, a_linear_kernel_of_32_bits_makes_two_outputs_at_a_time) {
  Kernel kernel{.kind = KernelKind::Linear32, .in_c = 512, .out_c = 16, .out_bits = 32};
  const std::vector<std::int64_t> two = core_cycles(kernel, {});
  kernel.in_c = 1024;
  const std::vector<std::int64_t> longer = core_cycles(kernel, {});
  EXPECT_EQ(longer[0] - two[0], 128 * 5);
  kernel = {.kind = KernelKind::Linear32, .in_c = 512, .out_c = 8, .out_bits = 32};
  const std::vector<std::int64_t> one = core_cycles(kernel, {});
  EXPECT_EQ(one[1], one[0]);
  EXPECT_EQ(two[0] - one[0], 128 * (5 - 4) + 1);  // and the second store
}

TEST(PulpCost, code_is_instructions_divisions_and_loads_from_l2) {
  const Machine machine;
  EXPECT_EQ(code_cycles({.instructions = 200, .divisions = 2, .l2_loads = 4}, machine).value,
            200 + 2 * 32 + 4 * 12);
}

TEST(PulpCost, products_are_counted_with_padding) {
  Kernel kernel = pointwise(4, 8, 16, 4);
  EXPECT_EQ(macs(kernel), 4 * 8 * 16 * 4);
  kernel.kind = KernelKind::DepthwiseGeneric;
  kernel.kernel_w = kernel.kernel_h = 3;
  EXPECT_EQ(macs(kernel), 4 * 8 * 4 * 9);
  kernel.kind = KernelKind::Add;
  EXPECT_EQ(macs(kernel), 0);
}

// GVSoC's figures (docs/facts/pulp.md 1.9), which end within a few cycles of the last byte.
TEST(PulpCost, transfers_alone_take_as_long_as_measured) {
  const Machine machine;
  const auto cycles = [&](const Dma& transfer) {
    return static_cast<double>(dma_cycles(transfer, machine).value);
  };
  EXPECT_NEAR(cycles({.length = 32768, .split = false}), 4109, 4);
  EXPECT_NEAR(cycles({.to_l1 = false, .length = 32768, .split = false}), 4235, 4);
  EXPECT_NEAR(cycles({.length = 1, .lines = 1024, .two_d = true, .split = false}), 1039, 4);
  EXPECT_NEAR(cycles({.to_l1 = false, .length = 8, .lines = 128, .two_d = true, .split = false}),
              271, 4);
  // Of many small ones the issue is seen, 8 each; dealt out to 8 cores, an eighth of it.
  EXPECT_NEAR(cycles({.length = 8, .lines = 32, .split = false}), 265, 4);
  EXPECT_NEAR(cycles({.length = 64, .lines = 8, .split = true}), 77, 4);
  EXPECT_EQ(cycles({.length = 0}), 0);
}

TEST(PulpCost, lines_of_one_byte_take_what_the_dma_takes_for_a_line) {
  Machine machine;
  machine.dma.read_line_cycles = 2;
  const Dma lines{.length = 1, .lines = 1024, .two_d = true, .split = false};
  EXPECT_EQ(dma_cycles(lines, machine).value, dma_cycles(lines, Machine{}).value + 1024);
  // Of 16 bytes, two cycles of 8, nothing is added; 1-D commands have no lines.
  const Dma wide{.length = 16, .lines = 64, .two_d = true, .split = false};
  EXPECT_EQ(dma_cycles(wide, machine), dma_cycles(wide, Machine{}));
  const Dma run{.length = 1, .lines = 64, .split = false};
  EXPECT_EQ(dma_cycles(run, machine), dma_cycles(run, Machine{}));
}

TEST(PulpCost, the_clock_of_the_cluster_leaves_the_speed_of_l3_as_it_is) {
  Machine machine;
  machine.l3.transfer_cycles = 0;
  machine.l3.megabytes_per_second = 65;
  machine.clocks.cluster = 100;
  const L3Transfer transfer{.length = 65000};  // 1 ms
  EXPECT_NEAR(static_cast<double>(l3_cycles(transfer, machine).value), 100'000, 1);
  machine.clocks.cluster = 175;
  EXPECT_NEAR(static_cast<double>(l3_cycles(transfer, machine).value), 175'000, 1);
}

TEST(PulpCost, rows_from_l3_are_a_transfer_each) {
  Machine machine;
  machine.l3.megabytes_per_second = 50;  // of a cluster at 100 MHz
  const L3Transfer transfer{.length = 100, .rows = 3};
  EXPECT_EQ(l3_cycles(transfer, machine).value, 3 * machine.l3.transfer_cycles + 600);
}

}  // namespace
}  // namespace workbench::pulp
