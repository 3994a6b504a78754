// Whole small programs in the simulator: right ones against the golden model, broken ones by the
// hazard they are reported with.
#include <gtest/gtest.h>

#include "compiler/xdnn/compile.h"
#include "core/error.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/graph_builder.h"
#include "tests/support/xdnn_program.h"

namespace workbench {
namespace {

// DDR so fast that a convolution computes as soon as it is issued: what overlaps is then plain.
xdnn::Machine quick_memory() {
  xdnn::Machine machine;
  machine.name = "quick";
  machine.clocks.ddr = 10000;
  machine.ddr.efficiency = 1;
  machine.ddr.latency_cycles = 0;
  return machine;
}

// conv1 -> conv2 1x1, and beside it a pool of conv1's result.
Graph fork() {
  GraphBuilder b;
  b.graph().name = "fork";
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 16, 16}), 16, square_window(3, 1, 1));
  b.output(b.conv("conv2", x, 16, square_window(1)));
  b.output(b.add("pool", AveragePool{.window = square_window(2, 2)}, {x}));
  return b.graph();
}

struct Compiled {
  xdnn::Machine machine = quick_memory();
  Graph quantized;
  xdnn::Program program;
  std::vector<Tensor> inputs;

  explicit Compiled(const Graph& graph) : quantized(quantized_for(graph, machine)) {
    // A pool comes first of the readers of a value, whichever order would take least time.
    program = xdnn::compile(quantized, machine, {.order = {.goal = xdnn::OrderGoal::Natural}});
    std::mt19937_64 random(1);
    for (const ValueId id : graph.inputs) {
      inputs.push_back(random_tensor(random, graph.value(id).shape, -64, 64));
    }
  }
  xdnn::SimulationResult run(const xdnn::SimulateOptions& options = {}) const {
    return xdnn::simulate(program, machine, inputs, options);
  }
  template <typename T>
  T& instruction(const std::string& layer) {
    return std::get<T>(program.steps[instruction_of_layer(program, layer)].instruction);
  }
};

bool reports(const xdnn::SimulationResult& result, Hazard::Kind kind, const std::string& layer,
             const std::string& other = "") {
  for (const Hazard& h : result.hazards) {
    if (h.kind == kind && h.layer == layer && h.other_layer == other) return true;
  }
  return false;
}

TEST(XdnnSimulate, every_instruction_and_a_host_step_are_bit_exact) {
  const Compiled c(every_instruction());
  const auto result = c.run();
  EXPECT_TRUE(result.hazards.empty());
  EXPECT_EQ(verify(result.timeline), std::vector<std::string>{});
  EXPECT_EQ(result.outputs.size(), 2u);
  const Verdict verdict = compare(c.quantized, golden::run(c.quantized, c.inputs), result.tensors);
  EXPECT_TRUE(verdict.bit_exact());
  // The host's sigmoid and what it was computed from and for are among the values compared.
  for (const char* name : {"average_float", "gate", "gate_int8", "sum", "deconv"}) {
    EXPECT_TRUE(result.tensors.contains(name)) << name;
  }
}

TEST(XdnnSimulate, says_the_same_each_time_and_with_any_number_of_threads) {
  const Compiled c(every_instruction());
  const auto first = c.run({.threads = 1}), second = c.run({.threads = 3});
  EXPECT_EQ(first.outputs, second.outputs);
  EXPECT_EQ(first.tensors, second.tensors);
  EXPECT_EQ(first.timeline.end, second.timeline.end);
  EXPECT_EQ(first.timeline.intervals.size(), second.timeline.intervals.size());
}

TEST(XdnnSimulate, keeps_only_outputs_when_told_so) {
  const Compiled c(fork());
  const auto result = c.run({.collect = false});
  EXPECT_TRUE(result.tensors.empty());
  EXPECT_EQ(result.outputs, c.run().outputs);
}

TEST(XdnnSimulate, a_correct_program_has_no_hazard) {
  EXPECT_TRUE(Compiled(fork()).run().hazards.empty());
}

