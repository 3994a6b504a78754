// The values of a parameter as a user writes them: "1,2,4,8", "16k..128k:x2", "0.3..0.9:0.1",
// "16..128:n8", "optimal,dory". Decimal steps are exact: nothing drifts, no value comes twice.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace workbench {

// Values of one parameter, at most.
inline constexpr std::size_t kValuesMax = 1000000;

// Items between commas, each a value or a range. A range has both its ends:
//   LOW..HIGH        whole numbers one by one
//   LOW..HIGH:STEP   LOW, LOW + STEP, ...; also written :+STEP
//   LOW..HIGH:xF     LOW, LOW * F, ...
//   LOW..HIGH:nN     N values at equal distances
// k and M behind a number are 1024 and 1024^2; the values of a range have LOW's where they are
// whole multiples of it. Numbers come back in canonical form (no leading or trailing zeros), words
// as they are. Throws Error "WHERE: expected ..., found ...": nothing there, a reversed range, a
// step that does not arrive at HIGH, a value that comes twice, too many values.
std::vector<std::string> parse_values(std::string_view text, const std::string& where);

// As the items of a text; for lists of YAML.
std::vector<std::string> parse_values(std::span<const std::string> items, const std::string& where);

// "16k" is 16384, "0.5" a half, "1e-3" a thousandth; a word is none.
std::optional<double> numeric_value(std::string_view text);

}  // namespace workbench
