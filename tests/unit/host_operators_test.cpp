// Operators that only a host computes, on numbers small enough to follow by hand: the evaluator's
// fast and exact arithmetic and the golden model give the same results.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "isa/host_time.h"
#include "sim/golden/golden.h"
#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

using Floats = std::vector<float>;
using Wholes = std::vector<std::int64_t>;

Tensor reals(Shape shape, const Floats& values) { return Tensor::from(std::move(shape), values); }
Tensor reals(const Floats& values) {
  return reals({static_cast<std::int64_t>(values.size())}, values);
}
Tensor wholes(Shape shape, const Wholes& values) { return Tensor::from(std::move(shape), values); }
Tensor wholes(const Wholes& values) {
  return wholes({static_cast<std::int64_t>(values.size())}, values);
}
Tensor truths(const std::vector<int>& values) {
  Tensor tensor = Tensor::zeros(ElementType::Bool, {static_cast<std::int64_t>(values.size())});
  for (std::size_t i = 0; i < values.size(); ++i) tensor.mutable_values<bool>()[i] = values[i] != 0;
  return tensor;
}

std::vector<double> numbers(const Tensor& tensor) {
  std::vector<double> result;
  const auto add = [&](const auto values) { result.assign(values.begin(), values.end()); };
  switch (tensor.type()) {
    case ElementType::Float32:
      add(tensor.values<float>());
      break;
    case ElementType::Int64:
      add(tensor.values<std::int64_t>());
      break;
    case ElementType::Uint8:
      add(tensor.values<std::uint8_t>());
      break;
    default:
      add(tensor.values<bool>());
  }
  return result;
}

void expect_near(const std::vector<double>& found, const std::vector<double>& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(wanted[i])) {
      EXPECT_TRUE(std::isnan(found[i])) << "element " << i;
    } else {
      EXPECT_NEAR(found[i], wanted[i], 1e-6 * std::max(1.0, std::abs(wanted[i])))
          << "element " << i;
    }
  }
}

void expect_all(const OneNode& one, const std::vector<double>& wanted, std::size_t output = 0) {
  SCOPED_TRACE(op_name(one.op));
  const Graph graph = graph_of(one);
  expect_near(numbers(evaluate_all(one, Arithmetic::Exact)[output]), wanted);
  expect_near(numbers(evaluate_all(one, Arithmetic::Fast)[output]), wanted);
  const auto values = golden::run(graph, {&one.operands[0], 1});
  expect_near(numbers(values[static_cast<std::size_t>(graph.outputs[output])]), wanted);
}

void expect_function(const Activation& activation, const Floats& x,
                     const std::vector<double>& wanted) {
  expect_all({.op = Activate{activation}, .operands = {reals(x)}}, wanted);
}

