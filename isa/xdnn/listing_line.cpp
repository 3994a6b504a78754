#include "isa/xdnn/listing_line.h"

#include <algorithm>

#include "core/error.h"

namespace workbench::xdnn {

// --- tokens --------------------------------------------------------------------------------------

namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

constexpr std::string_view kNothing = "%-";  // an empty value
constexpr std::string_view kNoId = "-";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> tokens(std::string_view text) {
  std::vector<std::string_view> list;
  std::size_t i = 0;
  while (i < text.size()) {
    if (blank(text[i])) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < text.size() && !blank(text[i])) ++i;
    list.push_back(text.substr(begin, i - begin));
  }
  return list;
}

std::string escaped(std::string_view text, std::string_view more) {
  if (text.empty()) return std::string(kNothing);
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte > ' ' && byte != 0x7f && c != '%' && (c != '#' || i > 0) &&
                       more.find(c) == std::string_view::npos;
    result += plain ? std::string(1, c) : fmt::format("%{:02x}", byte);
  }
  return result;
}

std::string unescaped(std::string_view token) {
  if (token == kNothing) return "";
  std::string result;
  for (std::size_t i = 0; i < token.size(); ++i) {
    const bool code = token[i] == '%' && i + 2 < token.size() && hex_digit(token[i + 1]) >= 0 &&
                      hex_digit(token[i + 2]) >= 0;
    if (!code) {
      result += token[i];
      continue;
    }
    result += static_cast<char>(hex_digit(token[i + 1]) * 16 + hex_digit(token[i + 2]));
    i += 2;
  }
  return result;
}

// --- instructions --------------------------------------------------------------------------------

namespace {

// Without an opcode where the line has none.
LineParts cut(std::string_view line) {
  LineParts parts;
  std::size_t end = line.size();  // where the comment begins: a '#' that begins a token
  for (std::size_t i = 0; i < line.size() && end == line.size(); ++i) {
    if (line[i] == '#' && (i == 0 || blank(line[i - 1]))) end = i;
  }
  parts.values = tokens(line.substr(0, end));
  std::string_view rest = line.substr(end);
  if (const std::size_t plus = rest.find("#+"); plus != std::string_view::npos) {
    parts.extras = tokens(rest.substr(plus + 2));
    rest = rest.substr(0, plus);
  }
  if (!rest.empty()) rest.remove_prefix(1);
  parts.comment = trimmed(rest);
  // Tiled instructions of the vendor's compiler have no id in their text.
  auto& words = parts.values;
  const bool bare =
      !words.empty() && known_opcode(words[0]) && (words.size() < 2 || !known_opcode(words[1]));
  if (!bare) {
    if (words.size() < 2) return parts;
    parts.id = words[0];
    words.erase(words.begin());
  }
  parts.opcode = words[0];
  words.erase(words.begin());
  return parts;
}

}  // namespace

LineParts parts_of(std::string_view line, const std::string& where) {
  LineParts parts = cut(line);
  if (parts.opcode.empty()) fail("{}: expected an id and an opcode, found '{}'", where, line);
  return parts;
}

void fit_fcmode(const LineParts& parts, LineTemplate& fields) {
  if (!parts.opcode.starts_with("XNAvgPool")) return;
  const auto has = std::find(fields.begin(), fields.end(), "fcmode");
  if (has != fields.end()) {
    if (parts.values.size() + 1 == fields.size()) fields.erase(has);
    return;
  }
  const auto at = std::find(fields.begin(), fields.end(), "paddings_h");
  if (at != fields.end() && parts.values.size() == fields.size() + 1) {
    fields.insert(at + 1, "fcmode");
  }
}

LineTemplate template_for(const LineParts& parts, Dialect dialect) {
  const auto known = template_of(dialect, parts.opcode);
  LineTemplate fields{known.begin(), known.end()};
  fit_fcmode(parts, fields);
  return fields;
}

void read_line(const LineParts& parts, const LineTemplate& fields, Dialect dialect, Entry& entry) {
  entry.opcode = parts.opcode;
  if (parts.id != kNoId) {
    entry.fields.push_back({"id", parts.id.empty() ? "0" : unescaped(parts.id)});
  }
  const std::size_t given = parts.values.size();
  for (std::size_t i = 0; i < std::min(given, fields.size()); ++i) {
    entry.fields.push_back({fields[i], unescaped(parts.values[i])});
  }
  if (given < fields.size()) {
    fail("{}: {} '{}': field {}: expected a value, found the end of the line ({} fields of {})",
         entry.where, entry.opcode, name_of(entry), fields[given], given, fields.size());
  }
  if (given > fields.size()) {
    fail("{}: {} '{}': expected {} fields (dialect {}), found {}", entry.where, entry.opcode,
         name_of(entry), fields.size(), to_string(dialect), given);
  }
}

Dialect dialect_of_lines(const std::vector<std::string_view>& lines) {
  std::vector<std::size_t> fits(std::size(kDialectNames));
  for (const std::string_view line : lines) {
    const LineParts parts = cut(line);
    for (std::size_t i = 0; i < fits.size(); ++i) {
      const LineTemplate fields = template_for(parts, static_cast<Dialect>(i));
      if (!fields.empty() && parts.values.size() == fields.size()) ++fits[i];
    }
  }
  const auto best = std::max_element(fits.begin(), fits.end());  // the first of equals
  return static_cast<Dialect>(best - fits.begin());
}

}  // namespace workbench::xdnn
