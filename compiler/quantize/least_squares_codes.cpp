#include "compiler/quantize/least_squares_codes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "core/vectors.h"

namespace workbench {

namespace {

constexpr std::size_t kTile = 4;  // rows of a matrix that one pass over the data changes
constexpr int kMostSweeps = 50;
constexpr double kLeastPivot = 1e-10;  // of the largest
constexpr double kRoundingNoise =
    1e-12;  // of a mean square: what is left of its difference to another

// Partial sums in a fixed order, as many as the widest vectors have lanes.
double dot(const double* a, const double* b, std::size_t n) {
  constexpr std::size_t kLanes = 8;
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) sums[k] += a[i + k] * b[i + k];
  }
  for (std::size_t k = 0; i < n; ++i, ++k) sums[k] += a[i] * b[i];
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

// rows[r][0 .. length) += sum over p of scale(p, r) * x(p)[0 .. length), two p at a time.
template <typename Scale, typename Row>
void add_products(const std::array<double*, kTile>& rows, std::size_t tile, std::size_t length,
                  std::size_t positions, const Scale& scale, const Row& x) {
  std::size_t p = 0;
  for (; p + 2 <= positions; p += 2) {
    const double *x0 = x(p), *x1 = x(p + 1);
    for (std::size_t r = 0; r < tile; ++r) {
      const double a = scale(p, r), b = scale(p + 1, r);
      if (a == 0 && b == 0) continue;
      double* row = rows[r];
      for (std::size_t j = 0; j < length; ++j) row[j] = (row[j] + a * x0[j]) + b * x1[j];
    }
  }
  for (; p < positions; ++p) {
    const double* x0 = x(p);
    for (std::size_t r = 0; r < tile; ++r) {
      const double a = scale(p, r);
      for (std::size_t j = 0; j < length; ++j) rows[r][j] += a * x0[j];
    }
  }
}

// Upper U with U^T U = a, in place, for a symmetric a of which the upper half is read: rows in
// groups of kTile, each group subtracted from the rows below at once.
void factorize(std::vector<double>& a, std::size_t n) {
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, a[i * n + i]);
  const double least = kLeastPivot * largest;
  for (std::size_t k = 0; k < n; k += kTile) {
    const std::size_t end = std::min(n, k + kTile);
    for (std::size_t i = k; i < end; ++i) {
      double* row = &a[i * n];
      const double pivot = std::sqrt(std::max(row[i], least));
      row[i] = pivot;
      for (std::size_t j = i + 1; j < n; ++j) row[j] /= pivot;
      for (std::size_t below = i + 1; below < end; ++below) {
        double* other = &a[below * n];
        const double scale = row[below];
        for (std::size_t j = below; j < n; ++j) other[j] -= scale * row[j];
      }
    }
    with_vectors([&] {
      for (std::size_t i = end; i < n; ++i) {
        double* row = &a[i * n];
        for (std::size_t of = k; of < end; ++of) {
          const double* by = &a[of * n];
          const double scale = by[i];
          for (std::size_t j = i; j < n; ++j) row[j] -= scale * by[j];
        }
      }
    });
  }
}

double nearest_code(double w, double step, double high) {
  return std::clamp(std::round(w / step), -high, high);
}

}  // namespace

OperandMoments::OperandMoments(std::size_t operands, std::size_t channels)
    : n_(operands),
      m_(channels),
      x_(operands, 0.0),
      xx_(operands * operands, 0.0),
      t_(channels, 0.0),
      xt_(channels * operands, 0.0),
      tt_(channels, 0.0) {}

