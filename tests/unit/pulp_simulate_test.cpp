// Programs of a few instructions on the modelled cluster: every cycle derived by hand, values
// moved, and each hazard told where a wait or a barrier is missing.
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "core/error.h"
#include "isa/pulp/cost.h"
#include "sim/pulp/simulate.h"
#include "tests/support/copied_codes.h"

namespace workbench::pulp {
namespace {

// Barrier 9, commands 8 + 7 cycles and 8 B/cycle, L3 500 cycles and 1 B/cycle.
Machine small_machine() {
  Machine machine;
  machine.name = "small";
  machine.l1.buffer_bytes = 4096;
  machine.l2.buffer_bytes = 8192;
  machine.l1.conflicts = 0;
  return machine;
}

Program program_of(std::initializer_list<Instruction> instructions) {
  Program program;
  program.instructions = instructions;
  program.constants.resize(4096);
  for (std::size_t i = 0; i < program.constants.size(); ++i) {
    program.constants[i] = static_cast<char>(i * 7 % 251);
  }
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    program.info.layers.push_back({.name = "L" + std::to_string(i)});
    program.info.instruction_layer.push_back(static_cast<std::int32_t>(i));
  }
  return program;
}

// All constants in L2 at 0, known to all cores: the first three instructions of most programs here.
const L3Transfer kLoad{.l3 = 0, .l2 = 0, .length = 4096};
constexpr std::int64_t kLoaded = 500 + 4096 + 9;  // when

Dma to_l1(std::int64_t l2, std::int64_t l1, std::int64_t bytes, std::int64_t id = 0) {
  return {.l2 = l2, .l1 = l1, .length = bytes, .split = false, .id = id};
}
Dma to_l2(std::int64_t l1, std::int64_t l2, std::int64_t bytes, std::int64_t id = 0) {
  return {.to_l1 = false, .l2 = l2, .l1 = l1, .length = bytes, .split = false, .id = id};
}
// Eight rows of 8 bytes, one per core.
Dma rows_to_l1(std::int64_t l2, std::int64_t l1, std::int64_t id = 0) {
  return {
      .l2 = l2, .l1 = l1, .length = 8, .rows = 8, .l2_row_stride = 8, .l1_row_stride = 8, .id = id};
}
// A copy of 8 x 8 pixels of one channel.
Kernel copy(std::int64_t from, std::int64_t to) {
  return {.kind = KernelKind::Requantize,
          .in = from,
          .out = to,
          .in_w = 8,
          .in_h = 8,
          .out_w = 8,
          .out_h = 8};
}
Code code(std::int64_t instructions) { return {.instructions = instructions}; }

SimulationResult timed(const Program& program, const Machine& machine = small_machine()) {
  return simulate(program, machine, {}, {.values = false});
}
std::int64_t end_of(std::initializer_list<Instruction> instructions,
                    const Machine& machine = small_machine()) {
  return timed(program_of(instructions), machine).timeline.end.value;
}
std::vector<std::string> hazards_of(std::initializer_list<Instruction> instructions) {
  std::vector<std::string> lines;
  for (const Hazard& hazard : timed(program_of(instructions)).hazards) {
    lines.push_back(to_string(hazard));
  }
  return lines;
}
using Lines = std::vector<std::string>;

std::int64_t cycles_of(const Timeline& timeline, const std::string& resource, Cause cause) {
  std::int64_t sum = 0;
  for (const Interval& i : timeline.intervals) {
    const bool counts =
        timeline.resources[static_cast<std::size_t>(i.resource)] == resource && i.cause == cause;
    sum += counts ? (i.end - i.begin).value : 0;
  }
  return sum;
}

TEST(PulpSimulate, an_empty_program_ends_at_once) { EXPECT_EQ(end_of({}), 0); }

TEST(PulpSimulate, cores_leave_a_barrier_after_the_last_has_come) {
  EXPECT_EQ(end_of({Barrier{}}), 9);
  // Core 0 issues for 8 cycles, the others wait.
  EXPECT_EQ(end_of({to_l1(0, 0, 8), Barrier{}, Barrier{}}), 8 + 9 + 9);
}

TEST(PulpSimulate, a_wait_ends_when_the_last_byte_is_there_and_not_before) {
  // 8 to issue, 7 until the first data, 800 bytes: done at 115. A look at the status takes 6.
  for (const std::int64_t busy : {0, 100, 101, 108}) {
    const Program program = program_of({to_l1(0, 0, 800), code(busy), DmaWait{}, code(1)});
    const SimulationResult result = timed(program);
    EXPECT_EQ(result.timeline.end.value, std::max<std::int64_t>(115, 8 + busy + 6) + 1) << busy;
    EXPECT_EQ(cycles_of(result.timeline, "cores", Cause::MemoryWait), busy <= 100 ? 107 - busy : 0);
    EXPECT_EQ(verify(result.timeline), std::vector<std::string>{});
  }
}

TEST(PulpSimulate, directions_overlap_and_each_serves_in_turn) {
  // Second command of the same direction: right behind the first.
  EXPECT_EQ(end_of({to_l1(0, 0, 800), to_l1(0, 800, 800), DmaWait{}}), 15 + 200);
  // A write begins a cycle earlier and costs one more for each of 4 bursts: 16 + 6 + 100 + 4.
  EXPECT_EQ(end_of({to_l1(0, 0, 800), to_l2(800, 0, 800), DmaWait{}}), 16 + 6 + 104);
}

// docs/facts/pulp.md 1.9. A core goes on with a command when the one 3 before it has left the
// core's queue of 2, for which the one 8 before that has to leave the global queue, by being
// served.
TEST(PulpSimulate, a_full_queue_stalls_the_core_that_issues) {
  Dma many = to_l1(0, 0, 16);
  many.lines = 64, many.length = 32, many.l2_line_stride = 32, many.l1_line_stride = 32;
  EXPECT_EQ(cycles_of(timed(program_of({many})).timeline, "cores", Cause::WaitEngine), 0);
  many.lines = 16, many.length = 256, many.l2_line_stride = many.l1_line_stride = 256;
  EXPECT_EQ(cycles_of(timed(program_of({many})).timeline, "cores", Cause::WaitEngine), 0);
  many.to_l1 = false;  // writes: of requests there is one at a time
  const Timeline timeline = timed(program_of({many})).timeline;
  EXPECT_EQ(cycles_of(timeline, "cores", Cause::Issue), 16 * 8);
  // Command 4 begins at 8 + 6 + 4 * 33, command 15 would have been issued at 128.
  EXPECT_EQ(cycles_of(timeline, "cores", Cause::WaitEngine), 14 + 4 * 33 - 128);
}

TEST(PulpSimulate, l3_serves_row_by_row_and_one_request_after_the_other) {
  const L3Transfer rows{.length = 100, .rows = 3, .l3_stride = 200, .l2_stride = 100};
  const L3Transfer other{.l2 = 1000, .length = 50, .id = 1};
  EXPECT_EQ(end_of({rows, L3Wait{}, code(1)}), 3 * 600 + 1);
  EXPECT_EQ(end_of({rows, other, L3Wait{1}, code(1)}), 3 * 600 + 550 + 1);
  // Core 0 alone waits: the others learn of it at a barrier.
  EXPECT_EQ(end_of({rows, L3Wait{}, Barrier{}}), 3 * 600 + 9);
}

// A host step stands for a turn in which the cluster is at rest: what was asked for before it is
// there afterwards, for all cores, without a barrier.
TEST(PulpSimulate, a_turn_of_the_host_is_waited_for_by_all) {
  Program program = program_of({L3Transfer{.length = 64}, L3Wait{}, to_l1(0, 0, 64), DmaWait{}});
  program.instructions[2] = rows_to_l1(0, 0);
  EXPECT_EQ(timed(program).hazards.size(), 1U);
  program.host_steps = {{.before = 1, .nodes = {}}};
  EXPECT_EQ(timed(program).hazards.size(), 0U);
  program.host_steps = {{.before = 3, .nodes = {}}};
  EXPECT_EQ(timed(program).hazards.size(), 1U);
}

TEST(PulpSimulate, counters_measure_between_start_and_stop_of_their_layer) {
  Program program = program_of({code(5), CounterStart{}, code(20), Barrier{}, CounterStop{},
                                code(7), CounterStart{}, code(1), CounterStop{}});
  program.info.layers.resize(2);
  program.info.instruction_layer = {0, 0, 0, 0, 0, 1, 1, 1, 1};
  const std::vector<Cycles> counters = timed(program).counters;
  EXPECT_EQ(counters, (std::vector<Cycles>{{29}, {1}}));
}

TEST(PulpSimulate, a_kernel_ends_with_its_slowest_core_and_a_barrier) {
  const Kernel kernel = copy(0, 64);
  const std::int64_t alone = kernel_cycles(kernel, small_machine()).value;
  const Program program =
      program_of({kLoad, L3Wait{}, Barrier{}, to_l1(0, 0, 64), DmaWait{}, Barrier{}, kernel});
  const SimulationResult result = timed(program);
  EXPECT_EQ(result.timeline.end.value, kLoaded + 15 + 8 + 9 + alone);
  EXPECT_TRUE(result.hazards.empty());
  EXPECT_EQ(cycles_of(result.timeline, "cores", Cause::PortStall), 0);
  EXPECT_EQ(cycles_of(result.timeline, "l3", Cause::Work), 4596);
  EXPECT_EQ(cycles_of(result.timeline, "dma in", Cause::Work), 8);
}

TEST(PulpSimulate, values_go_through_every_memory) {
  Program program = program_of({kLoad, L3Wait{}, Barrier{}, to_l1(100, 0, 64), DmaWait{}, Barrier{},
                                copy(0, 64), to_l2(64, 5000, 64), DmaWait{}, Barrier{}});
  const TensorPlace place{.value = "y",
                          .address = 5000,
                          .channels = 2,
                          .height = 4,
                          .width = 8,
                          .pixel_stride = 2,
                          .row_stride = 16};
  program.probes.push_back({.place = place, .after = 9, .value_height = 4, .value_channels = 2});
  const SimulationResult result = simulate(program, small_machine(), {});
  EXPECT_TRUE(result.hazards.empty());
  const Tensor& y = result.tensors.at("y");
  EXPECT_EQ(y.shape(), (Shape{1, 2, 4, 8}));
  const auto codes = y.values<std::uint8_t>();
  for (std::size_t i = 0; i < 32; ++i) {
    const auto first = static_cast<std::uint8_t>(program.constants[100 + 2 * i]);
    const auto second = static_cast<std::uint8_t>(program.constants[101 + 2 * i]);
    EXPECT_EQ(codes[i], first) << i;
    EXPECT_EQ(codes[32 + i], second) << i;
  }
}

// The host makes codes of steps of 1, the cluster moves them, the host makes them real again.
TEST(PulpSimulate, the_host_writes_inputs_before_and_reads_outputs_after) {
  Program program = program_of({to_l1(0, 0, 64), DmaWait{}, to_l2(0, 5000, 64), DmaWait{}});
  put_host_around_copy(program);
  std::vector<float> reals(64);
  for (std::size_t i = 0; i < 64; ++i) reals[i] = static_cast<float>(i * 3);
  const std::vector<Tensor> inputs{Tensor::from({1, 2, 4, 8}, reals)};
  const SimulationResult result = simulate(program, small_machine(), inputs);
  EXPECT_TRUE(result.hazards.empty());
  const auto out = result.outputs.at(0).values<float>();
  EXPECT_EQ(std::vector<float>(out.begin(), out.end()), reals);
  program.instructions.pop_back();  // the output has no wait
  program.host_steps[1].before = 3;
  ASSERT_EQ(timed(program).hazards.size(), 1U);
  EXPECT_EQ(timed(program).hazards[0].kind, Hazard::Kind::ReadAfterWrite);
}

// A result must have been waited for when a probe reads it.
TEST(PulpSimulate, a_probe_of_what_is_on_its_way_is_a_hazard) {
  Program program = program_of({kLoad, Barrier{}});
  program.probes.push_back({.place = {.value = "y",
                                      .channels = 1,
                                      .height = 1,
                                      .width = 64,
                                      .pixel_stride = 1,
                                      .row_stride = 64},
                            .after = 1,
                            .value_height = 1,
                            .value_channels = 1});
  ASSERT_EQ(timed(program).hazards.size(), 1U);
  program.instructions[1] = L3Wait{};
  EXPECT_TRUE(timed(program).hazards.empty());
}

TEST(PulpSimulate, narrow_codes_begin_with_the_low_bits_of_their_pixel) {
  Program program = program_of({kLoad, L3Wait{}});
  // Three signed codes of 4 bits per pixel: 2 bytes.
  program.constants[0] = '\x2f', program.constants[1] = '\x08';
  program.probes.push_back({.place = {.value = "y",
                                      .channels = 3,
                                      .height = 1,
                                      .width = 1,
                                      .pixel_stride = 2,
                                      .row_stride = 2,
                                      .bits = 4,
                                      .is_signed = true},
                            .after = 1,
                            .value_height = 1,
                            .value_channels = 3});
  const SimulationResult result = simulate(program, small_machine(), {});
  const auto codes = result.tensors.at("y").values<std::int8_t>();
  EXPECT_EQ(std::vector<std::int8_t>(codes.begin(), codes.end()),
            (std::vector<std::int8_t>{-1, 2, -8}));
}

TEST(PulpSimulate, the_same_program_gives_the_same_result_again) {
  const Program program = program_of({kLoad, L3Wait{}, Barrier{}, rows_to_l1(0, 0), DmaWait{},
                                      Barrier{}, copy(0, 64), to_l2(64, 5000, 64), DmaWait{}});
  const SimulationResult a = timed(program), b = timed(program);
  EXPECT_EQ(a.timeline.end, b.timeline.end);
  ASSERT_EQ(a.timeline.intervals.size(), b.timeline.intervals.size());
  for (std::size_t i = 0; i < a.timeline.intervals.size(); ++i) {
    EXPECT_EQ(a.timeline.intervals[i].end, b.timeline.intervals[i].end);
  }
}

TEST(PulpSimulate, transfers_are_slower_while_kernels_load_the_banks) {
  Machine machine = small_machine();
  const auto end = [&] {
    return end_of({kLoad, L3Wait{}, Barrier{}, to_l1(0, 0, 64), DmaWait{}, Barrier{},
                   to_l1(0, 1024, 2048), copy(0, 64), DmaWait{}},
                  machine);
  };
  const std::int64_t undisturbed = end();
  machine.l1.conflicts = 1;
  EXPECT_GT(end(), undisturbed);
}

TEST(PulpSimulate, a_malformed_instruction_is_an_error_that_names_it) {
  try {
    timed(program_of({Barrier{}, DmaWait{99}}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("instruction 1 ('L1')"), std::string::npos)
        << error.what();
  }
}

TEST(PulpHazards, a_right_program_has_none) {
  EXPECT_EQ(hazards_of({kLoad, L3Wait{}, Barrier{}, rows_to_l1(0, 0), DmaWait{}, Barrier{},
                        copy(0, 64), to_l2(64, 5000, 64), rows_to_l1(64, 0, 1), DmaWait{0},
                        DmaWait{1}, Barrier{}, copy(0, 64)}),
            Lines{});
}

TEST(PulpHazards, a_kernel_needs_somebody_to_have_waited_for_its_operands) {
  EXPECT_EQ(
      hazards_of({kLoad, L3Wait{}, Barrier{}, rows_to_l1(0, 0), Barrier{}, copy(0, 64)}),
      Lines{"instruction 5 (L5) reads what is still being written: L1 0x0 at cycle 4622, with "
            "instruction 3 (L3)"});
}

TEST(PulpHazards, a_wait_is_known_to_other_cores_after_a_barrier_only) {
  const Lines lines =
      hazards_of({kLoad, L3Wait{}, Barrier{}, rows_to_l1(0, 0), DmaWait{}, copy(0, 64)});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("(L5) does not wait for an instruction it depends on: L1 0x0"),
            std::string::npos);
  EXPECT_EQ(hazards_of({kLoad, L3Wait{}, rows_to_l1(0, 0), DmaWait{}}).size(), 1U);
  // Core 0 has waited, and what follows is core 0's alone.
  EXPECT_EQ(hazards_of({kLoad, L3Wait{}, to_l1(0, 0, 64), DmaWait{}}), Lines{});
}

TEST(PulpHazards, a_core_may_go_on_with_its_own_share) {
  Dma same = rows_to_l1(0, 0), back = rows_to_l1(5000, 0);
  back.to_l1 = false;
  EXPECT_EQ(hazards_of({kLoad, L3Wait{}, Barrier{}, same, DmaWait{}, back, DmaWait{}}), Lines{});
  back.split = false;  // core 0 reads what the others have brought
  EXPECT_EQ(hazards_of({kLoad, L3Wait{}, Barrier{}, same, DmaWait{}, back, DmaWait{}}).size(), 1U);
}

TEST(PulpHazards, a_buffer_must_not_be_filled_while_it_is_emptied) {
  const Lines lines = hazards_of({kLoad, L3Wait{}, Barrier{}, to_l1(0, 0, 64), DmaWait{},
                                  to_l2(0, 5000, 64), to_l1(64, 32, 64, 1), DmaWait{1}});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("(L6) writes what is still being read: L1 0x20"), std::string::npos);
}

