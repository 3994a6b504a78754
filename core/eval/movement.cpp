// Ops that move elements and compute nothing: any element type, by its bytes. Slice, Pad and Resize
// are one gather with a table of source indices per axis; Transpose, SpaceToDepth and DepthToSpace
// are one permutation.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/eval/kernels.h"
#include "core/eval/resize.h"

namespace workbench::eval {

namespace {

constexpr std::int64_t kFill = -1;  // a source index: no element, the fill value

using AxisMap = std::vector<std::int64_t>;  // result index -> source index or kFill

template <typename U>
U fill_bits(ElementType type, float fill) {
  U bits = 0;
  if (type == ElementType::Bool) return fill == 0 ? U{0} : U{1};
  for_number_type(type, [&]<typename T>(std::type_identity<T>) {
    const T value = static_cast<T>(fill);
    std::memcpy(&bits, &value, std::min(sizeof(bits), sizeof(value)));
  });
  return bits;
}

// Offset in the source of row `row` of the result (all axes but the last), or kFill.
std::int64_t row_offset(const std::vector<AxisMap>& maps, const Shape& from, std::int64_t row) {
  std::int64_t offset = 0;
  std::int64_t step = from.back();
  for (std::size_t d = maps.size() - 1; d-- > 0;) {
    const auto size = static_cast<std::int64_t>(maps[d].size());
    const std::int64_t source = maps[d][static_cast<std::size_t>(row % size)];
    if (source == kFill) return kFill;
    offset += source * step;
    step *= from[d];
    row /= size;
  }
  return offset;
}

// y[i0, i1, ...] = x[maps[0][i0], maps[1][i1], ...].
Tensor gather(const Tensor& x, const std::vector<AxisMap>& maps, float fill,
              const Context& context) {
  if (maps.empty()) return x;
  Shape shape;
  for (const AxisMap& map : maps) shape.push_back(static_cast<std::int64_t>(map.size()));
  Tensor y = Tensor::uninitialized(x.type(), shape, x.layout());
  const AxisMap& inner = maps.back();
  for_width(x.type(), [&]<typename U>(std::type_identity<U>) {
    const U* from = reinterpret_cast<const U*>(x.data());
    U* to = reinterpret_cast<U*>(y.mutable_data());
    const U nothing = fill_bits<U>(x.type(), fill);
    for_pieces(y.size(), context, [&](std::int64_t begin, std::int64_t end) {
      const auto width = static_cast<std::int64_t>(inner.size());
      while (begin < end) {
        const std::int64_t column = begin % width;
        const std::int64_t count = std::min(end - begin, width - column);
        const std::int64_t offset = row_offset(maps, x.shape(), begin / width);
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int64_t source = inner[static_cast<std::size_t>(column + i)];
          to[begin + i] = offset == kFill || source == kFill ? nothing : from[offset + source];
        }
        begin += count;
      }
    });
  });
  return y;
}

AxisMap identity_map(std::int64_t size) {
  AxisMap map(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < map.size(); ++i) map[i] = static_cast<std::int64_t>(i);
  return map;
}

// Dimension d of the result is dimension permutation[d] of `shape`, the shape x is read with.
Tensor permute(const Tensor& x, const Shape& shape, const std::vector<std::size_t>& permutation,
               const Context& context) {
  Shape steps(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) steps[d - 1] = steps[d] * shape[d];
  Shape out, out_steps;
  for (const std::size_t p : permutation) {
    out.push_back(shape[p]);
    out_steps.push_back(steps[p]);
  }
  Tensor y = Tensor::uninitialized(x.type(), out);
  if (out.empty()) return x;
  for_width(x.type(), [&]<typename U>(std::type_identity<U>) {
    const U* from = reinterpret_cast<const U*>(x.data());
    U* to = reinterpret_cast<U*>(y.mutable_data());
    for_pieces(y.size(), context, [&](std::int64_t begin, std::int64_t end) {
      while (begin < end) {
        const std::int64_t column = begin % out.back();
        const std::int64_t count = std::min(end - begin, out.back() - column);
        std::int64_t source = column * out_steps.back();
        std::int64_t rest = begin / out.back();
        for (std::size_t d = out.size() - 1; d-- > 0; rest /= out[d]) {
          source += rest % out[d] * out_steps[d];
        }
        for (std::int64_t i = 0; i < count; ++i) {
          to[begin + i] = from[source + i * out_steps.back()];
        }
        begin += count;
      }
    });
  });
  return y;
}

std::int64_t padded_source(Pad::Mode mode, std::int64_t i, std::int64_t size) {
  if (i >= 0 && i < size) return i;
  switch (mode) {
    case Pad::Mode::Constant:
      return kFill;
    case Pad::Mode::Edge:
      return std::clamp<std::int64_t>(i, 0, size - 1);
    case Pad::Mode::Reflect:
      return i < 0 ? -i : 2 * (size - 1) - i;
    case Pad::Mode::Wrap:
      return (i % size + size) % size;
  }
  CHECK(false, "pad mode {}", static_cast<int>(mode));
}

Tensor concat(std::span<const Tensor> parts, std::size_t axis, const Shape& out) {
  Tensor y = Tensor::uninitialized(parts[0].type(), out, parts[0].layout());
  std::int64_t inner = element_bytes(y.type());
  for (std::size_t i = axis + 1; i < out.size(); ++i) inner *= out[i];
  std::int64_t outer = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= out[i];
  std::byte* to = y.mutable_data();
  for (std::int64_t row = 0; row < outer; ++row) {
    for (const Tensor& part : parts) {
      const std::int64_t size = part.dim(axis) * inner;
      std::copy_n(part.data() + row * size, size, to);
      to += size;
    }
  }
  return y;
}

}  // namespace

