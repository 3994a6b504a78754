// RNN, GRU and LSTM as ONNX defines them. Everything in double, states too; results are rounded
// once. Fast and exact are the same.
//
// A gate is (sum of w * x in order + sum of r * h in order) + wb + rb, of an LSTM then + p * c.
#include <algorithm>
#include <vector>

#include "core/eval/kernels.h"
#include "core/parallel.h"

namespace workbench::eval {

namespace {

using Reals = std::vector<double>;

// One direction for one sequence of the batch.
class Cell {
 public:
  Cell(const Recurrent& op, const Evaluation& at, std::int64_t direction)
      : op_(op), hidden_(op.hidden), rows_(op.gates() * op.hidden), inputs_(at.x().dim(2)) {
    const auto part = [&](std::size_t i, std::int64_t size) {
      return at.operands[i].values<float>().data() + direction * size;
    };
    w_ = part(1, rows_ * inputs_);
    r_ = part(2, rows_ * hidden_);
    if (at.has(3)) bias_ = part(3, 2 * rows_);
    if (at.has(6)) peepholes_ = part(6, 3 * hidden_);
  }

  void step(const float* x, Reals& h, Reals& c) const {
    switch (op_.kind) {
      case Recurrent::Kind::Rnn:
        return rnn(x, h);
      case Recurrent::Kind::Gru:
        return gru(x, h);
      case Recurrent::Kind::Lstm:
        return lstm(x, h, c);
    }
  }

 private:
  double from_input(std::int64_t row, const float* x) const {
    double sum = 0;
    const float* w = w_ + row * inputs_;
    for (std::int64_t i = 0; i < inputs_; ++i) {
      sum += static_cast<double>(w[i]) * static_cast<double>(x[i]);
    }
    return sum;
  }
  double from_state(std::int64_t row, const Reals& h) const {
    double sum = 0;
    const float* r = r_ + row * hidden_;
    for (std::int64_t i = 0; i < hidden_; ++i) {
      sum += static_cast<double>(r[i]) * h[static_cast<std::size_t>(i)];
    }
    return sum;
  }
  double input_bias(std::int64_t row) const {
    return bias_ != nullptr ? static_cast<double>(bias_[row]) : 0;
  }
  double state_bias(std::int64_t row) const {
    return bias_ != nullptr ? static_cast<double>(bias_[rows_ + row]) : 0;
  }
  double gate(std::int64_t g, std::int64_t i, const float* x, const Reals& h) const {
    const std::int64_t row = g * hidden_ + i;
    return from_input(row, x) + from_state(row, h) + input_bias(row) + state_bias(row);
  }
  double peephole(std::int64_t g, std::int64_t i, double c) const {
    return peepholes_ != nullptr ? static_cast<double>(peepholes_[g * hidden_ + i]) * c : 0;
  }
  double applied(Activation::Kind kind, double v) const {
    const auto clip = static_cast<double>(op_.clip);
    if (clip > 0) v = std::clamp(v, -clip, clip);
    const bool hard = kind == Activation::Kind::HardSigmoid;
    return activate({.kind = kind, .alpha = hard ? 0.2F : 1, .beta = hard ? 0.5F : 1}, v, 0);
  }

  void rnn(const float* x, Reals& h) const {
    Reals next(h.size());
    for (std::int64_t i = 0; i < hidden_; ++i) {
      next[static_cast<std::size_t>(i)] = applied(op_.gate, gate(0, i, x, h));
    }
    h = std::move(next);
  }

  // z: update, r: reset, n: new; h = (1 - z) * n + z * h.
  void gru(const float* x, Reals& h) const {
    Reals reset(h.size()), next(h.size());
    for (std::int64_t i = 0; i < hidden_; ++i) {
      reset[static_cast<std::size_t>(i)] = applied(op_.gate, gate(1, i, x, h));
    }
    Reals reset_state(h.size());
    for (std::size_t i = 0; i < h.size(); ++i) reset_state[i] = reset[i] * h[i];
    for (std::int64_t i = 0; i < hidden_; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::int64_t row = 2 * hidden_ + i;
      const double z = applied(op_.gate, gate(0, i, x, h));
      const double state = op_.linear_before_reset
                               ? reset[at] * (from_state(row, h) + state_bias(row))
                               : from_state(row, reset_state) + state_bias(row);
      const double n = applied(op_.cell, from_input(row, x) + state + input_bias(row));
      next[at] = (1 - z) * n + z * h[at];
    }
    h = std::move(next);
  }

