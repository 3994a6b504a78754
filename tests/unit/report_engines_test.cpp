// Figures of a card: per engine, and all together at the pace of the slowest.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "explore/report/export.h"
#include "explore/report/text.h"
#include "tests/support/small_report.h"

namespace workbench {
namespace {

Timeline busy_until(std::int64_t end) {
  return {.resources = {"conv"}, .intervals = {interval(0, 1, 0, end, Cause::Work)}, .end = {end}};
}

// 100 MHz: 1000 cycles are 10 us, 100,000 images/s.
TEST(ReportEngines, without_any_the_run_is_the_only_one) {
  const Report report = make_report(two_layers(), busy_until(1000), round_machine());
  ASSERT_EQ(report.engines.size(), 1U);
  EXPECT_DOUBLE_EQ(report.engine_images_per_second, 100'000);
  EXPECT_DOUBLE_EQ(report.images_per_second, 100'000);
  EXPECT_DOUBLE_EQ(report.latency_ms, 0.01);
}

TEST(ReportEngines, the_slowest_sets_the_pace_of_the_card) {
  const Report report =
      make_report(two_layers(), busy_until(1000), round_machine(),
                  {{{1000}, {1000}, {5}, 0}, {{2000}, {2000}, {7}, 0}, {{1000}, {1000}, {0}, 0}});
  EXPECT_DOUBLE_EQ(report.engine_images_per_second, 100'000);
  EXPECT_DOUBLE_EQ(report.engines[1].images_per_second, 50'000);
  EXPECT_DOUBLE_EQ(report.images_per_second, 3 * 50'000.0);
}

TEST(ReportEngines, latency_and_interval_are_different_things_in_throughput_mode) {
  MachineInfo machine = round_machine();
  machine.throughput = true;
  const Report report =
      make_report(two_layers(), busy_until(1000), machine, {{{1700}, {1000}, {0}, 0}});
  EXPECT_DOUBLE_EQ(report.latency_ms, 0.017);
  EXPECT_DOUBLE_EQ(report.run_ms, 0.01);
  EXPECT_DOUBLE_EQ(report.engine_images_per_second, 100'000);
}

TEST(ReportEngines, the_host_of_a_cluster_is_part_of_its_images_that_of_a_card_is_not) {
  ProgramInfo program = two_layers();
  program.host_steps = {{.name = "fc", .op = "Gemm", .reason = "no kernel", .milliseconds = 0.03}};
  MachineInfo machine = round_machine();
  const Report card = make_report(program, busy_until(1000), machine);
  EXPECT_DOUBLE_EQ(card.latency_ms, 0.01);
  EXPECT_DOUBLE_EQ(card.images_per_second, 100'000);
  machine.cluster = true;
  const Report cluster = make_report(program, busy_until(1000), machine);
  EXPECT_DOUBLE_EQ(cluster.run_ms, 0.01);
  EXPECT_DOUBLE_EQ(cluster.latency_ms, 0.04);
  EXPECT_DOUBLE_EQ(cluster.images_per_second, 25'000);
}

TEST(ReportEngines, a_slice_that_is_an_image_ahead_explains_only_what_nothing_else_does) {
  // conv1 (instruction 1) runs on slice 0 all the time; the pool (2) of the image before from 10 to
  // 40, and it is the pool for which the main array has nothing to do then.
  const Timeline timeline{
      .resources = {"conv", "pool", "slice 0 conv"},
      .intervals = {interval(0, -1, 0, 50, Cause::Idle), interval(1, -1, 0, 10, Cause::Idle),
                    interval(1, 2, 10, 40, Cause::Work), interval(1, -1, 40, 50, Cause::Idle),
                    interval(2, 1, 0, 50, Cause::Work)},
      .end = {50}};
  const Report report = make_report(two_layers(), timeline, round_machine());
  EXPECT_EQ(report.layers[1].cycles, Cycles{30});
  EXPECT_EQ(report.layers[0].cycles, Cycles{20});
  EXPECT_EQ(report.layers[0].mac_per_cycle, 0);  // not of this array
}

TEST(ReportEngines, images_of_one_run_all_count) {
  MachineInfo machine = round_machine();
  machine.images = 2;
  const Report report = make_report(two_layers(), busy_until(1000), machine,
                                    {{{1000}, {1000}, {0}, 0}, {{1000}, {1000}, {0}, 0}});
  EXPECT_DOUBLE_EQ(report.engine_images_per_second, 200'000);
  EXPECT_DOUBLE_EQ(report.images_per_second, 400'000);
}

TEST(ReportEngines, both_writers_show_each_engine) {
  RunResult result;
  result.report = make_report(two_layers(), busy_until(1000), round_machine(),
                              {{{1000}, {1000}, {5}, 0}, {{2000}, {2000}, {7}, 0}});
  const auto json = nlohmann::json::parse(json_report(result));
  ASSERT_EQ(json["engines"].size(), 2U);
  EXPECT_EQ(json["engines"][1]["interval_cycles"], 2000);
  EXPECT_EQ(json["engines"][1]["latency_cycles"], 2000);
  EXPECT_EQ(json["engines"][1]["ddr_wait_cycles"], 7);
  EXPECT_EQ(json["totals"]["engines"], 2);
  EXPECT_EQ(json["totals"]["images_per_second"], 100'000);
  EXPECT_EQ(json["machine"]["mode"], "latency");
  EXPECT_EQ(json["machine"]["extrapolated"], false);
  const std::string text = text_report(result, {});
  EXPECT_NE(text.find("engines of the card"), std::string::npos);
  EXPECT_NE(text.find("50000.00"), std::string::npos);
}

}  // namespace
}  // namespace workbench
