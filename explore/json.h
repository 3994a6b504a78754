// The report for programs: JSON (versioned, documented in docs/report-json.md) and CSV.
#pragma once

#include <string>

#include "explore/result.h"

namespace workbench {

inline constexpr int kReportSchemaVersion = 1;

// Deterministic: keys in documented order, doubles shortest round-trip, infinite as null. `wall`
// is there when result.wall is.
std::string json_report(const RunResult& result);

// One line per layer after a header line; cells quoted as RFC 4180 asks.
std::string csv_report(const Report& report);

}  // namespace workbench
