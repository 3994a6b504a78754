#include <gtest/gtest.h>

#include <random>

#include "explore/report/report.h"
#include "tests/support/small_report.h"

namespace workbench {
namespace {

constexpr Cause kCauses[] = {Cause::Work,       Cause::FillDrain, Cause::WeightLoad,
                             Cause::MemoryWait, Cause::PortStall, Cause::WaitEngine,
                             Cause::Issue,      Cause::Idle};

std::int64_t draw(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
}

ProgramInfo random_program(std::mt19937_64& random) {
  ProgramInfo program{.network = "random", .machine = "round"};
  const std::int64_t layers = draw(random, 1, 6);
  for (std::int64_t i = 0; i < layers; ++i) {
    program.layers.push_back({.name = fmt::format("layer{}", i),
                              .op = "Conv",
                              .shape = {1, 1, 1, 1},
                              .macs = draw(random, 0, 500)});
  }
  const std::int64_t instructions = draw(random, 1, 20);
  for (std::int64_t i = 0; i < instructions; ++i) {
    program.instruction_layer.push_back(static_cast<std::int32_t>(draw(random, -1, layers - 1)));
    program.instruction_text.emplace_back("X");
  }
  return program;
}

// Every resource is tiled with intervals of any cause and any instruction, some of them empty.
Timeline random_timeline(std::mt19937_64& random, const ProgramInfo& program) {
  Timeline timeline{.resources = {"download", "conv", "pool"}, .end = {draw(random, 1, 200)}};
  const auto instructions = static_cast<std::int64_t>(program.instruction_layer.size());
  for (std::int32_t resource = 0; resource < 3; ++resource) {
    for (std::int64_t now = 0; now < timeline.end.value;) {
      const std::int64_t next = std::min(now + draw(random, 0, 30), timeline.end.value);
      timeline.intervals.push_back(
          interval(resource, static_cast<std::int32_t>(draw(random, -1, instructions - 1)), now,
                   next, kCauses[draw(random, 0, 7)], draw(random, 0, 100)));
      now = next;
    }
  }
  return timeline;
}

TEST(ReportProperty, waterfalls_add_up_to_layers_and_layers_to_the_run) {
  constexpr std::uint64_t kSeed = 20240607;
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 200; ++i) {
    SCOPED_TRACE(fmt::format("seed {} case {}", kSeed, i));
    const ProgramInfo program = random_program(random);
    const Timeline timeline = random_timeline(random, program);
    ASSERT_TRUE(verify(timeline).empty());
    const Report report = make_report(program, timeline, round_machine());
    Cycles total, steps_total;
    for (const LayerReport& layer : report.layers) {
      Cycles steps;
      for (const Cycles step : layer.waterfall) {
        EXPECT_GE(step.value, 0);
        steps += step;
      }
      EXPECT_EQ(steps, layer.cycles);
      total += layer.cycles;
    }
    for (const Cycles step : report.waterfall) steps_total += step;
    EXPECT_EQ(total, timeline.end);
    EXPECT_EQ(steps_total, timeline.end);
  }
}

// The same rule applied to one cycle at a time.
TEST(ReportProperty, array_time_is_attributed_cycle_by_cycle) {
  constexpr std::uint64_t kSeed = 77;
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 200; ++i) {
    SCOPED_TRACE(fmt::format("seed {} case {}", kSeed, i));
    const ProgramInfo program = random_program(random);
    const Timeline timeline = random_timeline(random, program);
    Cycles drain, weights;  // counted by hand on the array's own intervals
    for (const Interval& one : timeline.intervals) {
      const bool has_layer =
          one.instruction >= 0 &&
          program.instruction_layer[static_cast<std::size_t>(one.instruction)] >= 0;
      if (one.resource != 1 || !has_layer) continue;
      if (one.cause == Cause::FillDrain) drain += one.end - one.begin;
      if (one.cause == Cause::WeightLoad) weights += one.end - one.begin;
    }
    const Report report = make_report(program, timeline, round_machine());
    EXPECT_EQ(report.waterfall[static_cast<std::size_t>(Step::FillAndDrain)], drain);
    EXPECT_EQ(report.waterfall[static_cast<std::size_t>(Step::WeightLoad)], weights);
  }
}

}  // namespace
}  // namespace workbench
