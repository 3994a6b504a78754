#include "explore/track/compare_report.h"

#include "explore/track/figure_text.h"
#include "explore/track/record_json.h"

namespace workbench::track {

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
