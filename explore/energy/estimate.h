// An uncertain number: lower bound, most likely value, upper bound. Sums and products treat all
// errors as fully correlated, the widest case.
#pragma once

#include <limits>

#include "core/fields.h"

namespace workbench {

struct Estimate {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  double low = kNone, typical = kNone, high = kNone;  // of a file that does not say: kNone

  static constexpr void fields(auto& self, auto&& visit) {
    visit("low", self.low);
    visit("typical", self.typical);
    visit("high", self.high);
  }
  Estimate& operator+=(const Estimate& other) {
    low += other.low;
    typical += other.typical;
    high += other.high;
    return *this;
  }
  friend Estimate operator+(Estimate a, const Estimate& b) { return a += b; }
  // Of so many; not negative.
  friend Estimate operator*(const Estimate& a, double count) {
    return {a.low * count, a.typical * count, a.high * count};
  }
  bool covers(double value) const { return low <= value && value <= high; }
};

inline constexpr Estimate kNothing{0, 0, 0};

}  // namespace workbench
