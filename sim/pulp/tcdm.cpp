// The words that one core asks banks for, one after the other, with the work between them. The tree
// of loops is flattened: each access keeps its address, which the loops around it move on.
#include "sim/pulp/tcdm.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "isa/pulp/cost.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

namespace {

// Of one word; what crosses its end is two of them.
struct WordAccess {
  std::uint32_t work = 0;  // cycles between the end of the access before (the start) and this
  std::uint32_t word = 0;  // address / 4
};

class AccessStream {
 public:
  AccessStream(const CoreCode& code, const Machine& machine);

  // The next ones, as many as there is room for or one fewer; none: that was all. `room`: at least
  // two.
  std::size_t take(std::span<WordAccess> room);
  // Cycles behind the last access, when there are no more.
  std::int64_t work_left() const { return work_ + steps_.back().work; }

 private:
  struct Step {
    enum class Kind : std::uint8_t { Enter, Close, Innermost, Access, End };
    Kind kind = Kind::End;
    std::int8_t bytes = 4;    // Access
    std::uint32_t index = 0;  // Access: of its address; Close, Innermost: of its loop
    std::int64_t work = 0;    // before it
  };
  struct Loop {
    std::size_t body = 0;               // its first step
    std::size_t first_access = 0;       // the first in its body ...
    std::vector<std::int64_t> strides;  // ... and what an iteration moves that and the next ones
    std::int64_t trips = 1, counter = 0, iteration_cycles = 0;
    // Innermost: nothing but accesses, which are no steps of the whole.
    std::vector<Step> accesses;
    std::size_t next = 0;  // of these
    std::int64_t end_work = 0;
  };
  struct Room {
    std::span<WordAccess> places;
    std::size_t taken = 0;
    bool full() const { return taken + 1 >= places.size(); }
  };

  void append(const CoreCode& code, std::size_t begin, std::size_t end);
  void append_loop(const CoreCode& code, std::size_t node);
  void append_step(Step step);
  void make_innermost(Loop& loop);

  void close_iteration(Loop& loop);
  bool run_innermost(Loop& loop, Room& room);
  std::int64_t take_one(const Step& access, std::int64_t address, std::int64_t work,
                        Room& room) const;

  std::int64_t misaligned_;
  std::vector<Step> steps_;
  std::vector<Loop> loops_;
  std::vector<std::int64_t> addresses_;    // of each access, in the iteration that its loops are in
  std::vector<const CodeNode*> accesses_;  // while the steps are put together
  std::size_t at_ = 0;
  std::int64_t work_ = 0;  // since the last access
};

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
  work_ += head.iteration_cycles;
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

// Accesses of all cores that are simulated; of a longer kernel, the second half of them says how
// the rest goes on. With all of them no published tile takes more than 1.6 % more or less.
constexpr std::int64_t kAccesses = 60'000;

struct Progress {
  std::int64_t cycles = 0, waited = 0;  // without the waits; the waits
};

// One phase of a kernel call: all cores begin together. Accesses come in order of time, of one
// cycle as the machine arbitrates them; those of the DMA last (docs/facts/pulp.md 1.3).
class Phase {
 public:
  Phase(const std::vector<CoreCode>& code, const Machine& machine, double dma_bytes_per_cycle)
      : bank_mask_(static_cast<std::uint32_t>(machine.l1.banks - 1)),
        round_robin_(machine.l1.round_robin != 0),
        free_(static_cast<std::size_t>(machine.l1.banks), 0),
        due_(kHorizon, 0) {
    CHECK(code.size() <= 32, "{} cores", code.size());
    const double words = dma_bytes_per_cycle / 4;
    ports_.resize(static_cast<std::size_t>(std::ceil(words)));
    if (!ports_.empty()) port_period_ = static_cast<double>(ports_.size()) / words;
    for (std::size_t port = 0; port < ports_.size(); ++port) {
      ports_[port].word = static_cast<std::uint32_t>(port);
    }
    for (const CoreCode& core : code) cores_.emplace_back(core, machine);
    left_ = cores_.size();
    for (std::size_t core = 0; core < cores_.size(); ++core) resume(core, 0);
    now_due_ = std::exchange(due_[0], 0);
  }

  // Until the cores have had `accesses` more. False: they are done.
  bool run(std::int64_t accesses) {
    while (accesses > 0 && left_ > 0) {
      if (now_due_ == 0) {
        next_cycle();
        continue;
      }
      const auto core = static_cast<std::size_t>(first_of(now_due_));
      now_due_ &= ~(std::uint32_t{1} << core);
      Core& it = cores_[core];
      if (it.time > now_) {
        put_down(core);
        continue;
      }
      --accesses;
      const std::int64_t start = served(it.word);
      it.waited += start - now_;
      resume(core, start + 1);
    }
    return left_ > 0;
  }

  Progress progress(std::size_t core) const {
    const Core& it = cores_[core];
    return {it.time - it.waited, it.waited};
  }

 private:
  // So many cycles from now each has a mask of the cores that come then; who comes later comes in
  // the last of them, to be put down again.
  static constexpr std::int64_t kHorizon = 256;

  struct Core {
    Core(const CoreCode& code, const Machine& machine) : stream(code, machine) {}
    std::int64_t time = 0;   // of its next access; of its end
    std::uint32_t word = 0;  // of its next access
    std::int64_t waited = 0;
    std::size_t next = 0, known = 0;  // of `coming`
    std::array<WordAccess, 128> coming;
    AccessStream stream;
  };
  struct Port {
    std::uint32_t word = 0;
    std::int64_t time = 0, accesses = 0;
  };

