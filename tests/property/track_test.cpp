#include <gtest/gtest.h>

#include <random>

#include "explore/track/compare.h"
#include "explore/track/history.h"
#include "explore/track/wall.h"
#include "tests/support/track_records.h"

namespace workbench::track {
namespace {

using Random = std::mt19937_64;

std::int64_t below(Random& random, std::int64_t end) {
  return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(end));
}

std::string some_text(Random& random) {
  constexpr std::string_view kLetters = "ab/ \"\\{}:,.<\n\t-_0é";
  std::string text;
  for (std::int64_t i = below(random, 12); i >= 0; --i) {
    const char c = kLetters[static_cast<std::size_t>(below(random, kLetters.size()))];
    if (static_cast<unsigned char>(c) < 128) text += c;
  }
  return text;
}

CaseRecord some_case(Random& random, const std::string& name) {
  CaseRecord record = small_case(name);
  record.layers.clear();
  for (std::int64_t i = below(random, 20); i >= 0; --i) {
    // Some of the same name: networks have them.
    record.layers.push_back(
        small_layer(fmt::format("layer{}", below(random, 15)), 1 + below(random, 100000)));
    record.layers.back().op = some_text(random);
    record.layers.back().tiles = some_text(random);
  }
  record.machine.emplace_back("knob" + some_text(random), some_text(random));
  set_figures(record);
  record.figures["host_ms"] = static_cast<double>(below(random, 1000)) / 7;
  if (below(random, 2) == 0) record.wall = WallRecord{{0.125, 1.0 / 3}};
  return record;
}

TEST(TrackProperty, a_baseline_is_read_as_it_was_written_and_says_nothing_beside_itself) {
  constexpr std::uint64_t kSeed = 41;
  Random random(kSeed);
  for (int i = 0; i < 200; ++i) {
    SCOPED_TRACE(fmt::format("seed {}, case {}", kSeed, i));
    Baseline baseline = small_baseline();
    baseline.cases = {some_case(random, "one"), some_case(random, "two" + some_text(random))};
    const std::string text = baseline_text(baseline, "some/folder");
    const Baseline again = parse_baseline(text, "b", "some/folder");
    ASSERT_EQ(baseline_text(again, "some/folder"), text);
    const Comparison comparison = compare(baseline, again, "b");
    for (const CaseChange& change : comparison.cases) {
      ASSERT_EQ(change.kind, CaseChange::Kind::Same);
      ASSERT_EQ(failure(change, {.per_layer = true, .strict = true}), "");
    }
    ASSERT_TRUE(history_of(std::vector<Baseline>{baseline, again}).cases[0].steps.empty());
  }
}

TEST(TrackProperty, exactly_the_layers_that_moved_are_named) {
  constexpr std::uint64_t kSeed = 42;
  Random random(kSeed);
  for (int i = 0; i < 200; ++i) {
    SCOPED_TRACE(fmt::format("seed {}, case {}", kSeed, i));
    const CaseRecord before = some_case(random, "one");
    CaseRecord after = before;
    std::multiset<std::string> moved;
    std::int64_t total = 0;
    for (std::size_t layer = 0; layer < after.layers.size(); ++layer) {
      if (below(random, 4) != 0) continue;
      const std::int64_t by = 1 + below(random, 50);
      slow_down(after, layer, by);
      moved.insert(after.layers[layer].name);
      total += by;
    }
    after.figures["host_ms"] = before.figures.at("host_ms");
    const CaseChange change = compare(before, after);
    std::multiset<std::string> named;
    std::int64_t sum = 0;
    for (const LayerChange& layer : change.layers) {
      named.insert(layer.name);
      for (const StepChange& step : layer.steps) sum += step.cycles;
      ASSERT_EQ(layer.causes.size(), 1U);
      ASSERT_EQ(layer.causes[0].kind, Cause::Kind::Simulator);
    }
    ASSERT_EQ(named, moved);
    ASSERT_EQ(sum, total);
    ASSERT_EQ(change.kind, moved.empty() ? CaseChange::Kind::Same : CaseChange::Kind::Worse);
  }
}

// A few bytes changed, gone or there twice.
std::string damaged(std::string text, Random& random) {
  for (std::int64_t n = below(random, 3); n >= 0; --n) {
    const auto at = static_cast<std::size_t>(below(random, static_cast<std::int64_t>(text.size())));
    switch (below(random, 3)) {
      case 0:
        text[at] = static_cast<char>(below(random, 256));
        break;
      case 1:
        text.erase(at, static_cast<std::size_t>(below(random, 40)));
        break;
      default:
        text.insert(at, text.substr(0, static_cast<std::size_t>(below(random, 60))));
    }
  }
  return text;
}

TEST(TrackProperty, a_damaged_baseline_is_read_or_refused) {
  constexpr std::uint64_t kSeed = 43;
  Random random(kSeed);
  const std::string good = baseline_text(small_baseline(), "");
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    try {
      const Baseline read = parse_baseline(damaged(good, random), "b", "");
      (void)compare(small_case(), read.cases.empty() ? small_case() : read.cases[0]);
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(std::string(error.what()).rfind("b:", 0), 0U) << error.what();
    }
  }
  EXPECT_GT(refused, 200) << "seed " << kSeed;
}

