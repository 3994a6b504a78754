#include "data/channels.h"

#include <algorithm>

namespace workbench {

namespace {

// The elements of `array`, [.., outer, inner], as [.., inner, outer].
Tensor turned(const Tensor& array, std::int64_t outer, std::int64_t inner, Shape shape) {
  Tensor result = Tensor::uninitialized(array.type(), std::move(shape));
  const auto bytes = static_cast<std::size_t>(element_bytes(array.type()));
  const auto rows = static_cast<std::size_t>(outer), columns = static_cast<std::size_t>(inner);
  const std::size_t maps =
      array.size() == 0 ? 0 : static_cast<std::size_t>(array.size()) / (rows * columns);
  std::byte* to = result.mutable_data();
  for (std::size_t map = 0; map < maps; ++map) {
    for (std::size_t c = 0; c < columns; ++c) {
      for (std::size_t r = 0; r < rows; ++r) {
        to = std::copy_n(array.data() + ((map * rows + r) * columns + c) * bytes, bytes, to);
      }
    }
  }
  return result;
}

}  // namespace

Tensor channels_as_in(const Shape& wanted, const Tensor& array) {
  constexpr std::size_t kMapRank = 4;
  const Shape& x = array.shape();
  if (wanted.size() != kMapRank || x.size() + 1 < kMapRank || x.size() > kMapRank) return array;
  const std::size_t batch = x.size() - 3;
  const Shape sizes(x.begin() + static_cast<std::ptrdiff_t>(batch), x.end());
  if (std::equal(sizes.begin(), sizes.end(), wanted.begin() + 1)) return array;
  const Shape first{sizes[2], sizes[0], sizes[1]};  // of channels last
  const Shape last{sizes[1], sizes[2], sizes[0]};   // of channels first
  const auto is_wanted = [&](const Shape& order) {
    return std::equal(order.begin(), order.end(), wanted.begin() + 1);
  };
  Shape shape(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(batch));
  shape.insert(shape.end(), wanted.begin() + 1, wanted.end());
  if (is_wanted(first)) return turned(array, sizes[0] * sizes[1], sizes[2], std::move(shape));
  if (is_wanted(last)) return turned(array, sizes[0], sizes[1] * sizes[2], std::move(shape));
  return array;
}

}  // namespace workbench
