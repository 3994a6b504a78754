// Elements chosen by operands: Where, Tile, and the gathers and scatters of ONNX. Any element type,
// by its bytes; only a scatter with a reduction computes.
#include <algorithm>
#include <vector>

#include "core/eval/kernels.h"

namespace workbench::eval {

namespace {

using Integers = std::vector<std::int64_t>;

// Elements from one index of each dimension to the next.
Integers steps_of(const Shape& shape) {
  Integers steps(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) steps[d - 1] = steps[d] * shape[d];
  return steps;
}

// Steps along the dimensions of `out` in an operand that broadcasts to it.
Integers broadcast_steps(const Shape& from, const Shape& out) {
  const Integers own = steps_of(from);
  Integers steps(out.size(), 0);
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t at = out.size() - from.size() + i;
    if (from[i] != 1) steps[at] = own[i];
  }
  return steps;
}

// Offset of element `flat` of `shape` under other steps.
std::int64_t offset(std::int64_t flat, const Shape& shape, const Integers& steps) {
  std::int64_t result = 0;
  for (std::size_t d = shape.size(); d-- > 0; flat /= shape[d]) {
    result += flat % shape[d] * steps[d];
  }
  return result;
}

// Operand 1 as indices into a dimension of `size`, from the front.
Integers indices_into(const Evaluation& at, const std::function<std::int64_t(std::size_t)>& size) {
  const Tensor& tensor = at.operands[1];
  Integers indices;
  if (tensor.type() == ElementType::Int32) {
    const auto values = tensor.values<std::int32_t>();
    indices.assign(values.begin(), values.end());
  } else {
    at.expect_type(1, ElementType::Int64);
    const auto values = tensor.values<std::int64_t>();
    indices.assign(values.begin(), values.end());
  }
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const std::int64_t limit = size(i);
    if (indices[i] < -limit || indices[i] >= limit) {
      fail("node '{}' ({}): operand 1 (indices): expected values in [{}, {}), found {}",
           at.node.name, op_name(at.node.op), -limit, limit, indices[i]);
    }
    if (indices[i] < 0) indices[i] += limit;
  }
  return indices;
}

Integers indices_along(const Evaluation& at, std::size_t axis) {
  const std::int64_t size = at.x().dim(axis);
  return indices_into(at, [&](std::size_t) { return size; });
}

// y[i] = x[source(i)].
template <typename Source>
Tensor picked(const Tensor& x, const Shape& out, const Context& context, Source source) {
  Tensor y = Tensor::uninitialized(x.type(), out);
  for_width(x.type(), [&]<typename U>(std::type_identity<U>) {
    const U* from = reinterpret_cast<const U*>(x.data());
    U* to = reinterpret_cast<U*>(y.mutable_data());
    for_pieces(y.size(), context, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) to[i] = from[source(i)];
    });
  });
  return y;
}

}  // namespace

template <>
Tensors result_of(const Where&, Evaluation& at) {
  at.expect_type(0, ElementType::Bool);
  at.expect_type(2, at.operands[1].type());
  const Shape& out = at.out();
  const Integers c = broadcast_steps(at.x().shape(), out);
  const Integers a = broadcast_steps(at.operands[1].shape(), out);
  const Integers b = broadcast_steps(at.operands[2].shape(), out);
  Tensor y = Tensor::uninitialized(at.operands[1].type(), out);
  const bool* condition = at.x().values<bool>().data();
  for_width(y.type(), [&]<typename U>(std::type_identity<U>) {
    const U* yes = reinterpret_cast<const U*>(at.operands[1].data());
    const U* no = reinterpret_cast<const U*>(at.operands[2].data());
    U* to = reinterpret_cast<U*>(y.mutable_data());
    for_pieces(y.size(), at.context, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        to[i] = condition[offset(i, out, c)] ? yes[offset(i, out, a)] : no[offset(i, out, b)];
      }
    });
  });
  return one(std::move(y));
}

template <>
Tensors result_of(const Repeat& op, Evaluation& at) {
  const Shape& x = at.x().shape();
  const Integers own = steps_of(x);
  const std::size_t missing = op.shape.size() - x.size();
  return one(picked(at.x(), op.shape, at.context, [&](std::int64_t flat) {
    std::int64_t from = 0;
    for (std::size_t d = op.shape.size(); d-- > missing; flat /= op.shape[d]) {
      from += flat % op.shape[d] % x[d - missing] * own[d - missing];
    }
    return from;
  }));
}

template <>
Tensors result_of(const Gather& op, Evaluation& at) {
  const std::size_t axis = at.axis(op.axis);
  const Integers indices = indices_along(at, axis);
  const std::int64_t size = at.x().dim(axis), inner = steps_of(at.x().shape())[axis];
  const auto count = static_cast<std::int64_t>(indices.size());
  return one(picked(at.x(), at.out(), at.context, [&](std::int64_t i) {
    const std::int64_t block = i / inner;
    const std::int64_t index = indices[static_cast<std::size_t>(block % count)];
    return (block / count * size + index) * inner + i % inner;
  }));
}

