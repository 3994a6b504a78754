#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "sim/golden/numbers.h"
#include "sim/golden/operation.h"
#include "sim/golden/windows.h"

namespace workbench::golden {

namespace {

// Offset in a plane of `shape` stored column by column, of the cell at the row-major `offset`.
std::int64_t column_major(const Shape& shape, std::int64_t offset) {
  const Position position = position_of(shape, offset);
  std::int64_t result = 0;
  for (std::size_t d = shape.size(); d-- > 0;) result = result * shape[d] + position[d];
  return result;
}

template <typename T>
std::vector<Tensor> pool(const MaxPool& op, const Operation& at) {
  const Shape& in = at.operand(0).shape();
  const Shape& out = at.output_shape();
  const Shape in_plane(in.begin() + 2, in.end()), out_plane(out.begin() + 2, out.end());
  const std::int64_t in_size = element_count(in_plane), out_size = element_count(out_plane);
  const auto x = at.operand(0).values<T>();
  Tensor result = Tensor::uninitialized(element_type_of<T>(), out, Layout::Nchw);
  const bool named = at.node.outputs.size() > 1;
  Tensor indices = named ? Tensor::zeros(ElementType::Int64, out) : Tensor();
  const auto y = result.mutable_values<T>();
  const auto where = named ? indices.mutable_values<std::int64_t>() : std::span<std::int64_t>();
  for (std::int64_t output = 0; output < out_size; ++output) {
    std::vector<std::int64_t> cells =
        cells_under_window(op.window, in_plane, position_of(out_plane, output));
    std::erase(cells, kPadding);
    for (std::int64_t map = 0; map < out[0] * out[1]; ++map) {
      const T* plane = x.data() + map * in_size;
      std::int64_t winner = cells.empty() ? 0 : cells[0];
      for (const std::int64_t cell : cells) {
        if (plane[cell] > plane[winner]) winner = cell;
      }
      const auto to = static_cast<std::size_t>(map * out_size + output);
      y[to] = cells.empty() ? std::numeric_limits<T>::lowest() : plane[winner];
      if (!named) continue;
      where[to] = map * in_size + (op.storage_order == 1 ? column_major(in_plane, winner) : winner);
    }
  }
  if (!named) return {result};
  return {result, indices};
}

}  // namespace

std::vector<Tensor> max_pool(const MaxPool& op, const Operation& at) {
  switch (at.operand(0).type()) {
    case ElementType::Int8:
      return pool<std::int8_t>(op, at);
    case ElementType::Uint8:
      return pool<std::uint8_t>(op, at);
    case ElementType::Int16:
      return pool<std::int16_t>(op, at);
    case ElementType::Int32:
      return pool<std::int32_t>(op, at);
    case ElementType::Int64:  // ReduceMax of indices
      return pool<std::int64_t>(op, at);
    case ElementType::Uint16:
      return pool<std::uint16_t>(op, at);
    case ElementType::Uint32:
      return pool<std::uint32_t>(op, at);
    case ElementType::Uint64:
      return pool<std::uint64_t>(op, at);
    case ElementType::Float32:
      return pool<float>(op, at);
    case ElementType::Float64:
      return pool<double>(op, at);
    case ElementType::Bool:
      break;
  }
  CHECK(false, "node '{}' pools elements of type {}", at.node.name,
        to_string(at.operand(0).type()));
}

namespace {

// y[position] = x[source(position)]; source changes the position it is given into x's.
template <typename Source>
Tensor gather(const Operation& at, Source source) {
  const Tensor& x = at.operand(0);
  const auto bytes = static_cast<std::size_t>(element_bytes(x.type()));
  Tensor result = Tensor::uninitialized(x.type(), at.output_shape(), x.layout());
  std::byte* to = result.mutable_data();
  Position position(result.rank(), 0);
  for (std::int64_t i = 0; i < result.size(); ++i, to += bytes) {
    const std::int64_t from = offset_of(x.shape(), source(position));
    std::memcpy(to, x.data() + static_cast<std::size_t>(from) * bytes, bytes);
    advance(result.shape(), position);
  }
  return result;
}

// One element of the output's type that stands for the real `value`.
std::vector<std::byte> element(float value, const Operation& at) {
  const ElementType type = at.operand(0).type();
  std::vector<std::byte> bytes(static_cast<std::size_t>(element_bytes(type)), std::byte{0});
  if (value == 0) return bytes;  // all bits 0 in every type, and code 0 is the real 0
  if (type == ElementType::Float32) {
    std::memcpy(bytes.data(), &value, sizeof value);
  } else {
    CHECK(is_code(type) && at.output().quantization, "node '{}': fills {} with {}", at.node.name,
          to_string(type), value);
    const std::int16_t code = quantize(value, *at.output().quantization);
    const auto narrow = static_cast<std::int8_t>(code);
    if (type == ElementType::Int8) {
      std::memcpy(bytes.data(), &narrow, sizeof narrow);
    } else {
      std::memcpy(bytes.data(), &code, sizeof code);
    }
  }
  return bytes;
}

constexpr std::int64_t kOutside = -1;

// A source index, or kOutside, per dimension and output index. y = x at the indices, `fill` where
// one of them is outside.
Tensor gather_by_axis(const Operation& at, const std::vector<std::vector<std::int64_t>>& sources,
                      float fill) {
  const Tensor& x = at.operand(0);
  const std::vector<std::byte> filler = element(fill, at);
  const std::size_t bytes = filler.size();
  Tensor result = Tensor::uninitialized(x.type(), at.output_shape(), x.layout());
  std::byte* to = result.mutable_data();
  Position position(result.rank(), 0);
  for (std::int64_t i = 0; i < result.size(); ++i, to += bytes) {
    std::int64_t from = 0;
    for (std::size_t d = 0; d < position.size() && from != kOutside; ++d) {
      const std::int64_t index = sources[d][static_cast<std::size_t>(position[d])];
      from = index == kOutside ? kOutside : from * x.dim(d) + index;
    }
    const std::byte* origin =
        from == kOutside ? filler.data() : x.data() + static_cast<std::size_t>(from) * bytes;
    std::memcpy(to, origin, bytes);
    advance(result.shape(), position);
  }
  return result;
}

// What a padded dimension of `size` elements holds at `index` (negative: before the first).
std::int64_t padded_source(Pad::Mode mode, std::int64_t index, std::int64_t size) {
  const bool inside = index >= 0 && index < size;
  switch (mode) {
    case Pad::Mode::Constant:
      return inside ? index : kOutside;
    case Pad::Mode::Edge:
      return std::clamp<std::int64_t>(index, 0, size - 1);
    case Pad::Mode::Reflect:
      if (inside) return index;
      return index < 0 ? -index : 2 * (size - 1) - index;
    case Pad::Mode::Wrap: {
      const std::int64_t rest = index % size;
      return rest < 0 ? rest + size : rest;
    }
  }
  CHECK(false, "pad mode {}", static_cast<int>(mode));
}

}  // namespace

double resized_coordinate(const Resize& op, std::size_t d, std::int64_t index, std::int64_t in,
                          std::int64_t out) {
  const auto i = static_cast<double>(index);
  const auto last = static_cast<double>(in - 1);
  const auto last_out = static_cast<double>(out - 1);
  const double scale = op.scales.empty() ? static_cast<double>(out) / static_cast<double>(in)
                                         : static_cast<double>(op.scales[d]);
  switch (op.coordinates) {
    case Resize::Coordinates::HalfPixel:
      return (i + 0.5) / scale - 0.5;
    case Resize::Coordinates::PytorchHalfPixel:
      return out > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case Resize::Coordinates::Asymmetric:
      return i / scale;
    case Resize::Coordinates::AlignCorners:
      return out > 1 ? i * last / last_out : 0;
    case Resize::Coordinates::HalfPixelSymmetric: {
      const double exact_out = scale * static_cast<double>(in);
      const double offset =
          static_cast<double>(in) / 2 * (1 - static_cast<double>(out) / exact_out);
      return offset + (i + 0.5) / scale - 0.5;
    }
    case Resize::Coordinates::TfHalfPixelForNn:
      return (i + 0.5) / scale;
    case Resize::Coordinates::TfCropAndResize: {
      const double start = op.roi[d], end = op.roi[op.sizes.size() + d];
      return out > 1 ? start * last + i * (end - start) * last / last_out
                     : 0.5 * (start + end) * last;
    }
  }
  CHECK(false, "coordinate mode {}", static_cast<int>(op.coordinates));
}

namespace {

double nearest(Resize::Nearest mode, double coordinate) {
  switch (mode) {
    case Resize::Nearest::RoundPreferFloor:
      return std::ceil(coordinate - 0.5);
    case Resize::Nearest::RoundPreferCeil:
      return std::floor(coordinate + 0.5);
    case Resize::Nearest::Floor:
      return std::floor(coordinate);
    case Resize::Nearest::Ceil:
      return std::ceil(coordinate);
  }
  CHECK(false, "nearest mode {}", static_cast<int>(mode));
}

std::int64_t resized_source(const Resize& op, std::size_t d, std::int64_t index, std::int64_t in,
                            std::int64_t out) {
  const double coordinate = resized_coordinate(op, d, index, in, out);
  const auto last = static_cast<double>(in - 1);
  const bool crops = op.coordinates == Resize::Coordinates::TfCropAndResize;
  if (crops && (coordinate < 0 || coordinate > last)) return kOutside;
  return static_cast<std::int64_t>(std::clamp(nearest(op.nearest, coordinate), 0.0, last));
}

}  // namespace

template <>
Tensor result_of(const Concat& op, const Operation& at) {
  const Shape& out = at.output_shape();
  const std::size_t axis = axis_index(op.axis, out.size());
  const std::int64_t outer = elements_between(out, 0, axis);
  Tensor result = Tensor::uninitialized(at.operand(0).type(), out, at.operand(0).layout());
  std::byte* to = result.mutable_data();
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::size_t i = 0; i < at.node.inputs.size(); ++i) {
      const Tensor& x = at.operand(i);
      const auto run_bytes = static_cast<std::size_t>(x.size_bytes() / outer);
      std::memcpy(to, x.data() + static_cast<std::size_t>(o) * run_bytes, run_bytes);
      to += run_bytes;
    }
  }
  return result;
}

