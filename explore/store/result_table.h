// Stored points as a table: which of them, which columns, in which order; as text, CSV and JSON.
// The same points give the same bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "explore/store/store.h"

namespace workbench {

struct ResultQuery {
  // "NAME OP VALUE" with =, !=, <, <=, > or >=, all of which must hold: "cycles<=1e6", "l1=64k",
  // "tiler != dory". Numbers compare as numbers, k and M behind them are 1024 and 1024^2;
  // networks and machines are named by their file's name, too.
  std::vector<std::string> where;
  std::vector<std::string> columns;  // empty: all that any of the points has
  std::string sort;                  // column, "-column" for descending; empty: as they are
};

// Of a point or of its layer; monostate: it has none.
using Cell = std::variant<std::monostate, std::string, double>;

struct ResultTable {
  std::vector<std::string> columns;
  std::vector<std::vector<Cell>> rows;
};

// One row per point. Columns by name: network, machine, the settings, tier, status,
// bit_exact, reason, the metrics (in the order of point_metrics(), others after them), key. Throws
// Error: a condition that cannot be read, a column that none of the points has (the nearest is
// named).
ResultTable result_table(std::span<const StoredPoint> points, const ResultQuery& query);

// One row per layer of the points that `query.where` leaves: key, position, layer, op, shape, then
// the layers' metrics. `query.columns` and `query.sort` name these columns.
ResultTable layer_table(std::span<const StoredPoint> points, const ResultQuery& query);

// Order that does not depend on when points were computed: by network, machine, tier, then settings
// with numbers as numbers, then key.
void sort_by_question(std::vector<StoredPoint>& points);

// Header line, cells quoted as RFC 4180 asks, doubles as the shortest text that reads back the
// same.
std::string csv(const ResultTable& table);
// {"schema_version": 1, "columns": [...], "rows": [{NAME: VALUE, ...}, ...]}; null: none.
std::string json(const ResultTable& table);
// Aligned columns; what is the same in every row is said once above them. Without columns asked
// for, the metrics are the first six.
std::string text(const ResultTable& table, const ResultQuery& query);

// All there is of one point: its question, its figures with their units, its layers.
std::string text(const StoredPoint& point);
// The runs of a store and how far they are.
std::string runs_text(const Store& store);

}  // namespace workbench
