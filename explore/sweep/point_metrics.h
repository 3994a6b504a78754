// The figures of a point: a row each, with unit, direction and formula. A new figure is a row here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace workbench {

enum class Better { Lower, Higher, Neither };
constexpr std::string_view to_string(Better better) {
  return better == Better::Lower ? "lower" : better == Better::Higher ? "higher" : "neither";
}

struct PointMetric {
  std::string_view name;  // "cycles", "latency_ms", "images_per_second", "energy_mj", ...
  std::string_view unit;
  std::string_view formula;
  Better better = Better::Neither;
};

std::span<const PointMetric> point_metrics();
std::span<const PointMetric> layer_metrics();

// By name, nullptr: there is none.
const PointMetric* find_point_metric(std::string_view name);

}  // namespace workbench
