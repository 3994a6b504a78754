#include "workloads/random_weights.h"

#include <algorithm>
#include <vector>

#include "core/parallel.h"
#include "core/units.h"

namespace workbench {

namespace {

constexpr std::int64_t kChunk = 1 << 16;  // elements one thread fills at a time

// The finalizer of SplitMix64 (Steele, Lea, Flood, 2014): every output bit depends on every input
// bit.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15U;  // SplitMix64's increment

// Standard deviation of the sum of four integers uniform in [0, 65536): sqrt(4 (65536^2 - 1) / 12).
constexpr double kSumDeviation = 37837.227;

void fill_chunk(const WeightFill& fill, std::int64_t begin, std::int64_t end) {
  const auto scale = static_cast<float>(fill.deviation / kSumDeviation);
  const auto mean = static_cast<float>(fill.mean);
  float* values = fill.values.data();
  for (std::int64_t i = begin; i < end; ++i) {
    const std::uint64_t word = mix(fill.key + static_cast<std::uint64_t>(i) * kGolden);
    const auto sum = static_cast<std::int32_t>((word & 0xffff) + (word >> 16 & 0xffff) +
                                               (word >> 32 & 0xffff) + (word >> 48));
    values[i] = mean + scale * static_cast<float>(sum - 2 * 65535);
  }
}

}  // namespace

std::uint64_t weight_key(std::uint64_t seed, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return mix(mix(seed + kGolden) ^ hash);
}

void fill_weights(std::span<const WeightFill> fills, int threads) {
  struct Chunk {
    const WeightFill* fill;
    std::int64_t begin, end;
  };
  std::vector<Chunk> chunks;
  for (const WeightFill& fill : fills) {
    const auto size = static_cast<std::int64_t>(fill.values.size());
    for (std::int64_t begin = 0; begin < size; begin += kChunk) {
      chunks.push_back({&fill, begin, std::min(begin + kChunk, size)});
    }
  }
  // Most tensors are a few hundred elements: a piece of work is 16 chunks, so that handing them
  // out costs nothing beside filling them.
  constexpr std::int64_t kPiece = 16;
  const auto count = static_cast<std::int64_t>(chunks.size());
  parallel_for(ceil_div(count, kPiece), threads, [&](std::int64_t piece) {
    const std::int64_t end = std::min(count, (piece + 1) * kPiece);
    for (std::int64_t i = piece * kPiece; i < end; ++i) {
      const Chunk& chunk = chunks[static_cast<std::size_t>(i)];
      fill_chunk(*chunk.fill, chunk.begin, chunk.end);
    }
  });
}

}  // namespace workbench
