// Exact arithmetic on chains of rescalings: x -> (x * m[c] + a[c]) / D with whole m, a, D, what
// constants of a file do to it, and the numbers it can give. All in 64-bit integers; overflow is
// detected, never wrapped.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "core/quantization.h"
#include "core/tensor.h"

namespace workbench {

// Smallest and largest of what a channel holds. Saturated: the ends stand for "that or beyond".
struct ValueRange {
  std::int64_t low = 0, high = 0;
};
using ValueRanges = std::vector<ValueRange>;  // one, or one per channel

// x -> (x * multiplier[c] + offset[c]) / divisor. Vectors: one, or one per channel; divisor > 0.
struct ChannelMap {
  std::vector<std::int64_t> multiplier{1}, offset{0};
  std::int64_t divisor = 1;
};

// A constant of the file as exact fractions: numerator[c] / denominator, denominator > 0.
struct Fractions {
  std::vector<std::int64_t> numerator;
  std::int64_t denominator = 1;
};

// Nothing where 64 bits do not hold the numbers (a denormal float, 1e30).
std::optional<Fractions> exact_fractions(const Tensor& tensor);
// The elements of a constant if all are whole numbers within [low, high].
std::optional<std::vector<std::int64_t>> whole_numbers(const Tensor& tensor, std::int64_t low,
                                                       std::int64_t high);
std::optional<std::vector<std::int8_t>> whole_bytes(const Tensor& tensor);  // from -128 to 127
bool are_whole_numbers(const Tensor& tensor, std::int64_t low, std::int64_t high);

// The map followed by the constant; empty where the result does not fit 64 bits, or for a division
// by 0.
std::optional<ChannelMap> times(const ChannelMap& map, const Fractions& factor);
std::optional<ChannelMap> plus(const ChannelMap& map, const Fractions& term);
std::optional<ChannelMap> over(const ChannelMap& map, const Fractions& divisor);
ChannelMap negated(const ChannelMap& map);
// Without the odd factors that all its numbers share, where that leaves a shift: 33 * 125 /
// (125 * 4096) is 33 / 4096. Powers of two stay, as they are the shift that the file asks for,
// unless no division is left.
ChannelMap reduced(ChannelMap map);

bool is_whole(const ChannelMap& map);     // gives whole numbers for whole numbers
bool is_identity(const ChannelMap& map);  // reduced

// The image of these intervals under the map, rounded.
ValueRanges image(const ChannelMap& map, Rounding rounding, const ValueRanges& of);
ValueRanges clamped(ValueRanges intervals, std::int64_t low, std::int64_t high);
ValueRange hull(const ValueRanges& intervals);
// a + b, channel by channel, saturated.
ValueRanges sum(const ValueRanges& a, const ValueRanges& b);

inline constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
inline constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

// Codes as a tensor stores them.
struct CodeRange {
  int bits = 8;  // 2, 4, 8, or 32
  bool is_signed = false;
  std::int64_t low = 0, high = 255;  // of these codes, what is used
};
// The codes that clip(x, low, high) of numbers within `values` are exactly: kLeast and kMost say
// that there is no such bound. Bounds that change nothing count as absent. Nothing if the bounds
// are no range of codes.
std::optional<CodeRange> code_range(const ValueRange& values, std::int64_t low, std::int64_t high);
ElementType element_type(const CodeRange& range);
Quantization unit_quantization(const CodeRange& range);  // one step is 1

}  // namespace workbench
