// A point as commands that people can copy.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "explore/sweep/parameter.h"

namespace workbench {

namespace {

// As it is where no shell would read it another way.
std::string shell_word(const std::string& word) {
  const auto plain = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
           std::string_view("-_=+./:,@%").find(letter) != std::string_view::npos;
  };
  if (!word.empty() && std::ranges::all_of(word, plain)) return word;
  std::string quoted = "'";
  for (const char letter : word) quoted += letter == '\'' ? "'\\''" : std::string(1, letter);
  return quoted + "'";
}

// Options of `workbench run`; empty: the setting is none of its business.
std::string run_option(const Setting& setting) {
  const auto& [name, value] = setting;
  constexpr std::string_view kClock = "clock.";
  if (name == "technology") return "";  // of energy and area alone
  if (name.starts_with(kClock)) {
    return "--clock " + shell_word(name.substr(kClock.size()) + "=" + value);
  }
  if (name == "with" || name == "without") {
    std::string names = value;
    std::ranges::replace(names, '+', ',');
    return value == "none" ? "" : "--" + name + " " + shell_word(names);
  }
  const auto named = named_parameters();
  if (std::ranges::find(named, name, &Parameter::name) == named.end()) {
    return "--set " + shell_word(name + "=" + without_suffix(value));
  }
  return "--" + name + " " + shell_word(value);
}

}  // namespace

std::string sweep_command(const Point& point) {
  std::string command = "workbench sweep --hw " + shell_word(point.machine);
  for (const Setting& setting : point.settings) {
    command += " --set " + shell_word(setting.name + "=" + setting.value);
  }
  if (point.tier != Tier::Analytic) command += fmt::format(" --tier {}", to_string(point.tier));
  return command + " " + shell_word(point.network);
}

std::string run_command(const Point& point) {
  std::string command = "workbench run --hw " + shell_word(point.machine);
  for (const Setting& setting : point.settings) {
    if (setting.name == "bandwidth") continue;
    const std::string option = run_option(setting);
    if (!option.empty()) command += " " + option;
  }
  const bool bandwidth = std::ranges::count(point.settings, "bandwidth", &Setting::name) > 0;
  if (bandwidth) {  // which is a clock, depending on the machine and on other settings
    command += " --clock " + shell_word(request_of(point).overrides.clocks.back());
  }
  return command + " " + shell_word(point.network);
}

}  // namespace workbench
