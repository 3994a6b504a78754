#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "explore/html/run_timeline.h"

namespace workbench {
namespace {

ProgramInfo program_of(std::size_t instructions, int layers) {
  ProgramInfo program;
  program.layers.resize(static_cast<std::size_t>(layers));
  for (std::size_t i = 0; i < instructions; ++i) {
    program.instruction_layer.push_back(static_cast<std::int32_t>(i) % layers);
  }
  return program;
}

// Intervals of random causes and lengths that tile [0, end) of each resource.
Timeline random_timeline(std::mt19937_64& random, int resources, int intervals, int instructions) {
  Timeline timeline;
  for (int r = 0; r < resources; ++r) {
    timeline.resources.push_back(fmt::format("engine {}", r));
    std::int64_t at = 0;
    for (int i = 0; i < intervals; ++i) {
      const auto length = static_cast<std::int64_t>(random() % 50 == 0 ? 500 : 1 + random() % 9);
      timeline.intervals.push_back(
          {.resource = r,
           .instruction = static_cast<std::int32_t>(random() % static_cast<unsigned>(instructions)),
           .begin = {at},
           .end = {at + length},
           .cause = static_cast<Cause>(random() % 8)});
      at += length;
    }
    timeline.end = std::max(timeline.end, Cycles{at});
  }
  return timeline;
}

std::size_t count(const TimelinePieces& pieces) {
  std::size_t sum = 0;
  for (const auto& lane : pieces.of_resource) sum += lane.size();
  return sum;
}

TEST(TimelinePieces, few_intervals_stay_as_they_are_and_touching_equals_join) {
  // Engine 0: instruction 0 works [0, 4) and [4, 6), idles, instruction 1 waits [8, 9).
  const Timeline timeline{
      .resources = {"conv"},
      .intervals =
          {{.resource = 0, .instruction = 0, .begin = {0}, .end = {4}, .cause = Cause::Work},
           {.resource = 0, .instruction = 0, .begin = {4}, .end = {6}, .cause = Cause::Work},
           {.resource = 0, .begin = {6}, .end = {8}, .cause = Cause::Idle},
           {.resource = 0, .instruction = 1, .begin = {8}, .end = {9}, .cause = Cause::MemoryWait}},
      .end = {9}};
  const TimelinePieces pieces = timeline_pieces(timeline, program_of(2, 2), 10);
  EXPECT_EQ(pieces.together_below, Cycles{0});
  ASSERT_EQ(pieces.of_resource.at(0).size(), 2u);
  const TimelinePiece& work = pieces.of_resource[0][0];
  EXPECT_EQ(work.begin, Cycles{0});
  EXPECT_EQ(work.end, Cycles{6});
  EXPECT_EQ(work.busy, Cycles{6});
  EXPECT_EQ(work.layer, 0);
  EXPECT_EQ(pieces.of_resource[0][1].cause, Cause::MemoryWait);
  EXPECT_EQ(pieces.of_resource[0][1].layer, 1);
}

TEST(TimelinePieces, what_leads_names_short_intervals_taken_together) {
  Timeline timeline{.resources = {"conv"}};
  for (std::int64_t i = 0; i < 100; ++i) {  // 3 cycles of layer 1, then one of layer 0
    timeline.intervals.push_back(
        {.instruction = 1, .begin = {4 * i}, .end = {4 * i + 3}, .cause = Cause::Work});
    timeline.intervals.push_back(
        {.instruction = 0, .begin = {4 * i + 3}, .end = {4 * i + 4}, .cause = Cause::Issue});
  }
  timeline.end = {400};
  const TimelinePieces pieces = timeline_pieces(timeline, program_of(2, 2), 20);
  EXPECT_LE(pieces.of_resource.at(0).size(), 20u);
  EXPECT_GT(pieces.together_below, Cycles{4});
  for (const TimelinePiece& piece : pieces.of_resource[0]) {
    EXPECT_EQ(piece.layer, 1);
    EXPECT_EQ(piece.cause, Cause::Work);
    EXPECT_EQ(piece.busy, piece.end - piece.begin);
  }
}

TEST(TimelinePieces, however_few_are_asked_for_they_are_in_order_and_no_busy_cycle_is_lost) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; ++round) {
    const int resources = 1 + static_cast<int>(random() % 4);
    const Timeline timeline = random_timeline(random, resources, 200, 30);
    const std::size_t most = 1 + random() % 400;
    const TimelinePieces pieces = timeline_pieces(timeline, program_of(30, 5), most);
    EXPECT_LE(count(pieces), std::max(most, static_cast<std::size_t>(resources)));
    for (int r = 0; r < resources; ++r) {
      Cycles busy, expected, at;
      for (const TimelinePiece& piece : pieces.of_resource[static_cast<std::size_t>(r)]) {
        EXPECT_GE(piece.begin, at);
        EXPECT_LT(piece.begin, piece.end);
        EXPECT_LE(piece.busy, piece.end - piece.begin);
        at = piece.end;
        busy += piece.busy;
      }
      EXPECT_LE(at, timeline.end);
      for (const Interval& interval : timeline.intervals) {
        if (interval.resource != r || interval.cause == Cause::Idle) continue;
        expected += interval.end - interval.begin;
      }
      EXPECT_EQ(busy, expected) << "round " << round;
    }
  }
}

TEST(MemoryUse, shared_bytes_count_once) {
  // a: [0, 100) during [0, 10); b: its part [50, 150) during [5, 20); c: [200, 210) during [20, 30)
  const MemoryUse use{
      .name = "AM",
      .capacity_bytes = 1000,
      .volumes = {{.name = "a", .address = 0, .bytes = 100, .begin = {0}, .end = {10}},
                  {.name = "b", .address = 50, .bytes = 100, .begin = {5}, .end = {20}},
                  {.name = "c", .address = 200, .bytes = 10, .begin = {20}, .end = {30}}}};
  const std::vector<Occupied> expected = {
      {{0}, 100}, {{5}, 150}, {{10}, 100}, {{20}, 10}, {{30}, 0}};
  EXPECT_EQ(occupied(use), expected);
}

TEST(MemoryUse, bytes_taken_are_those_of_a_bitmap) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 100; ++round) {
    MemoryUse use{.capacity_bytes = 64};
    for (int i = 0; i < 8; ++i) {
      const auto address = static_cast<std::int64_t>(random() % 60);
      const auto begin = static_cast<std::int64_t>(random() % 20);
      use.volumes.push_back({.address = address,
                             .bytes = static_cast<std::int64_t>(1 + random() % 20),
                             .begin = {begin},
                             .end = {begin + static_cast<std::int64_t>(random() % 12)}});
    }
    const std::vector<Occupied> steps = occupied(use);
    for (std::int64_t t = 0; t < 40; ++t) {
      std::map<std::int64_t, bool> taken;
      for (const MemoryVolume& v : use.volumes) {
        if (v.begin.value > t || v.end.value <= t) continue;
        for (std::int64_t b = v.address; b < v.address + v.bytes; ++b) taken[b] = true;
      }
      std::int64_t bytes = 0;
      for (const Occupied& step : steps) {
        if (step.time.value <= t) bytes = step.bytes;
      }
      EXPECT_EQ(bytes, static_cast<std::int64_t>(taken.size())) << "round " << round << " at " << t;
    }
  }
}

}  // namespace
}  // namespace workbench
