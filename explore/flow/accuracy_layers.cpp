#include "explore/flow/accuracy_layers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/eval/kernels.h"
#include "core/math.h"

namespace workbench {

namespace {

// Ranges of a channel that are closer than this are one number: float noise.
constexpr float kConstant = 1e-6F;

std::size_t index(std::ptrdiff_t id) { return static_cast<std::size_t>(id); }

double decibel(double signal, double noise) {
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return signal == 0 ? 0 : 10 * math::log10(signal / noise);
}

std::string format_of(const Quantization& codes) {
  return fmt::format("{}int{}, threshold {:.4g}", codes.is_signed ? "" : "u", codes.bits,
                     codes.thresholds.at(0));
}

// Output channels of a node's weights, and where along which axis they lie.
std::optional<std::size_t> channel_axis(const Node& node, const Tensor& weights) {
  if (std::holds_alternative<Conv>(node.op)) return 0;
  if (const auto* gemm = std::get_if<Gemm>(&node.op)) return gemm->transpose_b ? 0 : 1;
  if (std::holds_alternative<MatMul>(node.op)) return weights.rank() - 1;
  const auto* transposed = std::get_if<ConvTranspose>(&node.op);
  return transposed != nullptr && transposed->groups == 1 ? std::optional<std::size_t>(1)
                                                          : std::nullopt;
}

std::vector<double> channel_magnitudes(const Tensor& tensor, std::size_t axis) {
  std::vector<double> magnitudes(static_cast<std::size_t>(tensor.dim(axis)), 0);
  std::size_t inner = 1;
  for (std::size_t d = axis + 1; d < tensor.rank(); ++d) {
    inner *= static_cast<std::size_t>(tensor.dim(d));
  }
  const auto values = tensor.values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    double& magnitude = magnitudes[i / inner % magnitudes.size()];
    magnitude = std::max(magnitude, std::fabs(static_cast<double>(values[i])));
  }
  return magnitudes;
}

}  // namespace

double range_ratio(std::vector<double> magnitudes) {
  if (magnitudes.size() < 2) return 0;
  std::sort(magnitudes.begin(), magnitudes.end());
  const double median = magnitudes[magnitudes.size() / 2];
  return median < kDeadMagnitude ? 0 : magnitudes.back() / median;
}

// One image's values as real numbers.
struct LayerMeter::Image {
  const std::vector<Tensor>& in_float;
  const NamedTensors& in_integers;
  std::vector<std::optional<Tensor>> real;  // by ValueId
  std::vector<bool> unseen;                 // not in any memory: computed from values that are
};

LayerMeter::LayerMeter(const Quantized& network)
    : network_(network),
      graph_(network.floats.nodes.empty() ? network.annotated : network.floats),
      annotated_(values_by_name(network.annotated)),
      writers_(producers(graph_)),
      forms_(graph_.values.size()) {
  find_forms();
  find_layers();
}

// Codes before real numbers, which in a fake-quantized network are not rounded yet.
void LayerMeter::find_forms() {
  const std::map<std::string, ValueId> by_name = values_by_name(network_.integers);
  for (std::size_t i = 0; i < graph_.values.size(); ++i) {
    for (const char* suffix : {"_int8", "_quantized", "", "_float"}) {
      const auto found = by_name.find(graph_.values[i].name + suffix);
      if (graph_.values[i].constant || found == by_name.end()) continue;
      const Value& value = network_.integers.value(found->second);
      if (!value.constant) forms_[i].push_back({value.name, &value});
    }
  }
}

const Quantization* LayerMeter::codes_of(ValueId id) const {
  const auto found = annotated_.find(graph_.value(id).name);
  if (found == annotated_.end()) return nullptr;
  const std::optional<Quantization>& codes = network_.annotated.value(found->second).quantization;
  return codes ? &*codes : nullptr;
}

void LayerMeter::find_layers() {
  const auto add = [&](ValueId id, std::ptrdiff_t node) {
    const Quantization* codes = codes_of(id);
    const bool weighted = node >= 0 && macs(graph_, graph_.nodes[index(node)]) > 0;
    if (codes != nullptr || weighted) {
      layers_.push_back({.result = id, .node = node, .codes = codes});
    }
  };
  for (const ValueId id : graph_.inputs) add(id, -1);
  for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
    add(graph_.nodes[n].outputs.at(0), static_cast<std::ptrdiff_t>(n));
  }
}

