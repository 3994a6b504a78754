#include "explore/track/figure_text.h"

#include <algorithm>
#include <cmath>

#include "explore/table.h"

namespace workbench::track {

std::string figure_text(double value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (std::abs(value) < kExact && value == std::floor(value)) {
    return thousands(static_cast<std::int64_t>(value));
  }
  return fmt::format("{:.6g}", value);
}

std::string percent_text(double before, double after) {
  if (before == after) return "0 %";
  if (before == 0) return "from 0";
  const double percent = 100 * (after - before) / before;
  // A change is never shown as none.
  return std::abs(percent) < 0.005 ? fmt::format("{:+.1g} %", percent)
                                   : fmt::format("{:+.2f} %", percent);
}

std::string change_text(const FigureChange& change) {
  const std::string unit = change.unit == change.name ? "" : " " + change.unit;
  return fmt::format("{} {} -> {}{} ({})", change.name, figure_text(change.before),
                     figure_text(change.after), unit, percent_text(change.before, change.after));
}

namespace {

// Lower or upper end of an estimate that is listed itself: "energy_low_mj" of "energy_mj".
bool is_end_of_range(const std::string& name, const auto& listed) {
  for (const std::string_view end : {"_low_", "_high_"}) {
    const std::size_t at = name.find(end);
    if (at == std::string::npos) continue;
    if (listed(name.substr(0, at) + name.substr(at + end.size() - 1))) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> figure_lines(const std::vector<FigureChange>& changes) {
  constexpr double kSame = 1e-6;
  std::vector<std::string> texts, along;
  const auto moved = [&](const std::string& name) {
    return std::any_of(changes.begin(), changes.end(),
                       [&](const FigureChange& change) { return change.name == name; });
  };
  double factor = 0;  // of the cycles, which are the first figure where they moved
  for (const FigureChange& change : changes) {
    if (is_end_of_range(change.name, moved)) continue;
    const double own = change.before == 0 ? 0 : change.after / change.before;
    if (change.name == "cycles" && own > 0) {
      factor = own;
    } else if (factor > 0 &&
               (std::abs(own / factor - 1) < kSame || std::abs(own * factor - 1) < kSame)) {
      along.push_back(change.name);
      continue;
    }
    texts.push_back(change_text(change));
  }
  if (!along.empty()) texts[0] += fmt::format(", and with them {}", fmt::join(along, ", "));
  return texts;
}

std::string cause_text(const Cause& cause) {
  return fmt::format("{}: {}", to_string(cause.kind), cause.text);
}

std::string causes_text(const std::vector<Cause>& causes) {
  std::vector<std::string> texts;
  for (const Cause& cause : causes) texts.push_back(cause_text(cause));
  return fmt::format("{}", fmt::join(texts, "; "));
}

std::string steps_text(const LayerChange& layer) {
  const MachineInfo machine{.cluster = layer.cluster};
  constexpr std::size_t kShown = 3;
  std::vector<std::string> texts;
  for (const StepChange& change : layer.steps) {
    if (texts.size() == kShown) break;
    texts.push_back(fmt::format("{} {}{}", label(change.step, machine),
                                change.cycles > 0 ? "+" : "", thousands(change.cycles)));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string revision_text(const std::string& revision) {
  constexpr std::size_t kDigits = 12, kWhole = 40;
  if (revision.empty()) return "?";
  const bool hash =
      revision.size() >= kWhole && revision.find_first_not_of("0123456789abcdef") >= kWhole;
  return hash ? revision.substr(0, kDigits) + revision.substr(kWhole) : revision;
}

}  // namespace workbench::track
