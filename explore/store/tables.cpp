#include "explore/store/tables.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/file.h"
#include "explore/store/store.h"
#include "explore/sweep/values.h"

namespace workbench {

namespace {

constexpr std::int64_t kApplicationId = 0x57425253;  // in the file's header: "WBRS"

constexpr const char* kSchema = R"sql(
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

Columns expected_columns() {
  const sqlite::Connection memory(
      ":memory:", ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  memory.execute(kSchema);
  return columns(memory);
}

}  // namespace

void check_version(const sqlite::Connection& connection) {
  const std::string name = connection.path().string();
  if (connection.integer("PRAGMA application_id") != kApplicationId) {
    fail("{}: expected a results store, found another program's SQLite database", name);
  }
  const std::int64_t version = connection.integer("PRAGMA user_version");
  if (version != kStoreVersion) {
    fail("{}: expected a store of version {}, found version {}{}", name, kStoreVersion, version,
         version > kStoreVersion ? ": a newer workbench wrote it" : "");
  }
}

void check_schema(const sqlite::Connection& connection) {
  check_version(connection);
  const Columns found = columns(connection);
  for (const std::string& column : expected_columns()) {
    if (!found.contains(column)) {
      fail("{}: expected a store of version {}, found one without {}", connection.path().string(),
           kStoreVersion, column);
    }
  }
}

void prepare_schema(const sqlite::Connection& connection) {
  if (is_empty(connection)) {
    sqlite::Transaction transaction(connection);
    if (is_empty(connection)) {  // still: another process may have made the tables meanwhile
      connection.execute(kSchema);
      connection.execute(fmt::format("PRAGMA application_id = {}", kApplicationId));
      connection.execute(fmt::format("PRAGMA user_version = {}", kStoreVersion));
    }
    transaction.commit();
  }
  check_schema(connection);
}

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

namespace fs = std::filesystem;
using sqlite::Connection;

namespace {

void require_file(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status)) {
    fail("{}: expected a results store, found no such file", path.string());
  }
  if (!fs::is_regular_file(status)) {
    fail("{}: expected a results store, found no regular file", path.string());
  }
}

// Readers do not wait for writers, and a commit needs no sync: a process that is killed loses
// nothing; a machine that loses its power may lose the last points, but not the store.
void use_write_ahead_log(const Connection& connection) {
  // SQLite does not wait here by itself when several processes switch a new file at once.
  constexpr int kAttempts = 6000;
  for (int attempt = 0;; ++attempt) {
    const int code =
        sqlite3_exec(connection.handle(), "PRAGMA journal_mode = WAL", nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) break;
    if ((code & 0xff) != SQLITE_BUSY || attempt == kAttempts) {
      sqlite::refuse(connection.path(), connection.handle(), code);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  connection.execute("PRAGMA synchronous = NORMAL");
}

// Letters that are special in a URI are escaped.
std::string uri(const fs::path& path, const char* query) {
  std::string text = "file:";
  for (const char letter : fs::absolute(path).string()) {
    if (std::string_view("%?# ").find(letter) != std::string_view::npos) {
      text += fmt::format("%{:02x}", static_cast<unsigned char>(letter));
    } else {
      text += letter;
    }
  }
  return text + query;
}

std::unique_ptr<Connection> open(const fs::path& path, int flags) {
  return std::make_unique<Connection>(path, fs::absolute(path).string(), flags);
}

// A log that is there must be read too, and cannot be where nothing can be written.
bool has_log(const fs::path& path) {
  std::error_code none;
  const auto size = fs::file_size(path.string() + "-wal", none);
  return !none && size > 0;
}

}  // namespace

std::unique_ptr<Connection> open_to_write(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists(path, ignored)) require_file(path);
  auto connection = open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  // SQLite itself goes back to reading alone where it may not write.
  if (sqlite3_db_readonly(connection->handle(), "main") == 1) {
    sqlite::refuse(path, connection->handle(), SQLITE_READONLY);
  }
  prepare_schema(*connection);
  use_write_ahead_log(*connection);
  connection->execute("PRAGMA foreign_keys = ON");
  return connection;
}

std::unique_ptr<Connection> open_unchecked(const fs::path& path) {
  require_file(path);
  try {
    auto connection = open(path, SQLITE_OPEN_READONLY);
    connection->integer("SELECT count(*) FROM sqlite_master");
    return connection;
  } catch (const sqlite::Damaged&) {
    throw;
  } catch (const Error&) {
    if (has_log(path)) throw;
    auto connection =
        std::make_unique<Connection>(path, uri(path, "?immutable=1"), SQLITE_OPEN_READONLY);
    connection->integer("SELECT count(*) FROM sqlite_master");
    return connection;
  }
}

std::unique_ptr<Connection> open_to_read(const fs::path& path) {
  auto connection = open_unchecked(path);
  check_schema(*connection);
  return connection;
}

namespace {

using sqlite::Connection;
using sqlite::Statement;

void insert_settings(const Connection& connection, std::int64_t point,
                     const std::vector<Setting>& settings) {
  std::int64_t position = 0;
  for (const Setting& setting : settings) {
    Statement insert = connection.statement("INSERT INTO settings VALUES (?, ?, ?, ?, ?)");
    insert.bind(point).bind(position++).bind(setting.name).bind(setting.value);
    const std::optional<double> number = numeric_value(setting.value);
    (number ? insert.bind(*number) : insert.bind_null()).run();
  }
}

void insert_layers(const Connection& connection, std::int64_t point,
                   const std::vector<LayerFigures>& layers) {
  std::int64_t position = 0;
  for (const LayerFigures& layer : layers) {
    connection.statement("INSERT INTO layers VALUES (?, ?, ?, ?, ?)")
        .bind(point)
        .bind(position)
        .bind(layer.name)
        .bind(layer.op)
        .bind(layer.shape)
        .run();
    for (const auto& [name, value] : layer.metrics) {
      connection.statement("INSERT INTO layer_metrics VALUES (?, ?, ?, ?)")
          .bind(point)
          .bind(position)
          .bind(name)
          .bind(value)
          .run();
    }
    ++position;
  }
}

std::vector<Setting> read_settings(const Connection& connection, std::int64_t point) {
  std::vector<Setting> settings;
  Statement query =
      connection.statement("SELECT name, value FROM settings WHERE point = ? ORDER BY position");
  query.bind(point);
  while (query.step()) settings.push_back({query.text(0), query.text(1)});
  return settings;
}

// No program writes a figure that is no number.
double finite(const Connection& connection, std::int64_t point, double value) {
  if (std::isfinite(value)) return value;
  throw sqlite::Damaged(fmt::format("{}: point {}: expected a figure, found {}",
                                    connection.path().string(), point, value));
}

std::map<std::string, double> read_metrics(const Connection& connection, std::int64_t point) {
  std::map<std::string, double> metrics;
  Statement query = connection.statement("SELECT name, value FROM metrics WHERE point = ?");
  query.bind(point);
  while (query.step()) metrics[query.text(0)] = finite(connection, point, query.real(1));
  return metrics;
}

std::vector<LayerFigures> read_layers(const Connection& connection, std::int64_t point) {
  std::vector<LayerFigures> layers;
  std::map<std::int64_t, std::size_t> index;
  Statement rows = connection.statement(
      "SELECT position, name, op, shape FROM layers WHERE point = ? ORDER BY position");
  rows.bind(point);
  while (rows.step()) {
    index[rows.integer(0)] = layers.size();
    layers.push_back({.name = rows.text(1), .op = rows.text(2), .shape = rows.text(3)});
  }
  Statement figures =
      connection.statement("SELECT position, name, value FROM layer_metrics WHERE point = ?");
  figures.bind(point);
  while (figures.step()) {
    const auto layer = index.find(figures.integer(0));
    if (layer == index.end()) {
      throw sqlite::Damaged(fmt::format("{}: point {}: expected a layer {}, found figures alone",
                                        connection.path().string(), point, figures.integer(0)));
    }
    layers[layer->second].metrics[figures.text(1)] = finite(connection, point, figures.real(2));
  }
  return layers;
}

}  // namespace

std::string digest(const StoredPoint& stored) { return sha256_hex(point_json(stored)); }

void insert_point(const Connection& connection, const PointRow& row) {
  const StoredPoint& stored = row.stored;
  const PointResult& result = stored.result;
  const std::string sum = digest(stored);
  connection.statement("DELETE FROM points WHERE key = ?").bind(stored.key).run();
  {
    Statement insert = connection.statement(
        "INSERT INTO points (key, network, machine, settings, tier, status, reason, bit_exact, "
        "seconds, created, version, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    insert.bind(stored.key).bind(stored.point.network).bind(stored.point.machine);
    insert.bind(settings_json(stored.point.settings)).bind(to_string(stored.point.tier));
    insert.bind(to_string(result.status)).bind(result.reason);
    if (result.bit_exact) {
      insert.bind(std::int64_t{*result.bit_exact});
    } else {
      insert.bind_null();
    }
    insert.bind(result.seconds).bind(row.created).bind(row.version).bind(sum).run();
  }
  const std::int64_t point = sqlite3_last_insert_rowid(connection.handle());
  insert_settings(connection, point, stored.point.settings);
  for (const auto& [name, value] : result.metrics) {
    connection.statement("INSERT INTO metrics VALUES (?, ?, ?)")
        .bind(point)
        .bind(name)
        .bind(value)
        .run();
  }
  insert_layers(connection, point, result.layers);
}

std::optional<PointRow> read_point(const Connection& connection, std::int64_t point,
                                   bool with_layers) {
  PointRow row{.point = point};
  {
    Statement query = connection.statement(
        "SELECT key, network, machine, tier, status, reason, bit_exact, seconds, created, version, "
        "digest FROM points WHERE point = ?");
    query.bind(point);
    if (!query.step()) return std::nullopt;
    const std::string where =
        fmt::format("{}: point {}", connection.path().string(), query.text(0));
    row.stored.key = query.text(0);
    row.stored.point.network = query.text(1);
    row.stored.point.machine = query.text(2);
    row.stored.point.tier = tier_from(query.text(3), where);
    row.stored.result.status = status_from(query.text(4), where);
    row.stored.result.reason = query.text(5);
    if (!query.is_null(6)) row.stored.result.bit_exact = query.integer(6) != 0;
    row.stored.result.seconds = finite(connection, point, query.real(7));
    row.created = query.text(8);
    row.version = query.text(9);
    row.digest = query.text(10);
  }
  row.stored.point.settings = read_settings(connection, point);
  row.stored.result.metrics = read_metrics(connection, point);
  if (with_layers) row.stored.result.layers = read_layers(connection, point);
  return row;
}

std::optional<std::int64_t> point_of_key(const Connection& connection, const std::string& key) {
  Statement query = connection.statement("SELECT point FROM points WHERE key = ?");
  query.bind(key);
  if (!query.step()) return std::nullopt;
  return query.integer(0);
}

std::int64_t insert_run(const Connection& connection, const RunRecord& run) {
  connection
      .statement(
          "INSERT INTO runs (kind, name, revision, version, created, study) "
          "VALUES (?, ?, ?, ?, ?, ?)")
      .bind(run.kind)
      .bind(run.name)
      .bind(run.revision)
      .bind(run.version)
      .bind(run.created)
      .bind(run.study)
      .run();
  return sqlite3_last_insert_rowid(connection.handle());
}

void insert_run_point(const Connection& connection, std::int64_t run, std::int64_t position,
                      const std::string& key) {
  connection.statement("INSERT INTO run_points VALUES (?, ?, ?)")
      .bind(run)
      .bind(position)
      .bind(key)
      .run();
}

std::optional<RunRecord> read_run(const Connection& connection, std::int64_t run) {
  Statement query = connection.statement(
      "SELECT kind, name, revision, version, created, study FROM runs WHERE run = ?");
  query.bind(run);
  if (!query.step()) return std::nullopt;
  return RunRecord{.id = run,
                   .kind = query.text(0),
                   .name = query.text(1),
                   .revision = query.text(2),
                   .version = query.text(3),
                   .created = query.text(4),
                   .study = query.text(5)};
}

}  // namespace workbench