template <>
Tensors result_of(const Concat& op, Evaluation& at) {
  for (std::size_t i = 1; i < at.operands.size(); ++i) at.expect_type(i, at.x().type());
  return one(concat(at.operands, at.axis(op.axis), at.out()));
}

namespace {

Tensor transpose(const Tensor& x, const std::vector<std::int64_t>& permutation,
                 const Context& context) {
  std::vector<std::size_t> order;
  for (const std::int64_t p : permutation) {
    order.push_back(static_cast<std::size_t>(p < 0 ? p + static_cast<std::int64_t>(x.rank()) : p));
  }
  return permute(x, x.shape(), order, context);
}

}  // namespace

template <>
Tensors result_of(const Transpose& op, Evaluation& at) {
  return one(transpose(at.x(), op.permutation, at.context));
}

namespace {

Tensor pad(const Pad& op, const Tensor& x, const Shape& out, const Context& context) {
  std::vector<AxisMap> maps;
  for (std::size_t d = 0; d < out.size(); ++d) {
    AxisMap map;
    for (std::int64_t i = 0; i < out[d]; ++i) {
      map.push_back(padded_source(op.mode, i - op.begin[d], x.dim(d)));
    }
    maps.push_back(std::move(map));
  }
  return gather(x, maps, op.value, context);
}

}  // namespace

template <>
Tensors result_of(const Pad& op, Evaluation& at) {
  return one(pad(op, at.x(), at.out(), at.context));
}

namespace {

Tensor slice(const Slice& op, const Tensor& x, const Shape& out, const Context& context) {
  std::vector<AxisMap> maps;
  for (const std::int64_t size : x.shape()) maps.push_back(identity_map(size));
  for (std::size_t i = 0; i < op.axes.size(); ++i) {
    const auto rank = static_cast<std::int64_t>(x.rank());
    const auto axis = static_cast<std::size_t>(op.axes[i] < 0 ? op.axes[i] + rank : op.axes[i]);
    maps[axis].clear();
    for (std::int64_t k = 0; k < out[axis]; ++k) {
      maps[axis].push_back(op.starts[i] + k * op.steps[i]);
    }
  }
  return gather(x, maps, 0, context);
}

}  // namespace

template <>
Tensors result_of(const Slice& op, Evaluation& at) {
  return one(slice(op, at.x(), at.out(), at.context));
}

namespace {

Tensor space_to_depth(const SpaceToDepth& op, const Tensor& x, const Context& context) {
  const std::int64_t b = op.block;
  const Shape blocks{x.dim(0), x.dim(1), x.dim(2) / b, b, x.dim(3) / b, b};
  const Shape out{x.dim(0), x.dim(1) * b * b, x.dim(2) / b, x.dim(3) / b};
  return permute(x, blocks, {0, 3, 5, 1, 2, 4}, context).reshaped(out, Layout::Nchw);
}

}  // namespace

template <>
Tensors result_of(const SpaceToDepth& op, Evaluation& at) {
  return one(space_to_depth(op, at.x(), at.context));
}

