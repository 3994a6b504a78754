// Functions of the order of elements along an axis: the index of the greatest, the greatest few,
// running sums. Any number type.
#include <algorithm>
#include <numeric>
#include <vector>

#include "core/eval/kernels.h"

namespace workbench::eval {

namespace {

// The lines of `shape` along an axis: `size` elements that are `step` apart.
struct Lines {
  Lines(const Shape& shape, std::size_t axis) : size(shape[axis]) {
    for (std::size_t d = axis + 1; d < shape.size(); ++d) step *= shape[d];
    count = size == 0 ? 0 : element_count(shape) / size;
  }
  // First element of a line in a tensor with `along` elements on the axis.
  std::int64_t begin(std::int64_t line, std::int64_t along) const {
    return line / step * step * along + line % step;
  }
  std::int64_t size = 0, step = 1, count = 0;
};

}  // namespace

template <>
Tensors result_of(const ArgReduce& op, Evaluation& at) {
  const Lines lines(at.x().shape(), at.axis(op.axis));
  Tensor y = Tensor::uninitialized(ElementType::Int64, at.out());
  const auto to = y.mutable_values<std::int64_t>();
  for_number_type(at.x().type(), [&]<typename T>(std::type_identity<T>) {
    const T* x = at.x().values<T>().data();
    for (std::int64_t line = 0; line < lines.count; ++line) {
      const T* from = x + lines.begin(line, lines.size);
      std::int64_t best = 0;
      for (std::int64_t i = 1; i < lines.size; ++i) {
        const T candidate = from[i * lines.step], holder = from[best * lines.step];
        const bool better = op.least ? candidate < holder : candidate > holder;
        if (better || (op.last && candidate == holder)) best = i;
      }
      to[static_cast<std::size_t>(line)] = best;
    }
  });
  return one(std::move(y));
}

template <>
Tensors result_of(const TopK& op, Evaluation& at) {
  const Lines lines(at.x().shape(), at.axis(op.axis));
  Tensor y = Tensor::uninitialized(at.x().type(), at.out());
  Tensor where = Tensor::uninitialized(ElementType::Int64, at.out());
  std::int64_t* indices = where.mutable_values<std::int64_t>().data();
  for_number_type(at.x().type(), [&]<typename T>(std::type_identity<T>) {
    const T* x = at.x().values<T>().data();
    T* to = y.mutable_values<T>().data();
    std::vector<std::int64_t> order(static_cast<std::size_t>(lines.size));
    for (std::int64_t line = 0; line < lines.count; ++line) {
      const T* from = x + lines.begin(line, lines.size);
      const auto before = [&](std::int64_t a, std::int64_t b) {
        const T left = from[a * lines.step], right = from[b * lines.step];
        if (left == right) return a < b;
        return op.least ? left < right : left > right;
      };
      std::iota(order.begin(), order.end(), std::int64_t{0});
      std::partial_sort(order.begin(), order.begin() + op.count, order.end(), before);
      const std::int64_t first = lines.begin(line, op.count);
      for (std::int64_t k = 0; k < op.count; ++k) {
        const std::int64_t index = order[static_cast<std::size_t>(k)];
        to[first + k * lines.step] = from[index * lines.step];
        indices[first + k * lines.step] = index;
      }
    }
  });
  Tensors results = one(std::move(y));
  results.push_back(std::move(where));
  return results;
}

// Sums of reals in double, in the order of summation.
template <>
Tensors result_of(const CumSum& op, Evaluation& at) {
  const Lines lines(at.x().shape(), at.axis(op.axis));
  Tensor y = Tensor::uninitialized(at.x().type(), at.out());
  for_number_type(at.x().type(), [&]<typename T>(std::type_identity<T>) {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
    const T* x = at.x().values<T>().data();
    T* to = y.mutable_values<T>().data();
    for (std::int64_t line = 0; line < lines.count; ++line) {
      const std::int64_t first = lines.begin(line, lines.size);
      Sum sum = 0;
      for (std::int64_t k = 0; k < lines.size; ++k) {
        const std::int64_t cell = first + (op.reverse ? lines.size - 1 - k : k) * lines.step;
        const auto own = static_cast<Sum>(x[cell]);
        to[cell] = static_cast<T>(op.exclusive ? sum : sum + own);
        sum += own;
      }
    }
  });
  return one(std::move(y));
}

}  // namespace workbench::eval
