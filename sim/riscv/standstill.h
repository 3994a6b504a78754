// Proof that a program never ends: for a while nothing happens that a core could notice, and each
// core that is awake comes back to a state in which it has been.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "sim/riscv/hart.h"

namespace workbench::riscv {

// What a core does next follows from its registers and its place alone as long as memories, devices
// and events stay as they are and no clock is read; then one that comes back to a state goes round
// for ever, and wakes nobody. It is looked for in windows that come ever less often and grow, so
// that it costs next to nothing and every loop is shorter than some window.
class Standstill {
 public:
  bool looks() const { return looks_; }
  // A window begins or ends when it is time().
  std::int64_t time() const { return next_; }
  void turn(std::int64_t now, std::size_t harts);
  // Every core that is awake has come back to a state. What transfers may still bring is not asked.
  bool proven(const std::vector<Hart>& harts) const;
  // While it looks: a memory, a device or an event is not what it was, or time has been asked for.
  void changed() { begin_again_ = true; }
  // While it looks: a core's state before its turn. `executed`: how often the instruction it stands
  // at has been; one that only waits there has not gone round.
  void visits(const Hart& hart, std::uint64_t executed);

 private:
  struct Seen {
    bool any = false, again = false;
    std::int64_t visits = 0, kept_for = 1;  // a state is kept for 1, 2, 4, ... visits
    std::uint64_t executed = 0;
    std::array<Word, 32> x{};
    std::array<Word, 4> weights{};
    std::array<Word, 2> activations{};
    std::array<Loop, 2> loops{};
    const Op* op = nullptr;
  };
  static bool is_at(const Seen& seen, const Hart& hart);
  static void keep(Seen& seen, const Hart& hart);

  std::int64_t next_ = 1 << 16;  // the window's begin or end
  bool looks_ = false, begin_again_ = false;
  std::vector<Seen> seen_;
};

}  // namespace workbench::riscv
