// Damaged input files: whatever the bytes, the readers return data or throw an Error.
#include <gtest/gtest.h>

#include <random>

#include "compiler/quantize/quantize.h"
#include "compiler/quantize/table.h"
#include "core/file.h"
#include "data/arrays.h"
#include "data/image.h"
#include "data/image_set.h"
#include "tests/support/archive.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 99;

// Cuts `bytes` short, or changes some of them, or both.
std::string damaged(std::string bytes, std::mt19937_64& random) {
  if (random() % 2 == 0) bytes.resize(random() % (bytes.size() + 1));
  for (std::uint64_t flips = random() % 8; flips > 0 && !bytes.empty(); --flips) {
    // Mostly in the first bytes, where the structure is.
    const std::size_t range =
        random() % 2 == 0 ? std::min<std::size_t>(bytes.size(), 128) : bytes.size();
    bytes[random() % range] = static_cast<char>(random());
  }
  return bytes;
}

// 200 damaged copies of a file go through `read`; nothing but Error may come out.
template <typename Read>
void survive(const std::string& name, const std::string& bytes, const Read& read) {
  const TemporaryFolder folder;
  std::mt19937_64 random(kSeed);
  read(folder.write(name, bytes));  // undamaged it is fine
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    try {
      read(folder.write(name, damaged(bytes, random)));
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "case " << i;
    }
  }
  EXPECT_GT(refused, 50) << "seed " << kSeed;
}

std::string small_array() { return npy_bytes(Tensor::zeros(ElementType::Float32, {1, 3, 4, 4})); }

TEST(DamagedFiles, npy_arrays_are_read_or_refused) {
  survive("a.npy", small_array(), [](const auto& path) { read_npy(path); });
}

TEST(DamagedFiles, npz_archives_are_read_or_refused) {
  const std::string bytes = zip_bytes({{"a.npy", small_array()}, {"b.npy", small_array(), true}});
  survive("a.npz", bytes, [](const auto& path) { read_npz(path); });
}

TEST(DamagedFiles, png_images_are_read_or_refused) {
  std::vector<std::uint8_t> pixels(4 * 4 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(5 * i);
  const Preprocessing steps{.dims = {3, 4, 4}};
  survive("a.png", png_bytes(4, 4, pixels), [&](const auto& path) {
    read_samples(path, {1, 3, 4, 4}, steps, 0);
  });
}

TEST(DamagedFiles, preprocessing_yaml_is_read_or_refused) {
  const std::string text =
      "resize: {short_side: 256, centre_crop: 224}\ndims: [3, 224, 224]\ntranspose: [2, 0, 1]\n"
      "channel_swap: [2, 1, 0]\nraw_scale: 255.0\nmean_value: [1, 2, 3]\ninput_scale: 1.0\n";
  survive("a.yaml", text, [](const auto& path) { read_preprocessing(path); });
}

TEST(DamagedFiles, quantizer_json_is_read_or_refused) {
  QuantizerTable table;
  table.layers.push_back({.name = "conv",
                          .threshold_in = 1,
                          .threshold_out = 2,
                          .threshold_params = {1, 2},
                          .prescale_shift = {0, 0},
                          .scale = {16384, 16385},
                          .postscale_shift = {20, 21}});
  survive("q.json", to_json(table),
          [](const auto& path) { quantizer_table_from_json(read_file(path), path.string()); });
}

}  // namespace
}  // namespace workbench
