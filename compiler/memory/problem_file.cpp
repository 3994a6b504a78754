#include "compiler/memory/problem_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <vector>

#include "core/error.h"
#include "core/file.h"

namespace workbench {

namespace {

// Sums of sizes and of addresses, and products of size and time, stay far from overflow.
constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;
constexpr std::size_t kMostBuffers = 100000;

enum Column { Id, Lower, Upper, Size, Alignment, kColumns };
constexpr std::array<std::string_view, kColumns> kNames{"id", "lower", "upper", "size",
                                                        "alignment"};

std::vector<std::string_view> cells(std::string_view line) {
  std::vector<std::string_view> cells;
  for (std::size_t begin = 0;;) {
    const std::size_t comma = std::min(line.find(',', begin), line.size());
    std::string_view cell = line.substr(begin, comma - begin);
    while (!cell.empty() && cell.front() == ' ') cell.remove_prefix(1);
    while (!cell.empty() && cell.back() == ' ') cell.remove_suffix(1);
    cells.push_back(cell);
    if (comma == line.size()) return cells;
    begin = comma + 1;
  }
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::int64_t number(std::string_view cell, Column column, std::int64_t least,
                    const std::string& where) {
  const auto value = whole_number(cell);
  if (!value || *value < least || *value > kMostBytes) {
    fail("{}: {}: expected a whole number from {} to 2^40, found '{}'", where, kNames[column],
         least, cell);
  }
  return *value;
}

// Which cell of a line holds each column: -1 for none.
std::array<int, kColumns> parse_header(std::string_view line, const std::string& where) {
  std::array<int, kColumns> at;
  at.fill(-1);
  int index = 0;
  for (const std::string_view name : cells(line)) {
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found == kNames.end()) {
      fail("{}: expected the columns {}, found '{}'", where, fmt::join(kNames, ", "), name);
    }
    int& place = at[static_cast<std::size_t>(found - kNames.begin())];
    if (place >= 0) fail("{}: column '{}' is there twice", where, name);
    place = index++;
  }
  for (const Column column : {Id, Lower, Upper, Size}) {
    if (at[column] < 0) fail("{}: expected a column '{}', found none", where, kNames[column]);
  }
  return at;
}

Buffer parse_buffer(std::string_view line, const std::array<int, kColumns>& at,
                    const std::string& where) {
  const auto found = cells(line);
  const auto expected = std::count_if(at.begin(), at.end(), [](int i) { return i >= 0; });
  if (static_cast<std::ptrdiff_t>(found.size()) != expected) {
    fail("{}: expected {} values, found {}", where, expected, found.size());
  }
  const auto cell = [&](Column column) { return found[static_cast<std::size_t>(at[column])]; };
  Buffer buffer{.name = std::string(cell(Id))};
  buffer.begin = number(cell(Lower), Lower, 0, where);
  buffer.end = number(cell(Upper), Upper, 0, where);
  if (buffer.end <= buffer.begin) {
    fail("{}: expected lower < upper, found {} and {}", where, buffer.begin, buffer.end);
  }
  buffer.size = number(cell(Size), Size, 1, where);
  if (at[Alignment] >= 0) buffer.alignment = number(cell(Alignment), Alignment, 1, where);
  return buffer;
}

}  // namespace

Problem parse_problem(std::string_view text, const std::string& where) {
  Problem problem;
  std::optional<std::array<int, kColumns>> at;
  std::map<std::string, int> lines;  // of each id
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    const std::string here = fmt::format("{}:{}", where, number);
    if (!at) {
      at = parse_header(line, here);
      continue;
    }
    if (problem.buffers.size() == kMostBuffers) {
      fail("{}: expected at most {} buffers, found more", here, kMostBuffers);
    }
    problem.buffers.push_back(parse_buffer(line, *at, here));
    const std::string& name = problem.buffers.back().name;
    const auto [first, is_new] = lines.emplace(name, number);
    if (!is_new) {
      fail("{}: id: expected each once, found '{}' in line {}, too", here, name, first->second);
    }
  }
  if (!at) fail("{}: expected a line naming the columns id, lower, upper, size, found none", where);
  return problem;
}

Problem read_problem(const std::filesystem::path& path) {
  return parse_problem(read_file(path), path.string());
}

std::string placement_csv(const Problem& problem, const Solution& solution) {
  CHECK(problem.buffers.size() == solution.offsets.size());
  std::string text = "id,lower,upper,size,offset\n";
  for (std::size_t i = 0; i < problem.buffers.size(); ++i) {
    const Buffer& b = problem.buffers[i];
    text += fmt::format("{},{},{},{},{}\n", b.name, b.begin, b.end, b.size, solution.offsets[i]);
  }
  return text;
}

std::int64_t parse_capacity(std::string_view text, const std::string& where) {
  std::int64_t unit = 1;
  std::string_view digits = text;
  if (!digits.empty() && (digits.back() == 'k' || digits.back() == 'M')) {
    unit = digits.back() == 'k' ? 1 << 10 : 1 << 20;
    digits.remove_suffix(1);
  }
  const auto value = whole_number(digits);
  if (!value || *value < 0 || *value > kMostBytes / unit) {
    fail("{}: expected bytes up to 2^40, as 4096, 4k or 4M, found '{}'", where, text);
  }
  return *value * unit;
}

}  // namespace workbench
