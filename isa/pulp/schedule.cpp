// Lower bounds on when a cluster does what a program says (schedule.h): a time per core, and one
// that the last of them has reached for certain, whichever it is.
#include "isa/pulp/schedule.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <unordered_map>
#include <variant>
#include <vector>

#include "isa/pulp/cost.h"
#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/mchan.h"

namespace workbench::pulp {

namespace {

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

// When a cluster is expected to do what a program says (schedule.h): the transaction tier's team of
// cores and its DMA (mchan.h), kernels with conflicts in closed form.

class ExpectedTimes {
 public:
  // `transfers`: where [begin, end) of Dma instructions go, by instruction, once they are known:
  // kernels put off what has been issued.
  ExpectedTimes(const Machine& machine, KernelTable& kernels, std::span<Occupied> transfers);

  Occupied execute(const Barrier&);
  void issue(std::int32_t instruction, const Dma& op);
  Occupied execute(const DmaWait& op);
  Occupied execute(const L3Transfer& op);
  Occupied execute(const L3Wait& op);
  Occupied execute(const Code& op);
  Occupied execute(const Kernel& op, KernelFigures& figures);

  // Everything before is over, transfers that nobody has waited for, too.
  std::int64_t quiesce();
  std::int64_t latest() const;

 private:
  void meet_at(std::int64_t time);
  // Transfers that are done are no more the DMA's.
  void retire(std::int64_t time);

  const Machine& machine_;
  KernelTable& kernels_;
  std::span<Occupied> transfers_;
  Mchan mchan_;
  std::vector<std::int64_t> clocks_;  // per core
  std::int64_t l3_free_ = 0;
  std::unordered_map<std::int64_t, std::int64_t> l3_done_;  // by counter
};

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

class Scheduler {
 public:
  Scheduler(const Program& program, const Machine& machine)
      : program_(program),
        kernels_(machine),
        expected_(program.instructions.size()),
        earliest_times_(machine),
        expected_times_(machine, kernels_, expected_) {}

  AnalyticSchedule run() {
    const auto count = static_cast<std::int32_t>(program_.instructions.size());
    earliest_.reserve(program_.instructions.size());
    for (std::int32_t i = 0; i < count; ++i) {
      host_steps_before(i);
      std::visit([&](const auto& op) { execute(i, op); },
                 program_.instructions[static_cast<std::size_t>(i)]);
    }
    const std::int64_t earliest_end = earliest_times_.quiesce();
    const std::int64_t expected_end = expected_times_.quiesce();
    return {.earliest = times(earliest_, earliest_end), .expected = times(expected_, expected_end)};
  }

 private:
  // The host runs while all is at rest.
  void host_steps_before(std::int32_t instruction) {
    const auto& steps = program_.host_steps;
    for (; next_host_step_ < steps.size() && steps[next_host_step_].before <= instruction;
         ++next_host_step_) {
      earliest_times_.quiesce();
      expected_times_.quiesce();
    }
  }

  template <typename Op>
  void execute(std::int32_t instruction, const Op& op) {
    Occupied& expected = expected_[static_cast<std::size_t>(instruction)];
    if constexpr (std::same_as<Op, Kernel>) {
      KernelFigures& figures = kernels_.of(op);
      earliest_.push_back(earliest_times_.execute(op, figures));
      expected = expected_times_.execute(op, figures);
    } else if constexpr (std::same_as<Op, Dma>) {
      earliest_.push_back(earliest_times_.execute(op));
      expected_times_.issue(instruction, op);
    } else if constexpr (std::same_as<Op, CounterStart> || std::same_as<Op, CounterStop>) {
      earliest_.push_back({earliest_times_.latest(), earliest_times_.latest()});
      expected = {expected_times_.latest(), expected_times_.latest()};
    } else {
      earliest_.push_back(earliest_times_.execute(op));
      expected = expected_times_.execute(op);
    }
  }

  ScheduleTimes times(const std::vector<Occupied>& occupied, std::int64_t end) const {
    ScheduleTimes result;
    result.end = Cycles{end};
    result.begin.reserve(occupied.size());
    result.finish.reserve(occupied.size());
    result.layer_end.resize(program_.info.layers.size());
    const std::vector<std::int32_t>& layers = program_.info.instruction_layer;
    for (std::size_t i = 0; i < occupied.size(); ++i) {
      result.begin.push_back(Cycles{occupied[i].begin});
      result.finish.push_back(Cycles{occupied[i].end});
      const auto layer =
          i < layers.size() ? static_cast<std::size_t>(layers[i]) : result.layer_end.size();
      if (layer >= result.layer_end.size()) continue;
      result.layer_end[layer] = std::max(result.layer_end[layer], result.finish[i]);
    }
    return result;
  }

  const Program& program_;
  KernelTable kernels_;
  std::vector<Occupied> earliest_, expected_;
  EarliestTimes earliest_times_;
  ExpectedTimes expected_times_;
  std::size_t next_host_step_ = 0;
};

}  // namespace

AnalyticSchedule analytic_schedule(const Program& program, const Machine& machine) {
  return Scheduler(program, machine).run();
}

}  // namespace workbench::pulp
