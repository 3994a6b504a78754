// Many elements to one: pools, reductions, softmax, normalisation across channels.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/eval/kernels.h"
#include "core/eval/window.h"
#include "core/math.h"
#include "core/parallel.h"
#include "core/units.h"

namespace workbench::eval {

// Max and average pooling over windows of one to three spatial dimensions.

namespace {

template <typename T>
constexpr T lowest() {
  if constexpr (std::numeric_limits<T>::has_infinity) return -std::numeric_limits<T>::infinity();
  return std::numeric_limits<T>::lowest();
}

// out[o] = f(out[o], source cell) over one plane, whole rows at a time; the cells of one window
// come in row-major order.
template <typename T, typename Acc, typename F>
void slide_rows(const Window3& w, const T* plane, Acc* out, F f) {
  for (std::int64_t line = 0; line < w.out[0] * w.out[1]; ++line) {
    const std::int64_t od = line / w.out[1];
    const std::int64_t oh = line % w.out[1];
    const auto [d0, d1] = w.valid_kernel(0, od, w.in[0]);
    const auto [h0, h1] = w.valid_kernel(1, oh, w.in[1]);
    Acc* to = out + line * w.out[2];
    for (std::int64_t kd = d0; kd < d1; ++kd) {
      for (std::int64_t kh = h0; kh < h1; ++kh) {
        const T* row = plane + (w.source(0, od, kd) * w.in[1] + w.source(1, oh, kh)) * w.in[2];
        for (std::int64_t kw = 0; kw < w.kernel[2]; ++kw) {
          const auto [first, last] = w.valid_out(2, kw);
          const T* from = row + w.source(2, 0, kw);
          for (std::int64_t o = first; o < last; ++o) to[o] = f(to[o], from[o * w.stride[2]]);
        }
      }
    }
  }
}

// ONNX: index into the whole tensor; storage_order 1 counts the spatial dimensions backwards.
std::int64_t flat_index(const Index3& in, std::int64_t cell, std::int64_t storage_order) {
  if (storage_order == 0) return cell;
  const std::int64_t d = cell / (in[1] * in[2]);
  const std::int64_t h = cell / in[2] % in[1];
  return d + in[0] * (h + in[1] * (cell % in[2]));
}

template <typename T>
void max_indices(const MaxPool& op, const Window3& w, const T* plane, std::int64_t plane_offset,
                 std::int64_t* indices) {
  for_each_position(w.out, [&](const Index3& o, std::int64_t pixel) {
    std::int64_t best = -1;
    for_each_cell(w, o, [&](std::int64_t source, std::int64_t) {
      if (best < 0 || plane[source] > plane[best]) best = source;
    });
    // a window that lies in the padding as a whole has no cell to name
    indices[pixel] = best < 0 ? -1 : plane_offset + flat_index(w.in, best, op.storage_order);
  });
}

template <typename T>
std::vector<Tensor> max_pool_of(const MaxPool& op, const Tensor& x, const Shape& out,
                                bool with_indices, const Context& context) {
  const Window3 w = window3(op.window, x.shape(), out);
  std::vector<Tensor> results{Tensor::uninitialized(x.type(), out, x.layout())};
  if (with_indices) results.push_back(Tensor::uninitialized(ElementType::Int64, out));
  const T* in = x.values<T>().data();
  T* y = results[0].mutable_values<T>().data();
  std::int64_t* indices = with_indices ? results[1].mutable_values<std::int64_t>().data() : nullptr;
  const std::int64_t size = volume(w.in);
  const std::int64_t out_size = volume(w.out);
  parallel_for(out[0] * out[1], context.threads, [&](std::int64_t plane) {
    T* to = y + plane * out_size;
    std::fill(to, to + out_size, lowest<T>());
    slide_rows(w, in + plane * size, to, [](T best, T v) { return v > best ? v : best; });
    if (with_indices) {
      max_indices(op, w, in + plane * size, plane * size, indices + plane * out_size);
    }
  });
  return results;
}

// Divisor of each output position's sum.
std::vector<std::int64_t> cell_counts(const AveragePool& op, const Window3& w) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(volume(w.out)));
  for_each_position(w.out, [&](const Index3& o, std::int64_t pixel) {
    std::int64_t count = 1;
    for (std::size_t d = 0; d < 3; ++d) {
      // padding is part of the padded input, what ceil_mode adds behind it is not
      const auto [first, last] =
          w.valid_kernel(d, o[d], w.in[d] + (op.count_include_pad ? w.pad_end[d] : 0));
      count *= op.count_include_pad ? last : last - first;
    }
    counts[static_cast<std::size_t>(pixel)] = std::max<std::int64_t>(count, 1);
  });
  return counts;
}

