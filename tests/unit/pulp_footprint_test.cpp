// What instructions touch, from their sizes.
#include <gtest/gtest.h>

#include "core/units.h"
#include "isa/pulp/footprint.h"

namespace workbench::pulp {
namespace {

const Machine kMachine;

// 3x3, 3 -> 8 channels, 5x4 -> 5x4 pixels.
Kernel convolution() {
  return {.kind = KernelKind::ConvHo,
          .in = 0,
          .weights = 200,
          .kappa = 500,
          .lambda = 600,
          .out = 700,
          .scratch = 1000,
          .in_w = 4,
          .in_h = 5,
          .in_c = 3,
          .out_w = 4,
          .out_h = 5,
          .out_c = 8,
          .kernel_w = 3,
          .kernel_h = 3,
          .pad_top = 1,
          .pad_bottom = 1,
          .pad_left = 1,
          .pad_right = 1,
          .norm = true};
}

TEST(PulpFootprint, a_convolution_reads_its_operands_and_writes_result_and_im2col_buffers) {
  const Footprint touched = footprint(convolution(), kMachine);
  const std::vector<Region> reads = {{Space::L1, 0, 5 * 4 * 3, 1, 0},
                                     {Space::L1, 200, 8 * 27, 1, 0},
                                     {Space::L1, 500, 8 * 4, 1, 0},
                                     {Space::L1, 600, 8 * 4, 1, 0}};
  // docs/facts/pulp.md 2.4: two columns of 27 bytes for each of 8 cores.
  const std::vector<Region> writes = {{Space::L1, 700, 5 * 4 * 8, 1, 0},
                                      {Space::L1, 1000, 2 * 8 * 27, 1, 0}};
  EXPECT_EQ(touched.reads, reads);
  EXPECT_EQ(touched.writes, writes);
}

TEST(PulpFootprint, wide_factors_take_twice_the_bytes) {
  Kernel wide = convolution();
  wide.norm_bits = 64;
  wide.has_bias = true;
  EXPECT_EQ(norm_bytes(wide), 64);
  EXPECT_EQ(bias_bytes(wide), 32);
  wide.norm = false;
  EXPECT_EQ(norm_bytes(wide), 0);
}

// docs/facts/pulp.md 2.5: Kw x (rows with padding) + Kw bytes for each core.
TEST(PulpFootprint, a_depthwise_kernel_keeps_one_padded_column_for_each_core) {
  Kernel depthwise = convolution();
  depthwise.kind = KernelKind::DepthwiseGeneric;
  depthwise.in_c = depthwise.out_c = 8;
  EXPECT_EQ(scratch_bytes(depthwise, kMachine), 8 * (3 * 7 + 3));
  EXPECT_EQ(weight_bytes(depthwise), 8 * 9);
  Machine two;
  two.cluster.cores = 2;
  EXPECT_EQ(scratch_bytes(depthwise, two), 2 * (3 * 7 + 3));
}

TEST(PulpFootprint, cores_that_take_no_part_need_no_im2col_buffer) {
  Kernel one = convolution();
  one.cores = 1;
  EXPECT_EQ(scratch_bytes(one, kMachine), round_up(2 * 27, 4));
  EXPECT_EQ(footprint(one, kMachine).writes.back().length, 56);
  one.kind = KernelKind::DepthwiseGeneric;
  one.in_c = one.out_c = 8;
  one.cores = 3;
  EXPECT_EQ(scratch_bytes(one, kMachine), 3 * (3 * 7 + 3));
}

TEST(PulpFootprint, pointwise_kernels_unpack_only_what_is_packed) {
  Kernel pointwise{.kind = KernelKind::PointwiseHoWo, .in_c = 64, .out_c = 8};
  EXPECT_EQ(scratch_bytes(pointwise, kMachine), 0);
  pointwise.in_bits = 4;
  EXPECT_EQ(scratch_bytes(pointwise, kMachine), 2 * 8 * 64);
}

TEST(PulpFootprint, packed_pixels_planes_and_filters_begin_at_bytes) {
  Kernel packed = convolution();
  packed.in_bits = 4;      // 3 channels: 2 bytes
  packed.weight_bits = 2;  // 27 weights: 7 bytes
  packed.out_bits = 2;     // 8 channels: 2 bytes
  EXPECT_EQ(input_bytes(packed), 20 * 2);
  EXPECT_EQ(weight_bytes(packed), 8 * 7);
  EXPECT_EQ(output_bytes(packed), 20 * 2);
  packed.kind = KernelKind::DepthwiseGeneric;
  packed.in_w = 3;  // planes of 15 codes: 8 bytes
  EXPECT_EQ(input_bytes(packed), 3 * 8);
}

TEST(PulpFootprint, a_pool_of_maxima_writes_over_its_input_unless_it_is_direct) {
  Kernel pool{.kind = KernelKind::MaxPool,
              .in = 64,
              .out = 128,
              .in_w = 2,
              .in_h = 2,
              .in_c = 4,
              .out_c = 4,
              .kernel_w = 2,
              .kernel_h = 2};
  const Footprint touched = footprint(pool, kMachine);
  const std::vector<Region> writes = {{Space::L1, 128, 4, 1, 0}, {Space::L1, 64, 16, 1, 0}};
  EXPECT_EQ(touched.writes, writes);
  pool.kind = KernelKind::MaxPoolDirect;
  EXPECT_EQ(footprint(pool, kMachine).reads, touched.reads);
  EXPECT_EQ(footprint(pool, kMachine).writes, (std::vector<Region>{{Space::L1, 128, 4, 1, 0}}));
}

TEST(PulpFootprint, accumulators_are_words) {
  const Kernel linear{.kind = KernelKind::Linear32, .in_c = 16, .out_c = 10};
  EXPECT_EQ(output_bytes(linear), 40);
  EXPECT_EQ(weight_bytes(linear), 160);
}

TEST(PulpFootprint, an_addition_reads_two_maps) {
  const Kernel add{.kind = KernelKind::Add, .in2 = 100, .in_w = 3, .in_h = 2, .in_c = 5};
  EXPECT_EQ(second_input_bytes(add), 30);
  EXPECT_EQ(footprint(add, kMachine).reads[1], (Region{Space::L1, 100, 30, 1, 0}));
}

// HWC -> CHW of 4 of 16 channels, 8 pixels: one byte each 16 in L2, 4 x 8 bytes in a row in L1.
TEST(PulpFootprint, a_transposing_transfer_is_one_region_on_either_side) {
  const Dma transpose{.l2 = 1000,
                      .l1 = 50,
                      .length = 1,
                      .lines = 8,
                      .planes = 4,
                      .l2_line_stride = 16,
                      .l2_plane_stride = 1,
                      .l1_line_stride = 1,
                      .l1_plane_stride = 8,
                      .two_d = true};
  const Footprint touched = footprint(transpose, kMachine);
  EXPECT_EQ(touched.reads, (std::vector<Region>{{Space::L2, 1000, 4, 8, 16}}));
  EXPECT_EQ(touched.writes, (std::vector<Region>{{Space::L1, 50, 32, 1, 0}}));
}

TEST(PulpFootprint, rows_from_l3_lie_in_l2_as_their_strides_say) {
  const L3Transfer rows{
      .l3 = 10, .l2 = 20, .length = 4, .rows = 3, .l3_stride = 100, .l2_stride = 4};
  const Footprint touched = footprint(rows, kMachine);
  EXPECT_EQ(touched.reads, (std::vector<Region>{{Space::L3, 10, 4, 3, 100}}));
  EXPECT_EQ(touched.writes, (std::vector<Region>{{Space::L2, 20, 12, 1, 0}}));
}

TEST(PulpFootprint, synchronisation_and_code_touch_nothing) {
  for (const Instruction& instruction :
       {Instruction{Barrier{}}, Instruction{DmaWait{}}, Instruction{L3Wait{}}, Instruction{Code{}},
        Instruction{CounterStart{}}, Instruction{CounterStop{}}}) {
    EXPECT_TRUE(footprint(instruction, kMachine).reads.empty());
    EXPECT_TRUE(footprint(instruction, kMachine).writes.empty());
  }
}

TEST(PulpFootprint, regions_in_each_others_gaps_do_not_overlap) {
  const Region even{Space::L2, 0, 8, 100, 16}, odd{Space::L2, 8, 8, 100, 16};
  EXPECT_FALSE(overlap(even, odd));
  EXPECT_TRUE(overlap(even, Region{Space::L2, 7, 8, 100, 16}));
  EXPECT_FALSE(overlap(even, Region{Space::L1, 0, 8, 100, 16}));
  // 8 + 48 k meets 16 i + [0, 8) never; 8 + 40 k does at 48.
  EXPECT_FALSE(overlap(even, Region{Space::L2, 8, 8, 10, 48}));
  EXPECT_TRUE(overlap(even, Region{Space::L2, 8, 8, 10, 40}));
}

}  // namespace
}  // namespace workbench::pulp
