#include "isa/timeline.h"

#include <fmt/format.h>

#include "core/error.h"

namespace workbench {

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::Work:
      return "work";
    case Cause::FillDrain:
      return "fill/drain";
    case Cause::WeightLoad:
      return "weight load";
    case Cause::MemoryWait:
      return "ddr stall";  // what traces have always called it, in both families
    case Cause::PortStall:
      return "port stall";
    case Cause::WaitEngine:
      return "waiting on another engine";
    case Cause::Issue:
      return "issue";
    case Cause::Idle:
      return "idle";
  }
  CHECK(false, "cause {}", static_cast<int>(cause));
}

std::vector<std::string> verify(const Timeline& timeline) {
  std::vector<std::string> violations;
  std::vector<Cycles> reached(timeline.resources.size());
  for (const Interval& interval : timeline.intervals) {
    if (interval.resource < 0 ||
        static_cast<std::size_t>(interval.resource) >= timeline.resources.size()) {
      violations.push_back(fmt::format("interval of resource {}", interval.resource));
      continue;
    }
    const auto r = static_cast<std::size_t>(interval.resource);
    const std::string& name = timeline.resources[r];
    if (interval.begin != reached[r]) {
      violations.push_back(fmt::format("{}: interval begins at {}, the one before ended at {}",
                                       name, interval.begin.value, reached[r].value));
    }
    if (interval.end < interval.begin || interval.ready > interval.begin) {
      violations.push_back(fmt::format("{}: interval ready {} begin {} end {}", name,
                                       interval.ready.value, interval.begin.value,
                                       interval.end.value));
    }
    reached[r] = interval.end;
  }
  for (std::size_t r = 0; r < reached.size(); ++r) {
    if (reached[r] != timeline.end) {
      violations.push_back(fmt::format("{}: told until {}, the run ended at {}",
                                       timeline.resources[r], reached[r].value,
                                       timeline.end.value));
    }
  }
  return violations;
}

}  // namespace workbench
