// The judge of mutants: what it lets pass as equivalent and what not.
#include "tests/support/pulp_mutants.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/pulp_dataflow.h"

namespace workbench {
namespace {

using namespace pulp;  // NOLINT(google-build-using-namespace)

const Machine kMachine;

// 64 bytes from L3 through L2 into L1, rescaled, and back to L2, where a probe reads them.
Program small_program() {
  Program program;
  program.constants = std::string(64, '\3') + std::string(64, '\5');
  program.l1_bytes = 1024;
  program.l2_bytes = 1024;
  program.l3_bytes = 128;
  program.instructions = {
      L3Transfer{.l3 = 0, .l2 = 0, .length = 64},
      L3Wait{0},
      Barrier{},
      Dma{.l2 = 0, .l1 = 0, .length = 16, .lines = 4, .l2_line_stride = 16, .l1_line_stride = 16},
      DmaWait{0},
      Barrier{},
      Kernel{.kind = KernelKind::PointwiseHo,
             .in = 0,
             .weights = 0,
             .out = 128,
             .scratch = 512,
             .in_c = 64,
             .in_bits = 4},
      Dma{.to_l1 = false, .l2 = 256, .l1 = 128, .length = 1},
      DmaWait{0},
      DmaWait{0},
  };
  program.probes = {{.place = {.value = "y",
                               .address = 256,
                               .channels = 1,
                               .height = 1,
                               .width = 1,
                               .pixel_stride = 1,
                               .row_stride = 1},
                     .after = 9}};
  return program;
}

std::string without(std::size_t instruction) {
  return equivalent(small_program(), {PulpMutantKind::Wait, instruction, "", 0}, kMachine);
}

std::string moved(std::size_t instruction, const char* field, std::int64_t value) {
  return equivalent(small_program(), {PulpMutantKind::L1Address, instruction, field, value},
                    kMachine);
}

TEST(PulpMutantJudge, a_wait_or_barrier_that_orders_something_is_needed) {
  EXPECT_EQ(depends_on_timing(small_program(), kMachine), "");
  for (const std::size_t needed : {1u, 2u, 4u, 5u}) EXPECT_EQ(without(needed), "") << needed;
}

TEST(PulpMutantJudge, the_second_of_two_waits_is_not) {
  EXPECT_EQ(without(8), "everything is ordered without it");
  EXPECT_EQ(without(9), "everything is ordered without it");
}

TEST(PulpMutantJudge, what_a_core_has_waited_for_is_known_to_it_alone) {
  Program program = small_program();
  // Core 0 alone copies line 0 on; the others hold the rest.
  program.instructions[5] = Dma{.to_l1 = false, .l2 = 512, .l1 = 0, .length = 16};
  program.instructions[6] = Code{};
  EXPECT_EQ(depends_on_timing(program, kMachine), "");
  std::get<Dma>(program.instructions[5]).length = 17;
  EXPECT_EQ(depends_on_timing(program, kMachine), "instructions 3 and 5");
}

TEST(PulpMutantJudge, buffers_may_lie_elsewhere_when_nobody_else_is_there) {
  EXPECT_EQ(moved(6, "scratch", 600), "all that is looked at comes from the same bytes");
  EXPECT_EQ(moved(6, "scratch", 100), "");  // over the result
  EXPECT_EQ(moved(6, "scratch", 16), "");   // over what it reads
  EXPECT_EQ(moved(6, "scratch", -1), "");   // nowhere
  EXPECT_EQ(moved(6, "out", 132), "");      // not what is stored
  EXPECT_EQ(moved(6, "in", 40), "");        // other bytes
}

TEST(PulpMutantJudge, equal_constants_are_equal) {
  Program program = small_program();
  EXPECT_EQ(equivalent(program, {PulpMutantKind::L3Address, 0, "l3", 1}, kMachine), "");
  program.constants = std::string(128, '\3');
  EXPECT_NE(equivalent(program, {PulpMutantKind::L3Address, 0, "l3", 1}, kMachine), "");
}

TEST(PulpMutantJudge, barriers_that_do_nothing_are_no_mutants) {
  Program program = small_program();
  const auto barriers = [&] {
    std::mt19937_64 random(1);
    const auto mutants = all_mutants(program, kMachine, random);
    return std::count_if(mutants.begin(), mutants.end(),
                         [](const PulpMutant& m) { return m.kind == PulpMutantKind::Barrier; });
  };
  program.instructions[9] = Barrier{};  // no barrier follows
  EXPECT_EQ(barriers(), 2);
  program.instructions[7] = Barrier{};  // behind a kernel
  EXPECT_EQ(barriers(), 2);
  program.instructions[4] = Barrier{};  // behind another, and no wait between
  EXPECT_EQ(barriers(), 1);
}

TEST(PulpMutantJudge, mutants_are_of_what_does_something) {
  std::mt19937_64 random(1);
  const auto mutants = all_mutants(small_program(), kMachine, random);
  std::size_t waits = 0, barriers = 0;
  for (const PulpMutant& m : mutants) {
    waits += m.kind == PulpMutantKind::Wait ? 1 : 0;
    barriers += m.kind == PulpMutantKind::Barrier ? 1 : 0;
    EXPECT_TRUE(mutated(small_program(), m).instructions != small_program().instructions);
    EXPECT_NE(m.field, "kappa");
  }
  EXPECT_EQ(waits, 3u);  // nothing is left to wait for at the fourth
  EXPECT_EQ(barriers, 2u);
}

}  // namespace
}  // namespace workbench