// conv2, from the AM, takes 16 * 16 * 3 cycles; the pool behind it begins 16 after it.
TEST(XdnnSimulate, a_missing_wait_bit_reads_what_is_still_being_written) {
  GraphBuilder b;
  b.graph().name = "chain";
  const ValueId x = b.conv("conv1", b.input("data", {1, 3, 16, 16}), 16, square_window(3, 1, 1));
  const ValueId y = b.conv("conv2", x, 16, square_window(3, 1, 1));
  b.output(b.add("pool", AveragePool{.window = square_window(2, 2)}, {y}));
  Compiled c(b.graph());
  auto& pool = c.instruction<xdnn::Pool>("pool");
  ASSERT_TRUE(pool.tail.wait_conv);
  pool.tail.wait_conv = false;
  EXPECT_TRUE(reports(c.run(), Hazard::Kind::ReadAfterWrite, "pool", "conv2"));
}

TEST(XdnnSimulate, a_result_over_an_operand_still_being_read_is_reported) {
  Compiled c(fork());
  c.instruction<xdnn::Conv>("conv2").outaddr = c.instruction<xdnn::Pool>("pool").inaddr;
  EXPECT_TRUE(reports(c.run(), Hazard::Kind::WriteAfterRead, "conv2", "pool"));
}

TEST(XdnnSimulate, two_writers_of_the_same_words_are_reported) {
  Compiled c(fork());
  c.instruction<xdnn::Conv>("conv2").outaddr = c.instruction<xdnn::Pool>("pool").outaddr;
  EXPECT_TRUE(reports(c.run(), Hazard::Kind::WriteAfterWrite, "conv2", "pool"));
}

TEST(XdnnSimulate, reading_memory_nobody_wrote_is_reported) {
  Compiled c(fork());
  c.instruction<xdnn::Pool>("pool").inaddr = c.machine.am_words() / 2;
  EXPECT_TRUE(reports(c.run(), Hazard::Kind::UninitializedRead, "pool"));
}

TEST(XdnnSimulate, an_address_out_of_range_ends_the_run_without_outputs) {
  Compiled c(fork());
  c.instruction<xdnn::Pool>("pool").outaddr = c.machine.am_words() - 63;  // 8 x 8 words
  const auto result = c.run();
  EXPECT_TRUE(reports(result, Hazard::Kind::OutOfRange, "pool"));
  EXPECT_TRUE(result.outputs.empty());
}

TEST(XdnnSimulate, filters_outside_the_ddr_are_reported) {
  Compiled c(fork());
  c.program.steps[instruction_of_layer(c.program, "conv2")].filter_address = c.program.ddr_bytes;
  EXPECT_TRUE(reports(c.run(), Hazard::Kind::OutOfRange, "conv2"));
}

TEST(XdnnSimulate, filters_that_are_nobodys_leave_channels_off) {
  Compiled c(fork());
  const auto filters = static_cast<std::size_t>(
      c.program.steps[instruction_of_layer(c.program, "conv2")].filter_address);
  char& byte = c.program.constants[filters + 3 * 8];  // bits 0-7 of the fourth channel's word
  byte = static_cast<char>(byte & 0x7f);
  EXPECT_TRUE(reports(c.run(), Hazard::Kind::ChannelOff, "conv2"));
}

TEST(XdnnSimulate, an_instruction_that_means_nothing_is_refused) {
  Compiled c(fork());
  auto& pool = c.instruction<xdnn::Pool>("pool");
  pool.tail.source = {0, 1, 0, 32};  // no copies: steps would be divided by 0
  EXPECT_THROW(c.run(), Error);
}

TEST(XdnnSimulate, a_program_of_host_steps_alone_runs) {
  GraphBuilder b;
  b.graph().name = "host";
  b.output(b.add("soft", Softmax{.axis = 1}, {b.input("data", {1, 3, 4, 4})}));
  const Compiled c(b.graph());
  EXPECT_TRUE(c.program.steps.empty());
  const auto result = c.run();
  EXPECT_TRUE(result.hazards.empty());
  ASSERT_EQ(result.outputs.size(), 1u);
  EXPECT_EQ(result.outputs[0].shape(), (Shape{1, 3, 4, 4}));
  EXPECT_EQ(result.timeline.end, Cycles{0});
}

}  // namespace
}  // namespace workbench