// As real numbers of the value's shape; nothing if no memory shows it.
std::optional<Tensor> LayerMeter::computed(ValueId id, const NamedTensors& tensors) const {
  for (const Form& form : forms_[index(id)]) {
    const auto found = tensors.find(form.name);
    const Shape& shape = graph_.value(id).shape;
    if (found == tensors.end() || found->second.size() != element_count(shape)) continue;
    const Tensor& tensor = found->second;
    if (tensor.type() == ElementType::Float32) return tensor.reshaped(shape);
    if (form.value->quantization) {
      return eval::dequantize(*form.value->quantization, tensor, {}).reshaped(shape);
    }
  }
  return std::nullopt;
}

Tensor LayerMeter::evaluated(Image& image, const Node& node) const {
  std::vector<Tensor> operands;
  for (const ValueId id : node.inputs) {
    operands.push_back(id == kNoValue ? Tensor() : real(image, id));
  }
  return evaluate_node(graph_, node, operands).at(0);
}

const Tensor& LayerMeter::real(Image& image, ValueId id) const {
  const Value& value = graph_.value(id);
  if (value.constant) return *value.constant;
  std::optional<Tensor>& slot = image.real[index(id)];
  if (slot) return *slot;
  slot = computed(id, image.in_integers);
  if (slot) return *slot;
  const std::ptrdiff_t writer = writers_[index(id)];
  if (writer < 0) {
    slot = image.in_float[index(id)];
    return *slot;
  }
  const Node& node = graph_.nodes[index(writer)];
  CHECK(node.outputs[0] == id, "second result '{}' of a node", value.name);
  image.unseen[index(id)] = true;
  slot = evaluated(image, node);
  return *slot;
}

// "conv1 + " for a pool that works inline on what conv1 gives.
std::string LayerMeter::unseen(const Image& image, const Node& node) const {
  std::string names;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue || !image.unseen[index(id)]) continue;
    const Node& writer = graph_.nodes[static_cast<std::size_t>(writers_[index(id)])];
    names += unseen(image, writer) + writer.name + " + ";
  }
  return names;
}

void LayerMeter::measure(Layer& layer, const Tensor& expected, const Tensor& exact,
                         const Tensor& got) {
  const auto in_float = expected.values<float>(), of_layer = exact.values<float>(),
             in_integers = got.values<float>();
  CHECK(in_float.size() == of_layer.size() && in_float.size() == in_integers.size(), "layer");
  double low = -std::numeric_limits<double>::infinity(), high = -low;
  if (const Quantization* codes = layer.codes) {
    const auto zero = static_cast<double>(codes->zero_point());
    high = (static_cast<double>(codes->high()) - zero + 0.5) * codes->step();
    low = (static_cast<double>(codes->low()) - zero - 0.5) * codes->step();
  }
  double signal = 0, noise = 0, own_signal = 0, own_noise = 0, inherited = 0;
  std::int64_t clipped = 0;
  for (std::size_t i = 0; i < in_float.size(); ++i) {
    const double f = in_float[i], e = of_layer[i], r = in_integers[i];
    signal += f * f;
    noise += (f - r) * (f - r);
    own_signal += e * e;
    own_noise += (e - r) * (e - r);
    inherited += (f - e) * (f - e);
    clipped += static_cast<std::int64_t>(e > high || e < low);
  }
  layer.signal += signal;
  layer.noise += noise;
  layer.own_signal += own_signal;
  layer.own_noise += own_noise;
  layer.inherited_noise += inherited;
  layer.clipped += clipped;
  layer.values += static_cast<std::int64_t>(in_float.size());
}

