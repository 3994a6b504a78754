#include "explore/store/result_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "explore/report/export.h"
#include "explore/report/metrics.h"
#include "explore/report/text.h"
#include "explore/sweep/values.h"

namespace workbench {

namespace {

using Names = std::vector<std::string>;

bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void add_new(Names& names, std::string_view name) {
  if (!contains(names, name)) names.emplace_back(name);
}

// Those of `table` that are used, in its order, then the other ones by name.
Names in_order_of(std::span<const PointMetric> table, const std::map<std::string, double>& used) {
  Names names;
  for (const PointMetric& metric : table) {
    if (used.contains(std::string(metric.name))) names.emplace_back(metric.name);
  }
  for (const auto& [name, value] : used) add_new(names, name);
  return names;
}

std::string_view view(const Cell& cell) {
  const auto* text = std::get_if<std::string>(&cell);
  return text != nullptr ? std::string_view(*text) : std::string_view();
}

std::optional<double> number(const Cell& cell) {
  if (const auto* value = std::get_if<double>(&cell)) return *value;
  return numeric_value(view(cell));
}

bool is_none(const Cell& cell) { return std::holds_alternative<std::monostate>(cell); }

constexpr std::array<std::string_view, 7> kOwnColumns = {"network", "machine", "tier",     "status",
                                                         "reason",  "key",     "bit_exact"};

Cell own_cell(const StoredPoint& stored, std::string_view column) {
  if (column == "network") return stored.point.network;
  if (column == "machine") return stored.point.machine;
  if (column == "tier") return std::string(to_string(stored.point.tier));
  if (column == "status") return std::string(to_string(stored.result.status));
  if (column == "reason") return stored.result.reason;
  if (column == "key") return stored.key;
  CHECK(column == "bit_exact", "column {}", column);
  if (!stored.result.bit_exact) return {};
  return std::string(*stored.result.bit_exact ? "true" : "false");
}

Cell cell_of(const StoredPoint& stored, const std::string& column) {
  if (std::find(kOwnColumns.begin(), kOwnColumns.end(), column) != kOwnColumns.end()) {
    return own_cell(stored, column);
  }
  for (const Setting& setting : stored.point.settings) {
    if (setting.name == column) return setting.value;
  }
  const auto metric = stored.result.metrics.find(column);
  if (metric == stored.result.metrics.end()) return {};
  return metric->second;
}

Names all_columns(std::span<const StoredPoint> points) {
  Names names{"network", "machine"};
  for (const StoredPoint& stored : points) {
    for (const Setting& setting : stored.point.settings) add_new(names, setting.name);
  }
  for (const char* name : {"tier", "status", "bit_exact", "reason"}) names.emplace_back(name);
  std::map<std::string, double> used;
  for (const StoredPoint& stored : points) {
    used.insert(stored.result.metrics.begin(), stored.result.metrics.end());
  }
  for (const std::string& name : in_order_of(point_metrics(), used)) add_new(names, name);
  names.emplace_back("key");
  return names;
}

void require_column(const std::string& column, const Names& columns, const std::string& where) {
  if (contains(columns, column)) return;
  fail("{}: expected a column of these results, such as {}; found '{}'", where,
       nearest_name(column, columns), column);
}

struct Comparison {
  std::string column, op, value;

  // A file is named by its last part as well.
  bool is_named(const std::string_view text) const {
    if (text == value) return true;
    if (column != "network" && column != "machine") return false;
    const std::filesystem::path path(text);
    return path.filename() == value || path.stem() == value;
  }

