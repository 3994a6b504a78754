// Lower bounds on when a cluster does what a program says (schedule.h): a time per core, and one
// that the last of them has reached for certain, whichever it is.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/kernel_figures.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/mchan.h"

namespace workbench::pulp {

// [begin, end) of an instruction.
struct Occupied {
  std::int64_t begin = 0, end = 0;
};

class EarliestTimes {
 public:
  explicit EarliestTimes(const Machine& machine);

  Occupied execute(const Barrier&);
  Occupied execute(const Dma& op);
  Occupied execute(const DmaWait& op);
  Occupied execute(const L3Transfer& op);
  Occupied execute(const L3Wait& op);
  Occupied execute(const Code& op);
  Occupied execute(const Kernel& op, const KernelFigures& figures);

  // Everything before is over, transfers that nobody has waited for, too.
  std::int64_t quiesce();
  std::int64_t latest() const { return latest_; }

 private:
  struct Counter {
    std::int64_t all = 0;             // the last of all commands under it is done
    std::vector<std::int64_t> cores;  // the last of each core's
  };

  void meet_at(std::int64_t time);
  void advance(std::int64_t cycles);

  const Machine& machine_;
  std::vector<std::int64_t> cores_;
  std::int64_t latest_ = 0;
  std::array<std::int64_t, kDirections> lane_free_{};
  std::vector<Counter> counters_;
  std::int64_t l3_free_ = 0;
  std::unordered_map<std::int64_t, std::int64_t> l3_done_;  // by counter
};

}  // namespace workbench::pulp
