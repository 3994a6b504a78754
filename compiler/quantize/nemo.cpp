// NEMO's scheme: who is integer, what codes every value has, and the integers of each node.
#include "compiler/quantize/nemo.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "compiler/quantize/integer_rewriter.h"
#include "compiler/quantize/nemo_codes.h"
#include "compiler/quantize/nemo_numbers.h"
#include "compiler/quantize/parameters.h"

namespace workbench {

namespace {

constexpr std::int64_t kLow32 = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kHigh32 = std::numeric_limits<std::int32_t>::max();

void drop_activation(Op& op) {
  if (auto* conv = std::get_if<Conv>(&op)) conv->activation = {};
  if (auto* sum = std::get_if<Binary>(&op)) sum->activation = {};
  if (auto* gemm = std::get_if<Gemm>(&op)) *gemm = Gemm{.transpose_b = gemm->transpose_b};
}

// The last Gemm of a classifier: DORY's linear layer with results of 32 bits (pulp.md 3.2).
std::vector<bool> leave_as_accumulators(const Graph& graph, const Roles& roles) {
  const auto readers = consumers(graph);
  std::vector<bool> result;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const auto* gemm = std::get_if<Gemm>(&node.op);
    const bool linear = gemm != nullptr && gemm->activation.kind == Activation::Kind::None;
    const auto& read_by = readers[static_cast<std::size_t>(node.outputs[0])];
    result.push_back(roles[n] && linear &&
                     std::none_of(read_by.begin(), read_by.end(),
                                  [&](std::size_t reader) { return roles[reader].has_value(); }));
  }
  return result;
}

bool same_scale(const Quantization& a, const Quantization& b) {
  return a.thresholds == b.thresholds && a.bits == b.bits && a.is_signed == b.is_signed;
}

// Sums of `terms` codes to the codes of another scale.
AffineRequantize rescaling(const Quantization& in, const Quantization& out, std::int64_t terms) {
  const auto count = static_cast<double>(terms);
  const Channel channel{.gain = in.step() / out.step() / count,
                        .reach = static_cast<double>(std::max(in.high(), -in.low())) * count};
  return nemo_rescaling(std::span(&channel, 1), out);
}

// The integer nodes of one network.
class Nodes {
 public:
  Nodes(const Graph& annotated, const NemoOptions& options)
      : source_(annotated),
        options_(options),
        roles_(nemo_roles(annotated, options)),
        logits_(leave_as_accumulators(annotated, roles_)),
        rewriter_(annotated) {}

  Graph run() {
    return rewriter_.run(roles_, [&](std::size_t n) { return integer_node(n); });
  }

 private:
  const Quantization& codes(ValueId id) const { return rewriter_.codes(id); }

  Node integer_node(std::size_t index) {
    const Node& original = source_.nodes[index];
    const Role role = *roles_[index];
    const ValueId out = original.outputs[0];
    Node node = original;
    node.inputs.clear();
    for (const ValueId id : data_operands(original, role)) {
      node.inputs.push_back(role == Role::Concat ? code_as(id, codes(out)) : rewriter_.code(id));
    }
    drop_activation(node.op);
    if (logits_[index]) {
      add_logits(original, node);
      return node;
    }
    node.outputs = {rewriter_.result(out, codes(out))};
    add_numbers(original, role, node);
    return node;
  }

  // Codes of `id` as a concat wants them.
  ValueId code_as(ValueId id, const Quantization& wanted) {
    if (same_scale(codes(id), wanted)) return rewriter_.code(id);
    return rewriter_.rescaled(id, wanted, rescaling(codes(id), wanted, 1));
  }

  void add_numbers(const Node& original, Role role, Node& node) {
    const Quantization& in = codes(original.inputs[0]);
    const Quantization& out = codes(original.outputs[0]);
    switch (role) {
      case Role::Weighted:
        return add_weights(original, node);
      case Role::Average: {
        const auto& window = std::get<AveragePool>(original.op).window;
        node.affine = rescaling(in, out, element_count(window.kernel));
        return;
      }
      case Role::Sum: {
        const std::vector<Quantization> operands = {in, codes(original.inputs[1])};
        NemoSum numbers = nemo_sum(operands, out);
        node.operand_affine = std::move(numbers.operands);
        node.affine = std::move(numbers.sum);
        return;
      }
      case Role::Rescale:
        node.op = Identity{};
        node.affine = rescaling(in, out, 1);
        return;
      case Role::Concat:
      case Role::Move:
        return;
    }
  }

