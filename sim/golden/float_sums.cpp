#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/math.h"
#include "sim/golden/numbers.h"
#include "sim/golden/operation.h"
#include "sim/golden/windows.h"

namespace workbench::golden {

namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

template <typename ConvOp>
Tensor conv(const ConvOp& op, const Operation& at) {
  const Tensor& x = at.operand(0);
  const auto bias = at.has(2) ? at.operand(2).values<float>() : std::span<const float>();
  Tensor result = Tensor::uninitialized(ElementType::Float32, at.output_shape(), Layout::Nchw);
  const auto y = result.mutable_values<float>();
  correlate(correlation<double, float>(op, x, at.operand(1), at.output_shape()), x.values<float>(),
            dot, [&](std::int64_t channel, std::int64_t offset, double sum) {
              const auto c = static_cast<std::size_t>(channel);
              if (!bias.empty()) sum += bias[c];
              y[static_cast<std::size_t>(offset)] =
                  static_cast<float>(activated(op.activation, sum, c));
            });
  return result;
}

}  // namespace

Tensor float_conv(const Conv& op, const Operation& at) { return conv(op, at); }
Tensor float_conv(const ConvTranspose& op, const Operation& at) { return conv(op, at); }

Tensor float_average_pool(const AveragePool& op, const Operation& at) {
  const Shape& in = at.operand(0).shape();
  const Shape& out = at.output_shape();
  const Shape in_plane(in.begin() + 2, in.end()), out_plane(out.begin() + 2, out.end());
  const std::int64_t in_size = element_count(in_plane), out_size = element_count(out_plane);
  const auto x = at.operand(0).values<float>();
  Tensor result = Tensor::uninitialized(ElementType::Float32, out, Layout::Nchw);
  const auto y = result.mutable_values<float>();
  for (std::int64_t output = 0; output < out_size; ++output) {
    const Position position = position_of(out_plane, output);
    std::vector<std::int64_t> cells = cells_under_window(op.window, in_plane, position);
    std::erase(cells, kPadding);
    const std::int64_t count = op.count_include_pad
                                   ? cells_with_padding(op.window, in_plane, position)
                                   : static_cast<std::int64_t>(cells.size());
    for (std::int64_t map = 0; map < out[0] * out[1]; ++map) {
      double sum = 0;
      for (const std::int64_t cell : cells)
        sum += x[static_cast<std::size_t>(map * in_size + cell)];
      y[static_cast<std::size_t>(map * out_size + output)] =
          count == 0 ? 0 : static_cast<float>(sum / static_cast<double>(count));
    }
  }
  return result;
}

// alpha * sum over k + beta * c
template <>
Tensor result_of(const Gemm& op, const Operation& at) {
  const Tensor& a = at.operand(0);
  const Tensor& b = at.operand(1);
  const Shape& out = at.output_shape();
  const std::int64_t depth = a.dim(op.transpose_a ? 0 : 1);
  const auto left = a.values<float>(), right = b.values<float>();
  const auto c = at.has(2) ? at.operand(2).values<float>() : std::span<const float>();
  const auto c_offsets =
      at.has(2) ? broadcast_offsets(at.operand(2).shape(), out) : std::vector<std::int64_t>();
  Tensor result = Tensor::uninitialized(ElementType::Float32, out);
  const auto y = result.mutable_values<float>();
  parallel_for(out[1], 0, [&](std::int64_t column) {
    for (std::int64_t row = 0; row < out[0]; ++row) {
      double sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        const std::int64_t l = op.transpose_a ? k * a.dim(1) + row : row * a.dim(1) + k;
        const std::int64_t r = op.transpose_b ? column * b.dim(1) + k : k * b.dim(1) + column;
        sum += static_cast<double>(left[static_cast<std::size_t>(l)]) *
               right[static_cast<std::size_t>(r)];
      }
      const auto i = static_cast<std::size_t>(row * out[1] + column);
      sum *= op.alpha;
      if (!c.empty())
        sum += static_cast<double>(op.beta) * c[static_cast<std::size_t>(c_offsets[i])];
      y[i] = static_cast<float>(activated(op.activation, sum, static_cast<std::size_t>(column)));
    }
  });
  return result;
}

template <>
Tensor result_of(const MatMul&, const Operation& at) {
  Shape a = at.operand(0).shape(), b = at.operand(1).shape(), batch = at.output_shape();
  // numpy: a vector is a row on the left, a column on the right, and absent from the result.
  if (a.size() == 1)
    a.insert(a.begin(), 1);
  else
    batch.pop_back();
  if (b.size() == 1)
    b.push_back(1);
  else
    batch.pop_back();
  const std::int64_t rows = a[a.size() - 2], depth = a.back(), columns = b.back();
  const auto a_matrices = broadcast_offsets({a.begin(), a.end() - 2}, batch);
  const auto b_matrices = broadcast_offsets({b.begin(), b.end() - 2}, batch);
  const auto left = at.operand(0).values<float>(), right = at.operand(1).values<float>();
  Tensor result = Tensor::uninitialized(ElementType::Float32, at.output_shape());
  float* y = result.mutable_values<float>().data();
  for (std::size_t m = 0; m < a_matrices.size(); ++m) {
    const float* l = left.data() + a_matrices[m] * rows * depth;
    const float* r = right.data() + b_matrices[m] * depth * columns;
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        double sum = 0;
        for (std::int64_t k = 0; k < depth; ++k) {
          sum += static_cast<double>(l[row * depth + k]) * r[k * columns + column];
        }
        *y++ = static_cast<float>(sum);
      }
    }
  }
  return result;
}

