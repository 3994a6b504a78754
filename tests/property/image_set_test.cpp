// Image sets whose files are damaged: whatever the bytes, a set comes out or an Error of one line,
// and every cut is found.
#include "data/image_set.h"

#include <gtest/gtest.h>

#include <random>

#include "data/arrays.h"
#include "data/image.h"
#include "tests/support/archive.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 5;
#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 20;
#else
constexpr int kCases = 50;
#endif

ImageRequest request_for(const std::filesystem::path& path, const Shape& dims) {
  const Preprocessing steps{.dims = dims};
  return {.path = path, .input_shape = shape_after(steps), .classes = 10, .preprocessing = steps};
}

// Reads every sample, too: what was checked must be readable.
bool is_usable(const ImageRequest& request) {
  try {
    (void)all_samples(open_images(request));
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return false;
  }
}

// Every proper prefix is refused, and bytes changed at random never end in anything but Error.
void survive(const TemporaryFolder& folder, const std::string& name, const std::string& bytes,
             const ImageRequest& request, bool every_cut = true) {
  folder.write(name, bytes);
  ASSERT_TRUE(is_usable(request));
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const std::size_t cut = random() % bytes.size();
    folder.write(name, bytes.substr(0, cut));
    const bool usable = is_usable(request);
    if (every_cut) {
      EXPECT_FALSE(usable) << name << " of " << cut << " bytes";
    }
  }
  for (int i = 0; i < kCases; ++i) {
    std::string changed = bytes;
    for (std::uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
      changed[random() % std::min<std::size_t>(changed.size(), 64)] = static_cast<char>(random());
    }
    folder.write(name, changed);
    (void)is_usable(request);
  }
  folder.write(name, bytes);
}

std::vector<std::uint8_t> pixels(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::uint8_t>(37 * i);
  return bytes;
}

TEST(DamagedImages, photos_and_their_tables_are_read_or_refused) {
  const TemporaryFolder folder;
  const ImageRequest request = request_for(folder.path(), {3, 4, 4});
  folder.write("labels.tsv", "a.png\t1\nb.ppm\t9\n");
  const std::string png = png_bytes(4, 4, pixels(48));
  const std::string ppm = "P6\n4 4\n255\n" + std::string(48, 'x');
  folder.write("a.png", png);
  survive(folder, "b.ppm", ppm, request);
  survive(folder, "a.png", png, request);
  survive(folder, "labels.tsv", "a.png\t1\nb.ppm\t9\n", request, false);
}

TEST(DamagedImages, batches_are_read_or_refused) {
  const TemporaryFolder folder;
  const std::string magic("\0\0\x08", 3);
  const std::string images =
      magic + '\3' + big_endian(3) + big_endian(4) + big_endian(4) + std::string(48, 'x');
  const std::string labels = magic + '\1' + big_endian(3) + std::string(3, '\2');
  const auto path = folder.path() / "t-images-idx3-ubyte.gz";
  const ImageRequest request = request_for(path, {1, 4, 4});
  folder.write("t-labels-idx1-ubyte.gz", deflated(labels, 31));
  survive(folder, "t-images-idx3-ubyte.gz", deflated(images, 31), request);
  survive(folder, "t-images-idx3-ubyte.gz", images, request);  // need not be compressed
  survive(folder, "t-labels-idx1-ubyte.gz", deflated(labels, 31), request);
}

TEST(DamagedImages, rows_are_read_or_refused) {
  const TemporaryFolder folder;
  folder.write("a.labels.txt", "1\n2\n");
  survive(folder, "a.png", png_bytes(4, 2, pixels(24)),
          request_for(folder.path() / "a.png", {3, 2, 2}));
  survive(folder, "a.labels.txt", "1\n2\n", request_for(folder.path() / "a.png", {3, 2, 2}), false);
}

TEST(DamagedImages, arrays_are_read_or_refused) {
  const TemporaryFolder folder;
  const ImageRequest request{.path = folder.path() / "a.npz", .input_shape = {1, 3}, .classes = 9};
  const std::string array = npy_bytes(Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  const std::string labels = npy_bytes(Tensor::from<std::int32_t>({2}, {4, 2}));
  survive(folder, "a.npz", zip_bytes({{"labels.npy", labels, true}, {"x.npy", array}}), request);
}

}  // namespace
}  // namespace workbench
