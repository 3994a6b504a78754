// Timing is mechanism: programs small enough to follow by hand, cycle by cycle, on a unit machine
// whose numbers are round. All clocks are equal, so one array cycle is one report cycle.
//
// Unit machine: 16 rows x 4 columns, 1 weight per DSP: passes of 4 output channels, words of 16
// bytes; DDR moves 64 bytes per cycle after a latency of 10; drain = 16 + 4 = 20 cycles; issuing an
// instruction takes 2.
#include <gtest/gtest.h>

#include <vector>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"
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
constexpr std::int64_t kMap = kWidth * kHeight;  // words of a map of up to 16 channels

// A program on 16-channel 4x2 input at AM word 0, built instruction by instruction.
class Builder {
 public:
  explicit Builder(const Machine& machine) : machine_(machine) {
    program_.info.network = "by hand";
  }

  // Every instruction gets a layer of its own.
  int add(Instruction instruction, std::int64_t filter_address = 0) {
    const auto index = static_cast<std::int32_t>(program_.steps.size());
    program_.steps.push_back({std::move(instruction), filter_address, {}});
    program_.info.layers.push_back({.name = "layer" + std::to_string(index)});
    program_.info.instruction_layer.push_back(index);
    program_.info.instruction_text.push_back("");
    return index;
  }
  // 1x1 convolution from `in_address` (in_channels) to `out_address` (out_channels).
  Conv conv(std::int64_t in_address, std::int64_t in_channels, std::int64_t out_address,
            std::int64_t out_channels) const {
    Conv conv;
    conv.inaddr = in_address, conv.in_w = kWidth, conv.in_h = kHeight, conv.in_ch = in_channels;
    conv.outaddr = out_address, conv.out_w = kWidth, conv.out_h = kHeight;
    conv.out_ch = out_channels;
    conv.tail.source = plain_layout(in_channels, 16);
    conv.tail.destination = plain_layout(out_channels, 16);
    conv.tail.pingpong_weight = true;
    return conv;
  }
  int add_conv(const Conv& conv) {
    const auto address = static_cast<std::int64_t>(program_.constants.size());
    const std::vector<std::int8_t> weights(
        static_cast<std::size_t>(conv.in_ch * conv.out_ch * conv.kernel_h * conv.kernel_w), 1);
    const std::vector<ChannelConfig> configs(static_cast<std::size_t>(conv.out_ch),
                                             {.enable = true, .scale = 1});
    pack_filters(filter_shape(conv), weights, configs, machine_, program_.constants);
    return add(conv, address);
  }
  // The input: 16 channels in DDR, row = 4 pixels x 8 channels = 32 bytes, padded to 64; 2 groups
  // x 2 rows = 256 bytes. Downloading it: latency 10, then per row max(128 B / 64 = 2 DDR cycles,
  // 4 AM words) = 4 cycles: 18 in all.
  int add_gather() {
    Gather gather{.ddr_address = kInput,
                  .width = kWidth,
                  .height = kHeight,
                  .channels = 16,
                  .end_row = kHeight - 1};
    gather.tail.destination = plain_layout(16, 16);
    return add(gather);
  }
  int add_scatter(std::int64_t address, std::int64_t channels) {
    Scatter scatter{.am_address = address,
                    .ddr_address = kOutput,
                    .width = kWidth,
                    .height = kHeight,
                    .channels = channels,
                    .end_row = kHeight - 1};
    scatter.tail.source = plain_layout(channels, 16);
    return add(scatter);
  }
  // AM words [address, address + words) hold a tensor from instruction `first` to `last`.
  void add_volume(std::int64_t address, std::int64_t words, int first, int last) {
    program_.memory_map.push_back({"volume", address, words, first, last});
  }
  Tail& tail_of(int instruction) {
    return tail(program_.steps[static_cast<std::size_t>(instruction)].instruction);
  }
  // Runs it with zeros as input, which the host is said to have written.
  SimulationResult run() {
    program_.ddr_bytes = kOutput + 4096;
    program_.constants.resize(kOutput, '\0');  // the input area counts as written
    return simulate(program_, machine_, {});
  }

 private:
  static constexpr std::int64_t kInput = 16384, kOutput = 20480;
  Machine machine_;
  Program program_;
};

// Intervals of one resource that are not idle, as (instruction, begin, end, cause).
using Row = std::tuple<int, std::int64_t, std::int64_t, Cause>;
std::vector<Row> busy(const Timeline& timeline, const std::string& resource) {
  std::vector<Row> rows;
  for (const Interval& i : timeline.intervals) {
    if (timeline.resources[static_cast<std::size_t>(i.resource)] != resource) continue;
    if (i.cause != Cause::Idle) {
      rows.emplace_back(i.instruction, i.begin.value, i.end.value, i.cause);
    }
  }
  return rows;
}

