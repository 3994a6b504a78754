#include "compiler/import/text.h"

#include "core/error.h"

namespace workbench::importer {

namespace {

constexpr std::size_t kMaxName = 1000;
constexpr std::size_t kMaxLine = 500;

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7F; }

// Bytes of the UTF-8 character that begins with `lead`; 0: none does.
std::size_t utf8_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

// What the second byte may be is narrower after four leads: no overlong forms, no surrogates,
// nothing above U+10FFFF (Unicode standard, table 3-7).
bool second_byte_fits(unsigned char lead, unsigned char second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0;
    case 0xED:
      return second < 0xA0;
    case 0xF0:
      return second >= 0x90;
    case 0xF4:
      return second < 0x90;
    default:
      return true;
  }
}

bool is_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = utf8_length(lead);
    if (is_control(lead) || length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xC0U) != 0x80U) return false;
      if (k == 1 && !second_byte_fits(lead, byte)) return false;
    }
    i += length;
  }
  return true;
}

}  // namespace

void check_name(std::string_view name, std::string_view kind) {
  if (name.empty()) fail("{}: expected a name, found none", kind);
  if (name.size() > kMaxName) {
    fail("{} '{}...': expected a name of at most {} bytes, found {}", kind, name.substr(0, 50),
         kMaxName, name.size());
  }
  if (!is_text(name)) fail("{} '{}': expected a name in UTF-8, found other bytes", kind, name);
}

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, kMaxLine));
  for (char& c : line) {
    if (is_control(static_cast<unsigned char>(c))) c = '?';
  }
  if (is_text(line)) return line;
  for (char& c : line) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return line;
}

std::string unique_name(std::set<std::string>& taken, const std::string& wanted) {
  std::string name = wanted;
  for (int i = 2; !taken.insert(name).second; ++i) name = fmt::format("{}_{}", wanted, i);
  return name;
}

}  // namespace workbench::importer
