// Synthetic calibration data: value noise, six octaves, channels that mostly agree, as a
// photo minus its mean. Only + - * / and sqrt are used, so that every machine computes the same.
#include "data/samples.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace workbench {

namespace {

// The coarsest cells first; a photo's spectrum falls with frequency, and so do the amplitudes.
constexpr std::int64_t kCells[] = {64, 32, 16, 8, 4, 2};

double uniform(std::mt19937_64& random) {  // [-1, 1), 53 bits
  return static_cast<double>(random() >> 11) * 0x1p-52 - 1.0;
}

// Adds smooth noise with one random number every `cell` pixels to a plane of height x width.
void add_octave(std::vector<double>& plane, std::int64_t height, std::int64_t width,
                std::int64_t cell, double amplitude, std::mt19937_64& random) {
  const std::int64_t columns = width / cell + 2;
  std::vector<double> lattice(static_cast<std::size_t>((height / cell + 2) * columns));
  for (double& point : lattice) point = amplitude * uniform(random);
  const auto ease = [&](std::int64_t at) {
    const double t = static_cast<double>(at % cell) / static_cast<double>(cell);
    return t * t * (3.0 - 2.0 * t);
  };
  for (std::int64_t y = 0; y < height; ++y) {
    const double* above = lattice.data() + y / cell * columns;
    const double* below = above + columns;
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t j = x / cell;
      const double top = above[j] + ease(x) * (above[j + 1] - above[j]);
      const double bottom = below[j] + ease(x) * (below[j + 1] - below[j]);
      plane[static_cast<std::size_t>(y * width + x)] += top + ease(y) * (bottom - top);
    }
  }
}

std::vector<double> noise_plane(std::int64_t height, std::int64_t width, std::mt19937_64& random) {
  std::vector<double> plane(static_cast<std::size_t>(height * width), 0.0);
  double amplitude = 1.0;
  for (const std::int64_t cell : kCells) {
    add_octave(plane, height, width, cell, amplitude, random);
    amplitude *= 0.6;
  }
  return plane;
}

// Zero mean, standard deviation 60 (that of ImageNet pixels around their mean), within +-120.
std::vector<float> normalized(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(values.size()));
  const double gain = deviation > 0 ? 60.0 / deviation : 0.0;
  std::vector<float> result;
  result.reserve(values.size());
  for (const double value : values) {
    result.push_back(static_cast<float>(std::clamp((value - mean) * gain, -120.0, 120.0)));
  }
  return result;
}

}  // namespace

Tensor synthetic_sample(const Shape& input_shape, std::uint64_t seed) {
  CHECK(element_count(input_shape) > 0, "synthetic data of shape {}", to_string(input_shape));
  const std::size_t rank = input_shape.size();
  const std::int64_t width = rank > 0 ? input_shape[rank - 1] : 1;
  const std::int64_t height = rank > 2 ? input_shape[rank - 2] : 1;
  const std::int64_t planes = element_count(input_shape) / (width * height);
  std::mt19937_64 random(seed);
  const std::vector<double> common = noise_plane(height, width, random);
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(element_count(input_shape)));
  for (std::int64_t i = 0; i < planes; ++i) {
    const std::vector<double> own = noise_plane(height, width, random);
    for (std::size_t at = 0; at < own.size(); ++at) values.push_back(common[at] + 0.4 * own[at]);
  }
  if (values.size() == 1) return Tensor::from<float>(input_shape, std::vector<float>{60.0F});
  const std::vector<float> data = normalized(values);
  return Tensor::from<float>(input_shape, data, rank == 4 ? Layout::Nchw : Layout::RowMajor);
}

}  // namespace workbench
