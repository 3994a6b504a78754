// Roles of nodes: the table of what integers can express, by op.
#include "compiler/quantize/integer_nodes.h"

#include <algorithm>
#include <utility>

namespace workbench {

namespace {

constexpr float kUnbounded = 3.0e38F;  // exporters write +-FLT_MAX or infinity for "no bound"

bool representable(const Activation& activation, bool own_slopes) {
  const auto positive = [](float slope) { return slope >= 0; };
  if (activation.kind == Activation::Kind::LeakyRelu) {
    return own_slopes && positive(activation.alpha);
  }
  if (activation.kind == Activation::Kind::PRelu) {
    return own_slopes && std::all_of(activation.slopes.begin(), activation.slopes.end(), positive);
  }
  return is_saturation(activation);
}

bool is_real_constant(const Graph& graph, ValueId id) {
  return id != kNoValue && graph.value(id).constant &&
         graph.value(id).constant->type() == ElementType::Float32;
}

// What each op can be, operands and activation aside.
struct RoleOf {
  using Result = std::optional<Role>;
  Result operator()(const Conv&) const { return Role::Weighted; }
  Result operator()(const ConvTranspose&) const { return Role::Weighted; }
  Result operator()(const AveragePool&) const { return Role::Average; }
  Result operator()(const Concat&) const { return Role::Concat; }
  Result operator()(const Binary& op) const {
    return op.kind == Binary::Kind::Add ? Result(Role::Sum) : std::nullopt;
  }
  Result operator()(const Reduce& op) const {
    return op.kind == Reduce::Kind::Max ? Result(Role::Move) : std::nullopt;
  }
  Result operator()(const Activate& op) const {
    return op.activation.kind == Activation::Kind::Relu ? Result(Role::Move) : std::nullopt;
  }
  template <typename T>
  Result operator()(const T& op) const {
    const bool moves = T::kTraits.moves_data || T::kTraits.selects;
    return moves && fill_value(op).value_or(0) == 0 ? Result(Role::Move) : std::nullopt;
  }
};

}  // namespace

std::optional<Role> integer_role(const Graph& graph, const Node& node) {
  const std::optional<Role> role = std::visit(RoleOf{}, node.op);
  if (!role || node.outputs.size() != 1) return std::nullopt;
  if (!representable(activation_of(node.op), role == Role::Weighted)) return std::nullopt;
  if (role == Role::Weighted && !has_constant_parameters(graph, node)) return std::nullopt;
  const auto operands = data_operands(node, *role);
  const auto real = [&](ValueId id) { return is_real(graph, id); };
  const bool all_real =
      real(node.outputs[0]) && std::all_of(operands.begin(), operands.end(), real);
  return all_real ? role : std::nullopt;
}

Roles integer_nodes(const Graph& graph, const QuantizeOptions& options) {
  Roles roles;
  for (const Node& node : graph.nodes) {
    std::optional<Role> role = integer_role(graph, node);
    if (options.host_reason) {
      const bool host = options.host_reason(graph, node).has_value();
      CHECK(host || role, "node '{}': the target accepts an {} that integers cannot express",
            node.name, op_name(node.op));
      if (host) role.reset();
    }
    roles.push_back(role);
  }
  leave_final_joins(graph, roles);
  return roles;
}

void leave_final_joins(const Graph& graph, Roles& roles) {
  const auto readers = consumers(graph);
  const auto hands_on = [&](std::size_t n) {
    return roles[n] == Role::Concat ||
           (roles[n] == Role::Move && traits(graph.nodes[n].op).moves_data);
  };
  std::vector<bool> ends(roles.size(), false);  // by node: none reads codes of what it hands on
  for (std::size_t n = roles.size(); n-- > 0;) {
    if (!hands_on(n)) continue;
    const auto& read_by = readers[static_cast<std::size_t>(graph.nodes[n].outputs[0])];
    ends[n] = std::all_of(read_by.begin(), read_by.end(),
                          [&](std::size_t reader) { return !roles[reader] || ends[reader]; });
  }
  std::vector<bool> left(graph.values.size(), false);
  for (std::size_t n = 0; n < roles.size(); ++n) {
    if (!ends[n]) continue;
    const Node& node = graph.nodes[n];
    const bool is_join = roles[n] == Role::Concat;
    if (!is_join && !left[static_cast<std::size_t>(node.inputs[0])]) continue;
    roles[n].reset();
    left[static_cast<std::size_t>(node.outputs[0])] = true;
  }
}

std::span<const ValueId> data_operands(const Node& node, Role role) {
  const std::span<const ValueId> all(node.inputs);
  return role == Role::Sum || role == Role::Concat ? all : all.first(1);
}

bool is_real(const Graph& graph, ValueId id) {
  if (id == kNoValue) return false;
  const Value& value = graph.value(id);
  return !value.constant && value.type == ElementType::Float32;
}

bool has_constant_parameters(const Graph& graph, const Node& node) {
  const bool biased = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  return node.inputs.size() > 1 && is_real_constant(graph, node.inputs[1]) &&
         (!biased || is_real_constant(graph, node.inputs[2]));
}

bool is_saturation(const Activation& activation) {
  if (activation.kind == Activation::Kind::Clip) {
    if (activation.beta <= 0 || !activation.bounds.empty()) return false;
    return activation.alpha == 0 || activation.alpha == -activation.beta ||
           (activation.alpha <= -kUnbounded && activation.beta >= kUnbounded);
  }
  return activation.kind == Activation::Kind::None || activation.kind == Activation::Kind::Relu;
}

std::optional<double> saturation_cap(const Activation& activation) {
  if (activation.kind != Activation::Kind::Clip || activation.beta >= kUnbounded ||
      !activation.bounds.empty()) {
    return std::nullopt;
  }
  return activation.beta;
}

Activation integer_activation(const Activation& activation) {
  switch (activation.kind) {
    case Activation::Kind::Clip:
      if (activation.alpha < 0) return {};
      return {.kind = Activation::Kind::Relu};
    case Activation::Kind::LeakyRelu:
      return {.kind = Activation::Kind::PRelu, .slopes = {activation.alpha}};
    case Activation::Kind::None:
    case Activation::Kind::Relu:
    case Activation::Kind::PRelu:
      return activation;
    default:
      CHECK(false, "activation {} in an integer node", static_cast<int>(activation.kind));
  }
}

namespace {

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

}  // namespace

std::string UniqueNames::make(std::string base) {
  constexpr int kMarks = 3;  // a constant that thousands of nodes share is numbered
  for (int marks = 0; marks <= kMarks; ++marks, base += '_') {
    if (names_.insert(base).second) return base;
  }
  std::int64_t& number = numbered_[base];
  std::string name = base + std::to_string(++number);
  while (!names_.insert(name).second) name = base + std::to_string(++number);
  return name;
}

IntegerRewriter::IntegerRewriter(const Graph& annotated)
    : source_(annotated),
      real_(annotated.values.size(), kNoValue),
      code_(annotated.values.size(), kNoValue) {
  for (const Value& value : annotated.values) {
    if (!value.constant) value_names_.take(value.name);
  }
  for (const Node& node : annotated.nodes) node_names_.take(node.name);
}

Graph IntegerRewriter::run(const Roles& roles,
                           const std::function<Node(std::size_t)>& integer_node) {
  graph_.name = source_.name;
  for (const ValueId id : source_.inputs) graph_.inputs.push_back(copy_real(id));
  for (std::size_t n = 0; n < source_.nodes.size(); ++n) {
    if (roles[n]) {
      Node node = integer_node(n);
      graph_.nodes.push_back(std::move(node));
    } else {
      add_host(source_.nodes[n]);
    }
  }
  for (const ValueId id : source_.outputs) graph_.outputs.push_back(real(id));
  const std::vector<Violation> violations = verify(graph_);
  CHECK(violations.empty(), "after quantization: {}", violations[0].message);
  return std::move(graph_);
}

const Quantization& IntegerRewriter::codes(ValueId id) const {
  const Value& value = source_.value(id);
  CHECK(value.quantization && value.quantization->thresholds.size() == 1,
        "value '{}': expected codes of one scale", value.name);
  return *value.quantization;
}

ValueId IntegerRewriter::code(ValueId id) {
  if (code_[at(id)] != kNoValue) return code_[at(id)];
  const std::string& name = source_.value(id).name;
  CHECK(real_[at(id)] != kNoValue, "value '{}' is read before it is written", name);
  code_[at(id)] = add_codes(id, value_names_.make(name + "_int8"), codes(id));
  graph_.value(code_[at(id)]).quantization->rounding = codes(id).rounding;
  convert(Quantize{}, name + "_quantize", real_[at(id)], code_[at(id)]);
  return code_[at(id)];
}

ValueId IntegerRewriter::result(ValueId id, const Quantization& codes) {
  const std::string& name = source_.value(id).name;
  const bool keeps_name = !is_output(id);  // else the real form does
  code_[at(id)] = add_codes(id, keeps_name ? name : value_names_.make(name + "_int8"), codes);
  return code_[at(id)];
}

ValueId IntegerRewriter::constant(ValueId id, Tensor tensor, std::optional<Quantization> codes) {
  const ValueId made =
      graph_.add_constant(value_names_.make(source_.value(id).name), std::move(tensor));
  graph_.value(made).quantization = std::move(codes);
  return made;
}

ValueId IntegerRewriter::rescaled(ValueId id, const Quantization& codes, AffineRequantize how) {
  const ValueId own = code(id);
  const std::string& name = source_.value(id).name;
  const ValueId other = add_codes(id, value_names_.make(name + "_rescaled"), codes);
  convert(Identity{}, name + "_rescale", own, other).affine = std::move(how);
  return other;
}

ValueId IntegerRewriter::copy_real(ValueId id) {
  Value value = source_.value(id);
  // An annotation has done its work; a real value carries no quantization.
  if (value.type == ElementType::Float32) value.quantization.reset();
  return real_[at(id)] = graph_.add_value(std::move(value));
}

ValueId IntegerRewriter::real(ValueId id) {
  if (id == kNoValue) return kNoValue;
  if (real_[at(id)] != kNoValue) return real_[at(id)];
  const Value& original = source_.value(id);
  if (original.constant) {
    const ValueId copy = copy_real(id);
    graph_.value(copy).name = value_names_.make(original.name);
    return copy;
  }
  CHECK(code_[at(id)] != kNoValue, "value '{}' is read before it is written", original.name);
  Value value{.name = original.name, .shape = original.shape};
  if (!is_output(id)) value.name = value_names_.make(original.name + "_float");
  real_[at(id)] = graph_.add_value(std::move(value));
  convert(Dequantize{}, original.name + "_dequantize", code_[at(id)], real_[at(id)]);
  return real_[at(id)];
}

void IntegerRewriter::add_host(const Node& original) {
  Node node = original;
  for (ValueId& id : node.inputs) id = real(id);
  for (ValueId& id : node.outputs) id = id == kNoValue ? kNoValue : copy_real(id);
  graph_.nodes.push_back(std::move(node));
}

ValueId IntegerRewriter::add_codes(ValueId id, std::string name, const Quantization& codes) {
  Value value{
      .name = std::move(name), .shape = source_.value(id).shape, .type = storage_type(codes)};
  value.quantization = codes;
  // How a node rounds to codes is its own to say; a Quantize reads it here.
  value.quantization->rounding = Quantization{}.rounding;
  return graph_.add_value(std::move(value));
}

Node& IntegerRewriter::convert(Op op, std::string name, ValueId from, ValueId to) {
  graph_.nodes.push_back({.name = node_names_.make(std::move(name)),
                          .op = std::move(op),
                          .inputs = {from},
                          .outputs = {to}});
  return graph_.nodes.back();
}

bool IntegerRewriter::is_output(ValueId id) const {
  return std::find(source_.outputs.begin(), source_.outputs.end(), id) != source_.outputs.end();
}

}  // namespace workbench
