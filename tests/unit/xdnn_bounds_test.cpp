// Bounds of hand-made programs, against figures worked out by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "compiler/xdnn/bounds.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {
namespace {

const Machine kV3;

// 3x3 over 96 channels of 7x7: 9 steps, 441 cycles; the slab takes 1432.9 cycles of DDR time.
Step convolution(std::int64_t from, std::int64_t to, std::int64_t filters) {
  Conv conv{.kernel_w = 3, .kernel_h = 3, .pad_w = 1, .pad_h = 1, .inaddr = from, .outaddr = to};
  conv.in_w = conv.in_h = conv.out_w = conv.out_h = 7;
  conv.in_ch = 96, conv.out_ch = 64;
  conv.tail.source = conv.tail.destination = {1, 0, 0, 0};
  conv.tail.pingpong_weight = true;
  return {conv, filters, {}};
}
// The same over 64 channels, a word holding 32 of them three times over: 6 steps, 294 cycles.
Step next(std::int64_t from, std::int64_t to, std::int64_t filters) {
  Step step = convolution(from, to, filters);
  std::get<Conv>(step.instruction).in_ch = 64;
  return step;
}
// 16x16x3 from DDR, one word a pixel: 256 cycles behind 60 of latency; a step a pixel.
Step tiled(std::int64_t to) {
  Conv conv{.kernel_w = 3, .kernel_h = 3, .pad_w = 1, .pad_h = 1, .outaddr = to};
  conv.stride_w = conv.stride_h = 2;
  conv.in_w = conv.in_h = 16, conv.out_w = conv.out_h = 8;
  conv.in_ch = 3, conv.out_ch = 64;
  Tail& t = conv.tail;
  t.source = {0, 1, 12, 8}, t.destination = {1, 0, 0, 0};
  t.pingpong_weight = t.source_in_ddr = t.tiling = true;
  t.tile_width = t.tile_height = 8;
  t.source_buffer_0 = 50000, t.source_buffer_1 = 51000;
  return {conv, 0, {}};
}

Cycles least(const std::vector<Step>& steps, const std::string& resource) {
  Program program;
  program.steps = steps;
  program.info.instruction_layer.assign(steps.size(), 0);
  program.info.layers.resize(1);
  const Bounds bounds = least_times(program, kV3);
  const auto at = std::find(bounds.resources.begin(), bounds.resources.end(), resource);
  return bounds.total[static_cast<std::size_t>(at - bounds.resources.begin())];
}

TEST(XdnnBounds, filters_of_two_convolutions_are_counted_once_where_they_are_the_same) {
  const Step one = convolution(0, 100, 0), other = convolution(200, 300, 0);
  const Step own = convolution(200, 300, 1 << 20);
  EXPECT_EQ(least({one, own}, "DDR"), Cycles{2866});  // 2 x 1432.86
  EXPECT_EQ(least({one, other}, "DDR"), Cycles{1433});
  EXPECT_EQ(least({one, other}, "array"), Cycles{2 * 441});
}

// A slab of 6 steps takes 959.6 cycles. Two of half the channels take as long to load, and the
// array twice as long. What does not depend on each other shares the loader all the same; to be
// below whatever is rounded, a cycle less is counted for each slab, or half slab.
TEST(XdnnBounds, a_chain_is_as_long_as_its_instructions_one_by_one) {
  const Cycles each{60 + 1433 + 441 + 56}, behind{60 + 960 + 294 + 56};
  EXPECT_EQ(least({convolution(0, 100, 0), next(100, 300, 1 << 20)}, "chain"), each + behind);
  EXPECT_EQ(least({convolution(0, 100, 0), convolution(200, 300, 1 << 20)}, "chain"),
            Cycles{60 + 2 * 1433 - 2 + 441 + 56});
  // What is read was written over in between: by one that depends on nothing, so that the first one
  // may stand anywhere.
  EXPECT_EQ(least({convolution(0, 100, 0), convolution(200, 100, 1 << 20), next(100, 300, 1 << 21)},
                  "chain"),
            Cycles{60 + 2 * 1433 + 960 - 4 + 294 + 56});
}

// 96 channels of 28x28: the array needs two passes of 7056 cycles at either rate, and can begin
// with the 32 channels whose slab, of (4 + 48 x 9) x 64 bytes, takes 716.4 cycles; the other one
// comes meanwhile. With 64 channels that would be a pass more.
TEST(XdnnBounds, a_convolution_begins_with_the_slab_that_gains_most) {
  Step step = convolution(0, 1000, 0);
  Conv& conv = std::get<Conv>(step.instruction);
  conv.in_w = conv.in_h = conv.out_w = conv.out_h = 28;
  EXPECT_EQ(least({step}, "chain"), Cycles{60 + 1433 + 7056 + 56});
  conv.out_ch = 96;
  EXPECT_EQ(least({step}, "chain"), Cycles{60 + 717 + 2 * 7056 + 56});
}

TEST(XdnnBounds, all_that_reads_the_first_layer_waits_for_its_input) {
  EXPECT_EQ(least({tiled(0)}, "array"), Cycles{60 + 256});
  EXPECT_EQ(least({tiled(0), next(0, 300, 1 << 20)}, "array"), Cycles{60 + 256 + 294});
}

// The input of the second is asked for when the first one is begun with, which waits for its own:
// 256 cycles and the latency for either, less the array's 64; and, of the second, less the 64 of
// the first and the latency.
TEST(XdnnBounds, inputs_of_two_images_come_beside_one_other_instruction) {
  EXPECT_EQ(least({tiled(0), tiled(100)}, "array"), Cycles{2 * 64 + 252 + 252 - 64 - 60});
  // Beside a longer one that does not need it: 16 rows of 16 pixels, 9 steps.
  Step longer = next(0, 300, 1 << 20);
  Conv& conv = std::get<Conv>(longer.instruction);
  conv.in_w = conv.in_h = conv.out_w = conv.out_h = 16, conv.in_ch = 96;
  tail(longer.instruction).source = {1, 0, 0, 0};
  const std::int64_t computing = 256 * 9;
  EXPECT_EQ(least({tiled(0), longer, tiled(5000)}, "array"), Cycles{2 * 64 + computing + 252});
}

// --- V2 ------------------------------------------------------------------------------------------

// 3x3 over 32 channels of 56 pixels, so many rows of them.
Step rows_of(std::int64_t rows, std::int64_t from, std::int64_t filters, std::int64_t channels) {
  Conv conv{.kernel_w = 3, .kernel_h = 3, .pad_w = 1, .pad_h = 1, .inaddr = from};
  conv.in_w = conv.out_w = 56, conv.in_h = conv.out_h = rows;
  conv.in_ch = 32, conv.out_ch = channels;
  return {conv, filters, {}};
}
Step gathered(std::int64_t from, std::int64_t begin, std::int64_t end) {
  return {Gather{.ddr_address = from,
                 .width = 56,
                 .height = 40,
                 .channels = 32,
                 .start_row = begin,
                 .end_row = end - 1},
          0,
          {}};
}

struct SerialLayers {
  const Machine machine = load_machine("configs/v2_56.yaml");
  Program program;

