// From what was recorded to a timeline without gaps.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/common/recorder.h"

namespace workbench::sim {
namespace {

using Lines = std::vector<std::string>;

// "resource [begin, end) cause instruction" of every interval.
Lines told(const Recorder& recorder, std::int64_t end) {
  const Timeline timeline = recorder.timeline(end);
  EXPECT_EQ(verify(timeline), Lines{});
  Lines lines;
  for (const Interval& i : timeline.intervals) {
    lines.push_back(timeline.resources[static_cast<std::size_t>(i.resource)] + " [" +
                    std::to_string(i.begin.value) + ", " + std::to_string(i.end.value) + ") " +
                    std::string(to_string(i.cause)) + " " + std::to_string(i.instruction));
  }
  return lines;
}

TEST(Recorder, a_resource_that_did_nothing_was_idle_all_the_time) {
  Recorder recorder;
  recorder.add_resource("conv");
  EXPECT_EQ(told(recorder, 10), Lines{"conv [0, 10) idle -1"});
}

TEST(Recorder, gaps_are_idle) {
  Recorder recorder;
  const int conv = recorder.add_resource("conv");
  recorder.record(conv, 7, 2, 3, 5, Cause::Work);
  recorder.record(conv, 8, 5, 8, 9, Cause::Work);
  EXPECT_EQ(told(recorder, 10),
            (Lines{"conv [0, 3) idle -1", "conv [3, 5) work 7", "conv [5, 8) idle -1",
                   "conv [8, 9) work 8", "conv [9, 10) idle -1"}));
}

TEST(Recorder, resources_are_told_one_after_the_other) {
  Recorder recorder;
  const int conv = recorder.add_resource("conv"), pool = recorder.add_resource("pool");
  recorder.record(pool, 1, 0, 0, 4, Cause::Work);
  recorder.record(conv, 0, 0, 0, 4, Cause::Work);
  EXPECT_EQ(told(recorder, 4), (Lines{"conv [0, 4) work 0", "pool [0, 4) work 1"}));
}

TEST(Recorder, empty_intervals_are_dropped) {
  Recorder recorder;
  const int conv = recorder.add_resource("conv");
  recorder.record(conv, 0, 0, 2, 2, Cause::PortStall);
  EXPECT_EQ(told(recorder, 3), Lines{"conv [0, 3) idle -1"});
}

TEST(Recorder, what_goes_on_is_one_interval_with_all_its_bytes) {
  Recorder recorder;
  const int ddr = recorder.add_resource("ddr");
  recorder.record(ddr, 4, 0, 0, 3, Cause::Work, 100);
  recorder.record(ddr, 4, 3, 3, 5, Cause::Work, 60);
  const Timeline timeline = recorder.timeline(5);
  ASSERT_EQ(timeline.intervals.size(), 1u);
  EXPECT_EQ(timeline.intervals[0].end, Cycles{5});
  EXPECT_EQ(timeline.intervals[0].bytes, Bytes{160});
}

TEST(Recorder, another_cause_instruction_or_culprit_is_another_interval) {
  Recorder recorder;
  const int conv = recorder.add_resource("conv");
  recorder.record(conv, 4, 0, 0, 1, Cause::Work);
  recorder.record(conv, 4, 0, 1, 2, Cause::MemoryWait, 0, 5);
  recorder.record(conv, 4, 0, 2, 3, Cause::MemoryWait, 0, 6);
  recorder.record(conv, 5, 0, 3, 4, Cause::MemoryWait, 0, 6);
  EXPECT_EQ(told(recorder, 4).size(), 4u);
}

TEST(Recorder, readiness_is_never_later_than_the_beginning) {
  Recorder recorder;
  const int conv = recorder.add_resource("conv");
  recorder.record(conv, 4, 9, 2, 3, Cause::Work);
  EXPECT_EQ(recorder.timeline(3).intervals.back().ready, Cycles{2});
}

TEST(Recorder, a_tail_fills_the_gap_behind_which_nothing_starts) {
  Recorder recorder;
  const int conv = recorder.add_resource("conv");
  recorder.record(conv, 0, 0, 0, 10, Cause::Work);
  recorder.record_tail(conv, 0, 10, 14, Cause::FillDrain);
  EXPECT_EQ(told(recorder, 20),
            (Lines{"conv [0, 10) work 0", "conv [10, 14) fill/drain 0", "conv [14, 20) idle -1"}));
}

TEST(Recorder, the_next_work_hides_the_part_of_a_tail_it_overlaps) {
  Recorder recorder;
  const int conv = recorder.add_resource("conv");
  recorder.record(conv, 0, 0, 0, 10, Cause::Work);
  recorder.record_tail(conv, 0, 10, 14, Cause::FillDrain);
  recorder.record(conv, 1, 10, 12, 13, Cause::Work);
  EXPECT_EQ(told(recorder, 14), (Lines{"conv [0, 10) work 0", "conv [10, 12) fill/drain 0",
                                       "conv [12, 13) work 1", "conv [13, 14) fill/drain 0"}));
}

TEST(Recorder, a_tail_that_begins_inside_a_gap_leaves_the_rest_idle) {
  Recorder recorder;
  const int conv = recorder.add_resource("conv");
  recorder.record_tail(conv, 0, 3, 5, Cause::FillDrain);
  EXPECT_EQ(told(recorder, 6),
            (Lines{"conv [0, 3) idle -1", "conv [3, 5) fill/drain 0", "conv [5, 6) idle -1"}));
}

Interval at(std::int32_t resource, std::int64_t begin, std::int64_t end) {
  return {.resource = resource, .ready = {begin}, .begin = {begin}, .end = {end}};
}

TEST(Timeline, a_gap_an_overlap_and_an_early_end_are_found) {
  EXPECT_EQ(verify({.resources = {"conv"}, .intervals = {at(0, 0, 2), at(0, 3, 4)}, .end = {4}}),
            Lines{"conv: interval begins at 3, the one before ended at 2"});
  EXPECT_EQ(verify({.resources = {"conv"}, .intervals = {at(0, 0, 3), at(0, 2, 4)}, .end = {4}}),
            Lines{"conv: interval begins at 2, the one before ended at 3"});
  EXPECT_EQ(verify({.resources = {"conv"}, .intervals = {at(0, 0, 2)}, .end = {4}}),
            Lines{"conv: told until 2, the run ended at 4"});
  EXPECT_EQ(verify({.resources = {"conv"}, .end = {0}}), Lines{});
}

TEST(Timeline, an_interval_of_no_resource_or_backwards_in_time_is_found) {
  EXPECT_EQ(verify({.intervals = {at(0, 0, 2)}, .end = {2}}), Lines{"interval of resource 0"});
  Interval late = at(0, 0, 2);
  late.ready = {1};
  EXPECT_EQ(verify({.resources = {"conv"}, .intervals = {late}, .end = {2}}),
            Lines{"conv: interval ready 1 begin 0 end 2"});
}

}  // namespace
}  // namespace workbench::sim