// Ops that move elements and compute none, on tensors of any element type. Definitions: the ONNX
// operator of the same name.
template <>
Tensor result_of(const Reshape&, const Operation& at) {
  return at.operand(0).reshaped(at.output_shape(), at.operand(0).layout());
}

template <>
Tensor result_of(const Transpose& op, const Operation& at) {
  Position from(op.permutation.size());
  return gather(at, [&](const Position& to) {
    for (std::size_t d = 0; d < to.size(); ++d) {
      from[axis_index(op.permutation[d], to.size())] = to[d];
    }
    return from;
  });
}

// Negative pads crop. The constant is quantized where the output is.
template <>
Tensor result_of(const Pad& op, const Operation& at) {
  std::vector<std::vector<std::int64_t>> sources;
  for (std::size_t d = 0; d < at.output_shape().size(); ++d) {
    sources.emplace_back();
    for (std::int64_t i = 0; i < at.output_shape()[d]; ++i) {
      sources[d].push_back(padded_source(op.mode, i - op.begin[d], at.operand(0).dim(d)));
    }
  }
  return gather_by_axis(at, sources, op.value);
}

template <>
Tensor result_of(const Resize& op, const Operation& at) {
  const Shape& out = at.output_shape();
  std::vector<std::vector<std::int64_t>> sources(out.size());
  for (std::size_t d = 0; d < out.size(); ++d) {
    for (std::int64_t i = 0; i < out[d]; ++i) {
      sources[d].push_back(resized_source(op, d, i, at.operand(0).dim(d), out[d]));
    }
  }
  return gather_by_axis(at, sources, op.extrapolation_value);
}