TEST(PulpHazards, what_comes_from_l3_is_waited_for_as_well) {
  EXPECT_EQ(hazards_of({kLoad, Barrier{}, to_l1(4000, 0, 64), DmaWait{}}).size(), 1U);
  EXPECT_EQ(hazards_of({kLoad, L3Wait{1}, Barrier{}, to_l1(4000, 0, 64), DmaWait{}}).size(), 1U);
  EXPECT_EQ(hazards_of({kLoad, L3Wait{}, Barrier{}, to_l1(4000, 0, 64), DmaWait{}}), Lines{});
}

TEST(PulpHazards, nobody_reads_what_nobody_wrote) {
  EXPECT_EQ(hazards_of({kLoad, L3Wait{}, Barrier{}, to_l1(4090, 0, 64), DmaWait{}}),
            Lines{"instruction 3 (L3) reads memory nobody wrote: L2 0x1000 at cycle 4605"});
}

TEST(PulpHazards, an_address_outside_ends_the_program) {
  EXPECT_EQ(hazards_of({kLoad, L3Wait{}, Barrier{}, to_l1(0, 4090, 64), to_l1(5000, 0, 64)}),
            Lines{"instruction 3 (L3) address out of range: L1 0x1000 at cycle 4605"});
}

TEST(PulpHazards, a_result_over_its_own_operand_is_told) {
  const Lines lines =
      hazards_of({kLoad, L3Wait{}, Barrier{}, to_l1(0, 0, 64), DmaWait{}, Barrier{}, copy(0, 32)});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("writes what is still being read: L1 0x20"), std::string::npos);
}

