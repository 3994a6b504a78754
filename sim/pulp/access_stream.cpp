#include "sim/pulp/access_stream.h"

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
  append_step({.kind = Step::Kind::Close, .index = static_cast<std::uint32_t>(loops_.size())});
  loops_.push_back(std::move(loop));
}

inline void AccessStream::close_iteration(Loop& loop) {
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

std::size_t AccessStream::take(std::span<WordAccess> room) {
  std::size_t taken = 0;
  while (taken + 1 < room.size()) {
    const Step& step = steps_[at_];
    if (step.kind == Step::Kind::End) break;
    ++at_;
    work_ += step.work;
    if (step.kind == Step::Kind::Close) close_iteration(loops_[step.index]);
    if (step.kind != Step::Kind::Access) continue;
    const std::int64_t address = addresses_[step.index];
    room[taken++] = {std::exchange(work_, 0), address >> 2};
    if (misaligned_ > 0 && (address & 3) + step.bytes > 4) {
      room[taken++] = {0, (address >> 2) + 1};
      work_ = misaligned_ - 1;  // what a crossing costs beyond its second access
    }
  }
  return taken;
}

}  // namespace workbench::pulp