  void put_down(std::size_t core) {
    const std::int64_t time = std::min(cores_[core].time, now_ + kHorizon - 1);
    due_[static_cast<std::size_t>(time % kHorizon)] |= std::uint32_t{1} << core;
  }

  void next_cycle() {
    for (Port& port : ports_) {
      if (port.time <= now_) serve(port);
    }
    ++now_;
    now_due_ = std::exchange(due_[static_cast<std::size_t>(now_ % kHorizon)], 0);
  }

  int first_of(std::uint32_t due) const {
    if (!round_robin_) return std::countr_zero(due);
    const auto begin = static_cast<unsigned>(now_ % static_cast<std::int64_t>(cores_.size()));
    const std::uint32_t later = due >> begin << begin;
    return std::countr_zero(later != 0 ? later : due);
  }

  // When the bank serves whom comes now.
  std::int64_t served(std::uint32_t word) {
    std::int64_t& free = free_[word & bank_mask_];
    const std::int64_t start = std::max(now_, free);
    free = start + 1;
    return start;
  }

  // A core goes on at `time`, up to its next access.
  void resume(std::size_t core, std::int64_t time) {
    Core& it = cores_[core];
    if (it.next == it.known) {
      it.known = it.stream.take(it.coming);
      it.next = 0;
      if (it.known == 0) {
        it.time = time + it.stream.work_left();
        --left_;
        return;
      }
    }
    const WordAccess& access = it.coming[it.next++];
    it.time = time + access.work;
    it.word = access.word;
    put_down(core);
  }

  void serve(Port& port) {
    const std::int64_t start = served(port.word);
    port.word += static_cast<std::uint32_t>(ports_.size());
    const double due = port_period_ * static_cast<double>(++port.accesses);
    port.time = std::max(start + 1, static_cast<std::int64_t>(due));
  }

  std::uint32_t bank_mask_;
  bool round_robin_;
  std::vector<std::int64_t> free_;  // of each bank: its first cycle without work
  std::vector<Core> cores_;
  std::vector<Port> ports_;         // of the DMA
  double port_period_ = 1;          // cycles between the accesses of a port
  std::size_t left_ = 0;            // cores that are not done
  std::vector<std::uint32_t> due_;  // by cycle modulo the horizon
  std::int64_t now_ = 0;
  std::uint32_t now_due_ = 0;  // of those that arrive now, the ones not served
};

// What core waits in all, having waited `half` after a half of the accesses, `now` by their end:
// from there on as in the second half.
std::int64_t waited_in_all(const Progress& half, const Progress& now, std::int64_t cycles) {
  const std::int64_t seen = now.cycles - half.cycles, left = cycles - now.cycles;
  if (seen <= 0 || left <= 0) return now.waited;
  const double rate = static_cast<double>(now.waited - half.waited) / static_cast<double>(seen);
  return now.waited + std::llround(rate * static_cast<double>(left));
}

}  // namespace

std::vector<std::int64_t> contended_cycles(const std::vector<CoreCode>& code,
                                           const Machine& machine, double dma_bytes_per_cycle) {
  Phase phase(code, machine, dma_bytes_per_cycle);
  std::vector<Progress> half(code.size());
  bool more = phase.run(kAccesses / 2);
  for (std::size_t core = 0; core < code.size(); ++core) half[core] = phase.progress(core);
  more = more && phase.run(kAccesses / 2);
  std::vector<std::int64_t> result;
  for (std::size_t core = 0; core < code.size(); ++core) {
    const Progress now = phase.progress(core);
    const std::int64_t cycles = more ? code_cost(code[core], machine).cycles : now.cycles;
    result.push_back(cycles + waited_in_all(half[core], now, cycles));
  }
  return result;
}

struct Tcdm::Memo {
  using ByRate = std::map<double, std::vector<std::int64_t>>;  // bytes of the DMA per cycle
  std::unordered_map<Kernel, ByRate, KernelHash> cycles;
};

Tcdm::Tcdm(const Machine& machine) : machine_(machine), memo_(std::make_unique<Memo>()) {}
Tcdm::~Tcdm() = default;

std::vector<std::int64_t> Tcdm::core_cycles(const Kernel& kernel, double dma_bytes_per_cycle) {
  const double share = conflict_share(kernel, machine_);
  if (share == 0) return pulp::core_cycles(kernel, machine_);
  const auto [entry, is_new] = memo_->cycles[alike(kernel)].try_emplace(dma_bytes_per_cycle);
  std::vector<std::int64_t>& total = entry->second;
  if (!is_new) return total;
  for (const std::vector<CoreCode>& phase : kernel_code(kernel, machine_).phases) {
    std::vector<std::int64_t> cycles = contended_cycles(phase, machine_, dma_bytes_per_cycle);
    for (std::size_t core = 0; core < cycles.size() && share != 1; ++core) {
      const std::int64_t alone = code_cost(phase[core], machine_).cycles;
      cycles[core] = alone + std::llround(share * static_cast<double>(cycles[core] - alone));
    }
    append_phase(total, cycles, machine_);
  }
  return total;
}

// In steps of a quarter of a byte per cycle: calls that are alike are one for the TCDM.
std::vector<std::int64_t> KernelTimes::disturbed(const Kernel& kernel, double bytes) {
  const KernelFigures& figures = undisturbed(kernel);
  if (figures.conflict_share == 0) return figures.alone;
  const auto length = static_cast<double>(std::max<std::int64_t>(1, figures.slowest));
  return tcdm_.core_cycles(kernel, std::round(4 * bytes / length) / 4);
}

}  // namespace workbench::pulp
