// Elements that operands choose: Where, gathers, scatters; and the order of elements along an axis.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "sim/golden/numbers.h"
#include "sim/golden/operation.h"
#include "sim/golden/windows.h"

namespace workbench::golden {

namespace {

void copy_element(const Tensor& from, std::int64_t i, Tensor& to, std::int64_t k) {
  const std::int64_t bytes = element_bytes(from.type());
  std::memcpy(to.mutable_data() + k * bytes, from.data() + i * bytes,
              static_cast<std::size_t>(bytes));
}

// Element `i` of the operand `indices` as an index into a dimension of `size`.
std::int64_t index_at(const Operation& at, std::int64_t i, std::int64_t size) {
  const std::int64_t index = whole_at(at.operand(1), static_cast<std::size_t>(i));
  if (index < -size || index >= size) {
    fail("node '{}': expected indices in [{}, {}), found {}", at.node.name, -size, size, index);
  }
  return index < 0 ? index + size : index;
}

double updated(ScatterReduction reduction, double old, double update) {
  switch (reduction) {
    case ScatterReduction::None:
      return update;
    case ScatterReduction::Add:
      return old + update;
    case ScatterReduction::Mul:
      return old * update;
    case ScatterReduction::Max:
      return std::max(old, update);
    case ScatterReduction::Min:
      return std::min(old, update);
  }
  CHECK(false, "reduction {}", static_cast<int>(reduction));
}

// Update `i` at element `place`; in float32, as many updates may meet there.
void update(Tensor& result, std::int64_t place, const Tensor& updates, std::int64_t i,
            ScatterReduction reduction) {
  if (reduction == ScatterReduction::None) {
    copy_element(updates, i, result, place);
    return;
  }
  const auto to = static_cast<std::size_t>(place), from = static_cast<std::size_t>(i);
  put_real(result, to, updated(reduction, real_at(result, to), real_at(updates, from)));
}

// The position that `to`, one of the index tensor, names along `axis`.
Position with_index(const Operation& at, Position to, std::size_t axis) {
  const std::int64_t i = offset_of(at.operand(1).shape(), to);
  to[axis] = index_at(at, i, at.operand(0).dim(axis));
  return to;
}

// The position that a row of the index tensor names behind `batch`.
Position pointed(const Operation& at, const Position& batch, std::int64_t row) {
  Position position = batch;
  const std::int64_t depth = at.operand(1).shape().back();
  for (std::int64_t k = 0; k < depth; ++k) {
    position.push_back(index_at(at, row * depth + k, at.operand(0).dim(position.size())));
  }
  return position;
}

}  // namespace

template <>
Tensor result_of(const Where&, const Operation& at) {
  const Shape& out = at.output_shape();
  const auto condition = at.operand(0).values<bool>();
  const auto c = broadcast_offsets(at.operand(0).shape(), out);
  const std::vector<std::int64_t> sources[] = {broadcast_offsets(at.operand(1).shape(), out),
                                               broadcast_offsets(at.operand(2).shape(), out)};
  Tensor result = Tensor::uninitialized(at.operand(1).type(), out);
  for (std::size_t i = 0; i < c.size(); ++i) {
    const std::size_t which = condition[static_cast<std::size_t>(c[i])] ? 0 : 1;
    copy_element(at.operand(which + 1), sources[which][i], result, static_cast<std::int64_t>(i));
  }
  return result;
}

template <>
Tensor result_of(const Gather& op, const Operation& at) {
  const Shape& in = at.operand(0).shape();
  const std::size_t axis = axis_index(op.axis, in.size());
  const auto index_rank = static_cast<std::ptrdiff_t>(at.operand(1).rank());
  Tensor result = Tensor::uninitialized(at.operand(0).type(), at.output_shape());
  Position to(result.rank(), 0);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    const auto chosen = to.begin() + static_cast<std::ptrdiff_t>(axis);
    Position from(to.begin(), chosen);
    const Position in_indices(chosen, chosen + index_rank);
    from.push_back(index_at(at, offset_of(at.operand(1).shape(), in_indices), in[axis]));
    from.insert(from.end(), chosen + index_rank, to.end());
    copy_element(at.operand(0), offset_of(in, from), result, i);
    advance(result.shape(), to);
  }
  return result;
}

template <>
Tensor result_of(const GatherElements& op, const Operation& at) {
  const Shape& in = at.operand(0).shape();
  Tensor result = Tensor::uninitialized(at.operand(0).type(), at.output_shape());
  Position to(result.rank(), 0);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    const Position from = with_index(at, to, axis_index(op.axis, in.size()));
    copy_element(at.operand(0), offset_of(in, from), result, i);
    advance(result.shape(), to);
  }
  return result;
}

template <>
Tensor result_of(const GatherNd& op, const Operation& at) {
  const Shape& in = at.operand(0).shape();
  const Shape& indices = at.operand(1).shape();
  const Shape rows(indices.begin(), indices.end() - 1);
  Tensor result = Tensor::uninitialized(at.operand(0).type(), at.output_shape());
  Position to(result.rank(), 0);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    const auto row_end = to.begin() + static_cast<std::ptrdiff_t>(rows.size());
    const Position row(to.begin(), row_end);
    const Position batch(row.begin(), row.begin() + op.batch_dims);
    Position from = pointed(at, batch, offset_of(rows, row));
    from.insert(from.end(), row_end, to.end());
    copy_element(at.operand(0), offset_of(in, from), result, i);
    advance(result.shape(), to);
  }
  return result;
}