void LayerMeter::widen(Layer& layer, const Tensor& tensor) {
  const std::size_t channels =
      tensor.rank() < 2 ? 1 : static_cast<std::size_t>(std::max<std::int64_t>(1, tensor.dim(1)));
  std::size_t inner = 1;
  for (std::size_t d = 2; d < tensor.rank(); ++d) inner *= static_cast<std::size_t>(tensor.dim(d));
  const auto values = tensor.values<float>();
  if (values.empty()) return;
  const bool first = layer.channels.empty();
  if (first) layer.channels.resize(channels);
  for (std::size_t begin = 0; begin + inner <= values.size(); begin += inner) {
    const auto [low, high] =
        std::minmax_element(values.begin() + static_cast<std::ptrdiff_t>(begin),
                            values.begin() + static_cast<std::ptrdiff_t>(begin + inner));
    Extent& extent = layer.channels[begin / inner % channels];
    const bool empty = first && begin / inner < channels;
    extent = empty ? Extent{*low, *high}
                   : Extent{std::min(extent.low, *low), std::max(extent.high, *high)};
  }
}

void LayerMeter::add(const std::vector<Tensor>& in_float, const NamedTensors& in_integers) {
  Image image{in_float, in_integers, {}, std::vector<bool>(graph_.values.size(), false)};
  image.real.resize(graph_.values.size());
  for (Layer& layer : layers_) {
    const std::optional<Tensor> got = computed(layer.result, in_integers);
    const Tensor& expected = in_float[index(layer.result)];
    widen(layer, expected);
    if (!got || expected.type() != ElementType::Float32) continue;
    if (layer.node < 0) {
      measure(layer, expected, expected, *got);
      continue;
    }
    const Node& node = graph_.nodes[index(layer.node)];
    const Tensor exact = evaluated(image, node);
    layer.before = unseen(image, node);
    measure(layer, expected, exact, *got);
  }
}

void LayerMeter::describe_weights(const Node& node, const std::vector<bool>& constant,
                                  LayerAccuracy& result) const {
  if (node.inputs.size() < 2 || node.inputs[1] == kNoValue) return;
  const std::optional<Tensor>& weights = graph_.value(node.inputs[1]).constant;
  if (!weights || weights->type() != ElementType::Float32) return;
  const Quantization* codes = codes_of(node.inputs[1]);
  result.weights_per_channel = codes == nullptr || codes->thresholds.size() > 1;
  const std::optional<std::size_t> axis = channel_axis(node, *weights);
  if (!axis || *axis >= weights->rank()) return;
  const std::vector<double> magnitudes = channel_magnitudes(*weights, *axis);
  result.weight_range_ratio = range_ratio(magnitudes);
  for (std::size_t c = 0; c < std::min(constant.size(), magnitudes.size()); ++c) {
    result.prunable_channels += constant[c] && magnitudes[c] > 0 ? 1 : 0;
  }
}

// Magnitudes of the channels, and which are one number on all images.
std::vector<bool> LayerMeter::describe_channels(const Layer& layer, LayerAccuracy& result) {
  std::vector<double> magnitudes;
  std::vector<bool> constant;
  for (const Extent& extent : layer.channels) {
    const float magnitude = std::max(std::fabs(extent.low), std::fabs(extent.high));
    constant.push_back(extent.high - extent.low <= kConstant * magnitude);
    result.constant_channels += constant.back() ? 1 : 0;
    magnitudes.push_back(static_cast<double>(magnitude));
  }
  result.channels = static_cast<std::int64_t>(magnitudes.size());
  result.dead = *std::max_element(magnitudes.begin(), magnitudes.end()) < kDeadMagnitude;
  result.activation_range_ratio = range_ratio(std::move(magnitudes));
  return constant;
}

