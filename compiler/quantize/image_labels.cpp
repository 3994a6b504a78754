#include "compiler/quantize/image_labels.h"

#include <charconv>
#include <sstream>

#include "core/error.h"
#include "core/file.h"

namespace workbench {

namespace {

// Without the ends of lines of Windows; blank lines at the end are none.
std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::istringstream stream(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

std::int64_t class_of(const std::string& text, std::int64_t classes, const std::string& place) {
  std::int64_t label = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), label);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail("{}: expected a class number, found '{}'", place, text);
  }
  check_label(label, classes, place);
  return label;
}

}  // namespace

void check_label(std::int64_t label, std::int64_t classes, const std::string& place) {
  if (label < 0) fail("{}: expected a class from 0 on, found {}", place, label);
  if (classes > 0 && label >= classes) {
    fail("{}: expected a class below {}, the classes of the network, found {}", place, classes,
         label);
  }
}

std::map<std::string, Label> read_label_table(const std::filesystem::path& path,
                                              std::int64_t classes) {
  std::map<std::string, Label> table;
  std::size_t number = 0;
  for (const std::string& line : lines_of(path)) {
    const std::string place = fmt::format("{}:{}", path.string(), ++number);
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) {
      fail("{}: expected FILE <tab> CLASS, found '{}'", place, line);
    }
    const std::string file = line.substr(0, tab);
    const Label label{class_of(line.substr(tab + 1), classes, place), number};
    const auto [found, is_new] = table.emplace(file, label);
    if (!is_new) {
      fail("{}: expected each file once, found '{}' in line {}, too", place, file,
           found->second.line);
    }
  }
  return table;
}

std::vector<std::int64_t> read_label_lines(const std::filesystem::path& path,
                                           std::int64_t classes) {
  std::vector<std::int64_t> labels;
  for (const std::string& line : lines_of(path)) {
    labels.push_back(
        class_of(line, classes, fmt::format("{}:{}", path.string(), labels.size() + 1)));
  }
  return labels;
}

}  // namespace workbench
