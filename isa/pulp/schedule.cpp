// One walk through the program for each answer. The cores, barriers, code and L3 are the same in
// both; what the DMA and conflicts at the banks cost comes from EarliestCosts or ExpectedCosts.
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
#include "isa/pulp/icache.h"
#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/mchan.h"

namespace workbench::pulp {

namespace {

// [begin, end) of an instruction.
struct Occupied {
  std::int64_t begin = 0, end = 0;
};

// A time per core, and one that the last of them has reached for certain, whichever it is: in lower
// bounds that is later than any core's own.
struct Team {
  std::vector<std::int64_t> cores;
  std::int64_t latest = 0;

  void meet_at(std::int64_t time) {
    std::fill(cores.begin(), cores.end(), time);
    latest = time;
  }
  void advance(std::int64_t cycles) {
    for (std::int64_t& core : cores) core += cycles;
    latest += cycles;
  }
};

// Lower bounds: of the DMA's queues only what holds in whatever order the cores get to them, of
// kernels what they take with every bank to themselves.
class EarliestCosts {
 public:
  EarliestCosts(const Machine& machine, const KernelTable&, std::span<Occupied> occupied)
      : machine_(machine),
        occupied_(occupied),
        counters_(static_cast<std::size_t>(machine.dma.identifiers),
                  {.all = 0,
                   .cores = std::vector<std::int64_t>(
                       static_cast<std::size_t>(machine.cluster.cores), 0)}) {}

  void issue(std::size_t instruction, const Dma& op, Team& team);
  // When the transfers under a counter are done: all, and those of one core.
  std::int64_t done(std::int64_t id) const { return counter(id).all; }
  std::int64_t done(std::int64_t id, std::size_t core) const { return counter(id).cores[core]; }
  std::int64_t all_done() const { return std::max(lane_free_[0], lane_free_[1]); }
  // What a kernel call that begins then takes longer than alone.
  std::int64_t conflicts(std::int64_t, KernelFigures&) { return 0; }
  void kernel_ran(std::int64_t, std::int64_t) {}
  void retire(std::int64_t) {}

 private:
  struct Counter {
    std::int64_t all = 0;             // the last of all commands under it is done
    std::vector<std::int64_t> cores;  // the last of each core's
  };
  const Counter& counter(std::int64_t id) const {
    return counters_.at(static_cast<std::size_t>(id));
  }

  const Machine& machine_;
  std::span<Occupied> occupied_;
  std::array<std::int64_t, kDirections> lane_free_{};
  std::vector<Counter> counters_;
};

// A direction serves one command at a time: after the first is queued all are pending, after the
// last is queued the last is. The order of the cores is open.
void EarliestCosts::issue(std::size_t instruction, const Dma& op, Team& team) {
  occupied_[instruction] = {team.latest, team.latest};
  if (op.bytes() == 0) return;
  std::vector<std::int64_t>& cores = team.cores;
  const Direction direction = direction_of(op);
  const DmaCommand command = command_of(op, machine_);
  const CommandShares shares(op, std::ssize(cores));
  std::int64_t first = std::numeric_limits<std::int64_t>::max(), last = 0, all = 0, issuing = 0;
  for (std::size_t c = 0; c < cores.size(); ++c) {
    const std::int64_t own = shares.of(static_cast<std::int64_t>(c));
    if (own == 0) continue;
    all += own;
    ++issuing;
    first = std::min(first, cores[c] + command.issue + command.lead);
    cores[c] += own * command.issue;
    last = std::max(last, cores[c] + command.lead);
    team.latest = std::max(team.latest, cores[c]);
  }
  std::int64_t& free = lane_free_[static_cast<std::size_t>(direction)];
  const std::int64_t begin = std::max(free, first);
  free = std::max(begin + all * command.occupancy, last + command.occupancy);
  Counter& counter = counters_.at(static_cast<std::size_t>(op.id));
  counter.all = std::max(counter.all, free);
  for (std::size_t c = 0; c < cores.size(); ++c) {
    const std::int64_t own = shares.of(static_cast<std::int64_t>(c));
    if (own == 0) continue;
    const std::int64_t done =
        std::max(begin + own * command.occupancy, cores[c] + command.lead + command.occupancy);
    counter.cores[c] = std::max(counter.cores[c], done);
  }
  // When the last core goes on, all commands but those that fit the queues have left them, i.e. of
  // each of those all requests are sent: all but `outstanding` of the requests before are served.
  const std::int64_t left =
      all - issuing * (machine_.dma.core_queue + 1) - machine_.dma.global_queue;
  const std::int64_t served =
      left > 0 ? (left * command.requests - outstanding(direction)) / command.requests : 0;
  if (served > 0) team.latest = std::max(team.latest, begin + served * command.occupancy);
  occupied_[instruction] = {begin, free};
}

// The transaction tier's DMA (mchan.h), and kernels with conflicts in closed form.
class ExpectedCosts {
 public:
  ExpectedCosts(const Machine& machine, const KernelTable& kernels, std::span<Occupied> occupied)
      : machine_(machine), kernels_(kernels), occupied_(occupied), mchan_(machine) {}

