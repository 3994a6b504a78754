// V2 by hand, cycle by cycle: every instruction waits for all before it, whatever its wait bits
// say; a convolution takes a cycle for each line of pixels, input channel and kernel position
// (docs/facts/xdnn.md 5.2); pools run at that rate too (assumed). And MathEngine, whose pool runs
// beside a convolution (docs/facts/xdnn.md 5.3).
//
// Unit machine: lines of 8 pixels (16 bytes), passes of 4 output channels; DDR moves 64 bytes per
// cycle after a latency of 10; drain = 8 + 4 = 12 cycles; issuing an instruction takes 2.
#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "sim/xdnn/simulate.h"

namespace workbench::xdnn {
namespace {

Machine unit_machine() {
  Machine machine;
  machine.name = "unit";
  machine.family_name = "xdnn_v2";
  machine.clocks = {100, 100, 100};
  machine.array = {.rows = 8, .columns = 4, .weights_per_dsp = 1, .images = 2};
  machine.am.size_bytes = 16 * 1024;
  machine.filters = {.buffers = 2, .buffer_steps = 64, .steps_max = 64};
  machine.features = {0, 0, 0, 0, 0, 0};
  machine.ddr.efficiency = 1;
  machine.ddr.latency_cycles = 10;
  machine.control.issue_cycles = 2;
  return machine;
}

// Input: 2 channels of 3 rows of 10 pixels, in DDR at 4096.
constexpr std::int64_t kWidth = 10, kHeight = 3, kIn = 2, kOut = 6, kInput = 4096;

class Builder {
 public:
  explicit Builder(const Machine& machine) : machine_(machine) {
    program_.info.network = "by hand";
  }
  void add(Instruction instruction, std::int64_t filter_address = 0) {
    const auto index = static_cast<std::int32_t>(program_.steps.size());
    program_.steps.push_back({std::move(instruction), filter_address, {}});
    program_.info.layers.push_back({.name = "layer" + std::to_string(index)});
    program_.info.instruction_layer.push_back(index);
    program_.info.instruction_text.push_back("");
  }
  void add_gather(std::int64_t to) {
    Gather gather{.am_address = to, .ddr_address = kInput, .width = kWidth, .height = kHeight};
    gather.channels = kIn, gather.end_row = kHeight - 1;
    add(gather);
  }
  void add_conv(std::int64_t from, std::int64_t to) {
    Conv conv{.inaddr = from, .in_w = kWidth, .in_h = kHeight, .in_ch = kIn, .outaddr = to};
    conv.out_w = kWidth, conv.out_h = kHeight, conv.out_ch = kOut;
    const auto address = static_cast<std::int64_t>(program_.constants.size());
    const std::vector<std::int8_t> weights(kIn * kOut, 1);
    const std::vector<ChannelConfig> configs(kOut, {.enable = true, .scale = 1});
    pack_filters(filter_shape(conv), weights, configs, machine_, program_.constants);
    add(conv, address);
  }
  void add_pool(std::int64_t from, std::int64_t channels, std::int64_t to) {
    Pool pool{.kernel_w = 2, .kernel_h = 2, .stride_w = 2, .stride_h = 2, .inaddr = from};
    pool.in_w = kWidth, pool.in_h = kHeight, pool.channels = channels, pool.outaddr = to;
    pool.out_w = 5, pool.out_h = 1;
    add(pool);
  }
  SimulationResult run() {
    program_.constants.resize(8192, '\0');  // the input area counts as written
    program_.ddr_bytes = 8192;
    SimulationResult result = simulate(program_, machine_, {});
    EXPECT_TRUE(result.hazards.empty());
    return result;
  }
  Tail& tail_of(std::size_t instruction) { return tail(program_.steps[instruction].instruction); }
  const Program& program() const { return program_; }

