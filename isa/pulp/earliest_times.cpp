#include "isa/pulp/earliest_times.h"

#include <algorithm>
#include <limits>

#include "isa/pulp/cost.h"
#include "isa/pulp/shares.h"

namespace workbench::pulp {

EarliestTimes::EarliestTimes(const Machine& machine)
    : machine_(machine),
      cores_(static_cast<std::size_t>(machine.cluster.cores), 0),
      counters_(static_cast<std::size_t>(machine.dma.identifiers),
                {.all = 0, .cores = std::vector<std::int64_t>(cores_.size(), 0)}) {}

void EarliestTimes::meet_at(std::int64_t time) {
  std::fill(cores_.begin(), cores_.end(), time);
  latest_ = time;
}

void EarliestTimes::advance(std::int64_t cycles) {
  for (std::int64_t& core : cores_) core += cycles;
  latest_ += cycles;
}

Occupied EarliestTimes::execute(const Barrier&) {
  const std::int64_t begin = latest_;
  meet_at(begin + machine_.cluster.barrier_cycles);
  return {begin, latest_};
}

Occupied EarliestTimes::execute(const Code& op) {
  const std::int64_t begin = latest_;
  advance(code_cycles(op, machine_).value);
  return {begin, latest_};
}

// A direction serves command after command: from the first that is queued on it has all of them to
// do, and after the last the last. Who comes when among the cores is open.
Occupied EarliestTimes::execute(const Dma& op) {
  if (op.bytes() == 0) return {latest_, latest_};
  const Direction direction = direction_of(op);
  const DmaCommand command = command_of(op, machine_);
  const CommandShares shares(op, std::ssize(cores_));
  std::int64_t first = std::numeric_limits<std::int64_t>::max(), last = 0, all = 0, issuing = 0;
  for (std::size_t c = 0; c < cores_.size(); ++c) {
    const std::int64_t own = shares.of(static_cast<std::int64_t>(c));
    if (own == 0) continue;
    all += own;
    ++issuing;
    first = std::min(first, cores_[c] + command.issue + command.lead);
    cores_[c] += own * command.issue;
    last = std::max(last, cores_[c] + command.lead);
    latest_ = std::max(latest_, cores_[c]);
  }
  std::int64_t& free = lane_free_[static_cast<std::size_t>(direction)];
  const std::int64_t begin = std::max(free, first);
  free = std::max(begin + all * command.occupancy, last + command.occupancy);
  Counter& counter = counters_.at(static_cast<std::size_t>(op.id));
  counter.all = std::max(counter.all, free);
  for (std::size_t c = 0; c < cores_.size(); ++c) {
    const std::int64_t own = shares.of(static_cast<std::int64_t>(c));
    if (own == 0) continue;
    const std::int64_t done =
        std::max(begin + own * command.occupancy, cores_[c] + command.lead + command.occupancy);
    counter.cores[c] = std::max(counter.cores[c], done);
  }
  // When the last core goes on, all commands but those that fit the queues have left them, i.e. of
  // each of those all requests are sent: all but `outstanding` of the requests before are served.
  const std::int64_t left =
      all - issuing * (machine_.dma.core_queue + 1) - machine_.dma.global_queue;
  const std::int64_t served =
      left > 0 ? (left * command.requests - outstanding(direction)) / command.requests : 0;
  if (served > 0) latest_ = std::max(latest_, begin + served * command.occupancy);
  return {begin, free};
}

Occupied EarliestTimes::execute(const DmaWait& op) {
  const std::int64_t begin = latest_;
  const Counter& counter = counters_.at(static_cast<std::size_t>(op.id));
  const std::int64_t poll = machine_.dma.poll_cycles;
  latest_ = std::max(latest_ + poll, counter.all);
  for (std::size_t c = 0; c < cores_.size(); ++c) {
    cores_[c] = std::max(cores_[c] + poll, counter.cores[c]);
  }
  return {begin, latest_};
}

Occupied EarliestTimes::execute(const L3Transfer& op) {
  const std::int64_t begin = std::max(cores_[0], l3_free_);
  l3_free_ = begin + l3_busy_cycles(op, machine_).value;
  l3_done_[op.id] = l3_free_;
  return {begin, l3_free_};
}

Occupied EarliestTimes::execute(const L3Wait& op) {
  const std::int64_t begin = cores_[0];
  const auto done = l3_done_.find(op.id);
  if (done != l3_done_.end()) cores_[0] = std::max(cores_[0], done->second);
  latest_ = std::max(latest_, cores_[0]);
  return {begin, cores_[0]};
}

// The last core may be the fastest of the call.
Occupied EarliestTimes::execute(const Kernel&, const KernelFigures& figures) {
  const std::int64_t begin = latest_;
  std::int64_t end = begin + figures.fastest;
  for (std::size_t c = 0; c < cores_.size(); ++c) {
    end = std::max(end, cores_[c] + figures.alone[c]);
  }
  meet_at(end + machine_.cluster.barrier_cycles);
  return {begin, latest_};
}

std::int64_t EarliestTimes::quiesce() {
  meet_at(std::max({latest_, l3_free_, lane_free_[0], lane_free_[1]}));
  return latest_;
}

}  // namespace workbench::pulp
