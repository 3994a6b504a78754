#include "sim/riscv/event_unit.h"

#include <fmt/format.h>

#include <utility>

namespace workbench::riscv {
namespace {

constexpr Word kMask = 0x00, kMaskAnd = 0x04, kMaskOr = 0x08, kBuffer = 0x1c, kBufferMasked = 0x20,
               kBufferClear = 0x28, kWait = 0x38, kWaitClear = 0x3c, kDispatch = 0x80, kTeam = 0x84,
               kMutex = 0xc0, kSoftwareEvents = 0x100, kBarrierBase = 0x200, kBarrierStep = 0x20;
constexpr Word kSoftwareEventCount = 8;
// Of a barrier.
constexpr Word kTriggerMask = 0x00, kStatus = 0x04, kTargetMask = 0x0c, kTrigger = 0x10,
               kTriggerSelf = 0x14, kTriggerWait = 0x18, kTriggerWaitClear = 0x1c;

}  // namespace

EventUnit::EventUnit(unsigned cores) : cores_(cores), ports_(cores + 1), team_((1U << cores) - 1) {
  for (Barrier& barrier : barriers_) {
    barrier.trigger_mask = barrier.target_mask = (1U << cores) - 1;
  }
}

void EventUnit::wake(unsigned hart, Word value) {
  woken_.push_back({hart, value, std::exchange(ports_[hart].wait, Wait::None)});
}

void EventUnit::check_events(unsigned hart) {
  Port& port = ports_[hart];
  const Word seen = port.buffer & port.mask;
  if (seen == 0 || (port.wait != Wait::Event && port.wait != Wait::EventClear)) return;
  if (port.wait == Wait::EventClear) port.buffer &= ~port.mask;
  wake(hart, seen);
}

void EventUnit::raise(unsigned hart, unsigned event) {
  ports_[hart].buffer |= 1U << event;
  check_events(hart);
}

void EventUnit::raise_all(Word cores, unsigned event) {
  for (unsigned hart = 0; hart < cores_; ++hart) {
    if ((cores >> hart & 1) != 0) raise(hart, event);
  }
  if ((cores & kFabricMask) != 0) raise(cores_, event);
}

bool EventUnit::wait_for_interrupt(unsigned hart) {
  if ((ports_[hart].buffer & ports_[hart].mask) != 0) return true;
  ports_[hart].wait = Wait::Event;
  return false;
}

std::optional<Word> EventUnit::event_load(unsigned hart, Word offset) {
  Port& port = ports_[hart];
  if (offset == kWait || offset == kWaitClear) {
    const Word seen = port.buffer & port.mask;
    if (seen == 0) {
      port.wait = offset == kWait ? Wait::Event : Wait::EventClear;
      return {};
    }
    if (offset == kWaitClear) port.buffer &= ~port.mask;
    return seen;
  }
  if (offset == kDispatch) {
    if (port.dispatched.empty()) {
      port.wait = Wait::Dispatch;
      return {};
    }
    const Word value = port.dispatched.front();
    port.dispatched.pop_front();
    return value;
  }
  if (offset == kMutex) {
    if (locked_) {
      port.wait = Wait::Mutex;
      at_mutex_.push_back(hart);
      return {};
    }
    locked_ = true;
    return 0;
  }
  const Word at = offset - kBarrierBase, in_barrier = at % kBarrierStep;
  if (at < kBarriers * kBarrierStep && hart < cores_ &&
      (in_barrier == kTriggerWait || in_barrier == kTriggerWaitClear)) {
    port.wait = Wait::Barrier;
    port.barrier = at / kBarrierStep;
    arrive(port.barrier, 1U << hart);
    return {};
  }
  return load(hart, offset);
}

// All whom it waits for are there: who sleeps at it goes on, others find an event.
void EventUnit::arrive(unsigned number, Word cores) {
  Barrier& barrier = barriers_[number];
  barrier.status |= cores;
  if (barrier.trigger_mask == 0 ||
      (barrier.status & barrier.trigger_mask) != barrier.trigger_mask) {
    return;
  }
  barrier.status = 0;
  for (unsigned hart = 0; hart < cores_; ++hart) {
    if ((barrier.target_mask >> hart & 1) == 0) continue;
    Port& port = ports_[hart];
    if (port.wait == Wait::Barrier && port.barrier == number) {
      wake(hart, 1U << kBarrierEvent);
    } else {
      raise(hart, kBarrierEvent);
    }
  }
}

void EventUnit::dispatch(unsigned from, Word value) {
  for (unsigned hart = 0; hart < cores_; ++hart) {
    if ((team_ >> hart & 1) == 0 || hart == from) continue;
    if (ports_[hart].wait == Wait::Dispatch) {
      wake(hart, value);
    } else {
      ports_[hart].dispatched.push_back(value);
    }
  }
}

Word EventUnit::load_barrier(unsigned hart, Word offset) {
  const unsigned number = offset / kBarrierStep;
  const Barrier& barrier = barriers_[number];
  switch (offset % kBarrierStep) {
    case kTriggerMask:
      return barrier.trigger_mask;
    case kStatus:
      return barrier.status;
    case kTargetMask:
      return barrier.target_mask;
    case kTriggerSelf:
      if (hart < cores_) arrive(number, 1U << hart);
      return 0;
    default:
      return 0;
  }
}

Word EventUnit::load(unsigned hart, Word offset) {
  const Port& port = ports_[hart];
  if (offset - kBarrierBase < kBarriers * kBarrierStep) {
    return load_barrier(hart, offset - kBarrierBase);
  }
  switch (offset) {
    case kMask:
      return port.mask;
    case kBuffer:
      return port.buffer;
    case kBufferMasked:
      return port.buffer & port.mask;
    case kTeam:
      return team_;
    default:
      return 0;
  }
}

void EventUnit::store_barrier(unsigned hart, Word offset, Word value) {
  const unsigned number = offset / kBarrierStep;
  const Word cluster = (1U << cores_) - 1;
  switch (offset % kBarrierStep) {
    case kTriggerMask:
      barriers_[number].trigger_mask = value & cluster;
      break;
    case kTargetMask:
      barriers_[number].target_mask = value & cluster;
      break;
    case kTrigger:
      arrive(number, value & cluster);
      break;
    case kTriggerSelf:
      if (hart < cores_) arrive(number, 1U << hart);
      break;
    default:
      break;
  }
}

void EventUnit::store(unsigned hart, Word offset, Word value) {
  Port& port = ports_[hart];
  if (offset - kBarrierBase < kBarriers * kBarrierStep) {
    store_barrier(hart, offset - kBarrierBase, value);
    return;
  }
  if (offset - kSoftwareEvents < 4 * kSoftwareEventCount) {
    const Word cores = value == 0 ? (1U << cores_) - 1 : value;
    raise_all(cores, (offset - kSoftwareEvents) / 4);
    return;
  }
  switch (offset) {
    case kMask:
      port.mask = value;
      break;
    case kMaskAnd:  // clears what it names, as kMaskOr sets it
      port.mask &= ~value;
      break;
    case kMaskOr:
      port.mask |= value;
      break;
    case kBufferClear:
      port.buffer &= ~value;
      break;
    case kDispatch:
      dispatch(hart, value);
      break;
    case kTeam:
      team_ = value & ((1U << cores_) - 1);
      break;
    case kMutex:
      if (at_mutex_.empty()) {
        locked_ = false;
      } else {
        const unsigned next = at_mutex_.front();
        at_mutex_.pop_front();
        wake(next, value);
      }
      break;
    default:
      break;
  }
  check_events(hart);
}

std::string EventUnit::waits_for(unsigned hart) const {
  const Port& port = ports_[hart];
  switch (port.wait) {
    case Wait::None:
      return "nothing";
    case Wait::Event:
    case Wait::EventClear:
      return fmt::format("an event of mask 0x{:x}", port.mask);
    case Wait::Dispatch:
      return "the dispatcher";
    case Wait::Barrier:
      return fmt::format("barrier {}, where of cores 0x{:x} have come 0x{:x}", port.barrier,
                         barriers_[port.barrier].trigger_mask, barriers_[port.barrier].status);
    case Wait::Mutex:
      return "the mutex";
  }
  return "";
}

}  // namespace workbench::riscv
