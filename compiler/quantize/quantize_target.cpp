#include "compiler/quantize/quantize_target.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/fit_multipliers.h"
#include "compiler/quantize/histogram.h"
#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/kept_codes.h"
#include "compiler/quantize/nemo_codes.h"
#include "core/error.h"
#include "isa/pulp/code_widths.h"

namespace workbench {

namespace {

constexpr int kFewestBits = 2;

// Steps as float32 hold them. The product with high() and the quotient are exact in double.
Graph with_float_steps(Graph annotated) {
  constexpr double kSmallest = std::numeric_limits<float>::min();
  for (Value& value : annotated.values) {
    if (value.constant || !value.quantization) continue;
    const auto high = static_cast<double>(value.quantization->high());
    for (double& threshold : value.quantization->thresholds) {
      const auto step = static_cast<float>(std::max(threshold / high, kSmallest));
      threshold = static_cast<double>(step) * high;
    }
  }
  return annotated;
}

// max|w| for each index of `axis`; 1 where all is 0.
std::vector<double> largest_per_channel(const Tensor& weights, std::size_t axis) {
  std::int64_t inner = 1;
  for (std::size_t d = axis + 1; d < weights.rank(); ++d) inner *= weights.dim(d);
  const auto length = static_cast<std::size_t>(inner);
  const auto values = weights.values<float>();
  std::vector<double> largest(static_cast<std::size_t>(weights.dim(axis)), 0.0);
  for (std::size_t begin = 0; begin < values.size(); begin += length) {
    double& channel = largest[begin / length % largest.size()];
    channel = std::max(channel, static_cast<double>(max_magnitude(values.subspan(begin, length))));
  }
  std::replace(largest.begin(), largest.end(), 0.0, 1.0);
  return largest;
}

// Weights of integer nodes without annotation: 8 bits, max|w| per output channel.
Graph with_weights(Graph annotated, const NemoOptions& options) {
  const Roles roles = nemo_roles(annotated, options);
  for (std::size_t n = 0; n < roles.size(); ++n) {
    if (roles[n] != Role::Weighted) continue;
    const Node& node = annotated.nodes[n];
    Value& weights = annotated.value(node.inputs[1]);
    if (weights.quantization) continue;
    const auto* gemm = std::get_if<Gemm>(&node.op);
    const int axis = gemm != nullptr && !gemm->transpose_b ? 1 : 0;
    weights.quantization = Quantization{
        .bits = options.weight_bits,
        .thresholds = largest_per_channel(*weights.constant, static_cast<std::size_t>(axis)),
        .axis = axis};
  }
  return annotated;
}

// Lowering rounds weights half away from zero: those that round otherwise do so here.
Graph with_rounded_weights(Graph annotated) {
  for (Value& value : annotated.values) {
    const auto& codes = value.quantization;
    if (!value.constant || value.type != ElementType::Float32 || !codes) continue;
    if (codes->rounding == Rounding::HalfAwayFromZero) continue;
    value.constant = rounded_constant(*value.constant, *codes);
  }
  return annotated;
}

std::vector<bool> weighted_nodes(const Roles& roles) {
  std::vector<bool> result;
  for (const auto& role : roles) result.push_back(role == Role::Weighted);
  return result;
}

std::vector<bool> integer_ones(const Roles& roles) {
  std::vector<bool> result;
  for (const auto& role : roles) result.push_back(role.has_value());
  return result;
}

// From `bits` to 2.
std::vector<int> widths_down_from(int bits) {
  std::vector<int> widths;
  for (; bits >= kFewestBits; --bits) widths.push_back(bits);
  return widths;
}

// "8", "8, 4 or 2", "2 to 8" of all down to 2.
std::string in_words(const std::vector<int>& widths) {
  if (widths.size() > 1 && widths == widths_down_from(widths.front())) {
    return fmt::format("{} to {}", widths.back(), widths.front());
  }
  std::string text;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const char* before = i == 0 ? "" : i + 1 < widths.size() ? ", " : " or ";
    text += fmt::format("{}{}", before, widths[i]);
  }
  return text;
}

// What all that works with NEMO's codes has in common.
QuantizeTarget nemo_target(const NemoOptions& options) {
  return {.name = {},
          .bits = options.weight_bits,
          .weight_widths = widths_down_from(options.weight_bits),
          .activation_widths = widths_down_from(options.activation_bits),
          .accumulator_bits = 32,
          .prepare = nemo_form,
          .annotate =
              [options](Graph graph, const Thresholds& thresholds) {
                return with_float_steps(annotate_nemo(std::move(graph), thresholds, options));
              },
          .runs_on_target =
              [options](const Graph& graph) { return integer_ones(nemo_roles(graph, options)); },
          .fit_multipliers = {},
          .has_weight_codes =
              [options](const Graph& graph) { return weighted_nodes(nemo_roles(graph, options)); },
          .lower = {}};
}

// Without hardware, codes are what ONNX Runtime makes of the QDQ file: QuantizeLinear rounds half
// to even (docs/facts/platform.md 4).
Graph with_ties_to_even(Graph annotated) {
  for (Value& value : annotated.values) {
    if (!value.constant && value.quantization) value.quantization->rounding = Rounding::HalfEven;
  }
  return annotated;
}

// A layer cut at 0 and, behind it, one bound per channel, as files say what equalization has made
// (Relu and Min), as one layer again: no code lies between the two, unless the file has some there.
bool fuse_channel_clip(Graph& graph, std::size_t n) {
  const auto* activate = std::get_if<Activate>(&graph.nodes[n].op);
  if (activate == nullptr || activate->activation.bounds.empty()) return false;
  const Activation clip = activate->activation;
  const ValueId between = graph.nodes[n].inputs[0];
  const auto before = writer_of(graph, between);
  if (!before || sole_reader(graph, between) != n || graph.value(between).quantization)
    return false;
  Activation* fused = fused_activation(graph.nodes[*before].op);
  if (fused == nullptr) return false;
  const bool cuts = fused->kind == Activation::Kind::Relu && clip.alpha <= 0;
  const bool is_cut = fused->kind == Activation::Kind::None && clip.alpha == 0;
  if (!cuts && !is_cut) return false;
  *fused = {.kind = Activation::Kind::Clip, .alpha = 0, .bounds = clip.bounds};
  fuse_behind(graph, *before, n);
  return true;
}

}  // namespace

