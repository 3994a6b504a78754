// Points between their tables and the structs: what the store and its salvage have in common. No
// function opens a transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "explore/store/sqlite.h"
#include "explore/store/store.h"

namespace workbench {

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
