#include "sim/common/recorder.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace workbench::sim {

int Recorder::add_resource(std::string name) {
  resources_.push_back({std::move(name), {}, {}});
  return static_cast<int>(resources_.size()) - 1;
}

void Recorder::record(int resource, std::int32_t instruction, std::int64_t ready,
                      std::int64_t begin, std::int64_t end, Cause cause, std::int64_t bytes,
                      int blocked_on) {
  if (begin >= end || !kept_) return;
  auto& list = resources_.at(static_cast<std::size_t>(resource)).intervals;
  if (!list.empty()) {
    Interval& last = list.back();
    CHECK(last.end.value <= begin, "{} at {} overlaps what ends at {}",
          resources_[static_cast<std::size_t>(resource)].name, begin, last.end.value);
    if (last.end.value == begin && last.instruction == instruction && last.cause == cause &&
        last.blocked_on == blocked_on) {
      last.end.value = end;
      last.bytes.value += bytes;
      return;
    }
  }
  list.push_back({resource,
                  instruction,
                  {std::min(ready, begin)},
                  {begin},
                  {end},
                  {bytes},
                  cause,
                  blocked_on});
}

void Recorder::record_tail(int resource, std::int32_t instruction, std::int64_t begin,
                           std::int64_t end, Cause cause) {
  if (begin >= end || !kept_) return;
  resources_.at(static_cast<std::size_t>(resource))
      .tails.push_back({resource, instruction, {begin}, {begin}, {end}, {}, cause, -1});
}

Timeline Recorder::timeline(std::int64_t end) const {
  Timeline result;
  result.end = {end};
  for (std::size_t r = 0; r < resources_.size(); ++r) {
    const Resource& resource = resources_[r];
    result.resources.push_back(resource.name);
    std::size_t next_tail = 0;
    std::int64_t reached = 0;
    const auto fill = [&](std::int64_t until) {
      while (reached < until) {
        while (next_tail < resource.tails.size() &&
               resource.tails[next_tail].end.value <= reached) {
          ++next_tail;
        }
        Interval gap{
            static_cast<std::int32_t>(r), -1, {reached}, {reached}, {until}, {}, Cause::Idle, -1};
        if (next_tail < resource.tails.size()) {
          const Interval& tail = resource.tails[next_tail];
          if (tail.begin.value <= reached) {
            gap.instruction = tail.instruction;
            gap.cause = tail.cause;
            gap.end.value = std::min(until, tail.end.value);
          } else {
            gap.end.value = std::min(until, tail.begin.value);
          }
        }
        result.intervals.push_back(gap);
        reached = gap.end.value;
      }
    };
    for (const Interval& interval : resource.intervals) {
      fill(interval.begin.value);
      result.intervals.push_back(interval);
      reached = interval.end.value;
    }
    fill(end);
  }
  return result;
}

}  // namespace workbench::sim