 private:
  Machine machine_;
  Program program_;
};

using Row = std::tuple<int, std::int64_t, std::int64_t>;  // instruction, begin, end
std::vector<Row> working(const Timeline& timeline, const std::string& resource) {
  std::vector<Row> rows;
  for (const Interval& i : timeline.intervals) {
    if (timeline.resources[static_cast<std::size_t>(i.resource)] != resource) continue;
    if (i.cause != Cause::Work) continue;
    const Row row{i.instruction, i.begin.value, i.end.value};
    if (!rows.empty() && std::get<0>(rows.back()) == i.instruction &&
        std::get<2>(rows.back()) == i.begin.value) {
      std::get<2>(rows.back()) = i.end.value;  // row after row
    } else {
      rows.push_back(row);
    }
  }
  return rows;
}

TEST(XdnnV2Timeline, gather_conv_and_pool_run_one_after_the_other) {
  Builder builder(unit_machine());
  builder.add_gather(0);
  builder.add_conv(0, 0x400);
  builder.add_pool(0x400, kOut, 0x1000);
  const Timeline timeline = builder.run().timeline;
  // Issued at 2; latency to 12. A row is 2 channels x 2 lines, 64 DDR bytes each: 4 cycles. 3 rows.
  EXPECT_EQ(working(timeline, "download"), (std::vector<Row>{{0, 12, 24}}));
  // Waits for the gather. Filters: latency to 34; a slab is 4 x 8 + 2 x 4 = 40 bytes: 35. Two
  // passes of 3 rows x 2 lines x 2 channels = 12 cycles each; the second slab is there in time.
  EXPECT_EQ(working(timeline, "conv"), (std::vector<Row>{{1, 35, 59}}));
  // Waits for the drain, 71. One row of one line x 6 channels x 4 kernel positions.
  EXPECT_EQ(working(timeline, "pool"), (std::vector<Row>{{2, 71, 95}}));
  EXPECT_EQ(timeline.end, Cycles{95});
  // There was no wait for a port.
  EXPECT_EQ(earliest_times(builder.program(), unit_machine()).end, Cycles{95});
}

TEST(XdnnV2Timeline, a_gather_that_nothing_depends_on_stalls_the_array_all_the_same) {
  Builder builder(unit_machine());
  builder.add_gather(0);
  builder.add_conv(0, 0x400);
  builder.add_gather(0x2000);
  builder.add_conv(0, 0x1000);
  const Timeline timeline = builder.run().timeline;
  // ml-suite issue #62 (docs/facts/xdnn.md 1.3): from 71 on 10 + 12 cycles; then the filters, 11,
  // and 24.
  EXPECT_EQ(working(timeline, "download"), (std::vector<Row>{{0, 12, 24}, {2, 81, 93}}));
  EXPECT_EQ(working(timeline, "conv"), (std::vector<Row>{{1, 35, 59}, {3, 104, 128}}));
  EXPECT_EQ(earliest_times(builder.program(), unit_machine()).end, timeline.end);
}

TEST(XdnnV2Timeline, the_pool_of_a_math_engine_runs_beside_a_convolution) {
  Machine machine = unit_machine();
  machine.family_name = "math_engine";
  machine.array.rows = 1;
  machine.am.buffers = 4;  // of 4096 bytes
  Builder builder(machine);
  builder.add_gather(0);
  builder.add_conv(0, 4096);
  builder.add_pool(0, kIn, 8192);
  builder.tail_of(1).wait_download = builder.tail_of(2).wait_download = true;
  const Timeline beside = builder.run().timeline;
  // Rows of 2 channels x 10 words: 3 x 20 cycles after latency.
  EXPECT_EQ(working(beside, "download"), (std::vector<Row>{{0, 12, 72}}));
  // 10 + 1 for the filters, then two passes of 3 rows x 10 pixels x 2 channels.
  EXPECT_EQ(working(beside, "conv"), (std::vector<Row>{{1, 83, 203}}));
  // Issued 2 cycles after the convolution; each source word is read once.
  EXPECT_EQ(working(beside, "pool"), (std::vector<Row>{{2, 74, 134}}));
  EXPECT_EQ(beside.end, Cycles{208}) << "drain 1 + 4";
  builder.tail_of(2).wait_conv = true;
  EXPECT_EQ(builder.run().timeline.end, Cycles{268});
}

}  // namespace
}  // namespace workbench::xdnn
