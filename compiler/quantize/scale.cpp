// Multiplier to (scale, shift): xdnn.md 3.6, re-derived from the published quantizer files.
#include <algorithm>
#include <array>
#include <cmath>

#include "compiler/quantize/quantize.h"

namespace workbench {

double scale_multiplier(double threshold_in, double threshold_weights, double threshold_out,
                        double high) {
  const auto step = [&](double threshold) { return static_cast<float>(threshold / high); };
  const float in = step(threshold_in), weights = step(threshold_weights), out = step(threshold_out);
  const std::array<float, 5> terms = {in, weights, out, in * weights, in * weights / out};
  const bool single =
      std::all_of(terms.begin(), terms.end(), [](float term) { return std::isnormal(term); });
  if (single) return static_cast<double>(terms.back());
  return threshold_in / high * (threshold_weights / high) / (threshold_out / high);
}

ScaleShift scale_and_shift(double multiplier, int prescale_max, int scale_bits, int postscale_max) {
  CHECK(multiplier >= 0 && std::isfinite(multiplier), "multiplier {}", multiplier);
  if (multiplier == 0) return {};
  int exponent = 0;  // multiplier = fraction * 2^exponent, 0.5 < fraction <= 1
  double fraction = std::frexp(multiplier, &exponent);
  if (fraction == 0.5) {
    fraction = 1;
    --exponent;
  }
  int right = std::max(-exponent, 0);
  const int left = std::max(exponent, 0);
  const int pre = std::min(right, prescale_max);
  right -= pre;
  int post = std::min(right, postscale_max);
  right -= post;
  const double top = std::ldexp(1.0, scale_bits - 1);
  double scale = std::min(std::ldexp(fraction, left - right), top);
  const int room = std::min(std::ilogb(top / scale), postscale_max - post);
  scale = std::nearbyint(std::ldexp(scale, room));  // half to even
  post += room;
  scale = std::min(scale, std::ldexp(1.0, scale_bits) - 1);
  return {pre, static_cast<std::int32_t>(scale), post};
}

}  // namespace workbench
