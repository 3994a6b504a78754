// How the cores divide a transfer among themselves.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// What `core` of `cores` issues of a transfer; empty: nothing.
std::optional<Dma> share_of_core(const Dma& transfer, std::int64_t core, std::int64_t cores);

// Of a transfer, or of a core's share of it.
std::int64_t command_count(const Dma& transfer);

// How many commands each of `cores` issues: command_count(share_of_core()), without the share.
class CommandShares {
 public:
  CommandShares(const Dma& transfer, std::int64_t cores);
  std::int64_t of(std::int64_t core) const;

 private:
  std::int64_t dealt_ = 1, chunk_ = 1, each_ = 0;  // runs of chunk_ of dealt_, commands of each
};

// The cluster DMA (mchan, docs/facts/pulp.md 1.5 and 1.9), for simulation and analytic schedule:
// when each command is queued, served and done. Cores queue commands of their own, two deep; a
// queue of eight per direction takes them round robin; each direction serves one command after the
// other, both directions at once. Commands are computed in plain loops, however many there are.

// One command of a transfer, in cycles.
struct DmaCommand {
  std::int64_t issue = 0;      // of the core
  std::int64_t requests = 0;   // bursts, or lines
  std::int64_t occupancy = 0;  // of its direction
  std::int64_t lead = 0;       // from queued to the first cycle of `occupancy`
};
DmaCommand command_of(const Dma& transfer, const Machine& machine);

// docs/facts/pulp.md 1.5: requests to L2 that may be on their way; of L1 only one at a time.
inline constexpr std::int64_t kOutstandingReads = 8, kOutstandingWrites = 1;

enum class Direction { In, Out };  // L2 -> L1, L1 -> L2
inline constexpr std::size_t kDirections = 2;
inline Direction direction_of(const Dma& transfer) {
  return transfer.to_l1 ? Direction::In : Direction::Out;
}
constexpr std::int64_t outstanding(Direction direction) {
  return direction == Direction::In ? kOutstandingReads : kOutstandingWrites;
}

// The last so many of a series of times.
class RecentTimes {
 public:
  explicit RecentTimes(std::int64_t keep) : times_(static_cast<std::size_t>(keep), 0) {}

  // The one that was pushed `back` before the next; 0: there was none.
  std::int64_t operator[](std::int64_t back) const {
    const auto n = static_cast<std::int64_t>(times_.size());
    return back <= n && back > 0 ? times_[slot(next_ + n - back)] : 0;
  }
  void push(std::int64_t time) {
    times_[slot(next_)] = time;
    next_ = static_cast<std::int64_t>(slot(next_ + 1));
  }
  // In no order.
  std::vector<std::int64_t>& values() { return times_; }

 private:
  std::size_t slot(std::int64_t i) const {
    const auto n = static_cast<std::int64_t>(times_.size());
    return static_cast<std::size_t>(i < n ? i : i - n);
  }
  std::vector<std::int64_t> times_;
  std::int64_t next_ = 0;
};

class Mchan {
 public:
  // A Dma instruction under way: first byte at `begin`, last at `done`.
  struct Transfer {
    std::int32_t instruction = -1;
    std::int64_t begin = 0, done = 0, bytes = 0;
  };
  struct Completion {
    std::int64_t time = 0;
    Direction direction = Direction::In;
  };

  explicit Mchan(const Machine& machine);

  // All cores issue their shares, core c from clocks[c] on; that is set to when it goes on. Returns
  // when the last would have, had no queue been full.
  std::int64_t issue(std::int32_t instruction, const Dma& transfer, std::span<std::int64_t> clocks);
  // When the last of the commands that `core` issued under `id` is done.
  Completion completion(std::int64_t id, std::int64_t core) const;
  // In [begin, end) transfers run at `speed` (0 to 1): their completion times move.
  void slow(std::int64_t begin, std::int64_t end, double speed);
  // How much of what is issued so far moves in [begin, end), both directions.
  double bytes_between(std::int64_t begin, std::int64_t end) const;

  // Issued and not yet executed; in order of `done`.
  std::deque<Transfer>& transfers(Direction direction) { return lane(direction).transfers; }

 private:
  struct Lane {
    std::int64_t free_at = 0;
    RecentTimes leaves;    // when the last commands left the global queue
    RecentTimes requests;  // when the last requests were served
    std::deque<Transfer> transfers;
  };
  struct Core {
    RecentTimes granted;                // when the last commands left its queue
    std::vector<Completion> completed;  // by transfer counter
  };

  Lane& lane(Direction direction) { return lanes_[static_cast<std::size_t>(direction)]; }
  std::size_t next_to_issue(std::span<const std::int64_t> clocks) const;
  void issue_command(const DmaCommand& command, Direction direction, Core& core,
                     std::int64_t& clock, Transfer& whole, std::int64_t id);
  static std::int64_t last_request_sent(Lane& lane, const DmaCommand& command,
                                        std::int64_t outstanding, std::int64_t done);

  const Machine& machine_;
  std::array<Lane, kDirections> lanes_;
  std::vector<Core> cores_;
  std::vector<std::int64_t> left_;  // commands of the transfer being issued, by core
  std::size_t next_core_ = 0;       // round robin
};

}  // namespace workbench::pulp