// gather -> conv a -> conv b, b reads what a wrote.
Builder two_dependent_convs(const Machine& machine) {
  Builder builder(machine);
  builder.add_gather();
  const int a = builder.add_conv(builder.conv(0, 16, kMap, 4));
  builder.tail_of(a).wait_download = true;
  builder.add_conv(builder.conv(kMap, 4, 2 * kMap, 4));
  return builder;
}

TEST(XdnnTimeline, conv_waits_for_the_conv_it_reads_from) {
  Builder builder = two_dependent_convs(unit_machine());
  builder.tail_of(2).wait_conv = true;
  const SimulationResult result = builder.run();
  EXPECT_TRUE(result.hazards.empty());
  // issue gather [0,2); download: latency [2,12), rows [12,16) [16,20).
  EXPECT_EQ(busy(result.timeline, "download"),
            (std::vector<Row>{{0, 2, 12, Cause::MemoryWait}, {0, 12, 20, Cause::Work}}));
  // conv a is issued at 20 (its issue cycles passed while it waited). Filters: 4 channels x (8 + 16
  // x 1 step) = 96 bytes = 2 cycles after the latency: [20,32). The array streams 2 rows x 4 pixels
  // x 1 step [32,40) and drains [40,60). conv b is held until 60, then the same: filters until 72,
  // array [72,80), drain [80,100).
  EXPECT_EQ(busy(result.timeline, "conv"), (std::vector<Row>{{1, 20, 32, Cause::WeightLoad},
                                                             {1, 32, 40, Cause::Work},
                                                             {1, 40, 60, Cause::FillDrain},
                                                             {2, 60, 72, Cause::WeightLoad},
                                                             {2, 72, 80, Cause::Work},
                                                             {2, 80, 100, Cause::FillDrain}}));
  EXPECT_EQ(result.timeline.end, Cycles{100});
}

TEST(XdnnTimeline, conv_without_its_wait_bit_starts_early_and_is_a_hazard) {
  Builder builder = two_dependent_convs(unit_machine());
  const SimulationResult result = builder.run();
  // conv b is issued at 22, behind conv a in the queue. The loader, done with a at 32, fetches b's
  // filters: latency [32,42), slab [42,44). The array is free at 40, waits for them until 44 and
  // streams [44,52) while a's results drain until 60: b reads what is still
  // being written. Behind 52 both drain, a until 60, b until 72.
  EXPECT_EQ(busy(result.timeline, "conv"), (std::vector<Row>{{1, 20, 32, Cause::WeightLoad},
                                                             {1, 32, 40, Cause::Work},
                                                             {2, 40, 44, Cause::WeightLoad},
                                                             {2, 44, 52, Cause::Work},
                                                             {1, 52, 60, Cause::FillDrain},
                                                             {2, 60, 72, Cause::FillDrain}}));
  ASSERT_FALSE(result.hazards.empty());
  // Conv a's result was not written yet, and conv a was about to.
  EXPECT_EQ(result.hazards[0].kind, Hazard::Kind::UninitializedRead);
  EXPECT_EQ(to_string(result.hazards.back()),
            "instruction 2 (layer2) reads what is still being written: AM 0x8 at cycle 44, with "
            "instruction 1 (layer1)");
}

TEST(XdnnTimeline, writing_over_a_tensor_that_is_still_needed_is_a_hazard) {
  // The input, words [0, 8), is read again by conv b; conv a writes words [7, 15) instead of [8,
  // 16).
  Builder builder(unit_machine());
  builder.add_gather();
  const int a = builder.add_conv(builder.conv(0, 16, kMap - 1, 4));
  builder.tail_of(a).wait_download = true;
  const int b = builder.add_conv(builder.conv(0, 16, 2 * kMap, 4));
  builder.tail_of(b).wait_conv = true;
  builder.add_volume(0, kMap, 0, b);
  builder.add_volume(kMap, kMap, a, a);
  builder.add_volume(2 * kMap, kMap, b, b);
  const SimulationResult result = builder.run();
  ASSERT_EQ(result.hazards.size(), 1U);
  EXPECT_EQ(to_string(result.hazards[0]),
            "instruction 1 (layer1) writes over a tensor that is still needed: AM 0x7 at cycle 32");
}

// gather -> conv a -> upload of a's result beside conv b, which reads the input again.
SimulationResult upload_beside_conv(std::int64_t read_ports) {
  Machine machine = unit_machine();
  machine.am.read_ports = read_ports;
  Builder builder(machine);
  builder.add_gather();
  const int a = builder.add_conv(builder.conv(0, 16, kMap, 4));
  builder.tail_of(a).wait_download = true;
  const int upload = builder.add_scatter(kMap, 4);
  builder.tail_of(upload).wait_conv = true;
  builder.add_conv(builder.conv(0, 16, 2 * kMap, 4));
  return builder.run();
}

