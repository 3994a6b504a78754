// Random nodes: Exact gives the bits of the loops written here, Fast stays close to it, and no
// result depends on the number of threads.

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

constexpr int kCases = 200;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t from(std::int64_t low, std::int64_t high) {  // both ends included
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  bool coin() { return from(0, 1) == 1; }
  Tensor tensor(const Shape& shape) { return noise(engine_, shape); }
  Window window() {
    Window w;
    for (int d = 0; d < 2; ++d) {
      w.kernel.push_back(from(1, 4));
      w.strides.push_back(from(1, 3));
      w.dilations.push_back(from(1, 2));
      w.pads_begin.push_back(from(0, w.kernel.back() - 1));
      w.pads_end.push_back(from(0, w.kernel.back() - 1));
    }
    return w;
  }

 private:
  std::mt19937_64 engine_;
};

OneNode random_conv(Random& random) {
  const bool depthwise = random.from(0, 3) == 0;
  const std::int64_t groups = depthwise ? random.from(2, 6) : random.from(1, 3);
  const std::int64_t channels = depthwise ? 1 : random.from(1, 20);
  const std::int64_t filters = groups * random.from(1, 12);
  const Window w = random.window();
  return {.op = Conv{.window = w,
                     .groups = groups,
                     .activation = {.kind = random.coin() ? Activation::Kind::LeakyRelu
                                                          : Activation::Kind::None,
                                    .alpha = 0.1F}},
          .operands = {random.tensor({random.from(1, 2), channels * groups, random.from(8, 30),
                                      random.from(8, 30)}),
                       random.tensor({filters, channels, w.kernel[0], w.kernel[1]}),
                       random.coin() ? random.tensor({filters}) : Tensor()}};
}

float at(const Tensor& x, std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
  const std::int64_t index = ((n * x.dim(1) + c) * x.dim(2) + h) * x.dim(3) + w;
  return x.values<float>()[static_cast<std::size_t>(index)];
}

// One output of a 2-D convolution from its definition.
double naive_conv(const OneNode& one, std::int64_t n, std::int64_t o, std::int64_t h,
                  std::int64_t w) {
  const auto& op = std::get<Conv>(one.op);
  const Tensor& x = one.operands[0];
  const Tensor& weights = one.operands[1];
  const std::int64_t channels = weights.dim(1);
  const std::int64_t first = o / (weights.dim(0) / op.groups) * channels;
  double sum = 0;
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t i = 0; i < op.window.kernel[0]; ++i) {
      for (std::int64_t j = 0; j < op.window.kernel[1]; ++j) {
        const std::int64_t row =
            h * op.window.strides[0] + i * op.window.dilations[0] - op.window.pads_begin[0];
        const std::int64_t column =
            w * op.window.strides[1] + j * op.window.dilations[1] - op.window.pads_begin[1];
        if (row < 0 || row >= x.dim(2) || column < 0 || column >= x.dim(3)) continue;
        sum += double{at(x, n, first + c, row, column)} * double{at(weights, o, c, i, j)};
      }
    }
  }
  if (one.operands[2].size() > 0) {
    sum += double{one.operands[2].values<float>()[static_cast<std::size_t>(o)]};
  }
  if (op.activation.kind == Activation::Kind::LeakyRelu && sum < 0) {
    sum *= double{op.activation.alpha};
  }
  return sum;
}

// `scale` is the size of what was summed: the error of a sum is relative to that.
void expect_close(const Tensor& fast, const Tensor& exact, double scale, const std::string& what) {
  ASSERT_EQ(fast.shape(), exact.shape()) << what;
  const auto a = fast.values<float>();
  const auto b = exact.values<float>();
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_NEAR(a[i], b[i], 1e-4 * std::max(scale, std::abs(double{b[i]}))) << what << " at " << i;
  }
}

void expect_no_thread_dependence(const OneNode& one, const std::string& what) {
  for (const Arithmetic arithmetic : {Arithmetic::Fast, Arithmetic::Exact}) {
    ASSERT_EQ(evaluate_one(one, arithmetic, 1), evaluate_one(one, arithmetic, 2)) << what;
  }
}

std::string label(std::uint64_t seed, int i) {
  return "seed " + std::to_string(seed) + " case " + std::to_string(i);
}

TEST(EvaluateProperty, exact_convolution_has_the_bits_of_its_definition) {
  constexpr std::uint64_t kSeed = 11;
  Random random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const OneNode one = random_conv(random);
    const Tensor y = evaluate_one(one, Arithmetic::Exact);
    for (int probe = 0; probe < 50; ++probe) {
      const std::int64_t n = random.from(0, y.dim(0) - 1);
      const std::int64_t o = random.from(0, y.dim(1) - 1);
      const std::int64_t h = random.from(0, y.dim(2) - 1);
      const std::int64_t w = random.from(0, y.dim(3) - 1);
      ASSERT_EQ(at(y, n, o, h, w), static_cast<float>(naive_conv(one, n, o, h, w)))
          << label(kSeed, i);
    }
  }
}

