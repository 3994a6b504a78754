#include "explore/report/advice.h"

#include <fmt/format.h>

#include <algorithm>

namespace workbench {

std::vector<std::string> advice_lines(std::vector<KnobStep> steps) {
  constexpr std::size_t kMost = 5;
  constexpr double kWorthwhile = 0.005;  // of the time: less is no reason to build anything
  std::erase_if(steps, [](const KnobStep& step) {
    return step.up ? step.change > -kWorthwhile : step.change > kWorthwhile;
  });
  std::ranges::stable_sort(steps, [](const KnobStep& a, const KnobStep& b) {
    return a.up != b.up ? a.up : a.change < b.change;
  });
  if (steps.size() > kMost) steps.resize(kMost);
  std::vector<std::string> lines;
  for (const KnobStep& step : steps) {
    lines.push_back(fmt::format("{} {} -> {}: {:+.1f} %{}", step.knob, step.from, step.to,
                                100 * step.change, step.up ? "" : ", half is enough"));
  }
  if (lines.empty()) {
    lines.emplace_back("no knob of the machine, doubled or halved, matters by 0.5 %");
  }
  return lines;
}

}  // namespace workbench
