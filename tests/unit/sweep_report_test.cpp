#include "explore/sweep/sweep_report.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace workbench {
namespace {

using Json = nlohmann::json;

SweepRow row(const std::string& key, double cycles, std::vector<LayerFigures> layers = {}) {
  SweepRow made{.key = key, .point = {.network = "zoo:x", .machine = "v3_96"}};
  made.result.metrics = {{"cycles", cycles}};
  made.result.layers = std::move(layers);
  return made;
}

std::vector<LayerFigures> two_layers(double first) {
  return {{.name = "a", .op = "Conv", .shape = "1x2x3", .metrics = {{"cycles", first}}},
          {.name = "b", .op = "Pool", .shape = "1x1x1", .metrics = {{"macs", 7}}}};
}

TEST(SweepJson, metrics_are_described_in_the_order_of_their_table_and_unknown_ones_last) {
  SweepReport report{.objectives = {{"cycles", Better::Lower}, {"made_up", Better::Higher}}};
  report.rows = {row("k", 5)};
  report.rows[0].result.metrics["made_up"] = 2;
  report.rows[0].result.metrics["latency_ms"] = 0.25;
  const Json json = Json::parse(sweep_json(report));
  ASSERT_EQ(json["metrics"].size(), 3u);
  EXPECT_EQ(json["metrics"][0]["name"], "cycles");
  EXPECT_EQ(json["metrics"][0]["better"], "lower");
  EXPECT_EQ(json["metrics"][1]["name"], "latency_ms");
  EXPECT_EQ(json["metrics"][1]["unit"], "ms");
  EXPECT_EQ(json["metrics"][2]["name"], "made_up");
  EXPECT_EQ(json["objectives"][1], (Json{{"metric", "made_up"}, {"better", "higher"}}));
  EXPECT_EQ(json["points"][0]["metrics"]["latency_ms"], 0.25);
}

TEST(SweepJson, counts_are_integers_and_what_is_infinite_is_null) {
  SweepReport report;
  report.rows = {row("k", 3e12), row("l", std::numeric_limits<double>::infinity())};
  const Json json = Json::parse(sweep_json(report));
  EXPECT_TRUE(json["points"][0]["metrics"]["cycles"].is_number_integer());
  EXPECT_EQ(json["points"][0]["metrics"]["cycles"], 3000000000000);
  EXPECT_TRUE(json["points"][1]["metrics"]["cycles"].is_null());
}

TEST(SweepJson, layers_of_many_points_are_named_once) {
  SweepReport report;
  report.rows = {row("k", 5, two_layers(1)), row("l", 6, two_layers(2)),
                 row("m", 7, {{.name = "c", .metrics = {{"cycles", 3}}}})};
  const Json json = Json::parse(sweep_json(report));
  ASSERT_EQ(json["layer_sets"].size(), 2u);
  EXPECT_EQ(json["layer_sets"][0][1], (Json{{"name", "b"}, {"op", "Pool"}, {"shape", "1x1x1"}}));
  EXPECT_EQ(json["points"][1]["layers"]["set"], 0);
  EXPECT_EQ(json["points"][1]["layers"]["figures"]["cycles"], (Json{2, nullptr}));
  EXPECT_EQ(json["points"][1]["layers"]["figures"]["macs"], (Json{nullptr, 7}));
  EXPECT_EQ(json["points"][2]["layers"]["set"], 1);
  EXPECT_FALSE(json["points"][2]["layers"]["figures"].contains("macs"));
}

TEST(SweepJson, beyond_the_limit_only_the_front_and_refined_points_keep_their_layers) {
  SweepReport report;
  report.rows = {row("k", 5, two_layers(1)), row("l", 6, two_layers(2)),
                 row("m", 7, two_layers(3))};
  report.rows[1].on_front = true;
  report.rows[2].point.tier = Tier::Transaction;
  EXPECT_TRUE(Json::parse(sweep_json(report, 6))["points"][0].contains("layers"));
  const Json json = Json::parse(sweep_json(report, 5));
  EXPECT_FALSE(json["points"][0].contains("layers"));
  EXPECT_TRUE(json["points"][1].contains("layers"));
  EXPECT_TRUE(json["points"][2].contains("layers"));
}

TEST(SweepJson, the_verdict_is_null_where_nothing_was_compared) {
  SweepReport report;
  report.rows = {row("k", 5), row("l", 5)};
  report.rows[1].result.bit_exact = false;
  report.rows[1].result.status = PointResult::Status::Failed;
  report.rows[1].result.reason = "not UTF-8: \xff";
  const Json json = Json::parse(sweep_json(report));
  EXPECT_TRUE(json["points"][0]["bit_exact"].is_null());
  EXPECT_EQ(json["points"][1]["bit_exact"], false);
  EXPECT_EQ(json["points"][1]["status"], "failed");
}

}  // namespace
}  // namespace workbench
