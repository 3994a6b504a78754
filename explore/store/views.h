// The figures' names and units, and the tables that have a column for each of them.
#pragma once

#include <span>

#include "explore/store/sqlite.h"
#include "explore/sweep/point_metrics.h"

namespace workbench {

// Writes metric_names, point_table and layer_table unless they say so already; names that other
// versions of the program have stored stay. In a transaction of its own.
void describe_metrics(const sqlite::Connection& connection, std::span<const PointMetric> of_points,
                      std::span<const PointMetric> of_layers);

}  // namespace workbench
