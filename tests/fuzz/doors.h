// The doors of the workbench: every kind of file that comes from outside, each with the whole path
// that it takes. A door throws Error for what it refuses, and nothing else.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

namespace workbench::fuzz {

struct Door {
  std::string_view name;
  std::string_view file;  // what the file is called: front ends look at the extension
  bool text = false;      // mutate numbers, words and lines, too
  void (*enter)(const std::filesystem::path& file);
};

std::span<const Door> doors();

}  // namespace workbench::fuzz