// exp(x - max) / sum, or x - max - log(sum); the sum in axis order.
template <>
Tensor result_of(const Softmax& op, const Operation& at) {
  const Shape& shape = at.output_shape();
  const std::size_t axis = axis_index(op.axis, shape.size());
  const std::int64_t size = shape[axis];
  const std::int64_t stride = elements_between(shape, axis + 1, shape.size());
  const auto x = at.operand(0).values<float>();
  Tensor result = Tensor::uninitialized(ElementType::Float32, shape);
  const auto y = result.mutable_values<float>();
  const std::int64_t lines = size == 0 ? 0 : element_count(shape) / size;
  for (std::int64_t line = 0; line < lines; ++line) {
    const std::int64_t first = line / stride * size * stride + line % stride;
    const auto at_index = [&](std::int64_t i) {
      return static_cast<std::size_t>(first + i * stride);
    };
    double max = x[at_index(0)];
    for (std::int64_t i = 1; i < size; ++i) max = std::max(max, double{x[at_index(i)]});
    double sum = 0;
    for (std::int64_t i = 0; i < size; ++i) sum += math::exp(x[at_index(i)] - max);
    for (std::int64_t i = 0; i < size; ++i) {
      const double shifted = x[at_index(i)] - max;
      const double value = op.log ? shifted - math::log(sum) : math::exp(shifted) / sum;
      y[at_index(i)] = static_cast<float>(value);
    }
  }
  return result;
}

// x / (bias + alpha / size * sum of squares over the channel window, ascending)^beta
template <>
Tensor result_of(const Lrn& op, const Operation& at) {
  const Shape& shape = at.output_shape();
  const std::int64_t channels = shape[1];
  const std::int64_t plane = elements_between(shape, 2, shape.size());
  const auto x = at.operand(0).values<float>();
  Tensor result = Tensor::uninitialized(ElementType::Float32, shape);
  const auto y = result.mutable_values<float>();
  for (std::int64_t i = 0; i < result.size(); ++i) {
    const auto c = static_cast<std::int64_t>(channel_of(shape, i));
    const std::int64_t begin = std::max<std::int64_t>(0, c - (op.size - 1) / 2);
    const std::int64_t end = std::min(channels, c + op.size / 2 + 1);
    double squares = 0;
    for (std::int64_t other = begin; other < end; ++other) {
      const double value = x[static_cast<std::size_t>(i + (other - c) * plane)];
      squares += value * value;
    }
    const double base = op.bias + double{op.alpha} / static_cast<double>(op.size) * squares;
    y[static_cast<std::size_t>(i)] =
        static_cast<float>(x[static_cast<std::size_t>(i)] / math::pow(base, double{op.beta}));
  }
  return result;
}

// Per map, over its elements in order: mean = sum x / n; variance = sum (x - mean)^2 / n; then
// (x - mean) / sqrt(variance + epsilon) * scale + bias
template <>
Tensor result_of(const InstanceNorm& op, const Operation& at) {
  const Shape& shape = at.output_shape();
  const std::int64_t size = elements_between(shape, 2, shape.size());
  const auto x = at.operand(0).values<float>();
  const auto scale = at.operand(1).values<float>();
  const auto bias = at.operand(2).values<float>();
  Tensor result = Tensor::uninitialized(ElementType::Float32, shape);
  const auto y = result.mutable_values<float>();
  for (std::int64_t begin = 0; begin < result.size(); begin += size) {
    const std::size_t channel = channel_of(shape, begin);
    const auto map = x.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size));
    double sum = 0;
    for (const float v : map) sum += double{v};
    const double mean = sum / static_cast<double>(size);
    double squares = 0;
    for (const float v : map) squares += (v - mean) * (v - mean);
    const double spread = std::sqrt(squares / static_cast<double>(size) + double{op.epsilon});
    for (std::size_t i = 0; i < map.size(); ++i) {
      y[static_cast<std::size_t>(begin) + i] =
          static_cast<float>((map[i] - mean) / spread * scale[channel] + bias[channel]);
    }
  }
  return result;
}

