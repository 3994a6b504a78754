#include "explore/track/compare_report.h"

#include <algorithm>
#include <cmath>

#include "explore/report/text.h"
#include "explore/track/record_json.h"

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
    // Causes that the case has named are not repeated.
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

namespace {

// Text for XML: what its parsers refuse in any spelling becomes a question mark, what is not UTF-8
// its replacement character.
std::string xml(const std::string& text) {
  std::string out;
  for (const char c : Json::parse(dumped(Json(text))).get<std::string>()) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 32 && c != '\n' ? '?' : c;
    }
  }
  return out;
}

// Of a workflow command: data, and values of its properties.
std::string command_data(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    const bool escaped = c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','));
    out += escaped ? fmt::format("%{:02X}", static_cast<unsigned>(c)) : std::string(1, c);
  }
  return out;
}

// One case in a few lines: figures, causes, layers.
std::string summary(const CaseChange& change) {
  constexpr std::size_t kLayers = 10;
  std::vector<std::string> parts = figure_lines(change.figures);
  for (const Cause& cause : change.causes) parts.push_back(cause_text(cause));
  for (std::size_t i = 0; i < std::min(kLayers, change.layers.size()); ++i) {
    const LayerChange& layer = change.layers[i];
    parts.push_back(fmt::format("layer {}: {} -> {} cycles ({})", layer.name,
                                figure_text(static_cast<double>(layer.before)),
                                figure_text(static_cast<double>(layer.after)), steps_text(layer)));
  }
  if (change.layers.size() > kLayers) {
    parts.push_back(fmt::format("{} more layers", change.layers.size() - kLayers));
  }
  return fmt::format("{}", fmt::join(parts, "\n"));
}

Json layer_change_json(const LayerChange& layer) {
  Json steps = Json::object();
  for (const StepChange& change : layer.steps) steps[step_key(change.step)] = change.cycles;
  return {{"name", layer.name},
          {"before", layer.added ? Json(nullptr) : Json(layer.before)},
          {"after", layer.gone ? Json(nullptr) : Json(layer.after)},
          {"steps", std::move(steps)},
          {"causes", causes_json(layer.causes)}};
}

Json case_json(const CaseChange& change, const Gate& gate) {
  Json figures = Json::array(), layers = Json::array();
  for (const FigureChange& figure : change.figures) {
    figures.push_back({{"name", figure.name},
                       {"unit", figure.unit},
                       {"before", number_json(figure.before)},
                       {"after", number_json(figure.after)},
                       {"worse_percent", number_json(figure.worse_percent())},
                       {"gates", figure.gates}});
  }
  for (const LayerChange& layer : change.layers) layers.push_back(layer_change_json(layer));
  return {{"name", change.name},
          {"kind", std::string(to_string(change.kind))},
          {"failure", failure(change, gate)},
          {"verdict_before", change.verdict_before},
          {"verdict_after", change.verdict_after},
          {"figures", std::move(figures)},
          {"causes", causes_json(change.causes)},
          {"machine_cycles", change.machine_cycles ? Json(*change.machine_cycles) : Json(nullptr)},
          {"layers", std::move(layers)}};
}

}  // namespace

std::string compare_junit(const Comparison& comparison, const Gate& gate,
                          const std::string& suite) {
  std::string cases;
  std::size_t failures = 0;
  for (const CaseChange& change : comparison.cases) {
    const std::string why = failure(change, gate);
    cases +=
        fmt::format("    <testcase classname=\"{}\" name=\"{}\"", xml(suite), xml(change.name));
    if (why.empty()) {
      const std::string said = summary(change);
      cases += said.empty() ? "/>\n"
                            : fmt::format(">\n      <system-out>{}</system-out>\n    </testcase>\n",
                                          xml(said));
      continue;
    }
    ++failures;
    cases +=
        fmt::format(">\n      <failure message=\"{}\" type=\"{}\">{}</failure>\n    </testcase>\n",
                    xml(why), to_string(change.kind), xml(summary(change)));
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{0}\" "
      "tests=\"{1}\" failures=\"{2}\" errors=\"0\" skipped=\"0\">\n{3}  </testsuite>\n"
      "</testsuites>\n",
      xml(suite), comparison.cases.size(), failures, cases);
}

std::string compare_annotations(const Comparison& comparison, const Gate& gate,
                                const std::string& file) {
  std::string text;
  for (const CaseChange& change : comparison.cases) {
    const std::string why = failure(change, gate);
    if (why.empty() && change.kind != CaseChange::Kind::Better) continue;
    std::string place;
    if (!file.empty()) {
      place = fmt::format("file={},line={},", command_data(file, true), std::max(change.line, 1));
    }
    const std::string message =
        (why.empty() ? std::string(to_string(change.kind)) : why) + "\n" + summary(change);
    text += fmt::format("::{} {}title={}::{}\n", why.empty() ? "notice" : "error", place,
                        command_data(fmt::format("track: {}", change.name), true),
                        command_data(message, false));
  }
  return text;
}

std::string compare_json(const Comparison& comparison, const Gate& gate) {
  Json cases = Json::array();
  for (const CaseChange& change : comparison.cases) cases.push_back(case_json(change, gate));
  const Json json = {
      {"schema_version", 1},
      {"name", comparison.name},
      {"before", {{"revision", comparison.before_revision}, {"date", comparison.before_date}}},
      {"after", {{"revision", comparison.after_revision}}},
      {"threshold_percent", gate.threshold_percent},
      {"failed", failed(comparison, gate)},
      {"cases", std::move(cases)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace workbench::track