  // A layer of these instructions, with a result of so many channels.
  void add(const std::vector<Step>& steps, std::int64_t channels) {
    const auto layer = static_cast<std::int32_t>(program.info.layers.size());
    program.info.layers.push_back({.name = "layer", .shape = {1, channels, 40, 56}});
    program.steps.insert(program.steps.end(), steps.begin(), steps.end());
    program.info.instruction_layer.insert(program.info.instruction_layer.end(), steps.size(),
                                          layer);
  }
  Cycles bound() const { return least_times(program, machine).total.at(0); }
};

// Each of 40 rows: 32 x 9 steps for 32 channels. Bands that overlap, and chunks of 16 channels, do
// more than the layer needs.
TEST(XdnnBounds, in_turn_a_layer_takes_what_it_would_in_one_piece) {
  SerialLayers whole, bands, chunks;
  whole.add({rows_of(40, 0, 0, 32)}, 32);
  EXPECT_EQ(whole.bound(), duration(rows_of(40, 0, 0, 32), whole.machine));
  EXPECT_GE(whole.bound(), Cycles{40 * 32 * 9});
  bands.add({rows_of(22, 0, 0, 32), rows_of(22, 4096, 0, 32)}, 32);
  EXPECT_EQ(bands.bound(), whole.bound());
  chunks.add({rows_of(40, 0, 0, 16), rows_of(40, 0, 1 << 20, 16)}, 32);
  EXPECT_EQ(chunks.bound(), whole.bound());
  // Blocks of a grouped convolution have inputs of their own.
  SerialLayers groups;
  groups.add({rows_of(40, 0, 0, 16), rows_of(40, 1 << 16, 1 << 20, 16)}, 32);
  EXPECT_EQ(groups.bound(), 2 * duration(rows_of(40, 0, 0, 16), groups.machine));
}

TEST(XdnnBounds, in_turn_only_what_the_host_has_is_moved_and_once) {
  SerialLayers layers;
  layers.program.host.values = {{.name = "real"}, {.name = "data"}};
  layers.program.host.nodes.push_back(
      {.name = "enter", .op = Quantize{}, .inputs = {0}, .outputs = {1}});
  layers.program.ddr_tensors = {{"data", 0, 32, 40, 56}, {"spilled", 1 << 22, 32, 40, 56}};
  layers.add({gathered(0, 0, 22), gathered(0, 18, 40)}, 32);
  const Cycles once = duration(gathered(0, 0, 40), layers.machine);
  EXPECT_EQ(layers.bound(), once);
  layers.add({gathered(1 << 22, 0, 40)}, 32);
  EXPECT_EQ(layers.bound(), once);
}

}  // namespace
}  // namespace workbench::xdnn
