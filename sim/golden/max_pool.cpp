#include "sim/golden/max_pool.h"

#include <algorithm>
#include <cstdint>
#include <limits>

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
  Tensor indices = Tensor::zeros(ElementType::Int64, out);
  const auto y = result.mutable_values<T>();
  const auto where = indices.mutable_values<std::int64_t>();
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
      where[to] = map * in_size + (op.storage_order == 1 ? column_major(in_plane, winner) : winner);
    }
  }
  if (at.node.outputs.size() == 1) return {result};
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
    default:
      return pool<float>(op, at);
  }
}

}  // namespace workbench::golden
