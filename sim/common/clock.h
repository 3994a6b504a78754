// Kernel time of the models: one SystemC nanosecond is one cycle of the machine's report clock.
// What happens in a cycle is spread over a few picoseconds behind its beginning, so that an arbiter
// can see all requests of the cycle before it decides (arbiter.h); every wait ends on a whole
// cycle.
#pragma once

#include <cstdint>
#include <systemc>

namespace workbench::sim {

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

}  // namespace workbench::sim