  // Where the transfer goes is known once it is retired: kernels put off what has been issued.
  void issue(std::size_t instruction, const Dma& op, Team& team) {
    occupied_[instruction] = {team.latest, team.latest};  // of no bytes: that is all
    mchan_.issue(static_cast<std::int32_t>(instruction), op, team.cores);
    team.latest = *std::max_element(team.cores.begin(), team.cores.end());
  }
  std::int64_t done(std::int64_t id) const {
    std::int64_t last = 0;
    for (std::int64_t c = 0; c < machine_.cluster.cores; ++c) {
      last = std::max(last, mchan_.completion(id, c).time);
    }
    return last;
  }
  std::int64_t done(std::int64_t id, std::size_t core) const {
    return mchan_.completion(id, static_cast<std::int64_t>(core)).time;
  }
  std::int64_t all_done() {
    std::int64_t end = 0;
    for (const Direction direction : {Direction::In, Direction::Out}) {
      const auto& under_way = mchan_.transfers(direction);
      if (!under_way.empty()) end = std::max(end, under_way.back().done);
    }
    return end;
  }
  // As the transaction tier does it: cores that take banks slow the DMA down, and it them.
  std::int64_t conflicts(std::int64_t begin, KernelFigures& figures) {
    retire(begin);
    speed_ = machine_.l1.conflicts != 0 ? std::max(0.1, 1 - figures.bank_share) : 1;
    const auto undisturbed =
        static_cast<std::int64_t>(static_cast<double>(figures.slowest) * speed_);
    const double moving = mchan_.bytes_between(begin, begin + undisturbed);
    return kernels_.expected(figures, moving) - figures.slowest;
  }
  void kernel_ran(std::int64_t begin, std::int64_t end) { mchan_.slow(begin, end, speed_); }
  // Transfers that are done are no more the DMA's.
  void retire(std::int64_t time) {
    for (const Direction direction : {Direction::In, Direction::Out}) {
      auto& under_way = mchan_.transfers(direction);
      for (; !under_way.empty() && under_way.front().done <= time; under_way.pop_front()) {
        const Mchan::Transfer& done = under_way.front();
        occupied_[static_cast<std::size_t>(done.instruction)] = {done.begin, done.done};
      }
    }
  }

 private:
  const Machine& machine_;
  const KernelTable& kernels_;
  std::span<Occupied> occupied_;
  Mchan mchan_;
  double speed_ = 1;  // of the DMA beside the last kernel
};

// A program's kernel calls, each looked up once.
struct Calls {
  KernelTable& table;
  std::vector<KernelFigures*> figures;  // per instruction; null: no kernel call
  std::vector<std::int64_t> refills;    // of the instruction cache, per instruction

  Calls(const Program& program, const Machine& machine, KernelTable& kernels)
      : table(kernels), refills(shared_refills(program, machine)) {
    for (const Instruction& instruction : program.instructions) {
      const auto* kernel = std::get_if<Kernel>(&instruction);
      figures.push_back(kernel == nullptr ? nullptr : &table.of(*kernel));
    }
  }
};

template <typename Costs>
class Walk {
 public:
  Walk(const Program& program, const Machine& machine, const Calls& calls)
      : program_(program),
        machine_(machine),
        calls_(calls),
        occupied_(program.instructions.size()),
        costs_(machine, calls.table, occupied_),
        team_{std::vector<std::int64_t>(static_cast<std::size_t>(machine.cluster.cores), 0), 0} {}

  ScheduleTimes run() {
    walk();
    return times();
  }

  Cycles end() {
    walk();
    return Cycles{team_.latest};
  }

 private:
  void walk() {
    std::size_t step = 0;
    for (std::size_t i = 0; i < occupied_.size(); ++i) {
      const auto& steps = program_.host_steps;
      for (; step < steps.size() && steps[step].before <= static_cast<std::int32_t>(i); ++step) {
        quiesce();  // the host runs while all is at rest
      }
      std::visit([&](const auto& op) { execute(i, op); }, program_.instructions[i]);
    }
    quiesce();
  }

