// Weights of a layer as codes such that what it computes of the operands that it gets is nearest,
// by least squares, to what it should give (docs/facts/quantization.md 5.4). Numbers alone: neither
// graphs nor samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace workbench {

// Sums over positions of n operands x, which m channels multiply, and of the targets t of these
// channels.
class OperandMoments {
 public:
  OperandMoments() = default;
  OperandMoments(std::size_t operands, std::size_t channels);

  std::size_t operands() const { return n_; }
  std::size_t channels() const { return m_; }
  // x: [positions, n], t: [positions, m].
  void add(std::span<const double> x, std::span<const double> t, int threads);
  void add(const OperandMoments& other);

  bool empty() const { return count_ == 0; }
  // Of operand i, about its mean; 0 for one that does not change.
  double variance(std::size_t i) const;
  double mean_variance() const;

 private:
  friend class LeastSquares;
  std::size_t n_ = 0, m_ = 0;
  double count_ = 0;
  std::vector<double> x_, xx_;       // [n], [n, n]: of row i the first i + 1
  std::vector<double> t_, xt_, tt_;  // [m], [m, n], [m]
};

// Codes of a channel in steps of `step`, and sum (t - w x)^2 / positions of them, means taken off.
struct ChannelCodes {
  std::vector<double> codes;
  double step = 1;
  double error = 0;
};

// The channels of one OperandMoments, each with the weights w0 that it has in the float network:
// the codes q that make
//   mean (t - q step x)^2 + ridge * |q step - w0|^2
// small, means taken off: the minimum in real numbers, rounded weight by weight while those that
// are still real make up for it, then single codes moved while the sum falls.
class LeastSquares {
 public:
  // `weights`: [m, n]. `ridge`: in units of the operands' mean variance.
  LeastSquares(const OperandMoments& moments, std::vector<double> weights, double ridge);

  // Without the moves of single codes: `error` is the whole sum, up to a constant of the channel.
  double rounded_error(std::size_t channel, double step, double high) const;
  ChannelCodes codes(std::size_t channel, double step, double high) const;
  // mean (t - w x)^2 of the moments `of`, on other positions of the same operands.
  static double error(const OperandMoments& of, std::size_t channel, std::span<const double> w);
  // Each code next to w0 [n].
  static ChannelCodes nearest(const OperandMoments& of, std::size_t channel,
                              std::span<const double> w0, double step, double high);

 private:
  std::vector<double> best_real(std::size_t channel) const;
  double round(std::span<const double> best, double step, double high,
               std::vector<double>& difference) const;
  void descend(double step, double high, std::span<const double> best,
               std::vector<double>& difference) const;

  const OperandMoments& moments_;
  std::vector<double> weights_;
  std::size_t n_;
  double ridge_;                    // absolute
  std::vector<std::size_t> order_;  // operands, those of least variance first
  std::vector<double> matrix_;      // covariance + ridge, in that order: [n, n]
  std::vector<double> factor_;      // upper U, U^T U = matrix_
};

}  // namespace workbench
