// The metric table: every figure of a run and of its layers with its unit, its meaning and which
// way is better. Text, JSON, CSV, pages, sweeps, stores, tracking and docs/report-json.md are loops
// over it; a new metric is a row in metrics.cpp, and a member of Report where its value is not
// there yet.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "explore/energy/technology.h"
#include "explore/report/report.h"

namespace workbench {

enum class Better { Lower, Higher, Neither };
constexpr std::string_view to_string(Better better) {
  return better == Better::Lower ? "lower" : better == Better::Higher ? "higher" : "neither";
}

// monostate: not known of this report (a figure of the other family, of another tier).
using MetricValue = std::variant<std::monostate, std::int64_t, double>;

// Which outputs have it: the report of a run (text, JSON, CSV, page), points (sweeps, stores,
// tracking), or both.
enum class Shown { Everywhere, Run, Points };

struct Metric {
  std::string_view name;  // in every output
  std::string_view unit;  // "fraction": shown to people as percent
  Better better = Better::Neither;
  struct OfRun {
    std::string_view meaning;
    MetricValue (*value)(const Report&) = nullptr;  // null: there is one per layer alone
    Shown shown = Shown::Everywhere;
    bool memory = false;  // among the report's figures of memory, not its totals
  } run;
  struct OfLayer {
    std::string_view meaning;
    MetricValue (*value)(const LayerReport&) = nullptr;  // null: there is one of the run alone
    Shown shown = Shown::Everywhere;
  } layer;
};
std::span<const Metric> metrics();

// The table's part for points: what stores and sweeps say about their figures.
struct PointMetric {
  std::string_view name, unit, formula;
  Better better = Better::Neither;
};
std::span<const PointMetric> point_metrics();
std::span<const PointMetric> layer_metrics();
const PointMetric* find_point_metric(std::string_view name);  // of a point; nullptr: there is none

// What is called otherwise in files of earlier versions (baselines) has its present name; any other
// name is returned as it is.
std::string_view present_name(std::string_view name);

// Bytes that the instructions of each layer of a program move. The program needs no constants.
struct LayerTraffic {
  std::int64_t external_bytes = 0;           // all of them
  std::int64_t dma_bytes = 0, l3_bytes = 0;  // PULP
};
std::vector<LayerTraffic> traffic(const xdnn::Program& program, const xdnn::Machine& machine);
std::vector<LayerTraffic> traffic(const pulp::Program& program, const pulp::Machine& machine);

// Sets `costs` of a report on that program and of its layers; external_bytes too, so that they are
// those of one run in every tier. Energy goes by the report's cycles. The program needs no
// constants; the technology is one of the machine's family.
void add_costs(const Program& program, const Machine& machine, const Technology& technology,
               Report& report);

}  // namespace workbench
