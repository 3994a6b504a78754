// Images shown otherwise each time, as trainings of classifiers do: shifted, mirrored.
#pragma once

#include <cstdint>
#include <span>

#include "core/tensor.h"

namespace workbench::train {

enum class Augment {
  None,
  Shift,      // by up to an eighth of height and width; what comes in repeats the edge
  ShiftFlip,  // and mirrored left to right, one time in two
};

// In place. `shape`: [1, C, H, W]; values of other shapes stay as they are. A function of `random`.
void augment(std::span<float> image, const Shape& shape, Augment how, std::uint64_t random);

// Of an image in an epoch, by the training's seed.
std::uint64_t random_of(std::uint64_t seed, std::int64_t epoch, std::int64_t image);

}  // namespace workbench::train
