#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <tuple>

#include "compiler/pulp/dory_tiling.h"
#include "compiler/pulp/kernel_rules.h"
#include "compiler/pulp/optimal_tiling.h"
#include "compiler/pulp/prefetch.h"
#include "compiler/pulp/tiling.h"
#include "core/error.h"
#include "tests/support/pulp_layers.h"

namespace workbench::pulp {
namespace {

Machine machine_with(std::int64_t l1_bytes) {
  Machine machine;
  machine.l1.buffer_bytes = l1_bytes;
  machine.l2.buffer_bytes = 380000;
  return machine;
}

// A byte a cycle and nothing beside: times follow from bytes.
double cycles_with(ConstantLoad second) {
  Machine machine;
  machine.clocks.cluster = machine.l3.megabytes_per_second = 100;
  machine.l3.transfer_cycles = 0;
  const std::array layers{ConstantLoad{.cycles = 100}, second};
  return cycles_with_loads(layers, machine);
}

TEST(PulpPrefetch, constants_that_are_asked_for_ahead_come_beside_the_layer_before) {
  // 100, 150 bytes, 100.
  EXPECT_DOUBLE_EQ(cycles_with({.cycles = 100, .bytes = 150}), 350);
  // 50 of the bytes are left when the first layer ends.
  EXPECT_DOUBLE_EQ(cycles_with({.cycles = 100, .bytes = 150, .ahead = 1}), 250);
}

TEST(PulpPrefetch, layers_begin_with_the_first_piece_and_end_a_pieces_work_behind_the_last) {
  EXPECT_DOUBLE_EQ(cycles_with({.cycles = 90, .bytes = 150, .pieces = 3}), 100 + 150 + 30);
  EXPECT_DOUBLE_EQ(cycles_with({.cycles = 600, .bytes = 150, .pieces = 3}), 100 + 50 + 600);
}

TEST(PulpPrefetch, during_the_first_of_several_turns_over_the_map_all_constants_are_needed) {
  // The last piece is there at 250; of the layer's work, a sixth can be done before it is needed.
  EXPECT_DOUBLE_EQ(cycles_with({.cycles = 90, .bytes = 150, .pieces = 2, .turns = 3}),
                   100 + 150 + 90 - 15);
  // Work on the first piece that takes longer than the second needs hides it all the same.
  EXPECT_DOUBLE_EQ(cycles_with({.cycles = 600, .bytes = 150, .pieces = 2, .turns = 3}),
                   100 + 75 + 600);
}

TEST(PulpPrefetch, behind_a_layer_whose_map_passes_through_the_queue_constants_are_asked_for_late) {
  Machine machine;
  machine.clocks.cluster = machine.l3.megabytes_per_second = 100;
  machine.l3.transfer_cycles = 0;
  const std::array layers{ConstantLoad{.cycles = 100, .maps = true},
                          ConstantLoad{.cycles = 100, .bytes = 150, .ahead = 1}};
  EXPECT_DOUBLE_EQ(cycles_with_loads(layers, machine), 100 + 150 + 100);
}

TEST(PulpPrefetch, parts_are_asked_for_when_the_part_before_is_computed_with) {
  // Part 0 is there at 100, 1 at 140, 2 at 180, 3 at 220; 25 cycles each.
  EXPECT_DOUBLE_EQ(cycles_with({.cycles = 100, .bytes = 160, .parts = 4, .ahead = 1}), 245);
  // With one buffer each comes behind the work on the one before: 3 x (25 + 40) + 25.
  EXPECT_DOUBLE_EQ(
      cycles_with({.cycles = 100, .bytes = 160, .parts = 4, .ahead = 1, .twice = false}), 320);
}

// Tilings of a chain of layers; what one leaves in L3 the next reads from there.
std::vector<Tiling> dory_tilings(const Network& network, const Machine& machine) {
  std::vector<Tiling> tilings;
  for (const Layer& layer : network.layers) {
    const bool in_l3 = !tilings.empty() && tilings.back().output_to_l3;
    const L2Budget budget{.bytes = machine.l2.buffer_bytes, .input_in_l3 = in_l3};
    tilings.push_back(dory_tiling(layer, network, machine, budget).tiling.value());
  }
  return tilings;
}

std::int64_t pieces(std::int64_t size, std::int64_t slice, std::int64_t tile) {
  std::int64_t count = 0;
  for (std::int64_t from = 0; from < size; from += slice) {
    count += (std::min(slice, size - from) + tile - 1) / tile;
  }
  return count;
}

std::int64_t tiles(const Layer& layer, const Tiling& tiling) {
  return pieces(layer.call.out_c, tiling.slice.out_c, tiling.tile.out_c) *
         pieces(layer.call.out_h, tiling.slice.out_h, tiling.tile.out_h) *
         pieces(layer.call.out_w, tiling.slice.out_w, tiling.tile.out_w);
}

TEST(PulpTileGeometry, padding_is_left_over_at_the_borders_of_the_map_only) {
  Layer layer = layer_of(Family::Conv, {3, 32, 128, 3, 2, 1});  // 128x128 -> 64x64
  const Kernel top = tile_call(layer, KernelKind::ConvHo, 0, 0, 0, {32, 48, 8});
  EXPECT_EQ(top.in_h, 96);  // rows -1 to 95
  EXPECT_EQ(top.pad_top, 1);
  EXPECT_EQ(top.pad_bottom, 0);
  EXPECT_EQ(top.in_w, 16);
  EXPECT_EQ(top.pad_left, 1);
  const Kernel bottom = tile_call(layer, KernelKind::ConvHo, 0, 48, 8, {32, 48, 8});
  EXPECT_EQ(bottom.out_h, 16);  // what is left of 64
  EXPECT_EQ(bottom.in_h, 33);   // rows 95 to 127: stride 2 never reads the padding below
  EXPECT_EQ(bottom.pad_top, 0);
  EXPECT_EQ(bottom.pad_bottom, 0);
  EXPECT_EQ(bottom.in_w, 17);
  EXPECT_EQ(bottom.pad_left, 0);
}

// The most that any tile reads, of all of them.
TEST(PulpTileGeometry, the_largest_tile_is_found_without_looking_at_each) {
  std::mt19937_64 random(7);
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
  };
  for (int i = 0; i < 20000; ++i) {
    Layer layer;
    Kernel& call = layer.call;
    call.kernel_h = between(1, 5);
    call.stride_y = between(1, 4);
    call.dilation_y = between(1, 3);
    call.in_h = between(1, 40);
    call.pad_top = between(0, 9);
    const std::int64_t window = call.dilation_y * (call.kernel_h - 1) + 1;
    const std::int64_t most =
        (call.in_h + call.pad_top + between(0, 9) - window) / call.stride_y + 1;
    if (most < 1) continue;
    call.out_h = between(1, most);
    const std::int64_t slice = between(1, call.out_h), tile = between(1, slice);
    Extent expected;
    for (std::int64_t from = 0; from < call.out_h; from += slice) {
      const std::int64_t to = std::min(from + slice, call.out_h);
      for (std::int64_t begin = from; begin < to; begin += tile) {
        const InputSpan part = input_rows(call, begin, std::min(begin + tile, to));
        const std::int64_t data = part.end - part.begin;
        expected.data = std::max(expected.data, data);
        expected.padded = std::max(expected.padded, data + part.pad_before + part.pad_after);
      }
    }
    const Extent found = row_extent(layer, tile, slice);
    ASSERT_EQ(found.data, expected.data) << call.out_h << " in " << slice << ", " << tile;
    ASSERT_EQ(found.padded, expected.padded) << call.out_h << " in " << slice << ", " << tile;
  }
}

TEST(PulpTileGeometry, a_block_of_depthwise_channels_reads_as_many_channels) {
  const Layer layer = layer_of(Family::Depthwise, {20, 20, 8, 3, 1, 1});
  const Kernel call = tile_call(layer, KernelKind::DepthwiseGeneric, 16, 0, 0, {16, 8, 8});
  EXPECT_EQ(call.out_c, 4);
  EXPECT_EQ(call.in_c, 4);
  EXPECT_EQ(call.pad_bottom, 1);
}

TEST(PulpTileGeometry, a_linear_tile_reads_the_whole_vector) {
  const Layer layer = layer_of(Family::Linear, {.in_c = 1024, .out_c = 10});
  const Kernel call = tile_call(layer, KernelKind::Linear, 8, 0, 0, {8, 1, 1});
  EXPECT_EQ(call.in_c, 1024);
  EXPECT_EQ(call.out_c, 2);
}

TEST(PulpL1Map, buffers_follow_each_other_as_in_dory) {
  const Layer layer = layer_of(Family::Conv, {3, 32, 128, 3, 2, 1});
  Tiling tiling{.kernel = KernelKind::ConvHo, .tile = {32, 48, 8}, .slice = {32, 64, 64}};
  const L1Map map = l1_map(layer, tiling, machine_with(38000));
  EXPECT_EQ(map.in[0], 0);
  EXPECT_EQ(map.in[1], 96 * 17 * 3);  // the largest tile: no tile has both 97 rows and the border
  EXPECT_EQ(map.out[0], 2 * 96 * 17 * 3 + 4);
  EXPECT_EQ(map.out[1], map.out[0] + 48 * 8 * 32);
  EXPECT_EQ(map.weights[0], map.out[1] + 48 * 8 * 32 + 4);
  EXPECT_EQ(map.kappa[0], map.weights[0] + 2 * 27 * 32 + 4);
  EXPECT_EQ(map.lambda[1], map.lambda[0] + 32 * 4);
  EXPECT_EQ(map.scratch, map.lambda[1] + 32 * 4 + 24);
  EXPECT_EQ(map.end, map.scratch + 8 * 2 * 27);
}

// Channels, rows, columns of the output, of slice and tile.
using Sizes = std::array<std::int64_t, 6>;
Sizes sizes(const Tiling& tiling) {
  return {tiling.slice.out_c, tiling.slice.out_h, tiling.slice.out_w,
          tiling.tile.out_c,  tiling.tile.out_h,  tiling.tile.out_w};
}

TEST(DoryTiling, mobilenet_passes_through_l2_as_published) {
  const Network network = mobilenet_128();
  const auto tilings = dory_tilings(network, machine_with(38000));
  // docs/facts/pulp.md 3.4: what is sliced, and into what.
  const std::map<std::size_t, Cut> published = {
      {2, {64, 16, 64}}, {3, {64, 8, 32}},  {14, {128, 8, 8}}, {16, {128, 8, 8}}, {18, {128, 8, 8}},
      {20, {128, 8, 8}}, {22, {128, 8, 8}}, {24, {32, 4, 4}},  {26, {4, 4, 4}},   {28, {20, 1, 1}}};
  for (std::size_t i = 0; i < tilings.size(); ++i) {
    SCOPED_TRACE(i);
    const Kernel& call = network.layers[i].call;
    const auto found = published.find(i);
    const Cut whole{call.out_c, call.out_h, call.out_w};
    EXPECT_EQ(tilings[i].slice, found == published.end() ? whole : found->second);
    EXPECT_EQ(tilings[i].weights_from_l3_by_slice, i >= 14 && found != published.end());
  }
  EXPECT_TRUE(tilings[2].output_to_l3);
  EXPECT_FALSE(tilings[2].input_from_l3);
  EXPECT_TRUE(tilings[3].input_from_l3);
  EXPECT_FALSE(tilings[3].output_to_l3);
}

TEST(DoryTiling, mobilenet_tiles_are_the_published_ones) {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const std::filesystem::path path =
      std::filesystem::path(shared == nullptr ? "../shared" : shared) /
      "networks/pulp/MV1-128/tiles_L1_38000.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there (WORKBENCH_SHARED)";
  std::ifstream file(path);
  const auto json = nlohmann::json::parse(file);
  const Network network = mobilenet_128();
  const auto tilings = dory_tilings(network, machine_with(38000));
  int compared = 0;
  for (const auto& entry : json.at("layers")) {
    const std::size_t i = entry.at("layer");
    SCOPED_TRACE(i);
    const std::vector<std::int64_t> tuple = entry.at("tile_nin_nout_hin_hout_win_wout");
    EXPECT_EQ(tilings[i].tile, (Cut{tuple[1], tuple[3], tuple[5]}));
    EXPECT_EQ(tiles(network.layers[i], tilings[i]), entry.at("n_tiles"));
    ++compared;
  }
  EXPECT_EQ(compared, 27);
}

// The tiles whose kernel calls kernel_cycles.json lists for the run at 30000 bytes.
TEST(DoryTiling, mobilenet_tiles_at_30000_bytes_are_those_of_the_published_run) {
  const Network network = mobilenet_128();
  const auto tilings = dory_tilings(network, machine_with(30000));
  const std::map<std::size_t, Cut> published = {
      {0, {32, 48, 6}},  {1, {8, 13, 64}}, {2, {64, 8, 10}},  {3, {16, 5, 32}},
      {5, {7, 32, 32}},  {6, {76, 8, 2}},  {7, {8, 16, 16}},  {9, {24, 16, 16}},
      {10, {28, 8, 2}},  {11, {40, 8, 8}}, {13, {96, 8, 8}},  {14, {4, 8, 2}},
      {23, {152, 4, 4}}, {24, {16, 4, 4}}, {25, {304, 4, 4}}, {26, {2, 4, 1}}};
  for (const auto& [i, tile] : published) EXPECT_EQ(tilings[i].tile, tile) << i;
  EXPECT_EQ(tiles(network.layers[26], tilings[26]), 2048);
}

// Stride 2 moves windows on faster than their padding reaches; at stride 1 results would lie on
// what later windows read, unless there is but one in a row.
TEST(PulpKernelChoice, pools_that_the_library_gets_wrong_are_ours) {
  const auto chosen = [](const LayerSize& size) {
    return usable_kernels(layer_of(Family::MaxPool, size), Machine{});
  };
  using Kinds = std::vector<KernelKind>;
  EXPECT_EQ(chosen({64, 64, 112, 3, 2, 1}), (Kinds{KernelKind::MaxPool}));
  EXPECT_EQ(chosen({64, 64, 28, 2, 1, 0}), (Kinds{KernelKind::MaxPool}));
  EXPECT_EQ(chosen({64, 64, 28, 3, 1, 1}), (Kinds{KernelKind::MaxPoolDirect}));
  EXPECT_EQ(chosen({64, 64, 1, 3, 1, 1}), (Kinds{KernelKind::MaxPool}));
}

TEST(DoryTiling, what_fits_is_neither_tiled_nor_buffered_twice) {
  const Network network{.layers = {layer_of(Family::Conv, {8, 16, 8, 3, 1, 1})}};
  const Tiling tiling = dory_tilings(network, machine_with(38000)).front();
  EXPECT_EQ(sizes(tiling), (Sizes{16, 8, 8, 16, 8, 8}));
  EXPECT_FALSE(tiling.double_buffered);
  EXPECT_EQ(tiling.map.in[0], tiling.map.in[1]);
}

TEST(DoryTiling, says_which_rule_leaves_no_tile) {
  const Network network = mobilenet_128();
  // Two inputs and weights of 1024, two outputs, two sets of kappa and lambda, 16 columns: 20498.
  EXPECT_EQ(
      dory_tiling(network.layers[26], network, machine_with(10000), {.bytes = 380000}).obstacle,
      "layer26: no L2-L1 tiling found: by DORY's rule that input channels are not tiled the "
      "smallest tile, buffered twice, takes 20499 bytes of L1, of which there are 10000");
  EXPECT_EQ(
      dory_tiling(network.layers[5], network, machine_with(2000), {.bytes = 380000}).obstacle,
      "layer5: no L2-L1 tiling found: by DORY's rule that a depthwise tile covers a map up to "
      "32x32, and else its width, the smallest tile, buffered twice, takes 4923 bytes of L1, "
      "of which there are 2000");
}

TEST(DoryTiling, does_not_slice_weights_and_activations_at_once) {
  const Network network{
      .layers = {layer_of(Family::Pointwise, {.in_c = 1024, .out_c = 1024, .size = 32})}};
  const std::string message =
      dory_tiling(network.layers[0], network, machine_with(38000), {.bytes = 380000}).obstacle;
  EXPECT_EQ(message,
            "layer: no L3-L2 tiling found: the layer takes 3153920 bytes of L2, 380000 are there, "
            "and DORY slices weights or activations, not both at once (docs/facts/pulp.md 3.4)");
}

TEST(OptimalTiling, mobilenet_has_tiles_where_dory_finds_none) {
  const Network network = mobilenet_128();
  const Machine machine = machine_with(10000);
  for (const Layer& layer : network.layers) {
    const Tiling tiling = optimal_tiling(layer, network, machine, {.bytes = 380000}).tiling.value();
    EXPECT_LE(tiling.map.end, 10000) << layer.name;
  }
}

TEST(OptimalTiling, weights_that_l2_cannot_hold_come_in_slices) {
  const Network network = mobilenet_128();
  const Tiling tiling =
      optimal_tiling(network.layers[26], network, machine_with(38000), {.bytes = 380000})
          .tiling.value();
  EXPECT_TRUE(tiling.weights_from_l3_by_slice);
  // Twice 1024 weights, kappa and lambda a channel beside input and output.
  EXPECT_LE(2 * tiling.slice.out_c * (1024 + 8) + 2 * 16384, 380000);
}

TEST(OptimalTiling, weights_and_rows_are_sliced_at_once_where_dory_gives_up) {
  const Network network{
      .layers = {layer_of(Family::Pointwise, {.in_c = 1024, .out_c = 1024, .size = 32})}};
  const Tiling tiling =
      optimal_tiling(network.layers[0], network, machine_with(38000), {.bytes = 380000})
          .tiling.value();
  EXPECT_TRUE(tiling.weights_from_l3_by_slice);
  EXPECT_TRUE(tiling.input_from_l3);
  EXPECT_TRUE(tiling.output_to_l3);
}

// im2col of 3x3 takes 18 bytes a channel and core: 36864 of 36700 for 256 channels and all 8 cores.
TEST(OptimalTiling, fewer_cores_or_channels_at_a_time_where_the_columns_of_all_do_not_fit) {
  for (const std::int64_t channels : {256, 300, 512, 900}) {
    const Network network{.layers = {layer_of(Family::Conv, {channels, 64, 8, 3, 1, 1})}};
    const Machine machine = machine_with(36700);
    const Tiling tiling =
        optimal_tiling(network.layers[0], network, machine, {.bytes = 380000}).tiling.value();
    if (tiling.passes.over == PassOver::Nothing) {
      EXPECT_GT(tiling.cores, 0) << channels;
      EXPECT_LE(tiling.cores, 36700 / (18 * channels)) << channels;
    }
    EXPECT_LE(tiling.map.end, 36700) << channels;
  }
}

TEST(OptimalTiling, says_what_one_core_would_need_where_it_does_not_fit_either) {
  // Of one input channel, in words: two columns of 9 together, a window of the input, a filter; its
  // kappa and lambda, the output, its partial sum.
  const std::int64_t least = 20 + 12 + 12 + 4 * 4;
  const Network network{.layers = {layer_of(Family::Conv, {1200, 64, 8, 3, 1, 1})}};
  const auto with = [&](std::int64_t l1) {
    return optimal_tiling(network.layers[0], network, machine_with(l1), {.bytes = 380000});
  };
  EXPECT_EQ(with(least - 1).obstacle,
            fmt::format("layer: does not fit L1: its smallest tile takes {} bytes, {} are there",
                        least, least - 1));
  EXPECT_EQ(with(least).tiling.value().cores, 1);
  // All at once: a window of 9 * 1200 four times, and three words.
  const std::int64_t whole = 4 * 9 * 1200 + 3 * 4;
  EXPECT_TRUE(with(whole).tiling.has_value());
  EXPECT_EQ(with(whole - 1).tiling.value().passes.over, PassOver::Channels);
}

// Four channels of input, weights and columns at a time, 10 results.
TEST(PulpPasses, partial_sums_go_from_call_to_call_and_constants_are_for_the_first_and_last) {
  Layer layer = layer_of(Family::Linear, {.in_c = 10, .out_c = 3});
  layer.call.has_bias = true, layer.call.shift = 5;
  const Passes passes{PassOver::Channels, 4};
  const Kernel tile = tile_call(layer, KernelKind::Linear, 0, 0, 0, {3, 1, 1});
  const std::vector<Pass> all = passes_of(passes, tile);
  ASSERT_EQ(all.size(), 3U);
  const Kernel first = pass_call(tile, passes, all[0]), middle = pass_call(tile, passes, all[1]),
               last = pass_call(tile, passes, all[2]);
  EXPECT_TRUE(first.has_bias && !first.sums_in && first.sums_out && !first.norm);
  EXPECT_TRUE(!middle.has_bias && middle.sums_in && middle.sums_out && !middle.norm);
  EXPECT_TRUE(!last.has_bias && last.sums_in && !last.sums_out && last.norm);
  EXPECT_EQ(first.in_c, 4);
  EXPECT_EQ(last.in_c, 2);
  EXPECT_EQ(first.shift, 0);
  EXPECT_EQ(last.shift, 5);
}

// A window of 7 rows, the first in the padding, as 4 + 2 of the map.
TEST(PulpPasses, rows_of_a_window_have_its_padding_at_the_ends) {
  Layer layer = layer_of(Family::AveragePool, {.in_c = 2, .out_c = 2, .size = 6, .kernel = 7});
  layer.call.pad_top = layer.call.pad_left = 1, layer.call.out_h = layer.call.out_w = 1;
  layer.call.divisor = 49;
  const Passes passes{PassOver::Rows, 4};
  const Kernel tile = tile_call(layer, KernelKind::AveragePool, 0, 0, 0, {2, 1, 1});
  const std::vector<Pass> all = passes_of(passes, tile);
  ASSERT_EQ(all.size(), 2U);
  const Kernel first = pass_call(tile, passes, all[0]), last = pass_call(tile, passes, all[1]);
  EXPECT_EQ(std::tuple(first.in_h, first.kernel_h, first.pad_top), std::tuple(4, 5, 1));
  EXPECT_EQ(std::tuple(last.in_h, last.kernel_h, last.pad_top), std::tuple(2, 2, 0));
  EXPECT_EQ(first.kernel_w, 7);
  EXPECT_EQ(first.divisor, 1);
  EXPECT_EQ(last.divisor, 49);
}

TEST(DoryTiling, keeps_all_cores) {
  const Network network{.layers = {layer_of(Family::Conv, {256, 64, 8, 3, 1, 1})}};
  // Two of everything but the columns: window, filter, kappa and lambda, output.
  EXPECT_EQ(
      dory_tiling(network.layers[0], network, machine_with(36700), {.bytes = 380000}).obstacle,
      fmt::format("layer: no L2-L1 tiling found: by DORY's rule that input channels are not "
                  "tiled the smallest tile, buffered twice, takes {} bytes of L1, of which "
                  "there are 36700",
                  8 * 18 * 256 + 2 * (9 * 256 + 9 * 256 + 8 + 1) + 1));
}

TEST(OptimalTiling, slices_of_l2_fit_from_the_bytes_on_that_it_asks_for) {
  // Padding as wide as the kernel: slices of one row would be of padding alone.
  for (const std::int64_t pad : {1, 3}) {
    const Network network{.layers = {layer_of(Family::Conv, {16, 16, 32, 3, 1, pad})}};
    const Layer& layer = network.layers[0];
    const Machine machine = machine_with(38000);
    const std::int64_t least = smallest_l2(layer, machine, {});
    EXPECT_TRUE(slice_choices(layer, machine, {.bytes = least - 1}).empty());
    EXPECT_FALSE(slice_choices(layer, machine, {.bytes = least}).empty());
    EXPECT_NE(
        optimal_tiling(layer, network, machine, {.bytes = least - 1})
            .obstacle.find(fmt::format("slices take {} bytes, {} are there", least, least - 1)),
        std::string::npos);
  }
}

TEST(OptimalTiling, says_how_much_the_smallest_tile_takes) {
  const Network network = mobilenet_128();
  // A word each of a pixel and of weights, for output, partial sum, kappa and lambda.
  EXPECT_EQ(
      optimal_tiling(network.layers[26], network, machine_with(20), {.bytes = 380000}).obstacle,
      "layer26: does not fit L1: its smallest tile takes 24 bytes, 20 are there");
  EXPECT_TRUE(
      optimal_tiling(network.layers[26], network, machine_with(24), {.bytes = 380000}).tiling);
  // Three rows of the input and one of the output, 64 x 32 bytes each, weights, kappa and lambda.
  EXPECT_EQ(
      optimal_tiling(network.layers[1], network, machine_with(38000), {.bytes = 8000}).obstacle,
      "layer1: does not fit L2: its smallest slices take 8736 bytes, 8000 are there for it");
}

}  // namespace
}  // namespace workbench::pulp
