// Engines that share a bank of DDR, and the two slices of an engine in throughput mode: programs
// small enough to follow by hand, on the unit machine of xdnn_timeline_test.cpp (16 rows x 4
// columns, one clock, 64 bytes of DDR per cycle after a latency of 10, issuing takes 2, drain 20).
#include <gtest/gtest.h>

#include <vector>

#include "core/error.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/well_formed.h"
#include "sim/xdnn/simulate.h"

namespace workbench::xdnn {
namespace {

Machine unit_machine() {
  Machine machine;
  machine.name = "unit";
  machine.clocks = {100, 100, 100};
  machine.array = {.rows = 16, .columns = 4, .weights_per_dsp = 1};
  machine.am.size_bytes = 16 * 1024;
  machine.ddr.efficiency = 1;
  machine.ddr.latency_cycles = 10;
  machine.control.issue_cycles = 2;
  return machine;
}

constexpr std::int64_t kWidth = 4, kHeight = 2;
constexpr std::int64_t kInput = 16384, kOutput = 20480;

class Builder {
 public:
  explicit Builder(const Machine& machine) : machine_(machine) { program_.info.network = "card"; }

  int add(Instruction instruction, std::int64_t filter_address = 0) {
    const auto index = static_cast<std::int32_t>(program_.steps.size());
    program_.steps.push_back({std::move(instruction), filter_address, {}});
    program_.info.layers.push_back({.name = "layer" + std::to_string(index)});
    program_.info.instruction_layer.push_back(index);
    program_.info.instruction_text.push_back("");
    return index;
  }
  int add_conv(const Conv& conv) {
    const auto address = static_cast<std::int64_t>(program_.constants.size());
    const std::vector<std::int8_t> weights(static_cast<std::size_t>(conv.in_ch * conv.out_ch), 1);
    const std::vector<ChannelConfig> configs(static_cast<std::size_t>(conv.out_ch),
                                             {.enable = true, .scale = 1});
    const MachineOfSlice own(machine_, conv.tail.slice);
    pack_filters(filter_shape(conv), weights, configs, own.get(), program_.constants);
    return add(conv, address);
  }
  // Downloads a 4x2 map of `channels` channels to AM word 0: latency 10, then two rows.
  int add_gather(std::int64_t address, std::int64_t channels) {
    Gather gather{.ddr_address = address,
                  .width = kWidth,
                  .height = kHeight,
                  .channels = channels,
                  .end_row = kHeight - 1};
    gather.tail.destination = plain_layout(channels, 16);
    return add(gather);
  }
  Tail& tail_of(int instruction) {
    return tail(program_.steps[static_cast<std::size_t>(instruction)].instruction);
  }
  SimulationResult run() {
    program_.ddr_bytes = kOutput + 4096;
    program_.constants.resize(kOutput, '\0');  // the input area counts as written
    return simulate(program_, machine_, {});
  }

