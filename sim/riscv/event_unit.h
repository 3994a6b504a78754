// The event unit (docs/facts/riscv.md 3.2): events with masks, barriers, the dispatcher and the
// mutex, each core at a port of its own. Loads by p.elw may put the core to sleep.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "isa/riscv/semantics.h"

namespace workbench::riscv {

class EventUnit {
 public:
  static constexpr Word kFabricMask = 1U << 31;  // the fabric controller in masks of cores
  static constexpr unsigned kDmaEvent = 8, kBarrierEvent = 16, kDispatchEvent = 18, kL3Event = 30;
  static constexpr std::size_t kBarriers = 8;
  enum class Wait { None, Event, EventClear, Dispatch, Barrier, Mutex };

  // The fabric controller is hart number `cores`.
  explicit EventUnit(unsigned cores);

  // p.elw; nothing: the core sleeps until it is in woken().
  std::optional<Word> event_load(unsigned hart, Word offset);
  Word load(unsigned hart, Word offset);
  void store(unsigned hart, Word offset, Word value);
  void raise(unsigned hart, unsigned event);
  // WFI: true if an event that the mask shows is there; else the core sleeps.
  bool wait_for_interrupt(unsigned hart);

  struct Woken {
    unsigned hart = 0;
    Word value = 0;
    Wait waited = Wait::None;  // for what it slept
  };
  // Since the last call, in order.
  std::vector<Woken> take_woken() { return std::exchange(woken_, {}); }
  bool has_woken() const { return !woken_.empty(); }

  // What a sleeping core waits for.
  std::string waits_for(unsigned hart) const;

 private:
  struct Port {
    Word mask = 0, buffer = 0;
    std::deque<Word> dispatched;
    Wait wait = Wait::None;
    unsigned barrier = 0;
  };
  struct Barrier {
    Word trigger_mask = 0, target_mask = 0, status = 0;
  };

  void wake(unsigned hart, Word value);
  void check_events(unsigned hart);
  void dispatch(unsigned from, Word value);
  void arrive(unsigned barrier, Word cores);
  void raise_all(Word cores, unsigned event);
  Word load_barrier(unsigned hart, Word offset);
  void store_barrier(unsigned hart, Word offset, Word value);

  unsigned cores_;
  std::vector<Port> ports_;
  std::array<Barrier, kBarriers> barriers_{};
  Word team_;
  bool locked_ = false;
  std::deque<unsigned> at_mutex_;
  std::vector<Woken> woken_;
};

}  // namespace workbench::riscv
