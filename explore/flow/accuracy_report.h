// An accuracy report as text of at most 118 columns (the classes, the layers, what costs most and
// what to try) and as JSON (docs/report-json.md).
#pragma once

#include <string>

#include "explore/flow/accuracy.h"
#include "explore/report/text.h"

namespace workbench {

std::string accuracy_text(const AccuracyReport& report, const TextOptions& options = {});

inline constexpr int kAccuracySchemaVersion = 1;

// Deterministic: keys in documented order, doubles shortest round-trip, infinite as null. Fractions
// are within [0, 1].
std::string accuracy_json(const AccuracyReport& report);

}  // namespace workbench
