// The tables of a results store (docs/store.md) and how an older store becomes a new one.
#pragma once

#include <span>

#include "explore/store/sqlite.h"

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

}  // namespace workbench
