// Studies against brute force: ranges, conditions, fronts, ranks, and a search that must find what
// enumeration finds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "core/error.h"
#include "explore/sweep/conditions.h"
#include "explore/sweep/objectives.h"
#include "explore/sweep/search.h"
#include "explore/sweep/study.h"
#include "explore/sweep/values.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 20261122;

class SweepStudyProperty : public testing::Test {
 protected:
  void SetUp() override { RecordProperty("seed", std::to_string(kSeed)); }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
  }
  std::mt19937_64 random{kSeed};
};

TEST_F(SweepStudyProperty, linear_ranges_are_low_plus_whole_steps) {
  for (int round = 0; round < 200; ++round) {
    const std::int64_t low = between(-500, 500), step = between(1, 40), count = between(1, 30);
    const std::int64_t high = low + step * (count - 1);
    const auto text = [](std::int64_t hundredths) {
      return fmt::format("{}{}.{:02}", hundredths < 0 ? "-" : "", std::abs(hundredths) / 100,
                         std::abs(hundredths) % 100);
    };
    const std::vector<std::string> values =
        parse_values(text(low) + ".." + text(high) + ":" + text(step), "range");
    ASSERT_EQ(values.size(), static_cast<std::size_t>(count)) << text(low) << text(high);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::string& value = values[static_cast<std::size_t>(i)];
      // The nearest double of the exact value: hundredths / 100 is correctly rounded.
      ASSERT_EQ(numeric_value(value), static_cast<double>(low + step * i) / 100) << value;
      const bool canonical = value.find('.') == std::string::npos || value.back() != '0';
      ASSERT_TRUE(canonical) << value;
    }
    if (count < 2) continue;
    EXPECT_THROW(parse_values(text(low) + ".." + text(high + 1) + ":" + text(step + 1 + high - low),
                              "range"),
                 Error);
  }
}

TEST_F(SweepStudyProperty, any_text_is_values_or_one_line) {
  const std::string letters = "0123456789..,,::xnkM+-e ab";
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::int64_t i = between(0, 12); i > 0; --i) {
      text += letters[static_cast<std::size_t>(between(0, 25))];
    }
    try {
      const std::vector<std::string> values = parse_values(text, "here");
      ASSERT_FALSE(values.empty()) << text;
      if (values.size() > 1000) continue;
      // Canonical: read again, they stay as they are.
      ASSERT_EQ(parse_values(std::span(values), "again"), values) << text;
    } catch (const Error& error) {
      ASSERT_EQ(std::string(error.what()).rfind("here: expected ", 0), 0u) << text << error.what();
    }
  }
}

TEST_F(SweepStudyProperty, choices_are_those_that_a_plain_loop_leaves) {
  for (int round = 0; round < 50; ++round) {
    Study study{.name = "random", .networks = {"a", "b"}, .machines = {"m"}};
    std::vector<std::int64_t> sizes;
    for (const char* name : {"p", "q.r", "s-t"}) {
      Dimension& dimension = study.parameters.emplace_back(Dimension{name, {}});
      sizes.push_back(between(1, 6));
      for (std::int64_t i = 0; i < sizes.back(); ++i) dimension.values.push_back(std::to_string(i));
    }
    const std::int64_t bound = between(0, 20);
    study.conditions = {fmt::format("p*q.r + s-t <= {}", bound), "s-t != 1 || p == q.r"};
    std::vector<Choice> expected;
    for (std::size_t n = 0; n < 2; ++n) {
      for (std::int64_t p = 0; p < sizes[0]; ++p) {
        for (std::int64_t q = 0; q < sizes[1]; ++q) {
          for (std::int64_t s = 0; s < sizes[2]; ++s) {
            if (p * q + s > bound || !(s != 1 || p == q)) continue;
            expected.push_back({n, 0, static_cast<std::size_t>(p), static_cast<std::size_t>(q),
                                static_cast<std::size_t>(s)});
          }
        }
      }
    }
    ASSERT_EQ(choices(study), expected) << "round " << round;
  }
}

