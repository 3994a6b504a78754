#include "sim/pulp/cluster.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <variant>

#include "core/error.h"
#include "isa/pulp/cost.h"
#include "isa/pulp/icache.h"
#include "sim/common/kernel.h"
#include "sim/pulp/host.h"

namespace workbench::pulp {

using sim::now;

namespace {

// Only the part of L3 that the program uses: HyperRAM is large.
std::int64_t l3_bytes_of(const Program& program, const Machine& machine) {
  std::int64_t end =
      std::max(program.l3_bytes, static_cast<std::int64_t>(program.constants.size()));
  for (const Instruction& instruction : program.instructions) {
    const auto* op = std::get_if<L3Transfer>(&instruction);
    if (op != nullptr) end = std::max(end, op->l3 + (op->rows - 1) * op->l3_stride + op->length);
  }
  for (const auto* list : {&program.inputs, &program.outputs}) {
    for (const TensorPlace& place : *list) {
      if (place.space != Space::L3) continue;
      for (const Region& region : regions(place)) end = std::max(end, region.end());
    }
  }
  return std::clamp<std::int64_t>(end, 0, machine.l3.size_bytes);
}

std::int64_t slowest(const std::vector<std::int64_t>& cycles) {
  return *std::max_element(cycles.begin(), cycles.end());
}

}  // namespace

Cluster::Cluster(const Program& p, const Machine& m, const SimulateOptions& o)
    : program(p),
      machine(m),
      options(o),
      hazards(p, m, {m.l1.buffer_bytes, m.l2.buffer_bytes, l3_bytes_of(p, m)}),
      mchan(m),
      kernel_times(m),
      code_refills(shared_refills(p, m)) {
  cores_resource = recorder.add_resource("cores");
  dma_resource[static_cast<std::size_t>(Direction::In)] = recorder.add_resource("dma in");
  dma_resource[static_cast<std::size_t>(Direction::Out)] = recorder.add_resource("dma out");
  l3_resource = recorder.add_resource("l3");
  if (!options.values) return;
  memory.l1.resize(static_cast<std::size_t>(machine.l1.buffer_bytes));
  memory.l2.resize(static_cast<std::size_t>(machine.l2.buffer_bytes));
  memory.l3.assign(program.constants.begin(), program.constants.end());
  memory.l3.resize(static_cast<std::size_t>(l3_bytes_of(program, machine)));
}

DmaLane::DmaLane(sc_core::sc_module_name name, Cluster& cluster, Direction direction)
    : sc_module(name), cluster_(cluster), direction_(direction) {
  SC_HAS_PROCESS(DmaLane);
  SC_THREAD(run);
  set_stack_size(1 << 20);
}

void DmaLane::run() {
  const auto lane = static_cast<std::size_t>(direction_);
  auto& transfers = cluster_.mchan.transfers(direction_);
  while (true) {
    if (transfers.empty()) {
      wait(cluster_.dma_changed[lane]);
      continue;
    }
    const std::int64_t left = transfers.front().done - now();
    if (left > 0) {  // a kernel that begins meanwhile puts it off
      wait(sim::cycles(left), cluster_.dma_changed[lane]);
      continue;
    }
    const Mchan::Transfer done = transfers.front();
    transfers.pop_front();
    cluster_.carry_out<Dma>(done.instruction);
    cluster_.recorder.record(cluster_.dma_resource[lane], done.instruction, done.begin, done.begin,
                             done.done, Cause::Work, done.bytes);
  }
}

L3Port::L3Port(sc_core::sc_module_name name, Cluster& cluster)
    : sc_module(name), cluster_(cluster) {
  SC_HAS_PROCESS(L3Port);
  SC_THREAD(run);
  set_stack_size(1 << 20);
}

void L3Port::run() {
  while (true) {
    while (cluster_.l3_requests.empty()) wait(cluster_.l3_changed);
    const Cluster::L3Request request = cluster_.l3_requests.front();
    sim::wait_until(request.done);
    cluster_.l3_requests.pop_front();
    cluster_.carry_out<L3Transfer>(request.instruction);
    cluster_.recorder.record(cluster_.l3_resource, request.instruction, request.begin,
                             request.begin, request.done, Cause::Work, request.bytes);
  }
}

Team::Team(sc_core::sc_module_name name, Cluster& cluster, Host& host)
    : sc_module(name),
      cluster_(cluster),
      host_(host),
      clocks_(static_cast<std::size_t>(cluster.machine.cluster.cores), 0),
      counters_(cluster.program.info.layers.size()) {
  SC_HAS_PROCESS(Team);
  SC_THREAD(run);
  set_stack_size(8 << 20);
}

void Team::run() {
  run_program();
  quiesce();
  finished_ = true;
}

void Team::run_program() {
  const auto count = static_cast<std::int32_t>(cluster_.program.instructions.size());
  for (std::int32_t i = 0; i < count; ++i) {
    host_steps_before(i);
    current_ = i;
    if (!cluster_.hazards.issue(i, latest())) return;
    const Instruction& instruction = cluster_.program.instructions[static_cast<std::size_t>(i)];
    std::visit([this](const auto& op) { execute(op); }, instruction);
    collect(i);
  }
  host_steps_before(count);
  complete_ = true;
}

void Team::host_steps_before(std::int32_t instruction) {
  const auto& steps = cluster_.program.host_steps;
  while (next_host_step_ < steps.size() && steps[next_host_step_].before <= instruction) {
    quiesce();
    const HostStep& step = steps[next_host_step_++];
    if (cluster_.options.values) {
      host_.run(step, latest());
    } else {
      host_.check(step, latest());
    }
    cluster_.hazards.host_returned();
  }
}

void Team::execute(const Barrier&) {
  all_at(latest() + cluster_.machine.cluster.barrier_cycles);
  account(latest(), Cause::WaitEngine);
  catch_up(latest());
}

void Team::execute(const Dma& op) {
  const auto direction = static_cast<std::size_t>(op.to_l1 ? Direction::In : Direction::Out);
  account(cluster_.mchan.issue(current_, op, clocks_), Cause::Issue);
  account(latest(), Cause::WaitEngine, cluster_.dma_resource[direction]);  // queues are full
  cluster_.dma_changed[direction].notify(sc_core::SC_ZERO_TIME);
}

void Team::execute(const DmaWait& op) {
  Mchan::Completion last;
  const std::int64_t began = latest();
  for (std::size_t c = 0; c < clocks_.size(); ++c) {
    const auto done = cluster_.mchan.completion(op.id, static_cast<std::int64_t>(c));
    clocks_[c] = std::max(clocks_[c] + cluster_.machine.dma.poll_cycles, done.time);
    if (done.time > last.time) last = done;
  }
  const std::int64_t polled = began + cluster_.machine.dma.poll_cycles;
  if (latest() <= polled) {
    account(latest(), Cause::Issue);
    return;
  }
  account(latest(), Cause::MemoryWait,
          cluster_.dma_resource[static_cast<std::size_t>(last.direction)]);
}

void Team::execute(const L3Transfer& op) {
  const std::int64_t begin = std::max(clocks_[0], l3_free_at_);
  l3_free_at_ = begin + l3_busy_cycles(op, cluster_.machine).value;
  std::int64_t& done = l3_done_[op.id];
  done = l3_free_at_;
  cluster_.l3_requests.push_back({current_, begin, l3_free_at_, op.bytes()});
  cluster_.l3_changed.notify(sc_core::SC_ZERO_TIME);
}

void Team::execute(const L3Wait& op) {
  clocks_[0] = std::max(clocks_[0], l3_done_[op.id]);
  account(latest(), Cause::MemoryWait, cluster_.l3_resource);
}

void Team::execute(const Code& op) {
  const std::int64_t cycles = code_cycles(op, cluster_.machine).value +
                              cluster_.code_refills[static_cast<std::size_t>(current_)];
  for (std::int64_t& clock : clocks_) clock += cycles;
  account(latest(), Cause::Issue);
}

void Team::execute(const CounterStart&) { counter_begin_ = clocks_[0]; }

void Team::execute(const CounterStop&) {
  const auto& layers = cluster_.program.info.instruction_layer;
  const auto number = static_cast<std::size_t>(current_);
  if (number >= layers.size()) return;
  counters_.at(static_cast<std::size_t>(layers[number])) += Cycles{clocks_[0] - counter_begin_};
}

// Operands are read, and results are there, when it ends: accesses in conflict with it are told of
// by the hazards. A bank that a core takes does not serve the DMA (docs/facts/pulp.md 1.9: loads of
// all cores in each cycle, which is half the banks, halve its speed).
void Team::execute(const Kernel& op) {
  const std::int64_t refills = cluster_.code_refills[static_cast<std::size_t>(current_)];
  for (std::int64_t& clock : clocks_) clock += refills;
  if (refills > 0) account(latest(), Cause::Issue);
  const std::int64_t begin = latest();
  const KernelFigures& undisturbed = cluster_.kernel_times.undisturbed(op);
  const std::int64_t alone = undisturbed.slowest;
  const bool conflicts = cluster_.machine.l1.conflicts != 0;
  const double dma_speed = conflicts ? std::max(0.1, 1 - undisturbed.bank_share) : 1;
  const double moving = cluster_.mchan.bytes_between(
      begin, begin + static_cast<std::int64_t>(static_cast<double>(alone) * dma_speed));
  const std::vector<std::int64_t> cycles = cluster_.kernel_times.disturbed(op, moving);
  for (std::size_t c = 0; c < clocks_.size(); ++c) clocks_[c] += cycles[c];
  const std::int64_t end = latest();
  if (dma_speed < 1) {
    cluster_.mchan.slow(begin, end, dma_speed);
    for (auto& changed : cluster_.dma_changed) changed.notify(sc_core::SC_ZERO_TIME);
  }
  account_kernel(begin, end, undisturbed.alone, slowest(cycles) - alone);
  all_at(end + cluster_.machine.cluster.barrier_cycles);
  account(latest(), Cause::WaitEngine);
  catch_up(end);
  if (cluster_.options.values) {
    pulp::execute(op, cluster_.memory, cluster_.options.threads);
    leave_scratch(op);
  }
  catch_up(latest());
}

// Poisons the scratch columns, so that data left there is lost.
void Team::leave_scratch(const Kernel& op) {
  constexpr std::uint8_t kColumns = 0xa5;
  std::fill_n(cluster_.memory.l1.begin() + op.scratch, scratch_bytes(op, cluster_.machine),
              kColumns);
}

// Average work of the cores; contention among them; imbalance until the last is done.
void Team::account_kernel(std::int64_t begin, std::int64_t end,
                          const std::vector<std::int64_t>& alone, std::int64_t conflicts) {
  const std::int64_t mean = std::accumulate(alone.begin(), alone.end(), std::int64_t{0}) /
                            static_cast<std::int64_t>(alone.size());
  account(std::min(end, begin + mean), Cause::Work);
  account(std::min(end, begin + mean + std::max<std::int64_t>(0, conflicts)), Cause::PortStall);
  account(end, Cause::WaitEngine);
}

void Team::collect(std::int32_t instruction) {
  const auto& probes = cluster_.program.probes;
  const bool wanted = cluster_.options.values && cluster_.options.collect;
  for (; next_probe_ < probes.size() && probes[next_probe_].after <= instruction; ++next_probe_) {
    const Probe& probe = probes[next_probe_];
    cluster_.hazards.result_read(probe.place, instruction, latest());
    if (!wanted) continue;
    catch_up(latest());
    put_piece(probe, read_tensor(cluster_.memory, probe.place), tensors_[probe.place.value]);
  }
}

std::int64_t Team::latest() const { return slowest(clocks_); }

void Team::all_at(std::int64_t time) { std::fill(clocks_.begin(), clocks_.end(), time); }

void Team::catch_up(std::int64_t time) {
  sim::wait_until(time);
  wait(sc_core::SC_ZERO_TIME);  // behind what others do at that time
}

void Team::quiesce() {
  std::int64_t end = std::max(latest(), l3_free_at_);
  for (const Direction direction : {Direction::In, Direction::Out}) {
    const auto& transfers = cluster_.mchan.transfers(direction);
    if (!transfers.empty()) end = std::max(end, transfers.back().done);
  }
  all_at(end);
  account(end, Cause::MemoryWait);
  catch_up(end);
}

void Team::account(std::int64_t time, Cause cause, int blocked_on) {
  cluster_.recorder.record(cluster_.cores_resource, current_, accounted_, accounted_, time, cause,
                           0, blocked_on);
  accounted_ = std::max(accounted_, time);
}

}  // namespace workbench::pulp
