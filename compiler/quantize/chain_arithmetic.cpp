#include "compiler/quantize/chain_arithmetic.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace workbench {

namespace {

__extension__ using Wide = __int128;

std::int64_t saturated(Wide v) {
  return static_cast<std::int64_t>(std::clamp(v, Wide{kLeast}, Wide{kMost}));
}

std::optional<std::int64_t> narrow(Wide v) {
  // kLeast and kMost are kept for "no bound".
  if (v <= Wide{kLeast} || v >= Wide{kMost}) return std::nullopt;
  return static_cast<std::int64_t>(v);
}

std::int64_t at(const std::vector<std::int64_t>& list, std::size_t c) {
  return list[list.size() == 1 ? 0 : c];
}
const ValueRange& at(const ValueRanges& list, std::size_t c) {
  return list[list.size() == 1 ? 0 : c];
}

// visit(elements); false for a type that holds no numbers.
template <typename Visit>
bool visit_values(const Tensor& tensor, Visit visit) {
  const auto all = [&]<typename T>(T) { return visit(tensor.values<T>()); };
  switch (tensor.type()) {
    case ElementType::Float32:
      return all(float{});
    case ElementType::Int8:
      return all(std::int8_t{});
    case ElementType::Uint8:
      return all(std::uint8_t{});
    case ElementType::Int16:
      return all(std::int16_t{});
    case ElementType::Uint16:
      return all(std::uint16_t{});
    case ElementType::Int32:
      return all(std::int32_t{});
    case ElementType::Uint32:
      return all(std::uint32_t{});
    case ElementType::Int64:
      return all(std::int64_t{});
    case ElementType::Float64:
    case ElementType::Uint64:
    case ElementType::Bool:
      return false;
  }
  CHECK(false, "element type {}", static_cast<int>(tensor.type()));
}

template <typename Visit>
bool all_of_values(const Tensor& tensor, Visit visit) {
  return visit_values(
      tensor, [&](auto values) { return std::all_of(values.begin(), values.end(), visit); });
}

// Networks have millions of weights: block by block, without a branch per element.
template <typename T>
bool all_whole(std::span<const T> values, std::int64_t low, std::int64_t high) {
  constexpr std::size_t kBlock = 4096;
  const auto least = static_cast<double>(low), most = static_cast<double>(high);
  for (; !values.empty(); values = values.subspan(std::min(kBlock, values.size()))) {
    bool whole = true;
    for (const T v : values.first(std::min(kBlock, values.size()))) {
      if constexpr (std::is_floating_point_v<T>) {
        const auto exact = static_cast<double>(v);
        whole &= (std::abs(exact) < 9e18) & (exact >= least) & (exact <= most) &
                 (exact == std::floor(exact));
      } else {
        whole &= (std::int64_t{v} >= low) & (std::int64_t{v} <= high);
      }
    }
    if (!whole) return false;
  }
  return true;
}

template <typename Code>
std::optional<std::vector<Code>> whole_numbers_as(const Tensor& tensor, std::int64_t low,
                                                  std::int64_t high) {
  std::vector<Code> result;
  const bool whole = visit_values(tensor, [&](auto values) {
    if (!all_whole(values, low, high)) return false;
    result.resize(values.size());
    std::transform(values.begin(), values.end(), result.begin(),
                   [](auto v) { return static_cast<Code>(v); });
    return true;
  });
  return whole ? std::optional(std::move(result)) : std::nullopt;
}

// numerator / 2^exponent of a float, in lowest terms; nothing if it does not fit.
struct Dyadic {
  std::int64_t numerator = 0;
  int exponent = 0;
};
std::optional<Dyadic> dyadic(double value) {
  if (value == 0) return Dyadic{};
  if (!std::isfinite(value)) return std::nullopt;
  int exponent = 0;
  auto numerator = static_cast<std::int64_t>(std::ldexp(std::frexp(value, &exponent), 53));
  int shift = 53 - exponent;  // value = numerator / 2^shift
  while (numerator % 2 == 0) {
    numerator /= 2;
    --shift;
  }
  if (shift > 61) return std::nullopt;
  for (; shift < 0; ++shift) {
    if (__builtin_mul_overflow(numerator, 2, &numerator)) return std::nullopt;
  }
  return Dyadic{numerator, shift};
}

// left * map + right over `divisor`: what all changes of a map come to. A factor per channel.
std::optional<ChannelMap> combined(const ChannelMap& map, const std::vector<std::int64_t>& factor,
                                   const std::vector<std::int64_t>& term, Wide divisor) {
  const auto scaled = [&](const std::vector<std::int64_t>& list, bool offset) {
    std::vector<std::int64_t> result;
    const std::size_t terms = offset ? term.size() : 1;
    for (std::size_t c = 0; c < std::max({list.size(), factor.size(), terms}); ++c) {
      const Wide extra = offset ? Wide{at(term, c)} * map.divisor : Wide{0};
      const Wide product = Wide{at(list, c)} * at(factor, c);
      const auto value = narrow(product) ? narrow(product + extra) : std::nullopt;
      if (!value) return std::vector<std::int64_t>();
      result.push_back(*value);
    }
    return result;
  };
  const auto whole = narrow(divisor);
  ChannelMap result{scaled(map.multiplier, false), scaled(map.offset, true), whole.value_or(0)};
  if (!whole || result.multiplier.empty() || result.offset.empty()) return std::nullopt;
  return result;
}

Wide floor_divide(Wide n, Wide d) { return n / d - (n % d < 0 ? 1 : 0); }

Wide divided(Wide n, Wide d, Rounding rounding) {
  switch (rounding) {
    case Rounding::Floor:
      return floor_divide(n, d);
    case Rounding::TowardZero:
      return n / d;
    case Rounding::HalfUp:
      return floor_divide(n + d / 2, d);
    case Rounding::HalfEven:
    case Rounding::HalfAwayFromZero:
      break;
  }
  CHECK(false, "rounding {} in a chain", static_cast<int>(rounding));
}

bool is_power_of_two(std::int64_t v) { return (v & (v - 1)) == 0; }

std::int64_t common_divisor(const ChannelMap& map) {
  std::int64_t divisor = map.divisor;
  for (const std::vector<std::int64_t>* list : {&map.multiplier, &map.offset}) {
    for (auto n = list->begin(); n != list->end() && divisor != 1; ++n) {
      divisor = std::gcd(divisor, *n);
    }
  }
  return divisor;
}

bool bounds(const ValueRange& values, std::int64_t low, std::int64_t high, std::int64_t code_low,
            std::int64_t code_high) {
  const bool below = low <= values.low ? code_low <= values.low : code_low == low;
  const bool above = high >= values.high ? code_high >= values.high : code_high == high;
  return below && above;
}

}  // namespace

