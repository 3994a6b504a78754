// The report as people read it: 118 columns at most, units everywhere.
#pragma once

#include <string>

#include "explore/result.h"

namespace workbench {

struct TextOptions {
  bool colour = false;      // ANSI colours, block characters for bars
  bool every_layer = true;  // false: only the totals
};

// Machine, network, per-layer table, waterfall, totals, host steps, accuracy, hazards, verdict.
std::string text_report(const RunResult& result, const TextOptions& options);

}  // namespace workbench
