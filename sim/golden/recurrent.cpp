// RNN, GRU and LSTM, from the equations of ONNX's operators of these names. States are double.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/golden/operation.h"
#include "sim/golden/windows.h"

namespace workbench::golden {

namespace {

using Vector = std::vector<double>;

// Parameters of one direction: [rows][columns] in row-major order.
struct Matrix {
  std::span<const float> values;
  std::size_t columns = 0;

  double times(std::size_t row, const Vector& x) const {
    double sum = 0;
    for (std::size_t i = 0; i < columns; ++i) sum += double{values[row * columns + i]} * x[i];
    return sum;
  }
};

std::span<const float> slice_of(const Operation& at, std::size_t operand, std::int64_t d) {
  if (!at.has(operand)) return {};
  const Tensor& all = at.operand(operand);
  const auto size = static_cast<std::size_t>(all.size() / all.dim(0));
  return all.values<float>().subspan(static_cast<std::size_t>(d) * size, size);
}

struct Direction {
  const Recurrent& op;
  Matrix w, r;
  std::span<const float> b, p;
  std::size_t hidden = 0;

  std::size_t row(std::size_t gate, std::size_t i) const { return gate * hidden + i; }
  double wb(std::size_t row) const { return b.empty() ? 0 : double{b[row]}; }
  double rb(std::size_t row) const { return b.empty() ? 0 : double{b[b.size() / 2 + row]}; }
  double sum(std::size_t gate, std::size_t i, const Vector& x, const Vector& h) const {
    const std::size_t k = row(gate, i);
    return w.times(k, x) + r.times(k, h) + wb(k) + rb(k);
  }
  double seen(std::size_t gate, std::size_t i, double c) const {
    return p.empty() ? 0 : double{p[row(gate, i)]} * c;
  }
};

double function(Activation::Kind kind, double v) {
  Activation activation{.kind = kind, .alpha = 1, .beta = 1};
  if (kind == Activation::Kind::HardSigmoid) {
    activation.alpha = 0.2F;
    activation.beta = 0.5F;
  }
  return activated(activation, v, 0);
}

double clipped_function(const Recurrent& op, Activation::Kind kind, double v) {
  if (op.clip > 0) v = std::min(std::max(v, -double{op.clip}), double{op.clip});
  return function(kind, v);
}

Vector rnn(const Direction& d, const Vector& x, const Vector& h) {
  Vector next;
  for (std::size_t i = 0; i < d.hidden; ++i) {
    next.push_back(clipped_function(d.op, d.op.gate, d.sum(0, i, x, h)));
  }
  return next;
}

// zt = f(..), rt = f(..), ht = g(Xt*Wh + (rt . H)*Rh + Rbh + Wbh), or, linear before reset,
// g(Xt*Wh + rt . (H*Rh + Rbh) + Wbh); Ht = (1 - zt) . ht + zt . H
Vector gru(const Direction& d, const Vector& x, const Vector& h) {
  Vector reset, reset_h, next;
  for (std::size_t i = 0; i < d.hidden; ++i) {
    reset.push_back(clipped_function(d.op, d.op.gate, d.sum(1, i, x, h)));
    reset_h.push_back(reset[i] * h[i]);
  }
  for (std::size_t i = 0; i < d.hidden; ++i) {
    const std::size_t row = d.row(2, i);
    const double z = clipped_function(d.op, d.op.gate, d.sum(0, i, x, h));
    const double before = reset[i] * (d.r.times(row, h) + d.rb(row));
    const double after = d.r.times(row, reset_h) + d.rb(row);
    const double recurrence = d.op.linear_before_reset ? before : after;
    const double fresh =
        clipped_function(d.op, d.op.cell, d.w.times(row, x) + recurrence + d.wb(row));
    next.push_back((1 - z) * fresh + z * h[i]);
  }
  return next;
}

// Gates in the order i, o, f, c; peepholes in the order i, o, f. Changes c.
Vector lstm(const Direction& d, const Vector& x, const Vector& h, Vector& c) {
  Vector next;
  for (std::size_t k = 0; k < d.hidden; ++k) {
    const double i = clipped_function(d.op, d.op.gate, d.sum(0, k, x, h) + d.seen(0, k, c[k]));
    double f = clipped_function(d.op, d.op.gate, d.sum(2, k, x, h) + d.seen(2, k, c[k]));
    if (d.op.input_forget) f = 1 - i;
    const double fresh = clipped_function(d.op, d.op.cell, d.sum(3, k, x, h));
    c[k] = f * c[k] + i * fresh;
    const double o = clipped_function(d.op, d.op.gate, d.sum(1, k, x, h) + d.seen(1, k, c[k]));
    next.push_back(o * function(d.op.result, c[k]));
  }
  return next;
}

Vector state_of(const Operation& at, std::size_t operand, std::int64_t d, std::int64_t image,
                std::size_t hidden) {
  const std::span<const float> all = slice_of(at, operand, d);
  if (all.empty()) return Vector(hidden, 0);
  const auto own = all.subspan(static_cast<std::size_t>(image) * hidden, hidden);
  return {own.begin(), own.end()};
}

void store(const Vector& state, Tensor& to, const Position& position) {
  const auto values = to.mutable_values<float>();
  const auto begin = static_cast<std::size_t>(offset_of(to.shape(), position));
  for (std::size_t i = 0; i < state.size(); ++i) values[begin + i] = static_cast<float>(state[i]);
}

}  // namespace

std::vector<Tensor> recurrent(const Recurrent& op, const Operation& at) {
  const Tensor& x = at.operand(0);
  const std::int64_t steps = x.dim(0), batch = x.dim(1), directions = op.directions();
  const auto hidden = static_cast<std::size_t>(op.hidden);
  const auto inputs = static_cast<std::size_t>(x.dim(2));
  Tensor y = Tensor::zeros(ElementType::Float32, {steps, directions, batch, op.hidden});
  Tensor last_h = Tensor::zeros(ElementType::Float32, {directions, batch, op.hidden});
  Tensor last_c = last_h;
  for (std::int64_t d = 0; d < directions; ++d) {
    const Direction direction{.op = op,
                              .w = {slice_of(at, 1, d), inputs},
                              .r = {slice_of(at, 2, d), hidden},
                              .b = slice_of(at, 3, d),
                              .p = slice_of(at, 6, d),
                              .hidden = hidden};
    const bool backwards = d == 1 || op.direction == Recurrent::Direction::Reverse;
    for (std::int64_t image = 0; image < batch; ++image) {
      Vector h = state_of(at, 4, d, image, hidden), c = state_of(at, 5, d, image, hidden);
      for (std::int64_t step = 0; step < steps; ++step) {
        const std::int64_t t = backwards ? steps - 1 - step : step;
        const auto row =
            x.values<float>().subspan(static_cast<std::size_t>(t * batch + image) * inputs, inputs);
        const Vector now(row.begin(), row.end());
        if (op.kind == Recurrent::Kind::Rnn) h = rnn(direction, now, h);
        if (op.kind == Recurrent::Kind::Gru) h = gru(direction, now, h);
        if (op.kind == Recurrent::Kind::Lstm) h = lstm(direction, now, h, c);
        store(h, y, {t, d, image, 0});
      }
      store(h, last_h, {d, image, 0});
      store(c, last_c, {d, image, 0});
    }
  }
  return {y, last_h, last_c};
}

}  // namespace workbench::golden
