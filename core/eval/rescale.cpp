// The rescaling of networks that come as integers (AffineRequantize), on whole numbers of any type:
// what their layers sum up in float32 is exact up to 2^24.
#include <algorithm>
#include <cmath>

#include "core/eval/kernels.h"

namespace workbench::eval {

namespace {

__extension__ using Wide = __int128;

Wide floor_of(Wide n, Wide d) { return n / d - (n % d < 0 ? 1 : 0); }

Wide quotient(Wide n, Wide d, Rounding rounding) {
  if (rounding == Rounding::TowardZero) return n / d;
  return floor_of(rounding == Rounding::HalfUp ? n + d / 2 : n, d);
}

// A quantizer that may be of either sign has both ranges together: [-levels / 2, levels - 1].
bool is_open(const AffineRequantize& how) { return how.low < 0 && how.high + 1 == -2 * how.low; }

std::vector<std::int64_t> whole_numbers(const Node& node, const Tensor& x) {
  constexpr double kMost = 9007199254740992;  // 2^53: beyond, a double holds no odd number
  const Tensor doubles = as_type(x, ElementType::Float64);
  std::vector<std::int64_t> numbers;
  numbers.reserve(static_cast<std::size_t>(x.size()));
  for (const double v : doubles.values<double>()) {
    if (!(std::abs(v) < kMost) || v != std::floor(v)) {
      fail("node '{}': expected whole numbers to rescale, found {}: the network is one of integers",
           node.name, v);
    }
    numbers.push_back(static_cast<std::int64_t>(v));
  }
  return numbers;
}

}  // namespace

Tensor rescaled(const Node& node, Tensor x, ElementType type) {
  const AffineRequantize& how = *node.affine;
  if (is_open(how)) {
    fail("node '{}': expected a rescaling to codes with a sign or without, found none of the two",
         node.name);
  }
  const std::vector<std::int64_t> from = whole_numbers(node, x);
  const Shape& shape = x.shape();
  const std::size_t channels = shape.size() < 2 ? 1 : static_cast<std::size_t>(shape[1]);
  std::size_t inner = 1;
  for (std::size_t i = 2; i < shape.size(); ++i) inner *= static_cast<std::size_t>(shape[i]);
  const auto of = [](const std::vector<std::int64_t>& list, std::size_t channel) {
    return list[list.size() == 1 ? 0 : channel];
  };
  Tensor result = Tensor::uninitialized(ElementType::Int64, shape, x.layout());
  const auto to = result.mutable_values<std::int64_t>();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t c = i / inner % channels;
    const Wide sum = Wide{from[i]} * of(how.multiplier, c) + of(how.offset, c);
    const Wide code = quotient(sum, how.divisor, how.rounding);
    to[i] = static_cast<std::int64_t>(std::clamp(code, Wide{how.low}, Wide{how.high}));
  }
  return as_type(std::move(result), type);
}

}  // namespace workbench::eval
