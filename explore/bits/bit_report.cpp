#include "explore/bits/bit_report.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace workbench {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kNameWidth = 30;

double objective_of(const BitSearchReport& report, const BitPoint& point) {
  if (report.objective == "weight_bytes") return static_cast<double>(point.weight_bytes);
  return point.measured.metrics.at(report.objective);
}

std::string number(double value) {
  return value < 100 ? fmt::format("{:.3f}", value) : thousands(static_cast<std::int64_t>(value));
}

// One digit per variable of the kind.
std::string strip(const BitSearchReport& report, const BitPoint& point, bool weights) {
  std::string text;
  for (std::size_t v = 0; v < report.variables.size(); ++v) {
    if (report.variables[v].weights == weights) text += std::to_string(point.bits[v]);
  }
  return text;
}

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f} %", 100 * *share) : "-";
}

bool bit_exact(const BitPoint& point) {
  return point.measured.bit_exact && (!point.trained || point.trained->bit_exact);
}

bool any_trained(const BitSearchReport& report) {
  return std::ranges::any_of(report.points,
                             [](const BitPoint& point) { return point.trained.has_value(); });
}

Table points_table(const BitSearchReport& report) {
  const bool trained = any_trained(report);
  Table table{.columns = {{"point", false},
                          {"front", false},
                          {report.objective},
                          {"predicted"},
                          {"SNR dB"},
                          {"predicted"},
                          {"weight bytes"},
                          {"top-1"},
                          {"golden", false}},
              .rows = {}};
  if (trained) table.columns.insert(table.columns.end() - 1, {"trained"});
  for (const BitPoint& point : report.points) {
    table.rows.push_back({point.name,
                          !point.meets     ? "breaks a constraint"
                          : point.on_front ? "yes"
                                           : "",
                          number(objective_of(report, point)), number(point.predicted_objective),
                          fmt::format("{:.1f}", point.measured.signal_to_noise_db),
                          fmt::format("{:.1f}", point.predicted_db), thousands(point.weight_bytes),
                          percent(point.measured.top1),
                          bit_exact(point) ? "bit-exact" : "DIFFERS"});
    if (!trained) continue;
    std::vector<std::string>& row = table.rows.back();
    row.insert(row.end() - 1, percent(point.trained ? point.trained->top1 : std::nullopt));
  }
  return table;
}

Table variables_table(const BitSearchReport& report) {
  Table table{.columns = {{"layer", false, kNameWidth}, {"width of", false}, {"values"}},
              .rows = {}};
  for (std::size_t c = 1; c < report.choices.size(); ++c) {
    table.columns.push_back({fmt::format("SNR at {} bits", report.choices[c])});
  }
  for (const BitSearchReport::Variable& variable : report.variables) {
    table.rows.push_back(
        {variable.name, variable.weights ? "weights" : "result", thousands(variable.elements)});
    for (std::size_t c = 1; c < report.choices.size(); ++c) {
      table.rows.back().push_back(fmt::format("{:.1f}", variable.noise_db[c]));
    }
  }
  return table;
}

void add(const Table& table, std::string& text) {
  for (const std::string& line : lines(table)) text += line + "\n";
}

Json json_of(const std::optional<BitFigures>& trained) {
  if (!trained) return {};
  Json json = {{"signal_to_noise_db", trained->signal_to_noise_db},
               {"top1", trained->top1 ? Json(*trained->top1) : Json()},
               {"golden_values", trained->golden_values},
               {"bit_exact", trained->bit_exact},
               {"metrics", Json::object()}};
  for (const auto& [name, value] : trained->metrics) json["metrics"][name] = value;
  return json;
}

Json json_of(const BitSearchReport& report, const BitPoint& point) {
  const BitFigures& measured = point.measured;
  Json json = {{"name", point.name},
               {"kind", to_string(point.kind)},
               {"bits", point.bits},
               {"recipe", recipe_file_text(point.recipe)},
               {"objective", objective_of(report, point)},
               {"predicted_objective", point.predicted_objective},
               {"signal_to_noise_db", measured.signal_to_noise_db},
               {"predicted_db", point.predicted_db},
               {"top1", measured.top1 ? Json(*measured.top1) : Json()},
               {"weight_bytes", point.weight_bytes},
               {"activation_bytes", point.activation_bytes},
               {"golden_values", measured.golden_values},
               {"bit_exact", measured.bit_exact},
               {"meets", point.meets},
               {"on_front", point.on_front},
               {"run_page", point.run_page},
               {"trained", json_of(point.trained)},
               {"metrics", Json::object()}};
  for (const auto& [name, value] : measured.metrics) json["metrics"][name] = value;
  return json;
}

std::vector<std::string> uniform_unless(
    const BitSearchReport& report,
    const std::function<bool(const BitPoint& point, const BitPoint& uniform)>& no_worse) {
  std::vector<std::string> names;
  for (const BitPoint& uniform : report.points) {
    if (uniform.kind != BitPoint::Kind::Uniform) continue;
    const bool dominated = std::ranges::any_of(report.points, [&](const BitPoint& point) {
      return point.kind == BitPoint::Kind::Searched && point.meets &&
             objective_of(report, point) <= objective_of(report, uniform) &&
             no_worse(point, uniform);
    });
    if (!dominated) names.push_back(uniform.name);
  }
  return names;
}

