// The rewrite from float to NEMO's integers: decide who is integer, give every value its codes,
// then rebuild the graph node by node, with a Quantize or Dequantize wherever a value is first
// needed in the other number system.
#include "compiler/quantize/nemo.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/nemo_codes.h"
#include "compiler/quantize/nemo_numbers.h"
#include "compiler/quantize/parameters.h"

namespace workbench {

namespace {

constexpr std::int64_t kLow32 = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kHigh32 = std::numeric_limits<std::int32_t>::max();

ElementType code_type_of(const CodeFormat& format) {
  return format.is_signed ? ElementType::Int8 : ElementType::Uint8;
}

void drop_activation(Op& op) {
  if (auto* conv = std::get_if<Conv>(&op)) conv->activation = {};
  if (auto* sum = std::get_if<Binary>(&op)) sum->activation = {};
  if (auto* gemm = std::get_if<Gemm>(&op)) *gemm = Gemm{.transpose_b = gemm->transpose_b};
}

// The last Gemm of a classifier: DORY's linear layer with results of 32 bits (pulp.md 3.2).
std::vector<bool> leave_as_accumulators(const Graph& graph,
                                        const std::vector<std::optional<NemoRole>>& roles) {
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

std::vector<CodeFormat> annotated_formats(const Graph& graph) {
  std::vector<CodeFormat> formats(graph.values.size());
  for (std::size_t i = 0; i < formats.size(); ++i) {
    const Value& value = graph.values[i];
    if (value.constant || value.type != ElementType::Float32 || !value.quantization) continue;
    CHECK(value.quantization->thresholds.size() == 1 && value.quantization->zero_point() == 0,
          "value '{}': codes of a tensor have one scale and no zero point", value.name);
    formats[i] = {.threshold = value.quantization->thresholds[0],
                  .bits = value.quantization->bits,
                  .is_signed = value.quantization->is_signed};
  }
  return formats;
}

// Builds the integer graph. Each value of the source may have a real form, a code form, or both;
// the one its producer writes comes first, the other is made once, on demand.
class Rewriter {
 public:
  Rewriter(const Graph& source, const NemoOptions& options)
      : source_(source),
        options_(options),
        roles_(nemo_roles(source, options)),
        logits_(leave_as_accumulators(source, roles_)),
        formats_(annotated_formats(source)),
        real_(source.values.size(), kNoValue),
        code_(source.values.size(), kNoValue) {
    for (const Value& value : source.values) {
      if (!value.constant) value_names_.insert(value.name);
    }
    for (const Node& node : source.nodes) node_names_.insert(node.name);
  }

  Graph run() {
    graph_.name = source_.name;
    for (const ValueId id : source_.inputs) graph_.inputs.push_back(copy_real(id));
    for (std::size_t n = 0; n < source_.nodes.size(); ++n) {
      if (roles_[n]) {
        add_integer(n);
      } else {
        add_host(source_.nodes[n]);
      }
    }
    for (const ValueId id : source_.outputs) graph_.outputs.push_back(real(id));
    return std::move(graph_);
  }

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

  static std::string unique(std::set<std::string>& names, std::string base) {
    while (!names.insert(base).second) base += '_';
    return base;
  }

  bool is_output(ValueId id) const {
    return std::find(source_.outputs.begin(), source_.outputs.end(), id) != source_.outputs.end();
  }

  const CodeFormat& format(ValueId id) const { return formats_[at(id)]; }

  ValueId copy_real(ValueId id) {
    Value value = source_.value(id);
    if (value.type == ElementType::Float32) value.quantization.reset();  // a hint that was heeded
    return real_[at(id)] = graph_.add_value(std::move(value));
  }

  ValueId real(ValueId id) {
    if (id == kNoValue) return kNoValue;
    if (real_[at(id)] != kNoValue) return real_[at(id)];
    const Value& original = source_.value(id);
    if (original.constant) {
      const ValueId copy = copy_real(id);
      graph_.value(copy).name = unique(value_names_, original.name);
      return copy;
    }
    CHECK(code_[at(id)] != kNoValue, "value '{}' is read before it is written", original.name);
    Value value{.name = original.name, .shape = original.shape};
    if (!is_output(id)) value.name = unique(value_names_, original.name + "_float");
    real_[at(id)] = graph_.add_value(std::move(value));
    add_node(Dequantize{}, original.name + "_dequantize", code_[at(id)], real_[at(id)]);
    return real_[at(id)];
  }

  ValueId code(ValueId id) {
    if (code_[at(id)] != kNoValue) return code_[at(id)];
    const Value& original = source_.value(id);
    CHECK(real_[at(id)] != kNoValue, "value '{}' is read before it is written", original.name);
    CHECK(format(id).threshold > 0, "value '{}' has no quantization", original.name);
    code_[at(id)] = add_code(id, unique(value_names_, original.name + "_int8"), format(id));
    graph_.value(code_[at(id)]).quantization->rounding = original.quantization->rounding;
    add_node(Quantize{}, original.name + "_quantize", real_[at(id)], code_[at(id)]);
    return code_[at(id)];
  }

  // Codes of `id` as a concat wants them.
  ValueId code_as(ValueId id, const CodeFormat& wanted) {
    const ValueId own = code(id);
    if (format(id) == wanted) return own;
    const std::string& name = source_.value(id).name;
    const ValueId other = add_code(id, unique(value_names_, name + "_rescaled"), wanted);
    add_node(Identity{}, name + "_rescale", own, other);
    graph_.nodes.back().affine = rescaling(format(id), wanted, 1);
    return other;
  }

  ValueId add_code(ValueId id, std::string name, const CodeFormat& format) {
    Value value{
        .name = std::move(name), .shape = source_.value(id).shape, .type = code_type_of(format)};
    value.quantization = Quantization{
        .bits = format.bits, .is_signed = format.is_signed, .thresholds = {format.threshold}};
    return graph_.add_value(std::move(value));
  }

  void add_node(Op op, std::string name, ValueId from, ValueId to) {
    graph_.nodes.push_back({.name = unique(node_names_, std::move(name)),
                            .op = std::move(op),
                            .inputs = {from},
                            .outputs = {to}});
  }

  void add_host(const Node& original) {
    Node node = original;
    for (ValueId& id : node.inputs) id = real(id);
    for (ValueId& id : node.outputs) id = id == kNoValue ? kNoValue : copy_real(id);
    graph_.nodes.push_back(std::move(node));
  }

  // Sums of `terms` codes to the codes of another scale.
  static AffineRequantize rescaling(const CodeFormat& in, const CodeFormat& out,
                                    std::int64_t terms) {
    const auto count = static_cast<double>(terms);
    const Channel channel{.gain = in.step() / out.step() / count,
                          .reach = static_cast<double>(std::max(in.high(), -in.low())) * count};
    return nemo_rescaling(std::span(&channel, 1), out);
  }

  void add_integer(std::size_t index) {
    const Node& original = source_.nodes[index];
    const ValueId out = original.outputs[0];
    const NemoRole role = *roles_[index];
    Node node = original;
    node.inputs.clear();
    for (const ValueId id : code_operands(original, role)) {
      node.inputs.push_back(role == NemoRole::Concat ? code_as(id, format(out)) : code(id));
    }
    drop_activation(node.op);
    const std::string name = source_.value(out).name;
    code_[at(out)] =
        add_code(out, is_output(out) ? unique(value_names_, name + "_int8") : name, format(out));
    node.outputs = {code_[at(out)]};
    if (logits_[index]) {
      add_logits(original, node);
    } else {
      add_numbers(original, role, node);
    }
    graph_.nodes.push_back(std::move(node));
  }

  void add_numbers(const Node& original, NemoRole role, Node& node) {
    const CodeFormat& in = format(original.inputs[0]);
    const CodeFormat& out = format(original.outputs[0]);
    switch (role) {
      case NemoRole::Weighted:
        return add_weights(original, node);
      case NemoRole::Average: {
        const auto& window = std::get<AveragePool>(original.op).window;
        node.affine = rescaling(in, out, element_count(window.kernel));
        return;
      }
      case NemoRole::Sum: {
        const std::vector<CodeFormat> operands = {in, format(original.inputs[1])};
        NemoSum numbers = nemo_sum(operands, out);
        node.operand_affine = std::move(numbers.operands);
        node.affine = std::move(numbers.sum);
        return;
      }
      case NemoRole::Rescale:
        node.op = Identity{};
        node.affine = rescaling(in, out, 1);
        return;
      case NemoRole::Concat:
      case NemoRole::Move:
        return;
    }
  }

  void add_weights(const Node& original, Node& node) {
    NemoWeights weights = nemo_weights(source_, original, options_, options_.per_channel);
    const CodeFormat& in = format(original.inputs[0]);
    const CodeFormat& out = format(original.outputs[0]);
    const std::vector<double> reach = reaches(original, weights.codes, weights.steps.size(), in);
    std::vector<Channel> channels;
    for (std::size_t c = 0; c < reach.size(); ++c) {
      channels.push_back({.gain = in.step() * weights.steps[c] / out.step(),
                          .offset = weights.bias[c] / out.step(),
                          .reach = reach[c]});
    }
    node.affine = nemo_rescaling(channels, out);
    add_constant(original, std::move(weights), node);
  }

  void add_constant(const Node& original, NemoWeights weights, Node& node) {
    const std::string& name = source_.value(original.inputs[1]).name;
    const ValueId id = graph_.add_constant(unique(value_names_, name), std::move(weights.codes));
    graph_.value(id).quantization = std::move(weights.quantization);
    node.inputs.push_back(id);
  }

  void add_logits(const Node& original, Node& node) {
    NemoWeights weights = nemo_weights(source_, original, options_, false);
    const double in_step = format(original.inputs[0]).step();
    std::vector<std::int32_t> bias;
    for (std::size_t c = 0; c < weights.bias.size(); ++c) {
      const double code =
          std::clamp(weights.bias[c] / (in_step * weights.steps[c]),
                     static_cast<double>(kLow32) / 2, static_cast<double>(kHigh32) / 2);
      bias.push_back(static_cast<std::int32_t>(std::llround(code)));
    }
    Value& out = graph_.value(node.outputs[0]);
    out.type = ElementType::Int32;
    out.quantization = Quantization{.bits = 32, .axis = 1};
    // One scale, unless the weights came with one per channel.
    const std::size_t scales = weights.quantization.thresholds.size();
    for (std::size_t c = 0; c < scales; ++c) {
      out.quantization->thresholds.push_back(in_step * weights.steps[c] *
                                             static_cast<double>(kHigh32));
    }
    if (scales == 1) out.quantization->axis = 0;
    node.affine = AffineRequantize{.low = kLow32, .high = kHigh32};
    add_constant(original, std::move(weights), node);
    if (original.inputs.size() < 3 || original.inputs[2] == kNoValue) return;
    const std::string& name = source_.value(original.inputs[2]).name;
    const Shape shape = {static_cast<std::int64_t>(bias.size())};
    node.inputs.push_back(
        graph_.add_constant(unique(value_names_, name), Tensor::from<std::int32_t>(shape, bias)));
  }

  const Graph& source_;
  const NemoOptions& options_;
  std::vector<std::optional<NemoRole>> roles_;
  std::vector<bool> logits_;  // per node: leaves as int32
  std::vector<CodeFormat> formats_;
  std::vector<ValueId> real_, code_;  // by source id: its forms in graph_, or kNoValue
  std::set<std::string> value_names_, node_names_;
  Graph graph_;
};

Activation* fused_activation(Op& op) {
  if (auto* conv = std::get_if<Conv>(&op)) return &conv->activation;
  if (auto* sum = std::get_if<Binary>(&op)) return &sum->activation;
  if (auto* gemm = std::get_if<Gemm>(&op)) return &gemm->activation;
  return nullptr;
}

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
    if (fused == nullptr || is_saturation(*fused)) continue;
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
  const std::vector<std::optional<NemoRole>> roles = nemo_roles(graph, options);
  CodeFormats codes = code_formats(graph, roles, thresholds, options);
  const std::vector<bool> logits = leave_as_accumulators(graph, roles);
  const std::vector<std::ptrdiff_t> writers = producers(graph);
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    Value& value = graph.values[i];
    if (value.constant || value.type != ElementType::Float32) continue;
    value.quantization.reset();
    const CodeFormat& format = codes.formats[i];
    const auto writer = static_cast<std::size_t>(std::max<std::ptrdiff_t>(writers[i], 0));
    const bool computed = writers[i] >= 0 && roles[writer];
    if (format.threshold == 0 || (computed && logits[writer])) continue;
    value.quantization =
        Quantization{.bits = format.bits,
                     .is_signed = format.is_signed,
                     .thresholds = {format.threshold},
                     .rounding = computed ? Rounding::HalfUp : Rounding::HalfAwayFromZero};
  }
  graph.scale_groups = std::move(codes.groups);
  return graph;
}

Graph lower_nemo(const Graph& annotated, const NemoOptions& options) {
  check_finite_weights(annotated);
  Graph result = Rewriter(annotated, options).run();
  const std::vector<Violation> violations = verify(result);
  CHECK(violations.empty(), "after quantize_nemo: {}", violations[0].message);
  return result;
}

}  // namespace workbench
