// Files read whole with a clear error and written atomically.
#pragma once

#include <filesystem>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace workbench {

// Throws Error "PATH: cannot read: REASON".
std::string read_file(const std::filesystem::path& path);

// Writes to a temporary beside `path`, then renames: no half-written file is ever left behind.
// Throws Error "PATH: cannot write: REASON".
void write_file(const std::filesystem::path& path, std::string_view contents);
void write_file(const std::filesystem::path& path, const std::function<void(std::ostream&)>& write);

// Content addresses: what a result depends on, as one short name.

// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

// Of a file's contents, without holding them in memory. Throws Error "PATH: cannot read: REASON".
std::string sha256_of_file(const std::filesystem::path& path);

// Of the executable or shared library this function is part of: two builds that differ in anything
// differ here. Computed once.
const std::string& program_version();

}  // namespace workbench