template <typename Acc>
void average(const Window3& w, const std::vector<std::int64_t>& counts, const float* plane,
             float* out) {
  std::vector<Acc> sums(counts.size(), 0);
  slide_rows(w, plane, sums.data(), [](Acc sum, float v) { return sum + static_cast<Acc>(v); });
  for (std::size_t i = 0; i < sums.size(); ++i) {
    out[i] = static_cast<float>(sums[i] / static_cast<Acc>(counts[i]));
  }
}

// Any number type; of equal elements the first one's index counts. `with_indices`: second result.
std::vector<Tensor> max_pool(const MaxPool& op, const Tensor& x, const Shape& out,
                             bool with_indices, const Context& context) {
  return for_number_type(x.type(), [&]<typename T>(std::type_identity<T>) {
    return max_pool_of<T>(op, x, out, with_indices, context);
  });
}

}  // namespace

template <>
Tensors result_of(const MaxPool& op, Evaluation& at) {
  return max_pool(op, at.x(), at.out(), at.node.outputs.size() > 1, at.context);
}

namespace {

// Exact: sum over the window's cells inside the input in row-major order, divided by their number
// (count_include_pad: by the number of cells inside the padded input).
Tensor average_pool(const AveragePool& op, const Tensor& x, const Shape& out,
                    const Context& context) {
  const Window3 w = window3(op.window, x.shape(), out);
  const std::vector<std::int64_t> counts = cell_counts(op, w);
  Tensor y = Tensor::uninitialized(ElementType::Float32, out, x.layout());
  const float* in = x.values<float>().data();
  float* to = y.mutable_values<float>().data();
  parallel_for(out[0] * out[1], context.threads, [&](std::int64_t plane) {
    const float* from = in + plane * volume(w.in);
    if (context.exact()) {
      average<double>(w, counts, from, to + plane * volume(w.out));
    } else {
      average<float>(w, counts, from, to + plane * volume(w.out));
    }
  });
  return y;
}

}  // namespace

template <>
Tensors result_of(const AveragePool& op, Evaluation& at) {
  at.expect_floats();
  return one(average_pool(op, at.x(), at.out(), at.context));
}

// Functions of many elements along some axes: reductions, softmax, local response normalisation.

namespace {

// Offsets of all elements of the box `sizes` with the given steps, in row-major order.
std::vector<std::int64_t> offsets(const Shape& sizes, const Shape& steps) {
  std::vector<std::int64_t> result{0};
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    std::vector<std::int64_t> next;
    next.reserve(result.size() * static_cast<std::size_t>(sizes[d]));
    for (const std::int64_t offset : result) {
      for (std::int64_t i = 0; i < sizes[d]; ++i) next.push_back(offset + i * steps[d]);
    }
    result = std::move(next);
  }
  return result;
}

struct ReducedOffsets {
  std::vector<std::int64_t> kept;     // first element of each result
  std::vector<std::int64_t> reduced;  // the elements of one result, relative to the first
};

ReducedOffsets split(const Reduce& op, const Shape& shape) {
  std::vector<bool> is_reduced(shape.size(), false);
  for (const std::int64_t axis : op.axes) {
    is_reduced[static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(shape.size())
                                                 : axis)] = true;
  }
  Shape kept_sizes, kept_steps, reduced_sizes, reduced_steps;
  std::int64_t step = element_count(shape);
  for (std::size_t d = 0; d < shape.size(); ++d) {
    step /= std::max<std::int64_t>(shape[d], 1);
    (is_reduced[d] ? reduced_sizes : kept_sizes).push_back(shape[d]);
    (is_reduced[d] ? reduced_steps : kept_steps).push_back(step);
  }
  return {offsets(kept_sizes, kept_steps), offsets(reduced_sizes, reduced_steps)};
}

template <typename Sum>
Sum times(Sum a, Sum b) {
  if constexpr (std::is_floating_point_v<Sum>) return a * b;
  return static_cast<Sum>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));  // wraps
}

