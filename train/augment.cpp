#include "train/augment.h"

#include <algorithm>
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

}  // namespace

std::uint64_t random_of(std::uint64_t seed, std::int64_t epoch, std::int64_t image) {
  const std::uint64_t place =
      (static_cast<std::uint64_t>(epoch) << 32) + static_cast<std::uint64_t>(image);
  return mixed(mixed(seed) ^ place);
}

void augment(std::span<float> image, const Shape& shape, Augment how, std::uint64_t random) {
  constexpr std::int64_t kPart = 8;
  if (how == Augment::None || shape.size() != 4) return;
  const std::int64_t height = shape[2], width = shape[3];
  CHECK(static_cast<std::int64_t>(image.size()) == shape[1] * height * width, "{} values",
        image.size());
  const std::int64_t down = shift_of(random, height / kPart);
  const std::int64_t right = shift_of(random >> 16, width / kPart);
  const bool mirrored = how == Augment::ShiftFlip && (random >> 32 & 1) != 0;
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

}  // namespace workbench::train