TEST(PulpHazards, the_memory_map_says_what_lies_where_and_how_long) {
  Program program = program_of(
      {kLoad, L3Wait{}, Barrier{}, to_l1(0, 0, 64), DmaWait{}, to_l2(0, 5000, 64), DmaWait{}});
  program.memory_map = {{"in", Space::L2, 0, 4096, 0, 4}, {"out", Space::L2, 5000, 64, 5, 6}};
  EXPECT_TRUE(timed(program).hazards.empty());
  Program stray = program;
  stray.memory_map[1].first = 6;
  ASSERT_EQ(timed(stray).hazards.size(), 1U);
  EXPECT_EQ(timed(stray).hazards[0].kind, Hazard::Kind::Stray);
  Program dead = program;
  dead.memory_map[0].last = 2;
  ASSERT_EQ(timed(dead).hazards.size(), 1U);
  EXPECT_EQ(timed(dead).hazards[0].instruction, 3);
  Program over = program;
  over.memory_map.push_back({"kept", Space::L2, 5032, 4, 0, 6});
  ASSERT_EQ(timed(over).hazards.size(), 1U);
  EXPECT_EQ(timed(over).hazards[0].kind, Hazard::Kind::LiveOverwrite);
  EXPECT_EQ(timed(over).hazards[0].address, 5032);
}

}  // namespace
}  // namespace workbench::pulp
