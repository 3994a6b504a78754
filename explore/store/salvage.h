// A damaged store: what can be read is kept, the rest is named.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace workbench {

struct SalvageReport {
  std::int64_t points = 0, runs = 0;  // kept: whole, and as their digests say
  std::vector<std::string> lost;      // one line each
};

// Copies into a store that must not exist yet, there when all of it is. The damaged file is not
// written. Throws Error: no file, nothing of a store in it, another program's or a newer version's;
// the new file exists or cannot be written.
SalvageReport salvage(const std::filesystem::path& damaged, const std::filesystem::path& fresh);

}  // namespace workbench
