// The doors of the workbench: every kind of file that comes from outside, each with the whole path
// that it takes. A door throws Error for what it refuses, and nothing else.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

namespace workbench::fuzz {

// What mutants are made of: bytes; numbers, words and lines, too; nodes and attributes, too.
enum class Form { Bytes, Text, Onnx };

struct Door {
  std::string_view name;
  std::string_view file;  // what the file is called: front ends look at the extension
  Form form = Form::Bytes;
  void (*enter)(const std::filesystem::path& file);
};

std::span<const Door> doors();

}  // namespace workbench::fuzz
