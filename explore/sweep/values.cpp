#include "explore/sweep/values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "core/error.h"

namespace workbench {

namespace {

__extension__ using Wide = __int128;

constexpr int kDigitsMax = 15;  // of a number in a range; doubles hold them all
constexpr Wide kNumberMax = 1000000000000000;
constexpr Wide kScaledMax = kNumberMax;  // of all values of a range in units of its last digit

// digits / 10^decimals, without trailing zeros behind the point.
struct Decimal {
  Wide digits = 0;
  int decimals = 0;
};

struct Number {
  Decimal value;  // with the suffix multiplied in
  char suffix = 0;
};

Wide power_of_ten(int exponent) {
  Wide power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

Decimal normal(Decimal value) {
  while (value.decimals > 0 && value.digits % 10 == 0) {
    value.digits /= 10;
    --value.decimals;
  }
  return value;
}

Wide scaled_to(const Decimal& value, int decimals) {
  return value.digits * power_of_ten(decimals - value.decimals);
}

bool less(const Decimal& a, const Decimal& b) {
  const int decimals = std::max(a.decimals, b.decimals);
  return scaled_to(a, decimals) < scaled_to(b, decimals);
}

std::int64_t unit_of(char suffix) { return suffix == 'M' ? 1048576 : suffix == 0 ? 1 : 1024; }

bool is_suffix(char letter) { return letter == 'k' || letter == 'K' || letter == 'M'; }

std::optional<Number> parse_number(std::string_view text) {
  Number number;
  if (!text.empty() && is_suffix(text.back())) {
    number.suffix = text.back();
    text.remove_suffix(1);
  }
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int digits = 0;
  bool point = false;
  for (const char letter : text) {
    if (letter == '.' && !point) {
      point = true;
      continue;
    }
    if (letter < '0' || letter > '9' || ++digits > kDigitsMax) return std::nullopt;
    number.value.digits = number.value.digits * 10 + (letter - '0');
    number.value.decimals += point ? 1 : 0;
  }
  if (digits == 0 || text.ends_with('.')) return std::nullopt;
  number.value.digits *= (negative ? -1 : 1) * unit_of(number.suffix);
  number.value = normal(number.value);
  if (number.value.digits > kNumberMax || number.value.digits < -kNumberMax) return std::nullopt;
  return number;
}

std::string text_of(const Decimal& value, char suffix) {
  const std::int64_t unit = unit_of(suffix);
  if (suffix != 0 && value.decimals == 0 && value.digits % unit == 0) {
    return std::to_string(static_cast<std::int64_t>(value.digits) / unit) + suffix;
  }
  const auto digits = static_cast<std::int64_t>(value.digits < 0 ? -value.digits : value.digits);
  std::string text = std::to_string(digits);
  const auto decimals = static_cast<std::size_t>(value.decimals);
  if (decimals > 0) {
    if (text.size() <= decimals) text.insert(0, decimals + 1 - text.size(), '0');
    text.insert(text.size() - decimals, ".");
  }
  return (value.digits < 0 ? "-" : "") + text;
}

// One range, and what is said when something is wrong with it.
struct Range {
  std::string where;
  std::string_view text, step;
  Number low, high;

  [[noreturn]] void refuse_arrival(const std::string& last, const std::string& next) const {
    fail("{}: expected a step that arrives at {}, found {} and then {} in '{}'", where,
         text_of(high.value, high.suffix), last, next, text);
  }
  [[noreturn]] void refuse_step(std::string_view expected) const {
    fail("{}: expected {} after ':', found '{}' in '{}'", where, expected, step, text);
  }
  [[noreturn]] void refuse_count() const {
    fail("{}: expected at most {} values, found more in '{}'", where, kValuesMax, text);
  }
  std::string shown(const Decimal& value) const { return text_of(value, low.suffix); }
};

std::vector<std::string> linear(const Range& range, const Decimal& step) {
  const int decimals =
      std::max({range.low.value.decimals, range.high.value.decimals, step.decimals});
  const Wide low = scaled_to(range.low.value, decimals);
  const Wide high = scaled_to(range.high.value, decimals);
  const Wide width = scaled_to(step, decimals);
  const auto value = [&](Wide index) {
    return range.shown(normal({low + index * width, decimals}));
  };
  if (std::max(high, -low) > kScaledMax) {
    fail(
        "{}: expected values of at most {} digits before and behind the point together, found '{}'",
        range.where, kDigitsMax, range.text);
  }
  const Wide steps = (high - low) / width;
  if (steps >= static_cast<Wide>(kValuesMax)) range.refuse_count();
  if (low + steps * width != high) range.refuse_arrival(value(steps), value(steps + 1));
  std::vector<std::string> values;
  for (Wide index = 0; index <= steps; ++index) values.push_back(value(index));
  return values;
}

std::vector<std::string> geometric(const Range& range, const Decimal& factor) {
  if (range.low.value.digits <= 0) {
    fail("{}: expected a range above 0 for a step that multiplies, found '{}'", range.where,
         range.text);
  }
  std::vector<std::string> values;
  Decimal value = range.low.value;
  for (;;) {
    values.push_back(range.shown(value));
    if (values.size() > kValuesMax) range.refuse_count();
    if (!less(value, range.high.value)) return values;
    value = normal({value.digits * factor.digits, value.decimals + factor.decimals});
    if (value.digits > kNumberMax || value.decimals > kDigitsMax) {
      fail("{}: expected a step whose values have at most {} digits, found '{}'", range.where,
           kDigitsMax, range.text);
    }
    if (less(range.high.value, value)) range.refuse_arrival(values.back(), range.shown(value));
  }
}

std::vector<std::string> evenly_spaced(const Range& range, const Decimal& count) {
  constexpr int kMoreDecimals = 6;
  if (count.decimals > 0 || count.digits < 2) range.refuse_step("n and a whole number above 1");
  if (count.digits > static_cast<Wide>(kValuesMax)) range.refuse_count();
  const int decimals =
      std::max(range.low.value.decimals, range.high.value.decimals) + kMoreDecimals;
  const Wide width = scaled_to(range.high.value, decimals) - scaled_to(range.low.value, decimals);
  if (width % (count.digits - 1) != 0) {
    fail("{}: expected a distance of at most {} decimals, found '{}'", range.where, decimals,
         range.text);
  }
  const Decimal step = normal({width / (count.digits - 1), decimals});
  if (step.digits == 0) return {range.shown(range.low.value)};
  return linear(range, step);
}

std::vector<std::string> expanded(const Range& range) {
  if (less(range.high.value, range.low.value)) {
    fail("{}: expected LOW..HIGH, found '{}', which is reversed", range.where, range.text);
  }
  const bool whole = range.low.value.decimals == 0 && range.high.value.decimals == 0;
  if (range.step.empty()) {
    if (range.text.find(':') != std::string_view::npos || !whole) {
      fail("{}: expected a step after the range (LOW..HIGH:STEP), found '{}'", range.where,
           range.text);
    }
    return linear(range, {unit_of(range.low.suffix), 0});
  }
  const char kind = range.step.front();
  const bool lettered = kind == 'x' || kind == 'n' || kind == '+';
  const std::optional<Number> step = parse_number(range.step.substr(lettered ? 1 : 0));
  if (!step) range.refuse_step("a number, x and a factor, or n and a count");
  if (kind == 'n') return evenly_spaced(range, step->value);
  if (kind == 'x') {
    if (!less({1, 0}, step->value)) range.refuse_step("x and a factor above 1");
    return geometric(range, step->value);
  }
  if (step->value.digits <= 0) range.refuse_step("a step above 0");
  return linear(range, step->value);
}

// Whether an item is meant as a range: paths have dots, too.
bool is_range(std::string_view item) {
  const std::size_t dots = item.find("..");
  if (dots == std::string_view::npos || dots == 0) return false;
  const char first = item.front();
  return (first >= '0' && first <= '9') || first == '-' || first == '+' || first == '.';
}

std::vector<std::string> values_of_range(std::string_view item, const std::string& where) {
  const std::size_t dots = item.find("..");
  const std::size_t colon = std::min(item.find(':', dots), item.size());
  const std::string_view ends[] = {item.substr(0, dots), item.substr(dots + 2, colon - dots - 2)};
  Range range{.where = where, .text = item};
  if (colon < item.size()) range.step = item.substr(colon + 1);
  for (const auto& [text, number] : {std::pair(ends[0], &range.low), {ends[1], &range.high}}) {
    const std::optional<Number> parsed = parse_number(text);
    if (!parsed) {
      fail("{}: expected a number of at most {} digits at each end of a range, found '{}' in '{}'",
           where, kDigitsMax, text, item);
    }
    *number = *parsed;
  }
  return expanded(range);
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") + 1 - first);
}

}  // namespace

std::optional<double> numeric_value(std::string_view text) {
  std::int64_t unit = 1;
  if (!text.empty() && is_suffix(text.back())) {
    unit = unit_of(text.back());
    text.remove_suffix(1);
  }
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value * static_cast<double>(unit);
}

std::vector<std::string> parse_values(std::span<const std::string> items,
                                      const std::string& where) {
  std::vector<std::string> values;
  for (const std::string& untrimmed : items) {
    const std::string_view item = trimmed(untrimmed);
    if (item.empty()) fail("{}: expected a value, found none", where);
    if (is_range(item)) {
      const std::vector<std::string> more = values_of_range(item, where);
      values.insert(values.end(), more.begin(), more.end());
    } else if (const std::optional<Number> number = parse_number(item)) {
      values.push_back(text_of(number->value, number->suffix));
    } else {
      values.emplace_back(item);
    }
    if (values.size() > kValuesMax) {
      fail("{}: expected at most {} values, found more", where, kValuesMax);
    }
  }
  if (values.empty()) fail("{}: expected a value, found none", where);
  std::map<double, const std::string*> numbers;
  std::map<std::string_view, const std::string*> words;
  for (const std::string& value : values) {
    const std::optional<double> number = numeric_value(value);
    const auto [seen, added] =
        number ? [&] {
          const auto [at, is_new] = numbers.emplace(*number, &value);
          return std::pair(at->second, is_new);
        }()
               : [&] {
          const auto [at, is_new] = words.emplace(value, &value);
          return std::pair(at->second, is_new);
        }();
    if (!added) {
      fail("{}: expected each value once, found {}{}", where,
           *seen == value ? value + " twice" : *seen + " and " + value,
           *seen == value ? "" : ", which are the same");
    }
  }
  return values;
}

std::vector<std::string> parse_values(std::string_view text, const std::string& where) {
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    items.emplace_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return parse_values(items, where);
}

}  // namespace workbench
