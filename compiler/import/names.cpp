#include "compiler/import/names.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"

namespace workbench::importer {

namespace {

constexpr std::size_t kMaxName = 1000;
constexpr std::size_t kMaxLine = 4000;

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

// Characters that are not seen, and change how those around them are: zero widths, joiners, marks
// of direction (Unicode standard, 23.2; "Trojan Source", CVE-2021-42574).
bool is_invisible(std::string_view character) {
  unsigned code = 0;
  if (character.size() == 2) {
    code = (static_cast<unsigned char>(character[0]) & 0x1FU) << 6U;
  } else if (character.size() == 3) {
    code = (static_cast<unsigned char>(character[0]) & 0x0FU) << 12U |
           (static_cast<unsigned char>(character[1]) & 0x3FU) << 6U;
  } else {
    return false;
  }
  code |= static_cast<unsigned char>(character.back()) & 0x3FU;
  return code == 0x61C || (code >= 0x200B && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) ||
         code == 0xFEFF || (code >= 0x80 && code < 0xA0);
}

// Bytes of the printable UTF-8 character at the begin of `text`; 0: there is none.
std::size_t character_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = utf8_length(lead);
  if (is_control(lead) || length > text.size()) return 0;
  for (std::size_t k = 1; k < length; ++k) {
    const auto byte = static_cast<unsigned char>(text[k]);
    if ((byte & 0xC0U) != 0x80U || (k == 1 && !second_byte_fits(lead, byte))) return 0;
  }
  return is_invisible(text.substr(0, length)) ? 0 : length;
}

// Whatever is no printable character as `escape` says.
template <typename Escape>
std::string printable(std::string_view text, std::size_t limit, const Escape& escape) {
  std::string line;
  while (!text.empty() && line.size() < limit) {
    const std::size_t length = character_length(text);
    line += length > 0 ? std::string(text.substr(0, length)) : escape(text[0]);
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return line;
}

}  // namespace

std::string text_name(std::string_view raw) {
  return printable(raw, kMaxName, [](char c) {
    return fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  });
}

void check_name(std::string_view name, std::string_view kind) {
  if (name.empty()) fail("{}: expected a name, found none", kind);
  if (name.size() > kMaxName) {
    fail("{} '{}...': expected a name of at most {} bytes, found {}", kind, name.substr(0, 50),
         kMaxName, name.size());
  }
  if (text_name(name) != name) {
    fail("{} '{}': expected a name in printable UTF-8, found other bytes", kind, text_name(name));
  }
}

std::string one_line(std::string_view text) {
  return printable(text, kMaxLine, [](char) { return std::string("?"); });
}

bool Names::contains(const std::string& name) const { return taken_.contains(name); }

void Names::reserve(const std::string& name) { taken_.insert(name); }

std::string Names::take(const std::string& wanted) {
  if (taken_.insert(wanted).second) return wanted;
  int& number = next_.try_emplace(wanted, 2).first->second;
  for (;; ++number) {
    const auto [name, is_new] = taken_.insert(fmt::format("{}_{}", wanted, number));
    if (is_new) return *name;
  }
}

}  // namespace workbench::importer
