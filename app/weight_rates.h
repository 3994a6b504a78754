// How fast constants are moved where nothing else is asked, by the width of their codes: what
// training, --help and the manual say. Adam's rate in units of the root mean square of a constant:
// narrower codes are farther apart, and a constant must come further to get another one.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>

namespace workbench {

struct WidthRate {
  int bits = 0;  // codes up to that width
  double rate = 0;
};
// Measured: docs/retrain.md.
inline constexpr std::array<WidthRate, 3> kWeightRates{{{2, 4e-3}, {4, 1e-3}, {16, 2e-4}}};

constexpr double weight_rate_of(int bits) {
  for (const WidthRate& one : kWeightRates) {
    if (bits <= one.bits) return one.rate;
  }
  return kWeightRates.back().rate;
}

inline std::string weight_rates_text() {
  std::string text;
  for (const WidthRate& one : kWeightRates) {
    text +=
        fmt::format("{}{} of codes up to {} bits", text.empty() ? "" : ", ", one.rate, one.bits);
  }
  return text;
}

}  // namespace workbench
