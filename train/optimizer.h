// How numbers are moved along their gradients, as Graffitist's training script does
// (docs/facts/quantization.md 1.8): Adam, rates that decay, and thresholds that are frozen one by
// one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace workbench::train {

// rate * factor^(step / every), in whole steps of `every`.
struct Decay {
  double rate = 0, factor = 1;
  std::int64_t every = 1;
  double at(std::int64_t step) const;
};

// Half a cosine, from `rate` at the first of `steps` to 0 behind the last (Loshchilov and Hutter,
// arXiv:1608.03983, without restarts): however few steps there are, the last ones settle.
double cosine_rate(double rate, std::int64_t step, std::int64_t steps);

// Root of the mean square.
double rms(std::span<const float> values);

// Of each number, the root of the mean square of those of its channel: number i is of channel
// i / inner % channels.
std::vector<float> rms_of_channels(std::span<const float> values, std::size_t channels,
                                   std::size_t inner);

// First and second moments of one array's gradients.
struct Moments {
  std::vector<double> first, second;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("first", self.first);
    visit("second", self.second);
  }
  friend bool operator==(const Moments&, const Moments&) = default;
};

// One step of Adam (0.9, 0.999, 1e-8) with the bias of the moments corrected. `step` counts from 1.
// No gradient: nothing moves. `units`: what the rate of each number counts in; none: 1.
void adam(std::span<float> values, std::span<const float> gradient, Moments& moments,
          std::int64_t step, double rate, std::span<const float> units);
void adam(std::span<double> values, std::span<const double> gradient, Moments& moments,
          std::int64_t step, double rate);

// Which thresholds stay where they are.
struct Freezing {
  std::vector<std::vector<double>> averages;  // of log2, exponential, per scale
  std::vector<double> gradient_sums;          // of |gradient|, per scale, since the beginning
  std::vector<std::uint8_t> frozen;           // per scale
  static constexpr void fields(auto& self, auto&& visit) {
    visit("averages", self.averages);
    visit("gradient_sums", self.gradient_sums);
    visit("frozen", self.frozen);
  }
  friend bool operator==(const Freezing&, const Freezing&) = default;
};
constexpr double kAverageDecay = 0.9999;

void follow(Freezing& freezing, const std::vector<std::vector<double>>& log2_steps,
            const std::vector<std::vector<double>>& gradients);

// The scale to freeze next: of those that are free and whose average is rounded up to the power of
// two that they are rounded up to, the one with the least mean |gradient|. Those that do not `jump`
// from one power to the next are never frozen.
std::optional<std::size_t> next_to_freeze(const Freezing& freezing,
                                          const std::vector<std::vector<double>>& log2_steps,
                                          const std::vector<std::uint8_t>& jump);

}  // namespace workbench::train
