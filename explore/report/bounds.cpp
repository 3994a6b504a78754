#include "explore/report/bounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.h"
#include "explore/report/text.h"

namespace workbench {

namespace {

// Everything but work, the largest first, in percent of `taken`; those below half a percent are
// left out.
std::string causes(const Waterfall& waterfall, Cycles taken, const MachineInfo& machine) {
  std::vector<std::pair<Cycles, Step>> lost;
  for (std::size_t s = 0; s < kSteps; ++s) {
    const auto step = static_cast<Step>(s);
    if (step == Step::Ideal || step == Step::EdgeAndPadding) continue;
    if (waterfall[s].value * 200 >= taken.value && waterfall[s].value > 0) {
      lost.emplace_back(waterfall[s], step);
    }
  }
  std::stable_sort(lost.begin(), lost.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (const auto& [cycles, step] : lost) {
    text +=
        fmt::format("{}{} {:.1f}%", text.empty() ? "" : ", ", label(step, machine),
                    100.0 * static_cast<double>(cycles.value) / static_cast<double>(taken.value));
  }
  return text;
}

ExplainedBound explained(std::string name, const Bounds& bounds, const std::vector<Cycles>& least,
                         Cycles taken, Cycles busy, const Waterfall& waterfall,
                         const MachineInfo& machine) {
  CHECK(least.size() == bounds.resources.size() && !least.empty(), "{} times of {} resources",
        least.size(), bounds.resources.size());
  const std::size_t by = binding(least);
  ExplainedBound one{.name = std::move(name),
                     .resource = bounds.resources[by],
                     .least = least,
                     .bound = least[by],
                     .taken = taken,
                     .busy = busy};
  if (taken > one.bound) one.held_by = causes(waterfall, taken, machine);
  return one;
}

std::string gap_text(const ExplainedBound& one) {
  if (one.bound.value == 0) return "-";
  return one.beside_others ? "beside others" : fmt::format("{:.1f} %", 100 * one.gap());
}

}  // namespace

double ExplainedBound::gap() const {
  if (bound.value == 0 || beside_others) return 0;
  return static_cast<double>(taken.value) / static_cast<double>(bound.value) - 1;
}

BoundReport explain(const Bounds& bounds, const Report& report) {
  CHECK(bounds.layers.size() == report.layers.size(), "bounds of {} layers, {} in the report",
        bounds.layers.size(), report.layers.size());
  BoundReport result{.resources = bounds.resources,
                     .total = explained(report.program.network, bounds, bounds.total, report.cycles,
                                        report.cycles, report.waterfall, report.machine)};
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    const LayerReport& layer = report.layers[i];
    ExplainedBound& one =
        result.layers.emplace_back(explained(layer.name, bounds, bounds.layers[i], layer.cycles,
                                             layer.busy_cycles, layer.waterfall, report.machine));
    one.beside_others = one.taken < one.bound;
  }
  return result;
}

std::string bound_text(const BoundReport& bounds) {
  Table table{.columns = {{"layer", false, 30},
                          {"bound"},
                          {"by", false},
                          {"cycles"},
                          {"over"},
                          {"held by", false, 44}}};
  for (const ExplainedBound& layer : bounds.layers) {
    table.rows.push_back({layer.name, thousands(layer.bound.value), layer.resource,
                          thousands(layer.taken.value), gap_text(layer), layer.held_by});
  }
  std::string text = "\nwhat the machine cannot do faster, and what the program takes\n";
  for (const std::string& line : lines(table)) text += line + "\n";
  std::string each;
  for (std::size_t r = 0; r < bounds.resources.size(); ++r) {
    each += fmt::format("{}{} {}", r == 0 ? "" : ", ", bounds.resources[r],
                        thousands(bounds.total.least[r].value));
  }
  text += fmt::format("\nleast cycles of each resource: {}\n", each);
  text += fmt::format("bound {} cycles by {}, taken {}: {} over",
                      thousands(bounds.total.bound.value), bounds.total.resource,
                      thousands(bounds.total.taken.value), gap_text(bounds.total));
  text += bounds.total.held_by.empty() ? "\n" : fmt::format(", held by {}\n", bounds.total.held_by);
  return text;
}

}  // namespace workbench