// By definition, in quadratic time.
std::vector<std::size_t> naive_front(const std::vector<std::vector<double>>& points) {
  std::vector<std::size_t> front;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const bool beaten = std::ranges::any_of(points, [&](const std::vector<double>& other) {
      bool no_larger = true, smaller = false;
      for (std::size_t k = 0; k < other.size(); ++k) {
        no_larger = no_larger && other[k] <= points[i][k];
        smaller = smaller || other[k] < points[i][k];
      }
      return no_larger && smaller;
    });
    if (!beaten) front.push_back(i);
  }
  return front;
}

TEST_F(SweepStudyProperty, the_front_is_what_nothing_dominates) {
  for (int round = 0; round < 200; ++round) {
    const std::int64_t objectives = between(1, 4);
    std::vector<std::vector<double>> points(static_cast<std::size_t>(between(0, 60)));
    for (std::vector<double>& point : points) {
      for (std::int64_t k = 0; k < objectives; ++k) {
        point.push_back(static_cast<double>(between(0, 8)));  // many are equal
      }
    }
    ASSERT_EQ(pareto_front(points), naive_front(points)) << "round " << round;
  }
}

// Kendall (1945): concordant less discordant pairs over the geometric mean of the pairs each
// orders.
double naive_tau(const Paired& values) {
  double concordant = 0, discordant = 0, only_estimate = 0, only_truth = 0;
  for (std::size_t i = 0; i < values.truth.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (values.group[i] != values.group[j]) continue;
      const double estimate = values.estimate[i] - values.estimate[j];
      const double truth = values.truth[i] - values.truth[j];
      if (estimate * truth > 0) ++concordant;
      if (estimate * truth < 0) ++discordant;
      if (estimate != 0 && truth == 0) ++only_estimate;
      if (estimate == 0 && truth != 0) ++only_truth;
    }
  }
  const double both = concordant + discordant;
  const double pairs = std::sqrt((both + only_estimate) * (both + only_truth));
  return pairs == 0 ? (both + only_estimate + only_truth == 0 ? 1 : 0)
                    : (concordant - discordant) / pairs;
}

TEST_F(SweepStudyProperty, tau_and_swaps_are_counted_as_defined) {
  for (int round = 0; round < 200; ++round) {
    Paired values;
    for (std::int64_t i = between(0, 30); i > 0; --i) {
      values.truth.push_back(static_cast<double>(between(1, 12)));
      values.estimate.push_back(static_cast<double>(between(1, 12)));
      values.group.push_back(static_cast<std::size_t>(between(0, 1)));
    }
    ASSERT_NEAR(kendall_tau(values), naive_tau(values), 1e-12);
    std::set<std::pair<std::size_t, std::size_t>> expected, found;
    for (std::size_t i = 0; i < values.truth.size(); ++i) {
      for (std::size_t j = i + 1; j < values.truth.size(); ++j) {
        const double product =
            (values.estimate[i] - values.estimate[j]) * (values.truth[i] - values.truth[j]);
        if (values.group[i] == values.group[j] && product < 0) expected.emplace(i, j);
      }
    }
    double last = INFINITY;
    for (const SwappedPair& pair : swapped_pairs(values)) {
      found.emplace(pair.first, pair.second);
      ASSERT_LE(pair.difference, last);
      last = pair.difference;
    }
    ASSERT_EQ(found, expected);
  }
}

TEST(SweepRanks, known_values) {
  // Of 6 pairs 5 agree, 1 does not: (5 - 1) / 6.
  EXPECT_DOUBLE_EQ(kendall_tau({{1, 2, 3, 4}, {10, 20, 40, 30}, {0, 0, 0, 0}}), 4.0 / 6);
  EXPECT_EQ(kendall_tau({{1, 2, 3}, {5, 6, 7}, {0, 0, 0}}), 1);
  EXPECT_EQ(kendall_tau({{1, 2, 3}, {7, 6, 5}, {0, 0, 0}}), -1);
  EXPECT_EQ(kendall_tau({{1, 1}, {5, 6}, {0, 0}}), 0);
  EXPECT_EQ(kendall_tau({{1, 2}, {6, 5}, {0, 1}}), 1);  // two networks: nothing to compare
  EXPECT_DOUBLE_EQ(mean_absolute_relative_error({{9, 22}, {10, 20}, {0, 0}}), 0.1);
  EXPECT_EQ(mean_absolute_relative_error({}), 0);
}

