// Random networks of Mul, Add, Sub, Div, Floor, Clip, Cast, RequantShift and sums, in any order and
// with values that several nodes read, against the same operators in exact fractions.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "compiler/passes/passes.h"
#include "compiler/quantize/integer_network.h"
#include "sim/golden/golden.h"
#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

__extension__ using Wide = __int128;

struct Fraction {
  Wide n = 0, d = 1;
};
Wide floor_of(Wide n, Wide d) { return n / d - (n % d < 0 ? 1 : 0); }
Fraction fraction(Wide n, Wide d) {
  if (d < 0) {
    n = -n;
    d = -d;
  }
  Wide a = n < 0 ? -n : n, b = d;
  while (b != 0) a = std::exchange(b, a % b);
  return a == 0 ? Fraction{0, 1} : Fraction{n / a, d / a};
}
Fraction plus(Fraction a, Fraction b) { return fraction(a.n * b.d + b.n * a.d, a.d * b.d); }
Fraction times(Fraction a, Fraction b) { return fraction(a.n * b.n, a.d * b.d); }
Fraction inverse(Fraction a) { return fraction(a.d, a.n); }
Fraction truncated(Fraction a) { return {a.n / a.d, 1}; }
Fraction clipped(Fraction a, Wide low, Wide high) {
  if (a.n < low * a.d) return {low, 1};
  return a.n > high * a.d ? Fraction{high, 1} : a;
}

constexpr std::int64_t kChannels = 2, kColumns = 5;

struct Live {
  std::string name;
  bool is_integer = false;  // by type: int64
  std::vector<Fraction> values;
};

