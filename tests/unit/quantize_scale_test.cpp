// scale_and_shift against the worked examples of xdnn.md 3.5 and 3.6 and against every channel of
// the published quantizer files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "compiler/quantize/quantize.h"
#include "core/file.h"

namespace workbench {
namespace {

void expect_scale(const ScaleShift& got, int pre, int scale, int post) {
  EXPECT_EQ(got.prescale_shift, pre);
  EXPECT_EQ(got.scale, scale);
  EXPECT_EQ(got.postscale_shift, post);
}

TEST(ScaleAndShift, a_multiplier_of_one_is_half_the_scale_range) {
  // c = 0, f = 1, s = 1; a = floor(log2(32768 / 1)) = 15: 32768 / 2^15 (res2a in xdnn.md 3.5).
  expect_scale(scale_and_shift(1.0, 0, 16, 40), 0, 32768, 15);
}

TEST(ScaleAndShift, zero_stays_zero) { expect_scale(scale_and_shift(0, 0, 16, 32), 0, 0, 0); }

TEST(ScaleAndShift, an_average_of_49_is_what_the_published_resnet_has) {
  // 1/49 = f * 2^-5 with f = 0.6531; post = 5, s = f * 2^15 = 21399.5 -> 21400 (half to even:
  // 2^20 / 49 = 21399.51), post = 20.
  expect_scale(scale_and_shift(1.0 / 49.0, 0, 16, 40), 0, 21400, 20);
}

TEST(ScaleAndShift, the_v2_example_uses_its_prescale) {
  // xdnn.md 3.6: m = 8.1424e-4, c = -10, f = .83378, pre = 10, a = 7, s = 106.7 -> 107.
  expect_scale(scale_and_shift(1.18668 * 0.003103985 / 4.523844, 16, 8, 8), 10, 107, 7);
}

TEST(ScaleAndShift, the_shift_stops_at_its_limit_and_the_scale_shrinks) {
  // 2^-40: post takes 32 of the 40, s = 2^-8 and there is no room to grow: rounds to 0.
  expect_scale(scale_and_shift(0x1p-40, 0, 16, 32), 0, 0, 32);
  // 2^-30: s = 1, a = min(15, 32 - 30) = 2.
  expect_scale(scale_and_shift(0x1p-30, 0, 16, 32), 0, 4, 32);
}

TEST(ScaleAndShift, multipliers_above_one_lose_shift_instead) {
  // 5 = 0.625 * 2^3: s = 5, a = floor(log2(32768 / 5)) = 12, s = 20480.
  expect_scale(scale_and_shift(5.0, 0, 16, 40), 0, 20480, 12);
}

TEST(ScaleAndShift, sixteen_bit_convolutions_prescale_on_both_families) {
  // xdnn.md 3.6, V3 16-bit conv (24, 16, 24). 0.75 * 2^-20: pre = 20, s = 0.75, a = 15.
  expect_scale(scale_and_shift(0.75 * 0x1p-20, 24, 16, 24), 20, 24576, 15);
  // 0.75 * 2^-30: pre = 24, post = 6, a = min(15, 24 - 6) = 15.
  expect_scale(scale_and_shift(0.75 * 0x1p-30, 24, 16, 24), 24, 24576, 21);
  // 0.75 * 2^-46: pre = 24, post = 22, a = min(15, 2): s = 3.
  expect_scale(scale_and_shift(0.75 * 0x1p-46, 24, 16, 24), 24, 3, 24);
  // V2 16-bit conv (32, 8, 8). a = floor(log2(128 / 0.75)) = 7, s = 96.
  expect_scale(scale_and_shift(0.75 * 0x1p-20, 32, 8, 8), 20, 96, 7);
  // 0.75 * 2^-37: pre = 32, post = 5, a = min(7, 3) = 3: s = 6.
  expect_scale(scale_and_shift(0.75 * 0x1p-37, 32, 8, 8), 32, 6, 8);
}

TEST(ScaleAndShift, sixteen_bit_sums_and_averages_have_32_bits_of_shift) {
  // V3 16-bit scale/eltwise/pool (0, 16, 32). 0.75 * 2^-20: post = 20, a = min(15, 12) = 12.
  expect_scale(scale_and_shift(0.75 * 0x1p-20, 0, 16, 32), 0, 3072, 32);
}

std::filesystem::path vendor_file(const std::string& name) {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  return std::filesystem::path(shared != nullptr ? shared : "../shared") / "programs/xdnn" / name;
}

// Share of channels whose scale and shifts we compute exactly as the file has them.
double exact_share(const std::string& name, int prescale_max, int scale_bits, int postscale_max) {
  const std::filesystem::path path = vendor_file(name);
  const QuantizerTable table = quantizer_table_from_json(read_file(path), path.string());
  EXPECT_EQ(table.layers.size(), 57U);  // GoogLeNet's convolutions
  double channels = 0, exact = 0;
  for (const LayerQuantization& layer : table.layers) {
    for (std::size_t c = 0; c < layer.scale.size(); ++c) {
      const double multiplier = layer.threshold_in / 127 * (layer.threshold_params[c] / 127) /
                                (layer.threshold_out / 127);
      const ScaleShift got = scale_and_shift(multiplier, prescale_max, scale_bits, postscale_max);
      channels += 1;
      exact += got.scale == layer.scale[c] && got.prescale_shift == layer.prescale_shift[c] &&
                       got.postscale_shift == layer.postscale_shift[c]
                   ? 1
                   : 0;
    }
  }
  EXPECT_EQ(channels, 7280);
  return exact / channels;
}

TEST(ScaleAndShift, published_v3_file_is_reproduced) {
  if (!std::filesystem::exists(vendor_file("googlenet_v1_8b_xdnnv3.json"))) {
    GTEST_SKIP() << "the published quantizer files are not here (WORKBENCH_SHARED)";
  }
  // All but rounding ties: xdnn.md 3.6 counts 10 of 7280.
  EXPECT_GE(exact_share("googlenet_v1_8b_xdnnv3.json", 0, 16, 32), 0.998);
}

TEST(ScaleAndShift, published_v2_file_is_reproduced) {
  if (!std::filesystem::exists(vendor_file("googlenet_v1_8b.json"))) {
    GTEST_SKIP() << "the published quantizer files are not here (WORKBENCH_SHARED)";
  }
  EXPECT_EQ(exact_share("googlenet_v1_8b.json", 16, 8, 8), 1.0);
}

}  // namespace
}  // namespace workbench
