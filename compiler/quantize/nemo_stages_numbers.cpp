#include "compiler/quantize/nemo_stages_numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/math.h"

namespace workbench {

namespace {

constexpr int kLargestPrecision = 20;  // BN_PRECISION_MAX

// Half up, as floor((v + eps / 2) / eps).
std::int64_t on_grid(double v, double eps) {
  return static_cast<std::int64_t>(std::floor(v / eps + 0.5));
}

double largest_magnitude(std::span<const double> values) {
  double largest = 0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  return largest;
}

std::int64_t power_of_two_at_least(double v) {
  return std::int64_t{1} << std::clamp(static_cast<int>(std::ceil(math::log2(v))), 0, 62);
}

NemoGrid grid_of(std::span<const float> weights, double alpha, double beta, int bits) {
  const double steps = std::ldexp(1.0, bits) - 1;
  NemoGrid grid{.eps = (alpha + beta) / steps, .codes = {}, .bits = bits};
  const auto low = -static_cast<std::int64_t>(std::ceil(alpha / grid.eps));
  const auto high = static_cast<std::int64_t>(std::floor(beta / grid.eps)) + 1;
  grid.codes.reserve(weights.size());
  for (const float w : weights) {
    grid.codes.push_back(std::clamp(on_grid(static_cast<double>(w), grid.eps), low, high));
  }
  return grid;
}

bool holds_in_bytes(const NemoGrid& grid) {
  return std::all_of(grid.codes.begin(), grid.codes.end(),
                     [](std::int64_t code) { return code >= -128 && code <= 128; });
}

}  // namespace

NemoGrid nemo_weight_grid(std::span<const float> weights, int bits, bool asymmetric) {
  double alpha = 0, beta = 0;
  for (const float w : weights) {
    alpha = std::max(alpha, -static_cast<double>(w));
    beta = std::max(beta, static_cast<double>(w));
  }
  if (!asymmetric) alpha = beta = std::max(alpha, beta);
  if (alpha + beta == 0) alpha = beta = 1;
  NemoGrid grid = grid_of(weights, alpha, beta, bits);
  if (!holds_in_bytes(grid)) grid = grid_of(weights, alpha, beta, bits - 1);
  for (std::int64_t& code : grid.codes) code = std::clamp<std::int64_t>(code, -128, 127);
  return grid;
}

NemoIntegerAffine nemo_integer_affine(const NemoAffine& affine, double eps_in,
                                      const NemoAffineLimits& limits) {
  const double kappa_max = largest_magnitude(affine.kappa);
  const double lambda_max = largest_magnitude(affine.lambda);
  const double reach = std::max(limits.range, lambda_max);
  int bits = std::min(limits.kappa_bits, kLargestPrecision);
  if (kappa_max > 0 && reach > 0 && limits.lambda_bits > 0) {
    const int lambda_bits = std::min(limits.lambda_bits, kLargestPrecision);
    const double eps_limit = reach / (std::ldexp(1.0, lambda_bits - 1) - 1);
    const double fits = std::floor(math::log2(1 + 2 * kappa_max / (eps_limit / eps_in)));
    // Two bits are the fewest that tell signs apart; the published code would divide by zero.
    bits = std::clamp(static_cast<int>(std::min(fits, 64.0)), 2, bits);
  }
  const double clip = kappa_max > 0 ? kappa_max : 1;
  NemoIntegerAffine result{
      .eps_kappa = 2 * clip / (std::ldexp(1.0, bits) - 1), .eps_out = 0, .kappa = {}, .lambda = {}};
  result.eps_out = result.eps_kappa * eps_in;
  for (const double k : affine.kappa) result.kappa.push_back(on_grid(k, result.eps_kappa));
  for (const double l : affine.lambda) result.lambda.push_back(on_grid(l, result.eps_out));
  return result;
}

NemoRequantization nemo_requantization(double eps_in, double eps_out, std::int64_t factor,
                                       int bits) {
  const std::int64_t wanted = power_of_two_at_least(static_cast<double>(factor) * eps_out / eps_in);
  NemoRequantization result{.multiplier = 1,
                            .divisor = std::min(wanted, std::int64_t{1} << (32 - bits))};
  result.multiplier = std::llrint(static_cast<double>(result.divisor) * eps_in / eps_out);
  return result;
}

NemoRequantization nemo_pool(std::int64_t cells, std::int64_t factor) {
  const auto divisor = power_of_two_at_least(static_cast<double>(factor * cells));
  const double ratio = static_cast<double>(divisor) / static_cast<double>(cells);
  return {.multiplier = std::llrint(ratio), .divisor = divisor};
}

NemoAddition nemo_addition(std::span<const double> eps_in, std::int64_t factor) {
  const auto [least, most] = std::minmax_element(eps_in.begin(), eps_in.end());
  NemoAddition result{
      .eps_out = *most * static_cast<double>(eps_in.size()), .multipliers = {}, .divisor = 1};
  result.divisor = power_of_two_at_least(static_cast<double>(factor) * result.eps_out / *least);
  for (const double eps : eps_in) {
    const double ratio = static_cast<double>(result.divisor) * eps / result.eps_out;
    result.multipliers.push_back(std::llrint(ratio));
  }
  return result;
}

}  // namespace workbench
