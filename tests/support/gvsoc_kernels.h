// Kernel calls that the GVSoC of 2026 ran (networks/pulp/gvsoc_kernels.json, docs/facts/pulp.md
// 1.9), and what the model says of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

struct MeasuredCall {
  std::string family;  // conv, dw, pw, pwh, linear32, avgpool
  std::string text;    // its arguments
  Kernel kernel;
  bool one_core = false;   // core 0's share alone
  bool conflicts = false;  // at the banks
  bool misses = false;     // of the instruction cache
  bool dma = false;        // L1 -> L2 meanwhile
  std::int64_t cycles = 0;
  std::optional<std::int64_t> cold;  // of the first call
};

std::vector<MeasuredCall> measured_calls(const std::filesystem::path& file);

// The same with every instruction cache line cold, or as often as calls repeat.
struct ModelledCall {
  std::int64_t warm = 0, cold = 0;
};
ModelledCall modelled(const MeasuredCall& call, Machine machine);

}  // namespace workbench::pulp