void require_width(int bits, const std::vector<int>& widths, const QuantizeTarget& target,
                   const std::string& what) {
  if (std::ranges::find(widths, bits) != widths.end()) return;
  fail("{}: expected {} on target {}, found {}", what, in_words(widths), target.name, bits);
}

QuantizeTarget xdnn_quantize_target(const QuantizeOptions& given) {
  QuantizeOptions options = given;
  options.keeps_range = true;
  return {
      .name = "xdnn",
      .bits = options.bits,
      .weight_widths = widths_down_from(options.bits),
      .activation_widths = {options.bits},
      .accumulator_bits = options.bits == 8 ? 24 : 48,  // docs/facts/xdnn.md 3.3
      .late_bias = options.limits.bias_after,
      .prepare = [](Graph graph) { return graph; },
      .annotate =
          [options](Graph graph, const Thresholds& thresholds) {
            return with_float_steps(annotate_xfdnn(std::move(graph), thresholds, options));
          },
      .runs_on_target =
          [options](const Graph& graph) { return integer_ones(integer_nodes(graph, options)); },
      .fit_multipliers = [options](Graph& annotated) { fit_multipliers(annotated, options); },
      .has_weight_codes =
          [options](const Graph& graph) { return weighted_nodes(integer_nodes(graph, options)); },
      .lower =
          [options](const Graph& annotated) {
            return lower_xfdnn(with_rounded_weights(annotated), options);
          }};
}

QuantizeTarget pulp_quantize_target(const NemoOptions& options) {
  QuantizeTarget target = nemo_target(options);
  target.name = "pulp";
  target.weight_widths.assign(pulp::kCodeWidths.begin(), pulp::kCodeWidths.end());
  target.activation_widths = target.weight_widths;
  target.sums_of_one_width = true;
  target.prepare = [](Graph graph) { return with_input_borders(nemo_form(std::move(graph))); };
  target.lower = [options](const Graph& annotated) {
    return lower_nemo(with_rounded_weights(annotated), options);
  };
  return target;
}

