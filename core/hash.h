// Content addresses: what a result depends on, as one short name.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace workbench {

// SHA-256 as 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);

// Of a file's contents, without holding them in memory. Throws Error "PATH: cannot read: REASON".
std::string sha256_of_file(const std::filesystem::path& path);

// Of the executable or shared library this function is part of: two builds that differ in anything
// differ here. Computed once.
const std::string& program_version();

}  // namespace workbench
