#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/error.h"
#include "explore/sweep/search.h"
#include "explore/sweep/sweep.h"

namespace workbench {
namespace {

// A grid of l1 x cores for each of two networks; cycles and l1_bytes as given.
class SweepFront : public testing::Test {
 protected:
  Study study{.name = "grid",
              .networks = {"zoo:a", "zoo:b"},
              .machines = {"gap8"},
              .parameters = {{"l1", {"1k", "2k", "3k", "4k", "5k"}}, {"cores", {"1", "2", "4"}}},
              .options = {{"tiler", "dory"}},
              .objectives = {{"cycles", Better::Lower}, {"l1_bytes", Better::Lower}}};
  std::vector<StudyRow> rows;

  void add(const Choice& choice, Tier tier, double cycles) {
    const Point point = point_of(study, choice, tier);
    rows.push_back(
        {choice,
         {.key = fmt::format("key{}", rows.size()),
          .point = point,
          .result = {.metrics = {{"cycles", cycles},
                                 {"l1_bytes", 1024.0 * static_cast<double>(choice[2] + 1)}}}}});
  }
  // Cycles fall with cores, l1 does not matter: the front is the smallest l1 with the most cores.
  void add_grid(std::size_t network) {
    for (std::size_t l1 = 0; l1 < 5; ++l1) {
      for (std::size_t cores = 0; cores < 3; ++cores) {
        add({network, 0, l1, cores}, Tier::Analytic, 1000.0 / static_cast<double>(cores + 1));
      }
    }
  }
  std::vector<Choice> front() const {
    std::vector<Choice> choices;
    for (const StudyRow& row : rows) {
      if (row.row.on_front) choices.push_back(row.choice);
    }
    return choices;
  }
  SweepReport report() const {
    SweepReport report{.name = "grid",
                       .networks = study.networks,
                       .machines = study.machines,
                       .parameters = {"l1", "cores"},
                       .objectives = study.objectives,
                       .agreement = agreement(study, rows),
                       .store = "s.db"};
    for (const StudyRow& row : rows) report.rows.push_back(row.row);
    return report;
  }
};

TEST_F(SweepFront, every_network_has_a_front_of_its_own) {
  add_grid(0);
  add_grid(1);
  for (std::size_t i = 15; i < 30; ++i) rows[i].row.result.metrics["cycles"] *= 100;
  mark_fronts(study, rows);
  EXPECT_EQ(front(), (std::vector<Choice>{{0, 0, 0, 2}, {1, 0, 0, 2}}));
}

TEST_F(SweepFront, what_breaks_a_constraint_or_is_not_ok_is_on_none) {
  add_grid(0);
  study.constraints = {parse_constraint("l1_bytes > 1k", "c")};
  rows[5].row.result = {.status = PointResult::Status::Infeasible, .reason = "too small"};
  mark_fronts(study, rows);
  // 1k breaks the constraint, {2k, 4 cores} is not ok: the next smaller cycles and l1.
  EXPECT_EQ(front(), (std::vector<Choice>{{0, 0, 1, 1}, {0, 0, 2, 2}}));
  EXPECT_FALSE(rows[0].row.meets);
  EXPECT_FALSE(rows[5].row.meets);
  EXPECT_TRUE(rows[3].row.meets);
}

TEST_F(SweepFront, rows_without_an_objective_are_on_none) {
  add_grid(0);
  rows[2].row.result.metrics.erase("cycles");
  mark_fronts(study, rows);
  EXPECT_EQ(front(), (std::vector<Choice>{{0, 0, 0, 1}, {0, 0, 1, 2}}));
}

TEST_F(SweepFront, the_tiers_have_fronts_apart) {
  add_grid(0);
  add({0, 0, 4, 0}, Tier::Transaction, 1e6);
  mark_fronts(study, rows);
  EXPECT_EQ(front(), (std::vector<Choice>{{0, 0, 0, 2}, {0, 0, 4, 0}}));
}

TEST_F(SweepFront, neighbours_differ_in_one_parameter) {
  add_grid(0);
  add_grid(1);
  mark_fronts(study, rows);
  EXPECT_EQ(choices_to_refine({.neighbours = 0}, rows),
            (std::vector<Choice>{{0, 0, 0, 2}, {1, 0, 0, 2}}));
  const std::vector<Choice> one = choices_to_refine({.neighbours = 1}, rows);
  EXPECT_EQ(std::vector(one.begin(), one.begin() + 3),
            (std::vector<Choice>{{0, 0, 0, 1}, {0, 0, 0, 2}, {0, 0, 1, 2}}));
  EXPECT_EQ(one.size(), 6u);  // the same of the other network
  EXPECT_EQ(choices_to_refine({.neighbours = 2}, rows).size(), 2 * 5u);
}

TEST_F(SweepFront, neighbours_are_as_defined_whatever_is_there) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 50; ++round) {
    rows.clear();
    for (std::size_t network = 0; network < 2; ++network) {
      for (std::size_t l1 = 0; l1 < 5; ++l1) {
        for (std::size_t cores = 0; cores < 3; ++cores) {
          if (random() % 4 == 0) continue;  // left out by a condition
          add({network, 0, l1, cores}, Tier::Analytic, static_cast<double>(random() % 9));
          if (random() % 4 == 0) rows.back().row.result.status = PointResult::Status::Infeasible;
        }
      }
    }
    mark_fronts(study, rows);
    const std::size_t steps = random() % 4;
    std::vector<Choice> expected;
    for (const StudyRow& row : rows) {
      const bool beside = std::ranges::any_of(rows, [&](const StudyRow& other) {
        std::size_t different = 0, distance = 0;
        for (std::size_t i = 0; i < 4; ++i) {
          const std::size_t a = row.choice[i], b = other.choice[i];
          different += a != b;
          distance += a > b ? a - b : b - a;
        }
        return other.row.on_front && row.choice[0] == other.choice[0] && different <= 1 &&
               distance <= steps;
      });
      if (beside && row.row.result.status == PointResult::Status::Ok) {
        expected.push_back(row.choice);
      }
    }
    ASSERT_EQ(choices_to_refine({.neighbours = static_cast<std::int64_t>(steps)}, rows), expected);
  }
}