 private:
  Machine machine_;
  Program program_;
};

Conv pointwise(std::int64_t in_channels, std::int64_t out_channels) {
  Conv conv;
  conv.in_w = conv.out_w = kWidth, conv.in_h = conv.out_h = kHeight;
  conv.in_ch = in_channels, conv.out_ch = out_channels;
  conv.tail.source = plain_layout(in_channels, 16);
  conv.tail.destination = plain_layout(out_channels, 16);
  conv.tail.pingpong_weight = true;
  return conv;
}

// --- engines ------------------------------------------------------------------------------------

// The DDR moves 32 bytes per cycle: a row of 4 pixels x 16 channels, 128 bytes, takes 4 cycles, as
// long as its 4 words take the AM.
SimulationResult one_download(std::int64_t engines, std::int64_t banks) {
  Machine machine = unit_machine();
  machine.ddr.word_bytes = 32;
  machine.board = {.engines = engines, .ddr_banks = banks};
  Builder builder(machine);
  builder.add_gather(kInput, 16);
  return builder.run();
}

TEST(XdnnCard, an_engine_with_a_bank_of_its_own_waits_for_nobody) {
  // issue 2, latency 10, two rows of 4
  for (const auto& result : {one_download(1, 1), one_download(2, 2), one_download(2, 8)}) {
    for (const EngineTimes& engine : result.engines) {
      EXPECT_EQ(engine.latency, Cycles{20});
      EXPECT_EQ(engine.ddr_waited, Cycles{0});
    }
    EXPECT_EQ(result.timeline.end, Cycles{20});
  }
  EXPECT_EQ(one_download(2, 2).engines.size(), 2U);
}

TEST(XdnnCard, two_engines_on_one_bank_take_turns) {
  // Both ask for their first row at 12: engine 0 gets [12,16), engine 1 [16,20). Engine 0 asks for
  // its second row at 16, gets [20,24); engine 1 asks at 20, gets [24,28).
  const SimulationResult result = one_download(2, 1);
  ASSERT_EQ(result.engines.size(), 2U);
  EXPECT_EQ(result.engines[0].latency, Cycles{24});
  EXPECT_EQ(result.engines[1].latency, Cycles{28});
  EXPECT_EQ(result.engines[0].ddr_waited, Cycles{4});
  EXPECT_EQ(result.engines[1].ddr_waited, Cycles{8});
  // The timeline is engine 0's and ends with it.
  EXPECT_EQ(result.timeline.end, Cycles{24});
  EXPECT_TRUE(result.hazards.empty());
}

TEST(XdnnCard, engines_beyond_the_banks_share_them_evenly) {
  // Engines 0 and 2 are on bank 0, engine 1 has bank 1 to itself.
  const SimulationResult result = one_download(3, 2);
  ASSERT_EQ(result.engines.size(), 3U);
  EXPECT_EQ(result.engines[0].latency, Cycles{24});
  EXPECT_EQ(result.engines[1].latency, Cycles{20});
  EXPECT_EQ(result.engines[2].latency, Cycles{28});
}

// --- slices -------------------------------------------------------------------------------------

// Slice 0: 6 rows x 2 columns, passes of 2 output channels, drain 8.
Machine two_slices() {
  Machine machine = unit_machine();
  machine.slice0 = {.rows = 6, .columns = 2, .am_bytes = 6 * 64, .used = 1};
  return machine;
}

// 3 channels to 2, from DDR to DDR in one tile.
Conv first_layer() {
  Conv conv = pointwise(3, 2);
  conv.inaddr = kInput, conv.outaddr = kOutput;
  conv.tail.slice = 0;
  conv.tail.source = {.full = 1};
  conv.tail.source_in_ddr = conv.tail.tiling = conv.tail.destination_in_ddr = true;
  conv.tail.tile_width = kWidth, conv.tail.tile_height = kHeight;
  conv.tail.source_buffer_1 = 32;
  return conv;
}

// What slice 0 needs for an image: issue [0,2); latency of filters and tile [2,12); filters, 8
// words of configuration and 2 columns of a word, [12,22); tile, 2 rows of 64 bytes and 4 AM words:
// the first waits for the DDR until 22, when its words have long had room, and is there at 23, the
// second takes its 4 words, [23,27); array, 8 pixels, [27,35); latency of the result [35,45); its 8
// pixels, a group of 8 channels each, [45,53).
constexpr std::int64_t kSlice0 = 53;

TEST(XdnnCard, slice_0_alone_sets_the_pace_when_slice_1_is_faster) {
  Builder builder(two_slices());
  builder.add_conv(first_layer());
  builder.add_gather(kOutput, 2);
  const SimulationResult result = builder.run();
  EXPECT_TRUE(result.hazards.empty());
  // Slice 1: issue 2 and latency 10; at T + 12 slice 0 asks for the filters and the first row of
  // the next image's tile too and goes first, 10 + 1 cycles; the first row, one word, arrives at T
  // + 24, the second takes the AM 4 cycles: T + 28. The first image's rows in slice 0 meet no
  // contention.
  ASSERT_EQ(result.engines.size(), 1U);
  EXPECT_EQ(result.engines[0].images, kThroughputImages);
  EXPECT_EQ(result.engines[0].latency, Cycles{kSlice0 + 28});
  EXPECT_EQ(result.engines[0].interval, Cycles{kSlice0});
  EXPECT_EQ(result.timeline.end, Cycles{kSlice0});
  EXPECT_TRUE(verify(result.timeline).empty());
}

TEST(XdnnCard, slice_1_sets_the_pace_when_it_is_slower) {
  Builder builder(two_slices());
  builder.add_conv(first_layer());
  builder.add_gather(kOutput, 2);
  Conv conv = pointwise(2, 64);
  conv.outaddr = 8;
  const int index = builder.add_conv(conv);
  builder.tail_of(index).wait_download = true;
  const SimulationResult result = builder.run();
  EXPECT_TRUE(result.hazards.empty());
  // The download is done at T + 28 as above; latency of the filters, a slab of 96 bytes (2 cycles),
  // 16 passes of 8 pixels, drain: T + 28 + 10 + 2 + 128 + 20. What slice 0 writes meanwhile is over
  // before the array needs the next slab.
  constexpr std::int64_t kSlice1 = 188;
  EXPECT_EQ(result.engines[0].latency, Cycles{kSlice0 + kSlice1});
  EXPECT_EQ(result.engines[0].interval, Cycles{kSlice1});
  EXPECT_EQ(result.timeline.end, Cycles{kSlice1});
  EXPECT_TRUE(verify(result.timeline).empty());
}

TEST(XdnnCard, a_program_for_slice_0_needs_a_machine_that_has_one) {
  Builder builder(unit_machine());
  builder.add_conv(first_layer());
  try {
    builder.run();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "card: 'layer0' cannot run on slice 0: unit has no slice 0");
  }
}

TEST(XdnnCard, slice_0_comes_first_and_works_from_ddr_to_ddr) {
  const auto message = [](auto change) {
    Conv conv = first_layer();
    change(conv);
    Builder builder(two_slices());
    builder.add_conv(conv);
    try {
      builder.run();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(message([](Conv& c) { c.tail.destination_in_ddr = false; }),
            "card: 'layer0' cannot run on slice 0: its result does not go to DDR");
  EXPECT_EQ(message([](Conv& c) { c.tail.source_in_ddr = c.tail.tiling = false; }),
            "card: 'layer0' cannot run on slice 0: its input does not come from DDR");
  EXPECT_EQ(message([](Conv& c) { c.in_ch = 7, c.tail.source = {.full = 2}; }),
            "card: 'layer0' cannot run on slice 0: it has 7 input channels, slice 0 has 6 rows");
  Builder builder(two_slices());
  builder.add_gather(kInput, 3);
  builder.add_conv(first_layer());
  EXPECT_THROW(builder.run(), Error);
}

}  // namespace
}  // namespace workbench::xdnn