  bool holds(const Cell& cell) const {
    if (is_none(cell)) return false;
    const std::optional<double> left = number(cell), right = numeric_value(value);
    if (left && right) {
      const double a = *left, b = *right;
      if (op == "=") return a == b;
      if (op == "!=") return a != b;
      if (op == "<") return a < b;
      if (op == "<=") return a <= b;
      return op == ">" ? a > b : a >= b;
    }
    const bool equal = is_named(view(cell));
    return (op == "=" && equal) || (op == "!=" && !equal);
  }
};

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

Comparison parse_comparison(const std::string& text) {
  const std::size_t at = text.find_first_of("=!<>");
  const std::string where = fmt::format("--where '{}'", text);
  if (at == std::string::npos) fail("{}: expected NAME=VALUE, NAME<VALUE or the like", where);
  const std::size_t end = text.find_first_not_of("=!<>", at);
  Comparison result{.column = trimmed(std::string_view(text).substr(0, at)),
                    .op = text.substr(at, end == std::string::npos ? end : end - at),
                    .value = end == std::string::npos ? "" : trimmed(text.substr(end))};
  if (result.op == "==") result.op = "=";
  constexpr std::array<std::string_view, 6> kOps = {"=", "!=", "<", "<=", ">", ">="};
  if (std::find(kOps.begin(), kOps.end(), result.op) == kOps.end()) {
    fail("{}: expected =, !=, <, <=, > or >=, found '{}'", where, result.op);
  }
  if (result.op[0] != '=' && result.op[0] != '!' && !numeric_value(result.value)) {
    fail("{}: expected a number after {}, found '{}'", where, result.op, result.value);
  }
  return result;
}

std::vector<StoredPoint> selected(std::span<const StoredPoint> points, const ResultQuery& query) {
  const Names columns = all_columns(points);
  std::vector<Comparison> comparisons;
  for (const std::string& text : query.where) {
    comparisons.push_back(parse_comparison(text));
    if (!points.empty()) {
      require_column(comparisons.back().column, columns, fmt::format("--where '{}'", text));
    }
  }
  std::vector<StoredPoint> result;
  for (const StoredPoint& stored : points) {
    const bool holds = std::all_of(
        comparisons.begin(), comparisons.end(),
        [&](const Comparison& each) { return each.holds(cell_of(stored, each.column)); });
    if (holds) result.push_back(stored);
  }
  return result;
}

// Numbers before words, nothing last.
bool less(const Cell& a, const Cell& b) {
  if (is_none(a) || is_none(b)) return !is_none(a) && is_none(b);
  const std::optional<double> left = number(a), right = number(b);
  if (left && right) return *left < *right;
  if (left || right) return left.has_value();
  return view(a) < view(b);
}

void sort(ResultTable& table, const std::string& by) {
  if (by.empty() || table.rows.empty()) return;
  const bool descending = by[0] == '-';
  const std::string name = by.substr(descending ? 1 : 0);
  require_column(name, table.columns, "--sort " + by);
  const auto column = static_cast<std::size_t>(
      std::find(table.columns.begin(), table.columns.end(), name) - table.columns.begin());
  std::stable_sort(table.rows.begin(), table.rows.end(), [&](const auto& a, const auto& b) {
    if (descending && !is_none(a[column]) && !is_none(b[column])) return less(b[column], a[column]);
    return less(a[column], b[column]);
  });
}

ResultTable with_columns(const ResultTable& table, const Names& columns) {
  if (columns.empty()) return table;
  std::vector<std::size_t> from;
  for (const std::string& name : columns) {
    if (!table.rows.empty()) require_column(name, table.columns, "--columns " + name);
    from.push_back(static_cast<std::size_t>(
        std::find(table.columns.begin(), table.columns.end(), name) - table.columns.begin()));
  }
  ResultTable result{.columns = columns, .rows = {}};
  for (const auto& row : table.rows) {
    std::vector<Cell>& cells = result.rows.emplace_back();
    for (const std::size_t column : from) cells.push_back(row[column]);
  }
  return result;
}

ResultTable arranged(ResultTable table, const ResultQuery& query) {
  sort(table, query.sort);
  return with_columns(table, query.columns);
}

// Less than 0, 0 or more, as of two texts.
int compare(const Cell& a, const Cell& b) { return less(a, b) ? -1 : less(b, a) ? 1 : 0; }

bool asks_before(const StoredPoint& a, const StoredPoint& b) {
  for (const char* column : {"network", "machine", "tier"}) {
    const int order = view(own_cell(a, column)).compare(view(own_cell(b, column)));
    if (order != 0) return order < 0;
  }
  const auto &left = a.point.settings, &right = b.point.settings;
  for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    const int names = left[i].name.compare(right[i].name);
    const int order = names != 0 ? names : compare(left[i].value, right[i].value);
    if (order != 0) return order < 0;
  }
  if (left.size() != right.size()) return left.size() < right.size();
  return a.key < b.key;
}

}  // namespace

void sort_by_question(std::vector<StoredPoint>& points) {
  std::sort(points.begin(), points.end(), asks_before);
}

ResultTable result_table(std::span<const StoredPoint> points, const ResultQuery& query) {
  ResultTable table{.columns = all_columns(points), .rows = {}};
  for (const StoredPoint& stored : selected(points, query)) {
    std::vector<Cell>& row = table.rows.emplace_back();
    for (const std::string& column : table.columns) row.push_back(cell_of(stored, column));
  }
  return arranged(std::move(table), query);
}

ResultTable layer_table(std::span<const StoredPoint> points, const ResultQuery& query) {
  const std::vector<StoredPoint> chosen = selected(points, query);
  std::map<std::string, double> used;
  for (const StoredPoint& stored : chosen) {
    for (const LayerFigures& layer : stored.result.layers) {
      used.insert(layer.metrics.begin(), layer.metrics.end());
    }
  }
  const Names metrics = in_order_of(layer_metrics(), used);
  ResultTable table{.columns = {"key", "position", "layer", "op", "shape"}, .rows = {}};
  table.columns.insert(table.columns.end(), metrics.begin(), metrics.end());
  for (const StoredPoint& stored : chosen) {
    double position = 0;
    for (const LayerFigures& layer : stored.result.layers) {
      std::vector<Cell>& row = table.rows.emplace_back();
      row = {stored.key, position++, layer.name, layer.op, layer.shape};
      for (const std::string& name : metrics) {
        const auto metric = layer.metrics.find(name);
        row.push_back(metric == layer.metrics.end() ? Cell() : Cell(metric->second));
      }
    }
  }
  return arranged(std::move(table), query);
}

namespace {

constexpr std::size_t kMetricsShown = 6;
constexpr std::size_t kKeyDigitsShown = 12;

std::string csv_text(const Cell& cell) {
  if (const auto* number = std::get_if<double>(&cell)) return fmt::format("{}", *number);
  const auto* text = std::get_if<std::string>(&cell);
  return text == nullptr ? "" : csv_cell(*text);
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

// A printed table has only the columns that tell rows apart.
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
    for (const Cell& cell : row) cells.push_back(csv_text(cell));
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
