// Images shown otherwise each time, as trainings of classifiers do: shifted, mirrored, with noise,
// blended.
#pragma once

#include <cstdint>
#include <span>

#include "core/tensor.h"

namespace workbench::train {

struct Augment {
  bool shift = false;  // by up to an eighth of height and width; what comes in repeats the edge
  bool flip = false;   // mirrored left to right, one time in two
  // Uniform noise on every value, its bound drawn per image, up to an eighth of the standard
  // deviation of the image's values: what a lossy file format took away has no other likeness
  // among images kept in it.
  bool noise = false;
  bool mix = false;  // blended with another image of the batch: mix(), below
};

// In place, all but mix. `shape`: [1, C, H, W]; values of other shapes are not moved. A function of
// `random`.
void augment(std::span<float> image, const Shape& shape, const Augment& how, std::uint64_t random);

// In place, of a batch of images of one size: each becomes (1 - b) of itself and b of the next one
// (behind the last the first), b uniform in [0, 0.5]; `randoms`: one number per image. What is seen
// has no class, but a network has an opinion on it that another can learn: between few images
// there are many (Beyer et al., Knowledge distillation: a good teacher is patient and consistent,
// arXiv:2106.05237).
void mix(std::span<float> images, std::span<const std::uint64_t> randoms);

// Of an image in an epoch, by the training's seed.
std::uint64_t random_of(std::uint64_t seed, std::int64_t epoch, std::int64_t image);

}  // namespace workbench::train
