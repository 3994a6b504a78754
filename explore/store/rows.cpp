#include "explore/store/rows.h"

#include <nlohmann/json.hpp>

#include "core/file.h"
#include "explore/store/point_json.h"
#include "explore/sweep/values.h"

namespace workbench {

namespace {

using sqlite::Connection;
using sqlite::Statement;

std::string settings_json(const std::vector<Setting>& settings) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const Setting& setting : settings) object[setting.name] = setting.value;
  return object.dump();
}

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

std::map<std::string, double> read_metrics(const Connection& connection, std::int64_t point) {
  std::map<std::string, double> metrics;
  Statement query = connection.statement("SELECT name, value FROM metrics WHERE point = ?");
  query.bind(point);
  while (query.step()) metrics[query.text(0)] = query.real(1);
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
    layers[layer->second].metrics[figures.text(1)] = figures.real(2);
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
    row.stored.result.seconds = query.real(7);
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