QuantizeTarget free_quantize_target(int activation_bits) {
  const NemoOptions options{.activation_bits = activation_bits, .clip_per_channel = true};
  QuantizeTarget target = nemo_target(options);
  target.name = "none";
  target.prepare = [](Graph graph) {
    graph = nemo_form(std::move(graph));
    if (sweep(graph, fuse_channel_clip)) remove_dead(graph);
    return graph;
  };
  target.annotate = [annotate = target.annotate](Graph graph, const Thresholds& thresholds) {
    return with_ties_to_even(annotate(std::move(graph), thresholds));
  };
  target.lower = [options](const Graph& annotated) {
    return fake_quantized(with_weights(annotated, options));
  };
  return target;
}

namespace {

// Steps are float32 in files and double here: differences below that are none.
constexpr double kNothing = 1e-3;

std::string type_name(const Quantization& codes) {
  return fmt::format("{}{}", codes.is_signed ? "int" : "uint", codes.bits);
}

std::string describe(const Quantization& codes) {
  std::string text = type_name(codes);
  const auto shifted = [](std::int64_t point) { return point != 0; };
  if (std::ranges::any_of(codes.zero_points, shifted)) {
    const auto [low, high] = std::ranges::minmax(codes.zero_points);
    text += low == high ? fmt::format(", zero point {}", low)
                        : fmt::format(", zero points {} to {}", low, high);
  }
  if (codes.thresholds.size() == 1) return text + fmt::format(", scale {:.4g}", codes.step());
  return text + fmt::format(", {} scales along axis {}", codes.thresholds.size(), codes.axis);
}

// The farthest that a number one of the codes `came` stands for is from its code in `is`. A target
// has unsigned codes where no number is negative, so that those that came for them are idle. What
// few codes round by half a step, wider ones do not.
double largest_difference(const Quantization& came, const Quantization& is) {
  double largest = came.bits < 8 && is.bits > came.bits ? 0.5 : 0;
  for (std::size_t i = 0; i < came.thresholds.size(); ++i) {
    const double step = came.step(i);
    const double own = is.step(is.thresholds.size() == 1 ? 0 : i);
    for (std::int64_t code = came.low(); code <= came.high(); ++code) {
      const double real = static_cast<double>(code - came.zero_point(i)) * step;
      if (!is.is_signed && real < 0) continue;
      const double zero = static_cast<double>(is.zero_point(i));
      const double nearest =
          std::clamp(std::nearbyint(real / own) + zero, static_cast<double>(is.low()),
                     static_cast<double>(is.high()));
      largest = std::max(largest, std::abs(real - (nearest - zero) * own) / step);
    }
  }
  return largest;
}

const Quantization* codes_of(const Graph& annotated, const std::map<std::string, ValueId>& by_name,
                             const std::string& name) {
  const auto found = by_name.find(name);
  if (found == by_name.end()) return nullptr;
  const auto& codes = annotated.value(found->second).quantization;
  return codes ? &*codes : nullptr;
}

bool only_moves(const Op& op) {
  return std::holds_alternative<Dequantize>(op) || std::holds_alternative<Identity>(op) ||
         std::holds_alternative<Reshape>(op) || std::holds_alternative<MaxPool>(op);
}

// Whether clamp(x), rounded to `is`, is what x rounded to `came`, clamped and rounded to `is` is:
// rounding and clamping commute on the same steps, where `came` reaches as far. How ties are
// rounded is the target's affair.
bool clamps_alike(const Activation& clamp, const Quantization& came, const Quantization& is) {
  if (came.thresholds.size() != 1 || is.thresholds.size() != 1) return false;
  const double step = came.step();
  if (std::abs(is.step() - step) > kNothing / 256 * step) return false;
  const auto lowest = [](const Quantization& codes) {
    return static_cast<double>(codes.low() - codes.zero_point()) * codes.step();
  };
  const auto highest = [](const Quantization& codes) {
    return static_cast<double>(codes.high() - codes.zero_point()) * codes.step();
  };
  const bool is_clip = clamp.kind == Activation::Kind::Clip;
  const double low = is_clip ? static_cast<double>(clamp.alpha) : 0;
  const double high = is_clip ? static_cast<double>(clamp.beta) : highest(is);
  const double slack = kNothing * step;
  return std::max(low, lowest(is)) >= lowest(came) - slack &&
         std::min(high, highest(is)) <= highest(came) + slack;
}

class Comparison {
 public:
  Comparison(const Graph& imported, const Graph& annotated)
      : imported_(imported),
        annotated_(annotated),
        by_name_(values_by_name(annotated)),
        readers_(consumers(imported)),
        writers_(producers(imported)) {}

