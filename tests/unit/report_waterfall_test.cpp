#include <gtest/gtest.h>

#include "explore/report/report.h"
#include "tests/support/small_report.h"

namespace workbench {
namespace {

std::int64_t cycles(const Waterfall& waterfall, Step step) {
  return waterfall[static_cast<std::size_t>(step)].value;
}

// download: loads conv1's input in [2, 8), of which [4, 6) waits for the memory.
// conv:     waits until 8, works [8, 20), drains [20, 22), waits for weights [22, 25), idle.
// pool:     works [24, 30).
// Run ends at 33.
Timeline small_timeline() {
  return {
      .resources = {"download", "conv", "pool"},
      .intervals = {interval(0, -1, 0, 2, Cause::Idle), interval(0, 0, 2, 4, Cause::Work, 64),
                    interval(0, 0, 4, 6, Cause::MemoryWait), interval(0, 0, 6, 8, Cause::Work, 64),
                    interval(0, -1, 8, 33, Cause::Idle), interval(1, 1, 0, 8, Cause::WaitEngine),
                    interval(1, 1, 8, 20, Cause::Work), interval(1, 1, 20, 22, Cause::FillDrain),
                    interval(1, 1, 22, 25, Cause::WeightLoad), interval(1, -1, 25, 33, Cause::Idle),
                    interval(2, -1, 0, 24, Cause::Idle), interval(2, 2, 24, 30, Cause::Work),
                    interval(2, -1, 30, 33, Cause::Idle)},
      .end = {33}};
}

TEST(Waterfall, every_cycle_has_one_layer_and_one_cause) {
  const Report report = make_report(two_layers(), small_timeline(), round_machine());
  // conv1: [0,2) all engines idle, conv1's load is next: issue 2. [2,4)+[6,8) another engine: 4.
  // [4,6) the loader waits for memory: ddr stall 2. Work 12 of which 100 MACs / 10 = 10 ideal.
  const LayerReport& conv = report.layers[0];
  EXPECT_EQ(cycles(conv.waterfall, Step::Issue), 2);
  EXPECT_EQ(cycles(conv.waterfall, Step::OtherEngine), 4);
  EXPECT_EQ(cycles(conv.waterfall, Step::MemoryWait), 2);
  EXPECT_EQ(cycles(conv.waterfall, Step::Ideal), 10);
  EXPECT_EQ(cycles(conv.waterfall, Step::EdgeAndPadding), 2);
  EXPECT_EQ(cycles(conv.waterfall, Step::FillAndDrain), 2);
  EXPECT_EQ(cycles(conv.waterfall, Step::WeightLoad), 3);
  EXPECT_EQ(conv.cycles.value, 25);
  // pool1: the array is idle from 25 on; [25,30) the pool works, [30,33) the end: last layer.
  const LayerReport& pool = report.layers[1];
  EXPECT_EQ(cycles(pool.waterfall, Step::OtherEngine), 5);
  EXPECT_EQ(cycles(pool.waterfall, Step::Issue), 3);
  EXPECT_EQ(pool.cycles.value, 8);
}

TEST(Waterfall, totals_follow_from_cycles_and_clock) {
  const Report report = make_report(two_layers(), small_timeline(), round_machine());
  EXPECT_EQ(report.cycles.value, 33);
  EXPECT_DOUBLE_EQ(report.run_ms, 33 * 10e-6);  // 10 ns each
  EXPECT_DOUBLE_EQ(report.engine_images_per_second, 1e9 / 330);
  EXPECT_DOUBLE_EQ(report.mac_per_cycle, 100.0 / 33);
  EXPECT_DOUBLE_EQ(report.array_efficiency, 10.0 / 33);
  EXPECT_EQ(report.external_bytes, 128);
}

TEST(Waterfall, busy_spans_include_overlap) {
  const Report report = make_report(two_layers(), small_timeline(), round_machine());
  EXPECT_EQ(report.layers[0].busy_cycles.value, 23);  // load begins at 2, weights come until 25
  EXPECT_EQ(report.layers[1].busy_cycles.value, 6);
}

TEST(Waterfall, ideal_is_never_more_than_the_work) {
  ProgramInfo program = two_layers();
  program.layers[0].macs = 1000;  // 100 ideal cycles, but the array worked 12: merged elsewhere
  const Report report = make_report(program, small_timeline(), round_machine());
  EXPECT_EQ(cycles(report.layers[0].waterfall, Step::Ideal), 12);
  EXPECT_EQ(cycles(report.layers[0].waterfall, Step::EdgeAndPadding), 0);
}

TEST(Waterfall, the_earliest_instruction_explains_an_idle_array) {
  // conv does nothing; the load of conv1 (instruction 0) and the pool (2) overlap in [0, 4).
  const Timeline timeline = {
      .resources = {"download", "conv", "pool"},
      .intervals = {interval(0, 0, 0, 4, Cause::Work), interval(0, -1, 4, 6, Cause::Idle),
                    interval(1, -1, 0, 6, Cause::Idle), interval(2, 2, 0, 6, Cause::Work)},
      .end = {6}};
  const Report report = make_report(two_layers(), timeline, round_machine());
  EXPECT_EQ(report.layers[0].cycles.value, 4);
  EXPECT_EQ(report.layers[1].cycles.value, 2);
}

TEST(Waterfall, waits_are_named_most_first) {
  const Report report = make_report(two_layers(), small_timeline(), round_machine());
  // Of 25 cycles: engine 4 = 16 %, weights 3 = 12 %, then fill, ddr, issue with 2 = 8 % each.
  EXPECT_EQ(report.layers[0].waits, "engine 16%, weights 12%, fill 8%, ddr 8%, issue 8%");
}

TEST(Waterfall, a_network_that_runs_on_the_host_alone_has_no_cycles) {
  ProgramInfo program{.network = "net", .machine = "round"};
  program.host_steps = {{.name = "fc", .op = "Gemm", .reason = "no engine", .milliseconds = 1.5}};
  const Report report = make_report(program, Timeline{.resources = {"conv"}}, round_machine());
  EXPECT_EQ(report.cycles.value, 0);
  EXPECT_EQ(report.engine_images_per_second, 0);
  EXPECT_EQ(report.host_ms, 1.5);
  EXPECT_EQ(report.latency_ms, 0);
}

}  // namespace
}  // namespace workbench
