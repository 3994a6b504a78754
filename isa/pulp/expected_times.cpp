#include "isa/pulp/expected_times.h"

#include <algorithm>
#include <limits>

#include "isa/pulp/cost.h"

namespace workbench::pulp {

ExpectedTimes::ExpectedTimes(const Machine& machine, KernelTable& kernels,
                             std::span<Occupied> transfers)
    : machine_(machine),
      kernels_(kernels),
      transfers_(transfers),
      mchan_(machine),
      clocks_(static_cast<std::size_t>(machine.cluster.cores), 0) {}

std::int64_t ExpectedTimes::latest() const {
  return *std::max_element(clocks_.begin(), clocks_.end());
}

void ExpectedTimes::meet_at(std::int64_t time) { std::fill(clocks_.begin(), clocks_.end(), time); }

void ExpectedTimes::retire(std::int64_t time) {
  for (const Direction direction : {Direction::In, Direction::Out}) {
    auto& under_way = mchan_.transfers(direction);
    for (; !under_way.empty() && under_way.front().done <= time; under_way.pop_front()) {
      const Mchan::Transfer& done = under_way.front();
      transfers_[static_cast<std::size_t>(done.instruction)] = {done.begin, done.done};
    }
  }
}

Occupied ExpectedTimes::execute(const Barrier&) {
  const std::int64_t begin = latest();
  meet_at(begin + machine_.cluster.barrier_cycles);
  return {begin, clocks_[0]};
}

Occupied ExpectedTimes::execute(const Code& op) {
  const std::int64_t begin = latest(), cycles = code_cycles(op, machine_).value;
  for (std::int64_t& clock : clocks_) clock += cycles;
  return {begin, begin + cycles};
}

void ExpectedTimes::issue(std::int32_t instruction, const Dma& op) {
  const std::int64_t now = latest();
  transfers_[static_cast<std::size_t>(instruction)] = {now, now};  // of no bytes: that is all
  mchan_.issue(instruction, op, clocks_);
}

Occupied ExpectedTimes::execute(const DmaWait& op) {
  const std::int64_t begin = latest();
  for (std::size_t c = 0; c < clocks_.size(); ++c) {
    clocks_[c] = std::max(clocks_[c] + machine_.dma.poll_cycles,
                          mchan_.completion(op.id, static_cast<std::int64_t>(c)).time);
  }
  return {begin, latest()};
}

Occupied ExpectedTimes::execute(const L3Transfer& op) {
  const std::int64_t begin = std::max(clocks_[0], l3_free_);
  l3_free_ = begin + l3_busy_cycles(op, machine_).value;
  l3_done_[op.id] = l3_free_;
  return {begin, l3_free_};
}

Occupied ExpectedTimes::execute(const L3Wait& op) {
  const std::int64_t begin = clocks_[0];
  const auto done = l3_done_.find(op.id);
  if (done != l3_done_.end()) clocks_[0] = std::max(clocks_[0], done->second);
  return {begin, clocks_[0]};
}

// As the transaction tier does it: cores that take banks slow the DMA down, and it them.
Occupied ExpectedTimes::execute(const Kernel&, KernelFigures& figures) {
  const std::int64_t begin = latest();
  retire(begin);
  const double speed = machine_.l1.conflicts != 0 ? std::max(0.1, 1 - figures.bank_share) : 1;
  const auto undisturbed = static_cast<std::int64_t>(static_cast<double>(figures.slowest) * speed);
  const double moving = mchan_.bytes_between(begin, begin + undisturbed);
  const std::int64_t expected = kernels_.expected(figures, moving);
  std::int64_t end = begin;
  for (std::size_t c = 0; c < clocks_.size(); ++c) {
    end = std::max(end, clocks_[c] + figures.alone[c] + (expected - figures.slowest));
  }
  mchan_.slow(begin, end, speed);
  meet_at(end + machine_.cluster.barrier_cycles);
  return {begin, clocks_[0]};
}

std::int64_t ExpectedTimes::quiesce() {
  std::int64_t end = std::max(latest(), l3_free_);
  for (const Direction direction : {Direction::In, Direction::Out}) {
    const auto& under_way = mchan_.transfers(direction);
    if (!under_way.empty()) end = std::max(end, under_way.back().done);
  }
  meet_at(end);
  retire(end);
  return end;
}

}  // namespace workbench::pulp
