// Throughput mode: what the compiler moves to slice 0, how slice 1 gets the result, and which
// networks it refuses.
#include <gtest/gtest.h>

#include "compiler/xdnn/compile.h"
#include "core/error.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/well_formed.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/graph_builder.h"
#include "tests/support/xdnn_program.h"

namespace workbench::xdnn {
namespace {

// docs/facts/xdnn.md 1.1: 21 x 8, 172 KB.
Machine machine() {
  Machine machine;
  machine.name = "v3";
  machine.slice0 = {.rows = 21, .columns = 8, .am_bytes = 176128, .used = 1};
  return machine;
}

// data [1, channels, 32, 32] -> conv1 7x7/2, 64 channels -> pool1 3x3/2 -> `readers` 1x1 convs.
Graph stem(std::int64_t channels, int readers) {
  GraphBuilder b;
  b.graph().name = "stem";
  ValueId x = b.input("data", {1, channels, 32, 32});
  x = b.relu("relu1", b.conv("conv1", x, 64, square_window(7, 2, 3)));
  x = b.add("pool1", MaxPool{.window = square_window(3, 2)}, {x});
  for (int i = 0; i < readers; ++i) {
    b.output(b.conv("reader" + std::to_string(i), x, 16, square_window(1)));
  }
  return b.graph();
}

std::string message(const Graph& graph, const Machine& on = machine()) {
  try {
    compiled_for(graph, on);
  } catch (const Error& error) {
    return error.what();
  }
  return "compiled";
}

TEST(XdnnThroughput, the_first_conv_and_its_pool_run_on_slice_0_from_ddr_to_ddr) {
  const Program program = compiled_for(stem(3, 1), machine());
  const auto& fused = std::get<ConvPool>(program.steps[0].instruction);
  const Tail& t = fused.conv.tail;
  EXPECT_EQ(t.slice, 0);
  EXPECT_TRUE(t.source_in_ddr && t.tiling && t.destination_in_ddr);
  EXPECT_EQ(t.destination_offset, -1);
  // docs/facts/xdnn.md 1.7: 7 units of 3 channels, ceil(49 / 7) = 7 steps.
  EXPECT_EQ(t.source, (ChannelLayout{0, 1, 7, 3}));
  EXPECT_EQ(array_steps(t.source, 7, 7), 7);
  for (std::size_t i = 1; i < program.steps.size(); ++i) {
    EXPECT_EQ(tail(program.steps[i].instruction).slice, 1) << i;
  }
}

TEST(XdnnThroughput, a_slab_of_slice_0_fills_whole_words) {
  // docs/facts/xdnn.md 5.2: 8 words of configuration, 16 for each step: 8 columns x 2 words of 64
  // bytes for 21 rows x 4 weights (1.6). Passes of 8 columns x 2 x 2 = 32 channels.
  const MachineOfSlice block(machine(), 0);
  EXPECT_EQ(block.get().pass_channels(false), 32);
  EXPECT_EQ(slab_bytes(7, false, block.get()), 64 * (8 + 16 * 7));
  // The main array's are as they were: 8 + 96 cnt.
  EXPECT_EQ(slab_bytes(7, false, machine()), 64 * (8 + 96 * 7));
}

TEST(XdnnThroughput, cost_follows_the_slice) {
  const Program program = compiled_for(stem(3, 1), machine());
  const ConvCost cost = conv_cost(program.steps[0].instruction, machine());
  EXPECT_EQ(cost.passes, 2);  // 64 channels, 32 each
  EXPECT_EQ(cost.steps, 7);
  EXPECT_EQ(cost.drain, Cycles{15});  // (21 + 8) / 2, rounded up
}

TEST(XdnnThroughput, tile_buffers_fit_the_memory_of_slice_0) {
  const Program program = compiled_for(stem(3, 1), machine());
  const Footprint f = footprint(program.steps[0], machine());
  ASSERT_EQ(f.am_writes.size(), 2U);
  EXPECT_FALSE(overlap(f.am_writes[0], f.am_writes[1]));
  for (const AmRegion& buffer : f.am_writes) {
    EXPECT_EQ(buffer.slice, 0);
    EXPECT_LE(buffer.word_end, 176128 / 21);
  }
  // Another memory than slice 1's.
  AmRegion main = f.am_writes[0];
  main.slice = 1;
  EXPECT_FALSE(overlap(main, f.am_writes[0]));
}

TEST(XdnnThroughput, one_convolution_reads_the_result_tile_by_tile) {
  const Program program = compiled_for(stem(3, 1), machine());
  const DdrTensor between = ddr_result(program.steps[0]);
  const auto& reader = std::get<Conv>(program.steps[1].instruction);
  EXPECT_TRUE(reader.tail.source_in_ddr);
  EXPECT_EQ(reader.inaddr, between.address);
  EXPECT_EQ(between.height, 7);  // 32 -> 16 -> 7
}

TEST(XdnnThroughput, several_readers_share_one_download) {
  const Program program = compiled_for(stem(3, 2), machine());
  const auto& gather = std::get<Gather>(program.steps[1].instruction);
  EXPECT_EQ(gather.ddr_address, ddr_result(program.steps[0]).address);
  for (std::size_t i = 2; i < program.steps.size(); ++i) {
    EXPECT_FALSE(tail(program.steps[i].instruction).source_in_ddr);
  }
}

TEST(XdnnThroughput, ddr_has_room_for_both_buffers_between_the_slices) {
  const Program program = compiled_for(stem(3, 1), machine());
  const DdrTensor between = ddr_result(program.steps[0]);
  const std::int64_t end =
      between.address +
      2 * ddr_tensor_bytes(between.channels, between.height, between.width, machine().geometry());
  EXPECT_LE(end, program.ddr_bytes);
  for (const DdrTensor& other : program.ddr_tensors) {
    EXPECT_TRUE(other.address <= between.address || other.address >= end) << other.value;
  }
}

TEST(XdnnThroughput, results_are_those_of_the_golden_model) {
  for (const int readers : {1, 2}) {
    for (const std::int64_t channels : {1, 3, 5, 21}) {
      SCOPED_TRACE(fmt::format("{} channels, {} readers", channels, readers));
      const Graph quantized = quantized_for(stem(channels, readers), machine());
      const Program program = compile(quantized, machine());
      const auto inputs = random_inputs(quantized, 3);
      const SimulationResult result = simulate(program, machine(), inputs);
      EXPECT_TRUE(result.hazards.empty());
      EXPECT_TRUE(result.tensors.contains("pool1"));  // what slice 0 left in DDR is looked at too
      EXPECT_EQ(compare(quantized, golden::run(quantized, inputs), result.tensors).mismatches, 0);
    }
  }
}

TEST(XdnnThroughput, what_slice_0_cannot_run_is_refused_with_the_reason) {
  EXPECT_EQ(
      message(stem(22, 1)),
      "stem: throughput mode: the first layer 'conv1' (Conv 7x7/2 +Relu +MaxPool 3x3/2) cannot "
      "run on slice 0 of v3: it has 22 input channels, slice 0 has 21 rows");
  Machine small = machine();
  small.slice0.am_bytes = 2100;  // 100 words; a tile of 8 pooled pixels needs (11 + 32) x (11 + 4)
  EXPECT_NE(message(stem(3, 1), small).find("two buffers of its smallest tile need"),
            std::string::npos);
  GraphBuilder b;
  b.graph().name = "pool_first";
  const ValueId x = b.input("data", {1, 3, 8, 8});
  b.output(b.add("pool", MaxPool{.window = square_window(2, 2)}, {x}));
  EXPECT_NE(message(b.graph()).find("cannot run on slice 0 of v3: it is no convolution"),
            std::string::npos);
}

}  // namespace
}  // namespace workbench::xdnn