TEST(EvaluateProperty, fast_convolution_is_close_to_exact) {
  constexpr std::uint64_t kSeed = 12;
  Random random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const OneNode one = random_conv(random);
    expect_close(evaluate_one(one, Arithmetic::Fast), evaluate_one(one, Arithmetic::Exact), 0.1,
                 label(kSeed, i));
  }
}

TEST(EvaluateProperty, convolution_does_not_depend_on_threads) {
  constexpr std::uint64_t kSeed = 13;
  Random random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    expect_no_thread_dependence(random_conv(random), label(kSeed, i));
  }
}

TEST(EvaluateProperty, many_filters_and_panels_are_put_together_rightly) {
  Random random(14);  // 300 filters and 40*41 pixels: two filter blocks, several panels, odd rests
  for (const std::int64_t kernel : {1, 3}) {
    const OneNode one{.op = Conv{.window = square(kernel, 1, kernel / 2)},
                      .operands = {random.tensor({1, 130, 40, 41}),
                                   random.tensor({300, 130, kernel, kernel}), Tensor()}};
    const Tensor fast = evaluate_one(one, Arithmetic::Fast, 2);
    ASSERT_EQ(fast, evaluate_one(one, Arithmetic::Fast, 1));
    for (int probe = 0; probe < 500; ++probe) {
      const std::int64_t o = random.from(0, 299);
      const std::int64_t h = random.from(0, 39);
      const std::int64_t w = random.from(0, 40);
      ASSERT_NEAR(at(fast, 0, o, h, w), naive_conv(one, 0, o, h, w), 1e-3) << "seed 14";
    }
  }
}

TEST(EvaluateProperty, transposed_convolution_is_the_adjoint_of_convolution) {
  constexpr std::uint64_t kSeed = 15;
  Random random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    // <conv(x), y> == <x, transposed conv(y)> for the same weights; the sizes are chosen so that
    // the windows end exactly at the padded edge
    const Window w = random.window();
    const std::int64_t groups = random.from(1, 3);
    const std::int64_t rows = random.from(3, 9);
    const std::int64_t columns = random.from(3, 9);
    const Tensor y = random.tensor({1, groups * random.from(1, 10), rows, columns});
    const Tensor weights = random.tensor({y.dim(1), random.from(1, 4), w.kernel[0], w.kernel[1]});
    const OneNode deconv{
        .op = ConvTranspose{.window = w, .groups = groups, .output_padding = {0, 0}},
        .operands = {y, weights}};
    const Tensor spread = evaluate_one(deconv, Arithmetic::Exact);
    const Tensor x = random.tensor(spread.shape());
    const Tensor slid = evaluate_one(
        {.op = Conv{.window = w, .groups = groups}, .operands = {x, weights}}, Arithmetic::Exact);
    ASSERT_EQ(slid.shape(), y.shape()) << label(kSeed, i);
    double left = 0;
    double right = 0;
    for (std::size_t k = 0; k < slid.values<float>().size(); ++k) {
      left += double{slid.values<float>()[k]} * double{y.values<float>()[k]};
    }
    for (std::size_t k = 0; k < x.values<float>().size(); ++k) {
      right += double{x.values<float>()[k]} * double{spread.values<float>()[k]};
    }
    ASSERT_NEAR(left, right, 1e-3 * std::max(1.0, std::abs(left))) << label(kSeed, i);
    expect_close(evaluate_one(deconv, Arithmetic::Fast), spread, 0.1, label(kSeed, i));
    expect_no_thread_dependence(deconv, label(kSeed, i));
  }
}

OneNode random_pool(Random& random) {
  const Window w = random.window();
  const Tensor x =
      random.tensor({random.from(1, 2), random.from(1, 6), random.from(8, 20), random.from(8, 20)});
  const bool ceil_mode = random.coin();
  if (random.coin()) return {.op = MaxPool{.window = w, .ceil_mode = ceil_mode}, .operands = {x}};
  return {
      .op = AveragePool{.window = w, .ceil_mode = ceil_mode, .count_include_pad = random.coin()},
      .operands = {x}};
}

