// A machine other than its file says, so that sweeps need no YAML files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "isa/pulp/machine.h"

namespace workbench::pulp {

struct MachineOverrides {
  std::string l1, l2;  // buffer_bytes: "38000", "64k", "1M" (k = 1024); empty: as the file says
  std::optional<std::int64_t> cores;
  std::optional<std::int64_t> dma_width;  // dma.bytes_per_cycle
  std::vector<std::string> clocks;        // "NAME=MHz": cluster, fabric
  std::vector<std::string> settings;      // "KEY=VALUE", e.g. "l1.conflicts=0"
};

// In the order of the members: settings have the last word. A buffer larger than its memory makes
// the memory as large. Throws Error "--OPTION VALUE: ..." as load_machine() does for the file.
Machine with_overrides(Machine machine, const MachineOverrides& overrides);

}  // namespace workbench::pulp
