// The integer convolutions of the golden model against the definition, written as the plainest
// loops over every index.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "sim/golden/golden.h"
#include "tests/support/one_node.h"

namespace workbench {
namespace {

constexpr int kCases = 200;

std::int64_t pick(std::mt19937_64& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution(low, high)(random);
}

Tensor random_codes(std::mt19937_64& random, Shape shape) {
  Tensor tensor = Tensor::uninitialized(ElementType::Int8, std::move(shape));
  for (std::int8_t& code : tensor.mutable_values<std::int8_t>()) {
    code = static_cast<std::int8_t>(pick(random, -128, 127));
  }
  return tensor;
}

Window random_window(std::mt19937_64& random) {
  Window w;
  for (int d = 0; d < 2; ++d) {
    w.kernel.push_back(pick(random, 1, 3));
    w.strides.push_back(pick(random, 1, 3));
    w.dilations.push_back(pick(random, 1, 2));
    w.pads_begin.push_back(pick(random, 0, 2));
    w.pads_end.push_back(pick(random, 0, 2));
  }
  return w;
}

struct Case {
  std::int64_t groups, ci, co, height, width;  // ci, co per group
  Window window;
};

Case random_case(std::mt19937_64& random) {
  return {.groups = pick(random, 1, 3),
          .ci = pick(random, 1, 5),
          .co = pick(random, 1, 4),
          .height = pick(random, 5, 9),
          .width = pick(random, 5, 9),
          .window = random_window(random)};
}

// Runs the node with a scale of 1 and the shift that keeps accumulators of up to 2^20 in range.
constexpr std::int32_t kShift = 13;
Tensor golden_result(const Op& op, const Tensor& x, const Tensor& w) {
  const Graph graph = graph_of({.op = op,
                                .operands = {x, w},
                                .result = ElementType::Int8,
                                .requantize = Requantize{.scale = {1}, .shift = {kShift}}});
  return golden::run(graph, {&x, 1}).back();
}

std::int8_t code_of(std::int64_t accumulator) {
  // floor(acc / 2^n + 1/2), by integer division of a positive number
  constexpr std::int64_t kUnit = std::int64_t{1} << kShift;
  const std::int64_t rounded = (accumulator + kUnit / 2 + 1024 * kUnit) / kUnit - 1024;
  return static_cast<std::int8_t>(rounded < -128 ? -128 : rounded > 127 ? 127 : rounded);
}

struct Reader {
  const Tensor& tensor;
  std::int64_t operator()(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) const {
    const std::int64_t i = ((a * tensor.dim(1) + b) * tensor.dim(2) + c) * tensor.dim(3) + d;
    return tensor.values<std::int8_t>()[static_cast<std::size_t>(i)];
  }
};

TEST(GoldenConv, equals_the_definition) {
  constexpr std::uint64_t kSeed = 1;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const Case c = random_case(random);
    const Window& s = c.window;
    const Tensor x = random_codes(random, {1, c.groups * c.ci, c.height, c.width});
    const Tensor w = random_codes(random, {c.groups * c.co, c.ci, s.kernel[0], s.kernel[1]});
    const Tensor y = golden_result(Conv{.window = s, .groups = c.groups}, x, w);
    for (std::int64_t o = 0; o < y.dim(1); ++o) {
      for (std::int64_t row = 0; row < y.dim(2); ++row) {
        for (std::int64_t column = 0; column < y.dim(3); ++column) {
          std::int64_t sum = 0;
          for (std::int64_t ch = 0; ch < c.ci; ++ch) {
            for (std::int64_t kr = 0; kr < s.kernel[0]; ++kr) {
              for (std::int64_t kc = 0; kc < s.kernel[1]; ++kc) {
                const std::int64_t r = row * s.strides[0] + kr * s.dilations[0] - s.pads_begin[0];
                const std::int64_t q =
                    column * s.strides[1] + kc * s.dilations[1] - s.pads_begin[1];
                if (r < 0 || r >= c.height || q < 0 || q >= c.width) continue;
                sum += Reader{x}(0, o / c.co * c.ci + ch, r, q) * Reader{w}(o, ch, kr, kc);
              }
            }
          }
          ASSERT_EQ(Reader{y}(0, o, row, column), code_of(sum)) << "case " << i;
        }
      }
    }
  }
}

// Scatter: each input cell adds its kernel to the output.
TEST(GoldenConv, transposed_equals_the_definition) {
  constexpr std::uint64_t kSeed = 2;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const Case c = random_case(random);
    const Window& s = c.window;
    const Tensor x = random_codes(random, {1, c.groups * c.ci, c.height, c.width});
    const Tensor w = random_codes(random, {c.groups * c.ci, c.co, s.kernel[0], s.kernel[1]});
    const Tensor y =
        golden_result(ConvTranspose{.window = s,
                                    .groups = c.groups,
                                    .output_padding = {pick(random, 0, 1), pick(random, 0, 1)}},
                      x, w);
    std::vector<std::int64_t> sums(static_cast<std::size_t>(y.size()), 0);
    for (std::int64_t ch = 0; ch < x.dim(1); ++ch) {
      for (std::int64_t cell = 0; cell < c.height * c.width; ++cell) {
        for (std::int64_t o = 0; o < c.co; ++o) {
          for (std::int64_t tap = 0; tap < s.kernel[0] * s.kernel[1]; ++tap) {
            const std::int64_t kr = tap / s.kernel[1], kc = tap % s.kernel[1];
            const std::int64_t r =
                cell / c.width * s.strides[0] + kr * s.dilations[0] - s.pads_begin[0];
            const std::int64_t q =
                cell % c.width * s.strides[1] + kc * s.dilations[1] - s.pads_begin[1];
            if (r < 0 || r >= y.dim(2) || q < 0 || q >= y.dim(3)) continue;
            const std::int64_t to = ((ch / c.ci * c.co + o) * y.dim(2) + r) * y.dim(3) + q;
            sums[static_cast<std::size_t>(to)] +=
                Reader{x}(0, ch, cell / c.width, cell % c.width) * Reader{w}(ch, o, kr, kc);
          }
        }
      }
    }
    for (std::size_t k = 0; k < sums.size(); ++k) {
      ASSERT_EQ(y.values<std::int8_t>()[k], code_of(sums[k])) << "case " << i << " at " << k;
    }
  }
}

}  // namespace
}  // namespace workbench