TEST_F(SweepFront, a_sample_is_drawn_from_the_rest_with_its_seed) {
  add_grid(0);
  mark_fronts(study, rows);
  const auto sample = [&](std::uint64_t seed, std::int64_t count) {
    return choices_to_refine({.neighbours = 0, .sample = count, .seed = seed}, rows);
  };
  EXPECT_EQ(sample(1, 4).size(), 5u);
  EXPECT_EQ(sample(1, 4), sample(1, 4));
  EXPECT_NE(sample(1, 4), sample(2, 4));
  EXPECT_EQ(sample(1, 100).size(), 15u);
  EXPECT_EQ(choices_to_refine({.front = false, .neighbours = 1, .sample = 3}, rows).size(), 3u);
}

TEST_F(SweepFront, tiers_are_compared_on_refined_points) {
  add_grid(0);
  add({0, 0, 0, 0}, Tier::Transaction, 1000);  // analytic 1000
  add({0, 0, 0, 1}, Tier::Transaction, 1250);  // analytic 500: contention changes the order
  add({0, 0, 0, 2}, Tier::Transaction, 400);   // analytic 333.3
  mark_fronts(study, rows);
  const std::vector<TierAgreement> tiers = agreement(study, rows);
  ASSERT_EQ(tiers.size(), 2u);
  EXPECT_EQ(tiers[0].metric, "cycles");
  EXPECT_EQ(tiers[0].points, 3);
  EXPECT_DOUBLE_EQ(tiers[0].kendall_tau, 1.0 / 3);  // 2 pairs agree, 1 does not
  EXPECT_DOUBLE_EQ(tiers[0].mean_absolute_error, (0 + 0.6 + (400 - 1000.0 / 3) / 400) / 3);
  ASSERT_EQ(tiers[0].swaps.size(), 1u);
  EXPECT_EQ(tiers[0].swaps[0].first, 15u);
  EXPECT_EQ(tiers[0].swaps[0].second, 16u);
  EXPECT_EQ(tiers[1].kendall_tau, 1);  // l1_bytes: all the same, in both
}

TEST_F(SweepFront, nothing_refined_is_nothing_compared) {
  add_grid(0);
  EXPECT_TRUE(agreement(study, rows).empty());
}

TEST_F(SweepFront, text_has_front_reasons_and_order_changes) {
  add_grid(0);
  add({0, 0, 0, 0}, Tier::Transaction, 1000);
  add({0, 0, 0, 1}, Tier::Transaction, 1250);
  rows[13].row.result = {.status = PointResult::Status::Infeasible, .reason = "needs 12 bytes"};
  rows[14].row.result = {.status = PointResult::Status::Infeasible, .reason = "needs 7 bytes"};
  rows[15].row.result.bit_exact = true;
  mark_fronts(study, rows);
  const SweepOutcome outcome{.report = report(), .space = "the grid", .run = 3, .excluded = 2};
  const std::string text = sweep_text(outcome);
  for (const char* part :
       {"points   15 analytic, 2 transaction: 15 ok, 2 infeasible; 2 left out by conditions",
        "     2  needs 12 bytes\n        first at zoo:a l1=5k cores=2",
        "pareto front, transaction tier: min cycles, min l1_bytes (1 of 2 points)",
        "zoo:a   1k     1  1,000    1,024             1,000",
        "zoo:a l1=1k cores=1: 1,000 -> 1,000;  zoo:a l1=1k cores=2: 500 -> 1,250",
        "verdict  bit-exact: 1 simulated point as", "store    s.db: run 3"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nnot in\n" << text;
  }
}

TEST_F(SweepFront, csv_has_every_row_quoted_where_needed) {
  add({0, 0, 0, 0}, Tier::Analytic, 1000.5);
  add({0, 0, 0, 1}, Tier::Analytic, 0.1);
  rows[1].row.result = {.status = PointResult::Status::Failed, .reason = "a \"b\", c"};
  add({0, 0, 0, 2}, Tier::Transaction, 1e21);
  rows[2].row.result.bit_exact = false;
  EXPECT_EQ(sweep_csv(report()),
            "network,machine,tiler,l1,cores,tier,status,bit_exact,reason,cycles,l1_bytes,key\n"
            "zoo:a,gap8,dory,1k,1,analytic,ok,,,1000.5,1024,key0\n"
            "zoo:a,gap8,dory,1k,2,analytic,failed,,\"a \"\"b\"\", c\",,,key1\n"
            "zoo:a,gap8,dory,1k,4,transaction,ok,false,,1e+21,1024,key2\n");
}

}  // namespace
}  // namespace workbench
