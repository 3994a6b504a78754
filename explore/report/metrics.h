// The metric table: every figure of a report's totals with its unit and formula. Text and JSON
// print the table; a new metric is one function and one row in metrics.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "explore/report/report.h"

namespace workbench {

using MetricValue = std::variant<std::int64_t, double>;

struct Metric {
  std::string_view name;  // key in JSON, label in text
  std::string_view unit;
  std::string_view formula;
  MetricValue (*value)(const Report&);
};

std::span<const Metric> total_metrics();   // JSON `totals`
std::span<const Metric> memory_metrics();  // JSON `memory`

}  // namespace workbench
