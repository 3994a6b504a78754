#include "compiler/quantize/quantize_target.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/histogram.h"
#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/nemo_codes.h"

namespace workbench {

namespace {

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

// Weights of integer nodes that nobody has annotated: 8 bits, max|w| per output channel.
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

// What all that works with NEMO's codes has in common.
QuantizeTarget nemo_target(const NemoOptions& options) {
  return {.name = {},
          .accumulator_bits = 32,
          .prepare = nemo_form,
          .annotate =
              [options](Graph graph, const Thresholds& thresholds) {
                return with_float_steps(annotate_nemo(std::move(graph), thresholds, options));
              },
          .has_weight_codes =
              [options](const Graph& graph) { return weighted_nodes(nemo_roles(graph, options)); },
          .lower = {}};
}

// Without hardware, codes are what ONNX Runtime makes of the QDQ file: QuantizeLinear rounds half
// to even (platform.md 4).
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

QuantizeTarget xdnn_quantize_target(const QuantizeOptions& options) {
  return {
      .name = "xdnn",
      .accumulator_bits = options.bits == 8 ? 24 : 48,  // xdnn.md 3.3
      .prepare = [](Graph graph) { return graph; },
      .annotate =
          [options](Graph graph, const Thresholds& thresholds) {
            return with_float_steps(annotate_xfdnn(std::move(graph), thresholds, options));
          },
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

}  // namespace workbench
