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

#include "explore/store/sqlite.h"
#include "explore/store/store.h"
#include "explore/sweep/point_metrics.h"

namespace workbench {

// In the file's header: SQLite files that are stores, "WBRS".
inline constexpr std::int64_t kStoreApplicationId = 0x57425253;

// SQL texts: the first makes version 1 of an empty database, each one after it the next version of
// the one before.
using SchemaSteps = std::span<const char* const>;
SchemaSteps store_schema();

// Makes a store of an empty database, brings an older store up to date, all of it or nothing, and
// refuses anything else: throws Error. Several processes may do so at once.
void prepare_schema(const sqlite::Connection& connection, SchemaSteps steps = store_schema());

// Throws Error unless the database is a store, of this version or an older one.
void check_version(const sqlite::Connection& connection, SchemaSteps steps = store_schema());

// Throws Error unless the database is a store of this version with all of its tables.
void check_schema(const sqlite::Connection& connection, SchemaSteps steps = store_schema());

// Writes metric_names, point_table and layer_table unless they say so already; names that other
// versions of the program have stored stay. In a transaction of its own.
void describe_metrics(const sqlite::Connection& connection, std::span<const PointMetric> of_points,
                      std::span<const PointMetric> of_layers);

// Connections to store files.

// Creates the file when there is none, brings an older store up to date. Throws Error as Store
// does.
std::unique_ptr<sqlite::Connection> open_to_write(const std::filesystem::path& path);

// Throws Error where there is no file, or it is no store of this version.
std::unique_ptr<sqlite::Connection> open_to_read(const std::filesystem::path& path);

// Whatever the file holds, as long as SQLite opens it: nothing is checked, nothing written.
std::unique_ptr<sqlite::Connection> open_unchecked(const std::filesystem::path& path);

// Points between their tables and the structs. No function opens a transaction.

// A row of `points` with what StoredPoint does not have.
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
