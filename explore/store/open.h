// Connections to store files.
#pragma once

#include <filesystem>
#include <memory>

#include "explore/store/sqlite.h"

namespace workbench {

// Creates the file when there is none, brings an older store up to date. Throws Error as Store
// does.
std::unique_ptr<sqlite::Connection> open_to_write(const std::filesystem::path& path);

// Throws Error where there is no file, or it is no store of this version.
std::unique_ptr<sqlite::Connection> open_to_read(const std::filesystem::path& path);

// Whatever the file holds, as long as SQLite opens it: nothing is checked, nothing written.
std::unique_ptr<sqlite::Connection> open_unchecked(const std::filesystem::path& path);

}  // namespace workbench
