// The analytic tier of a PULP cluster against the transaction tier: a bound on whatever the
// program, the machine and its queues; and the same to the cycle where no bank is shared.
#include <gtest/gtest.h>

#include <random>

#include "compiler/pulp/compile.h"
#include "core/error.h"
#include "isa/pulp/check.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/schedule.h"
#include "sim/pulp/simulate.h"
#include "tests/support/random_integer_graph.h"

namespace workbench::pulp {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kPrograms = 60, kNetworks = 8;
#else
constexpr std::uint64_t kPrograms = 400, kNetworks = 60;
#endif
constexpr std::int64_t kHalf = 1 << 17;  // of L1: transfers in the lower, kernels in the upper

struct Draw {
  std::mt19937_64 generator;
  std::int64_t operator()(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(generator);
  }
  bool coin() { return (*this)(0, 1) == 1; }
};

Machine draw_machine(Draw& draw) {
  constexpr std::int64_t kCores[] = {1, 2, 3, 4, 5, 8, 8, 8, 16};
  Machine machine;
  machine.name = "random";
  machine.cluster.cores = kCores[draw(0, std::ssize(kCores) - 1)];
  machine.cluster.barrier_cycles = draw(1, 20);
  machine.l1.size_bytes = machine.l1.buffer_bytes = 2 * kHalf;
  machine.l1.conflicts = draw(0, 3) == 0 ? 0 : 1;
  machine.l2.size_bytes = machine.l2.buffer_bytes = 1 << 21;
  machine.l3.megabytes_per_second = static_cast<double>(draw(10, 400));
  machine.l3.transfer_cycles = draw(0, 600);
  machine.dma.bytes_per_cycle = std::int64_t{1} << draw(0, 5);
  machine.dma.issue_cycles_1d = draw(0, 20);
  machine.dma.issue_cycles_2d = draw(0, 20);
  machine.dma.latency_cycles = draw(0, 50);
  machine.dma.read_line_cycles = draw(1, 3);
  machine.dma.burst_bytes = std::int64_t{8} << draw(0, 6);
  machine.dma.write_burst_cycles = draw(0, 3);
  machine.dma.write_line_cycles = draw(0, 3);
  machine.dma.poll_cycles = draw(0, 10);
  machine.icache.ideal = draw(0, 1);
  machine.icache.private_bytes = 16 * draw(0, 40);
  machine.icache.shared_bytes = 16 * draw(1, 300);
  machine.dma.core_queue = draw(1, 4);
  machine.dma.global_queue = draw(1, 16);
  return machine;
}

// Contiguous in both memories, from the start of L1.
Dma draw_transfer(Draw& draw) {
  Dma op{.to_l1 = draw.coin(),
         .length = draw.coin() ? draw(1, 16) : draw(1, 900),
         .lines = draw(1, draw.coin() ? 3 : 12),
         .rows = draw(1, draw.coin() ? 2 : 20),
         .planes = draw(1, draw.coin() ? 1 : 12),
         .two_d = draw.coin(),
         .split = draw(0, 3) != 0,
         .id = draw(0, 3)};
  while (op.bytes() > kHalf) op.length = 1 + op.length / 2;
  op.l1_line_stride = op.l2_line_stride = op.length;
  op.l1_row_stride = op.l2_row_stride = op.length * op.lines;
  op.l1_plane_stride = op.l2_plane_stride = op.length * op.lines * op.rows;
  return op;
}

Kernel draw_kernel(Draw& draw) {
  Kernel op{.kind = draw.coin() ? KernelKind::PointwiseHo : KernelKind::Add};
  op.in_w = op.out_w = draw(1, 12);
  op.in_h = op.out_h = draw(1, 12);
  op.in_c = draw(1, 24);
  op.out_c = op.kind == KernelKind::Add ? op.in_c : draw(1, 24);
  op.in = kHalf;
  (op.kind == KernelKind::Add ? op.in2 : op.weights) = op.in + 4096;
  op.out = op.in + 8192;
  op.shift = 8;
  return op;
}

Instruction draw_instruction(Draw& draw) {
  switch (draw(0, 9)) {
    case 0:
    case 1:
    case 2:
      return draw_transfer(draw);
    case 3:
      return Barrier{};
    case 4:
    case 5:
      return DmaWait{.id = draw(0, 3)};
    case 6:
      return L3Transfer{.to_l2 = draw.coin(),
                        .length = draw(1, 2000),
                        .rows = draw(1, 3),
                        .l3_stride = 2000,
                        .l2_stride = 2000,
                        .id = draw(0, 2)};
    case 7:
      return L3Wait{.id = draw(0, 2)};
    case 8:
      return Code{.instructions = draw(0, 300), .divisions = draw(0, 2), .l2_loads = draw(0, 3)};
    default:
      return draw_kernel(draw);
  }
}

Program draw_program(Draw& draw) {
  Program program;
  program.info.network = "random";
  program.info.layers = {{.name = "first"}, {.name = "second"}};
  program.l3_bytes = 1 << 20;
  const std::int64_t count = draw(1, 40);
  for (std::int64_t i = 0; i < count; ++i) {
    program.instructions.push_back(draw_instruction(draw));
    program.info.instruction_layer.push_back(2 * i < count ? 0 : 1);
    program.info.instruction_text.emplace_back("x");
  }
  program.host_steps.push_back({.before = static_cast<std::int32_t>(count / 2), .nodes = {}});
  return program;
}

// When the last of what an instruction did was over; 0: it took no time.
std::vector<Cycles> ends_of(const Timeline& timeline, std::size_t instructions) {
  std::vector<Cycles> ends(instructions);
  for (const Interval& interval : timeline.intervals) {
    if (interval.instruction < 0) continue;
    Cycles& end = ends.at(static_cast<std::size_t>(interval.instruction));
    end = std::max(end, interval.end);
  }
  return ends;
}

void expect_bounded(const ScheduleTimes& earliest, const Timeline& timeline) {
  EXPECT_LE(earliest.end, timeline.end);
  const std::vector<Cycles> ends = ends_of(timeline, earliest.finish.size());
  for (std::size_t i = 0; i < ends.size(); ++i) {
    EXPECT_LE(earliest.begin[i], earliest.finish[i]) << i;
    if (ends[i].value == 0) continue;
    EXPECT_LE(earliest.finish[i], ends[i]) << "instruction " << i;
  }
}

void expect_the_same(const ScheduleTimes& expected, const Program& program,
                     const Timeline& timeline) {
  EXPECT_EQ(expected.end, timeline.end);
  const std::int32_t host_step =
      program.host_steps.empty() ? -1 : program.host_steps.front().before;
  const std::vector<Cycles> ends = ends_of(timeline, expected.finish.size());
  for (std::size_t i = 0; i < ends.size(); ++i) {
    // Transfers and kernels; the time until all is at rest is the last instruction's before that.
    const bool last = i + 1 == ends.size() || static_cast<std::int32_t>(i) + 1 == host_step;
    const Instruction& op = program.instructions[i];
    const bool engine = std::holds_alternative<Dma>(op) || std::holds_alternative<L3Transfer>(op) ||
                        std::holds_alternative<Kernel>(op);
    if (!engine || last) continue;
    EXPECT_EQ(expected.finish[i], ends[i]) << "instruction " << i << ": " << opcode(op);
  }
}

void compare_tiers(const Program& program, const Machine& machine) {
  const AnalyticSchedule schedule = analytic_schedule(program, machine);
  const SimulationResult result = simulate(program, machine, {}, {.values = false});
  expect_bounded(schedule.earliest, result.timeline);
  if (machine.l1.conflicts == 0) expect_the_same(schedule.expected, program, result.timeline);
  EXPECT_LE(schedule.earliest.end, schedule.expected.end);
  ASSERT_EQ(schedule.expected.layer_end.size(), program.info.layers.size());
  for (const Cycles& end : schedule.expected.layer_end) EXPECT_LE(end, schedule.expected.end);
}

TEST(PulpScheduleProperty, bounds_and_foretells_random_programs) {
  for (std::uint64_t seed = 0; seed < kPrograms; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Draw draw{std::mt19937_64(seed)};
    const Machine machine = draw_machine(draw);
    const Program program = draw_program(draw);
    for (const Instruction& op : program.instructions) ASSERT_EQ(malformed(op, machine), "");
    compare_tiers(program, machine);
    if (HasFailure()) return;
  }
}

TEST(PulpScheduleProperty, bounds_and_foretells_networks) {
  std::uint64_t compiled = 0;
  for (std::uint64_t seed = 0; seed < kNetworks; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Draw draw{std::mt19937_64(seed)};
    const Graph graph = random_integer_graph(draw.generator);
    Machine machine = draw_machine(draw);
    machine.l1.buffer_bytes = draw(3'000, 60'000);
    machine.l2.buffer_bytes = draw(20'000, 400'000);
    Program program;
    try {
      program = compile(graph, machine, {.tiler = seed % 3 == 0 ? Tiler::Dory : Tiler::Optimal});
    } catch (const Error&) {
      continue;  // it does not fit
    }
    ++compiled;
    compare_tiers(program, machine);
    if (HasFailure()) return;
  }
  EXPECT_GE(2 * compiled, kNetworks);
}

}  // namespace
}  // namespace workbench::pulp
