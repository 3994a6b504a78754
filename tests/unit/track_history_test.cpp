#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "explore/track/history.h"
#include "tests/support/track_records.h"

namespace workbench::track {
namespace {

// Revisions r0, r1, ... a day apart, one case each.
std::vector<Baseline> revisions(const std::vector<std::int64_t>& extra_cycles) {
  std::vector<Baseline> runs;
  for (std::size_t i = 0; i < extra_cycles.size(); ++i) {
    Baseline run{.name = "small",
                 .revision = fmt::format("r{}", i),
                 .date = fmt::format("2026-11-{:02}T00:00:00Z", i + 1),
                 .cases = {small_case()}};
    slow_down(run.cases[0], 1, extra_cycles[i]);
    runs.push_back(std::move(run));
  }
  return runs;
}

TEST(TrackHistory, a_step_is_where_cycles_moved_and_nowhere_else) {
  const History history = history_of(revisions({0, 0, 20, 20, 20, 5}));
  ASSERT_EQ(history.cases.size(), 1U);
  const std::vector<HistoryStep>& steps = history.cases[0].steps;
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0].run, 2U);
  EXPECT_EQ(steps[0].previous, 1U);
  EXPECT_EQ(steps[0].change.kind, CaseChange::Kind::Worse);
  EXPECT_EQ(steps[0].change.layers[0].name, "conv2");
  EXPECT_EQ(steps[1].run, 5U);
  EXPECT_EQ(steps[1].change.kind, CaseChange::Kind::Better);
}

TEST(TrackHistory, a_run_without_the_case_is_a_gap) {
  std::vector<Baseline> runs = revisions({0, 0, 20});
  runs[1].cases.clear();
  const History history = history_of(runs);
  const CaseHistory& one = history.cases[0];
  EXPECT_FALSE(one.figures.at("cycles")[1].has_value());
  ASSERT_EQ(one.steps.size(), 1U);
  EXPECT_EQ(one.steps[0].previous, 0U);  // the last that had it
}

TEST(TrackHistory, dates_order_runs_when_all_have_one) {
  std::vector<Baseline> runs = revisions({0, 1, 2});
  std::swap(runs[0], runs[2]);
  EXPECT_EQ(oldest_first(runs)[0].revision, "r0");
  runs[1].date.clear();
  EXPECT_EQ(oldest_first(runs)[0].revision, "r2");
}

TEST(TrackHistory, json_has_a_value_or_null_per_run_and_the_steps_by_index) {
  std::vector<Baseline> runs = revisions({0, 0, 20});
  runs[0].cases[0].wall = WallRecord{{1, 2, 4}};
  const auto json = nlohmann::json::parse(track_json(history_of(runs)));
  EXPECT_EQ(json["runs"].size(), 3U);
  const auto& one = json["cases"][0];
  EXPECT_EQ(one["figures"][0]["name"], "cycles");
  EXPECT_EQ(one["figures"][0]["values"], (nlohmann::json{3500, 3500, 3520}));
  EXPECT_EQ(one["steps"][0]["run"], 2);
  EXPECT_EQ(one["steps"][0]["causes"][0]["kind"], "simulator's model");
  EXPECT_EQ(one["wall"]["seconds"][0]["median"], 2);
  EXPECT_TRUE(one["wall"]["seconds"][1].is_null());
}

TEST(TrackHistory, text_names_the_revision_of_a_step) {
  const std::string text = history_text(history_of(revisions({0, 35})));
  EXPECT_NE(text.find("worse at r1 (2026-11-02), after r0 (2026-11-01)"), std::string::npos)
      << text;
  EXPECT_NE(text.find("cycles 3,500 -> 3,535 (+1.00 %)"), std::string::npos) << text;
}

TEST(TrackHistory, runs_without_a_revision_are_told_apart_by_their_place) {
  History history = history_of(revisions({0, 35}));
  for (RunLabel& run : history.runs) run.revision = run.date = "";
  const std::string text = history_text(history);
  EXPECT_EQ(text.rfind("2 runs, run 1 to run 2\n", 0), 0U) << text;
  EXPECT_NE(text.find("worse at run 2, after run 1\n"), std::string::npos) << text;
}

TEST(TrackWall, the_interval_of_a_median_leaves_out_as_many_as_coins_allow) {
  // 2 * P(no head of 6) = 2/64 <= 0.05 < 2 * P(no head of 5); P(<= 1 of 9) = 10/512 <= 0.025.
  EXPECT_FALSE(median_interval({1, 2, 3, 4, 5}).has_value());
  const auto six = median_interval({6, 2, 3, 4, 5, 1});
  ASSERT_TRUE(six.has_value());
  EXPECT_EQ(six->low, 1);
  EXPECT_EQ(six->high, 6);
  const auto nine = median_interval({9, 2, 3, 4, 5, 1, 7, 8, 6});
  EXPECT_EQ(nine->low, 2);
  EXPECT_EQ(nine->high, 8);
}

TEST(TrackWall, pairs_take_out_what_slows_both_down) {
  PairedTimes times;
  for (int i = 0; i < 20; ++i) {
    const double machine = 1 + 0.5 * (i % 5);  // half as slow again and more, from pair to pair
    times.before.push_back(machine);
    times.after.push_back(machine * (i % 2 == 0 ? 1.10 : 1.12));
  }
  const PairedDifference difference = paired_difference(times);
  EXPECT_NEAR(difference.percent, 11, 1.01);
  EXPECT_GT(difference.interval->low, 9.9);
  EXPECT_LT(difference.interval->high, 12.1);
}

TEST(TrackWall, a_change_point_is_found_and_an_outlier_is_none) {
  std::vector<double> values;
  for (int i = 0; i < 12; ++i) values.push_back(1 + 0.01 * (i % 3));
  EXPECT_TRUE(change_points(values).empty());
  values[5] = 9;
  EXPECT_TRUE(change_points(values).empty());
  for (int i = 0; i < 12; ++i) values.push_back(1.2 + 0.01 * (i % 3));
  EXPECT_EQ(change_points(values), std::vector<std::size_t>{12});
  for (int i = 0; i < 12; ++i) values.push_back(0.8 + 0.01 * (i % 3));
  EXPECT_EQ(change_points(values), (std::vector<std::size_t>{12, 24}));
}

}  // namespace
}  // namespace workbench::track
