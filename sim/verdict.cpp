#include "sim/verdict.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace workbench {

namespace {

template <typename T>
bool same(T a, T b) {
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
           (std::isnan(a) && std::isnan(b));
  } else if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b) ||
           (std::isnan(a) && std::isnan(b));
  } else {
    return a == b;
  }
}

std::vector<std::int64_t> coordinates_of(const Shape& shape, std::int64_t offset) {
  std::vector<std::int64_t> coordinates(shape.size());
  for (std::size_t d = shape.size(); d-- > 0;) {
    coordinates[d] = offset % shape[d];
    offset /= shape[d];
  }
  return coordinates;
}

template <typename T>
void count_mismatches(const Tensor& golden, const Tensor& simulated, LayerVerdict& layer) {
  const auto expected = golden.values<T>(), got = simulated.values<T>();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (same(expected[i], got[i])) continue;
    if (layer.mismatches++ > 0) continue;
    layer.coordinates = coordinates_of(golden.shape(), static_cast<std::int64_t>(i));
    layer.expected = static_cast<double>(expected[i]);
    layer.got = static_cast<double>(got[i]);
  }
}

// Calls visit(T{}) for the C++ type T of the elements.
template <typename Visit>
void with_element_type(ElementType type, Visit visit) {
  switch (type) {
    case ElementType::Float32:
      return visit(float{});
    case ElementType::Float64:
      return visit(double{});
    case ElementType::Int8:
      return visit(std::int8_t{});
    case ElementType::Uint8:
      return visit(std::uint8_t{});
    case ElementType::Int16:
      return visit(std::int16_t{});
    case ElementType::Uint16:
      return visit(std::uint16_t{});
    case ElementType::Int32:
      return visit(std::int32_t{});
    case ElementType::Uint32:
      return visit(std::uint32_t{});
    case ElementType::Int64:
      return visit(std::int64_t{});
    case ElementType::Uint64:
      return visit(std::uint64_t{});
    case ElementType::Bool:
      return visit(bool{});
  }
  CHECK(false, "element type {}", static_cast<int>(type));
}

LayerVerdict compare_layer(const std::string& name, const Tensor& golden, const Tensor& simulated) {
  LayerVerdict layer{.name = name, .values = golden.size()};
  if (golden == simulated) return layer;  // one memcmp: the common case
  if (golden.type() != simulated.type() || golden.shape() != simulated.shape()) {
    layer.mismatches = golden.size();
    return layer;
  }
  with_element_type(golden.type(), [&](auto element) {
    count_mismatches<decltype(element)>(golden, simulated, layer);
  });
  return layer;
}

// The real numbers that the elements stand for; `quantization` is that of codes.
std::vector<double> real_values(const Tensor& tensor,
                                const std::optional<Quantization>& quantization) {
  std::vector<double> reals;
  with_element_type(tensor.type(), [&](auto element) {
    const auto values = tensor.values<decltype(element)>();
    reals.assign(values.begin(), values.end());
  });
  if (!quantization || reals.empty()) return reals;
  const std::size_t channels = quantization->thresholds.size();
  std::size_t run = reals.size();  // consecutive elements of one channel
  if (channels > 1) {
    for (std::size_t d = 0; d <= static_cast<std::size_t>(quantization->axis); ++d) {
      run /= static_cast<std::size_t>(tensor.dim(d));
    }
  }
  for (std::size_t begin = 0; begin < reals.size(); begin += run) {
    const std::size_t channel = begin / run % channels;
    const auto zero = static_cast<double>(quantization->zero_point(channel));
    const double step = quantization->step(channel);
    for (std::size_t i = begin; i < begin + run; ++i) reals[i] = (reals[i] - zero) * step;
  }
  return reals;
}

}  // namespace

Verdict compare(const Graph& quantized, const std::vector<Tensor>& golden,
                const std::map<std::string, Tensor>& simulated) {
  CHECK(golden.size() == quantized.values.size(), "{} golden tensors for {} values", golden.size(),
        quantized.values.size());
  Verdict verdict;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const auto found = simulated.find(quantized.values[i].name);
    if (found == simulated.end()) continue;
    verdict.layers.push_back(compare_layer(found->first, golden[i], found->second));
    verdict.values_compared += verdict.layers.back().values;
    verdict.mismatches += verdict.layers.back().mismatches;
  }
  return verdict;
}

double signal_to_noise_db(const Tensor& reference, const Tensor& value,
                          const std::optional<Quantization>& quantization) {
  CHECK(reference.size() == value.size(), "{} against {}", to_string(reference.shape()),
        to_string(value.shape()));
  const std::vector<double> expected = real_values(reference, std::nullopt);
  const std::vector<double> got = real_values(value, quantization);
  double signal = 0, noise = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double error = expected[i] - got[i];
    signal += expected[i] * expected[i];
    noise += error * error;
  }
  if (noise == 0) return std::numeric_limits<double>::infinity();
  // Nothing can be said of a zero reference, nor of sums that are not finite: 0, which fails.
  if (signal == 0 || !std::isfinite(signal) || !std::isfinite(noise)) return 0;
  return 10 * std::log10(signal / noise);
}

}  // namespace workbench