// Of any number type, in double.
template <typename T>
double reduce_reals(Reduce::Kind kind, const T* x, const std::vector<std::int64_t>& cells) {
  const auto at = [&](std::int64_t cell) { return static_cast<double>(x[cell]); };
  double sum = 0;
  if (kind == Reduce::Kind::LogSumExp) {
    double max = at(0);
    for (const std::int64_t cell : cells) max = std::max(max, at(cell));
    if (std::isinf(max)) return max;
    for (const std::int64_t cell : cells) sum += math::exp(at(cell) - max);
    return max + math::log(sum);
  }
  for (const std::int64_t cell : cells) {
    const double v = at(cell);
    if (kind == Reduce::Kind::L1) sum += std::abs(v);
    if (kind == Reduce::Kind::LogSum) sum += v;
    if (kind == Reduce::Kind::L2 || kind == Reduce::Kind::SumSquare) sum += v * v;
  }
  if (kind == Reduce::Kind::LogSum) return math::log(sum);
  return kind == Reduce::Kind::L2 ? std::sqrt(sum) : sum;
}

template <typename T>
T reduce_one(Reduce::Kind kind, const T* x, const std::vector<std::int64_t>& cells) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;
  T best = x[0];
  Sum sum = 0, product = 1;
  switch (kind) {
    case Reduce::Kind::Max:
      for (const std::int64_t cell : cells) best = x[cell] > best ? x[cell] : best;
      return best;
    case Reduce::Kind::Min:
      for (const std::int64_t cell : cells) best = x[cell] < best ? x[cell] : best;
      return best;
    case Reduce::Kind::Prod:
      for (const std::int64_t cell : cells) product = times(product, static_cast<Sum>(x[cell]));
      return static_cast<T>(product);
    case Reduce::Kind::Mean:
    case Reduce::Kind::Sum:
      for (const std::int64_t cell : cells) sum += static_cast<Sum>(x[cell]);
      if (kind == Reduce::Kind::Mean) sum /= static_cast<Sum>(cells.size());
      return static_cast<T>(sum);
    default:
      return static_cast<T>(reduce_reals(kind, x, cells));
  }
}

// Elements behind each index of `axis`.
std::int64_t elements_after(const Shape& shape, std::size_t axis) {
  std::int64_t count = 1;
  for (std::size_t i = axis + 1; i < shape.size(); ++i) count *= shape[i];
  return count;
}

// Softmax of `count` elements that are `step` apart.
void softmax_line(const float* x, float* y, std::int64_t count, std::int64_t step, bool log) {
  double max = static_cast<double>(x[0]);
  for (std::int64_t i = 1; i < count; ++i) max = std::max(max, static_cast<double>(x[i * step]));
  std::vector<double> terms(static_cast<std::size_t>(count));
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    double& term = terms[static_cast<std::size_t>(i)];
    term = math::exp(static_cast<double>(x[i * step]) - max);
    sum += term;
  }
  const double log_sum = math::log(sum);
  for (std::int64_t i = 0; i < count; ++i) {
    y[i * step] = static_cast<float>(log ? static_cast<double>(x[i * step]) - max - log_sum
                                         : terms[static_cast<std::size_t>(i)] / sum);
  }
}

// Mean, Sum: terms in row-major order, Mean divides the sum by their number. Any number type.
Tensor reduce(const Reduce& op, const Tensor& x, const Shape& out, const Context& context) {
  const ReducedOffsets cells = split(op, x.shape());
  Tensor y = Tensor::uninitialized(x.type(), out);
  for_number_type(x.type(), [&]<typename T>(std::type_identity<T>) {
    const T* from = x.values<T>().data();
    const std::span<T> to = y.mutable_values<T>();
    const auto size = static_cast<std::int64_t>(std::max<std::size_t>(cells.reduced.size(), 1));
    const std::int64_t per_task = std::max<std::int64_t>(1, kPiece / size);
    parallel_for(ceil_div(y.size(), per_task), context.threads, [&](std::int64_t task) {
      const std::int64_t last = std::min(y.size(), (task + 1) * per_task);
      for (auto i = static_cast<std::size_t>(task * per_task); i < static_cast<std::size_t>(last);
           ++i) {
        to[i] = reduce_one(op.kind, from + cells.kept[i], cells.reduced);
      }
    });
  });
  return y;
}

}  // namespace

template <>
Tensors result_of(const Reduce& op, Evaluation& at) {
  return one(reduce(op, at.x(), at.out(), at.context));
}

