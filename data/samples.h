// Inputs of a network, made when asked for: a folder of photos need not fit in memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace workbench {

// Where statistics over some samples are kept (statistics_cache.h).
struct SampleCache {
  std::filesystem::path folder;
  std::string digest;  // of all numbers of all samples
  std::function<void(const std::string&)> warn;
};

struct SampleSource {
  std::size_t count = 0;
  // Sample i < count: one tensor per graph input. Same i, same bytes. Throws Error naming the file.
  std::function<std::vector<Tensor>(std::size_t)> at;
  std::optional<SampleCache> cache = {};
};

// Samples that are in memory.
inline SampleSource in_memory(const std::vector<std::vector<Tensor>>& samples) {
  return {samples.size(), [&samples](std::size_t i) { return samples.at(i); }};
}

// Called with the fraction of a stage that is done, 0 to 1.
using StageProgress = std::function<void(std::string_view stage, double fraction)>;

// Seeded image-like data: smooth, channels correlated, zero mean, standard deviation 60 and within
// +-120 as 0..255 photos have around their mean. The same bits on every machine.
Tensor synthetic_sample(const Shape& input_shape, std::uint64_t seed);

}  // namespace workbench