std::optional<Fractions> exact_fractions(const Tensor& tensor) {
  std::vector<Dyadic> parts;
  const bool exact = all_of_values(tensor, [&](auto v) {
    if constexpr (std::is_floating_point_v<decltype(v)>) {
      const auto part = dyadic(static_cast<double>(v));
      if (part) parts.push_back(*part);
      return part.has_value();
    } else {
      parts.push_back({static_cast<std::int64_t>(v), 0});
      return true;
    }
  });
  if (!exact || parts.empty()) return std::nullopt;
  int exponent = 0;
  for (const Dyadic& part : parts) exponent = std::max(exponent, part.exponent);
  Fractions result{{}, std::int64_t{1} << exponent};
  for (const Dyadic& part : parts) {
    const auto numerator =
        narrow(Wide{part.numerator} * (std::int64_t{1} << (exponent - part.exponent)));
    if (!numerator) return std::nullopt;
    result.numerator.push_back(*numerator);
  }
  return result;
}

bool are_whole_numbers(const Tensor& tensor, std::int64_t low, std::int64_t high) {
  return visit_values(tensor, [&](auto values) { return all_whole(values, low, high); });
}

std::optional<std::vector<std::int64_t>> whole_numbers(const Tensor& tensor, std::int64_t low,
                                                       std::int64_t high) {
  return whole_numbers_as<std::int64_t>(tensor, low, high);
}

std::optional<std::vector<std::int8_t>> whole_bytes(const Tensor& tensor) {
  return whole_numbers_as<std::int8_t>(tensor, -128, 127);
}

std::optional<ChannelMap> times(const ChannelMap& map, const Fractions& factor) {
  return combined(map, factor.numerator, {0}, Wide{map.divisor} * factor.denominator);
}

std::optional<ChannelMap> plus(const ChannelMap& map, const Fractions& term) {
  if (term.denominator == 1) return combined(map, {1}, term.numerator, map.divisor);
  return combined(map, {term.denominator}, term.numerator, Wide{map.divisor} * term.denominator);
}

std::optional<ChannelMap> over(const ChannelMap& map, const Fractions& divisor) {
  std::int64_t multiple = 1;  // of all numerators
  for (const std::int64_t n : divisor.numerator) {
    if (n == 0) return std::nullopt;
    const std::int64_t magnitude = n < 0 ? -n : n;
    const auto next = narrow(Wide{multiple} * (magnitude / std::gcd(multiple, magnitude)));
    if (!next) return std::nullopt;
    multiple = *next;
  }
  Fractions inverse{{}, multiple};
  for (const std::int64_t n : divisor.numerator) {
    const auto numerator = narrow(Wide{multiple / n} * divisor.denominator);
    if (!numerator) return std::nullopt;
    inverse.numerator.push_back(*numerator);
  }
  return times(map, inverse);
}

