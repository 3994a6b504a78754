// The words that one core asks banks for, one after the other, with the work between them. The tree
// of loops is flattened: each access keeps its address, which the loops around it move on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "isa/pulp/kernel_code.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

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

}  // namespace workbench::pulp
