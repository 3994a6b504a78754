#include "sim/verdict.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/math.h"

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

Shape without_ones(Shape shape) {
  std::erase(shape, 1);
  return shape;
}

// A memory holds maps: what the network has flattened to [1, N] it gives as [1, C, H, W], and what
// has fewer dimensions with ones between them. Row-major order is the same.
bool same_elements(const Shape& golden, const Shape& simulated) {
  if (golden == simulated) return true;
  if (simulated.size() != 4 || golden.size() >= 4) return false;
  if (element_count(golden) != element_count(simulated)) return false;
  const bool flat = golden.size() == 2 && golden[0] == 1;
  return flat || without_ones(golden) == without_ones(simulated);
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
  if (golden.type() != simulated.type() || !same_elements(golden.shape(), simulated.shape())) {
    layer.mismatches = golden.size();
    return layer;
  }
  with_element_type(golden.type(), [&](auto element) {
    count_mismatches<decltype(element)>(golden, simulated, layer);
  });
  return layer;
}

constexpr std::size_t kBlock = 1024;
using Block = std::array<double, kBlock>;

constexpr std::size_t kLanes = 32;  // divides kBlock; fewer the compiler unrolls and shuffles

// Elements [begin, begin + count) of `tensor` as numbers, then zeros to the next multiple of
// kLanes.
void read_block(const Tensor& tensor, std::size_t begin, std::size_t count, Block& out) {
  with_element_type(tensor.type(), [&](auto element) {
    const auto values = tensor.values<decltype(element)>().subspan(begin, count);
    std::copy(values.begin(), values.end(), out.begin());
  });
  for (; count % kLanes != 0; ++count) out[count] = 0;
}

struct Power {
  double signal = 0, noise = 0;
};

// Adds up one block in interleaved sums: a fixed order that the compiler can vectorise.
void add_block(const Block& reference, const Block& value, std::size_t count, Power& power) {
  std::array<double, kLanes> signal{}, noise{};
  for (std::size_t i = 0; i < count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double error = reference[i + lane] - value[i + lane];
      signal[lane] += reference[i + lane] * reference[i + lane];
      noise[lane] += error * error;
    }
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    power.signal += signal[lane];
    power.noise += noise[lane];
  }
}

// Consecutive elements of one channel of `quantization`.
std::size_t channel_run(const Tensor& tensor, const std::optional<Quantization>& quantization) {
  auto run = static_cast<std::size_t>(tensor.size());
  if (!quantization || quantization->thresholds.size() < 2) return run;
  for (std::size_t d = 0; d <= static_cast<std::size_t>(quantization->axis); ++d) {
    run /= static_cast<std::size_t>(tensor.dim(d));
  }
  return run;
}

Power power_of(const Tensor& reference, const Tensor& value,
               const std::optional<Quantization>& quantization) {
  const auto size = static_cast<std::size_t>(value.size());
  const std::size_t run = channel_run(value, quantization);
  Power power;
  Block expected{}, got{};
  for (std::size_t begin = 0; begin < size;) {
    const std::size_t channel = quantization ? begin / run % quantization->thresholds.size() : 0;
    const std::size_t count = std::min({kBlock, size - begin, run - begin % run});
    read_block(reference, begin, count, expected);
    read_block(value, begin, count, got);
    if (quantization) {
      const auto zero = static_cast<double>(quantization->zero_point(channel));
      const double step = quantization->step(channel);
      for (std::size_t i = 0; i < count; ++i) got[i] = (got[i] - zero) * step;
    }
    add_block(expected, got, count, power);
    begin += count;
  }
  return power;
}

}  // namespace

Comparison::Comparison(const Graph& quantized, const std::map<std::string, Tensor>& simulated)
    : quantized_(quantized), simulated_(simulated) {}

void Comparison::add(ValueId id, const Tensor& golden) {
  const auto found = simulated_.find(quantized_.value(id).name);
  if (found != simulated_.end()) layers_[id] = compare_layer(found->first, golden, found->second);
}

Verdict Comparison::verdict() const {
  Verdict verdict;
  for (const auto& [id, layer] : layers_) {
    verdict.layers.push_back(layer);
    verdict.values_compared += layer.values;
    verdict.mismatches += layer.mismatches;
  }
  return verdict;
}

Verdict compare(const Graph& quantized, const std::vector<Tensor>& golden,
                const std::map<std::string, Tensor>& simulated) {
  CHECK(golden.size() == quantized.values.size(), "{} golden tensors for {} values", golden.size(),
        quantized.values.size());
  Comparison comparison(quantized, simulated);
  for (std::size_t i = 0; i < golden.size(); ++i) {
    comparison.add(static_cast<ValueId>(i), golden[i]);
  }
  return comparison.verdict();
}

double signal_to_noise_db(const Tensor& reference, const Tensor& value,
                          const std::optional<Quantization>& quantization) {
  CHECK(reference.size() == value.size(), "{} against {}", to_string(reference.shape()),
        to_string(value.shape()));
  const auto [signal, noise] = power_of(reference, value, quantization);
  if (noise == 0) return std::numeric_limits<double>::infinity();
  // Undefined for a zero reference and for sums that are not finite: 0, which fails.
  if (signal == 0 || !std::isfinite(signal) || !std::isfinite(noise)) return 0;
  return 10 * math::log10(signal / noise);
}

}  // namespace workbench