TEST(HostOperators, elementary_functions) {
  using Kind = Activation::Kind;
  expect_function({.kind = Kind::Abs}, {-1.5F, 2}, {1.5, 2});
  expect_function({.kind = Kind::Neg}, {-1.5F, 2}, {1.5, -2});
  expect_function({.kind = Kind::Sign}, {-1.5F, 0, 7}, {-1, 0, 1});
  expect_function({.kind = Kind::Ceil}, {-1.5F, 1.25F}, {-1, 2});
  expect_function({.kind = Kind::Round}, {0.5F, 1.5F, -2.5F, 2.6F}, {0, 2, -2, 3});
  expect_function({.kind = Kind::Sqrt}, {9, 2, -1}, {3, 1.4142135, std::nan("")});
  expect_function({.kind = Kind::Reciprocal}, {4, -0.5F}, {0.25, -2});
  expect_function({.kind = Kind::Log}, {1, 7.389056F}, {0, 2});
  expect_function({.kind = Kind::Erf}, {0, 1, -0.25F, 9}, {0, 0.84270079, -0.27632639, 1});
  expect_function({.kind = Kind::Sin}, {0, 1.5707963F, 100}, {0, 1, -0.50636564});
  expect_function({.kind = Kind::Cos}, {0, 3.1415927F}, {1, -1});
  expect_function({.kind = Kind::Tan}, {0.7853982F}, {1});
  expect_function({.kind = Kind::Asin}, {0.5F, -1}, {0.52359878, -1.57079633});
  expect_function({.kind = Kind::Acos}, {0.5F, -1}, {1.04719755, 3.14159265});
  expect_function({.kind = Kind::Atan}, {1, -1e6F}, {0.78539816, -1.57079533});
  expect_function({.kind = Kind::Sinh}, {1}, {1.17520119});
  expect_function({.kind = Kind::Cosh}, {1}, {1.54308063});
  expect_function({.kind = Kind::Asinh}, {1.1752012F}, {1});
  expect_function({.kind = Kind::Acosh}, {1.5430806F}, {1});
  expect_function({.kind = Kind::Atanh}, {0.5F}, {0.54930614});
  expect_function({.kind = Kind::Softplus}, {0, 100, -100}, {0.69314718, 100, 3.78e-44});
  expect_function({.kind = Kind::Softsign}, {3, -1}, {0.75, -0.5});
  expect_function({.kind = Kind::Elu, .alpha = 2}, {1, -1}, {1, -1.26424112});
  expect_function({.kind = Kind::Selu, .alpha = 2, .beta = 3}, {1, -1}, {3, -3.79272335});
  expect_function({.kind = Kind::Celu, .alpha = 2}, {1, -2}, {1, -1.26424112});
  expect_function({.kind = Kind::ThresholdedRelu, .alpha = 2}, {1, 2, 3}, {0, 0, 3});
  expect_function({.kind = Kind::Shrink, .alpha = 1, .beta = 0.5F}, {-2, 0.5F, 2}, {-1.5, 0, 1.5});
  expect_function({.kind = Kind::Gelu}, {1, -1}, {0.84134475, -0.15865525});  // x * Phi(x)
  expect_function({.kind = Kind::GeluTanh}, {1}, {0.84119199});
  expect_function({.kind = Kind::Mish}, {0, 1}, {0, 0.86509839});
}

TEST(HostOperators, tests_of_one_element) {
  const OneNode inverted{.op = Activate{{.kind = Activation::Kind::Not}},
                         .operands = {truths({1, 0})},
                         .result = ElementType::Bool};
  expect_all(inverted, {0, 1});
  const OneNode nan{.op = Activate{{.kind = Activation::Kind::IsNaN}},
                    .operands = {reals({1, std::nanf("")})},
                    .result = ElementType::Bool};
  expect_all(nan, {0, 1});
}

TEST(HostOperators, functions_of_two_elements) {
  const auto of = [](Binary::Kind kind, const Tensor& a, const Tensor& b, ElementType result,
                     const std::vector<double>& wanted) {
    expect_all({.op = Binary{.kind = kind}, .operands = {a, b}, .result = result}, wanted);
  };
  using Kind = Binary::Kind;
  const Tensor a = reals({1, -2, 5}), b = reals({3, -4, 5});
  of(Kind::Max, a, b, ElementType::Float32, {3, -2, 5});
  of(Kind::Min, a, b, ElementType::Float32, {1, -4, 5});
  of(Kind::Pow, reals({2, -2, -2, 4}), reals({3, 3, 2, 0.5F}), ElementType::Float32, {8, -8, 4, 2});
  of(Kind::Pow, reals({-8}), reals({0.5F}), ElementType::Float32, {std::nan("")});
  of(Kind::Fmod, reals({5, -5, 5}), reals({3, 3, -3}), ElementType::Float32, {2, -2, 2});
  of(Kind::Mod, wholes({5, -5, 5}), wholes({3, 3, -3}), ElementType::Int64, {2, 1, -1});
  of(Kind::Fmod, wholes({5, -5, 5}), wholes({3, 3, -3}), ElementType::Int64, {2, -2, 2});
  of(Kind::Pow, wholes({3, -1, 2}), wholes({4, -3, -1}), ElementType::Int64, {81, -1, 0});
  of(Kind::Equal, a, b, ElementType::Bool, {0, 0, 1});
  of(Kind::Less, a, b, ElementType::Bool, {1, 0, 0});
  of(Kind::GreaterOrEqual, a, b, ElementType::Bool, {0, 1, 1});
  of(Kind::LessOrEqual, wholes({7}), wholes({7}), ElementType::Bool, {1});
  const Tensor p = truths({0, 0, 1, 1}), q = truths({0, 1, 0, 1});
  of(Kind::And, p, q, ElementType::Bool, {0, 0, 0, 1});
  of(Kind::Or, p, q, ElementType::Bool, {0, 1, 1, 1});
  of(Kind::Xor, p, q, ElementType::Bool, {0, 1, 1, 0});
}

