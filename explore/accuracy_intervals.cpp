// Intervals of 95 % for rates over few hundred images.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "explore/accuracy_run.h"

namespace workbench {

namespace {

constexpr double kDeviations = 1.959963984540054;  // of a normal distribution: 95 % lie within

// Probability of at most `successes` out of `trials` fair ones.
double binomial_tail(std::int64_t successes, std::int64_t trials) {
  double sum = 0;
  const auto n = static_cast<double>(trials);
  for (std::int64_t k = 0; k <= successes; ++k) {
    const auto i = static_cast<double>(k);
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(i + 1) - std::lgamma(n - i + 1) -
                    n * std::log(2.0));
  }
  return sum;
}

}  // namespace

Proportion proportion(std::int64_t count, std::int64_t of) {
  CHECK(of > 0 && count >= 0 && count <= of, "{} of {}", count, of);
  const auto n = static_cast<double>(of), hits = static_cast<double>(count);
  const double z2 = kDeviations * kDeviations;
  const double centre = (hits + z2 / 2) / (n + z2);
  const double reach = kDeviations / (n + z2) * std::sqrt(hits * (n - hits) / n + z2 / 4);
  return {hits / n, std::max(0.0, centre - reach), std::min(1.0, centre + reach)};
}

PairedDifference paired_difference(std::int64_t only_float, std::int64_t only_integer,
                                   std::int64_t images) {
  CHECK(images > 0 && only_float >= 0 && only_integer >= 0 && only_float + only_integer <= images,
        "{} and {} of {}", only_float, only_integer, images);
  PairedDifference difference{.only_float = only_float, .only_integer = only_integer};
  const auto lost = static_cast<double>(only_float), won = static_cast<double>(only_integer);
  difference.value = (won - lost) / static_cast<double>(images);
  const double n = static_cast<double>(images) + 2, moved = won - lost;
  const double reach =
      kDeviations * std::sqrt(std::max(0.0, won + lost + 1 - moved * moved / n)) / n;
  difference.low = std::max(-1.0, moved / n - reach);
  difference.high = std::min(1.0, moved / n + reach);
  const std::int64_t discordant = only_float + only_integer;
  difference.p_value =
      std::min(1.0, 2 * binomial_tail(std::min(only_float, only_integer), discordant));
  return difference;
}

}  // namespace workbench