ChannelMap negated(const ChannelMap& map) {
  ChannelMap result = map;
  for (std::int64_t& m : result.multiplier) m = -m;
  for (std::int64_t& a : result.offset) a = -a;
  return result;
}

ChannelMap reduced(ChannelMap map) {
  std::int64_t shared = common_divisor(map);
  if (shared != map.divisor) {  // a division is left
    while (shared % 2 == 0) shared /= 2;
    if (!is_power_of_two(map.divisor / shared)) return map;
  }
  for (std::int64_t& m : map.multiplier) m /= shared;
  for (std::int64_t& a : map.offset) a /= shared;
  map.divisor /= shared;
  return map;
}

bool is_whole(const ChannelMap& map) { return common_divisor(map) == map.divisor; }

bool is_identity(const ChannelMap& map) {
  const auto is = [](std::int64_t wanted) { return [=](std::int64_t v) { return v == wanted; }; };
  return map.divisor == 1 && std::all_of(map.multiplier.begin(), map.multiplier.end(), is(1)) &&
         std::all_of(map.offset.begin(), map.offset.end(), is(0));
}

ValueRanges image(const ChannelMap& map, Rounding rounding, const ValueRanges& of) {
  ValueRanges result;
  const std::size_t channels = std::max({map.multiplier.size(), map.offset.size(), of.size()});
  for (std::size_t c = 0; c < channels; ++c) {
    const auto value = [&](std::int64_t x) {
      const Wide numerator = Wide{x} * at(map.multiplier, c) + at(map.offset, c);
      return saturated(divided(numerator, map.divisor, rounding));
    };
    const std::int64_t a = value(at(of, c).low), b = value(at(of, c).high);
    result.push_back({std::min(a, b), std::max(a, b)});
  }
  return result;
}

ValueRanges clamped(ValueRanges intervals, std::int64_t low, std::int64_t high) {
  for (ValueRange& i : intervals) {
    i = {std::clamp(i.low, low, high), std::clamp(i.high, low, high)};
  }
  return intervals;
}

ValueRange hull(const ValueRanges& intervals) {
  ValueRange result = intervals.at(0);
  for (const ValueRange& i : intervals) {
    result = {std::min(result.low, i.low), std::max(result.high, i.high)};
  }
  return result;
}

ValueRanges sum(const ValueRanges& a, const ValueRanges& b) {
  ValueRanges result;
  for (std::size_t c = 0; c < std::max(a.size(), b.size()); ++c) {
    result.push_back({saturated(Wide{at(a, c).low} + at(b, c).low),
                      saturated(Wide{at(a, c).high} + at(b, c).high)});
  }
  return result;
}

std::optional<CodeRange> code_range(const ValueRange& values, std::int64_t low, std::int64_t high) {
  constexpr CodeRange kNarrow[] = {
      {2, false, 0, 3}, {4, false, 0, 15}, {2, true, -2, 1}, {4, true, -8, 7}};
  for (const CodeRange& range : kNarrow) {  // only if the file says so
    if (low == range.low && high == range.high) return range;
  }
  constexpr CodeRange kUnsigned{8, false, 0, 255}, kSigned{8, true, -128, 127};
  // The range that the file writes, before one that merely holds the values.
  for (const CodeRange& range : {kUnsigned, kSigned}) {
    if (low == range.low && high == range.high) return range;
  }
  for (const CodeRange& range : {kUnsigned, kSigned}) {
    if (bounds(values, low, high, range.low, range.high)) return range;
  }
  constexpr std::int64_t kLow = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t kHigh = std::numeric_limits<std::int32_t>::max();
  if (high < values.high && high < kHigh) return std::nullopt;
  if (low > values.low && low != 0 && low > kLow) return std::nullopt;
  return CodeRange{32, true, low > values.low && low == 0 ? 0 : kLow, kHigh};
}

ElementType element_type(const CodeRange& range) {
  if (range.bits == 32) return ElementType::Int32;
  return range.is_signed ? ElementType::Int8 : ElementType::Uint8;
}

Quantization unit_quantization(const CodeRange& range) {
  Quantization quantization{.bits = range.bits, .is_signed = range.is_signed};
  quantization.thresholds = {static_cast<double>(quantization.high())};
  return quantization;
}

}  // namespace workbench
