// What narrower codes cost on the machine: each layer's figures of the analytic tier, for every
// combination of the widths that it reads and writes, from compiled programs.
#pragma once

#include <string>
#include <vector>

#include "explore/bits/width_programs.h"

namespace workbench {

struct WidthCosts {
  std::vector<CostTerm> terms;  // one per layer of the program, then the bytes of the weights
  std::size_t programs = 0;     // compiled
  std::size_t refused = 0;      // of them, could not be
  std::size_t unknown = 0;      // combinations that no program has shown
};

struct CostQuestion {
  WidthPrograms::Network network;
  Machine machine;                   // roomy enough for any of the programs
  std::vector<std::string> metrics;  // of layers (report/metrics.h), or "weight_bytes"
};

// Programs are compiled until each combination that can occur has been seen: widths are dealt out,
// seeded, so that each program shows as many new ones as possible. A combination that occurs in
// none that compiles cannot be chosen.
WidthCosts measure_costs(const CostQuestion& question, const StageProgress& progress = {});

}  // namespace workbench
