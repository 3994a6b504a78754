#include "workloads/builder.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/parallel.h"
#include "core/shapes.h"
#include "core/units.h"

namespace workbench {

namespace {

// How much of a unit deviation biases and BatchNorm parameters vary: enough that leaving one of
// them out of a computation shows.
constexpr double kOffset = 0.1;
constexpr double kGammaVariation = 0.1;
constexpr double kVarianceVariation = 0.15;

// Neighbouring elements of a feature map resemble each other. Assumed share of the mean square
// that survives averaging over any window, and growth of the mean square by taking a maximum; the
// tests of the whole networks hold the result in bounds.
constexpr double kAveragedShare = 0.8;
constexpr double kMaximumGrowth = 1.5;

std::int64_t elements(const std::vector<std::int64_t>& dims) { return element_count(dims); }

}  // namespace

Window window_2d(std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  return {.kernel = {rows, columns},
          .strides = {stride, stride},
          .dilations = {1, 1},
          .pads_begin = {0, 0},
          .pads_end = {0, 0}};
}

Window square_window(std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  Window window = window_2d(kernel, kernel, stride);
  window.pads_begin = window.pads_end = {pad, pad};
  return window;
}

Window same_window(std::int64_t rows, std::int64_t columns) {
  Window window = window_2d(rows, columns);
  window.pads_begin = window.pads_end = {rows / 2, columns / 2};
  return window;
}

NetworkBuilder::NetworkBuilder(std::string name, std::uint64_t seed) : seed_(seed) {
  graph_.name = std::move(name);
}

NetworkBuilder::Spread& NetworkBuilder::spread(ValueId id) {
  if (spreads_.size() < graph_.values.size()) spreads_.resize(graph_.values.size());
  return spreads_.at(static_cast<std::size_t>(id));
}

void NetworkBuilder::set_symmetric(ValueId id, double deviation) {
  spread(id).square = deviation * deviation;
  spread(id).positive = deviation * deviation / 2;
}

ValueId NetworkBuilder::input(const std::string& name, Shape shape, double deviation) {
  const ValueId id = graph_.add_value({.name = name, .shape = std::move(shape)});
  graph_.inputs.push_back(id);
  spread(id).layer = name;
  set_symmetric(id, deviation);
  return id;
}

ValueId NetworkBuilder::node(const std::string& name, Op op, const std::vector<ValueId>& inputs) {
  Node node{.name = name, .op = std::move(op), .inputs = inputs};
  const std::vector<Shape> shapes = output_shapes(graph_, node);
  const ValueId id = graph_.add_value({.name = name, .shape = shapes.at(0)});
  node.outputs = {id};
  graph_.nodes.push_back(std::move(node));
  Spread inherited = spread(inputs.at(0));
  inherited.layer = name;
  spread(id) = std::move(inherited);
  return id;
}

ValueId NetworkBuilder::constant(const std::string& name, Shape shape, double mean,
                                 double deviation) {
  const Layout layout = shape.size() == 4 ? Layout::Oihw : Layout::RowMajor;
  const ValueId id = graph_.add_constant(
      name, Tensor::uninitialized(ElementType::Float32, std::move(shape), layout));
  randoms_.push_back({id, mean, deviation});
  return id;
}

ValueId NetworkBuilder::weights(const std::string& layer, Shape shape, double deviation) {
  return constant(layer + "/weight", std::move(shape), 0, deviation);
}

std::vector<ValueId> NetworkBuilder::with_bias(const std::string& layer,
                                               std::vector<ValueId> operands, std::int64_t channels,
                                               double deviation) {
  operands.push_back(constant(layer + "/bias", {channels}, 0, kOffset * deviation));
  return operands;
}

ValueId NetworkBuilder::conv(const std::string& layer, ValueId x, const ConvSpec& spec,
                             double deviation) {
  const std::int64_t depth = shape(x).at(1) / spec.groups;
  const auto fan_in = static_cast<double>(depth * elements(spec.window.kernel));
  // variance out = fan_in * variance of the weights * mean square in
  const double weight_deviation = deviation / std::sqrt(fan_in * spread(x).square);
  Shape filter{spec.channels, depth};
  filter.insert(filter.end(), spec.window.kernel.begin(), spec.window.kernel.end());
  std::vector<ValueId> operands{x, weights(layer, filter, weight_deviation)};
  if (spec.bias) operands = with_bias(layer, std::move(operands), spec.channels, deviation);
  const ValueId y = node(layer, Conv{.window = spec.window, .groups = spec.groups}, operands);
  set_symmetric(y, deviation);
  return y;
}

ValueId NetworkBuilder::conv_transpose(const std::string& layer, ValueId x, const ConvSpec& spec,
                                       double deviation) {
  const std::int64_t depth = shape(x).at(1);
  // Each output element meets every stride-th element of the kernel in each direction.
  const double taps = static_cast<double>(elements(spec.window.kernel)) /
                      static_cast<double>(elements(spec.window.strides));
  const std::int64_t group_depth = depth / spec.groups;
  const double fan_in = static_cast<double>(group_depth) * std::fmax(taps, 1.0);
  const double weight_deviation = deviation / std::sqrt(fan_in * spread(x).square);
  Shape filter{depth, spec.channels / spec.groups};
  filter.insert(filter.end(), spec.window.kernel.begin(), spec.window.kernel.end());
  std::vector<ValueId> operands{x, weights(layer, filter, weight_deviation)};
  if (spec.bias) operands = with_bias(layer, std::move(operands), spec.channels, deviation);
  const std::vector<std::int64_t> no_output_padding(spec.window.kernel.size(), 0);
  const ValueId y =
      node(layer,
           ConvTranspose{
               .window = spec.window, .groups = spec.groups, .output_padding = no_output_padding},
           operands);
  set_symmetric(y, deviation);
  return y;
}

ValueId NetworkBuilder::gemm(const std::string& layer, ValueId x, std::int64_t units,
                             double deviation) {
  const std::int64_t depth = shape(x).at(1);
  const double weight_deviation =
      deviation / std::sqrt(static_cast<double>(depth) * spread(x).square);
  const std::vector<ValueId> operands =
      with_bias(layer, {x, weights(layer, {units, depth}, weight_deviation)}, units, deviation);
  const ValueId y = node(layer, Gemm{.transpose_b = true}, operands);
  set_symmetric(y, deviation);
  return y;
}

ValueId NetworkBuilder::max_pool(const std::string& layer, ValueId x, Window window,
                                 bool ceil_mode) {
  const ValueId y = node(layer, MaxPool{.window = std::move(window), .ceil_mode = ceil_mode}, {x});
  spread(y).square *= kMaximumGrowth;
  spread(y).positive *= kMaximumGrowth;
  return y;
}

ValueId NetworkBuilder::average_pool(const std::string& layer, ValueId x, Window window,
                                     bool ceil_mode, bool count_include_pad) {
  const auto area = static_cast<double>(elements(window.kernel));
  const ValueId y = node(layer,
                         AveragePool{.window = std::move(window),
                                     .ceil_mode = ceil_mode,
                                     .count_include_pad = count_include_pad},
                         {x});
  const double kept = kAveragedShare + (1 - kAveragedShare) / area;
  spread(y).square *= kept;
  spread(y).positive *= kept;
  return y;
}

ValueId NetworkBuilder::global_average_pool(const std::string& layer, ValueId x) {
  return average_pool(layer, x, window_2d(shape(x).at(2), shape(x).at(3)));
}

ValueId NetworkBuilder::add(const std::string& layer, ValueId a, ValueId b) {
  const ValueId y = node(layer, Binary{.kind = Binary::Kind::Add}, {a, b});
  // About half of the negative share stays above zero in addition to the positive one.
  const auto lifted = [](const Spread& base, const Spread& other) {
    return base.positive == base.square ? (other.square - other.positive) / 2 : 0;
  };
  const Spread& left = spread(a);
  const Spread& right = spread(b);
  spread(y).square = left.square + right.square;
  spread(y).positive =
      left.positive + right.positive + std::fmax(lifted(left, right), lifted(right, left));
  return y;
}

ValueId NetworkBuilder::concat(const std::string& layer, const std::vector<ValueId>& parts) {
  const ValueId y = node(layer, Concat{.axis = 1}, parts);
  double square = 0;
  double positive = 0;
  for (const ValueId part : parts) {
    const double share =
        static_cast<double>(shape(part).at(1)) / static_cast<double>(shape(y).at(1));
    square += share * spread(part).square;
    positive += share * spread(part).positive;
  }
  spread(y).square = square;
  spread(y).positive = positive;
  return y;
}

ValueId NetworkBuilder::activate(const std::string& name, ValueId x, const Activation& activation) {
  const ValueId y = node(name, Activate{activation}, {x});
  spread(y).layer = spread(x).layer;
  const double slope =
      activation.kind == Activation::Kind::LeakyRelu ? static_cast<double>(activation.alpha) : 0;
  spread(y).square = spread(x).positive + slope * slope * (spread(x).square - spread(x).positive);
  return y;
}

ValueId NetworkBuilder::softmax(const std::string& layer, ValueId x) {
  return node(layer, Softmax{.axis = -1}, {x});
}

ValueId NetworkBuilder::batch_norm(const std::string& layer, ValueId x, double deviation) {
  const Shape channels{shape(x).at(1)};
  const double variance = spread(x).square;
  const ValueId y =
      node(layer, BatchNorm{},
           {x, constant(layer + "/gamma", channels, deviation, kGammaVariation * deviation),
            constant(layer + "/beta", channels, 0, kOffset * deviation),
            constant(layer + "/mean", channels, 0, kOffset * std::sqrt(variance)),
            constant(layer + "/variance", channels, variance, kVarianceVariation * variance)});
  set_symmetric(y, deviation);
  return y;
}

ValueId NetworkBuilder::batch_norm(ValueId x, double deviation) {
  const std::string layer = spread(x).layer;
  const ValueId y = batch_norm(layer + "/bn", x, deviation);
  spread(y).layer = layer;
  return y;
}

ValueId NetworkBuilder::relu(ValueId x) {
  return activate(spread(x).layer + "/relu", x, {.kind = Activation::Kind::Relu});
}

ValueId NetworkBuilder::flatten(ValueId x) {
  const Shape& from = shape(x);
  return node(spread(x).layer + "/flatten", Reshape{{from.at(0), element_count(from) / from.at(0)}},
              {x});
}

Graph NetworkBuilder::finish(const std::vector<ValueId>& outputs) {
  graph_.outputs = outputs;
  std::vector<WeightFill> fills;
  fills.reserve(randoms_.size());
  for (const Random& random : randoms_) {
    Value& value = graph_.value(random.value);
    fills.push_back({.values = value.constant->mutable_values<float>(),
                     .key = weight_key(seed_, value.name),
                     .mean = random.mean,
                     .deviation = random.deviation});
  }
  fill_weights(fills);
  const std::vector<Violation> violations = verify(graph_);
  CHECK(violations.empty(), "{}: {}", graph_.name, violations.front().message);
  return std::move(graph_);
}

namespace {

constexpr std::int64_t kChunk = 1 << 16;  // elements one thread fills at a time

// The finalizer of SplitMix64 (Steele, Lea, Flood, 2014): every output bit depends on every input
// bit.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15U;  // SplitMix64's increment

// Standard deviation of the sum of four integers uniform in [0, 65536): sqrt(4 (65536^2 - 1) / 12).
constexpr double kSumDeviation = 37837.227;

void fill_chunk(const WeightFill& fill, std::int64_t begin, std::int64_t end) {
  const auto scale = static_cast<float>(fill.deviation / kSumDeviation);
  const auto mean = static_cast<float>(fill.mean);
  float* values = fill.values.data();
  for (std::int64_t i = begin; i < end; ++i) {
    const std::uint64_t word = mix(fill.key + static_cast<std::uint64_t>(i) * kGolden);
    const auto sum = static_cast<std::int32_t>((word & 0xffff) + (word >> 16 & 0xffff) +
                                               (word >> 32 & 0xffff) + (word >> 48));
    values[i] = mean + scale * static_cast<float>(sum - 2 * 65535);
  }
}

}  // namespace

std::uint64_t weight_key(std::uint64_t seed, std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return mix(mix(seed + kGolden) ^ hash);
}

void fill_weights(std::span<const WeightFill> fills, int threads) {
  struct Chunk {
    const WeightFill* fill;
    std::int64_t begin, end;
  };
  std::vector<Chunk> chunks;
  for (const WeightFill& fill : fills) {
    const auto size = static_cast<std::int64_t>(fill.values.size());
    for (std::int64_t begin = 0; begin < size; begin += kChunk) {
      chunks.push_back({&fill, begin, std::min(begin + kChunk, size)});
    }
  }
  // Most tensors are a few hundred elements: a piece of work is 16 chunks, so that handing them
  // out costs nothing beside filling them.
  constexpr std::int64_t kPiece = 16;
  const auto count = static_cast<std::int64_t>(chunks.size());
  parallel_for(ceil_div(count, kPiece), threads, [&](std::int64_t piece) {
    const std::int64_t end = std::min(count, (piece + 1) * kPiece);
    for (std::int64_t i = piece * kPiece; i < end; ++i) {
      const Chunk& chunk = chunks[static_cast<std::size_t>(i)];
      fill_chunk(*chunk.fill, chunk.begin, chunk.end);
    }
  });
}

}  // namespace workbench
