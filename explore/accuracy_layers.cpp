#include "explore/accuracy_layers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/eval/evaluate.h"
#include "core/eval/kernels.h"

namespace workbench {

namespace {

// Ranges of a channel that are closer than this are one number: float noise.
constexpr float kConstant = 1e-6F;

std::size_t index(std::ptrdiff_t id) { return static_cast<std::size_t>(id); }

double decibel(double signal, double noise) {
  if (noise == 0) return std::numeric_limits<double>::infinity();
  return signal == 0 ? 0 : 10 * std::log10(signal / noise);
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
  std::vector<bool> unseen;                 // not in any memory, so computed from what is
};

LayerMeter::LayerMeter(const QuantizedNetwork& network)
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
        static_cast<double>(layer.values) * std::pow(layer.codes->step(), 2) / 12;
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
    // What moves codes, or gives what another layer has given, costs nothing.
    if (layer.values == 0 || layer.channels.empty()) continue;
    LayerAccuracy one = described(layer);
    const bool weighted = one.macs > 0 && layer.codes != nullptr;
    if (layer.own_noise > 0 || layer.node < 0 || weighted) result.push_back(std::move(one));
  }
  return result;
}

}  // namespace workbench
