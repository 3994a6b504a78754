// Quantities that must not be mixed: adding Cycles to Bytes does not compile.
#pragma once

#include <compare>
#include <cstdint>

#include "core/error.h"

namespace workbench {

// A count of one kind of thing. The tag makes the kind part of the type.
template <typename Tag>
struct Count {
  std::int64_t value = 0;

  friend constexpr auto operator<=>(const Count&, const Count&) = default;
  constexpr Count& operator+=(Count other) {
    value += other.value;
    return *this;
  }
  constexpr Count& operator-=(Count other) {
    value -= other.value;
    return *this;
  }
  friend constexpr Count operator+(Count a, Count b) { return {a.value + b.value}; }
  friend constexpr Count operator-(Count a, Count b) { return {a.value - b.value}; }
  friend constexpr Count operator*(Count a, std::int64_t n) { return {a.value * n}; }
  friend constexpr Count operator*(std::int64_t n, Count a) { return {a.value * n}; }
};

using Cycles = Count<struct CyclesTag>;  // of the clock the surrounding declaration names
using Bytes = Count<struct BytesTag>;    // 8 bits each
using Macs = Count<struct MacsTag>;      // multiply-accumulates

// Rounds up. `denominator` > 0, `numerator` >= 0.
constexpr std::int64_t ceil_div(std::int64_t numerator, std::int64_t denominator) {
  return (numerator + denominator - 1) / denominator;
}

constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return ceil_div(value, multiple) * multiple;
}

}  // namespace workbench