LayerAccuracy LayerMeter::described(const Layer& layer) const {
  const Value& value = graph_.value(layer.result);
  LayerAccuracy result{.name = value.name, .op = "Quantize", .value = value.name};
  if (layer.codes != nullptr) {
    result.format = format_of(*layer.codes);
    result.threshold = layer.codes->thresholds.at(0);
    // A uniform error of one step has a variance of a twelfth of it squared.
    const double rounding =
        static_cast<double>(layer.values) * layer.codes->step() * layer.codes->step() / 12;
    result.rounding_share = std::min(1.0, rounding / std::max(layer.own_noise, 1e-300));
  }
  result.values = layer.values;
  result.sqnr_db = decibel(layer.signal, layer.noise);
  result.own_sqnr_db = decibel(layer.own_signal, layer.own_noise);
  result.inherited_sqnr_db = decibel(layer.signal, layer.inherited_noise);
  result.clipped = static_cast<double>(layer.clipped) / static_cast<double>(layer.values);
  const std::vector<bool> constant = describe_channels(layer, result);
  if (layer.node >= 0) {
    const Node& node = graph_.nodes[index(layer.node)];
    result.name = layer.before + node.name;
    result.op = op_name(node.op);
    result.macs = macs(graph_, node);
    describe_weights(node, constant, result);
  }
  const auto statistics = network_.statistics.find(value.name);
  if (statistics != network_.statistics.end()) result.histogram = statistics->second.histogram;
  return result;
}

std::vector<LayerAccuracy> LayerMeter::layers() const {
  std::vector<LayerAccuracy> result;
  for (const Layer& layer : layers_) {
    // Nodes that move codes, or repeat another layer's result, cost nothing.
    if (layer.values == 0 || layer.channels.empty()) continue;
    LayerAccuracy one = described(layer);
    const bool weighted = one.macs > 0 && layer.codes != nullptr;
    if (layer.own_noise > 0 || layer.node < 0 || weighted) result.push_back(std::move(one));
  }
  return result;
}

namespace {

template <typename T>
void append(const Tensor& tensor, std::vector<float>& out) {
  for (const T code : tensor.values<T>()) out.push_back(static_cast<float>(code));
}

// Codes as float32; nothing for a tensor of real numbers.
std::optional<Tensor> codes_as_floats(const Tensor& tensor, const Shape& shape) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(tensor.size()));
  if (tensor.type() == ElementType::Int8) {
    append<std::int8_t>(tensor, values);
  } else if (tensor.type() == ElementType::Uint8) {
    append<std::uint8_t>(tensor, values);
  } else if (tensor.type() == ElementType::Int16) {
    append<std::int16_t>(tensor, values);
  } else if (tensor.type() == ElementType::Uint16) {
    append<std::uint16_t>(tensor, values);
  } else {
    return std::nullopt;
  }
  return Tensor::from<float>(shape, values, Layout::Nchw);
}

// The node without what comes after its sums; nothing for one that sums no products.
std::optional<Op> sums_of(const Op& op) {
  Op sums = op;
  if (auto* conv = std::get_if<Conv>(&sums)) {
    conv->activation = {};
  } else if (auto* transposed = std::get_if<ConvTranspose>(&sums)) {
    transposed->activation = {};
  } else if (auto* gemm = std::get_if<Gemm>(&sums)) {
    gemm->activation = {};
    gemm->alpha = 1;
  } else {
    return std::nullopt;
  }
  return sums;
}

std::size_t product(const Shape& shape, std::size_t from) {
  std::size_t count = 1;
  for (std::size_t d = from; d < shape.size(); ++d) count *= static_cast<std::size_t>(shape[d]);
  return count;
}

// What accumulators begin or end with. Biases in output codes are added later
// (docs/facts/xdnn.md 3.2).
std::vector<double> biases_of(const Graph& integers, const Node& node, std::size_t channels) {
  std::vector<double> biases(channels, 0);
  if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) return biases;
  const std::optional<Tensor>& bias = integers.value(node.inputs[2]).constant;
  if (!bias || bias->type() != ElementType::Int32) return biases;
  if (node.requantize && node.requantize->bias_after) return biases;
  const double unit = node.requantize ? std::ldexp(1.0, node.requantize->bias_shift) : 1;
  const auto values = bias->values<std::int32_t>();
  for (std::size_t c = 0; c < channels && !values.empty(); ++c) {
    biases[c] = unit * values[values.size() == 1 ? 0 : c];
  }
  return biases;
}

