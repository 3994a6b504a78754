// The tables of a results store (docs/store.md): how they are made and opened, the names of the
// figures in them, and points between their rows and the structs. For the store and its salvage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "explore/report/metrics.h"
#include "explore/store/sqlite.h"
#include "explore/store/store.h"

namespace workbench {

// Makes the tables of an empty database, all of them or none, and refuses anything but a store of
// this version: throws Error. Several processes may do so at once.
void prepare_schema(const sqlite::Connection& connection);

// Throws Error unless the database is a store of this version.
void check_version(const sqlite::Connection& connection);

// Throws Error unless it also has all of its tables.
void check_schema(const sqlite::Connection& connection);

// Writes metric_names, point_table and layer_table unless they say so already; names that other
// versions of the program have stored stay. In a transaction of its own.
void describe_metrics(const sqlite::Connection& connection, std::span<const PointMetric> of_points,
                      std::span<const PointMetric> of_layers);

// Creates the file when there is none. Throws Error as Store does.
std::unique_ptr<sqlite::Connection> open_to_write(const std::filesystem::path& path);

// Throws Error where there is no file, or it is no store of this version.
std::unique_ptr<sqlite::Connection> open_to_read(const std::filesystem::path& path);

// Any file that SQLite opens: nothing is checked, nothing written. For salvage.
std::unique_ptr<sqlite::Connection> open_unchecked(const std::filesystem::path& path);

// A row of `points` with what StoredPoint does not have. No function below opens a transaction.
struct PointRow {
  std::int64_t point = 0;  // its number
  StoredPoint stored;
  std::string created, version, digest;
};

// Replaces what the key had. Digest and number are set here.
void insert_point(const sqlite::Connection& connection, const PointRow& row);

// None: there is no such point. Without layers, the digest cannot be checked.
std::optional<PointRow> read_point(const sqlite::Connection& connection, std::int64_t point,
                                   bool with_layers);
std::optional<std::int64_t> point_of_key(const sqlite::Connection& connection,
                                         const std::string& key);

// SHA-256 of all that is stored of it.
std::string digest(const StoredPoint& stored);

std::int64_t insert_run(const sqlite::Connection& connection, const RunRecord& run);
void insert_run_point(const sqlite::Connection& connection, std::int64_t run, std::int64_t position,
                      const std::string& key);
std::optional<RunRecord> read_run(const sqlite::Connection& connection, std::int64_t run);

}  // namespace workbench
