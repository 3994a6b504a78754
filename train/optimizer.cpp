#include "train/optimizer.h"

#include <cmath>
#include <numbers>

#include "core/math.h"

namespace workbench::train {

namespace {

template <typename T>
void adam_step(std::span<T> values, std::span<const T> gradient, Moments& moments,
               std::int64_t step, double rate, std::span<const float> units) {
  constexpr double kFirst = 0.9, kSecond = 0.999, kEpsilon = 1e-8;
  if (gradient.empty()) return;
  moments.first.resize(values.size());
  moments.second.resize(values.size());
  const double first = 1 - std::pow(kFirst, static_cast<double>(step));
  const double second = 1 - std::pow(kSecond, static_cast<double>(step));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto g = static_cast<double>(gradient[i]);
    double &m = moments.first[i], &v = moments.second[i];
    m = kFirst * m + (1 - kFirst) * g;
    v = kSecond * v + (1 - kSecond) * g * g;
    const double own = units.empty() ? rate : rate * static_cast<double>(units[i]);
    const double change = own * (m / first) / (std::sqrt(v / second) + kEpsilon);
    values[i] = static_cast<T>(static_cast<double>(values[i]) - change);
  }
}

}  // namespace

double Decay::at(std::int64_t step) const {
  return rate * std::pow(factor, static_cast<double>(step / every));
}

double cosine_rate(double rate, std::int64_t step, std::int64_t steps) {
  const double done = static_cast<double>(step) / static_cast<double>(steps);
  return rate * 0.5 * (1 + math::cos(std::numbers::pi * done));
}

double rms(std::span<const float> values) {
  double squares = 0;
  for (const float value : values)
    squares += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

std::vector<float> rms_of_channels(std::span<const float> values, std::size_t channels,
                                   std::size_t inner) {
  std::vector<std::vector<float>> parts(channels);
  for (std::size_t i = 0; i < values.size(); ++i) parts[i / inner % channels].push_back(values[i]);
  std::vector<float> of_channel, result;
  for (const std::vector<float>& part : parts) {
    of_channel.push_back(part.empty() ? 0.0F : static_cast<float>(rms(part)));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    result.push_back(of_channel[i / inner % channels]);
  }
  return result;
}

void adam(std::span<float> values, std::span<const float> gradient, Moments& moments,
          std::int64_t step, double rate, std::span<const float> units) {
  adam_step(values, gradient, moments, step, rate, units);
}
void adam(std::span<double> values, std::span<const double> gradient, Moments& moments,
          std::int64_t step, double rate) {
  adam_step(values, gradient, moments, step, rate, {});
}

void follow(Freezing& freezing, const std::vector<std::vector<double>>& log2_steps,
            const std::vector<std::vector<double>>& gradients) {
  if (freezing.averages.empty()) {
    freezing.averages = log2_steps;
    freezing.gradient_sums.assign(log2_steps.size(), 0.0);
    freezing.frozen.assign(log2_steps.size(), 0);
  }
  for (std::size_t s = 0; s < log2_steps.size(); ++s) {
    for (std::size_t i = 0; i < log2_steps[s].size(); ++i) {
      double& average = freezing.averages[s][i];
      average = kAverageDecay * average + (1 - kAverageDecay) * log2_steps[s][i];
    }
    double sum = 0;
    for (const double gradient : gradients[s]) sum += std::fabs(gradient);
    const std::size_t count = gradients[s].size();
    if (count > 0) freezing.gradient_sums[s] += sum / static_cast<double>(count);
  }
}

std::optional<std::size_t> next_to_freeze(const Freezing& freezing,
                                          const std::vector<std::vector<double>>& log2_steps,
                                          const std::vector<std::uint8_t>& jump) {
  std::optional<std::size_t> next;
  for (std::size_t s = 0; s < log2_steps.size(); ++s) {
    if (freezing.frozen[s] != 0 || jump[s] == 0) continue;
    bool settled = true;
    for (std::size_t i = 0; i < log2_steps[s].size(); ++i) {
      settled = settled && std::ceil(log2_steps[s][i]) == std::ceil(freezing.averages[s][i]);
    }
    if (!settled) continue;
    if (!next || freezing.gradient_sums[s] < freezing.gradient_sums[*next]) next = s;
  }
  return next;
}

}  // namespace workbench::train