  void add_weights(const Node& original, Node& node) {
    NemoWeights weights = nemo_weights(source_, original, options_, options_.per_channel);
    const Quantization& in = codes(original.inputs[0]);
    const Quantization& out = codes(original.outputs[0]);
    const std::vector<double> reach = reaches(original, weights.codes, weights.steps.size(), in);
    std::vector<Channel> channels;
    for (std::size_t c = 0; c < reach.size(); ++c) {
      channels.push_back({.gain = in.step() * weights.steps[c] / out.step(),
                          .offset = weights.bias[c] / out.step(),
                          .reach = reach[c]});
    }
    node.affine = nemo_rescaling(channels, out);
    node.inputs.push_back(rewriter_.constant(original.inputs[1], std::move(weights.codes),
                                             std::move(weights.quantization)));
  }

  void add_logits(const Node& original, Node& node) {
    NemoWeights weights = nemo_weights(source_, original, options_, false);
    const double in_step = codes(original.inputs[0]).step();
    std::vector<std::int32_t> bias;
    for (std::size_t c = 0; c < weights.bias.size(); ++c) {
      const double code =
          std::clamp(weights.bias[c] / (in_step * weights.steps[c]),
                     static_cast<double>(kLow32) / 2, static_cast<double>(kHigh32) / 2);
      bias.push_back(static_cast<std::int32_t>(std::llround(code)));
    }
    // One scale, unless the weights came with one per channel.
    const std::size_t scales = weights.quantization.thresholds.size();
    Quantization out{.bits = 32, .axis = scales == 1 ? 0 : 1};
    for (std::size_t c = 0; c < scales; ++c) {
      out.thresholds.push_back(in_step * weights.steps[c] * static_cast<double>(kHigh32));
    }
    node.outputs = {rewriter_.result(original.outputs[0], out)};
    node.affine = AffineRequantize{.low = kLow32, .high = kHigh32};
    node.inputs.push_back(rewriter_.constant(original.inputs[1], std::move(weights.codes),
                                             std::move(weights.quantization)));
    if (original.inputs.size() < 3 || original.inputs[2] == kNoValue) return;
    const Shape shape = {static_cast<std::int64_t>(bias.size())};
    node.inputs.push_back(rewriter_.constant(
        original.inputs[2], Tensor::from<std::int32_t>(shape, bias), std::nullopt));
  }

  const Graph& source_;
  const NemoOptions& options_;
  Roles roles_;
  std::vector<bool> logits_;  // per node: leaves as int32
  IntegerRewriter rewriter_;
};

}  // namespace

Graph nemo_form(Graph graph) {
  std::set<std::string> names;
  for (const Value& value : graph.values) names.insert(value.name);
  for (const Node& node : graph.nodes) names.insert(node.name);
  const auto unique = [&](std::string name) {
    while (!names.insert(name).second) name += '_';
    return name;
  };
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Activation* fused = fused_activation(graph.nodes[n].op);
    const bool transposed = std::holds_alternative<ConvTranspose>(graph.nodes[n].op);
    if (fused == nullptr || transposed || is_saturation(*fused)) continue;
    const Activation activation = std::exchange(*fused, {});
    const ValueId out = graph.nodes[n].outputs[0];
    const ValueId linear = graph.add_value(
        {.name = unique(graph.value(out).name + "_linear"), .shape = graph.value(out).shape});
    graph.nodes[n].outputs[0] = linear;
    Node own{.name = unique(graph.nodes[n].name + "_activation"),
             .op = Activate{.activation = activation},
             .inputs = {linear},
             .outputs = {out}};
    graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(n) + 1, std::move(own));
  }
  return graph;
}

Graph quantize_nemo(const Graph& graph, const Thresholds& thresholds, const NemoOptions& options) {
  return lower_nemo(annotate_nemo(graph, thresholds, options), options);
}

Graph annotate_nemo(Graph graph, const Thresholds& thresholds, const NemoOptions& options) {
  check_finite_weights(graph);
  const Roles roles = nemo_roles(graph, options);
  Codes codes = nemo_codes(graph, roles, thresholds, options);
  const std::vector<bool> logits = leave_as_accumulators(graph, roles);
  for (std::size_t n = 0; n < logits.size(); ++n) {
    if (logits[n]) codes.thresholds[static_cast<std::size_t>(graph.nodes[n].outputs[0])] = 0;
  }
  return with_codes(std::move(graph), roles, std::move(codes));
}

Graph lower_nemo(const Graph& annotated, const NemoOptions& options) {
  check_finite_weights(annotated);
  return Nodes(annotated, options).run();
}

}  // namespace workbench
