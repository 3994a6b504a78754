// Arrays with their channels at the other end than the network's.
#include "data/channels.h"

#include <gtest/gtest.h>

#include <numeric>

namespace workbench {
namespace {

Tensor counting(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  std::iota(values.begin(), values.end(), 0.0F);
  return Tensor::from<float>(shape, values);
}

std::vector<float> values_of(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

// Two rows of one pixel of three channels: 0 1 2 / 3 4 5.
TEST(Channels, an_array_with_channels_last_becomes_one_with_channels_first) {
  const Tensor first = channels_as_in({1, 3, 2, 1}, counting({1, 2, 1, 3}));
  EXPECT_EQ(first.shape(), (Shape{1, 3, 2, 1}));
  EXPECT_EQ(values_of(first), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(channels_as_in({1, 3, 2, 1}, counting({2, 1, 3})).shape(), (Shape{3, 2, 1}));
}

// A batch of two is turned map by map.
TEST(Channels, and_the_other_way_round) {
  const Tensor last = channels_as_in({1, 1, 2, 3}, counting({2, 3, 1, 2}));
  EXPECT_EQ(last.shape(), (Shape{2, 1, 2, 3}));
  EXPECT_EQ(values_of(last), (std::vector<float>{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
}

TEST(Channels, what_fits_or_fits_neither_way_stays) {
  const Tensor cube = counting({1, 2, 2, 2});
  EXPECT_EQ(values_of(channels_as_in({1, 2, 2, 2}, cube)), values_of(cube));
  EXPECT_EQ(channels_as_in({1, 3, 4, 5}, counting({1, 3, 5, 4})).shape(), (Shape{1, 3, 5, 4}));
  EXPECT_EQ(channels_as_in({1, 3, 4}, counting({1, 4, 3})).shape(), (Shape{1, 4, 3}));
}

}  // namespace
}  // namespace workbench
