// Functions of many elements along some axes: reductions, softmax, local response normalisation.

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/eval/kernels.h"
#include "core/eval/types.h"
#include "core/parallel.h"
#include "core/units.h"

namespace workbench::eval {

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

template <typename T>
T reduce_one(Reduce::Kind kind, const T* x, const std::vector<std::int64_t>& cells) {
  if (kind == Reduce::Kind::Max) {
    T best = x[0];
    for (const std::int64_t cell : cells) best = x[cell] > best ? x[cell] : best;
    return best;
  }
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::int64_t>;
  Sum sum = 0;
  for (const std::int64_t cell : cells) sum += static_cast<Sum>(x[cell]);
  if (kind == Reduce::Kind::Mean) sum /= static_cast<Sum>(cells.size());
  return static_cast<T>(sum);
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
    term = std::exp(static_cast<double>(x[i * step]) - max);
    sum += term;
  }
  const double log_sum = std::log(sum);
  for (std::int64_t i = 0; i < count; ++i) {
    y[i * step] = static_cast<float>(log ? static_cast<double>(x[i * step]) - max - log_sum
                                         : terms[static_cast<std::size_t>(i)] / sum);
  }
}

}  // namespace

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
                                  std::pow(base, static_cast<double>(op.beta)));
    }
  });
  return y;
}

}  // namespace workbench::eval
