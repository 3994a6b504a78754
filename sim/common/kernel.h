// SystemC as the models use it: its time, its kernel, its stacks.
#pragma once

#include <cstdint>
#include <memory>
#include <systemc>

namespace workbench::sim {

// --- time ----------------------------------------------------------------------------------------

// Kernel time of the models: one SystemC nanosecond is one cycle of the machine's report clock.
// What happens in a cycle is spread over a few picoseconds behind its beginning, so that an arbiter
// can see all requests of the cycle before it decides (arbiter.h); every wait ends on a whole
// cycle.

inline sc_core::sc_time cycles(std::int64_t count) {
  return sc_core::sc_time(static_cast<double>(count), sc_core::SC_NS);
}

inline std::int64_t now() {
  static constexpr std::uint64_t kUnitsPerCycle = 1000;  // kernel resolution: 1 ps
  return static_cast<std::int64_t>(sc_core::sc_time_stamp().value() / kUnitsPerCycle);
}

// Blocks the calling thread until `cycle` begins; returns at once if it has.
inline void wait_until(std::int64_t cycle) {
  const sc_core::sc_time target = cycles(cycle);
  if (target > sc_core::sc_time_stamp()) sc_core::wait(target - sc_core::sc_time_stamp());
}

// --- kernel --------------------------------------------------------------------------------------

// SystemC simulations one after the other in one process.

// A fresh kernel for each simulation: no module can be built once another has run
// (docs/facts/platform.md 1).
class FreshKernel {
 public:
  FreshKernel() : context_(std::make_unique<sc_core::sc_simcontext>()) {
    sc_core::sc_curr_simcontext = context_.get();
    sc_core::sc_default_global_context = context_.get();
  }
  ~FreshKernel() {
    sc_core::sc_curr_simcontext = nullptr;
    sc_core::sc_default_global_context = nullptr;
  }
  FreshKernel(const FreshKernel&) = delete;
  FreshKernel& operator=(const FreshKernel&) = delete;

 private:
  std::unique_ptr<sc_core::sc_simcontext> context_;
};

// --- stacks --------------------------------------------------------------------------------------

// AddressSanitizer and SystemC's coroutines.

// On leaving its scope, tells AddressSanitizer that this thread runs on its own stack again.
// SystemC 2.3.4 announces every switch to a process, but returns from sc_start() with the bounds of
// the last process in force; the next exception would then be taken for a stack overflow. Put it
// around sc_start(). Without AddressSanitizer it does nothing.
class StackBounds {
 public:
  StackBounds() = default;
  ~StackBounds();
  StackBounds(const StackBounds&) = delete;
  StackBounds& operator=(const StackBounds&) = delete;
};

}  // namespace workbench::sim
