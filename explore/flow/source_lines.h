// The source line of each instruction of a program, from its debug information by binutils'
// addr2line, which knows every version of it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "isa/riscv/semantics.h"

namespace workbench {

struct SourceLine {
  std::string file;
  int line = 0;
  friend auto operator<=>(const SourceLine&, const SourceLine&) = default;
};

struct SourceLines {
  std::map<riscv::Word, SourceLine> lines;  // by address; missing: not known
  std::string unknown;                      // why none is
};

SourceLines source_lines(const std::filesystem::path& program,
                         const std::vector<riscv::Word>& addresses);

// That line of a file, without the spaces around it; empty: not there.
std::string text_of(const SourceLine& line);

}  // namespace workbench