namespace {

Tensor depth_to_space(const DepthToSpace& op, const Tensor& x, const Context& context) {
  const std::int64_t b = op.block;
  const std::int64_t depth = x.dim(1) / (b * b);
  const Shape out{x.dim(0), depth, x.dim(2) * b, x.dim(3) * b};
  if (op.column_row_depth) {
    const Shape blocks{x.dim(0), depth, b, b, x.dim(2), x.dim(3)};
    return permute(x, blocks, {0, 1, 4, 2, 5, 3}, context).reshaped(out, Layout::Nchw);
  }
  const Shape blocks{x.dim(0), b, b, depth, x.dim(2), x.dim(3)};
  return permute(x, blocks, {0, 3, 4, 1, 5, 2}, context).reshaped(out, Layout::Nchw);
}

}  // namespace

template <>
Tensors result_of(const DepthToSpace& op, Evaluation& at) {
  return one(depth_to_space(op, at.x(), at.context));
}

// ONNX Resize-19.
double source_position(const Resize& op, std::size_t d, std::int64_t i, std::int64_t in) {
  const auto size = static_cast<double>(in);
  const auto out = static_cast<double>(op.sizes[d]);
  const auto x = static_cast<double>(i);
  const double scale =
      op.scales.empty() ? out / size : static_cast<double>(op.scales[d]);  // as ONNX divides
  const auto unscale = [&](double v) { return v / scale; };
  switch (op.coordinates) {
    case Resize::Coordinates::HalfPixel:
      return unscale(x + 0.5) - 0.5;
    case Resize::Coordinates::Asymmetric:
      return unscale(x);
    case Resize::Coordinates::AlignCorners:
      return op.sizes[d] == 1 ? 0 : x * (size - 1) / (out - 1);
    case Resize::Coordinates::PytorchHalfPixel:
      return op.sizes[d] == 1 ? 0 : unscale(x + 0.5) - 0.5;
    case Resize::Coordinates::TfHalfPixelForNn:
      return unscale(x + 0.5);
    case Resize::Coordinates::HalfPixelSymmetric: {
      const double adjustment = out / (scale * size);
      return size / 2 * (1 - adjustment) + unscale(x + 0.5) - 0.5;
    }
    case Resize::Coordinates::TfCropAndResize: {
      const auto start = static_cast<double>(op.roi[d]);
      const auto end = static_cast<double>(op.roi[d + op.sizes.size()]);
      if (op.sizes[d] == 1) return 0.5 * (start + end) * (size - 1);
      return start * (size - 1) + x * (end - start) * (size - 1) / (out - 1);
    }
  }
  CHECK(false, "coordinates {}", static_cast<int>(op.coordinates));
}

namespace {

double nearest(Resize::Nearest mode, double position) {
  switch (mode) {
    case Resize::Nearest::RoundPreferFloor:
      return std::ceil(position - 0.5);
    case Resize::Nearest::RoundPreferCeil:
      return std::floor(position + 0.5);
    case Resize::Nearest::Floor:
      return std::floor(position);
    case Resize::Nearest::Ceil:
      return std::ceil(position);
  }
  CHECK(false, "nearest {}", static_cast<int>(mode));
}

Tensor resize(const Resize& op, const Tensor& x, const Context& context) {
  std::vector<AxisMap> maps;
  for (std::size_t d = 0; d < x.rank(); ++d) {
    const auto last = static_cast<double>(x.dim(d) - 1);
    AxisMap map;
    for (std::int64_t i = 0; i < op.sizes[d]; ++i) {
      const double position = source_position(op, d, i, x.dim(d));
      const bool outside = op.coordinates == Resize::Coordinates::TfCropAndResize &&
                           (position < 0 || position > last);
      const double index = std::clamp(nearest(op.nearest, position), 0.0, last);
      map.push_back(outside ? kFill : static_cast<std::int64_t>(index));
    }
    maps.push_back(std::move(map));
  }
  return gather(x, maps, op.extrapolation_value, context);
}

}  // namespace

template <>
Tensors result_of(const Resize& op, Evaluation& at) {
  return one(resize(op, at.x(), at.context));
}

template <>
Tensors result_of(const Reshape& op, Evaluation& at) {
  const bool image = op.shape.size() == 4;
  return one(at.x().reshaped(op.shape, image ? Layout::Nchw : Layout::RowMajor));
}

template <>
Tensors result_of(const Identity&, Evaluation& at) {
  const ElementType type = at.graph.value(at.node.outputs[0]).type;
  if (at.node.affine) return one(rescaled(at.node, std::move(at.operands[0]), type));
  return one(as_type(std::move(at.operands[0]), type));
}

}  // namespace workbench::eval