// One output of a pool from its definition.
double naive_pool(const OneNode& one, std::int64_t n, std::int64_t c, std::int64_t h,
                  std::int64_t w) {
  const auto* max = std::get_if<MaxPool>(&one.op);
  const auto* average = std::get_if<AveragePool>(&one.op);
  const Window& window = max != nullptr ? max->window : average->window;
  const Tensor& x = one.operands[0];
  double best = -INFINITY;
  double sum = 0;
  int inside = 0;
  int padded = 0;
  for (std::int64_t i = 0; i < window.kernel[0]; ++i) {
    for (std::int64_t j = 0; j < window.kernel[1]; ++j) {
      const std::int64_t row =
          h * window.strides[0] + i * window.dilations[0] - window.pads_begin[0];
      const std::int64_t column =
          w * window.strides[1] + j * window.dilations[1] - window.pads_begin[1];
      if (row < x.dim(2) + window.pads_end[0] && column < x.dim(3) + window.pads_end[1]) ++padded;
      if (row < 0 || row >= x.dim(2) || column < 0 || column >= x.dim(3)) continue;
      ++inside;
      sum += double{at(x, n, c, row, column)};
      best = std::max(best, double{at(x, n, c, row, column)});
    }
  }
  if (max != nullptr) return best;
  const int count = average->count_include_pad ? padded : inside;
  return count == 0 ? 0 : sum / count;
}

TEST(EvaluateProperty, exact_pools_have_the_bits_of_their_definition) {
  constexpr std::uint64_t kSeed = 16;
  Random random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const OneNode one = random_pool(random);
    const Tensor y = evaluate_one(one, Arithmetic::Exact);
    for (std::int64_t h = 0; h < y.dim(2); ++h) {
      for (std::int64_t w = 0; w < y.dim(3); ++w) {
        const std::int64_t c = random.from(0, y.dim(1) - 1);
        ASSERT_EQ(at(y, 0, c, h, w), static_cast<float>(naive_pool(one, 0, c, h, w)))
            << label(kSeed, i);
      }
    }
    if (std::holds_alternative<AveragePool>(one.op)) {
      expect_close(evaluate_one(one, Arithmetic::Fast), y, 1, label(kSeed, i));
    }
    expect_no_thread_dependence(one, label(kSeed, i));
  }
}

TEST(EvaluateProperty, matrix_products_are_close_to_exact_for_any_thread_count) {
  constexpr std::uint64_t kSeed = 17;
  Random random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const std::int64_t m = random.from(1, 40);
    const std::int64_t n = random.from(1, 300);
    const std::int64_t k = random.from(1, 100);
    const Gemm op{.transpose_a = random.coin(), .transpose_b = random.coin(), .alpha = 0.5F};
    const OneNode one{.op = op,
                      .operands = {random.tensor(op.transpose_a ? Shape{k, m} : Shape{m, k}),
                                   random.tensor(op.transpose_b ? Shape{n, k} : Shape{k, n}),
                                   random.tensor({n})}};
    expect_close(evaluate_one(one, Arithmetic::Fast), evaluate_one(one, Arithmetic::Exact), 0.1,
                 label(kSeed, i));
    expect_no_thread_dependence(one, label(kSeed, i));
  }
}

TEST(EvaluateProperty, broadcasting_reads_the_elements_numpy_would) {
  constexpr std::uint64_t kSeed = 18;
  Random random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    Shape a, b;
    for (std::int64_t d = random.from(0, 4); d > 0; --d) {
      const std::int64_t size = random.from(1, 5);
      a.push_back(random.coin() ? size : 1);
      b.push_back(random.coin() ? size : 1);
    }
    while (!b.empty() && random.coin()) b.erase(b.begin());  // missing leading dimensions
    const OneNode one{.op = Binary{.kind = Binary::Kind::Sub},
                      .operands = {random.tensor(a), random.tensor(b)}};
    const Tensor y = evaluate_one(one);
    const auto element = [&](const Tensor& x, std::int64_t index) {
      std::int64_t offset = 0;
      std::int64_t step = 1;
      for (std::size_t d = 0; d < y.rank(); ++d) {
        const std::int64_t size = y.dim(y.rank() - 1 - d);
        const std::int64_t position = index % size;
        index /= size;
        if (d >= x.rank()) continue;
        const std::int64_t own = x.dim(x.rank() - 1 - d);
        offset += own == 1 ? 0 : position * step;
        step *= own;
      }
      return x.values<float>()[static_cast<std::size_t>(offset)];
    };
    for (std::int64_t k = 0; k < y.size(); ++k) {
      ASSERT_EQ(y.values<float>()[static_cast<std::size_t>(k)],
                element(one.operands[0], k) - element(one.operands[1], k))
          << label(kSeed, i);
    }
  }
}

}  // namespace
}  // namespace workbench
