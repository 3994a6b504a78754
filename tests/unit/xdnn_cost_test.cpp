// Contention-free costs against the formulas of docs/facts/xdnn.md 1.5 and 5.2, on layers of
// GoogLeNet and ResNet-50.
#include <gtest/gtest.h>

#include <algorithm>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {
namespace {

const Machine kV3;

// Square convolution from the AM; ping-pong as the compiler would set it for up to 32 steps.
Conv convolution(const ChannelLayout& source, std::int64_t in_ch, std::int64_t out_ch,
                 std::int64_t kernel, std::int64_t out) {
  Conv conv{.kernel_w = kernel, .kernel_h = kernel};
  conv.pad_w = conv.pad_h = kernel / 2;
  conv.in_w = conv.in_h = conv.out_w = conv.out_h = out;
  conv.in_ch = in_ch, conv.out_ch = out_ch;
  conv.tail.source = source, conv.tail.destination = plain_layout(out_ch, 96);
  conv.tail.pingpong_weight = true;
  return conv;
}

// GoogLeNet conv1: 7x7/2, 224x224x3 from DDR, 112x112x64; docs/facts/xdnn.md 2.6 example 11.
Conv googlenet_conv1() {
  Conv conv = convolution({0, 1, 12, 8}, 3, 64, 7, 112);
  conv.stride_w = conv.stride_h = 2, conv.in_w = conv.in_h = 224;
  return conv;
}

TEST(XdnnCost, googlenet_conv1_takes_5_steps_per_pixel) {
  const ConvCost cost = conv_cost(googlenet_conv1(), kV3);
  EXPECT_EQ(cost.steps, 5);  // ceil(49 / 12)
  EXPECT_EQ(cost.passes, 1);
  EXPECT_EQ(cost.compute(), Cycles{112 * 112 * 5});
  EXPECT_EQ(cost.slab, Bytes{(8 + 96 * 5) * 64});
  EXPECT_EQ(cost.slab_buffers, 1);
}

TEST(XdnnCost, a_convolution_takes_one_sweep_per_64_output_channels) {
  // inception_3a/3x3: 28x28, 96 -> 128 channels: 9 steps, 2 passes.
  const ConvCost cost = conv_cost(convolution({1, 0, 0, 0}, 96, 128, 3, 28), kV3);
  EXPECT_EQ(cost.passes, 2);
  EXPECT_EQ(cost.compute(), Cycles{28 * 28 * 9 * 2});
  EXPECT_EQ(cost.row_cycles, Cycles{28 * 9});
  EXPECT_EQ(cost.row_writes, 28);
  // One channel more needs a pass of its own.
  EXPECT_EQ(conv_cost(convolution({1, 0, 0, 0}, 96, 129, 3, 28), kV3).passes, 3);
}

TEST(XdnnCost, beyond_32_steps_a_slab_takes_both_buffers) {
  // ResNet-50 res5 3x3, 512 = 5 * 96 + 32 channels: 45 + ceil(9 / 3) = 48 steps, 8 passes on 7x7.
  const ConvCost cost = conv_cost(convolution({5, 1, 3, 32}, 512, 512, 3, 7), kV3);
  EXPECT_EQ(cost.steps, 48);
  EXPECT_EQ(cost.slab_buffers, 2);
  EXPECT_EQ(cost.compute(), Cycles{7 * 7 * 48 * 8});
}

TEST(XdnnCost, half_rate_takes_twice_the_passes) {
  Conv conv = convolution({8, 0, 0, 0}, 768, 64, 3, 7);  // 72 steps
  conv.tail.half_rate = true;
  EXPECT_EQ(conv_cost(conv, kV3).passes, 2);
  EXPECT_EQ(conv_cost(conv, kV3).slab, Bytes{(8 + 96 * 72) * 32});
}

TEST(XdnnCost, a_fused_pool_adds_no_array_time_and_writes_less) {
  ConvPool fused{.kernel_w = 3, .kernel_h = 3, .stride_w = 2, .stride_h = 2};
  fused.conv = googlenet_conv1(), fused.out_w = fused.out_h = 56;
  const ConvCost cost = conv_cost(Instruction{fused}, kV3);
  EXPECT_EQ(cost.compute(), Cycles{112 * 112 * 5});
  EXPECT_EQ(cost.row_writes, 28);  // 56 * 56 words over 112 rows
}

TEST(XdnnCost, an_eltwise_reads_both_operands_at_once_only_in_different_partitions) {
  // res2a: 56x56x256, 3 words per pixel (docs/facts/xdnn.md 5.2: W * H * ceil(C / 96)).
  Eltwise add{.width = 56, .height = 56, .channels = 256};
  add.tail.source = add.tail.destination = {3, 0, 0, 0};
  add.tail.parallel_read = true;
  EXPECT_EQ(duration({add}, kV3), Cycles{56 * 56 * 3});
  EXPECT_EQ(stream_cost(add, kV3).read_ports, 2);
  Machine one_port;
  one_port.am.read_ports = 1;
  EXPECT_EQ(duration({add}, one_port), Cycles{2 * 56 * 56 * 3});
  add.tail.parallel_read = false;
  EXPECT_EQ(duration({add}, kV3), Cycles{2 * 56 * 56 * 3});
  EXPECT_EQ(stream_cost(add, kV3).read_ports, 1);
}

TEST(XdnnCost, a_pool_reads_each_word_once) {
  // pool1: 112x112x64 -> 56x56, one word per pixel.
  Pool pool{.kernel_w = 3, .kernel_h = 3, .stride_w = 2, .stride_h = 2};
  pool.in_w = pool.in_h = 112, pool.out_w = pool.out_h = 56, pool.channels = 64;
  pool.tail.source = pool.tail.destination = {1, 0, 0, 0};
  EXPECT_EQ(duration({pool}, kV3), Cycles{112 * 112});
  pool.channels = 97, pool.tail.source = {2, 0, 0, 0};
  EXPECT_EQ(duration({pool}, kV3), Cycles{2 * 112 * 112});
}

TEST(XdnnCost, an_upsampling_takes_as_long_as_its_result) {
  Upsample up{.factor_h = 2, .factor_w = 2, .in_h = 13, .in_w = 13, .channels = 100};
  up.out_w = up.out_h = 26, up.tail.source = {2, 0, 0, 0};
  EXPECT_EQ(duration({up}, kV3), Cycles{26 * 26 * 2});
}

TEST(XdnnCost, ddr_moves_13632_bytes_in_350_cycles) {
  // 64 bytes * 300 MHz * 0.71 = 13632 bytes in 350 report cycles.
  EXPECT_EQ(ddr_cycles({0}, kV3), Cycles{0});
  EXPECT_EQ(ddr_cycles({1}, kV3), Cycles{1});
  EXPECT_EQ(ddr_cycles({13632}, kV3), Cycles{350});
  EXPECT_EQ(ddr_cycles({13632 * 1000}, kV3), Cycles{350000});
  EXPECT_EQ(ddr_cycles({13633}, kV3), Cycles{351});
}

TEST(XdnnCost, a_download_takes_the_ddr_latency_and_its_bytes) {
  // 28x28x96: 12 groups * 28 rows * 28 * 8 -> 256 bytes = 86016 bytes; / 38.949 = 2208.4 -> 2209.
  Gather down{.width = 28, .height = 28, .channels = 96};
  down.end_row = 27, down.tail.destination = {1, 0, 0, 0};
  EXPECT_EQ(stream_cost(down, kV3).ddr, Bytes{86016});
  EXPECT_EQ(duration({down}, kV3), Cycles{60 + 2209});
}

TEST(XdnnCost, an_upload_takes_a_cycle_for_each_group_of_8_channels) {
  Scatter up{.width = 28, .height = 28, .channels = 96};
  up.end_row = 27, up.tail.source = {1, 0, 0, 0};
  EXPECT_EQ(duration({up}, kV3), Cycles{28 * 28 * 12});
  // 8 channels: a group and a word; 28 rows of 256 bytes take the DDR 60 + 185 cycles only.
  up.channels = 8;
  EXPECT_EQ(duration({up}, kV3), Cycles{28 * 28});
}

// VGG-16 conv1_1 as the vendor's compiler cuts it, in one tile here: 224x224x3 in, one word a
// pixel, ceil(9 / 12) = 1 step, 64 channels out, 8 groups a pixel. Nothing overlaps but the
// filters, so that a pixel takes 1 + 1 + 8 cycles.
TEST(XdnnCost, from_ddr_to_ddr_a_tile_comes_in_words_and_leaves_in_groups) {
  Conv conv = convolution({0, 1, 12, 8}, 3, 64, 3, 224);
  conv.tail.source_in_ddr = conv.tail.tiling = conv.tail.destination_in_ddr = true;
  conv.tail.tile_width = conv.tail.tile_height = 224;
  const auto tiles = tile_costs(conv, kV3.geometry());
  ASSERT_EQ(tiles.size(), 1u);
  EXPECT_EQ(tiles[0].in_rows, 224);
  EXPECT_EQ(tiles[0].in_row_words, Cycles{224});
  EXPECT_EQ(tiles[0].result_groups, Cycles{224 * 224 * 8});
  const ConvWork work = conv_work(conv, kV3);
  EXPECT_EQ(work.inputs, Cycles{60 + 224 * 224});
  EXPECT_EQ(work.compute, Cycles{224 * 224});
  EXPECT_EQ(work.results, Cycles{60 + 224 * 224 * 8});
}

TEST(XdnnCost, slow_am_words_bound_a_download_from_below) {
  // One channel in 1 of 96 bytes: 100x100 words, DDR 100 rows of 832 bytes / 38.949 = 2137.
  Gather down{.width = 100, .height = 100, .channels = 1};
  down.end_row = 99, down.tail.destination = {1, 0, 0, 0};
  EXPECT_EQ(duration({down}, kV3), Cycles{10000});
}

double load_cycles(std::int64_t steps) {
  return static_cast<double>((8 + 96 * steps) * 64) * 350 / 13632;
}

TEST(XdnnCost, passes_overlap_with_the_loads_of_the_next) {
  // docs/facts/xdnn.md 5.2: time = load + (P - 1) * max(compute, load) + compute, here with the
  // latency of the first load and the drain of the array; compute-bound on 28x28, load-bound on
  // 7x7.
  for (const std::int64_t side : {7, 28}) {
    for (std::int64_t passes = 1; passes <= 4; ++passes) {
      const Conv conv = convolution({1, 0, 0, 0}, 96, 64 * passes, 3, side);
      const auto compute = static_cast<double>(side * side * 9);
      const double load = load_cycles(9);
      const double expected =
          60 + load + static_cast<double>(passes - 1) * std::max(compute, load) + compute + 56;
      const auto cycles = static_cast<double>(duration({conv}, kV3).value);
      EXPECT_NEAR(cycles, expected, 1) << side << " " << passes;  // whole cycles
    }
  }
}

TEST(XdnnCost, one_slab_in_both_buffers_overlaps_nothing) {
  const Conv conv = convolution({5, 1, 3, 32}, 512, 512, 3, 7);
  const auto cycles = static_cast<double>(duration({conv}, kV3).value);
  EXPECT_NEAR(cycles, 60 + 8 * (load_cycles(48) + 7 * 7 * 48) + 56, 1);
}

TEST(XdnnCost, tiles_read_the_rows_and_columns_their_windows_reach) {
  // 16x16, 3x3, padding 1, tiles of 8x8: each reads 9 rows of 9 pixels; a row of 72 bytes is 128.
  Conv conv = convolution({0, 1, 12, 8}, 3, 8, 3, 16);
  conv.tail.tile_width = conv.tail.tile_height = 8;
  const auto tiles = tile_costs(conv, kV3.geometry());
  ASSERT_EQ(tiles.size(), 4u);
  for (const TileCost& tile : tiles) {
    EXPECT_EQ(tile.out_rows, 8);
    EXPECT_EQ(tile.out_cols, 8);
    EXPECT_EQ(tile.ddr, Bytes{9 * 128});
    EXPECT_EQ(tile.in_rows, 9);
    EXPECT_EQ(tile.in_row_words, Cycles{9});  // a word holds 12 copies of a pixel
  }
}

TEST(XdnnCost, tiles_of_16_bit_codes_read_twice_the_bytes) {
  Conv conv = convolution({0, 1, 12, 8}, 3, 8, 3, 16);
  conv.tail.tile_width = conv.tail.tile_height = 8;
  conv.tail.destination_in_ddr = true;
  Machine machine = kV3;
  machine.array.bits = 16;
  // As above, a row of 9 pixels x 8 channels: 144 bytes in whole words of 64; results are 8x8.
  for (const TileCost& tile : tile_costs(conv, machine.geometry())) {
    EXPECT_EQ(tile.ddr, Bytes{9 * 192});
    EXPECT_EQ(tile.result, Bytes{8 * 128});
  }
}

TEST(XdnnCost, a_ragged_last_tile_is_smaller) {
  Conv conv = convolution({0, 1, 12, 8}, 9, 8, 1, 10);  // 9 channels: two groups of 8 in DDR
  conv.tail.tile_width = 8, conv.tail.tile_height = 6;
  const auto tiles = tile_costs(conv, kV3.geometry());
  ASSERT_EQ(tiles.size(), 4u);
  EXPECT_EQ(tiles[3].out_rows, 4);
  EXPECT_EQ(tiles[3].out_cols, 2);
  EXPECT_EQ(tiles[3].ddr, Bytes{4 * 64 * 2});
}

// --- filters that stay in the buffers
// --------------------------------------------------------------

// One after the other in disjoint memory, filters at the addresses given.
Program in_a_row(std::vector<Conv> convs, const std::vector<std::int64_t>& filters) {
  Program program;
  for (std::size_t i = 0; i < convs.size(); ++i) {
    convs[i].inaddr = static_cast<std::int64_t>(i) * 10000,
    convs[i].outaddr = convs[i].inaddr + 5000;
    program.steps.push_back({convs[i], filters[i], {}});
  }
  return program;
}

TEST(XdnnKeptFilters, are_those_of_one_pass_behind_another_with_the_same) {
  const Conv one = convolution({1, 0, 0, 0}, 96, 64, 3, 7);
  const Conv two = convolution({1, 0, 0, 0}, 96, 65, 3, 7);  // two passes
  using Kept = std::vector<bool>;
  EXPECT_EQ(kept_filters(in_a_row({one, one, one}, {0, 0, 0}), kV3), (Kept{false, true, true}));
  EXPECT_EQ(kept_filters(in_a_row({one, one}, {0, 1 << 20}), kV3), (Kept{false, false}));
  EXPECT_EQ(kept_filters(in_a_row({two, two}, {0, 0}), kV3), (Kept{false, false}));
  // The same address in another shape: no longer what is in the buffer.
  Conv single = one;
  single.tail.pingpong_weight = false;
  EXPECT_EQ(kept_filters(in_a_row({one, single}, {0, 0}), kV3), (Kept{false, false}));
  // Another convolution in between.
  EXPECT_EQ(kept_filters(in_a_row({one, one, one}, {0, 1 << 20, 0}), kV3),
            (Kept{false, false, false}));
  Conv tiled = one;
  tiled.tail.source_in_ddr = true;
  EXPECT_EQ(kept_filters(in_a_row({tiled, tiled}, {0, 0}), kV3), (Kept{false, false}));
}

TEST(XdnnKeptFilters, stay_beside_other_engines_and_not_where_something_is_written_over_them) {
  const Conv one = convolution({1, 0, 0, 0}, 96, 64, 3, 7);
  Program program = in_a_row({one, one}, {4096, 4096});
  Pool pool;
  pool.in_w = pool.in_h = pool.out_w = pool.out_h = 7, pool.channels = 96;
  pool.tail.source = pool.tail.destination = {1, 0, 0, 0};
  program.steps.insert(program.steps.begin() + 1, Step{pool, 0, {}});
  EXPECT_EQ(kept_filters(program, kV3), (std::vector<bool>{false, false, true}));
  // 7x7 of 8 channels: rows of 64 bytes, 448 in all.
  Scatter up{.ddr_address = 4096 - 448, .width = 7, .height = 7, .channels = 8};
  up.end_row = 6, up.tail.source = {1, 0, 0, 0};
  program.steps.push_back({up, 0, {}});
  EXPECT_EQ(kept_filters(program, kV3), (std::vector<bool>{false, false, true, false}));
  std::get<Scatter>(program.steps.back().instruction).ddr_address += 64;
  EXPECT_EQ(kept_filters(program, kV3), (std::vector<bool>{false, false, false, false}));
}

TEST(XdnnKeptFilters, leave_nothing_to_wait_for) {
  // 9 steps on 7x7: 441 cycles; the slab takes 1432.9 of DDR time behind 16 to issue and 60 until
  // its first byte.
  const Conv conv = convolution({1, 0, 0, 0}, 96, 64, 3, 7);
  const Cycles first{16 + 60 + 1433};
  EXPECT_EQ(earliest_times(in_a_row({conv, conv}, {0, 0}), kV3).end, first + Cycles{2 * 441 + 56});
  EXPECT_EQ(earliest_times(in_a_row({conv, conv}, {0, 1 << 20}), kV3).end,
            first + Cycles{60 + 1433 + 441 + 56});
}

TEST(XdnnSchedule, a_slab_that_takes_both_buffers_is_loaded_when_both_are_free) {
  // The first streams 28 x 28 x 9 cycles; 48 steps are (8 + 96 * 48) * 64 bytes: 7584.9 cycles.
  const Conv first = convolution({1, 0, 0, 0}, 96, 64, 3, 28);
  const Conv second = convolution({5, 1, 3, 32}, 512, 64, 3, 7);
  Program program = in_a_row({first, second}, {0, 1 << 20});
  EXPECT_EQ(earliest_times(program, kV3).end,
            Cycles{16 + 60 + 1433 + 28 * 28 * 9 + 7585 + 7 * 7 * 48 + 56});
}

}  // namespace
}  // namespace workbench::xdnn
