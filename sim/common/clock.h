// Kernel time of the models: one SystemC nanosecond is one cycle of the machine's report clock.
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

}  // namespace workbench::sim