namespace {

// Offset in x of element `flat` of `indices`, its place along `axis` replaced by the index.
std::int64_t element_offset(std::int64_t flat, std::int64_t index, const Shape& indices,
                            const Integers& steps, std::size_t axis) {
  std::int64_t result = 0;
  for (std::size_t d = indices.size(); d-- > 0; flat /= indices[d]) {
    result += (d == axis ? index : flat % indices[d]) * steps[d];
  }
  return result;
}

}  // namespace

template <>
Tensors result_of(const GatherElements& op, Evaluation& at) {
  const std::size_t axis = at.axis(op.axis);
  const Integers indices = indices_along(at, axis), steps = steps_of(at.x().shape());
  const Shape& shape = at.operands[1].shape();
  return one(picked(at.x(), at.out(), at.context, [&](std::int64_t i) {
    return element_offset(i, indices[static_cast<std::size_t>(i)], shape, steps, axis);
  }));
}

namespace {

// Where the rows of an index tensor point: offset of the first element of each slice of x, and the
// elements of a slice.
struct Slices {
  Integers begin;
  std::int64_t size = 1;
};

Slices pointed(const Evaluation& at, std::int64_t batch_dims) {
  const Shape& x = at.x().shape();
  const Shape& shape = at.operands[1].shape();
  const auto depth = static_cast<std::size_t>(shape.back());
  const auto batches = static_cast<std::size_t>(batch_dims);
  const Integers steps = steps_of(x);
  const Integers indices = indices_into(at, [&](std::size_t i) { return x[batches + i % depth]; });
  Slices slices;
  for (std::size_t d = batches + depth; d < x.size(); ++d) slices.size *= x[d];
  std::int64_t rows_per_batch = 1, batch_size = 1;
  for (std::size_t d = batches; d + 1 < shape.size(); ++d) rows_per_batch *= shape[d];
  for (std::size_t d = batches; d < x.size(); ++d) batch_size *= x[d];
  for (std::size_t row = 0; row * depth < indices.size(); ++row) {
    std::int64_t from = static_cast<std::int64_t>(row) / rows_per_batch * batch_size;
    for (std::size_t k = 0; k < depth; ++k) from += indices[row * depth + k] * steps[batches + k];
    slices.begin.push_back(from);
  }
  return slices;
}

template <typename T>
T reduced(ScatterReduction reduction, T old, T update) {
  switch (reduction) {
    case ScatterReduction::None:
      return update;
    case ScatterReduction::Add:
      return static_cast<T>(old + update);
    case ScatterReduction::Mul:
      return static_cast<T>(old * update);
    case ScatterReduction::Max:
      return update > old ? update : old;
    case ScatterReduction::Min:
      return update < old ? update : old;
  }
  CHECK(false, "reduction {}", static_cast<int>(reduction));
}

// x with update i at place(i), one after the other.
template <typename Place>
Tensor scattered(Evaluation& at, ScatterReduction reduction, Place place) {
  at.expect_type(2, at.x().type());
  Tensor y = std::move(at.operands[0]);
  const Tensor& updates = at.operands[2];
  const auto write = [&]<typename T>(std::type_identity<T>) {
    T* to = reinterpret_cast<T*>(y.mutable_data());
    const T* from = reinterpret_cast<const T*>(updates.data());
    for (std::int64_t i = 0; i < updates.size(); ++i) {
      T& cell = to[place(i)];
      cell = reduced(reduction, cell, from[i]);
    }
  };
  if (reduction == ScatterReduction::None) {
    for_width(y.type(), write);
  } else {
    for_number_type(y.type(), write);
  }
  return y;
}

}  // namespace

template <>
Tensors result_of(const GatherNd& op, Evaluation& at) {
  const Slices slices = pointed(at, op.batch_dims);
  return one(picked(at.x(), at.out(), at.context, [&](std::int64_t i) {
    return slices.begin[static_cast<std::size_t>(i / slices.size)] + i % slices.size;
  }));
}

template <>
Tensors result_of(const ScatterElements& op, Evaluation& at) {
  const std::size_t axis = at.axis(op.axis);
  const Integers indices = indices_along(at, axis), steps = steps_of(at.x().shape());
  const Shape shape = at.operands[1].shape();
  return one(scattered(at, op.reduction, [&](std::int64_t i) {
    return element_offset(i, indices[static_cast<std::size_t>(i)], shape, steps, axis);
  }));
}

template <>
Tensors result_of(const ScatterNd& op, Evaluation& at) {
  const Slices slices = pointed(at, 0);
  return one(scattered(at, op.reduction, [&](std::int64_t i) {
    return slices.begin[static_cast<std::size_t>(i / slices.size)] + i % slices.size;
  }));
}

}  // namespace workbench::eval