// Over the elements of the dimensions from `axis` on, in order: as InstanceNorm; RMS: x / sqrt(mean
// of x * x + epsilon) * scale. Scale and bias broadcast to x.
template <>
Tensor result_of(const LayerNorm& op, const Operation& at) {
  const Shape& shape = at.output_shape();
  const std::int64_t size =
      elements_between(shape, axis_index(op.axis, shape.size()), shape.size());
  const auto x = at.operand(0).values<float>();
  const auto scale = at.operand(1).values<float>();
  const auto bias = at.has(2) ? at.operand(2).values<float>() : std::span<const float>();
  const auto scale_at = broadcast_offsets(at.operand(1).shape(), shape);
  const auto bias_at =
      at.has(2) ? broadcast_offsets(at.operand(2).shape(), shape) : std::vector<std::int64_t>();
  Tensor result = Tensor::uninitialized(ElementType::Float32, shape);
  const auto y = result.mutable_values<float>();
  const auto count = static_cast<double>(size);
  for (std::size_t begin = 0; begin < x.size(); begin += static_cast<std::size_t>(size)) {
    const auto group = x.subspan(begin, static_cast<std::size_t>(size));
    double sum = 0;
    for (const float v : group) sum += double{v};
    const double mean = op.rms ? 0 : sum / count;
    double squares = 0;
    for (const float v : group) squares += (v - mean) * (v - mean);
    const double spread = std::sqrt(squares / count + double{op.epsilon});
    for (std::size_t i = begin; i < begin + group.size(); ++i) {
      const double scaled = (x[i] - mean) / spread * scale[static_cast<std::size_t>(scale_at[i])];
      y[i] = static_cast<float>(bias.empty() ? scaled
                                             : scaled + bias[static_cast<std::size_t>(bias_at[i])]);
    }
  }
  return result;
}

namespace {

// One kind of reduction over numbers in their order.
double reduced(Reduce::Kind kind, std::span<const double> x) {
  const double greatest = *std::ranges::max_element(x);
  double sum = 0, magnitudes = 0, squares = 0, product = 1, powers = 0;
  for (const double v : x) {
    sum += v;
    magnitudes += std::fabs(v);
    squares += v * v;
    product *= v;
  }
  switch (kind) {
    case Reduce::Kind::Mean:
      return sum / static_cast<double>(x.size());
    case Reduce::Kind::Sum:
      return sum;
    case Reduce::Kind::Max:
      return greatest;
    case Reduce::Kind::Min:
      return *std::ranges::min_element(x);
    case Reduce::Kind::Prod:
      return product;
    case Reduce::Kind::L1:
      return magnitudes;
    case Reduce::Kind::L2:
      return std::sqrt(squares);
    case Reduce::Kind::SumSquare:
      return squares;
    case Reduce::Kind::LogSum:
      return math::log(sum);
    case Reduce::Kind::LogSumExp:
      if (std::isinf(greatest)) return greatest;
      for (const double v : x) powers += math::exp(v - greatest);
      return greatest + math::log(powers);
  }
  CHECK(false, "reduce {}", static_cast<int>(kind));
}

// Whole numbers stay whole in what has no root or logarithm, modulo 2^64.
std::optional<std::int64_t> reduced_whole(Reduce::Kind kind, std::span<const std::int64_t> x) {
  std::uint64_t sum = 0, product = 1;
  for (const std::int64_t v : x) {
    sum += static_cast<std::uint64_t>(v);
    product *= static_cast<std::uint64_t>(v);
  }
  switch (kind) {
    case Reduce::Kind::Mean:
      return static_cast<std::int64_t>(sum) / static_cast<std::int64_t>(x.size());
    case Reduce::Kind::Sum:
      return static_cast<std::int64_t>(sum);
    case Reduce::Kind::Max:
      return *std::ranges::max_element(x);
    case Reduce::Kind::Min:
      return *std::ranges::min_element(x);
    case Reduce::Kind::Prod:
      return static_cast<std::int64_t>(product);
    default:
      return std::nullopt;
  }
}

}  // namespace

// Row-major over the reduced axes.
template <>
Tensor result_of(const Reduce& op, const Operation& at) {
  const Shape& in = at.operand(0).shape();
  Shape kept = in;  // the output's shape with its reduced dimensions left as 1
  for (const std::int64_t axis : op.axes) kept[axis_index(axis, in.size())] = 1;
  const Tensor& x = at.operand(0);
  const auto to = broadcast_offsets(kept, in);
  std::vector<std::vector<double>> reals(static_cast<std::size_t>(element_count(kept)));
  std::vector<std::vector<std::int64_t>> wholes(reals.size());
  for (std::size_t i = 0; i < static_cast<std::size_t>(x.size()); ++i) {
    const auto group = static_cast<std::size_t>(to[i]);
    reals[group].push_back(real_at(x, i));
    if (is_whole(x.type())) wholes[group].push_back(whole_at(x, i));
  }
  Tensor result = Tensor::uninitialized(x.type(), at.output_shape());
  for (std::size_t i = 0; i < reals.size(); ++i) {
    const auto whole = is_whole(x.type()) ? reduced_whole(op.kind, wholes[i]) : std::nullopt;
    if (whole) {
      put_whole(result, i, *whole);
    } else {
      put_real(result, i, reduced(op.kind, reals[i]));
    }
  }
  return result;
}

}  // namespace workbench::golden
