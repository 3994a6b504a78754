// Rounding of real numbers to whole ones as Quantization names it, for loops over many: straight
// lines of arithmetic, which become vector code. The reference evaluator and training round with
// these; hardware's rounding is isa/*/semantics, golden's its own.
#pragma once

#include <cmath>
#include <type_traits>

#include "core/quantization.h"

namespace workbench {

// Ties to even. All of this for |v| < 2^51, of float 2^22: v + kRound has no fraction.
template <typename Real>
Real nearest_even(Real v) {
  constexpr Real kRound = std::is_same_v<Real, float> ? Real(0x1.8p23) : Real(0x1.8p52);
  return (v + kRound) - kRound;
}
template <typename Real>
Real floor_of(Real v) {
  const Real nearest = nearest_even(v);
  return nearest > v ? nearest - 1 : nearest;
}

template <Rounding kRounding, typename Real>
Real rounded(Real v) {
  if constexpr (kRounding == Rounding::HalfEven) return nearest_even(v);
  if constexpr (kRounding == Rounding::Floor) return floor_of(v);
  if constexpr (kRounding == Rounding::TowardZero) return std::copysign(floor_of(std::fabs(v)), v);
  // The differences below are exact.
  if constexpr (kRounding == Rounding::HalfUp) {
    const Real floor = floor_of(v);
    return v - floor < Real(0.5) ? floor : floor + 1;
  }
  if constexpr (kRounding == Rounding::HalfAwayFromZero) {
    const Real magnitude = std::fabs(v), floor = floor_of(magnitude);
    return std::copysign(magnitude - floor < Real(0.5) ? floor : floor + 1, v);
  }
}

// v cut one code beyond the ends, where all that counts is on which side it is. NaN, which compares
// false, becomes the lower one.
template <typename Real>
Real cut_beyond(Real v, Real low, Real high) {
  const Real above = v > low - 1 ? v : low - 1;
  return above < high + 1 ? above : high + 1;
}

// f(std::integral_constant<Rounding, ...>{})
template <typename F>
decltype(auto) with_rounding(Rounding rounding, F&& f) {
  switch (rounding) {
    case Rounding::HalfUp:
      return f(std::integral_constant<Rounding, Rounding::HalfUp>{});
    case Rounding::HalfEven:
      return f(std::integral_constant<Rounding, Rounding::HalfEven>{});
    case Rounding::HalfAwayFromZero:
      return f(std::integral_constant<Rounding, Rounding::HalfAwayFromZero>{});
    case Rounding::Floor:
      return f(std::integral_constant<Rounding, Rounding::Floor>{});
    case Rounding::TowardZero:
      return f(std::integral_constant<Rounding, Rounding::TowardZero>{});
  }
  CHECK(false, "rounding {}", static_cast<int>(rounding));
}

}  // namespace workbench
