// The formulas of NEMO's deployment (docs/facts/quantization.md 2.1): every tensor is integers
// times one real quantum, eps.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace workbench {

// Weights of a whole layer on their grid, rounded half up once.
struct NemoGrid {
  double eps = 0;
  std::vector<std::int64_t> codes;
  int bits = 0;  // what the codes take; fewer than asked for where the range is too one-sided
};
// eps = (alpha + beta) / (2^bits - 1) with alpha = -min and beta = max, both at least 0; symmetric:
// alpha = beta = max|w|. Codes from -ceil(alpha / eps) to floor(beta / eps) + 1, which int8 holds
// but for the code 128 (becomes 127), or else the grid has a bit less: one-sided weights of 8 bits
// are what DORY, whose weights are int8, cannot read.
NemoGrid nemo_weight_grid(std::span<const float> weights, int bits, bool asymmetric);

// kappa * x + lambda, per channel, in integers.
struct NemoAffine {
  std::vector<double> kappa, lambda;
};
struct NemoIntegerAffine {
  double eps_kappa = 0, eps_out = 0;  // eps_lambda is eps_out
  std::vector<std::int64_t> kappa, lambda;
};
struct NemoAffineLimits {
  int kappa_bits = 14, lambda_bits = 20;  // neither above 20; lambda_bits 0: no limit
  double range = 0;  // of what comes out: 8 times the alpha of the activation behind
};
NemoIntegerAffine nemo_integer_affine(const NemoAffine& affine, double eps_in,
                                      const NemoAffineLimits& limits);

// y = floor(x * multiplier / divisor); divisor a power of two.
struct NemoRequantization {
  std::int64_t multiplier = 1, divisor = 1;
};
// Of an activation: divisor at most 2^(32 - bits).
NemoRequantization nemo_requantization(double eps_in, double eps_out, std::int64_t factor,
                                       int bits);
// Of a pool of `cells`: of the sum of them.
NemoRequantization nemo_pool(std::int64_t cells, std::int64_t factor);

struct NemoAddition {
  double eps_out = 0;
  std::vector<std::int64_t> multipliers;
  std::int64_t divisor = 1;
};
NemoAddition nemo_addition(std::span<const double> eps_in, std::int64_t factor);

}  // namespace workbench
