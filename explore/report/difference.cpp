#include "explore/report/difference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/math.h"

namespace workbench {

namespace {

template <typename T>
void append(const Tensor& tensor, std::vector<double>& out) {
  for (const T value : tensor.values<T>()) out.push_back(static_cast<double>(value));
}

// NaN stands for NaN, and is infinitely far from every number.
double error_of(double expected, double got) {
  if (std::isnan(expected) || std::isnan(got)) {
    return std::isnan(expected) && std::isnan(got) ? 0 : std::numeric_limits<double>::infinity();
  }
  return expected == got ? 0 : std::abs(got - expected);
}

}  // namespace

std::vector<double> numbers(const Tensor& tensor) {
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(tensor.size()));
  switch (tensor.type()) {
    case ElementType::Float32:
      append<float>(tensor, values);
      break;
    case ElementType::Float64:
      append<double>(tensor, values);
      break;
    case ElementType::Int8:
      append<std::int8_t>(tensor, values);
      break;
    case ElementType::Uint8:
      append<std::uint8_t>(tensor, values);
      break;
    case ElementType::Int16:
      append<std::int16_t>(tensor, values);
      break;
    case ElementType::Uint16:
      append<std::uint16_t>(tensor, values);
      break;
    case ElementType::Int32:
      append<std::int32_t>(tensor, values);
      break;
    case ElementType::Uint32:
      append<std::uint32_t>(tensor, values);
      break;
    case ElementType::Int64:
      append<std::int64_t>(tensor, values);
      break;
    case ElementType::Uint64:
      append<std::uint64_t>(tensor, values);
      break;
    case ElementType::Bool:
      append<bool>(tensor, values);
      break;
  }
  return values;
}

Difference difference(const std::string& value, const std::vector<double>& expected,
                      const std::vector<double>& got, const Tolerance& tolerance) {
  CHECK(expected.size() == got.size(), "'{}': {} values, {} expected", value, got.size(),
        expected.size());
  Difference result{.value = value, .values = static_cast<std::int64_t>(expected.size())};
  double signal = 0, noise = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double error = error_of(expected[i], got[i]);
    if (!std::isnan(expected[i])) signal += expected[i] * expected[i];
    noise += error * error;
    result.largest_error = std::max(result.largest_error, error);
    if (error == 0) continue;
    if (error <= tolerance.absolute + tolerance.relative * std::abs(expected[i])) continue;
    if (result.mismatches++ > 0) continue;
    result.first = static_cast<std::int64_t>(i);
    result.expected = expected[i];
    result.got = got[i];
  }
  result.decibel =
      noise > 0 ? 10 * math::log10(signal / noise) : std::numeric_limits<double>::infinity();
  return result;
}

}  // namespace workbench