// Sums of the output channels when every operand is at whichever end is worst.
AccumulatorBits bits_of_any(const Node& node, const Tensor& weights, const Quantization& operand,
                            const std::vector<double>& biases) {
  const auto low = static_cast<double>(operand.low()), high = static_cast<double>(operand.high());
  const std::size_t channels = biases.size();
  // Output channels are the first axis of a Conv's weights and of a transposed Gemm's, else the
  // last but the kernel's.
  const auto* gemm = std::get_if<Gemm>(&node.op);
  const auto* transposed = std::get_if<ConvTranspose>(&node.op);
  const bool first_axis = transposed == nullptr && (gemm == nullptr || gemm->transpose_b);
  const auto values = weights.values<float>();
  const std::size_t inner = first_axis ? values.size() / channels : product(weights.shape(), 2);
  std::vector<double> least = biases, most = biases;
  const std::size_t count = first_axis ? channels : static_cast<std::size_t>(weights.dim(1));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double w = static_cast<double>(values[i]);
    const std::size_t c = i / inner % count;
    least[c] += std::min(w * low, w * high);
    most[c] += std::max(w * low, w * high);
  }
  return {.bound = signed_bits(*std::min_element(least.begin(), least.end()),
                               *std::max_element(most.begin(), most.end()))};
}

}  // namespace

int signed_bits(double low, double high) {
  int bits = 1;
  while (high > std::ldexp(1.0, bits - 1) - 1 || low < -std::ldexp(1.0, bits - 1)) ++bits;
  return bits;
}

AccumulatorMeter::AccumulatorMeter(const Graph& integers) {
  for (const Node& node : integers.nodes) add_layer(integers, node);
}

void AccumulatorMeter::add_layer(const Graph& integers, const Node& node) {
  std::optional<Op> sums = sums_of(node.op);
  if (!sums || node.inputs.size() < 2 || node.inputs[1] == kNoValue) return;
  const Value& operand = integers.value(node.inputs[0]);
  const Value& weights = integers.value(node.inputs[1]);
  const Value& result = integers.value(node.outputs[0]);
  if (!weights.constant || !operand.quantization) return;
  std::optional<Tensor> codes = codes_as_floats(*weights.constant, weights.shape);
  if (!codes || result.shape.size() < 2) return;
  const auto channels = static_cast<std::size_t>(result.shape[1]);
  Layer layer{.operand = operand.name, .result = result.name};
  layer.biases = biases_of(integers, node, channels);
  layer.low.assign(channels, 0);
  layer.high.assign(channels, 0);
  const auto* transposed = std::get_if<ConvTranspose>(&node.op);
  if (transposed == nullptr || transposed->groups == 1) {
    layer.bits = bits_of_any(node, *codes, *operand.quantization, layer.biases);
  }
  const ValueId x = layer.graph.add_value({.name = "x", .shape = operand.shape});
  const ValueId w = layer.graph.add_constant("w", std::move(*codes));
  const ValueId y = layer.graph.add_value({.name = "y", .shape = result.shape});
  layer.graph.nodes.push_back(
      {.name = node.name, .op = std::move(*sums), .inputs = {x, w}, .outputs = {y}});
  layers_.push_back(std::move(layer));
}

void AccumulatorMeter::add(const NamedTensors& tensors) {
  for (Layer& layer : layers_) {
    const auto found = tensors.find(layer.operand);
    const Node& node = layer.graph.nodes[0];
    const Shape& shape = layer.graph.value(node.inputs[0]).shape;
    if (found == tensors.end() || found->second.size() != element_count(shape)) continue;
    const std::optional<Tensor> codes = codes_as_floats(found->second, shape);
    if (!codes) continue;
    const std::vector<Tensor> operands = {*codes, *layer.graph.value(node.inputs[1]).constant};
    const Tensor sums = evaluate_node(layer.graph, node, operands).at(0);
    const auto values = sums.values<float>();
    const std::size_t inner = product(sums.shape(), 2);
    for (std::size_t begin = 0; begin + inner <= values.size(); begin += inner) {
      const auto [low, high] =
          std::minmax_element(values.begin() + static_cast<std::ptrdiff_t>(begin),
                              values.begin() + static_cast<std::ptrdiff_t>(begin + inner));
      const std::size_t c = begin / inner % layer.low.size();
      layer.low[c] = std::min(layer.low[c], static_cast<double>(*low));
      layer.high[c] = std::max(layer.high[c], static_cast<double>(*high));
    }
  }
}

