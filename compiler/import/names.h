// Names in a file end up in reports, JSON and error lines: they become text of one line, and each
// thing has a name of its own.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace workbench::importer {

// The name as text: control characters and bytes that are no UTF-8 as \x0a; at most about 1000
// bytes. A name that is text stays as it is.
std::string text_name(std::string_view raw);

// Throws Error when `name` is empty, long or no text; `kind` is for the message. For formats whose
// layers find each other by what they are called.
void check_name(std::string_view name, std::string_view kind);

// Control characters, and bytes that are no UTF-8, replaced by '?'; at most about 4000 bytes.
std::string one_line(std::string_view text);

class Names {
 public:
  // `wanted`, or `wanted` with the first free number behind it; takes it.
  std::string take(const std::string& wanted);
  void reserve(const std::string& name);
  bool contains(const std::string& name) const;

 private:
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, int> next_;  // name -> the number to try first
};

}  // namespace workbench::importer