TEST(XdnnTimeline, two_readers_have_a_port_each) {
  const SimulationResult result = upload_beside_conv(2);
  EXPECT_TRUE(result.hazards.empty());
  // conv a ends at 60 as above. Upload: latency [60,70), rows of 4 words [70,74) [74,78) (their 64
  // bytes take the DDR 1 cycle). conv b, issued [60,62): filters [62,72) + [72,74), array [74,82).
  EXPECT_EQ(busy(result.timeline, "upload"),
            (std::vector<Row>{{2, 60, 70, Cause::MemoryWait}, {2, 70, 78, Cause::Work}}));
  EXPECT_EQ(busy(result.timeline, "conv").back(), (Row{3, 82, 102, Cause::FillDrain}));
}

TEST(XdnnTimeline, one_port_is_shared_row_by_row) {
  const SimulationResult result = upload_beside_conv(1);
  EXPECT_TRUE(result.hazards.empty());
  // At 74 the upload's second row and conv b's first ask for the only port: at the same moment the
  // conv goes first, [74,78). Its second row asks at 78, after the upload (since 74): the upload
  // reads [78,82) while the array stalls, then [82,86).
  EXPECT_EQ(busy(result.timeline, "upload"), (std::vector<Row>{{2, 60, 70, Cause::MemoryWait},
                                                               {2, 70, 74, Cause::Work},
                                                               {2, 74, 78, Cause::PortStall},
                                                               {2, 78, 82, Cause::Work}}));
  const auto conv = busy(result.timeline, "conv");
  const std::vector<Row> last(conv.end() - 4, conv.end());
  EXPECT_EQ(last, (std::vector<Row>{{3, 74, 78, Cause::Work},
                                    {3, 78, 82, Cause::PortStall},
                                    {3, 82, 86, Cause::Work},
                                    {3, 86, 106, Cause::FillDrain}}));
}

// One 1x1 convolution of `passes` passes on the 16-channel input.
SimulationResult one_conv(const Machine& machine, std::int64_t passes, bool pingpong) {
  Builder builder(machine);
  builder.add_gather();
  Conv conv = builder.conv(0, 16, kMap, 4 * passes);
  conv.tail.pingpong_weight = pingpong;
  const int index = builder.add_conv(conv);
  builder.tail_of(index).wait_download = true;
  return builder.run();
}

TEST(XdnnTimeline, removing_ping_pong_costs_the_smaller_of_load_and_compute_per_pass) {
  // Per pass: load 96 B = 1.5 cycles on average, compute 8. With ping-pong 10 + 2 + 3 x 8 + 8 + 20;
  // without, each of the other loads comes between two computes. Loads take the cycles of their
  // cumulative bytes: 96, 192, 288, 384 B = 2, 3, 5, 6 cycles, so 4 cycles after the first.
  const auto with = one_conv(unit_machine(), 4, true).timeline.end;
  const auto without = one_conv(unit_machine(), 4, false).timeline.end;
  EXPECT_EQ(with, Cycles{20 + 10 + 2 + 4 * 8 + 20});
  EXPECT_EQ(without - with, Cycles{4});
}

TEST(XdnnTimeline, doubling_ddr_bandwidth_halves_the_exposed_load_and_nothing_else) {
  // DDR at 4 bytes per cycle: the slab of 96 bytes takes 24 cycles, exposed because there is only
  // one pass; at 8 bytes per cycle 12. The download: rows of 128 bytes take 32, then 16 cycles.
  Machine slow = unit_machine(), fast = unit_machine();
  slow.ddr.word_bytes = 4;
  fast.ddr.word_bytes = 8;
  const auto end_slow = one_conv(slow, 1, true).timeline.end;
  const auto end_fast = one_conv(fast, 1, true).timeline.end;
  EXPECT_EQ(end_slow, Cycles{2 + 10 + 2 * 32 + 10 + 24 + 8 + 20});
  EXPECT_EQ(end_slow - end_fast, Cycles{32 + 12});
}

TEST(XdnnTimeline, nothing_is_ready_one_cycle_early) {
  // The array starts exactly when the slab is there: not at 31, at 32.
  const SimulationResult result = one_conv(unit_machine(), 1, true);
  const auto conv = busy(result.timeline, "conv");
  EXPECT_EQ(conv[0], (Row{1, 20, 32, Cause::WeightLoad}));
  EXPECT_EQ(std::get<1>(conv[1]), 32);
}

TEST(XdnnTimeline, analytic_duration_is_the_simulated_one_when_nothing_competes) {
  for (const std::int64_t passes : {1, 2, 5}) {
    const Machine machine = unit_machine();
    Builder builder(machine);
    const Conv conv = builder.conv(0, 16, kMap, 4 * passes);
    const Cycles alone = one_conv(machine, passes, true).timeline.end - Cycles{20};
    EXPECT_EQ(duration({.instruction = conv}, machine), alone) << passes << " passes";
  }
}

}  // namespace
}  // namespace workbench::xdnn
