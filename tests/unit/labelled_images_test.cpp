// The readers of the labelled photos that accuracy is measured on.
#include "tests/support/labelled_images.h"

#include <gtest/gtest.h>

#include "tests/support/archive.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

std::vector<float> values_of(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

TEST(LabelledImages, of_a_folder_follow_its_table) {
  const TemporaryFolder folder;
  folder.write("a.png", png_bytes(1, 1, {1, 2, 3}));
  folder.write("b.png", png_bytes(1, 1, {4, 5, 6}));
  folder.write("labels.tsv", "b.png\t7\na.png\t0\n");
  const LabelledImages images = read_labelled_folder(folder.path(), {.dims = {3, 1, 1}});
  EXPECT_EQ(images.labels, (std::vector<std::int64_t>{7, 0}));
  EXPECT_EQ(values_of(images.input(0)), (std::vector<float>{4, 5, 6}));
  EXPECT_EQ(values_of(images.input(1)), (std::vector<float>{1, 2, 3}));
}

TEST(LabelledImages, of_rows_are_cut_pixel_after_pixel) {
  const TemporaryFolder folder;
  // Two images of 2x1, one a row: planes come apart in the tensor.
  const auto png =
      folder.write("a.png", png_bytes(2, 2, {1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}));
  folder.write("a.labels.txt", "3\n9\n");
  const LabelledImages images = read_image_rows(png, {.dims = {3, 2, 1}});
  EXPECT_EQ(images.labels, (std::vector<std::int64_t>{3, 9}));
  EXPECT_EQ(values_of(images.input(1)), (std::vector<float>{11, 14, 12, 15, 13, 16}));
}

TEST(LabelledImages, of_idx_files_are_inflated) {
  const TemporaryFolder folder;
  constexpr int kGzip = 31;  // zlib's window bits for a gzip stream
  const std::string pixels = {1, 2, 3, 4};
  const std::string magic("\0\0\x08", 3);
  folder.write(
      "t-images-idx3-ubyte.gz",
      deflated(magic + '\3' + big_endian(2) + big_endian(1) + big_endian(2) + pixels, kGzip));
  folder.write("t-labels-idx1-ubyte.gz",
               deflated(magic + '\1' + big_endian(2) + "\x05\x06", kGzip));
  const LabelledImages images = read_idx(folder.path() / "t", {.dims = {1, 1, 2}});
  EXPECT_EQ(images.labels, (std::vector<std::int64_t>{5, 6}));
  EXPECT_EQ(values_of(images.input(1)), (std::vector<float>{3, 4}));
  EXPECT_THROW(read_idx(folder.path() / "t", {.dims = {1, 1, 3}}), Error);
}

}  // namespace
}  // namespace workbench