TEST(HostOperators, an_integer_divisor_of_zero_is_an_error) {
  const OneNode one{.op = Binary{.kind = Binary::Kind::Mod},
                    .operands = {wholes({1}), wholes({0})},
                    .result = ElementType::Int64};
  EXPECT_THROW(evaluate_one(one), Error);
  const Graph graph = graph_of(one);
  EXPECT_THROW(golden::run(graph, {&one.operands[0], 1}), Error);
}

TEST(HostOperators, an_identity_between_types_is_a_cast) {
  expect_all({.op = Identity{}, .operands = {wholes({-3, 0, 300})}}, {-3, 0, 300});
  expect_all({.op = Identity{}, .operands = {reals({0.5F, 0})}, .result = ElementType::Bool},
             {1, 0});
  expect_all({.op = Activate{{.kind = Activation::Kind::Truncate}},
              .operands = {reals({-1.75F, 1e30F, std::nanf("")})},
              .result = ElementType::Int64},
             {-1, static_cast<double>(std::numeric_limits<std::int64_t>::max()), 0});
  // integers lose high bits: 300 - 256
  expect_all({.op = Identity{}, .operands = {wholes({300})}, .result = ElementType::Uint8}, {44});
}

TEST(HostOperators, reductions) {
  const auto of = [](Reduce::Kind kind, const std::vector<double>& wanted) {
    expect_all(
        {.op = Reduce{.kind = kind, .axes = {1}}, .operands = {reals({2, 2}, {3, -4, 0.5F, 2})}},
        wanted);
  };
  using Kind = Reduce::Kind;
  of(Kind::Min, {-4, 0.5});
  of(Kind::Prod, {-12, 1});
  of(Kind::L1, {7, 2.5});
  of(Kind::L2, {5, 2.06155281});
  of(Kind::SumSquare, {25, 4.25});
  of(Kind::LogSum, {std::nan(""), 0.91629073});
  of(Kind::LogSumExp, {3.00091147, 2.20141328});  // 3 + ln(1 + e^-7), 2 + ln(1 + e^-1.5)
}

TEST(HostOperators, where_takes_one_of_two) {
  expect_all({.op = Where{}, .operands = {truths({1, 0}), reals({2, 1}, {1, 2}), reals({7})}},
             {1, 7, 2, 7});
}

TEST(HostOperators, repeated_elements) {
  expect_all({.op = Repeat{{2, 4}}, .operands = {reals({1, 2}, {1, 2})}}, {1, 2, 1, 2, 1, 2, 1, 2});
  expect_all({.op = Repeat{{2, 1}}, .operands = {reals({3})}}, {3, 3});
}

TEST(HostOperators, gathers) {
  const Tensor x = counting({2, 3});  // 0 1 2 / 3 4 5
  expect_all({.op = Gather{.axis = 1}, .operands = {x, wholes({-1, 0})}}, {2, 0, 5, 3});
  expect_all({.op = Gather{.axis = 0}, .operands = {x, wholes({}, {1})}}, {3, 4, 5});
  expect_all({.op = GatherElements{.axis = 1}, .operands = {x, wholes({2, 1}, {2, -2})}}, {2, 4});
  expect_all({.op = GatherNd{}, .operands = {x, wholes({2, 2}, {0, 1, 1, -1})}}, {1, 5});
  expect_all({.op = GatherNd{.batch_dims = 1}, .operands = {x, wholes({2, 1}, {2, 0})}}, {2, 3});
}

TEST(HostOperators, an_index_outside_is_an_error) {
  const OneNode one{.op = Gather{.axis = 0}, .operands = {counting({2}), wholes({2})}};
  EXPECT_THROW(evaluate_one(one), Error);
  const Graph graph = graph_of(one);
  EXPECT_THROW(golden::run(graph, {&one.operands[0], 1}), Error);
}

TEST(HostOperators, scatters) {
  const Tensor x = counting({2, 3});
  expect_all({.op = ScatterElements{.axis = 1},
              .operands = {x, wholes({1, 2}, {2, -3}), reals({1, 2}, {10, 20})}},
             {20, 1, 10, 3, 4, 5});
  expect_all({.op = ScatterElements{.axis = 0, .reduction = ScatterReduction::Add},
              .operands = {reals({1, 2}), wholes({1, 1}), reals({10, 20})}},
             {1, 32});
  expect_all({.op = ScatterNd{.reduction = ScatterReduction::Max},
              .operands = {x, wholes({1, 1}, {1}), reals({1, 3}, {9, -9, 9})}},
             {0, 1, 2, 9, 4, 9});
}

