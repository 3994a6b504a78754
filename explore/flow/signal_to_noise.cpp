#include "explore/flow/signal_to_noise.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/parallel.h"

namespace workbench {

namespace {

// What quantize() appends to the name of a value it converted.
constexpr std::string_view kSuffixes[] = {"_int8", "_float"};

const Tensor* find(const NamedTensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  return found == tensors.end() ? nullptr : &found->second;
}

const Tensor* counterpart(const NamedTensors& reference, const std::string& name) {
  if (const Tensor* tensor = find(reference, name)) return tensor;
  for (const std::string_view suffix : kSuffixes) {
    if (name.ends_with(suffix)) return find(reference, name.substr(0, name.size() - suffix.size()));
  }
  return nullptr;
}

bool is_measurable(const Tensor& reference, const Value& value, const Tensor& computed) {
  if (reference.type() != ElementType::Float32 || reference.shape() != computed.shape()) {
    return false;
  }
  return computed.type() == ElementType::Float32 ||
         (is_code(computed.type()) && value.quantization.has_value());
}

bool is_classifier(const Tensor& output) {
  const Shape& shape = output.shape();
  if (output.type() != ElementType::Float32 || shape.size() < 2 || shape[0] != 1) return false;
  return shape[1] >= 10 && output.size() == shape[1];
}

std::vector<ClassScore> best_five(const Tensor& scores) {
  const auto values = scores.values<float>();
  std::vector<std::int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  const auto better = [&](std::int64_t a, std::int64_t b) {
    const float left = values[static_cast<std::size_t>(a)];
    const float right = values[static_cast<std::size_t>(b)];
    return left != right ? left > right : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + 5, order.end(), better);
  std::vector<ClassScore> best;
  for (std::size_t i = 0; i < 5; ++i) {
    best.push_back({order[i], values[static_cast<std::size_t>(order[i])]});
  }
  return best;
}

template <typename T>
bool all_equal_as(const Tensor& tensor) {
  const auto values = tensor.values<T>();
  return std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
}

bool all_equal(const Tensor& tensor) {
  switch (tensor.type()) {
    case ElementType::Float32:
      return all_equal_as<float>(tensor);
    case ElementType::Int8:
      return all_equal_as<std::int8_t>(tensor);
    case ElementType::Uint8:
      return all_equal_as<std::uint8_t>(tensor);
    case ElementType::Int16:
      return all_equal_as<std::int16_t>(tensor);
    case ElementType::Int32:
      return all_equal_as<std::int32_t>(tensor);
    default:
      return false;
  }
}

bool has_nan(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return std::any_of(values.begin(), values.end(), [](float x) { return x != x; });
}

}  // namespace

std::vector<LayerSignalToNoise> signal_to_noise(const Graph& quantized,
                                                const NamedTensors& reference,
                                                const NamedTensors& computed) {
  struct Pair {
    const Value* value;
    const Tensor *expected, *got;
  };
  std::vector<Pair> pairs;
  for (const Value& value : quantized.values) {
    const Tensor* got = value.constant ? nullptr : find(computed, value.name);
    const Tensor* expected = got == nullptr ? nullptr : counterpart(reference, value.name);
    if (expected == nullptr || !is_measurable(*expected, value, *got)) continue;
    pairs.push_back({&value, expected, got});
  }
  std::vector<LayerSignalToNoise> result(pairs.size());
  parallel_for(static_cast<std::int64_t>(pairs.size()), 0, [&](std::int64_t i) {
    const auto& [value, expected, got] = pairs[static_cast<std::size_t>(i)];
    const auto quantization =
        got->type() == ElementType::Float32 ? std::nullopt : value->quantization;
    result[static_cast<std::size_t>(i)] = {
        .name = value->name,
        .decibel = signal_to_noise_db(*expected, *got, quantization),
        .one_code = quantization && all_equal(*got) && !all_equal(*expected)};
  });
  return result;
}

std::vector<Classification> classifications(const Graph& quantized, const NamedTensors& reference,
                                            const std::vector<Tensor>& outputs) {
  std::vector<Classification> result;
  // A run that a hazard ended early has fewer outputs.
  for (std::size_t i = 0; i < std::min(quantized.outputs.size(), outputs.size()); ++i) {
    const std::string& name = quantized.value(quantized.outputs[i]).name;
    const Tensor* expected = find(reference, name);
    if (expected == nullptr || !is_classifier(*expected) || !is_classifier(outputs[i]) ||
        has_nan(*expected) || has_nan(outputs[i])) {
      continue;
    }
    result.push_back({name, best_five(*expected), best_five(outputs[i])});
  }
  return result;
}

}  // namespace workbench
