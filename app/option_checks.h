// What an option takes, told in the words of every other error: what was expected, what was found.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

namespace workbench::app {

// One of these names; for CLI::Option::transform. Unlike CLI::CheckedTransformer it does not take
// the numbers behind them, too.
template <typename T>
CLI::Validator one_of(const std::map<std::string, T>& values) {
  std::map<std::string, std::string> texts;
  std::string names;
  for (const auto& [name, value] : values) {
    if constexpr (std::is_enum_v<T>) {
      texts[name] = std::to_string(static_cast<std::underlying_type_t<T>>(value));
    } else {
      texts[name] = std::to_string(value);
    }
    names += (names.empty() ? "" : texts.size() == values.size() ? " or " : ", ") + name;
  }
  const auto replace = [texts, names](std::string& text) -> std::string {
    const auto found = texts.find(text);
    if (found == texts.end()) return "expected " + names + ", found '" + text + "'";
    text = found->second;
    return "";
  };
  return {replace, names};
}

// One of these names, as it is; for CLI::Option::check.
inline CLI::Validator one_of_names(const std::vector<std::string>& names) {
  std::map<std::string, int> values;
  for (const std::string& name : names) values.emplace(name, 0);
  const CLI::Validator known = one_of(values);
  const auto check = [known](std::string text) { return known(text); };
  return {[check](std::string& text) { return check(text); }, ""};
}

// A number that `accepts` takes; `expected` says which those are.
template <typename Accepts>
CLI::Validator number_that(const std::string& expected, Accepts accepts) {
  const auto check = [expected, accepts](std::string& text) -> std::string {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && accepts(value)) return "";
    return "expected " + expected + ", found '" + text + "'";
  };
  return {check, ""};
}

inline CLI::Validator whole_number(std::int64_t low, std::int64_t high) {
  return number_that(fmt::format("a whole number from {} to {}", low, high), [=](double value) {
    return value == std::floor(value) && value >= static_cast<double>(low) &&
           value <= static_cast<double>(high);
  });
}

inline CLI::Validator positive() {
  return number_that("a number above 0", [](double value) { return value > 0; });
}

inline CLI::Validator not_negative() {
  return number_that("a number from 0 on", [](double value) { return value >= 0; });
}

}  // namespace workbench::app
