// The tables that say which class an image is of.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace workbench {

// A class and the line that says so.
struct Label {
  std::int64_t label = 0;
  std::size_t line = 0;
};

// "FILE <tab> CLASS" a line. `classes` > 0: all are below that. Throws Error with file:line, also
// for a file that is named twice.
std::map<std::string, Label> read_label_table(const std::filesystem::path& path,
                                              std::int64_t classes);

// One class a line.
std::vector<std::int64_t> read_label_lines(const std::filesystem::path& path, std::int64_t classes);

// Throws Error "PLACE: expected a class ..., found LABEL".
void check_label(std::int64_t label, std::int64_t classes, const std::string& place);

}  // namespace workbench