std::map<std::string, AccumulatorBits> AccumulatorMeter::bits() const {
  std::map<std::string, AccumulatorBits> result;
  for (const Layer& layer : layers_) {
    AccumulatorBits bits = layer.bits;
    for (std::size_t c = 0; c < layer.low.size(); ++c) {
      const double bias = layer.biases[c];
      bits.used = std::max({bits.used, signed_bits(layer.low[c], layer.high[c]),
                            signed_bits(layer.low[c] + bias, layer.high[c] + bias)});
    }
    result[layer.result] = bits;
  }
  return result;
}

namespace {

// What is pointed out. A ratio of 16 costs the median channel four of eight bits; 30 dB is what
// five of them give a sine; the last layer decides between classes, so it is asked for more.
constexpr double kRatio = 16, kQuietDb = 30, kLastDb = 35;
constexpr double kClipped = 1e-3;

}  // namespace

namespace {

// Options that the network was quantized without and that lessen noise of any cause, the cheapest
// first.
std::string what_is_left(const AdviceContext& context) {
  if (!context.is_default) return "--scheme default";
  if (!context.searches_thresholds) return "--effort best, which searches thresholds";
  if (context.has_16_bits) return "--bits 16";
  return "training: no option lessens it";
}

// Of a target's widths, the most first, the first that is no more than `bits`; none: the last.
int widest_below(const std::vector<int>& widths, int bits) {
  CHECK(!widths.empty(), "a target without weights");
  const auto found = std::ranges::find_if(widths, [&](int width) { return width <= bits; });
  return found == widths.end() ? widths.back() : *found;
}

}  // namespace

std::vector<Advice> advice_for(const LayerAccuracy& layer, const AdviceContext& context) {
  std::vector<Advice> advice;
  const auto add = [&](std::string cause, std::string remedy) {
    advice.push_back({std::move(cause), std::move(remedy)});
  };
  if (layer.dead) {
    add("all its results are 0", "another model or preprocessing: no option makes them others");
    return advice;
  }
  if (context.accumulator_bits > 0 && layer.accumulator_bits_used > context.accumulator_bits) {
    add(fmt::format("its sums need {} bits, the hardware has {}", layer.accumulator_bits_used,
                    context.accumulator_bits),
        fmt::format("--scheme default --layer '{}:weight-bits={}'", layer.name,
                    widest_below(context.weight_widths,
                                 8 - (layer.accumulator_bits_used - context.accumulator_bits))));
  }
  const bool noisy = layer.own_sqnr_db < kQuietDb;
  if (noisy && layer.weight_range_ratio > kRatio && !context.weights_per_channel) {
    add(fmt::format("channel range ratio {:.0f} of weights that share one scale",
                    layer.weight_range_ratio),
        "--scheme default, which has one per channel");
  }
  if (noisy && layer.activation_range_ratio > kRatio) {
    add(fmt::format("channel range ratio {:.0f} of results that share one scale",
                    layer.activation_range_ratio),
        what_is_left(context));
  }
  if (layer.clipped > kClipped && noisy) {
    add(fmt::format("{:.2f} % of its results are clipped", 100 * layer.clipped),
        what_is_left(context));
  }
  // With a scale of its own a constant channel costs nothing.
  if (noisy && layer.prunable_channels > 0 && !context.weights_per_channel) {
    add(fmt::format("{} of {} channels are constant", layer.prunable_channels, layer.channels),
        "--scheme default, or per-tensor-pow2-clip-safe, which prunes them");
  }
  if (context.is_last && layer.own_sqnr_db < kLastDb) {
    add("it is the last layer and decides between classes", what_is_left(context));
  }
  if (noisy && advice.empty()) {
    const bool weights = layer.macs > 0 && layer.rounding_share < 0.5;
    const double share = weights ? 1 - layer.rounding_share : layer.rounding_share;
    add(fmt::format("{:.0f} % of its noise comes from {}", 100 * share,
                    weights ? "its weights" : "rounding to its codes"),
        what_is_left(context));
  }
  return advice;
}

}  // namespace workbench
