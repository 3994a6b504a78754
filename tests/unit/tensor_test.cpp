#include "core/tensor.h"

#include <gtest/gtest.h>

namespace workbench {
namespace {

TEST(Tensor, a_copy_shares_bytes_until_one_is_written) {
  const Tensor original = Tensor::from<float>({2}, {1, 2});
  Tensor copy = original;
  EXPECT_EQ(copy.data(), original.data());
  copy.mutable_values<float>()[0] = 7;
  EXPECT_NE(copy.data(), original.data());
  EXPECT_EQ(original.values<float>()[0], 1);
  EXPECT_EQ(copy.values<float>()[0], 7);
  EXPECT_EQ(copy.values<float>()[1], 2);
}

TEST(Tensor, a_sole_owner_writes_in_place) {
  Tensor tensor = Tensor::from<float>({2}, {1, 2});
  const std::byte* before = tensor.data();
  tensor.mutable_values<float>()[0] = 7;
  EXPECT_EQ(tensor.data(), before);
}

TEST(Tensor, reshaped_keeps_elements_and_shares_them) {
  const Tensor tensor = Tensor::from<std::int32_t>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor reshaped = tensor.reshaped({3, 2});
  EXPECT_EQ(reshaped.shape(), (Shape{3, 2}));
  EXPECT_EQ(reshaped.data(), tensor.data());
}

TEST(Tensor, a_scalar_has_one_element_and_no_dimension) {
  const Tensor tensor = Tensor::scalar<std::int64_t>(5);
  EXPECT_EQ(tensor.rank(), 0U);
  EXPECT_EQ(tensor.size(), 1);
  EXPECT_EQ(tensor.size_bytes(), 8);
}

TEST(Tensor, the_default_tensor_has_no_element) {
  EXPECT_EQ(Tensor().size(), 0);
  EXPECT_TRUE(Tensor().values<float>().empty());
}

TEST(Tensor, equality_asks_for_type_shape_and_bytes) {
  const Tensor a = Tensor::from<std::int8_t>({2, 1}, {1, 2});
  EXPECT_EQ(a, (Tensor::from<std::int8_t>({2, 1}, {1, 2})));
  EXPECT_FALSE(a == (Tensor::from<std::int8_t>({1, 2}, {1, 2})));
  EXPECT_FALSE(a == (Tensor::from<std::uint8_t>({2, 1}, {1, 2})));
  EXPECT_FALSE(a == (Tensor::from<std::int8_t>({2, 1}, {1, 3})));
}

TEST(Tensor, shapes_print_as_lists) {
  EXPECT_EQ(to_string(Shape{1, 3, 224, 224}), "[1, 3, 224, 224]");
  EXPECT_EQ(to_string(Shape{}), "[]");
}

TEST(TensorDeathTest, reading_as_another_type_is_a_bug) {
  const Tensor tensor = Tensor::from<float>({1}, {1});
  EXPECT_DEATH(tensor.values<double>(), "tensor holds float32");
}

}  // namespace
}  // namespace workbench