  // i, o, f, c in ONNX's order; the output gate's peephole sees the new c.
  void lstm(const float* x, Reals& h, Reals& c) const {
    Reals next(h.size());
    for (std::int64_t k = 0; k < hidden_; ++k) {
      const auto at = static_cast<std::size_t>(k);
      const double old = c[at];
      const double i = applied(op_.gate, gate(0, k, x, h) + peephole(0, k, old));
      const double f =
          op_.input_forget ? 1 - i : applied(op_.gate, gate(2, k, x, h) + peephole(2, k, old));
      c[at] = f * old + i * applied(op_.cell, gate(3, k, x, h));
      const double o = applied(op_.gate, gate(1, k, x, h) + peephole(1, k, c[at]));
      next[at] = o * unclipped(op_.result, c[at]);
    }
    h = std::move(next);
  }
  static double unclipped(Activation::Kind kind, double v) {
    const bool hard = kind == Activation::Kind::HardSigmoid;
    return activate({.kind = kind, .alpha = hard ? 0.2F : 1, .beta = hard ? 0.5F : 1}, v, 0);
  }

  const Recurrent& op_;
  std::int64_t hidden_, rows_, inputs_;
  const float* w_ = nullptr;
  const float* r_ = nullptr;
  const float* bias_ = nullptr;
  const float* peepholes_ = nullptr;
};

Reals initial(const Evaluation& at, std::size_t operand, std::int64_t first, std::int64_t size) {
  Reals state(static_cast<std::size_t>(size), 0);
  if (!at.has(operand)) return state;
  const float* from = at.operands[operand].values<float>().data() + first;
  std::copy_n(from, size, state.begin());
  return state;
}

void store(const Reals& state, float* to) {
  std::ranges::transform(state, to, [](double v) { return static_cast<float>(v); });
}

}  // namespace

template <>
Tensors result_of(const Recurrent& op, Evaluation& at) {
  at.expect_floats();
  const Tensor& x = at.x();
  const std::int64_t steps = x.dim(0), batch = x.dim(1), inputs = x.dim(2), hidden = op.hidden;
  const std::int64_t directions = op.directions();
  Tensor y = Tensor::uninitialized(ElementType::Float32, {steps, directions, batch, hidden});
  Tensor last_h = Tensor::uninitialized(ElementType::Float32, {directions, batch, hidden});
  Tensor last_c = last_h;
  const float* in = x.values<float>().data();
  float* out = y.mutable_values<float>().data();
  float* out_h = last_h.mutable_values<float>().data();
  float* out_c = last_c.mutable_values<float>().data();
  parallel_for(directions * batch, at.context.threads, [&](std::int64_t sequence) {
    const std::int64_t direction = sequence / batch, image = sequence % batch;
    const Cell cell(op, at, direction);
    Reals h = initial(at, 4, sequence * hidden, hidden);
    Reals c = initial(at, 5, sequence * hidden, hidden);
    const bool backwards = direction == 1 || op.direction == Recurrent::Direction::Reverse;
    for (std::int64_t t = 0; t < steps; ++t) {
      const std::int64_t time = backwards ? steps - 1 - t : t;
      cell.step(in + (time * batch + image) * inputs, h, c);
      store(h, out + ((time * directions + direction) * batch + image) * hidden);
    }
    store(h, out_h + sequence * hidden);
    store(c, out_c + sequence * hidden);
  });
  Tensors results = one(std::move(y));
  results.push_back(std::move(last_h));
  results.push_back(std::move(last_c));
  return results;
}

}  // namespace workbench::eval
