// The accuracy report for programs (docs/report-json.md).
#pragma once

#include <string>

#include "explore/accuracy_run.h"

namespace workbench {

inline constexpr int kAccuracySchemaVersion = 1;

// Deterministic: keys in documented order, doubles shortest round-trip, infinite as null. Fractions
// are within [0, 1].
std::string accuracy_json(const AccuracyReport& report);

}  // namespace workbench