void OperandMoments::add(std::span<const double> x, std::span<const double> t, int threads) {
  const std::size_t positions = m_ == 0 ? 0 : t.size() / m_;
  const std::size_t tiles = (n_ + kTile - 1) / kTile, channel_tiles = (m_ + kTile - 1) / kTile;
  const auto row_of = [&](std::size_t p) { return &x[p * n_]; };
  parallel_for(static_cast<std::int64_t>(tiles + channel_tiles), threads, [&](std::int64_t at) {
    const auto tile = static_cast<std::size_t>(at);
    const bool squares = tile < tiles;
    const std::size_t first = kTile * (squares ? tile : tile - tiles);
    const std::size_t rows = std::min(kTile, (squares ? n_ : m_) - first);
    std::array<double*, kTile> to{};
    for (std::size_t r = 0; r < rows; ++r) {
      to[r] = squares ? &xx_[(first + r) * n_] : &xt_[(first + r) * n_];
    }
    const std::size_t length = squares ? first + rows : n_;
    with_vectors([&] {
      add_products(
          to, rows, length, positions,
          [&](std::size_t p, std::size_t r) {
            return squares ? x[p * n_ + first + r] : t[p * m_ + first + r];
          },
          row_of);
    });
  });
  for (std::size_t p = 0; p < positions; ++p) {
    for (std::size_t i = 0; i < n_; ++i) x_[i] += x[p * n_ + i];
    for (std::size_t c = 0; c < m_; ++c) {
      t_[c] += t[p * m_ + c];
      tt_[c] += t[p * m_ + c] * t[p * m_ + c];
    }
  }
  count_ += static_cast<double>(positions);
}

void OperandMoments::add(const OperandMoments& other) {
  const auto add_all = [](std::vector<double>& to, const std::vector<double>& from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
  };
  add_all(x_, other.x_);
  add_all(xx_, other.xx_);
  add_all(t_, other.t_);
  add_all(xt_, other.xt_);
  add_all(tt_, other.tt_);
  count_ += other.count_;
}

double OperandMoments::variance(std::size_t i) const {
  const double mean = x_[i] / count_, square = xx_[i * n_ + i] / count_;
  const double variance = square - mean * mean;
  return variance > kRoundingNoise * square ? variance : 0;
}

double OperandMoments::mean_variance() const {
  double sum = 0;
  for (std::size_t i = 0; i < n_; ++i) sum += variance(i);
  return sum / static_cast<double>(n_);
}

LeastSquares::LeastSquares(const OperandMoments& moments, std::vector<double> weights, double ridge)
    : moments_(moments),
      weights_(std::move(weights)),
      n_(moments.n_),
      ridge_(ridge * moments.mean_variance()),
      order_(n_),
      matrix_(n_ * n_) {
  CHECK(weights_.size() == n_ * moments.m_, "{} weights of {} x {}", weights_.size(), moments.m_,
        n_);
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    return moments.variance(a) < moments.variance(b);
  });
  for (std::size_t i = 0; i < n_; ++i) {
    for (std::size_t j = 0; j < n_; ++j) {
      const std::size_t a = order_[i], b = order_[j];
      const double product = moments.xx_[std::max(a, b) * n_ + std::min(a, b)] / moments.count_;
      matrix_[i * n_ + j] =
          product - moments.x_[a] / moments.count_ * (moments.x_[b] / moments.count_);
    }
    matrix_[i * n_ + i] += ridge_;
  }
  factor_ = matrix_;
  factorize(factor_, n_);
}

// U^T U w = covariance of x and t + ridge w0.
std::vector<double> LeastSquares::best_real(std::size_t channel) const {
  std::vector<double> w(n_);
  const double mean = moments_.t_[channel] / moments_.count_;
  for (std::size_t i = 0; i < n_; ++i) {
    const std::size_t at = channel * n_ + order_[i];
    w[i] = moments_.xt_[at] / moments_.count_ - mean * moments_.x_[order_[i]] / moments_.count_ +
           ridge_ * weights_[at];
  }
  with_vectors([&] {
    for (std::size_t i = 0; i < n_; ++i) {
      const double* row = &factor_[i * n_];
      w[i] /= row[i];
      for (std::size_t j = i + 1; j < n_; ++j) w[j] -= w[i] * row[j];
    }
    for (std::size_t i = n_; i-- > 0;) {
      const double* row = &factor_[i * n_];
      w[i] = (w[i] - dot(row + i + 1, &w[i] + 1, n_ - i - 1)) / row[i];
    }
  });
  return w;
}

