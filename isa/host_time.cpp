#include "isa/host_time.h"

#include <algorithm>
#include <cmath>

namespace workbench {

namespace {

constexpr double kElementary = 40;  // operations of math::exp

double operations(const Activation& activation) {
  using Kind = Activation::Kind;
  switch (activation.kind) {
    case Kind::None:
      return 0;
    case Kind::Relu:
    case Kind::Clip:
    case Kind::LeakyRelu:
    case Kind::PRelu:
    case Kind::Floor:
    case Kind::Truncate:
    case Kind::Abs:
    case Kind::Neg:
    case Kind::Sign:
    case Kind::Ceil:
    case Kind::Round:
    case Kind::Sqrt:
    case Kind::Reciprocal:
    case Kind::ThresholdedRelu:
    case Kind::Shrink:
    case Kind::Not:
    case Kind::IsNaN:
      return 1;
    case Kind::HardSigmoid:
    case Kind::HardSwish:
    case Kind::Softsign:
      return 4;
    case Kind::Mish:  // exp, log, tanh
      return 3 * kElementary;
    case Kind::Tan:
    case Kind::Softplus:
    case Kind::Asinh:
    case Kind::Acosh:
    case Kind::Atanh:
      return 2 * kElementary;
    default:
      return kElementary;
  }
}

// What one node takes beside its multiply-accumulates, one overload per op that takes more than an
// operation a result.
class Count {
 public:
  Count(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  double operator()(const Activate& op) const { return results() * operations(op.activation); }
  double operator()(const BatchNorm&) const { return 4 * results(); }
  double operator()(const Binary& op) const {
    const double each = op.kind == Binary::Kind::Pow ? 2 * kElementary : 1;
    return results() * each;
  }
  double operator()(const MaxPool& op) const { return results() * area(op.window); }
  double operator()(const AveragePool& op) const { return results() * area(op.window); }
  double operator()(const Softmax&) const { return results() * (kElementary + 3); }
  double operator()(const Lrn& op) const {
    return results() * (2 * static_cast<double>(op.size) + kElementary);
  }
  double operator()(const InstanceNorm&) const { return 8 * results(); }
  double operator()(const LayerNorm&) const { return 8 * results(); }
  double operator()(const Reduce& op) const {
    return operand() * (op.kind == Reduce::Kind::LogSumExp ? kElementary : 1);
  }
  double operator()(const ArgReduce&) const { return operand(); }
  double operator()(const CumSum&) const { return operand(); }
  double operator()(const TopK& op) const {  // a heap of the best
    return operand() * std::log2(static_cast<double>(op.count) + 1);
  }
  double operator()(const Interpolate& op) const {
    const Shape& from = shape(0);
    double taps = 1;
    for (std::size_t d = 0; d < from.size(); ++d) {
      if (from[d] != op.resize.sizes[d]) taps *= op.cubic ? 4 : 2;
    }
    return 2 * taps * results();
  }
  double operator()(const GridSample& op) const {
    const double taps = op.mode == GridSample::Mode::Cubic    ? 16
                        : op.mode == GridSample::Mode::Linear ? 4
                                                              : 1;
    return 2 * taps * results();
  }
  double operator()(const Recurrent& op) const {  // the gates' functions, and that of the result
    const Shape& x = shape(0);
    const double cells = static_cast<double>(x[0] * x[1] * op.directions() * op.hidden);
    return cells * static_cast<double>(op.gates() + 1) * kElementary;
  }
  template <typename Other>
  double operator()(const Other&) const {
    return results();
  }

 private:
  const Shape& shape(std::size_t i) const { return graph_.value(node_.inputs[i]).shape; }
  double operand() const { return static_cast<double>(element_count(shape(0))); }
  double results() const {
    return static_cast<double>(element_count(graph_.value(node_.outputs[0]).shape));
  }
  static double area(const Window& window) {
    return static_cast<double>(element_count(window.kernel));
  }

  const Graph& graph_;
  const Node& node_;
};

}  // namespace

double host_operations(const Graph& graph, const Node& node) {
  const double products = 2.0 * static_cast<double>(macs(graph, node));
  const double own = std::visit(Count(graph, node), node.op);
  const auto results = static_cast<double>(element_count(graph.value(node.outputs[0]).shape));
  const Activation* fused = fused_activation(node.op);
  const double then = fused != nullptr ? results * operations(*fused) : 0;
  const bool sums = products > 0 && !std::holds_alternative<Recurrent>(node.op);
  return std::max(sums ? products : products + own, results) + then;
}

double host_milliseconds(const Graph& graph, const Node& node, double gflops,
                         double gigabytes_per_second) {
  double bytes = 0;
  for (const ValueId id : node.inputs) {
    if (id != kNoValue) bytes += 4.0 * static_cast<double>(element_count(graph.value(id).shape));
  }
  return 1e3 * std::max(host_operations(graph, node) / (gflops * 1e9),
                        bytes / (gigabytes_per_second * 1e9));
}

}  // namespace workbench