std::string domination(const std::vector<std::string>& left, std::string_view by) {
  return left.empty()
             ? fmt::format("{}: every uniform choice has a searched point that is no worse\n", by)
             : fmt::format("{}: no searched point is as good as {}\n", by, fmt::join(left, ", "));
}

}  // namespace

std::string file_stem(const BitPoint& point) {
  std::string name = point.name;
  std::ranges::replace(name, ' ', '_');
  return name;
}

std::vector<std::string> undominated_uniform(const BitSearchReport& report) {
  return uniform_unless(report, [](const BitPoint& point, const BitPoint& uniform) {
    return point.measured.signal_to_noise_db >= uniform.measured.signal_to_noise_db;
  });
}

std::vector<std::string> undominated_uniform_top1(const BitSearchReport& report) {
  return uniform_unless(report, [](const BitPoint& point, const BitPoint& uniform) {
    return point.measured.top1.value_or(0) >= uniform.measured.top1.value_or(0);
  });
}

std::string bit_search_text(const BitSearchReport& report, const TextOptions& options) {
  const auto bold = [&](const std::string& title) {
    return options.colour ? "\x1b[1m" + title + "\x1b[0m" : title;
  };
  std::string text = fmt::format("{}  {} on {}: scheme {}, accuracy against {}\n", bold("network"),
                                 report.network, report.machine, report.scheme, report.objective);
  text += fmt::format(
      "{}   measured on {} images, {} programs compiled ({} refused, {} "
      "combinations of widths unknown)\n",
      bold("widths"), report.calibration_images, report.programs, report.refused_programs,
      report.unknown_combinations);
  text += fmt::format(
      "{}    {} choices that no other is as good as by the sums, {}; {} compiled, sums off by "
      "at most {:.1f} %\n",
      bold("front"), thousands(static_cast<std::int64_t>(report.front_size)),
      report.gap_db == 0 ? "all of them"
                         : fmt::format("at most {:.3f} dB from the best", report.gap_db),
      report.candidates, 100 * report.sums_off);
  if (report.scored_images > 0) {
    text += fmt::format("{}   {}: {} scored, float {:.1f} %\n", bold("images"), report.images,
                        thousands(report.scored_images), 100 * report.float_top1.value_or(0));
  }
  for (const std::string& note : report.notes) text += "note     " + note + "\n";
  if (options.every_layer) {
    text += "\n" +
            bold("signal to noise of the results with one width narrower, the others 8 bits") +
            "\n";
    add(variables_table(report), text);
  }
  text += "\n" + bold("points, quantized and simulated") + "\n";
  add(points_table(report), text);
  text += domination(undominated_uniform(report), "by signal to noise");
  if (report.scored_images > 0) text += domination(undominated_uniform_top1(report), "by top-1");
  text += "\n" + bold("bits of the weights, layer by layer, and of the results") + "\n";
  Table strips{.columns = {{"point", false}, {"weights", false}, {"results", false}}, .rows = {}};
  for (const BitPoint& point : report.points) {
    strips.rows.push_back({point.name, strip(report, point, true), strip(report, point, false)});
  }
  add(strips, text);
  return text;
}

std::string bit_search_json(const BitSearchReport& report) {
  Json json = {{"schema_version", 1},
               {"network", report.network},
               {"machine", report.machine},
               {"scheme", report.scheme},
               {"objective", report.objective},
               {"unit", report.unit},
               {"constraints", report.constraints},
               {"calibration_images", report.calibration_images},
               {"images", report.images},
               {"scored_images", report.scored_images},
               {"float_top1", report.float_top1 ? Json(*report.float_top1) : Json()},
               {"choices", report.choices},
               {"variables", Json::array()},
               {"programs", report.programs},
               {"refused_programs", report.refused_programs},
               {"unknown_combinations", report.unknown_combinations},
               {"front_size", report.front_size},
               {"gap_db", report.gap_db},
               {"candidates", report.candidates},
               {"sums_off", report.sums_off},
               {"points", Json::array()},
               {"undominated_uniform", undominated_uniform(report)},
               {"undominated_uniform_top1",
                report.scored_images > 0 ? Json(undominated_uniform_top1(report)) : Json()},
               {"notes", report.notes},
               {"warnings", report.warnings}};
  for (const BitSearchReport::Variable& variable : report.variables) {
    json["variables"].push_back({{"layer", variable.name},
                                 {"of", variable.weights ? "weights" : "result"},
                                 {"elements", variable.elements},
                                 {"signal_to_noise_db", variable.noise_db}});
  }
  for (const BitPoint& point : report.points) json["points"].push_back(json_of(report, point));
  return json.dump(2) + "\n";
}

}  // namespace workbench
