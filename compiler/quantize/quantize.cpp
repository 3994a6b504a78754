// The published xfDNN scheme: which nodes are integer, the codes of every value, and the integers
// of each node.
#include "compiler/quantize/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/parameters.h"
#include "compiler/quantize/table.h"
#include "compiler/quantize/thresholds.h"
#include "core/math.h"

namespace workbench {

namespace {

void set_activation(Op& op, Activation activation) {
  if (auto* conv = std::get_if<Conv>(&op)) conv->activation = std::move(activation);
  if (auto* conv = std::get_if<ConvTranspose>(&op)) conv->activation = std::move(activation);
  if (auto* sum = std::get_if<Binary>(&op)) sum->activation = std::move(activation);
}

Roles lowered_roles(const Graph& annotated, const QuantizeOptions& options) {
  Roles roles = integer_nodes(annotated, options);
  drop_sums_of_two_scales(annotated, roles);
  return roles;
}

// The integer nodes of one network.
class Nodes {
 public:
  Nodes(const Graph& annotated, const QuantizeOptions& options, const QuantizerTable* table)
      : source_(annotated),
        options_(options),
        roles_(lowered_roles(annotated, options)),
        layers_(table_layers(annotated, table)),
        rewriter_(annotated) {}

  Graph run() {
    return rewriter_.run(roles_, [&](std::size_t n) { return integer_node(n); });
  }

 private:
  const Quantization& codes(ValueId id) const {
    const Quantization& codes = rewriter_.codes(id);
    CHECK(codes.zero_point() == 0, "value '{}' has a zero point", source_.value(id).name);
    if (codes.bits != options_.bits || !codes.is_signed) {
      fail("value '{}': expected signed codes of {} bits, found {}{} bits", source_.value(id).name,
           options_.bits, codes.is_signed ? "" : "unsigned, ", codes.bits);
    }
    return codes;
  }

  Node integer_node(std::size_t index) {
    const Node& original = source_.nodes[index];
    const Role role = *roles_[index];
    const ValueId out = original.outputs[0];
    const NodeScales scales{.threshold_in = codes(original.inputs[0]).thresholds[0],
                            .threshold_out = codes(out).thresholds[0],
                            .layer = layers_[index]};
    Node node = original;
    node.inputs.clear();
    for (const ValueId id : data_operands(original, role)) {
      node.inputs.push_back(rewriter_.code(id));
    }
    if (role == Role::Weighted) add_parameters(original, scales, node);
    if (role == Role::Average || role == Role::Sum) {
      node.requantize = plain_requantize(original, scales, options_);
    }
    if (role != Role::Move) set_activation(node.op, integer_activation(activation_of(original.op)));
    node.outputs = {rewriter_.result(out, codes(out))};
    return node;
  }

  void add_parameters(const Node& original, const NodeScales& scales, Node& node) {
    WeightedParameters parameters = weighted_parameters(source_, original, scales, options_);
    node.inputs.push_back(rewriter_.constant(original.inputs[1], std::move(parameters.weights),
                                             std::move(parameters.quantization)));
    if (parameters.bias) {
      node.inputs.push_back(
          rewriter_.constant(original.inputs[2], std::move(*parameters.bias), std::nullopt));
    }
    node.requantize = std::move(parameters.requantize);
  }

  const Graph& source_;
  const QuantizeOptions& options_;
  Roles roles_;
  std::vector<const LayerQuantization*> layers_;
  IntegerRewriter rewriter_;
};

// A network that came as integers is not quantized again.
void check_real(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.affine) {
      fail("node '{}': expected a network of real numbers, found a RequantShift", node.name);
    }
  }
  check_finite_weights(graph);
}

}  // namespace

Graph quantize(const Graph& graph, const Thresholds& thresholds, const QuantizeOptions& options,
               const QuantizerTable* table) {
  return lower_xfdnn(annotate_xfdnn(graph, thresholds, options, table), options, table);
}

