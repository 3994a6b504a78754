// Programs of the cores: what is loaded of an ELF file of 32-bit RISC-V. The file may be damaged:
// every size in it is checked against the bytes that are there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "isa/riscv/semantics.h"

namespace workbench::riscv {

struct Segment {
  Word address = 0;
  std::string bytes;      // of the file
  Word memory_bytes = 0;  // the rest of it is 0
  bool executable = false;
};

struct Symbol {
  std::string name;
  Word address = 0, bytes = 0;
};

struct Elf {
  Word entry = 0;
  std::vector<Segment> segments;
  std::vector<Symbol> functions;  // in order of address
};

// Throws Error "FILE: ...": no executable of 32-bit RISC-V, or cut off.
Elf parse_elf(std::string_view bytes, const std::string& file);

}  // namespace workbench::riscv