TEST(TrackProperty, a_damaged_suite_is_read_or_refused_with_its_line) {
  constexpr std::uint64_t kSeed = 45;
  Random random(kSeed);
  const std::string good =
      "name: small\ngolden: false\ncases:\n"
      "  - name: one\n    network: nets/a.onnx\n    machine: gap8\n    settings: {l1: 36k}\n"
      "  - {name: two, network: \"zoo:tiny_cnn\", machine: v3_96, tier: analytic}\n";
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string text = damaged(good, random);
    SCOPED_TRACE(fmt::format("seed {}, case {}:\n{}", kSeed, i, text));
    try {
      const Suite suite = parse_suite(text, "s");
      ASSERT_FALSE(suite.cases.empty());
    } catch (const Error& error) {
      ++refused;
      const std::string message = error.what();
      ASSERT_EQ(message.rfind("s:", 0), 0U) << message;
      ASSERT_EQ(message.find('\n'), std::string::npos) << message;
      ASSERT_NE(message[2], '0') << message;
    }
  }
  EXPECT_GT(refused, 100) << "seed " << kSeed;
}

// Times as machines give them: most runs alike, some much slower, for a while.
double noise(Random& random, double& phase) {
  if (below(random, 10) == 0) phase = 1 + static_cast<double>(below(random, 100)) / 50;
  const double jitter = static_cast<double>(below(random, 1000)) / 1000;
  return phase * (1 + 0.05 * jitter * jitter * jitter);
}

TEST(TrackProperty, equal_programs_look_different_in_at_most_one_of_twenty_comparisons) {
  constexpr std::uint64_t kSeed = 44;
  Random random(kSeed);
  int alarms = 0, missed = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    PairedTimes equal, slower;
    double phase = 1;
    for (int pair = 0; pair < 15; ++pair) {
      equal.before.push_back(noise(random, phase));
      equal.after.push_back(noise(random, phase));
      slower.before.push_back(equal.before.back());
      slower.after.push_back(1.1 * equal.after.back());
    }
    const Interval95 same = *paired_difference(equal).interval;
    alarms += same.low > 0 || same.high < 0;
    missed += !(paired_difference(slower).interval->low > 0);
  }
  // Expected at most 100 of 2000, standard deviation below 10; 10 % more time is hardly missed.
  EXPECT_LT(alarms, 140) << "seed " << kSeed;
  EXPECT_LT(missed, kTrials / 10) << "seed " << kSeed;
}

}  // namespace
}  // namespace workbench::track