  RequantizedCodes run() {
    for (const Node& node : imported_.nodes) {
      if (std::holds_alternative<Quantize>(node.op)) compare_activation(node);
    }
    found_.other_activations = found_.lines.size();
    for (const Node& node : imported_.nodes) {
      if (std::holds_alternative<Dequantize>(node.op)) compare_weights(node);
    }
    found_.other_weights = found_.lines.size() - found_.other_activations;
    return std::move(found_);
  }

 private:
  const std::vector<std::size_t>& readers(ValueId id) const {
    return readers_[static_cast<std::size_t>(id)];
  }

  // Of the value or, where passes have dropped its name, of what only moves it.
  const Quantization* kept_codes(ValueId id) const {
    if (const auto* codes = codes_of(annotated_, by_name_, name(id))) return codes;
    for (const std::size_t n : readers(id)) {
      const Node& reader = imported_.nodes[n];
      if (!only_moves(reader.op)) continue;
      if (const auto* codes = kept_codes(reader.outputs[0])) return codes;
    }
    return nullptr;
  }

  // Of an input that convolutions read with a border.
  const Quantization* codes_of_bordered(const std::string& name) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return nullptr;
    for (const Node& node : annotated_.nodes) {
      if (!std::holds_alternative<Pad>(node.op) || node.inputs[0] != found->second) continue;
      const auto& codes = annotated_.value(node.outputs[0]).quantization;
      if (codes) return &*codes;
    }
    return nullptr;
  }

  const Quantization* codes_of_rounding(const Node& quantize) const {
    if (const auto* codes = codes_of_bordered(name(quantize.inputs[0]))) return codes;
    const Quantization* const before = kept_codes(quantize.inputs[0]);
    return before != nullptr ? before : kept_codes(quantize.outputs[0]);
  }

  const Node* writer(ValueId id) const {
    const std::ptrdiff_t n = writers_[static_cast<std::size_t>(id)];
    return n < 0 ? nullptr : &imported_.nodes[static_cast<std::size_t>(n)];
  }

  // What the rounding of padded codes was before the padding: codes of zeros are the same.
  const Quantization* codes_before_padding(const Node& quantize) const {
    const Node* const pad = writer(quantize.inputs[0]);
    if (pad == nullptr || !std::holds_alternative<Pad>(pad->op) || fill_value(pad->op) != 0.0F) {
      return nullptr;
    }
    const Node* const dequantize = writer(pad->inputs[0]);
    if (dequantize == nullptr || !std::holds_alternative<Dequantize>(dequantize->op))
      return nullptr;
    const Node* const rounding = writer(dequantize->inputs[0]);
    if (rounding == nullptr || !std::holds_alternative<Quantize>(rounding->op)) return nullptr;
    return codes_of_rounding(*rounding);
  }

  const Node* only_reader(ValueId id) const {
    return readers(id).size() == 1 ? &imported_.nodes[readers(id)[0]] : nullptr;
  }

  // Whether the rounding is that of a Relu or Clip behind it, which is fused to the layer before.
  bool is_rounded_behind(const Node& quantize, const Quantization& came) const {
    const Node* const dequantize = only_reader(quantize.outputs[0]);
    if (dequantize == nullptr || !std::holds_alternative<Dequantize>(dequantize->op)) return false;
    const Node* const clamp = only_reader(dequantize->outputs[0]);
    const auto* activate = clamp == nullptr ? nullptr : std::get_if<Activate>(&clamp->op);
    if (activate == nullptr) return false;
    using Kind = Activation::Kind;
    const Activation& activation = activate->activation;
    const bool clamps = activation.kind == Kind::Relu ||
                        (activation.kind == Kind::Clip && activation.bounds.empty());
    const Node* const rounding = clamps ? only_reader(clamp->outputs[0]) : nullptr;
    if (rounding == nullptr || !std::holds_alternative<Quantize>(rounding->op)) return false;
    const Quantization* const is = codes_of_rounding(*rounding);
    return is != nullptr && clamps_alike(activation, came, *is);
  }

