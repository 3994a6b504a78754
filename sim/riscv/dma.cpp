#include "sim/riscv/dma.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace workbench::riscv {
namespace {

constexpr Word kLength = 0x1ffff, kToL1 = 1U << 17, kIncrement = 1U << 18, kTwoD = 1U << 19,
               kEvent = 1U << 20, kTwoDL1 = 1U << 23;
constexpr std::int64_t kIdentifiersMax = 16;  // bits of the status register

}  // namespace

Mchan::Mchan(const pulp::Machine& machine, Memories& memories, Banks& banks, Code& code)
    : dma_(machine.dma),
      memories_(memories),
      banks_(banks),
      code_(code),
      ports_(static_cast<std::size_t>(machine.cluster.cores) + 1),
      under_way_(static_cast<std::size_t>(
                     std::min<std::int64_t>(machine.dma.identifiers, kIdentifiersMax)),
                 0) {}

Word Mchan::allocate(unsigned hart) {
  for (unsigned k = 0; k < under_way_.size(); ++k) {
    if ((allocated_ >> k & 1) != 0) continue;
    allocated_ |= 1U << k;
    ports_[hart].id = k;
    return k;
  }
  return ports_[hart].id = Port::kNone;
}

Word Mchan::status() const {
  Word busy = 0;
  for (unsigned k = 0; k < under_way_.size(); ++k) busy |= (under_way_[k] > 0 ? 1U : 0U) << k;
  return busy | allocated_ << 16;
}

void Mchan::free(Word identifiers) { allocated_ &= ~identifiers; }

std::size_t Mchan::words_of(Word head) { return (head & kTwoD) != 0 ? 5 : 3; }

Mchan::Command Mchan::decoded(unsigned hart, const Port& port, std::int64_t now) const {
  const Word head = port.words[0];
  if (port.id == Port::kNone) {
    fail(
        "DMA command of core {}: expected an identifier, all {} are taken: free them, or raise "
        "dma.identifiers (to {} at most)",
        hart, under_way_.size(), kIdentifiersMax);
  }
  Command it{.to_l1 = (head & kToL1) != 0,
             .event = (head & kEvent) != 0,
             .two_d = (head & kTwoD) != 0,
             .hart = hart,
             .id = port.id,
             .l1 = port.words[1],
             .l2 = port.words[2],
             .bytes = head & kLength,
             .size = head & kLength};
  it.line = it.two_d ? port.words[3] : it.bytes;
  it.stride = it.two_d ? port.words[4] : 0;
  if ((head & kIncrement) == 0 || (head & kTwoDL1) != 0) {
    fail("DMA command 0x{:x} of core {}: expected increments and no lines in L1", head, hart);
  }
  if (it.line == 0 && it.bytes > 0) fail("DMA command of core {}: lines of 0 bytes", hart);
  const std::uint64_t lines = it.line == 0 ? 0 : (it.bytes + it.line - 1) / it.line;
  const std::uint64_t reach =
      lines == 0 ? 0 : (lines - 1) * it.stride + (it.bytes - (lines - 1) * it.line);
  const std::uint64_t in_l2 = std::max<std::uint64_t>(reach, std::min(it.line, it.bytes));
  if (!memories_.l1.holds(it.l1, it.bytes) || !memories_.l2.holds(it.l2, in_l2)) {
    fail(
        "DMA command of core {}: expected {} bytes of L1 at 0x{:x} and {} of L2 at 0x{:x}, which "
        "are not there",
        hart, it.bytes, it.l1, in_l2, it.l2);
  }
  const std::int64_t first = it.to_l1   ? 0
                             : it.two_d ? dma_.write_line_cycles
                                        : dma_.write_burst_cycles;
  it.ready = now + std::max<std::int64_t>(0, dma_.latency_cycles - first);
  return it;
}

bool Mchan::command(unsigned hart, Word value, std::int64_t now) {
  Port& port = ports_[hart];
  const bool last = !port.words.empty() && port.words.size() + 1 == words_of(port.words[0]);
  if (last && std::ssize(port.queue) >= dma_.core_queue) return false;
  port.words.push_back(value);
  if (!last) return true;
  const Command command = decoded(hart, port, now);
  port.words.clear();
  ++commands_;
  ++under_way_[command.id];
  port.queue.push_back(command);
  admit(now);
  return true;
}

