// Moves piecewise linear activations into the node that computes their input.
#include <limits>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

// The activation node `node` applies, if it is one that can be fused.
std::optional<Activation> fusible(const Graph& graph, const Node& node) {
  if (std::holds_alternative<PRelu>(node.op)) {
    if (is_constant(graph, node.inputs[0])) return std::nullopt;
    auto slopes = per_channel(graph, node.inputs[1], graph.value(node.inputs[0]).shape);
    if (!slopes) return std::nullopt;
    return Activation{.kind = Activation::Kind::PRelu, .slopes = std::move(*slopes)};
  }
  const auto* activate = std::get_if<Activate>(&node.op);
  if (!activate) return std::nullopt;
  const Activation& activation = activate->activation;
  switch (activation.kind) {
    case Activation::Kind::Relu:
    case Activation::Kind::LeakyRelu:
    case Activation::Kind::PRelu:
      return activation;
    case Activation::Kind::Clip:
      // No hardware has a bound per channel: fused, it would take the convolution to the host.
      if (!activation.bounds.empty()) return std::nullopt;
      if (activation.alpha == 0 && activation.beta >= std::numeric_limits<float>::max()) {
        return Activation{.kind = Activation::Kind::Relu};
      }
      return activation;
    default:
      return std::nullopt;
  }
}

bool takes(const Op& op, Activation::Kind kind) {
  const auto* binary = std::get_if<Binary>(&op);
  if (!binary) return true;
  return binary->kind == Binary::Kind::Add &&
         (kind == Activation::Kind::Relu || kind == Activation::Kind::Clip);
}

// Behind a Relu it is the other half of a Clip, as Min(Relu(x), 6) is.
bool only_from_above(const Activation& activation) {
  return activation.kind == Activation::Kind::Clip && activation.bounds.empty() &&
         activation.alpha <= 0 && activation.beta >= 0;
}

bool fuse(Graph& graph, std::size_t n) {
  const auto activation = fusible(graph, graph.nodes[n]);
  if (!activation) return false;
  const auto before = writer_of(graph, graph.nodes[n].inputs[0]);
  if (!before || sole_reader(graph, graph.nodes[n].inputs[0]) != n) return false;
  Op& op = graph.nodes[*before].op;
  Activation* fused = fused_activation(op);
  if (!fused || !takes(op, activation->kind)) return false;
  if (fused->kind == Activation::Kind::Relu && only_from_above(*activation)) {
    *fused = {.kind = Activation::Kind::Clip, .alpha = 0, .beta = activation->beta};
  } else if (fused->kind == Activation::Kind::None) {
    *fused = *activation;
  } else {
    return false;
  }
  fuse_behind(graph, *before, n);
  return true;
}

}  // namespace

bool fuse_activation(Graph& graph) { return sweep(graph, fuse); }

}  // namespace workbench
