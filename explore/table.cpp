#include "explore/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace workbench {

namespace {

std::string padded(std::string text, std::size_t width, bool right_aligned) {
  const std::size_t used = columns_of(text);
  const std::string space(width > used ? width - used : 0, ' ');
  return right_aligned ? space + text : text + space;
}

}  // namespace

std::vector<std::string> lines(const Table& table) {
  const std::size_t count = table.columns.size();
  std::vector<std::size_t> widths;
  for (const Column& column : table.columns) widths.push_back(columns_of(column.title));
  for (const auto& row : table.rows) {
    CHECK(row.size() == count, "{} cells in {} columns", row.size(), count);
    for (std::size_t c = 0; c < count; ++c) {
      widths[c] = std::max(widths[c], std::min(columns_of(row[c]), table.columns[c].width_max));
    }
  }
  const auto line = [&](const auto& cell) {
    std::string text;
    for (std::size_t c = 0; c < count; ++c) {
      text += padded(shortened(cell(c), widths[c]), widths[c], table.columns[c].right_aligned);
      if (c + 1 < count) text += " ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::vector<std::string> result{line([&](std::size_t c) { return table.columns[c].title; })};
  for (const auto& row : table.rows) result.push_back(line([&](std::size_t c) { return row[c]; }));
  return result;
}

std::string thousands(std::int64_t number) {
  std::string digits = fmt::format("{}", number);
  const std::size_t first = digits[0] == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string scaled(double number) {
  constexpr const char* kPrefixes[] = {"", " k", " M", " G", " T"};
  std::size_t prefix = 0;
  while (std::abs(number) >= 1000 && prefix + 1 < std::size(kPrefixes)) {
    number /= 1000;
    ++prefix;
  }
  if (prefix == 0) return fmt::format("{:g}", number);
  return fmt::format("{:.{}f}{}", number,
                     number >= 100  ? 0
                     : number >= 10 ? 1
                                    : 2,
                     kPrefixes[prefix]);
}

std::string byte_text(std::int64_t bytes) {
  const auto number = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KB", number / 1024);
  return fmt::format("{:.2f} MB", number / (1024 * 1024));
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

std::string shortened(std::string_view text, std::size_t width) {
  if (columns_of(text) <= width) return std::string(text);
  if (width < 5) return std::string(text.substr(0, width));
  const std::size_t head = (width - 2) / 2;
  const std::size_t tail = width - 2 - head;
  return fmt::format("{}..{}", text.substr(0, head), text.substr(text.size() - tail));
}

}  // namespace workbench