Graph annotate_xfdnn(Graph graph, const Thresholds& thresholds, const QuantizeOptions& options,
                     const QuantizerTable* table) {
  check_real(graph);
  const std::vector<const LayerQuantization*> layers = table_layers(graph, table);
  for (const LayerQuantization* layer : layers) {
    if (layer != nullptr && layer->bits != options.bits) {
      fail("{}: layer '{}': bw_layer_out: expected {}, found {}", layer->file, layer->name,
           options.bits, layer->bits);
    }
  }
  Roles roles = integer_nodes(graph, options);
  leave_drowning_sums(graph, thresholds, layers, table, roles);
  Codes codes = int8_thresholds(graph, roles, thresholds, layers, table);
  codes.bits = options.bits;
  return with_codes(std::move(graph), roles, std::move(codes));
}

Graph lower_xfdnn(const Graph& annotated, const QuantizeOptions& options,
                  const QuantizerTable* table) {
  check_real(annotated);
  return Nodes(annotated, options, table).run();
}

// Multiplier to (scale, shift): docs/facts/xdnn.md 3.6, re-derived from the published quantizer
// files.

double scale_multiplier(double threshold_in, double threshold_weights, double threshold_out,
                        double high) {
  const auto step = [&](double threshold) { return static_cast<float>(threshold / high); };
  const float in = step(threshold_in), weights = step(threshold_weights), out = step(threshold_out);
  const std::array<float, 5> terms = {in, weights, out, in * weights, in * weights / out};
  const bool single =
      std::all_of(terms.begin(), terms.end(), [](float term) { return std::isnormal(term); });
  if (single) return static_cast<double>(terms.back());
  return threshold_in / high * (threshold_weights / high) / (threshold_out / high);
}

ScaleShift scale_and_shift(double multiplier, int prescale_max, int scale_bits, int postscale_max) {
  CHECK(multiplier >= 0 && std::isfinite(multiplier), "multiplier {}", multiplier);
  if (multiplier == 0) return {};
  int exponent = 0;  // multiplier = fraction * 2^exponent, 0.5 < fraction <= 1
  double fraction = std::frexp(multiplier, &exponent);
  if (fraction == 0.5) {
    fraction = 1;
    --exponent;
  }
  int right = std::max(-exponent, 0);
  const int left = std::max(exponent, 0);
  const int pre = std::min(right, prescale_max);
  right -= pre;
  int post = std::min(right, postscale_max);
  right -= post;
  const double top = std::ldexp(1.0, scale_bits - 1);
  double scale = std::min(std::ldexp(fraction, left - right), top);
  const int room = std::min(std::ilogb(top / scale), postscale_max - post);
  scale = std::nearbyint(std::ldexp(scale, room));  // half to even
  post += room;
  scale = std::min(scale, std::ldexp(1.0, scale_bits) - 1);
  return {pre, static_cast<std::int32_t>(scale), post};
}

ScaleShift scale_and_shift_in_range(double multiplier, int prescale_max, int scale_bits,
                                    int postscale_max) {
  CHECK(multiplier >= 0 && std::isfinite(multiplier), "multiplier {}", multiplier);
  if (multiplier == 0) return {};
  constexpr double kSingle = 1e-6;  // what single precision may leave a power of two short by
  const int octave = static_cast<int>(std::floor(math::log2(multiplier * (1 + kSingle))));
  const int pre = std::clamp(-octave, 0, prescale_max);
  const double unit = std::ldexp(multiplier, pre), top = std::ldexp(1.0, scale_bits) - 1;
  int post = postscale_max;
  while (post > 0 && std::nearbyint(std::ldexp(unit, post)) > top) --post;
  const double scale = std::min(std::nearbyint(std::ldexp(unit, post)), top);  // half to even
  return {pre, static_cast<std::int32_t>(scale), post};
}

}  // namespace workbench
