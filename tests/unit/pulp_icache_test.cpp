#include <gtest/gtest.h>

#include "isa/pulp/cost.h"
#include "isa/pulp/icache.h"
#include "isa/pulp/schedule.h"
#include "sim/pulp/simulate.h"

namespace workbench::pulp {
namespace {

// The register goes 0, 1, 3, 6, 13, 27 and names ways 0, 1, 3, 2 and 1: four lines of a set of four
// ways displace none of each other, a fifth displaces the second.
TEST(PulpICache, a_line_replaces_the_way_that_the_register_names) {
  CodeCache cache(64, 4, 16);
  for (std::int64_t line = 0; line < 4; ++line) EXPECT_TRUE(cache.misses(line));
  for (std::int64_t line = 0; line < 4; ++line) EXPECT_FALSE(cache.misses(line));
  EXPECT_TRUE(cache.misses(4));
  EXPECT_FALSE(cache.misses(0));
  EXPECT_FALSE(cache.misses(2));
  EXPECT_FALSE(cache.misses(3));
  EXPECT_TRUE(cache.misses(1));
}

TEST(PulpICache, lines_of_different_sets_do_not_displace_each_other) {
  CodeCache cache(64, 1, 16);  // 4 sets
  for (std::int64_t line = 0; line < 4; ++line) EXPECT_TRUE(cache.misses(line));
  EXPECT_TRUE(cache.misses(5));
  EXPECT_TRUE(cache.misses(1));
  EXPECT_FALSE(cache.misses(0));
}

// A loop of `instructions` with `trips`, 10 instructions before it.
CoreCode loop_code(std::int64_t instructions, std::int64_t trips) {
  const Machine machine;
  CodeBuilder builder(machine);
  builder.work({.instructions = 10});
  builder.loop(trips, [&](int) { builder.work({.instructions = instructions}); });
  return builder.take();
}

std::int64_t with_refills(CoreCode code, std::int64_t private_bytes) {
  const Machine machine;
  const std::int64_t before = code_cost(code, machine).cycles;
  add_private_refills(code, {.private_bytes = private_bytes, .private_miss_cycles = 2});
  return code_cost(code, machine).cycles - before;
}

// 40 bytes are lines 0 to 2, the last of which the loop's 40 share; they end in line 4.
TEST(PulpICache, code_that_fits_is_fetched_once) {
  EXPECT_EQ(with_refills(loop_code(10, 100), 1024), 2 * 5);
}

// A cache of one line in one set: all lines of each iteration, but that which the loop begins in
// once more before it.
TEST(PulpICache, code_that_does_not_fit_is_fetched_in_every_iteration) {
  EXPECT_EQ(with_refills(loop_code(10, 100), 16), 2 * (3 + 100 * 3 - 1));
}

TEST(PulpICache, code_that_exists_once_takes_its_bytes_once) {
  const Machine machine;
  CodeBuilder builder(machine);
  Routine routine;
  for (int i = 0; i < 3; ++i) {
    builder.run(routine, [&] { builder.work({.instructions = 8}); });
    builder.work({.instructions = 1});
  }
  EXPECT_EQ(code_bytes(builder.take()), 4 * (8 + 3));
}

Kernel pointwise(std::int64_t channels) {
  return {.kind = KernelKind::PointwiseHo, .in_c = channels, .out_c = channels, .norm = true};
}

Machine with_cache(std::int64_t shared_bytes) {
  Machine machine;
  machine.icache = {.ideal = 0, .private_bytes = 0, .shared_bytes = shared_bytes};
  return machine;
}

TEST(PulpICache, a_kernel_is_fetched_when_it_first_runs_and_when_others_have_displaced_it) {
  Program program;
  program.instructions = {pointwise(4), pointwise(4), Code{.instructions = 100}, pointwise(4)};
  const Machine large = with_cache(1 << 16);
  const std::int64_t lines = ceil_div(code_bytes(pointwise(4), large), 16);
  EXPECT_EQ(shared_refills(program, large),
            (std::vector<std::int64_t>{lines * 15, 0, 25 * 15, 0}));  // 400 bytes
  const Machine small = with_cache(16);                               // one line
  EXPECT_EQ(shared_refills(program, small),
            (std::vector<std::int64_t>{lines * 15, lines * 15, 25 * 15, lines * 15}));
  EXPECT_EQ(shared_refills(program, Machine{}), std::vector<std::int64_t>(4, 0));
}

TEST(PulpICache, layers_are_functions_of_their_own) {
  Program program;
  program.instructions = {Code{.instructions = 4}, Code{.instructions = 4},
                          Code{.instructions = 4}};
  program.info.layers = {{.name = "a"}, {.name = "b"}};
  program.info.instruction_layer = {0, 0, 1};
  EXPECT_EQ(shared_refills(program, with_cache(4096)), (std::vector<std::int64_t>{15, 0, 15}));
}

TEST(PulpICache, code_that_runs_more_than_once_has_fewer_lines) {
  Program program;
  program.instructions = {Code{.instructions = 100}};
  program.info.layers = {{.name = "a"}};
  program.info.instruction_layer = {0};
  Machine machine = with_cache(4096);
  machine.code.instruction_bytes = 2;  // 200 bytes: 13 lines of 16
  EXPECT_EQ(shared_refills(program, machine), std::vector<std::int64_t>{13 * 15});
}

TEST(PulpICache, both_tiers_wait_for_the_shared_cache) {
  Program program;
  program.instructions = {Code{.instructions = 100}};
  program.info.layers = {{.name = "a"}};
  program.info.instruction_layer = {0};
  const Machine machine = with_cache(4096);
  const std::int64_t cycles = 100 + 25 * 15;
  EXPECT_EQ(simulate(program, machine, {}, {.values = false}).timeline.end.value, cycles);
  EXPECT_EQ(analytic_schedule(program, machine).earliest.end.value, cycles);
  EXPECT_EQ(analytic_schedule(program, machine).expected.end.value, cycles);
}

}  // namespace
}  // namespace workbench::pulp
