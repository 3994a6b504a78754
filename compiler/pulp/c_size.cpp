#include "compiler/pulp/c_size.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace workbench::pulp {

namespace {

constexpr std::string_view kStatic = "static ", kConst = "const ";

// A declaration that begins here: its bytes, and its end. None: 0 and `begin`.
std::pair<std::int64_t, std::size_t> array_at(std::string_view text, std::size_t begin) {
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 8> kTypes = {{{"float ", 4},
                                                                                {"double ", 8},
                                                                                {"int8_t ", 1},
                                                                                {"uint8_t ", 1},
                                                                                {"int16_t ", 2},
                                                                                {"int32_t ", 4},
                                                                                {"uint32_t ", 4},
                                                                                {"int64_t ", 8}}};
  std::size_t at = begin + kStatic.size();
  if (text.substr(at).starts_with(kConst)) at += kConst.size();
  const auto type = std::ranges::find_if(
      kTypes, [&](const auto& one) { return text.substr(at).starts_with(one.first); });
  const std::size_t end = text.find(";\n", at), open = text.find('[', at);
  const std::size_t line = std::min(text.find('\n', at), text.find('(', at));
  if (type == kTypes.end() || end == std::string_view::npos || open >= line) return {0, begin};
  const std::string_view behind = text.substr(open + 1, end - open - 1);
  if (!behind.starts_with("] = {")) {
    return {type->second * std::stoll(std::string(behind)), end};
  }
  const std::size_t last = behind.find_last_not_of("}\n ");
  const std::int64_t commas = std::ranges::count(behind, ',');
  return {type->second * (commas + (behind[last] == ',' ? 0 : 1)), end};
}

// Bytes of arrays, and characters of all the rest.
std::pair<std::int64_t, std::int64_t> arrays_and_rest(std::string_view text) {
  std::int64_t bytes = 0, rest = 0;
  for (std::size_t line = 0; line < text.size();) {
    std::size_t end = line;
    if (text.substr(line).starts_with(kStatic)) {
      const auto [of_array, behind] = array_at(text, line);
      bytes += of_array;
      end = behind;
    }
    const bool is_array = end != line;
    end = std::min(text.find('\n', end), text.size() - 1) + 1;
    const bool is_comment = text.substr(line).starts_with("//");
    if (!is_array && !is_comment) rest += static_cast<std::int64_t>(end - line);
    line = end;
  }
  return {bytes, rest};
}

}  // namespace

std::int64_t array_bytes(const std::string& text) { return arrays_and_rest(text).first; }

std::int64_t estimated_l2_bytes(const ApplicationParts& parts) {
  // Measured: the runtime with PMSIS, printf, its variables and the stack; a kernel; the library's
  // floats; code of a turn, a character of its text.
  constexpr std::int64_t kRuntime = 26'000, kKernel = 3'000, kFloats = 12'000;
  constexpr std::int64_t kLayer = 12, kCheck = 44;  // layer_t, check_t
  std::int64_t bytes = kRuntime + kKernel * static_cast<std::int64_t>(parts.kernels) +
                       kLayer * static_cast<std::int64_t>(parts.layers) +
                       kCheck * static_cast<std::int64_t>(parts.checks) + parts.table_bytes;
  if (!parts.turns.empty()) bytes += kFloats;
  for (const std::string& turn : parts.turns) {
    const auto [arrays, characters] = arrays_and_rest(turn);
    bytes += arrays + characters / 2;
  }
  return bytes;
}

}  // namespace workbench::pulp
