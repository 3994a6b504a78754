#include "sim/riscv/elf.h"

#include <algorithm>
#include <cstdint>

#include "core/error.h"

namespace workbench::riscv {
namespace {

constexpr Word kMachineRiscv = 243, kExecutable = 2, kLoad = 1, kSymbols = 2;
constexpr std::size_t kHeaderBytes = 52, kSegmentBytes = 32, kSectionBytes = 40, kSymbolBytes = 16;

class File {
 public:
  File(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  std::string_view part(std::uint64_t at, std::uint64_t size, const char* what) const {
    if (at > bytes_.size() || size > bytes_.size() - at) {
      fail("{}: expected {} at bytes {} to {}, found a file of {} bytes", name_, what, at,
           at + size, bytes_.size());
    }
    return bytes_.substr(at, size);
  }
  // Little endian, of 1, 2 or 4 bytes.
  Word number(std::uint64_t at, unsigned size) const {
    const std::string_view part_of = part(at, size, "a number");
    Word value = 0;
    for (unsigned k = 0; k < size; ++k) {
      value |= static_cast<Word>(static_cast<unsigned char>(part_of[k])) << 8 * k;
    }
    return value;
  }
  const std::string& name() const { return name_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
  const std::string& name_;
};

// The command that builds one.
constexpr const char* kBuild =
    "riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 and the runtime's platform.mk build one";

// What files are that are given by mistake.
std::string_view machine_name(Word machine) {
  switch (machine) {
    case 3:
      return " (x86)";
    case 40:
      return " (ARM)";
    case 62:
      return " (x86-64)";
    case 183:
      return " (AArch64)";
    default:
      return "";
  }
}
std::string_view type_name(Word type) {
  switch (type) {
    case 1:
      return " (an object that is not linked)";
    case 3:
      return " (a shared library, or linked without -static -no-pie)";
    case 4:
      return " (a core dump)";
    default:
      return "";
  }
}

// The first bytes as text, or as numbers where they are none.
std::string beginning(std::string_view bytes) {
  const std::string_view first = bytes.substr(0, std::min<std::size_t>(bytes.size(), 4));
  const bool text =
      std::all_of(first.begin(), first.end(), [](char c) { return c >= ' ' && c <= '~'; });
  if (text) return fmt::format("'{}'", first);
  std::string numbers;
  for (const char c : first) {
    numbers += fmt::format("{}{:02x}", numbers.empty() ? "" : " ", static_cast<unsigned char>(c));
  }
  return numbers;
}

void check_header(const File& file) {
  if (file.size() == 0) fail("{}: expected an ELF file, found no bytes: {}", file.name(), kBuild);
  const std::string_view first = file.part(0, std::min<std::size_t>(file.size(), 4), "an ELF file");
  if (first != "\177ELF") {
    fail("{}: expected an ELF file (7f 45 4c 46), found {}: {}", file.name(), beginning(first),
         kBuild);
  }
  (void)file.part(0, kHeaderBytes, "an ELF header");
  if (const Word machine = file.number(18, 2); machine != kMachineRiscv && file.number(5, 1) == 1) {
    fail("{}: expected a program for RISC-V (machine {}), found machine {}{}: {}", file.name(),
         kMachineRiscv, machine, machine_name(machine), kBuild);
  }
  if (file.number(4, 1) != 1 || file.number(5, 1) != 1) {
    fail("{}: expected 32 bits, little endian, found {} bits{}: {}", file.name(),
         file.number(4, 1) == 2 ? 64 : 32, file.number(5, 1) == 2 ? ", big endian" : "", kBuild);
  }
  if (const Word type = file.number(16, 2); type != kExecutable) {
    fail("{}: expected a linked executable (type {}), found type {}{}: {}", file.name(),
         kExecutable, type, type_name(type), kBuild);
  }
  if (file.number(42, 2) != kSegmentBytes) {
    fail("{}: expected program headers of {} bytes, found {}", file.name(), kSegmentBytes,
         file.number(42, 2));
  }
}

std::vector<Segment> segments_of(const File& file) {
  std::vector<Segment> segments;
  std::uint64_t total = 0;
  const std::uint64_t table = file.number(28, 4);
  for (Word k = 0; k < file.number(44, 2); ++k) {
    const std::uint64_t at = table + k * kSegmentBytes;
    if (file.number(at, 4) != kLoad || file.number(at + 20, 4) == 0) continue;
    Segment segment{.address = file.number(at + 8, 4),
                    .memory_bytes = file.number(at + 20, 4),
                    .executable = (file.number(at + 24, 4) & 1) != 0};
    const Word size = file.number(at + 16, 4);
    if (size > segment.memory_bytes) {
      fail("{}: segment {} has {} bytes in the file and {} in memory", file.name(), k, size,
           segment.memory_bytes);
    }
    total += size;  // segments may lie over each other in the file, but are copied one by one
    if (total > 2 * file.size()) {
      fail("{}: segments of {} bytes and more in a file of {}", file.name(), total, file.size());
    }
    segment.bytes = file.part(file.number(at + 4, 4), size, "a segment");
    segments.push_back(std::move(segment));
  }
  return segments;
}

// A name, cut off where it is longer than any that is read; what a terminal would not show as it is
// becomes "?".
std::string text_at(std::string_view table, Word at) {
  constexpr std::size_t kLongest = 1024;
  if (at >= table.size()) return "";
  std::string text(table.substr(at, kLongest));
  text.resize(std::min(text.size(), text.find('\0')));
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

// Functions and what assembly names without a type, but for the local marks of the compiler.
void add_functions(const File& file, std::uint64_t section, std::uint64_t sections, Word count,
                   std::vector<Symbol>& functions) {
  const Word link = file.number(section + 24, 4);
  if (link >= count) fail("{}: symbols name section {} of {}", file.name(), link, count);
  const std::uint64_t names = sections + link * kSectionBytes;
  const std::string_view texts =
      file.part(file.number(names + 16, 4), file.number(names + 20, 4), "names of symbols");
  const std::uint64_t begin = file.number(section + 16, 4), size = file.number(section + 20, 4);
  (void)file.part(begin, size, "symbols");
  for (std::uint64_t at = begin; at + kSymbolBytes <= begin + size; at += kSymbolBytes) {
    const Word type = file.number(at + 12, 1) & 15, place = file.number(at + 14, 2);
    if ((type != 0 && type != 2) || place == 0 || place >= 0xff00) continue;
    Symbol symbol{text_at(texts, file.number(at, 4)), file.number(at + 4, 4),
                  file.number(at + 8, 4)};
    if (symbol.name.empty() || symbol.name[0] == '.' || symbol.name[0] == '$') continue;
    if (type == 0 && symbol.name.rfind("__", 0) == 0) continue;  // a linker script's
    functions.push_back(std::move(symbol));
  }
}

std::vector<Symbol> functions_of(const File& file) {
  std::vector<Symbol> functions;
  const std::uint64_t sections = file.number(32, 4);
  const Word count = file.number(48, 2);
  if (count == 0 || file.number(46, 2) != kSectionBytes) return functions;
  (void)file.part(sections, count * kSectionBytes, "section headers");
  for (Word k = 0; k < count; ++k) {
    const std::uint64_t section = sections + k * kSectionBytes;
    if (file.number(section + 4, 4) == kSymbols) {
      add_functions(file, section, sections, count, functions);
      break;  // a file has one such table
    }
  }
  std::sort(functions.begin(), functions.end(), [](const Symbol& a, const Symbol& b) {
    return std::tie(a.address, b.bytes, a.name) < std::tie(b.address, a.bytes, b.name);
  });
  return functions;
}

}  // namespace

Elf parse_elf(std::string_view bytes, const std::string& name) {
  const File file(bytes, name);
  check_header(file);
  return {file.number(24, 4), segments_of(file), functions_of(file)};
}

}  // namespace workbench::riscv