template <>
Tensor result_of(const Slice& op, const Operation& at) {
  Position from;
  return gather(at, [&](const Position& to) {
    from = to;
    for (std::size_t i = 0; i < op.axes.size(); ++i) {
      const std::size_t d = axis_index(op.axes[i], to.size());
      from[d] = op.starts[i] + to[d] * op.steps[i];
    }
    return from;
  });
}

template <>
Tensor result_of(const SpaceToDepth& op, const Operation& at) {
  const std::int64_t channels = at.operand(0).dim(1), block = op.block;
  return gather(at, [&](const Position& to) {
    const std::int64_t cell = to[1] / channels;  // row-major in the block
    return Position{to[0], to[1] % channels, to[2] * block + cell / block,
                    to[3] * block + cell % block};
  });
}

template <>
Tensor result_of(const DepthToSpace& op, const Operation& at) {
  const std::int64_t channels = at.output_shape()[1], block = op.block;
  return gather(at, [&](const Position& to) {
    const std::int64_t cell = to[2] % block * block + to[3] % block;  // row-major in the block
    const std::int64_t channel =
        op.column_row_depth ? to[1] * block * block + cell : cell * channels + to[1];
    return Position{to[0], channel, to[2] / block, to[3] / block};
  });
}

template <>
Tensor result_of(const Identity&, const Operation& at) {
  return cast(at.operand(0), at.output().type);
}

template <>
Tensor result_of(const Repeat&, const Operation& at) {
  const Shape& in = at.operand(0).shape();
  return gather(at, [&](const Position& to) {
    Position from(to.end() - static_cast<std::ptrdiff_t>(in.size()), to.end());
    for (std::size_t d = 0; d < in.size(); ++d) from[d] %= in[d];
    return from;
  });
}

}  // namespace workbench::golden
