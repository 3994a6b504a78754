#include "train/trainable.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/error.h"

namespace workbench::train {

namespace {

bool is_power_of_two(double x) {
  int exponent = 0;
  return std::frexp(x, &exponent) == 0.5;
}

std::vector<double> steps_in(const Quantization& codes) {
  std::vector<double> steps;
  for (std::size_t i = 0; i < codes.thresholds.size(); ++i) steps.push_back(codes.step(i));
  return steps;
}

// How many steps a constant's codes have, and how many numbers in a row are of one.
std::pair<std::size_t, std::size_t> channels_of(const Value& constant) {
  const auto& codes = constant.quantization;
  if (!codes || codes->thresholds.size() <= 1) return {1, 1};
  std::size_t inner = 1;
  for (auto d = static_cast<std::size_t>(codes->axis) + 1; d < constant.shape.size(); ++d) {
    inner *= static_cast<std::size_t>(constant.shape[d]);
  }
  return {codes->thresholds.size(), inner};
}

double codes_per_sign(const Quantization& codes) { return static_cast<double>(codes.high()) + 1; }

void check(const Value& value) {
  const Quantization& codes = *value.quantization;
  const auto shifted = [](std::int64_t point) { return point != 0; };
  if (std::ranges::any_of(codes.zero_points, shifted)) {
    fail("value '{}': expected codes without a zero point to train, found {}", value.name,
         codes.zero_point());
  }
  if (codes.bits > 16) {
    fail("value '{}': expected codes of at most 16 bits to train, found {}", value.name,
         codes.bits);
  }
}

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph), producers_(producers(graph)) {
    for (const ScaleGroup& group : graph.scale_groups) {
      const auto first = std::ranges::find_if(
          group.members, [&](ValueId id) { return graph.value(id).quantization.has_value(); });
      if (first == group.members.end()) continue;
      for (const ValueId id : group.members) shared_[id] = *first;
    }
  }

  Trainable run() {
    for (ValueId id = 0; id < static_cast<ValueId>(graph_.values.size()); ++id) {
      const Value& value = graph_.value(id);
      if (value.quantization && value.type == ElementType::Float32) add_quantizer(id, value);
    }
    if (found_.quantizers.empty())
      fail("{}: expected a layer with codes to train, found none", graph_.name);
    for (Quantizer& quantizer : found_.quantizers) {
      quantizer.idle = is_idle(quantizer);
      if (!quantizer.idle) take_activation(quantizer);
    }
    cap_clips();
    add_weights();
    return std::move(found_);
  }

 private:
  const Node* writer(ValueId id) const {
    const std::ptrdiff_t n = producers_[static_cast<std::size_t>(id)];
    return n < 0 ? nullptr : &graph_.nodes[static_cast<std::size_t>(n)];
  }

  void add_quantizer(ValueId id, const Value& value) {
    check(value);
    const Quantization& codes = *value.quantization;
    const bool constant = value.constant.has_value();
    const ValueId owner = shared_.contains(id) ? shared_.at(id) : id;
    const auto [place, is_new] = scale_of_.try_emplace(owner, found_.scales.size());
    if (is_new) {
      found_.scales.push_back({.name = value.name,
                               .weights = constant,
                               .codes = codes_per_sign(codes),
                               .highest = std::numeric_limits<double>::infinity()});
    }
    Scale& scale = found_.scales[place->second];
    scale.power_of_two =
        scale.power_of_two && std::ranges::all_of(steps_in(codes), is_power_of_two);
    // Constants do not use their lowest code (fake_quantize.h).
    const std::int64_t low = constant && codes.is_signed ? -codes.high() : codes.low();
    found_.quantizers.push_back({.value = id,
                                 .scale = place->second,
                                 .codes = {.low = static_cast<float>(low),
                                           .high = static_cast<float>(codes.high()),
                                           .rounding = codes.rounding},
                                 .axis = codes.axis});
  }