TEST(HostOperators, order_along_an_axis) {
  const Tensor x = reals({2, 3}, {1, 5, 5, 7, 2, 2});
  const auto index = ElementType::Int64;
  expect_all({.op = ArgReduce{.axis = 1}, .operands = {x}, .result = index}, {1, 0});
  expect_all({.op = ArgReduce{.axis = 1, .last = true}, .operands = {x}, .result = index}, {2, 0});
  expect_all({.op = ArgReduce{.least = true, .axis = 0}, .operands = {x}, .result = index},
             {0, 1, 1});
  const OneNode best{.op = TopK{.axis = 1, .count = 2}, .operands = {x}, .outputs = 2};
  expect_all(best, {5, 5, 7, 2});
  expect_all(best, {1, 2, 0, 1}, 1);
  expect_all({.op = TopK{.axis = 0, .count = 1, .least = true}, .operands = {x}}, {1, 2, 2});
  expect_all({.op = CumSum{.axis = 1}, .operands = {x}}, {1, 6, 11, 7, 9, 11});
  expect_all({.op = CumSum{.axis = 1, .exclusive = true, .reverse = true}, .operands = {x}},
             {10, 5, 0, 4, 2, 0});
}

TEST(HostOperators, layer_norm_normalises_trailing_dimensions) {
  // 1 and 3: mean 2, variance 1; with epsilon 3 a deviation of 2
  const Tensor x = reals({1, 2}, {1, 3}), scale = reals({4, 2}), bias = reals({1, 1});
  expect_all({.op = LayerNorm{.epsilon = 3}, .operands = {x, scale, bias}}, {-1, 2});
  // RMS: mean of squares 5, with epsilon 4 a root of 3
  expect_all({.op = LayerNorm{.epsilon = 4, .rms = true}, .operands = {x, scale}}, {4.0 / 3, 2});
}