namespace {

// m = max, e = exp(x - m), s = sum of e in order: e / s, or (x - m) - log(s).
Tensor softmax(const Softmax& op, const Tensor& x, const Context& context) {
  const auto rank = static_cast<std::int64_t>(x.rank());
  const auto axis = static_cast<std::size_t>(op.axis < 0 ? op.axis + rank : op.axis);
  const std::int64_t count = x.dim(axis);
  const std::int64_t step = elements_after(x.shape(), axis);
  Tensor y = Tensor::uninitialized(ElementType::Float32, x.shape(), x.layout());
  if (x.size() == 0) return y;
  const float* from = x.values<float>().data();
  float* to = y.mutable_values<float>().data();
  const std::int64_t lines = x.size() / count;
  const std::int64_t per_task = std::max<std::int64_t>(1, kPiece / count);
  parallel_for(ceil_div(lines, per_task), context.threads, [&](std::int64_t task) {
    for (std::int64_t line = task * per_task; line < std::min(lines, (task + 1) * per_task);
         ++line) {
      const std::int64_t first = line / step * step * count + line % step;
      softmax_line(from + first, to + first, count, step, op.log);
    }
  });
  return y;
}

}  // namespace

template <>
Tensors result_of(const Softmax& op, Evaluation& at) {
  at.expect_floats();
  return one(softmax(op, at.x(), at.context));
}

namespace {

// x / pow(bias + alpha / size * s, beta), s = sum of squares over channels
// [c - (size-1)/2, c + size/2], ascending, those that exist.
Tensor lrn(const Lrn& op, const Tensor& x, const Context& context) {
  Tensor y = Tensor::uninitialized(ElementType::Float32, x.shape(), x.layout());
  const std::int64_t channels = x.dim(1);
  const std::int64_t step = elements_after(x.shape(), 1);
  const float* from = x.values<float>().data();
  float* to = y.mutable_values<float>().data();
  const double factor = static_cast<double>(op.alpha) / static_cast<double>(op.size);
  parallel_for(x.dim(0) * channels, context.threads, [&](std::int64_t plane) {
    const std::int64_t c = plane % channels;
    const std::int64_t first = std::max<std::int64_t>(0, c - (op.size - 1) / 2);
    const std::int64_t last = std::min(channels - 1, c + op.size / 2);
    std::vector<double> sums(static_cast<std::size_t>(step), 0);
    for (std::int64_t k = first; k <= last; ++k) {
      const float* row = from + (plane - c + k) * step;
      for (std::size_t i = 0; i < sums.size(); ++i) {
        sums[i] += static_cast<double>(row[i]) * static_cast<double>(row[i]);
      }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double base = static_cast<double>(op.bias) + factor * sums[i];
      const std::size_t at = static_cast<std::size_t>(plane * step) + i;
      to[at] = static_cast<float>(static_cast<double>(from[at]) /
                                  math::pow(base, static_cast<double>(op.beta)));
    }
  });
  return y;
}

}  // namespace

template <>
Tensors result_of(const Lrn& op, Evaluation& at) {
  at.expect_floats();
  return one(lrn(op, at.x(), at.context));
}

// (x - mean) / sqrt(variance + epsilon) * scale + bias, all in double: the mean of the map's
// elements in order, then that of their squared distances from it. Fast and exact are the same.
template <>
Tensors result_of(const InstanceNorm& op, Evaluation& at) {
  at.expect_floats();
  const Tensor& x = at.x();
  Tensor y = Tensor::uninitialized(ElementType::Float32, x.shape(), x.layout());
  if (x.size() == 0) return one(std::move(y));
  const std::int64_t channels = x.dim(1);
  const std::int64_t maps = x.dim(0) * channels, size = x.size() / maps;
  const float* scale = at.operands[1].values<float>().data();
  const float* bias = at.operands[2].values<float>().data();
  const float* from = x.values<float>().data();
  float* to = y.mutable_values<float>().data();
  parallel_for(maps, at.context.threads, [&](std::int64_t map) {
    const std::span<const float> values(from + map * size, static_cast<std::size_t>(size));
    double mean = 0, variance = 0;
    for (const float v : values) mean += static_cast<double>(v);
    mean /= static_cast<double>(size);
    for (const float v : values) {
      const double distance = static_cast<double>(v) - mean;
      variance += distance * distance;
    }
    variance /= static_cast<double>(size);
    const double deviation = std::sqrt(variance + static_cast<double>(op.epsilon));
    const auto a = static_cast<double>(scale[map % channels]);
    const auto b = static_cast<double>(bias[map % channels]);
    for (std::int64_t i = 0; i < size; ++i) {
      const double centred = static_cast<double>(from[map * size + i]) - mean;
      to[map * size + i] = static_cast<float>(centred / deviation * a + b);
    }
  });
  return one(std::move(y));
}

}  // namespace workbench::eval