template <>
Tensor result_of(const ScatterElements& op, const Operation& at) {
  const Tensor& updates = at.operand(2);
  Tensor result = at.operand(0);
  Position position(result.rank(), 0);
  for (std::int64_t i = 0; i < updates.size(); ++i) {
    const Position to = with_index(at, position, axis_index(op.axis, result.rank()));
    update(result, offset_of(result.shape(), to), updates, i, op.reduction);
    advance(updates.shape(), position);
  }
  return result;
}

template <>
Tensor result_of(const ScatterNd& op, const Operation& at) {
  const Tensor& updates = at.operand(2);
  const Shape& indices = at.operand(1).shape();
  const Shape rows(indices.begin(), indices.end() - 1);
  Tensor result = at.operand(0);
  Position position(updates.rank(), 0);
  for (std::int64_t i = 0; i < updates.size(); ++i) {
    const auto row_end = position.begin() + static_cast<std::ptrdiff_t>(rows.size());
    Position to = pointed(at, {}, offset_of(rows, Position(position.begin(), row_end)));
    to.insert(to.end(), row_end, position.end());
    update(result, offset_of(result.shape(), to), updates, i, op.reduction);
    advance(updates.shape(), position);
  }
  return result;
}

namespace {

// Offsets of the elements along `axis` through the element at `position`, whose index there is 0.
std::vector<std::int64_t> line_through(const Shape& shape, Position position, std::size_t axis) {
  std::vector<std::int64_t> line;
  for (position[axis] = 0; position[axis] < shape[axis]; ++position[axis]) {
    line.push_back(offset_of(shape, position));
  }
  return line;
}

// Calls use(position) for each position of `shape` whose index along `axis` is 0.
template <typename Use>
void for_each_line(Shape shape, std::size_t axis, Use use) {
  shape[axis] = std::min<std::int64_t>(shape[axis], 1);
  Position position(shape.size(), 0);
  for (std::int64_t i = 0; i < element_count(shape); ++i) {
    use(position);
    golden::advance(shape, position);
  }
}

bool less(const Tensor& x, std::int64_t a, std::int64_t b) {
  const auto left = static_cast<std::size_t>(a), right = static_cast<std::size_t>(b);
  return is_whole(x.type()) ? whole_at(x, left) < whole_at(x, right)
                            : real_at(x, left) < real_at(x, right);
}

}  // namespace

template <>
Tensor result_of(const ArgReduce& op, const Operation& at) {
  const Tensor& x = at.operand(0);
  const std::size_t axis = axis_index(op.axis, x.rank());
  std::vector<std::int64_t> winners;
  for_each_line(x.shape(), axis, [&](const Position& position) {
    const std::vector<std::int64_t> line = line_through(x.shape(), position, axis);
    std::size_t winner = 0;
    for (std::size_t i = 1; i < line.size(); ++i) {
      const bool wins = op.least ? less(x, line[i], line[winner]) : less(x, line[winner], line[i]);
      const bool loses = op.least ? less(x, line[winner], line[i]) : less(x, line[i], line[winner]);
      const bool equal = real_at(x, static_cast<std::size_t>(line[i])) ==
                         real_at(x, static_cast<std::size_t>(line[winner]));
      if (wins || (op.last && equal && !loses)) winner = i;
    }
    winners.push_back(static_cast<std::int64_t>(winner));
  });
  return Tensor::from<std::int64_t>(at.output_shape(), winners);
}

std::vector<Tensor> top_k(const TopK& op, const Operation& at) {
  const Tensor& x = at.operand(0);
  const std::size_t axis = axis_index(op.axis, x.rank());
  Tensor best = Tensor::uninitialized(x.type(), at.output_shape());
  Tensor where = Tensor::zeros(ElementType::Int64, at.output_shape());
  for_each_line(x.shape(), axis, [&](const Position& position) {
    const std::vector<std::int64_t> line = line_through(x.shape(), position, axis);
    std::vector<std::int64_t> order(line.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
    std::ranges::stable_sort(order, [&](std::int64_t a, std::int64_t b) {
      const std::int64_t left = line[static_cast<std::size_t>(a)];
      const std::int64_t right = line[static_cast<std::size_t>(b)];
      return op.least ? less(x, left, right) : less(x, right, left);
    });
    Position to = position;
    for (to[axis] = 0; to[axis] < op.count; ++to[axis]) {
      const std::int64_t index = order[static_cast<std::size_t>(to[axis])];
      const std::int64_t place = offset_of(best.shape(), to);
      copy_element(x, line[static_cast<std::size_t>(index)], best, place);
      put_whole(where, static_cast<std::size_t>(place), index);
    }
  });
  return {best, where};
}

// Sums of reals in double.
template <>
Tensor result_of(const CumSum& op, const Operation& at) {
  const Tensor& x = at.operand(0);
  const std::size_t axis = axis_index(op.axis, x.rank());
  Tensor result = Tensor::uninitialized(x.type(), x.shape());
  for_each_line(x.shape(), axis, [&](const Position& position) {
    std::vector<std::int64_t> line = line_through(x.shape(), position, axis);
    if (op.reverse) std::ranges::reverse(line);
    double sum = 0;
    std::uint64_t whole_sum = 0;
    for (const std::int64_t cell : line) {
      const auto i = static_cast<std::size_t>(cell);
      const double before = sum;
      const std::uint64_t whole_before = whole_sum;
      if (is_whole(x.type())) {
        whole_sum += static_cast<std::uint64_t>(whole_at(x, i));
        put_whole(result, i, static_cast<std::int64_t>(op.exclusive ? whole_before : whole_sum));
      } else {
        sum += real_at(x, i);
        put_real(result, i, op.exclusive ? before : sum);
      }
    }
  });
  return result;
}

}  // namespace workbench::golden