  void execute(std::size_t i, const Barrier&) {
    const std::int64_t begin = team_.latest;
    team_.meet_at(begin + machine_.cluster.barrier_cycles);
    occupied_[i] = {begin, team_.latest};
  }

  void execute(std::size_t i, const Code& op) {
    const std::int64_t begin = team_.latest;
    team_.advance(code_cycles(op, machine_).value + calls_.refills[i]);
    occupied_[i] = {begin, team_.latest};
  }

  void execute(std::size_t i, const Dma& op) { costs_.issue(i, op, team_); }

  void execute(std::size_t i, const DmaWait& op) {
    const std::int64_t begin = team_.latest, poll = machine_.dma.poll_cycles;
    team_.latest = std::max(team_.latest + poll, costs_.done(op.id));
    for (std::size_t c = 0; c < team_.cores.size(); ++c) {
      team_.cores[c] = std::max(team_.cores[c] + poll, costs_.done(op.id, c));
    }
    occupied_[i] = {begin, team_.latest};
  }

  void execute(std::size_t i, const L3Transfer& op) {
    const std::int64_t begin = std::max(team_.cores[0], l3_free_);
    l3_free_ = begin + l3_busy_cycles(op, machine_).value;
    l3_done_[op.id] = l3_free_;
    occupied_[i] = {begin, l3_free_};
  }

  void execute(std::size_t i, const L3Wait& op) {
    std::int64_t& core = team_.cores[0];
    const std::int64_t begin = core;
    const auto done = l3_done_.find(op.id);
    if (done != l3_done_.end()) core = std::max(core, done->second);
    team_.latest = std::max(team_.latest, core);
    occupied_[i] = {begin, core};
  }

  void execute(std::size_t i, const CounterStart&) { occupied_[i] = {team_.latest, team_.latest}; }
  void execute(std::size_t i, const CounterStop&) { occupied_[i] = {team_.latest, team_.latest}; }

  // The last core may be the fastest of the call.
  void execute(std::size_t i, const Kernel&) {
    KernelFigures& figures = *calls_.figures[i];
    team_.advance(calls_.refills[i]);
    const std::int64_t begin = team_.latest, longer = costs_.conflicts(begin, figures);
    std::int64_t end = begin + figures.fastest + longer;
    for (std::size_t c = 0; c < team_.cores.size(); ++c) {
      end = std::max(end, team_.cores[c] + figures.alone[c] + longer);
    }
    costs_.kernel_ran(begin, end);
    team_.meet_at(end + machine_.cluster.barrier_cycles);
    occupied_[i] = {begin, team_.latest};
  }

  // Everything before is over, transfers that no core has waited for, too.
  void quiesce() {
    team_.meet_at(std::max({team_.latest, l3_free_, costs_.all_done()}));
    costs_.retire(team_.latest);
  }

  ScheduleTimes times() const {
    ScheduleTimes result;
    result.end = Cycles{team_.latest};
    result.begin.reserve(occupied_.size());
    result.finish.reserve(occupied_.size());
    result.layer_end.resize(program_.info.layers.size());
    const std::vector<std::int32_t>& layers = program_.info.instruction_layer;
    for (std::size_t i = 0; i < occupied_.size(); ++i) {
      result.begin.push_back(Cycles{occupied_[i].begin});
      result.finish.push_back(Cycles{occupied_[i].end});
      const auto layer =
          i < layers.size() ? static_cast<std::size_t>(layers[i]) : result.layer_end.size();
      if (layer >= result.layer_end.size()) continue;
      result.layer_end[layer] = std::max(result.layer_end[layer], result.finish[i]);
    }
    return result;
  }

  const Program& program_;
  const Machine& machine_;
  const Calls& calls_;
  std::vector<Occupied> occupied_;
  Costs costs_;
  Team team_;
  std::int64_t l3_free_ = 0;
  std::unordered_map<std::int64_t, std::int64_t> l3_done_;  // by counter
};

}  // namespace

AnalyticSchedule analytic_schedule(const Program& program, const Machine& machine) {
  KernelTable kernels(machine);
  const Calls calls(program, machine, kernels);
  return {.earliest = Walk<EarliestCosts>(program, machine, calls).run(),
          .expected = Walk<ExpectedCosts>(program, machine, calls).run()};
}

Cycles expected_end(const Program& program, const Machine& machine) {
  return ExpectedEnds(machine)(program);
}

Cycles ExpectedEnds::operator()(const Program& program) {
  return Walk<ExpectedCosts>(program, machine_, Calls(program, machine_, kernels_)).end();
}

}  // namespace workbench::pulp
