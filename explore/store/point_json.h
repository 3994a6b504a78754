// A point and its answer as one line of JSON: the form in which points travel between processes and
// to other programs.
#pragma once

#include <string>
#include <string_view>

#include "explore/store/store.h"

namespace workbench {

// {"key", "network", "machine", "settings": {NAME: VALUE, ...} in their order, "tier", "status",
// "reason", "bit_exact": true, false or null, "seconds", "metrics": {...}, "layers": [{"name",
// "op", "shape", "metrics"}, ...]}. Doubles are the shortest text that reads back the same. Throws
// Error: names that are no UTF-8.
std::string point_json(const StoredPoint& point);

// The other way. Throws Error "WHERE: expected ..., found ..." for anything else.
StoredPoint point_from_json(std::string_view text, const std::string& where);

// "analytic", "transaction"; "ok", "infeasible", "failed". Throw Error "WHERE: expected ...".
Tier tier_from(std::string_view text, const std::string& where);
PointResult::Status status_from(std::string_view text, const std::string& where);

}  // namespace workbench
