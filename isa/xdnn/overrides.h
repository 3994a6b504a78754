// A machine other than its file says: the dimensions of xfDNN's options -i, -m and -d, clocks,
// engines, and any knob by its dotted name, so that a sweep needs no YAML files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

struct MachineOverrides {
  // array.rows: pixels (V2, 8 to 128), channels (V3, 16 to 256, and Darius, 16 to 128, both in
  // steps of 16). Word, line, peak and replication follow.
  std::optional<std::int64_t> dsp;
  std::optional<std::int64_t> bits;         // array.bits: 8 or 16
  std::optional<double> memory_mb, ddr_mb;  // AM and DDR of an engine in MB of 2^20 bytes
  std::vector<std::string> clocks;          // "NAME=MHz": report, array, ddr
  std::optional<std::int64_t> engines;
  std::string mode;                   // "latency", "throughput", or empty: as the file says
  std::vector<std::string> settings;  // "KEY=VALUE", e.g. "ddr.efficiency=0.7"
};

// In the order of the members: settings have the last word. Throws Error "--OPTION VALUE: ..." as
// load_machine() does for the file, contradictions included.
Machine with_overrides(Machine machine, const MachineOverrides& overrides);

}  // namespace workbench::xdnn