// From the cores' queues to those of the lanes, round robin.
void Mchan::admit(std::int64_t now) {
  for (std::size_t refused = 0; refused < ports_.size();) {
    Port& port = ports_[next_port_];
    next_port_ = next_port_ + 1 == ports_.size() ? 0 : next_port_ + 1;
    const unsigned number = port.queue.empty() || port.queue.front().to_l1 ? 0 : 1;
    Lane& lane = lanes_[number];
    if (port.queue.empty() || std::ssize(lane.queue) >= dma_.global_queue) {
      ++refused;
      continue;
    }
    refused = 0;
    lane.queue.push_back(port.queue.front());
    port.queue.pop_front();
    if (lane.active || lane.queue.size() > 1) continue;
    starts_.push_back({number, std::max(now + 1, lane.queue.front().ready)});
  }
}

void Mchan::next_line(Lane& lane, Command& command, std::int64_t now) {
  lane.line_left = std::min(command.line, command.bytes);
  lane.burst_left = static_cast<Word>(dma_.burst_bytes);
  lane.line_begin = now;
  lane.paid = false;
}

void Mchan::begin(Lane& lane, std::int64_t now) {
  lane.active = true;
  lane.queue.front().begin = now;
  next_line(lane, lane.queue.front(), now);
}

// Cycles before the next bytes of a line or burst to L2 may go.
std::int64_t Mchan::toll(Lane& lane, const Command& command) {
  if (command.to_l1 || lane.paid) return 0;
  lane.paid = true;
  const bool line_begins = lane.line_left == std::min(command.line, command.bytes);
  return command.two_d && line_begins ? dma_.write_line_cycles : dma_.write_burst_cycles;
}

// What a cycle moves; gives the first one after it. Reads go on with the next line, writes do not.
std::int64_t Mchan::move(Lane& lane, Command& command, std::int64_t now) {
  std::int64_t served = now;
  auto room = static_cast<Word>(dma_.bytes_per_cycle);
  while (command.bytes > 0 && room > 0) {
    if (lane.line_left == 0) {
      if (!command.to_l1 || lane.line_begin + dma_.read_line_cycles > now) break;
      command.l2 += command.stride - command.line;
      next_line(lane, command, now);
    }
    const Word count = std::min({room, lane.line_left, lane.burst_left});
    for (Word word = command.l1 & ~3U; word < command.l1 + count; word += 4) {
      served = std::max(served, banks_.serve(word, now));
    }
    std::uint8_t* const l1 = memories_.l1.at(command.l1);
    std::uint8_t* const l2 = memories_.l2.at(command.l2);
    std::memcpy(command.to_l1 ? l1 : l2, command.to_l1 ? l2 : l1, count);
    if (!command.to_l1) code_.written(command.l2, count);
    command.l1 += count;
    command.l2 += count;
    command.bytes -= count;
    room -= count;
    lane.line_left -= count;
    lane.burst_left -= count;
    lane.moved += count;
    if (lane.burst_left == 0) {
      lane.burst_left = static_cast<Word>(dma_.burst_bytes);
      lane.paid = false;
      if (!command.to_l1) break;
    }
  }
  return served + 1;
}

void Mchan::finish(const Command& command) {
  if (--under_way_[command.id] == 0 && command.event) events_.push_back(command.hart);
}

std::optional<std::int64_t> Mchan::run(unsigned number, std::int64_t now) {
  Lane& lane = lanes_[number];
  if (lane.active && lane.queue.front().bytes == 0) {
    const Command& done = lane.queue.front();
    finish(done);
    if (log_ != nullptr) log_->push_back({number, done.begin, now, done.size});
    lane.queue.pop_front();
    lane.active = false;
    admit(now);
    (void)std::erase_if(starts_, [&](const Start& start) { return start.lane == number; });
  }
  if (lane.queue.empty()) return {};
  if (!lane.active) {
    if (lane.queue.front().ready > now) return lane.queue.front().ready;
    begin(lane, now);
  }
  Command& command = lane.queue.front();
  if (command.bytes == 0) return now + 1;
  if (lane.line_left == 0) {  // of writes, and of reads that waited for their next line
    if (command.to_l1 && lane.line_begin + dma_.read_line_cycles > now) {
      return lane.line_begin + dma_.read_line_cycles;
    }
    command.l2 += command.stride - command.line;
    next_line(lane, command, now);
  }
  if (const std::int64_t cycles = toll(lane, command); cycles > 0) {
    lane.busy += cycles;
    return now + cycles;
  }
  const std::int64_t after = move(lane, command, now);
  lane.busy += after - now;
  return after;
}

}  // namespace workbench::riscv
