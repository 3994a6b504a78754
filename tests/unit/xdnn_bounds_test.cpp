// Bounds of hand-made programs, against figures worked out by hand.
#include <gtest/gtest.h>

#include <algorithm>

#include "compiler/xdnn/bounds.h"
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

// At half rate slabs have half the channels: (4 + 48 x 9) x 64 bytes take 716.4 cycles, of 6 steps
// 479.8.
TEST(XdnnBounds, a_chain_is_as_long_as_its_instructions_one_by_one) {
  const Cycles each{60 + 717 + 441 + 56}, behind{60 + 480 + 294 + 56};
  EXPECT_EQ(least({convolution(0, 100, 0), convolution(200, 300, 1 << 20)}, "chain"), each);
  EXPECT_EQ(least({convolution(0, 100, 0), next(100, 300, 1 << 20)}, "chain"), each + behind);
  // What is read was written over in between: by one that depends on nothing.
  EXPECT_EQ(least({convolution(0, 100, 0), convolution(200, 100, 1 << 20), next(100, 300, 1 << 21)},
                  "chain"),
            each + behind);
}

TEST(XdnnBounds, all_that_reads_the_first_layer_waits_for_its_input) {
  EXPECT_EQ(least({tiled(0)}, "array"), Cycles{60 + 256});
  EXPECT_EQ(least({tiled(0), next(0, 300, 1 << 20)}, "array"), Cycles{60 + 256 + 294});
  // Two of them may come one beside the other.
  EXPECT_EQ(least({tiled(0), tiled(100)}, "array"), Cycles{2 * 64});
}

}  // namespace
}  // namespace workbench::xdnn
