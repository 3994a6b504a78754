#include "explore/store/schema.h"

#include <array>
#include <set>
#include <string>

#include "explore/store/store.h"

namespace workbench {

namespace {

constexpr const char* kVersion1 = R"sql(
-- One command that asked for points.
CREATE TABLE runs (
  run      INTEGER PRIMARY KEY,  -- counts up
  kind     TEXT NOT NULL,        -- sweep, track, python
  name     TEXT NOT NULL,        -- of the study, or of the baseline
  revision TEXT NOT NULL,        -- git revision of the tree; '' where it is not known
  version  TEXT NOT NULL,        -- SHA-256 of the program
  created  TEXT NOT NULL,        -- UTC: 2026-11-22T19:30:00Z
  study    TEXT NOT NULL         -- JSON: what was asked
) STRICT;

-- The points that a run asked for, in its order. A point without a result is not in points (yet).
CREATE TABLE run_points (
  run      INTEGER NOT NULL REFERENCES runs (run) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  key      TEXT NOT NULL,
  PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_points_of_key ON run_points (key);

-- One question and its answer, named by its content: asked again, it is not computed again.
CREATE TABLE points (
  point     INTEGER PRIMARY KEY,
  key       TEXT NOT NULL UNIQUE,  -- SHA-256 of network, machine, settings, tier and program
  network   TEXT NOT NULL,         -- ONNX file or zoo:NAME
  machine   TEXT NOT NULL,         -- machine file or shipped name
  settings  TEXT NOT NULL,         -- JSON object, for settings ->> '$.cores'; one row each below
  tier      TEXT NOT NULL,         -- analytic, transaction
  status    TEXT NOT NULL,         -- ok, infeasible, failed
  reason    TEXT NOT NULL,         -- one line; '' for ok
  bit_exact INTEGER,               -- 1 or 0: compared with the golden model; NULL: not compared
  seconds   REAL NOT NULL,         -- it took to compute
  created   TEXT NOT NULL,         -- UTC
  version   TEXT NOT NULL,         -- SHA-256 of the program that computed it
  digest    TEXT NOT NULL          -- SHA-256 of all that is stored of the point: for --salvage
) STRICT;

CREATE TABLE settings (
  point    INTEGER NOT NULL REFERENCES points (point) ON DELETE CASCADE,
  position INTEGER NOT NULL,  -- in the order of the study
  name     TEXT NOT NULL,
  value    TEXT NOT NULL,     -- as it was given: 64k
  number   REAL,              -- 65536; NULL: a word
  PRIMARY KEY (point, position)
) STRICT, WITHOUT ROWID;

-- Figures of a point, by the names of metric_names.
CREATE TABLE metrics (
  point INTEGER NOT NULL REFERENCES points (point) ON DELETE CASCADE,
  name  TEXT NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY (point, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE layers (
  point    INTEGER NOT NULL REFERENCES points (point) ON DELETE CASCADE,
  position INTEGER NOT NULL,  -- in program order
  name     TEXT NOT NULL,
  op       TEXT NOT NULL,
  shape    TEXT NOT NULL,     -- of the output
  PRIMARY KEY (point, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE layer_metrics (
  point    INTEGER NOT NULL REFERENCES points (point) ON DELETE CASCADE,
  position INTEGER NOT NULL,  -- of the layer
  name     TEXT NOT NULL,
  value    REAL NOT NULL,
  PRIMARY KEY (point, position, name)
) STRICT, WITHOUT ROWID;

-- What the figures are. The views point_table and layer_table have a column for each.
CREATE TABLE metric_names (
  scope   TEXT NOT NULL,  -- point, layer
  name    TEXT NOT NULL,
  unit    TEXT NOT NULL,
  better  TEXT NOT NULL,  -- lower, higher, neither
  formula TEXT NOT NULL,
  PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;
)sql";

constexpr std::array<const char*, kStoreVersion> kSteps = {kVersion1};

bool is_empty(const sqlite::Connection& connection) {
  return connection.integer("SELECT count(*) FROM sqlite_master") == 0;
}

using Columns = std::set<std::string>;  // TABLE.COLUMN

Columns columns(const sqlite::Connection& connection) {
  Columns result;
  sqlite::Statement rows = connection.statement(
      "SELECT t.name || '.' || c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c "
      "WHERE t.type = 'table'");
  while (rows.step()) result.insert(rows.text(0));
  return result;
}

Columns columns_of(SchemaSteps steps) {
  const sqlite::Connection memory(
      ":memory:", ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  for (const char* step : steps) memory.execute(step);
  return columns(memory);
}

}  // namespace

SchemaSteps store_schema() { return kSteps; }

void check_version(const sqlite::Connection& connection, SchemaSteps steps) {
  const std::string name = connection.path().string();
  const auto newest = static_cast<std::int64_t>(steps.size());
  if (connection.integer("PRAGMA application_id") != kStoreApplicationId) {
    fail("{}: expected a results store, found another program's SQLite database", name);
  }
  const std::int64_t version = connection.integer("PRAGMA user_version");
  if (version > newest) {
    fail(
        "{}: expected a store of version {} or older, found version {}: a newer workbench wrote it",
        name, newest, version);
  }
  if (version < 1) fail("{}: expected a store of version 1 or newer, found {}", name, version);
}

void check_schema(const sqlite::Connection& connection, SchemaSteps steps) {
  check_version(connection, steps);
  const std::int64_t version = connection.integer("PRAGMA user_version");
  const auto newest = static_cast<std::int64_t>(steps.size());
  if (version != newest) {
    fail(
        "{}: expected a store of version {}, found version {}: opening it where it can be written "
        "brings it up to date",
        connection.path().string(), newest, version);
  }
  const Columns found = columns(connection);
  for (const std::string& column : columns_of(steps)) {
    if (!found.contains(column)) {
      fail("{}: expected a store of version {}, found one without {}", connection.path().string(),
           version, column);
    }
  }
}

void prepare_schema(const sqlite::Connection& connection, SchemaSteps steps) {
  const auto newest = static_cast<std::int64_t>(steps.size());
  const auto is_current = [&] {
    return !is_empty(connection) &&
           connection.integer("PRAGMA application_id") == kStoreApplicationId &&
           connection.integer("PRAGMA user_version") == newest;
  };
  if (!is_current()) {
    sqlite::Transaction transaction(connection);  // somebody else may be doing the same
    if (!is_empty(connection)) check_version(connection, steps);
    const auto version = static_cast<std::size_t>(connection.integer("PRAGMA user_version"));
    for (std::size_t step = is_empty(connection) ? 0 : version; step < steps.size(); ++step) {
      connection.execute(steps[step]);
    }
    connection.execute(fmt::format("PRAGMA application_id = {}", kStoreApplicationId));
    connection.execute(fmt::format("PRAGMA user_version = {}", newest));
    transaction.commit();
  }
  check_schema(connection, steps);
}

}  // namespace workbench
