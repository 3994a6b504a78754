#include "isa/pulp/mchan.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/units.h"

namespace workbench::pulp {

// docs/facts/pulp.md 1.9, gvsoc_micro.json: reads move a request per cycle and bytes_per_cycle,
// packed across lines; writes cannot pack, and each burst or line costs more than its bytes. That
// of the first is hidden in the latency of a write on its own.
DmaCommand command_of(const Dma& transfer, const Machine& machine) {
  const Machine::Dma& dma = machine.dma;
  const std::int64_t lines = transfer.two_d ? transfer.lines : 1;
  const std::int64_t bursts = ceil_div(transfer.length, dma.burst_bytes);
  DmaCommand command{.issue = transfer.two_d ? dma.issue_cycles_2d : dma.issue_cycles_1d,
                     .requests = lines * bursts,
                     .lead = dma.latency_cycles};
  if (transfer.to_l1) {
    command.occupancy = std::max(command.requests * (transfer.two_d ? dma.read_line_cycles : 1),
                                 ceil_div(transfer.length * lines, dma.bytes_per_cycle));
    return command;
  }
  const std::int64_t first = transfer.two_d ? dma.write_line_cycles : dma.write_burst_cycles;
  command.occupancy = lines * (ceil_div(transfer.length, dma.bytes_per_cycle) + first +
                               (bursts - 1) * dma.write_burst_cycles);
  command.lead = std::max<std::int64_t>(0, dma.latency_cycles - first);
  return command;
}

Mchan::Mchan(const Machine& machine)
    : machine_(machine),
      lanes_{Lane{.leaves = RecentTimes(machine.dma.global_queue),
                  .requests = RecentTimes(kOutstandingReads),
                  .transfers = {}},
             Lane{.leaves = RecentTimes(machine.dma.global_queue),
                  .requests = RecentTimes(kOutstandingWrites),
                  .transfers = {}}},
      cores_(static_cast<std::size_t>(machine.cluster.cores),
             {.granted = RecentTimes(machine.dma.core_queue + 1), .completed = {}}),
      left_(cores_.size()) {
  for (Core& core : cores_) {
    core.completed.resize(static_cast<std::size_t>(machine.dma.identifiers));
  }
}

std::int64_t Mchan::issue(std::int32_t instruction, const Dma& transfer,
                          std::span<std::int64_t> clocks) {
  CHECK(clocks.size() == cores_.size());
  const Direction direction = direction_of(transfer);
  std::int64_t all = 0, unstalled = *std::max_element(clocks.begin(), clocks.end());
  if (transfer.bytes() == 0) return unstalled;
  const DmaCommand command = command_of(transfer, machine_);
  const CommandShares shares(transfer, std::ssize(clocks));
  for (std::size_t core = 0; core < cores_.size(); ++core) {
    left_[core] = shares.of(static_cast<std::int64_t>(core));
    all += left_[core];
    unstalled = std::max(unstalled, clocks[core] + left_[core] * command.issue);
  }
  Transfer whole{instruction, -1, 0, transfer.bytes()};
  for (; all > 0; --all) {
    const std::size_t core = next_to_issue(clocks);
    issue_command(command, direction, cores_[core], clocks[core], whole, transfer.id);
    --left_[core];
    next_core_ = core + 1 == cores_.size() ? 0 : core + 1;
  }
  lane(direction).transfers.push_back(whole);
  return unstalled;
}

// Of those that have commands left, the one that comes first; round robin among those that come
// together.
std::size_t Mchan::next_to_issue(std::span<const std::int64_t> clocks) const {
  std::size_t first = cores_.size();
  for (std::size_t i = 0, c = next_core_; i < cores_.size(); ++i) {
    if (left_[c] > 0 && (first == cores_.size() || clocks[c] < clocks[first])) first = c;
    c = c + 1 == cores_.size() ? 0 : c + 1;
  }
  return first;
}

void Mchan::issue_command(const DmaCommand& command, Direction direction, Core& core,
                          std::int64_t& clock, Transfer& whole, std::int64_t id) {
  const Machine::Dma& dma = machine_.dma;
  Lane& lane = this->lane(direction);
  // A command of the core's waits in its port while the queue is full; with the next it stalls.
  clock = std::max(clock + command.issue, core.granted[dma.core_queue + 1]);
  const std::int64_t granted = std::max({clock, core.granted[1], lane.leaves[dma.global_queue]});
  const std::int64_t begin = std::max(granted + command.lead, lane.free_at);
  const std::int64_t done = begin + command.occupancy;
  lane.free_at = done;
  const std::int64_t sent = last_request_sent(lane, command, outstanding(direction), done);
  core.granted.push(granted);
  lane.leaves.push(std::max(granted, sent));
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
                                : lane.requests[outstanding - command.requests + 1];
  for (std::int64_t back = std::min(command.requests, outstanding) - 1; back >= 0; --back) {
    lane.requests.push(done - back * each);
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
    for (std::int64_t& time : lane.leaves.values()) move(time);
    for (std::int64_t& time : lane.requests.values()) move(time);
    for (Transfer& transfer : lane.transfers) move(transfer.begin), move(transfer.done);
  }
  for (Core& core : cores_) {
    for (std::int64_t& time : core.granted.values()) move(time);
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

namespace {

struct Span {
  std::int64_t begin = 0, count = 0;
};
Span share(std::int64_t n, std::int64_t core, std::int64_t cores) {
  const std::int64_t chunk = ceil_div(n, cores), begin = std::min(core * chunk, n);
  return {begin, std::min(chunk, n - begin)};
}

}  // namespace

std::optional<Dma> share_of_core(const Dma& transfer, std::int64_t core, std::int64_t cores) {
  if (!transfer.split) return core == 0 ? std::optional(transfer) : std::nullopt;
  Dma part = transfer;
  if (transfer.rows > 1) {
    const Span rows = share(transfer.rows, core, cores);
    part.rows = rows.count;
    part.l1 += rows.begin * transfer.l1_row_stride;
    part.l2 += rows.begin * transfer.l2_row_stride;
  } else if (transfer.planes > 1) {
    const Span planes = share(transfer.planes, core, cores);
    part.planes = planes.count;
    part.l1 += planes.begin * transfer.l1_plane_stride;
    part.l2 += planes.begin * transfer.l2_plane_stride;
  } else if (!transfer.two_d) {
    const Span lines = share(transfer.lines, core, cores);
    part.lines = lines.count;
    part.l1 += lines.begin * transfer.l1_line_stride;
    part.l2 += lines.begin * transfer.l2_line_stride;
  } else if (core > 0) {
    return std::nullopt;
  }
  return part.bytes() > 0 ? std::optional(part) : std::nullopt;
}

std::int64_t command_count(const Dma& transfer) {
  return transfer.planes * transfer.rows * (transfer.two_d ? 1 : transfer.lines);
}

CommandShares::CommandShares(const Dma& transfer, std::int64_t cores) {
  const std::int64_t all = transfer.bytes() > 0 ? command_count(transfer) : 0;
  if (transfer.split && transfer.rows > 1) {
    dealt_ = transfer.rows;
  } else if (transfer.split && transfer.planes > 1) {
    dealt_ = transfer.planes;
  } else if (transfer.split && !transfer.two_d) {
    dealt_ = std::max<std::int64_t>(1, transfer.lines);
  }
  chunk_ = ceil_div(dealt_, cores);
  each_ = all / dealt_;
}

std::int64_t CommandShares::of(std::int64_t core) const {
  return std::clamp<std::int64_t>(dealt_ - core * chunk_, 0, chunk_) * each_;
}

}  // namespace workbench::pulp