// Builds the ONNX model and, beside it, what it computes.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed), model_(13) {
    const Shape shape{1, kChannels, 1, kColumns};
    model_.input("x", shape);
    Live x{.name = "x"};
    is_signed_ = one_in(2);
    for (std::int64_t i = 0; i < kChannels * kColumns; ++i) {
      const std::int64_t code = is_signed_ ? uniform(-128, 127) : uniform(0, 255);
      input_.push_back(static_cast<float>(code));
      x.values.push_back({code, 1});
    }
    pool_.push_back(x);
    if (!one_in(4)) convolve();
    const std::int64_t steps = uniform(2, 9);
    for (std::int64_t i = 0; i < steps; ++i) step();
    const std::int64_t outputs = uniform(1, 2);
    for (std::int64_t i = 0; i < outputs; ++i) finish();
  }

  const OnnxModel& model() const { return model_; }
  bool is_signed() const { return is_signed_; }
  Tensor input() const { return Tensor::from<float>({1, kChannels, 1, kColumns}, input_); }
  const std::vector<std::vector<float>>& expected() const { return expected_; }

 private:
  std::int64_t uniform(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(std::int64_t n) { return uniform(1, n) == 1; }
  std::string fresh() { return fmt::format("v{}", ++names_); }
  static std::size_t channel(std::size_t i) { return i / kColumns; }

  void convolve() {
    std::vector<float> weights;
    for (std::int64_t c = 0; c < kChannels; ++c) {
      weights.push_back(static_cast<float>(uniform(-128, 127)));
    }
    model_.floats("w", {kChannels, 1, 1, 1}, weights);
    Live acc{.name = fresh()};
    model_.node("Conv", {"x", "w"}, {acc.name}).with("group", kChannels);
    for (std::size_t i = 0; i < pool_[0].values.size(); ++i) {
      const auto weight = static_cast<std::int64_t>(weights[channel(i)]);
      acc.values.push_back(times(pool_[0].values[i], {weight, 1}));
    }
    pool_.push_back(acc);
  }

  // A constant of the value's type: one number, or one per channel.
  struct Constant {
    std::string name;
    std::vector<Fraction> values;  // per channel
  };
  Constant constant(const Live& x, bool for_division) {
    Constant result{.name = fresh()};
    const bool per_channel = one_in(2);
    const std::int64_t denominator = x.is_integer || one_in(2) ? 1 : 4;
    std::vector<std::int64_t> numerators;
    for (std::int64_t c = 0; c < (per_channel ? kChannels : 1); ++c) {
      std::int64_t n = uniform(1, for_division ? 40 : 12);
      if (one_in(4)) n = -n;
      numerators.push_back(n);
    }
    for (std::int64_t c = 0; c < kChannels; ++c) {
      const std::int64_t n = numerators[per_channel ? static_cast<std::size_t>(c) : 0];
      result.values.push_back(fraction(n, denominator));
    }
    const Shape shape = per_channel ? Shape{kChannels, 1, 1} : Shape{};
    if (x.is_integer) {
      onnx::TensorProto& tensor = model_.integers(result.name, numerators);
      tensor.clear_dims();
      for (const std::int64_t dim : shape) tensor.add_dims(dim);
    } else {
      std::vector<float> numbers;
      for (const std::int64_t n : numerators) {
        numbers.push_back(static_cast<float>(n) / static_cast<float>(denominator));
      }
      model_.floats(result.name, shape, numbers);
    }
    return result;
  }

  template <typename F>
  void add(const std::string& op, const Live& x, const std::vector<std::string>& operands,
           bool is_integer, F f) {
    Live y{.name = fresh(), .is_integer = is_integer};
    NodeBuilder node = model_.node(op, operands, {y.name});
    if (op == "Cast") {
      node.with("to", is_integer ? onnx::TensorProto::INT64 : onnx::TensorProto::FLOAT);
    }
    for (std::size_t i = 0; i < x.values.size(); ++i) y.values.push_back(f(x.values[i], i));
    pool_.push_back(y);
  }

  void binary(const Live x) {
    constexpr const char* kOps[] = {"Mul", "Add", "Sub", "Div"};
    const std::string op = kOps[uniform(0, 3)];
    const Constant c = constant(x, op == "Div");
    const bool swapped = op != "Div" && one_in(2);
    std::vector<std::string> operands{x.name, c.name};
    if (swapped) std::swap(operands[0], operands[1]);
    const Fraction minus{-1, 1};
    add(op, x, operands, x.is_integer, [&](Fraction v, std::size_t i) {
      const Fraction k = c.values[channel(i)];
      if (op == "Mul") return times(v, k);
      if (op == "Add") return plus(v, k);
      if (op == "Sub") return swapped ? plus(k, times(v, minus)) : plus(v, times(k, minus));
      const Fraction quotient = times(v, inverse(k));
      return x.is_integer ? truncated(quotient) : quotient;
    });
  }

  void clip(const Live x) {
    const auto [low, high] = range();
    const std::string low_name = fresh(), high_name = fresh();
    if (x.is_integer) {
      model_.integers(low_name, {low}).clear_dims();
      model_.integers(high_name, {high}).clear_dims();
    } else {
      model_.floats(low_name, {}, {static_cast<float>(low)});
      model_.floats(high_name, {}, {static_cast<float>(high)});
    }
    add("Clip", x, {x.name, low_name, high_name}, x.is_integer,
        [&](Fraction v, std::size_t) { return clipped(v, low, high); });
  }

  std::pair<std::int64_t, std::int64_t> range() {
    constexpr std::pair<std::int64_t, std::int64_t> kRanges[] = {
        {0, 255}, {-128, 127}, {0, 15}, {-8, 7}};
    return kRanges[uniform(0, 9) < 7 ? uniform(0, 1) : uniform(0, 3)];
  }

  void requant_shift(const Live x) {
    const std::string mul = fresh(), offset = fresh();
    const std::int64_t m = uniform(-9, 9), a = uniform(-50, 50), div = uniform(1, 40);
    const auto [low, high] = range();
    model_.floats(mul, {}, {static_cast<float>(m)});
    model_.floats(offset, {}, {static_cast<float>(a)});
    Live y{.name = fresh()};
    NodeBuilder node = model_.node("RequantShift", {x.name, mul, offset}, {y.name});
    node.with("div", div).with("n_levels", high - low + 1).with("signed", low < 0 ? 1 : 0);
    for (const Fraction v : x.values) {
      const Fraction scaled = times(plus(times(v, {m, 1}), {a, 1}), fraction(1, div));
      const Fraction half = plus(scaled, {1, 2});
      y.values.push_back(clipped({floor_of(half.n, half.d), 1}, low, high));
    }
    pool_.push_back(y);
  }

  void sum(const Live a, const Live b) {
    if (a.is_integer != b.is_integer) return binary(a);
    const bool minus = one_in(3);
    add(minus ? "Sub" : "Add", a, {a.name, b.name}, a.is_integer, [&](Fraction v, std::size_t i) {
      return plus(v, times(b.values[i], {minus ? -1 : 1, 1}));
    });
  }

  const Live& any() {  // mostly the latest: long chains
    if (!one_in(3)) return pool_.back();
    return pool_[static_cast<std::size_t>(uniform(0, static_cast<std::int64_t>(pool_.size()) - 1))];
  }

  void step() {
    const Live x = any();
    const std::int64_t choice = uniform(0, 11);
    if (choice < 6) return binary(x);
    if (choice == 6) return clip(x);
    if (choice == 7) return sum(x, any());
    if (choice == 8 && !x.is_integer) return requant_shift(x);
    if (choice == 9 && !x.is_integer) {
      return add("Floor", x, {x.name}, false, [](Fraction v, std::size_t) {
        return Fraction{floor_of(v.n, v.d), 1};
      });
    }
    add("Cast", x, {x.name}, !x.is_integer, [](Fraction v, std::size_t) { return truncated(v); });
  }

  // Cut, clipped to codes, and a graph output.
  void finish() {
    Live x = any();
    add("Cast", x, {x.name}, true, [](Fraction v, std::size_t) { return truncated(v); });
    clip(Live(pool_.back()));
    const Live y = pool_.back();
    pool_.resize(pool_.size() - 2);  // an output has no other reader
    model_.output(y.name);
    std::vector<float> numbers;
    for (const Fraction v : y.values) numbers.push_back(static_cast<float>(v.n));
    expected_.push_back(numbers);
  }

  std::mt19937_64 random_;
  OnnxModel model_;
  int names_ = 0;
  bool is_signed_ = false;
  std::vector<float> input_;
  std::vector<Live> pool_;
  std::vector<std::vector<float>> expected_;
};