  // Whether all that is moved or chosen from has the result's codes.
  bool is_idle(const Quantizer& quantizer) const {
    const Node* const node = writer(quantizer.value);
    if (node == nullptr) return false;
    if (!traits(node->op).moves_data && !traits(node->op).selects) return false;
    return std::ranges::all_of(node->inputs, [&](ValueId id) {
      if (id == kNoValue || graph_.value(id).constant) return true;
      const Quantizer* const from = found_.quantizer_of(id);
      return from != nullptr && from->scale == quantizer.scale &&
             from->codes.low == quantizer.codes.low && from->codes.high == quantizer.codes.high;
    });
  }

  // A ReLU or a Clip in front becomes a part of the rounding.
  void take_activation(Quantizer& quantizer) const {
    const Node* const node = writer(quantizer.value);
    if (node == nullptr) return;
    const Activation& activation = activation_of(node->op);
    const bool clips = activation.kind == Activation::Kind::Clip && activation.bounds.empty();
    quantizer.activates = clips || activation.kind == Activation::Kind::Relu;
    if (quantizer.activates) quantizer.codes.at_least = clips ? activation.alpha : 0.0F;
    if (clips) quantizer.codes.at_most = activation.beta;
  }

  // Where a threshold was capped for the sake of a Clip it stays so.
  void cap_clips() {
    for (const Node& node : graph_.nodes) {
      const std::optional<double> cap = saturation_cap(activation_of(node.op));
      const Quantizer* const quantizer =
          node.outputs[0] == kNoValue ? nullptr : found_.quantizer_of(node.outputs[0]);
      if (!cap || quantizer == nullptr) continue;
      const Quantization& codes = *graph_.value(quantizer->value).quantization;
      constexpr double kSingle = 1e-6;
      if (codes.thresholds[0] > *cap * (1 + kSingle)) continue;
      Scale& scale = found_.scales[quantizer->scale];
      const double highest = std::log2(*cap / static_cast<double>(codes.high()));
      scale.highest = std::min(scale.highest, scale.power_of_two ? std::floor(highest) : highest);
    }
  }

  void add_weights() {
    std::map<ValueId, int> weights;  // and the width of their codes
    for (const WeightedLayer& layer : weighted_layers(graph_)) {
      const Node& node = graph_.nodes[layer.node];
      const auto& codes = graph_.value(node.inputs[1]).quantization;
      const int bits = codes ? codes->bits : Weight{}.bits;
      weights.emplace(node.inputs[1], bits);
      if (node.inputs.size() < 3 || node.inputs[2] == kNoValue) continue;
      const ValueId bias = node.inputs[2];
      if (!graph_.value(bias).constant || graph_.value(bias).type != ElementType::Float32) continue;
      if (graph_.value(bias).quantization) continue;
      if (weights.emplace(bias, bits).second) add_grid(node, bias);
    }
    for (const auto& [id, bits] : weights) {
      const auto [channels, inner] = channels_of(graph_.value(id));
      found_.weights.push_back({.value = id,
                                .name = graph_.value(id).name,
                                .bits = bits,
                                .channels = channels,
                                .inner = inner});
    }
    std::ranges::sort(found_.biases, {}, &BiasGrid::bias);
  }

  void add_grid(const Node& node, ValueId bias) {
    const Quantizer* const operand = found_.quantizer_of(node.inputs[0]);
    const Quantizer* const weights = found_.quantizer_of(node.inputs[1]);
    if (operand == nullptr || weights == nullptr) return;
    if (!found_.scales[operand->scale].power_of_two) return;
    if (!found_.scales[weights->scale].power_of_two) return;
    found_.biases.push_back({.bias = bias, .operand = operand->scale, .weights = weights->scale});
  }

  const Graph& graph_;
  std::vector<std::ptrdiff_t> producers_;
  std::map<ValueId, ValueId> shared_;        // first member of the set of each
  std::map<ValueId, std::size_t> scale_of_;  // by that
  Trainable found_;
};

