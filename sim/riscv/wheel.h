// What happens when: each actor (a core, a direction of the DMA, L3) is due at one cycle. Actors of
// one cycle come in order of their numbers, with round robin the cores among them beginning with
// another one each cycle, whatever they ask for together.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace workbench::riscv {

class Wheel {
 public:
  static constexpr std::int64_t kHorizon = 256;  // cycles that are told apart

  Wheel(unsigned actors, unsigned cores, bool round_robin = true)
      : times_(actors, 0),
        cores_(cores),
        core_mask_((1U << cores) - 1),
        round_robin_(round_robin) {}

  std::int64_t now() const { return now_; }
  bool idle() const { return waiting_ == 0; }

  // At `time`, not before now, in its turn; an actor is due once at most.
  void put(unsigned actor, std::int64_t time) {
    times_[actor] = time;
    waiting_ |= 1U << actor;
    place(actor);
  }

  // The next actor; not when idle.
  unsigned next() {
    for (;;) {
      const std::uint32_t due = due_[static_cast<std::size_t>(now_ % kHorizon)];
      if (due == 0) {
        ++now_;
        continue;
      }
      const unsigned actor = first_of(due);
      due_[static_cast<std::size_t>(now_ % kHorizon)] &= ~(1U << actor);
      if (times_[actor] > now_) {
        place(actor);
        continue;
      }
      waiting_ &= ~(1U << actor);
      return actor;
    }
  }

 private:
  void place(unsigned actor) {
    const std::int64_t slot = times_[actor] - now_ < kHorizon ? times_[actor] : now_ + kHorizon - 1;
    due_[static_cast<std::size_t>(slot % kHorizon)] |= 1U << actor;
  }

  unsigned first_of(std::uint32_t due) const {
    const std::uint32_t cores = due & core_mask_;
    if (cores == 0 || !round_robin_) return static_cast<unsigned>(std::countr_zero(due));
    const auto begin = static_cast<unsigned>(now_ % cores_);
    const std::uint32_t later = cores >> begin << begin;
    return static_cast<unsigned>(std::countr_zero(later != 0 ? later : cores));
  }

  std::array<std::uint32_t, kHorizon> due_{};
  std::vector<std::int64_t> times_;
  unsigned cores_;
  std::uint32_t core_mask_, waiting_ = 0;
  bool round_robin_;
  std::int64_t now_ = 0;
};

}  // namespace workbench::riscv