// What a random network may legitimately be refused for.
bool is_expected(const std::string& error) {
  constexpr const char* kReasons[] = {"more than 32 bits", "do not fit 32 bits", "64 bits",
                                      "a fraction that is never cut"};
  return std::any_of(std::begin(kReasons), std::end(kReasons),
                     [&](const char* reason) { return error.find(reason) != std::string::npos; });
}

TEST(IntegerChain, any_order_of_operators_means_what_it_computes) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::uint64_t kCases = 300;
#else
  constexpr std::uint64_t kCases = 4000;
#endif
  std::uint64_t made = 0;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    const Draw draw(seed);
    const Graph imported = draw.model().import();
    Graph graph;
    try {
      graph = integer_network(imported, {}, {.input_signed = {{"x", draw.is_signed()}}});
    } catch (const Error& error) {
      EXPECT_TRUE(is_expected(error.what())) << "seed " << seed << ": " << error.what();
      continue;
    }
    ++made;
    const std::vector<Tensor> values = golden::run(graph, std::vector{draw.input()});
    for (std::size_t i = 0; i < draw.expected().size(); ++i) {
      ASSERT_EQ(floats_of(values.at(static_cast<std::size_t>(graph.outputs[i]))),
                draw.expected()[i])
          << "seed " << seed << "\n"
          << print_graph(imported) << print_graph(graph);
    }
  }
  EXPECT_GT(made, kCases * 3 / 4);
}

}  // namespace
}  // namespace workbench::test