// `values`, of which the codes are those of the constant, become `before` as far as their codes
// allow.
void keep_in_cells(const Value& value, const Quantizer& quantizer, std::span<const float> before,
                   std::vector<float>& values) {
  // Of a cell's half width: at its very edge the least change would be another code.
  constexpr double kInside = 0.9;
  const Quantization& codes = *value.quantization;
  const bool to_nearest =
      codes.rounding != Rounding::Floor && codes.rounding != Rounding::TowardZero;
  if (!to_nearest) return;
  const auto [channels, inner] = channels_of(value);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double step = codes.step(i / inner % channels);
    float center = 0;
    quantize(std::span(&values[i], 1), quantizer.codes, step, std::span(&center, 1));
    const double reach = kInside * 0.5 * step, middle = static_cast<double>(center);
    const double wanted = static_cast<double>(before[i]);
    values[i] = static_cast<float>(std::clamp(wanted, middle - reach, middle + reach));
  }
}

}  // namespace

const Quantizer* Trainable::quantizer_of(ValueId value) const {
  const auto found = std::ranges::lower_bound(quantizers, value, {}, &Quantizer::value);
  return found != quantizers.end() && found->value == value ? &*found : nullptr;
}

const BiasGrid* Trainable::grid_of(ValueId bias) const {
  const auto found = std::ranges::lower_bound(biases, bias, {}, &BiasGrid::bias);
  return found != biases.end() && found->bias == bias ? &*found : nullptr;
}

Trainable trainable(const Graph& annotated) { return Finder(annotated).run(); }

Parameters initial_parameters(const Graph& annotated, const Graph& floats, const Trainable& what) {
  Parameters result;
  const std::map<std::string, ValueId> by_name = values_by_name(floats);
  for (const Weight& weight : what.weights) {
    const Value& value = annotated.value(weight.value);
    const auto values = value.constant->values<float>();
    result.weights.emplace_back(values.begin(), values.end());
    const Quantizer* const quantizer = what.quantizer_of(weight.value);
    const auto found = by_name.find(weight.name);
    if (quantizer == nullptr || found == by_name.end()) continue;
    const auto& before = floats.value(found->second).constant;
    if (!before || before->shape() != value.constant->shape()) continue;
    keep_in_cells(value, *quantizer, before->values<float>(), result.weights.back());
  }
  result.log2_steps.resize(what.scales.size());
  for (const Quantizer& quantizer : what.quantizers) {
    std::vector<double>& steps = result.log2_steps[quantizer.scale];
    if (!steps.empty()) continue;
    const bool power_of_two = what.scales[quantizer.scale].power_of_two;
    for (const double step : steps_in(*annotated.value(quantizer.value).quantization)) {
      steps.push_back(std::log2(step) - (power_of_two ? 0.5 : 0.0));
    }
  }
  return result;
}

std::vector<double> steps_of(const Scale& scale, const std::vector<double>& log2_steps) {
  std::vector<double> steps;
  for (const double one : log2_steps) {
    steps.push_back(step_of(std::min(one, scale.highest), scale.power_of_two));
  }
  return steps;
}

double on_grid(double bias, double unit) { return std::round(bias / unit) * unit; }

Graph with_parameters(Graph annotated, const Trainable& what, const Parameters& parameters) {
  std::vector<std::vector<double>> steps;
  for (std::size_t i = 0; i < what.scales.size(); ++i) {
    steps.push_back(steps_of(what.scales[i], parameters.log2_steps[i]));
  }
  for (const Quantizer& quantizer : what.quantizers) {
    Quantization& codes = *annotated.value(quantizer.value).quantization;
    for (std::size_t i = 0; i < codes.thresholds.size(); ++i) {
      codes.thresholds[i] = steps[quantizer.scale][i] * static_cast<double>(codes.high());
    }
  }
  for (std::size_t w = 0; w < what.weights.size(); ++w) {
    Tensor& constant = *annotated.value(what.weights[w].value).constant;
    const auto values = constant.mutable_values<float>();
    std::ranges::copy(parameters.weights[w], values.begin());
    const BiasGrid* const grid = what.grid_of(what.weights[w].value);
    if (grid == nullptr) continue;
    const std::vector<double>& rows = steps[grid->weights];
    for (std::size_t c = 0; c < values.size(); ++c) {
      const double unit = steps[grid->operand][0] * rows[rows.size() == 1 ? 0 : c % rows.size()];
      values[c] = static_cast<float>(on_grid(static_cast<double>(values[c]), unit));
    }
  }
  return annotated;
}

}  // namespace workbench::train
