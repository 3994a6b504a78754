#include "sim/pulp/access_stream.h"

#include <algorithm>
#include <utility>

namespace workbench::pulp {

AccessStream::AccessStream(const CoreCode& code, const Machine& machine)
    : misaligned_(machine.core.misaligned) {
  append(code, 0, code.size());
  append_step({.kind = Step::Kind::End});
  accesses_ = {};
}

// `work_` gathers what comes between two steps.
void AccessStream::append_step(Step step) {
  step.work = std::exchange(work_, 0);
  steps_.push_back(step);
}

void AccessStream::append(const CoreCode& code, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    const CodeNode& node = code[i];
    switch (node.kind) {
      case CodeNode::Kind::Work:
        work_ += node.cycles;
        break;
      case CodeNode::Kind::Access:
        append_step({.kind = Step::Kind::Access,
                     .bytes = node.access_bytes,
                     .index = static_cast<std::uint32_t>(addresses_.size())});
        addresses_.push_back(node.address.base);
        accesses_.push_back(&node);
        break;
      case CodeNode::Kind::Loop:
        append_loop(code, i);
        i = static_cast<std::size_t>(node.end) - 1;
        break;
    }
  }
}

void AccessStream::append_loop(const CoreCode& code, std::size_t node) {
  const CodeNode& head = code[node];
  work_ += head.entry_cycles + head.iteration_cycles;
  append_step({.kind = Step::Kind::Enter});
  Loop loop;
  loop.body = steps_.size();
  loop.first_access = addresses_.size();
  loop.trips = head.trips;
  loop.iteration_cycles = head.iteration_cycles;
  append(code, node + 1, static_cast<std::size_t>(head.end));
  for (std::size_t a = loop.first_access; a < accesses_.size(); ++a) {
    loop.strides.push_back(accesses_[a]->address.step[static_cast<std::size_t>(head.depth)]);
  }
  const auto body = steps_.begin() + static_cast<std::ptrdiff_t>(loop.body);
  const bool innermost = std::all_of(
      body, steps_.end(), [](const Step& step) { return step.kind == Step::Kind::Access; });
  if (innermost) make_innermost(loop);
  append_step({.kind = innermost ? Step::Kind::Innermost : Step::Kind::Close,
               .index = static_cast<std::uint32_t>(loops_.size())});
  loops_.push_back(std::move(loop));
}

void AccessStream::make_innermost(Loop& loop) {
  const auto body = steps_.begin() + static_cast<std::ptrdiff_t>(loop.body);
  loop.accesses.assign(body, steps_.end());
  loop.end_work = std::exchange(work_, 0);
  steps_.erase(body, steps_.end());
}

void AccessStream::close_iteration(Loop& loop) {
  std::int64_t iterations = 1;
  if (++loop.counter < loop.trips) {
    at_ = loop.body;
    work_ += loop.iteration_cycles;
  } else {
    loop.counter = 0;
    iterations = 1 - loop.trips;
  }
  std::int64_t* const moved = addresses_.data() + loop.first_access;
  for (std::size_t i = 0; i < loop.strides.size(); ++i) moved[i] += iterations * loop.strides[i];
}

// Takes an access at `address`, `work` after the one before; gives the work that it leaves behind.
inline std::int64_t AccessStream::take_one(const Step& access, std::int64_t address,
                                           std::int64_t work, Room& room) const {
  const auto word = static_cast<std::uint32_t>(address >> 2);
  room.places[room.taken++] = {static_cast<std::uint32_t>(work + access.work), word};
  if (misaligned_ == 0 || (address & 3) + access.bytes <= 4) return 0;
  room.places[room.taken++] = {0, word + 1};
  return misaligned_ - 1;  // what a crossing costs beyond its second access
}

// To its end, or as far as there is room.
bool AccessStream::run_innermost(Loop& loop, Room& room) {
  std::int64_t* const addresses = addresses_.data() + loop.first_access;
  const std::size_t count = loop.accesses.size();
  std::size_t next = loop.next;
  std::int64_t work = work_, counter = loop.counter;
  for (; counter < loop.trips; ++counter, next = 0) {
    for (; next < count && !room.full(); ++next) {
      work = take_one(loop.accesses[next], addresses[next], work, room);
      addresses[next] += loop.strides[next];
    }
    if (next < count) break;
    work += loop.end_work + (counter + 1 < loop.trips ? loop.iteration_cycles : 0);
  }
  const bool ended = counter == loop.trips;
  for (std::size_t i = 0; i < count && ended; ++i) addresses[i] -= loop.trips * loop.strides[i];
  work_ = work;
  loop.next = next;
  loop.counter = ended ? 0 : counter;
  return ended;
}

std::size_t AccessStream::take(std::span<WordAccess> places) {
  Room room{places};
  while (!room.full()) {
    const Step& step = steps_[at_];
    switch (step.kind) {
      case Step::Kind::Innermost:
        if (!run_innermost(loops_[step.index], room)) return room.taken;
        ++at_;
        break;
      case Step::Kind::Access:
        ++at_;
        work_ = take_one(step, addresses_[step.index], work_, room);
        break;
      case Step::Kind::Enter:
        ++at_;
        work_ += step.work;
        break;
      case Step::Kind::Close:
        ++at_;
        work_ += step.work;
        close_iteration(loops_[step.index]);
        break;
      case Step::Kind::End:
        return room.taken;
    }
  }
  return room.taken;
}

}  // namespace workbench::pulp
