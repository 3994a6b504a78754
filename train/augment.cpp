#include "train/augment.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/error.h"

namespace workbench::train {

namespace {

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Uniform in [-most, most], of 16 bits of `random`.
std::int64_t shift_of(std::uint64_t random, std::int64_t most) {
  return static_cast<std::int64_t>(random & 0xffff) % (2 * most + 1) - most;
}

void move(std::span<float> image, const Shape& shape, const Augment& how, std::uint64_t random) {
  constexpr std::int64_t kPart = 8;
  const std::int64_t height = shape[2], width = shape[3];
  CHECK(static_cast<std::int64_t>(image.size()) == shape[1] * height * width, "{} values",
        image.size());
  const std::int64_t down = how.shift ? shift_of(random, height / kPart) : 0;
  const std::int64_t right = how.shift ? shift_of(random >> 16, width / kPart) : 0;
  const bool mirrored = how.flip && (random >> 32 & 1) != 0;
  const std::vector<float> original(image.begin(), image.end());
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(image.size()); ++i) {
    const std::int64_t x = i % width, row = i / width, y = row % height, top = row - y;
    const std::int64_t seen = mirrored ? width - 1 - x : x;
    const std::int64_t from_x = std::clamp<std::int64_t>(seen - right, 0, width - 1);
    const std::int64_t from_y = std::clamp<std::int64_t>(y - down, 0, height - 1);
    image[static_cast<std::size_t>(i)] =
        original[static_cast<std::size_t>((top + from_y) * width + from_x)];
  }
}

double deviation_of(std::span<const float> values) {
  double sum = 0, squares = 0;
  for (const float value : values) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const double count = static_cast<double>(values.size()), mean = sum / count;
  return std::sqrt(std::max(0.0, squares / count - mean * mean));
}

void add_noise(std::span<float> image, std::uint64_t random) {
  constexpr double kMost = 0.125;
  std::mt19937_64 numbers(random);
  const double bound = kMost * deviation_of(image) * static_cast<double>(numbers() >> 48) * 0x1p-16;
  for (float& value : image) {
    const double signed_part = static_cast<double>(numbers() >> 40) * 0x1p-23 - 1;
    value += static_cast<float>(bound * signed_part);
  }
}

}  // namespace

std::uint64_t random_of(std::uint64_t seed, std::int64_t epoch, std::int64_t image) {
  const std::uint64_t place =
      (static_cast<std::uint64_t>(epoch) << 32) + static_cast<std::uint64_t>(image);
  return mixed(mixed(seed) ^ place);
}

void augment(std::span<float> image, const Shape& shape, const Augment& how, std::uint64_t random) {
  if (shape.size() == 4 && (how.shift || how.flip)) move(image, shape, how, random);
  if (how.noise) add_noise(image, random);
}

void mix(std::span<float> images, std::span<const std::uint64_t> randoms) {
  CHECK(!randoms.empty() && images.size() % randoms.size() == 0, "{} values", images.size());
  const std::size_t size = images.size() / randoms.size();
  const std::vector<float> first(images.begin(),
                                 images.begin() + static_cast<std::ptrdiff_t>(size));
  for (std::size_t i = 0; i < randoms.size(); ++i) {
    const auto image = images.subspan(i * size, size);
    const bool last = i + 1 == randoms.size();
    const auto next = last ? std::span<const float>(first) : images.subspan((i + 1) * size, size);
    const float part = static_cast<float>(randoms[i] >> 48) * 0x1p-17F;  // of 16 bits, halved
    for (std::size_t k = 0; k < size; ++k) image[k] += part * (next[k] - image[k]);
  }
}

}  // namespace workbench::train
