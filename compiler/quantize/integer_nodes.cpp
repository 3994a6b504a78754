// Roles of nodes: the table of what integers can express, by op.
#include "compiler/quantize/integer_nodes.h"

#include <algorithm>

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
  return std::all_of(operands.begin(), operands.end(), real) ? role : std::nullopt;
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
  return roles;
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
    case Activation::Kind::Sigmoid:
    case Activation::Kind::Tanh:
    case Activation::Kind::HardSigmoid:
    case Activation::Kind::HardSwish:
    case Activation::Kind::Exp:
    case Activation::Kind::Floor:
    case Activation::Kind::Truncate:
      break;
  }
  CHECK(false, "activation {} in an integer node", static_cast<int>(activation.kind));
}

}  // namespace workbench
