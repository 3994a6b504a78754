#include "sim/pulp/dma.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace workbench::pulp {

namespace {

// pulp.md 1.5: requests to L2 that may be on their way; of L1 only one at a time.
constexpr std::int64_t kOutstandingReads = 8, kOutstandingWrites = 1;

// The element that was pushed `back` before the last of what is kept; 0 where there was none.
std::int64_t recent(const std::deque<std::int64_t>& times, std::int64_t back) {
  const auto n = static_cast<std::int64_t>(times.size());
  return back <= n && back > 0 ? times[static_cast<std::size_t>(n - back)] : 0;
}
void remember(std::deque<std::int64_t>& times, std::int64_t time, std::int64_t keep) {
  times.push_back(time);
  while (static_cast<std::int64_t>(times.size()) > keep) times.pop_front();
}

}  // namespace

std::int64_t command_count(const Dma& transfer) {
  return transfer.planes * transfer.rows * (transfer.two_d ? 1 : transfer.lines);
}

// pulp.md 1.9, gvsoc_micro.json: reads move a request per cycle and bytes_per_cycle, packed across
// lines; writes cannot pack, and each burst or line costs more than its bytes. That of the first is
// hidden in the latency of a write on its own.
DmaCommand command_of(const Dma& transfer, const Machine& machine) {
  const Machine::Dma& dma = machine.dma;
  const std::int64_t lines = transfer.two_d ? transfer.lines : 1;
  const std::int64_t bursts = ceil_div(transfer.length, dma.burst_bytes);
  DmaCommand command{.issue = transfer.two_d ? dma.issue_cycles_2d : dma.issue_cycles_1d,
                     .requests = lines * bursts,
                     .lead = dma.latency_cycles};
  if (transfer.to_l1) {
    command.occupancy =
        std::max(command.requests, ceil_div(transfer.length * lines, dma.bytes_per_cycle));
    return command;
  }
  const std::int64_t first = transfer.two_d ? dma.write_line_cycles : dma.write_burst_cycles;
  command.occupancy = lines * (ceil_div(transfer.length, dma.bytes_per_cycle) + first +
                               (bursts - 1) * dma.write_burst_cycles);
  command.lead = std::max<std::int64_t>(0, dma.latency_cycles - first);
  return command;
}

Mchan::Mchan(const Machine& machine)
    : machine_(machine), cores_(static_cast<std::size_t>(machine.cluster.cores)) {
  for (Core& core : cores_) {
    core.completed.resize(static_cast<std::size_t>(machine.dma.identifiers));
  }
}

std::int64_t Mchan::issue(std::int32_t instruction, const Dma& transfer,
                          std::span<std::int64_t> clocks) {
  CHECK(clocks.size() == cores_.size());
  const auto direction = transfer.to_l1 ? Direction::In : Direction::Out;
  const DmaCommand command = command_of(transfer, machine_);
  const auto cores = static_cast<std::int64_t>(cores_.size());
  std::vector<std::int64_t> left(cores_.size(), 0);
  std::int64_t all = 0, unstalled = *std::max_element(clocks.begin(), clocks.end());
  for (std::int64_t c = 0; c < cores; ++c) {
    const auto part = share_of_core(transfer, c, cores);
    if (!part) continue;
    const auto core = static_cast<std::size_t>(c);
    left[core] = command_count(*part);
    all += left[core];
    unstalled = std::max(unstalled, clocks[core] + left[core] * command.issue);
  }
  if (all == 0) return unstalled;
  Transfer whole{instruction, -1, 0, transfer.bytes()};
  for (; all > 0; --all) {
    std::size_t first = cores_.size();
    for (std::size_t i = 0; i < cores_.size(); ++i) {
      const std::size_t c = (next_core_ + i) % cores_.size();
      if (left[c] == 0 || (first < cores_.size() && clocks[c] >= clocks[first])) continue;
      first = c;
    }
    issue_command(command, direction, cores_[first], clocks[first], whole, transfer.id);
    --left[first];
    next_core_ = (first + 1) % cores_.size();
  }
  lane(direction).transfers.push_back(whole);
  return unstalled;
}

void Mchan::issue_command(const DmaCommand& command, Direction direction, Core& core,
                          std::int64_t& clock, Transfer& whole, std::int64_t id) {
  const Machine::Dma& dma = machine_.dma;
  Lane& lane = this->lane(direction);
  // A command of the core's waits in its port while the queue is full; with the next it stalls.
  clock = std::max(clock + command.issue, recent(core.granted, dma.core_queue + 1));
  const std::int64_t granted =
      std::max({clock, recent(core.granted, 1), recent(lane.leaves, dma.global_queue)});
  const std::int64_t begin = std::max(granted + command.lead, lane.free_at);
  const std::int64_t done = begin + command.occupancy;
  lane.free_at = done;
  const std::int64_t outstanding =
      direction == Direction::In ? kOutstandingReads : kOutstandingWrites;
  const std::int64_t sent = last_request_sent(lane, command, outstanding, done);
  remember(core.granted, granted, dma.core_queue + 1);
  remember(lane.leaves, std::max(granted, sent), dma.global_queue);
  Completion& last = core.completed.at(static_cast<std::size_t>(id));
  if (done > last.time) last = {done, direction};
  if (whole.begin < 0) whole.begin = begin;
  whole.done = done;
}

// A request is sent when the one `outstanding` before it has been served; then its command leaves
// the global queue.
std::int64_t Mchan::last_request_sent(Lane& lane, const DmaCommand& command,
                                      std::int64_t outstanding, std::int64_t done) {
  const std::int64_t each = command.occupancy / command.requests;
  const std::int64_t sent = command.requests > outstanding
                                ? done - outstanding * each
                                : recent(lane.requests, outstanding - command.requests + 1);
  for (std::int64_t back = std::min(command.requests, outstanding) - 1; back >= 0; --back) {
    remember(lane.requests, done - back * each, outstanding);
  }
  return sent;
}

Mchan::Completion Mchan::completion(std::int64_t id, std::int64_t core) const {
  return cores_.at(static_cast<std::size_t>(core)).completed.at(static_cast<std::size_t>(id));
}

void Mchan::slow(std::int64_t begin, std::int64_t end, double speed) {
  if (speed >= 1 || begin >= end) return;
  const auto work = static_cast<std::int64_t>(static_cast<double>(end - begin) * speed);
  const auto move = [&](std::int64_t& time) {
    if (time <= begin) return;
    const std::int64_t ahead = time - begin;
    time = ahead > work
               ? end + ahead - work
               : begin + static_cast<std::int64_t>(std::ceil(static_cast<double>(ahead) / speed));
  };
  for (Lane& lane : lanes_) {
    move(lane.free_at);
    for (std::int64_t& time : lane.leaves) move(time);
    for (std::int64_t& time : lane.requests) move(time);
    for (Transfer& transfer : lane.transfers) move(transfer.begin), move(transfer.done);
  }
  for (Core& core : cores_) {
    for (std::int64_t& time : core.granted) move(time);
    for (Completion& completion : core.completed) move(completion.time);
  }
}

double Mchan::bytes_between(std::int64_t begin, std::int64_t end) const {
  double bytes = 0;
  for (const Lane& lane : lanes_) {
    for (const Transfer& t : lane.transfers) {
      const std::int64_t inside = std::min(end, t.done) - std::max(begin, t.begin);
      if (inside <= 0) continue;
      bytes += static_cast<double>(t.bytes) * static_cast<double>(inside) /
               static_cast<double>(t.done - t.begin);
    }
  }
  return bytes;
}

}  // namespace workbench::pulp