// The last first: |U d|^2 is a sum over rows i that have nothing of the weights before i.
double LeastSquares::round(std::span<const double> best, double step, double high,
                           std::vector<double>& difference) const {
  difference.assign(n_, 0.0);
  double sum = 0;
  with_vectors([&] {
    for (std::size_t i = n_; i-- > 0;) {
      const double* row = &factor_[i * n_];
      const double rest = dot(row + i + 1, &difference[i] + 1, n_ - i - 1);
      difference[i] = nearest_code(best[i] - rest / row[i], step, high) * step - best[i];
      const double error = rest + row[i] * difference[i];
      sum += error * error;
    }
  });
  return sum;
}

void LeastSquares::descend(double step, double high, std::span<const double> best,
                           std::vector<double>& difference) const {
  std::vector<double> slope(n_);
  with_vectors([&] {
    for (std::size_t i = 0; i < n_; ++i) {
      slope[i] = dot(&matrix_[i * n_], difference.data(), n_);
    }
    for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
      bool changed = false;
      for (std::size_t i = 0; i < n_; ++i) {
        const double* row = &matrix_[i * n_];
        const double weight = best[i] + difference[i];
        const double code = nearest_code(weight - slope[i] / row[i], step, high);
        const double move = code * step - weight;
        if (std::abs(move) < 0.5 * step) continue;
        if (2 * move * slope[i] + move * move * row[i] >= -1e-12 * step * step * row[i]) continue;
        difference[i] += move;
        for (std::size_t j = 0; j < n_; ++j) slope[j] += move * row[j];
        changed = true;
      }
      if (!changed) return;
    }
  });
}

double LeastSquares::rounded_error(std::size_t channel, double step, double high) const {
  std::vector<double> difference;
  return round(best_real(channel), step, high, difference);
}

ChannelCodes LeastSquares::codes(std::size_t channel, double step, double high) const {
  const std::vector<double> best = best_real(channel);
  std::vector<double> difference;
  round(best, step, high, difference);
  descend(step, high, best, difference);
  ChannelCodes result{.codes = std::vector<double>(n_), .step = step};
  std::vector<double> w(n_);
  for (std::size_t i = 0; i < n_; ++i) {
    const double code = std::round((best[i] + difference[i]) / step);
    result.codes[order_[i]] = code;
    w[order_[i]] = code * step;
  }
  result.error = error(moments_, channel, w);
  return result;
}

ChannelCodes LeastSquares::nearest(const OperandMoments& of, std::size_t channel,
                                   std::span<const double> w0, double step, double high) {
  ChannelCodes result{.codes = std::vector<double>(of.n_), .step = step};
  std::vector<double> w(of.n_);
  for (std::size_t i = 0; i < of.n_; ++i) {
    result.codes[i] = nearest_code(w0[i], step, high);
    w[i] = result.codes[i] * step;
  }
  result.error = error(of, channel, w);
  return result;
}

double LeastSquares::error(const OperandMoments& of, std::size_t channel,
                           std::span<const double> w) {
  const std::size_t n = of.n_;
  const double t = of.t_[channel] / of.count_;
  double xwx = 0, xw = 0;
  double linear = 0;
  with_vectors([&] {
    for (std::size_t i = 0; i < n; ++i) {
      const double below = dot(&of.xx_[i * n], w.data(), i);
      xwx += w[i] * (2 * below + of.xx_[i * n + i] * w[i]);
    }
    xw = dot(of.x_.data(), w.data(), n) / of.count_;
    linear = dot(&of.xt_[channel * n], w.data(), n) / of.count_;
  });
  const double square = xwx / of.count_ - xw * xw;
  return square - 2 * (linear - t * xw) + (of.tt_[channel] / of.count_ - t * t);
}

}  // namespace workbench
