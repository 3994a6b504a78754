#include "explore/flow/source_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "explore/flow/tools.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTool = "riscv64-unknown-elf-addr2line";

// "FILE:LINE" or "FILE:LINE (discriminator 2)"; "??:0" and "FILE:?": not known.
std::optional<SourceLine> parsed(const std::string& text) {
  const std::string place = text.substr(0, text.find(" (discriminator"));
  const std::size_t colon = place.rfind(':');
  if (colon == std::string::npos || place.rfind("??", 0) == 0) return std::nullopt;
  SourceLine found{.file = place.substr(0, colon)};
  const auto [end, error] =
      std::from_chars(place.data() + colon + 1, place.data() + place.size(), found.line);
  if (error != std::errc() || found.line <= 0) return std::nullopt;
  for (char& c : found.file) {  // names in a file of another's making
    if (c < ' ' || c > '~') c = '?';
  }
  return found;
}

}  // namespace

SourceLines source_lines(const fs::path& program, const std::vector<riscv::Word>& addresses) {
  if (!is_installed(kTool)) {
    return {{}, fmt::format("{} is not installed (Debian: binutils-riscv64-unknown-elf)", kTool)};
  }
  const ScratchFolder folder;
  std::string asked;
  for (const riscv::Word address : addresses) asked += fmt::format("{:x}\n", address);
  write_file(folder.file("asked"), asked);
  const int status =
      run_tool({kTool, "-e", fs::absolute(program).string()}, {.output = folder.file("lines"),
                                                               .input = folder.file("asked"),
                                                               .errors = folder.file("errors")});
  if (status != 0) return {{}, fmt::format("{} failed", kTool)};
  std::istringstream answers(read_file(folder.file("lines")));
  SourceLines found;
  std::size_t next = 0;
  for (std::string text; next < addresses.size() && std::getline(answers, text); ++next) {
    if (auto line = parsed(text)) found.lines[addresses[next]] = *std::move(line);
  }
  if (found.lines.empty()) found.unknown = "the program has no debug information (compile with -g)";
  return found;
}

std::string text_of(const SourceLine& line) {
  std::error_code error;
  if (!fs::is_regular_file(line.file, error)) return "";
  std::ifstream file(line.file);
  std::string text;
  for (int k = 0; k < line.line; ++k) {
    if (!std::getline(file, text)) return "";
  }
  for (char& c : text) {
    if (c < ' ' || c > '~') c = c == '\t' ? ' ' : '?';
  }
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin);
}

}  // namespace workbench
