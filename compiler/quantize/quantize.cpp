// The rewrite from float to integer: decide who is integer, give every int8 value its threshold,
// then rebuild the graph node by node, with a Quantize or Dequantize wherever a value is first
// needed in the other number system.
#include "compiler/quantize/quantize.h"

#include <algorithm>
#include <set>
#include <utility>

#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/parameters.h"
#include "compiler/quantize/thresholds.h"

namespace workbench {

namespace {

// Builds the integer graph. Each value of the source may have a real form, a code form, or both;
// the one its producer writes comes first, the other is made once, on demand.
class Rewriter {
 public:
  Rewriter(const Graph& source, const QuantizeOptions& options,
           std::vector<std::optional<Role>> roles, std::vector<const LayerQuantization*> layers)
      : source_(source),
        options_(options),
        roles_(std::move(roles)),
        layers_(std::move(layers)),
        real_(source.values.size(), kNoValue),
        code_(source.values.size(), kNoValue) {
    for (const Value& value : source.values) {
      if (!value.constant) value_names_.insert(value.name);
    }
    for (const Node& node : source.nodes) node_names_.insert(node.name);
  }

  Graph run() {
    graph_.name = source_.name;
    for (const ValueId id : source_.inputs) {
      graph_.inputs.push_back(copy_real(id));
    }
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

  // `base` with as many '_' appended as it takes to be the only one of its name.
  static std::string unique(std::set<std::string>& names, std::string base) {
    while (!names.insert(base).second) base += '_';
    return base;
  }

  bool is_output(ValueId id) const {
    return std::find(source_.outputs.begin(), source_.outputs.end(), id) != source_.outputs.end();
  }

  double threshold(ValueId id) const {
    const Value& value = source_.value(id);
    CHECK(value.quantization && value.quantization->thresholds.size() == 1,
          "value '{}' has no quantization of its own", value.name);
    if (value.quantization->bits != options_.bits || !value.quantization->is_signed) {
      fail("value '{}': expected signed codes of {} bits, found {}{} bits", value.name,
           options_.bits, value.quantization->is_signed ? "" : "unsigned, ",
           value.quantization->bits);
    }
    return value.quantization->thresholds[0];
  }

  ValueId copy_real(ValueId id) {
    Value value = source_.value(id);
    // An import hint has done its work; a real value carries no quantization.
    if (value.type == ElementType::Float32) value.quantization.reset();
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
    convert(Dequantize{}, original.name + "_dequantize", code_[at(id)], real_[at(id)]);
    return real_[at(id)];
  }

  ValueId code(ValueId id) {
    if (code_[at(id)] != kNoValue) return code_[at(id)];
    const Value& original = source_.value(id);
    CHECK(real_[at(id)] != kNoValue, "value '{}' is read before it is written", original.name);
    code_[at(id)] = add_code(id, unique(value_names_, original.name + "_int8"));
    graph_.value(code_[at(id)]).quantization->rounding = original.quantization->rounding;
    convert(Quantize{}, original.name + "_quantize", real_[at(id)], code_[at(id)]);
    return code_[at(id)];
  }

  ValueId add_code(ValueId id, std::string name) {
    Value value{.name = std::move(name),
                .shape = source_.value(id).shape,
                .type = code_type(options_.bits)};
    value.quantization = Quantization{.bits = options_.bits, .thresholds = {threshold(id)}};
    return graph_.add_value(std::move(value));
  }

  void convert(Op op, std::string name, ValueId from, ValueId to) {
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

  void add_integer(std::size_t index) {
    const Node& original = source_.nodes[index];
    const Role role = *roles_[index];
    const ValueId out = original.outputs[0];
    const NodeScales scales{.threshold_in = threshold(original.inputs[0]),
                            .threshold_out = threshold(out),
                            .layer = layers_[index]};
    Node node = original;
    node.inputs.clear();
    for (const ValueId id : data_operands(original, role)) node.inputs.push_back(code(id));
    if (role == Role::Weighted) add_parameters(original, scales, node);
    if (role == Role::Average || role == Role::Sum) {
      node.requantize = plain_requantize(original, scales, options_);
    }
    set_activation(node.op, integer_activation(activation_of(original)));
    const std::string& name = source_.value(out).name;
    code_[at(out)] = add_code(out, is_output(out) ? unique(value_names_, name + "_int8") : name);
    node.outputs = {code_[at(out)]};
    graph_.nodes.push_back(std::move(node));
  }

  void add_parameters(const Node& original, const NodeScales& scales, Node& node) {
    WeightedParameters parameters = weighted_parameters(source_, original, scales, options_);
    node.inputs.push_back(add_constant(original.inputs[1], std::move(parameters.weights)));
    graph_.value(node.inputs.back()).quantization = std::move(parameters.quantization);
    if (parameters.bias) {
      node.inputs.push_back(add_constant(original.inputs[2], std::move(*parameters.bias)));
    }
    node.requantize = std::move(parameters.requantize);
  }

  ValueId add_constant(ValueId original, Tensor tensor) {
    return graph_.add_constant(unique(value_names_, source_.value(original).name),
                               std::move(tensor));
  }

  static void set_activation(Op& op, Activation activation) {
    if (auto* conv = std::get_if<Conv>(&op)) conv->activation = std::move(activation);
    if (auto* conv = std::get_if<ConvTranspose>(&op)) conv->activation = std::move(activation);
    if (auto* sum = std::get_if<Binary>(&op)) sum->activation = std::move(activation);
  }

  const Graph& source_;
  const QuantizeOptions& options_;
  std::vector<std::optional<Role>> roles_;
  std::vector<const LayerQuantization*> layers_;
  std::vector<ValueId> real_, code_;  // by source id: its forms in graph_, or kNoValue
  std::set<std::string> value_names_, node_names_;
  Graph graph_;
};

}  // namespace

namespace {

// A network that came as integers is nobody's to quantize.
void check_real(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (node.affine) {
      fail("node '{}': expected a network of real numbers, found a RequantShift", node.name);
    }
  }
}

}  // namespace

Graph quantize(const Graph& graph, const Thresholds& thresholds, const QuantizeOptions& options,
               const QuantizerTable* table) {
  return lower_xfdnn(annotate_xfdnn(graph, thresholds, options, table), options, table);
}

Graph annotate_xfdnn(Graph graph, const Thresholds& thresholds, const QuantizeOptions& options,
                     const QuantizerTable* table) {
  check_real(graph);
  check_finite_weights(graph);
  const std::vector<const LayerQuantization*> layers = table_layers(graph, table);
  for (const LayerQuantization* layer : layers) {
    if (layer != nullptr && layer->bits != options.bits) {
      fail("quantizer table: layer '{}': bw_layer_out: expected {}, found {}", layer->name,
           options.bits, layer->bits);
    }
  }
  const std::vector<std::optional<Role>> roles = integer_nodes(graph, options);
  Int8Thresholds int8 = int8_thresholds(graph, roles, thresholds, layers, table);
  const std::vector<std::ptrdiff_t> writers = producers(graph);
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    Value& value = graph.values[i];
    if (value.constant || value.type != ElementType::Float32) continue;
    value.quantization.reset();
    if (int8.thresholds[i] == 0) continue;
    const bool computed = writers[i] >= 0 && roles[static_cast<std::size_t>(writers[i])];
    value.quantization =
        Quantization{.bits = options.bits,
                     .thresholds = {int8.thresholds[i]},
                     .rounding = computed ? Rounding::HalfUp : Rounding::TowardZero};
  }
  graph.scale_groups = std::move(int8.groups);
  return graph;
}

Graph lower_xfdnn(const Graph& annotated, const QuantizeOptions& options,
                  const QuantizerTable* table) {
  check_real(annotated);
  check_finite_weights(annotated);
  Graph result = Rewriter(annotated, options, integer_nodes(annotated, options),
                          table_layers(annotated, table))
                     .run();
  const std::vector<Violation> violations = verify(result);
  CHECK(violations.empty(), "after quantize: {}", violations[0].message);
  return result;
}

}  // namespace workbench
