// The tables of a results store (docs/store.md) and how an older store becomes a new one.
#pragma once

#include <string_view>

#include "explore/store/sqlite.h"

namespace workbench {

// In the file's header: SQLite files that are stores, "WBRS".
inline constexpr std::int64_t kStoreApplicationId = 0x57425253;

// The tables as SQL text, for people as well.
std::string_view store_schema();

// Makes a store of an empty database, brings an older store up to date, and refuses anything else:
// Throws Error. Several processes may do so at once.
void prepare_schema(const sqlite::Connection& connection);

// Throws Error unless the database is a store, of this version or an older one.
void check_version(const sqlite::Connection& connection);

// Throws Error unless the database is a store of this version with all of its tables.
void check_schema(const sqlite::Connection& connection);

}  // namespace workbench