  void compare_activation(const Node& quantize) {
    const std::string& real = name(quantize.inputs[0]);
    const auto& came = imported_.value(quantize.outputs[0]).quantization;
    if (!came || came->thresholds.empty() || came->bits > 16) return;
    if (readers(quantize.outputs[0]).empty()) return;  // codes for the user, which stay
    ++found_.activations;
    const Quantization* is = codes_of_rounding(quantize);
    if (is == nullptr) is = codes_before_padding(quantize);
    if (is == nullptr) {
      if (is_rounded_behind(quantize, *came)) return;
      found_.lines.push_back(
          fmt::format("value '{}': came as {}; is not rounded", real, describe(*came)));
      return;
    }
    const double steps = largest_difference(*came, *is);
    if (steps < kNothing) return;
    found_.lines.push_back(
        fmt::format("value '{}': came as {}; is {}: differs by up to {:.3g} steps", real,
                    describe(*came), describe(*is), steps));
  }

  void compare_weights(const Node& dequantize) {
    const Value& codes = imported_.value(dequantize.inputs[0]);
    if (!codes.constant || !codes.quantization || codes.quantization->bits > 16) return;
    for (const std::size_t n : readers(dequantize.outputs[0])) {
      const Node& layer = imported_.nodes[n];
      if (layer.inputs.size() < 2 || layer.inputs[1] != dequantize.outputs[0]) continue;
      ++found_.weights;
      if (stays_real(name(dequantize.outputs[0]))) continue;
      const std::string reason = why_anew(layer, *codes.quantization, name(dequantize.outputs[0]));
      if (reason.empty()) continue;
      found_.lines.push_back(
          fmt::format("layer '{}': weights came as {}; {}: they are rounded anew, to the largest "
                      "of each output channel",
                      layer.name, describe(*codes.quantization), reason));
    }
  }

  // Whether the layer that reads those weights has no codes to write.
  bool stays_real(const std::string& weights) const {
    const auto found = by_name_.find(weights);
    if (found == by_name_.end()) return false;
    return std::ranges::any_of(annotated_.nodes, [&](const Node& layer) {
      return layer.inputs.size() > 1 && layer.inputs[1] == found->second &&
             !annotated_.value(layer.outputs[0]).quantization;
    });
  }

  // Why the weights' own scales are not used; empty where they are.
  std::string why_anew(const Node& layer, const Quantization& came,
                       const std::string& weights) const {
    const auto shifted = [](std::int64_t point) { return point != 0; };
    if (std::ranges::any_of(came.zero_points, shifted)) return "no target has their zero points";
    if (!came.is_signed) return "no target has unsigned ones";
    const int axis = output_axis(layer);
    if (came.thresholds.size() > 1 && came.axis != axis) {
      return fmt::format("output channels are along axis {}", axis);
    }
    const bool kept = codes_of(annotated_, by_name_, weights) != nullptr;
    return kept ? "" : "a pass changed them";
  }

  int output_axis(const Node& layer) const {
    if (std::holds_alternative<ConvTranspose>(layer.op)) return 1;
    if (const auto* gemm = std::get_if<Gemm>(&layer.op)) return gemm->transpose_b ? 0 : 1;
    if (std::holds_alternative<MatMul>(layer.op)) {
      return static_cast<int>(imported_.value(layer.inputs[1]).shape.size()) - 1;
    }
    return 0;
  }

  const std::string& name(ValueId id) const { return imported_.value(id).name; }

  const Graph& imported_;
  const Graph& annotated_;
  std::map<std::string, ValueId> by_name_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<std::ptrdiff_t> writers_;
  RequantizedCodes found_;
};

}  // namespace

std::optional<std::string> RequantizedCodes::summary() const {
  if (lines.empty()) return std::nullopt;
  return fmt::format(
      "re-lowered: {} of {} activations and the weights of {} of {} layers have other codes than "
      "the "
      "file's",
      other_activations, activations, other_weights, weights);
}

RequantizedCodes requantized_codes(const Graph& imported, const Graph& annotated) {
  return Comparison(imported, annotated).run();
}

bool has_all_codes(const Graph& prepared, const QuantizeTarget& target) {
  // Codes that measured thresholds would change; smaller ones than any Clip caps.
  const auto annotated = [&](double threshold) {
    Thresholds thresholds;
    for (const Value& value : prepared.values) {
      if (!value.constant) thresholds[value.name] = threshold;
    }
    return target.annotate(prepared, thresholds);
  };
  return std::ranges::equal(annotated(1e-30).values, annotated(2e-30).values, {},
                            &Value::quantization, &Value::quantization);
}

}  // namespace workbench
