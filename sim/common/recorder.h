// Collects what each resource does and makes the Timeline of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "isa/timeline.h"

namespace workbench::sim {

class Recorder {
 public:
  // Not `kept`: nothing is recorded, for engines whose timeline is not reported.
  explicit Recorder(bool kept = true) : kept_(kept) {}

  // Index of a new resource.
  int add_resource(std::string name);

  // Times in cycles; empty intervals are dropped; intervals of one resource arrive in order of time
  // and must not overlap. One that continues the last one is merged with it.
  void record(int resource, std::int32_t instruction, std::int64_t ready, std::int64_t begin,
              std::int64_t end, Cause cause, std::int64_t bytes = 0, int blocked_on = -1);
  // Like record(), but filled in later where the resource was otherwise idle: the epilogue of a
  // pipeline, under which the next work may already start.
  void record_tail(int resource, std::int32_t instruction, std::int64_t begin, std::int64_t end,
                   Cause cause);

  // Gaps become tails where there are any, else Idle, up to `end`.
  Timeline timeline(std::int64_t end) const;

 private:
  struct Resource {
    std::string name;
    std::vector<Interval> intervals, tails;
  };
  bool kept_;
  std::vector<Resource> resources_;
};

}  // namespace workbench::sim
