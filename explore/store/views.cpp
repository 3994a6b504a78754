#include "explore/store/views.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

namespace workbench {

namespace {

using Row = std::tuple<std::string, std::string, std::string, std::string, std::string>;

void append(std::vector<Row>& rows, const char* scope, std::span<const PointMetric> metrics) {
  for (const PointMetric& metric : metrics) {
    rows.emplace_back(scope, metric.name, metric.unit, to_string(metric.better), metric.formula);
  }
}

std::vector<Row> stored_rows(const sqlite::Connection& connection) {
  std::vector<Row> rows;
  sqlite::Statement query =
      connection.statement("SELECT scope, name, unit, better, formula FROM metric_names");
  while (query.step()) {
    rows.emplace_back(query.text(0), query.text(1), query.text(2), query.text(3), query.text(4));
  }
  return rows;
}

// NAME between `quote`s, as SQL has it.
std::string sql_quoted(std::string_view name, char quote) {
  std::string text(1, quote);
  for (const char letter : name) text.append(letter == quote ? 2 : 1, letter);
  return text + quote;
}

// Those given first, then what other versions of the program have stored.
std::vector<std::string> names(const sqlite::Connection& connection, std::string_view scope,
                               std::span<const PointMetric> given) {
  std::vector<std::string> result;
  for (const PointMetric& metric : given) result.emplace_back(metric.name);
  sqlite::Statement query =
      connection.statement("SELECT name FROM metric_names WHERE scope = ? ORDER BY name");
  query.bind(scope);
  while (query.step()) {
    if (std::find(result.begin(), result.end(), query.text(0)) == result.end()) {
      result.push_back(query.text(0));
    }
  }
  return result;
}

// ", max(...) AS NAME" for each: the rows of a figure table become columns.
std::string pivot(const std::vector<std::string>& metrics) {
  std::string columns;
  for (const std::string& name : metrics) {
    columns += fmt::format(",\n  max(CASE m.name WHEN {} THEN m.value END) AS {}",
                           sql_quoted(name, '\''), sql_quoted(name, '"'));
  }
  return columns;
}

std::string views(const std::vector<std::string>& of_points,
                  const std::vector<std::string>& of_layers) {
  return fmt::format(
      "DROP VIEW IF EXISTS point_table;\n"
      "CREATE VIEW point_table AS SELECT p.key, p.network, p.machine, p.settings, p.tier, "
      "p.status, p.reason, p.bit_exact{}\n"
      "FROM points p LEFT JOIN metrics m ON m.point = p.point GROUP BY p.point;\n"
      "DROP VIEW IF EXISTS layer_table;\n"
      "CREATE VIEW layer_table AS SELECT p.key, l.position, l.name, l.op, l.shape{}\n"
      "FROM points p JOIN layers l ON l.point = p.point\n"
      "LEFT JOIN layer_metrics m ON m.point = l.point AND m.position = l.position\n"
      "GROUP BY l.point, l.position;\n",
      pivot(of_points), pivot(of_layers));
}

}  // namespace

void describe_metrics(const sqlite::Connection& connection, std::span<const PointMetric> of_points,
                      std::span<const PointMetric> of_layers) {
  std::vector<Row> rows;
  append(rows, "layer", of_layers);
  append(rows, "point", of_points);
  const auto is_described = [&] {
    const std::vector<Row> stored = stored_rows(connection);
    return std::all_of(rows.begin(), rows.end(), [&](const Row& row) {
      return std::find(stored.begin(), stored.end(), row) != stored.end();
    });
  };
  if (is_described()) return;
  sqlite::Transaction transaction(connection);
  for (const auto& [scope, name, unit, better, formula] : rows) {
    connection.statement("INSERT OR REPLACE INTO metric_names VALUES (?, ?, ?, ?, ?)")
        .bind(scope)
        .bind(name)
        .bind(unit)
        .bind(better)
        .bind(formula)
        .run();
  }
  connection.execute(
      views(names(connection, "point", of_points), names(connection, "layer", of_layers)));
  transaction.commit();
}

}  // namespace workbench