// 20^4 points with two objectives that pull apart, and a third index that only hurts.
std::vector<double> landscape(const Choice& choice) {
  const double a = static_cast<double>(choice[1]), b = static_cast<double>(choice[2]),
               c = static_cast<double>(choice[3]), d = static_cast<double>(choice[4]);
  return {std::pow(a - 3, 2) + std::pow(b - 5, 2) + c + std::abs(d - 7),
          std::pow(a - 12, 2) + std::pow(b - 5, 2) + c + std::abs(d - 7)};
}

std::vector<Choice> asked(std::uint64_t seed) {
  std::vector<Choice> all;
  const std::vector<std::size_t> sizes = {1, 20, 20, 20, 20};
  search_front(sizes, 2, {.population = 60, .generations = 60, .seed = seed},
               [&](std::span<const Choice> batch) {
                 std::vector<std::vector<double>> values;
                 for (const Choice& choice : batch) {
                   values.push_back(landscape(choice));
                   all.push_back(choice);
                 }
                 return values;
               });
  return all;
}

TEST(SweepSearch, finds_the_front_of_a_large_space_from_few_points) {
  const std::vector<Choice> all = asked(1);
  EXPECT_LT(all.size(), 61 * 60u);  // of 160000
  EXPECT_EQ(std::set<Choice>(all.begin(), all.end()).size(), all.size()) << "asked twice";
  // The true front: a from 3 to 12, b = 5, c = 0, d = 7.
  std::size_t found = 0;
  for (std::size_t a = 3; a <= 12; ++a) {
    found += static_cast<std::size_t>(std::ranges::count(all, Choice{0, a, 5, 0, 7}));
  }
  EXPECT_GE(found, 9u) << "of 10, in " << all.size() << " points";
}

TEST(SweepSearch, the_same_seed_asks_the_same) {
  EXPECT_EQ(asked(7), asked(7));
  EXPECT_NE(asked(7), asked(8));
}

TEST(SweepSearch, one_objective_and_spaces_of_one_point) {
  Choice best;
  double least = INFINITY;
  const std::vector<std::size_t> sizes = {1, 30, 30};
  search_front(sizes, 1, {.population = 20, .generations = 20}, [&](std::span<const Choice> batch) {
    std::vector<std::vector<double>> values;
    for (const Choice& choice : batch) {
      const double value = std::abs(static_cast<double>(choice[1]) - 11) +
                           std::abs(static_cast<double>(choice[2]) - 29);
      if (value < least) {
        least = value;
        best = choice;
      }
      values.push_back({value});
    }
    return values;
  });
  EXPECT_EQ(best, (Choice{0, 11, 29}));
  std::size_t calls = 0;
  const std::vector<std::size_t> one = {1, 1};
  search_front(one, 1, {}, [&](std::span<const Choice> batch) {
    calls += batch.size();
    return std::vector<std::vector<double>>(batch.size(), {1.0});
  });
  EXPECT_EQ(calls, 1u);
}

TEST(SweepSearch, an_exception_ends_it) {
  const std::vector<std::size_t> sizes = {30, 30};
  int calls = 0;
  EXPECT_THROW(search_front(sizes, 1, {},
                            [&](std::span<const Choice> batch) {
                              if (++calls == 3) throw Error("enough");
                              return std::vector<std::vector<double>>(batch.size(), {1.0});
                            }),
               Error);
  EXPECT_LE(calls, 3);
}

}  // namespace
}  // namespace workbench
