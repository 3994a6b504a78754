// Functions of one element and its channel: activations, batch normalisation, PRelu.

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/eval/fast_math.h"
#include "core/eval/kernels.h"
#include "core/eval/types.h"
#include "core/parallel.h"
#include "core/units.h"

namespace workbench::eval {

namespace {

float slope_of(const Activation& activation, std::size_t channel) {
  return activation.slopes.size() == 1 ? activation.slopes[0] : activation.slopes.at(channel);
}

double upper_bound(const Activation& activation, std::size_t channel) {
  return static_cast<double>(activation.bounds.empty() ? activation.beta
                                                       : activation.bounds.at(channel));
}

void scale_negatives(std::span<float> values, float slope) {
  for (float& v : values) v = v < 0 ? slope * v : v;
}

bool per_channel(const Activation& activation) {
  return activation.slopes.size() > 1 || !activation.bounds.empty();
}

// Elements behind each index of axis 1.
std::int64_t channel_size(const Shape& shape) {
  std::int64_t count = 1;
  for (std::size_t i = 2; i < shape.size(); ++i) count *= shape[i];
  return count;
}

// Calls body(channel, begin, end) for each run of elements of one channel of x [N, C, ...].
void for_channels(const Shape& shape, const Context& context,
                  const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body) {
  const std::int64_t size = channel_size(shape);
  const std::int64_t runs = shape[0] * shape[1];
  const std::int64_t runs_per_task =
      std::max<std::int64_t>(1, kPiece / std::max<std::int64_t>(size, 1));
  parallel_for(ceil_div(runs, runs_per_task), context.threads, [&](std::int64_t task) {
    const std::int64_t last = std::min(runs, (task + 1) * runs_per_task);
    for (std::int64_t run = task * runs_per_task; run < last; ++run) {
      body(run % shape[1], run * size, (run + 1) * size);
    }
  });
}

template <typename T>
Tensor activate_numbers(const Activation& activation, Tensor x, const Context& context) {
  const std::span<T> values = x.mutable_values<T>();
  const std::int64_t channels = per_channel(activation) ? x.dim(1) : 1;
  const std::int64_t size = per_channel(activation) ? channel_size(x.shape()) : 1;
  for_pieces(x.size(), context, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto channel = static_cast<std::size_t>(i / size % channels);
      T& v = values[static_cast<std::size_t>(i)];
      v = static_cast<T>(activate(activation, static_cast<double>(v), channel));
    }
  });
  return x;
}

}  // namespace

void for_pieces(std::int64_t count, const Context& context,
                const std::function<void(std::int64_t, std::int64_t)>& body) {
  parallel_for(ceil_div(count, kPiece), context.threads, [&](std::int64_t piece) {
    body(piece * kPiece, std::min(count, (piece + 1) * kPiece));
  });
}

double activate(const Activation& activation, double x, std::size_t channel) {
  const auto alpha = static_cast<double>(activation.alpha);
  const auto beta = static_cast<double>(activation.beta);
  switch (activation.kind) {
    case Activation::Kind::None:
      return x;
    case Activation::Kind::Relu:
      return x < 0 ? 0 : x;
    case Activation::Kind::Clip:
      return std::min(std::max(x, alpha), upper_bound(activation, channel));
    case Activation::Kind::LeakyRelu:
      return x < 0 ? alpha * x : x;
    case Activation::Kind::PRelu:
      return x < 0 ? static_cast<double>(slope_of(activation, channel)) * x : x;
    case Activation::Kind::Sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::Kind::Tanh:
      return std::tanh(x);
    case Activation::Kind::HardSigmoid:
      return std::max(0.0, std::min(1.0, alpha * x + beta));
    case Activation::Kind::HardSwish:
      return x * std::max(0.0, std::min(1.0, x / 6 + 0.5));
    case Activation::Kind::Exp:
      return std::exp(x);
    case Activation::Kind::Floor:
      return std::floor(x);
    case Activation::Kind::Truncate:
      return std::trunc(x);
  }
  CHECK(false, "activation {}", static_cast<int>(activation.kind));
}

void activate_in_place(const Activation& activation, std::span<float> values, std::size_t channel,
                       Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::Exact) {
    for (float& v : values) v = apply(activation, v, channel);
    return;
  }
  const float alpha = activation.alpha;
  const float beta = activation.beta;
  switch (activation.kind) {
    case Activation::Kind::None:
      return;
    case Activation::Kind::Relu:
      for (float& v : values) v = v < 0 ? 0 : v;
      return;
    case Activation::Kind::Clip: {
      const auto bound = static_cast<float>(upper_bound(activation, channel));
      for (float& v : values) v = std::min(std::max(v, alpha), bound);
      return;
    }
    case Activation::Kind::LeakyRelu:
      return scale_negatives(values, alpha);
    case Activation::Kind::PRelu:
      return scale_negatives(values, slope_of(activation, channel));
    case Activation::Kind::Sigmoid:
      return sigmoid_in_place(values);
    case Activation::Kind::Tanh:
      return tanh_in_place(values);
    case Activation::Kind::HardSigmoid:
      for (float& v : values) v = std::max(0.0F, std::min(1.0F, alpha * v + beta));
      return;
    case Activation::Kind::HardSwish:
      for (float& v : values) v *= std::max(0.0F, std::min(1.0F, v / 6 + 0.5F));
      return;
    case Activation::Kind::Exp:
      return exp_in_place(values);
    case Activation::Kind::Floor:
      for (float& v : values) v = std::floor(v);
      return;
    case Activation::Kind::Truncate:
      for (float& v : values) v = std::trunc(v);
      return;
  }
}

Tensor activate(const Activation& activation, Tensor x, const Context& context) {
  if (x.type() != ElementType::Float32) {
    return for_number_type(x.type(), [&]<typename T>(std::type_identity<T>) {
      return activate_numbers<T>(activation, std::move(x), context);
    });
  }
  const std::span<float> values = x.mutable_values<float>();
  const auto run = [&](std::int64_t channel, std::int64_t begin, std::int64_t end) {
    activate_in_place(
        activation,
        values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)),
        static_cast<std::size_t>(channel), context.arithmetic);
  };
  if (per_channel(activation)) {
    for_channels(x.shape(), context, run);
  } else {
    for_pieces(x.size(), context,
               [&](std::int64_t begin, std::int64_t end) { run(0, begin, end); });
  }
  return x;
}

Tensor batch_norm(const BatchNorm& op, std::span<const Tensor> parameters, Tensor x,
                  const Context& context) {
  const auto parameter = [&](std::size_t i, std::int64_t channel) {
    return static_cast<double>(parameters[i].values<float>()[static_cast<std::size_t>(channel)]);
  };
  float* values = x.mutable_values<float>().data();
  for_channels(x.shape(), context, [&](std::int64_t c, std::int64_t begin, std::int64_t end) {
    const double scale = parameter(1, c);
    const double bias = parameter(2, c);
    const double mean = parameter(3, c);
    const double deviation = std::sqrt(parameter(4, c) + static_cast<double>(op.epsilon));
    if (context.exact()) {
      for (std::int64_t i = begin; i < end; ++i) {
        const double centred = static_cast<double>(values[i]) - mean;
        values[i] = static_cast<float>(centred / deviation * scale + bias);
      }
      return;
    }
    const auto factor = static_cast<float>(scale / deviation);
    const auto offset = static_cast<float>(bias - mean * scale / deviation);
    for (std::int64_t i = begin; i < end; ++i) values[i] = values[i] * factor + offset;
  });
  return x;
}

}  // namespace workbench::eval
