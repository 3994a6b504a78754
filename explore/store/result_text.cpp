// The written forms of a table of results.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "explore/store/result_table.h"
#include "explore/sweep/point_metrics.h"
#include "explore/table.h"

namespace workbench {

namespace {

constexpr std::size_t kMetricsShown = 6;
constexpr std::size_t kKeyDigitsShown = 12;

std::string csv_cell(const Cell& cell) {
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{}", *number);
  const auto* text = std::get_if<std::string>(&cell);
  if (text == nullptr) return "";
  if (text->find_first_of(",\"\r\n") == std::string::npos) return *text;
  std::string quoted = "\"";
  for (const char letter : *text) quoted.append(letter == '"' ? 2 : 1, letter);
  return quoted + "\"";
}

template <typename Texts>
std::string csv_line(const Texts& texts) {
  return fmt::format("{}\n", fmt::join(texts, ","));
}

std::string shown(const Cell& cell, const std::string& column) {
  if (const auto* number = std::get_if<double>(&cell)) {
    const bool whole = std::abs(*number) < 1e15 && std::floor(*number) == *number;
    return whole ? thousands(static_cast<std::int64_t>(*number)) : fmt::format("{:.4g}", *number);
  }
  const auto* text = std::get_if<std::string>(&cell);
  if (text == nullptr) return "-";
  return column == "key" ? text->substr(0, kKeyDigitsShown) : *text;
}

bool is_metric(const ResultTable& table, std::size_t column) {
  return std::any_of(table.rows.begin(), table.rows.end(),
                     [&](const auto& row) { return std::holds_alternative<double>(row[column]); });
}

// In people's tables only what tells rows apart.
bool is_constant(const ResultTable& table, std::size_t column) {
  return std::all_of(table.rows.begin(), table.rows.end(),
                     [&](const auto& row) { return row[column] == table.rows.front()[column]; });
}

bool has_words(const ResultTable& table, std::size_t column) {
  return std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
    return std::holds_alternative<std::string>(row[column]);
  });
}

// The columns of these numbers.
std::string table_text(const ResultTable& table, const std::vector<std::size_t>& columns) {
  Table view;
  for (const std::size_t i : columns) {
    view.columns.push_back(
        {.title = table.columns[i], .right_aligned = !has_words(table, i), .width_max = 40});
  }
  for (const auto& row : table.rows) {
    std::vector<std::string>& cells = view.rows.emplace_back();
    for (const std::size_t i : columns) cells.push_back(shown(row[i], table.columns[i]));
  }
  return fmt::format("{}\n", fmt::join(lines(view), "\n"));
}

}  // namespace

std::string csv(const ResultTable& table) {
  std::vector<std::string> cells;
  for (const std::string& column : table.columns) cells.push_back(csv_cell(column));
  std::string text = csv_line(cells);
  for (const auto& row : table.rows) {
    cells.clear();
    for (const Cell& cell : row) cells.push_back(csv_cell(cell));
    text += csv_line(cells);
  }
  return text;
}

std::string json(const ResultTable& table) {
  using nlohmann::ordered_json;
  ordered_json rows = ordered_json::array();
  for (const auto& row : table.rows) {
    ordered_json object = ordered_json::object();
    for (std::size_t i = 0; i < row.size(); ++i) {
      ordered_json& value = object[table.columns[i]];
      if (const auto* number = std::get_if<double>(&row[i])) value = *number;
      if (const auto* text = std::get_if<std::string>(&row[i])) value = *text;
    }
    rows.push_back(std::move(object));
  }
  const ordered_json whole = {{"schema_version", 1}, {"columns", table.columns}, {"rows", rows}};
  return whole.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string text(const ResultTable& table, const ResultQuery& query) {
  if (table.rows.empty()) return "no results\n";
  const bool chosen = !query.columns.empty();
  std::string above;
  std::vector<std::size_t> columns;
  std::size_t metrics = 0;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string& column = table.columns[i];
    const bool constant = !chosen && table.rows.size() > 1 && is_constant(table, i);
    if (constant) {
      const std::string value = shown(table.rows.front()[i], column);
      if (value != "-" && !value.empty()) above += fmt::format("{}: {}\n", column, value);
    } else if (chosen || !is_metric(table, i) || metrics++ < kMetricsShown) {
      columns.push_back(i);
    }
  }
  return above + table_text(table, columns);
}

std::string text(const StoredPoint& stored) {
  const Point& point = stored.point;
  const PointResult& result = stored.result;
  std::string text =
      fmt::format("point {}\nnetwork {}\nmachine {}\n", stored.key, point.network, point.machine);
  for (const Setting& setting : point.settings) {
    text += fmt::format("{} = {}\n", setting.name, setting.value);
  }
  const char* exact = !result.bit_exact   ? ""
                      : *result.bit_exact ? ", bit-exact"
                                          : ", not bit-exact";
  text += fmt::format("{}: {}{}\n", to_string(point.tier), to_string(result.status), exact);
  if (!result.reason.empty()) text += fmt::format("reason: {}\n", result.reason);
  Table metrics{.columns = {{.title = "metric", .right_aligned = false},
                            {.title = "value"},
                            {.title = "unit", .right_aligned = false}},
                .rows = {}};
  const ResultTable row = result_table({&stored, 1}, {});
  for (std::size_t i = 0; i < row.columns.size(); ++i) {
    const Cell& cell = row.rows[0][i];
    if (!std::holds_alternative<double>(cell)) continue;
    const PointMetric* metric = find_point_metric(row.columns[i]);
    metrics.rows.push_back({row.columns[i], shown(cell, row.columns[i]),
                            metric != nullptr ? std::string(metric->unit) : ""});
  }
  if (!metrics.rows.empty()) text += fmt::format("\n{}\n", fmt::join(lines(metrics), "\n"));
  if (!result.layers.empty()) {
    const ResultTable layers = layer_table({&stored, 1}, {});
    std::vector<std::size_t> columns(layers.columns.size() - 1);  // all but the key
    std::iota(columns.begin(), columns.end(), std::size_t{1});
    text += '\n';
    text += table_text(layers, columns);
  }
  return text;
}

std::string runs_text(const Store& store) {
  Table table{.columns = {{.title = "run"},
                          {.title = "kind", .right_aligned = false},
                          {.title = "name", .right_aligned = false, .width_max = 40},
                          {.title = "created", .right_aligned = false},
                          {.title = "points"},
                          {.title = "ok"},
                          {.title = "infeasible"},
                          {.title = "failed"},
                          {.title = "missing"},
                          {.title = "revision", .right_aligned = false}},
              .rows = {}};
  for (const RunRecord& run : store.runs()) {
    const RunCounts counts = store.counts(run.id);
    const std::int64_t missing = counts.asked - counts.ok - counts.infeasible - counts.failed;
    table.rows.push_back({fmt::format("{}", run.id), run.kind, run.name, run.created,
                          thousands(counts.asked), thousands(counts.ok),
                          thousands(counts.infeasible), thousands(counts.failed),
                          thousands(missing), run.revision.substr(0, kKeyDigitsShown)});
  }
  if (table.rows.empty()) return "no runs\n";
  return fmt::format("{}\n", fmt::join(lines(table), "\n"));
}

}  // namespace workbench
