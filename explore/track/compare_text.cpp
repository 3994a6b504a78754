#include <algorithm>

#include "explore/table.h"
#include "explore/track/compare_report.h"
#include "explore/track/figure_text.h"

namespace workbench::track {

namespace {

std::string tinted(const std::string& text, CaseChange::Kind kind, bool colour) {
  if (!colour) return text;
  switch (kind) {
    case CaseChange::Kind::Worse:
    case CaseChange::Kind::Broken:
      return "\x1b[31m" + text + "\x1b[0m";
    case CaseChange::Kind::Better:
      return "\x1b[32m" + text + "\x1b[0m";
    case CaseChange::Kind::Other:
    case CaseChange::Kind::Gone:
      return "\x1b[33m" + text + "\x1b[0m";
    case CaseChange::Kind::Same:
      return text;
  }
  CHECK(false, "kind {}", static_cast<int>(kind));
}

std::string layer_table(const CaseChange& change, std::size_t shown) {
  Table table{.columns = {{"  layer", false, 40},
                          {"cycles"},
                          {"->", false},
                          {"now"},
                          {"change"},
                          {" where", false, 60},
                          {" cause", false, 200}},
              .rows = {}};
  for (const LayerChange& layer : change.layers) {
    if (table.rows.size() == shown) break;
    const std::string percent = layer.added  ? "new"
                                : layer.gone ? "gone"
                                             : percent_text(static_cast<double>(layer.before),
                                                            static_cast<double>(layer.after));
    // What the case has said already needs no second telling.
    std::vector<std::string> causes;
    for (const Cause& cause : layer.causes) {
      const bool told = std::any_of(
          change.causes.begin(), change.causes.end(),
          [&](const Cause& one) { return one.kind == cause.kind && one.text == cause.text; });
      causes.push_back(told ? std::string(to_string(cause.kind)) : cause_text(cause));
    }
    table.rows.push_back({"  " + layer.name, layer.added ? "" : thousands(layer.before), "->",
                          layer.gone ? "" : thousands(layer.after), percent,
                          " " + steps_text(layer), fmt::format(" {}", fmt::join(causes, "; "))});
  }
  std::string text;
  for (const std::string& line : lines(table)) text += line + "\n";
  if (change.layers.size() > shown) {
    text += fmt::format("  {} more layers\n", change.layers.size() - shown);
  }
  return text;
}

// "of +35 cycles, +30 by machine constants, +5 by the rest"; nothing where cycles did not move.
std::string machine_line(const CaseChange& change) {
  std::int64_t all = 0;
  for (const FigureChange& figure : change.figures) {
    if (figure.name == "cycles") all = static_cast<std::int64_t>(figure.after - figure.before);
  }
  if (all == 0 && change.machine_cycles == 0) return "";
  const auto with_sign = [](std::int64_t cycles) {
    return (cycles > 0 ? "+" : "") + thousands(cycles);
  };
  return fmt::format("  of {} cycles, {} by machine constants, {} by the rest\n", with_sign(all),
                     with_sign(*change.machine_cycles), with_sign(all - *change.machine_cycles));
}

std::string case_text(const CaseChange& change, const Gate& gate, const CompareText& options) {
  const std::string why = failure(change, gate);
  std::string text =
      tinted(fmt::format("{:6}", to_string(change.kind)), change.kind, options.colour);
  text += " " + change.name;
  if (!why.empty()) text += ": FAILED, " + why;
  text += "\n";
  if (!change.verdict_after.empty()) {
    text += fmt::format("  verdict: {} -> {}\n", change.verdict_before, change.verdict_after);
  }
  for (const std::string& line : figure_lines(change.figures)) text += "  " + line + "\n";
  for (const Cause& cause : change.causes) text += "  " + cause_text(cause) + "\n";
  if (change.machine_cycles) text += machine_line(change);
  if (!change.layers.empty()) text += layer_table(change, options.layers);
  return text + "\n";
}

}  // namespace

std::string compare_text(const Comparison& comparison, const Gate& gate,
                         const CompareText& options) {
  std::string text;
  std::map<CaseChange::Kind, std::size_t> counts;
  std::size_t failures = 0;
  for (const CaseChange& change : comparison.cases) {
    ++counts[change.kind];
    failures += failure(change, gate).empty() ? 0 : 1;
    if (change.kind != CaseChange::Kind::Same) text += case_text(change, gate, options);
  }
  std::vector<std::string> parts;
  for (const auto& [kind, count] : counts) {
    parts.push_back(fmt::format("{} {}", count, to_string(kind)));
  }
  text +=
      fmt::format("{}: {} case{} beside {}: {}", comparison.name, comparison.cases.size(),
                  comparison.cases.size() == 1 ? "" : "s",
                  comparison.before_revision.empty() ? "the baseline"
                                                     : revision_text(comparison.before_revision),
                  fmt::join(parts, ", "));
  if (failures > 0) {
    text += fmt::format("; {} failed (threshold {:g} %{})", failures, gate.threshold_percent,
                        gate.strict ? ", strict" : "");
  }
  return text + "\n";
}

}  // namespace workbench::track
