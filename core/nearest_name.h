// What somebody who misspelled a name most likely meant.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace workbench {

// Insertions, deletions and replacements of a letter that turn a into b (Levenshtein).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The first of `names` with the least distance. CHECKs that there is one.
std::string nearest_name(std::string_view name, std::span<const std::string> names);

}  // namespace workbench