// One cell, w = 1, r = 2, two steps. h1 = tanh(1) = 0.76159416, h2 = tanh(0.5 + 2 h1) = 0.96596...
TEST(HostOperators, rnn_carries_its_state) {
  const Tensor x = reals({2, 1, 1}, {1, 0.5F});
  const OneNode rnn{.op = Recurrent{.kind = Recurrent::Kind::Rnn, .gate = Activation::Kind::Tanh},
                    .operands = {x, reals({1, 1, 1}, {1}), reals({1, 1, 1}, {2})}};
  const double h1 = std::tanh(1.0);
  expect_all(rnn, {h1, std::tanh(0.5 + 2 * h1)});
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(HostOperators, lstm_of_one_cell) {
  const Tensor x = reals({1, 1, 1}, {1});
  const OneNode lstm{
      .op = Recurrent{},
      .operands = {x, reals({1, 4, 1}, {1, 2, 3, 4}), reals({1, 4, 1}, {0, 0, 0, 0}),
                   reals({1, 8}, {0.5F, 0, 0, 0, 0, 0, 0, 0}), Tensor(), reals({1, 1, 1}, {2})}};
  // i = sigmoid(1.5), o = sigmoid(2), f = sigmoid(3), c = f * 2 + i * tanh(4)
  const double c = sigmoid(3) * 2 + sigmoid(1.5) * std::tanh(4.0);
  expect_all(lstm, {sigmoid(2) * std::tanh(c)});
}

TEST(HostOperators, gru_of_one_cell_in_both_forms) {
  const Tensor x = reals({1, 1, 1}, {1}), w = reals({1, 3, 1}, {0.5F, 1, 2});
  const Tensor r = reals({1, 3, 1}, {0, 0, 3}), h = reals({1, 1, 1}, {0.25F});
  const Tensor b = reals({1, 6}, {0, 0, 0, 0, 0, 1});
  const double z = sigmoid(0.5), reset = sigmoid(1);
  const auto result = [&](double n) { return (1 - z) * n + z * 0.25; };
  const OneNode before{.op = Recurrent{.kind = Recurrent::Kind::Gru, .linear_before_reset = true},
                       .operands = {x, w, r, b, h}};
  expect_all(before, {result(std::tanh(2 + reset * (3 * 0.25 + 1)))});
  const OneNode after{.op = Recurrent{.kind = Recurrent::Kind::Gru}, .operands = {x, w, r, b, h}};
  expect_all(after, {result(std::tanh(2 + 3 * reset * 0.25 + 1))});
}

TEST(HostOperators, linear_resize_weighs_two_neighbours) {
  const Tensor x = reals({1, 2}, {1, 3});
  const auto of = [&](Resize::Coordinates coordinates) {
    return Interpolate{.resize = {.scales = {1, 2}, .sizes = {1, 4}, .coordinates = coordinates}};
  };
  // positions -0.25, 0.25, 0.75, 1.25; 0, 1/3, 2/3, 1; 0, 0.5, 1, 1.5
  expect_all({.op = of(Resize::Coordinates::HalfPixel), .operands = {x}}, {1, 1.5, 2.5, 3});
  expect_all({.op = of(Resize::Coordinates::AlignCorners), .operands = {x}},
             {1, 5.0 / 3, 7.0 / 3, 3});
  expect_all({.op = of(Resize::Coordinates::Asymmetric), .operands = {x}}, {1, 2, 3, 3});
}

TEST(HostOperators, cubic_resize_weighs_four) {
  const Interpolate op{.resize = {.scales = {0.5F}, .sizes = {2}}, .cubic = true};
  // positions 0 and 2 (asymmetric) are elements
  expect_all({.op = op, .operands = {reals({1, 2, 4, 8})}}, {1, 4});
  Interpolate half = op;
  half.resize.coordinates = Resize::Coordinates::HalfPixel;
  // positions 0.5 and 2.5, weights -3/32, 19/32, 19/32, -3/32; the edges repeat
  expect_all(
      {.op = half, .operands = {reals({1, 2, 4, 8})}},
      {(-3 * 1 + 19 * 1 + 19 * 2 - 3 * 4) / 32.0, (-3 * 2 + 19 * 4 + 19 * 8 - 3 * 8) / 32.0});
  half.exclude_outside = true;  // without the first of the first: divided by 35/32
  expect_all({.op = half, .operands = {reals({1, 2, 4, 8})}},
             {(19 * 1 + 19 * 2 - 3 * 4) / 35.0, (-3 * 2 + 19 * 4 + 19 * 8) / 35.0});
}

TEST(HostOperators, grid_sample_reads_between_elements) {
  const Tensor x = reals({1, 1, 2, 2}, {1, 2, 3, 4});
  const Tensor grid = reals({1, 1, 3, 2}, {0, 0, -1, -1, 3, 3});
  // the centre is the mean; the corner (-1, -1) is half a pixel outside: a quarter of its element
  expect_all({.op = GridSample{}, .operands = {x, grid}}, {2.5, 0.25, 0});
  expect_all({.op = GridSample{.outside = GridSample::Outside::Border}, .operands = {x, grid}},
             {2.5, 1, 4});
  expect_all({.op = GridSample{.mode = GridSample::Mode::Nearest, .align_corners = true},
              .operands = {x, grid}},
             {1, 1, 0});
}

TEST(HostOperators, wrapped_padding_goes_around) {
  const Pad op{.mode = Pad::Mode::Wrap, .begin = {2}, .end = {4}};
  expect_all({.op = op, .operands = {reals({1, 2, 3})}}, {2, 3, 1, 2, 3, 1, 2, 3, 1});
}

TEST(HostOperators, time_counts_elementary_functions) {
  const auto operations = [](const OneNode& one) {
    const Graph graph = graph_of(one);
    return host_operations(graph, graph.nodes[0]);
  };
  const Tensor x = counting({2, 8});
  EXPECT_EQ(operations({.op = Activate{{.kind = Activation::Kind::Relu}}, .operands = {x}}), 16);
  EXPECT_EQ(operations({.op = Activate{{.kind = Activation::Kind::Gelu}}, .operands = {x}}),
            16 * 40);
  EXPECT_EQ(operations({.op = Softmax{}, .operands = {x}}), 16 * 43);
  EXPECT_EQ(operations({.op = Reduce{.axes = {1}}, .operands = {x}}), 16);
  // 2 * (1 step * 1 image * (4 * 8 + 4 * 1) products) + 5 functions of its cell
  EXPECT_EQ(
      operations({.op = Recurrent{},
                  .operands = {counting({1, 1, 8}), counting({1, 4, 8}), counting({1, 4, 1})}}),
      2 * 36 + 5 * 40);
}

}  // namespace
}  // namespace workbench
