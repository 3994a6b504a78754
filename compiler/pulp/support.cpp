#include "compiler/pulp/support.h"

#include <algorithm>
#include <vector>

#include "compiler/pulp/layer.h"
#include "core/error.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kSideMax = 1024;  // of a window (isa/pulp/check.cpp)

// What one result takes at the least of a memory, as codes of 8 bits.
struct Least {
  std::int64_t bytes = 0;  // 0: nothing is known
  bool in_l1 = false;      // else all of it passes through L1 in pieces, and has to fit L2
};

struct LeastOf {
  const Graph& graph;
  const Node& node;

  // A row of inputs and one of weights.
  Least product() const { return {2 * graph.value(node.inputs[0]).shape.back()}; }
  Least operator()(const Gemm&) const { return product(); }
  Least operator()(const MatMul&) const { return product(); }
  // A window of as many channels as layers are cut into at the least (layers_of.cpp).
  std::int64_t pool(const Window& window) const {
    return kChannelStep * (element_count(window.kernel) + 1);
  }
  // Averages may pass through L1 in pieces, but the kernel rescales in 32 bits: over so many codes
  // most scales have no exact form there.
  Least operator()(const AveragePool& op) const { return {pool(op.window), true}; }
  Least operator()(const MaxPool& op) const { return {pool(op.window), true}; }
  template <typename Op>
  Least operator()(const Op&) const {
    return {};
  }
};

// The sides of a pool's window that no call may have: averages are cut along the longer one.
std::int64_t longest_side(const Node& node) {
  std::vector<std::int64_t> sides;
  if (const auto* pool = std::get_if<AveragePool>(&node.op)) sides = pool->window.kernel;
  if (const auto* pool = std::get_if<MaxPool>(&node.op)) sides = pool->window.kernel;
  std::sort(sides.begin(), sides.end());
  if (std::holds_alternative<AveragePool>(node.op) && !sides.empty()) sides.pop_back();
  return sides.empty() ? 0 : sides.back();
}

// What kernels compute of one map; matrices have rows.
bool is_of_maps(const Op& op) {
  const auto* binary = std::get_if<Binary>(&op);
  return std::holds_alternative<Conv>(op) || std::holds_alternative<AveragePool>(op) ||
         std::holds_alternative<MaxPool>(op) || std::holds_alternative<Concat>(op) ||
         std::holds_alternative<Activate>(op) ||
         (binary != nullptr && binary->kind == Binary::Kind::Add);
}

std::optional<std::int64_t> images(const Graph& graph, const Node& node) {
  if (!is_of_maps(node.op)) return std::nullopt;
  for (const ValueId id : node.inputs) {
    if (id == kNoValue || graph.value(id).constant) continue;
    const Shape& shape = graph.value(id).shape;
    if (shape.size() > 2 && shape[0] > 1) return shape[0];
  }
  return std::nullopt;
}

const Window* window_of(const Op& op) {
  if (const auto* conv = std::get_if<Conv>(&op)) return &conv->window;
  if (const auto* pool = std::get_if<AveragePool>(&op)) return &pool->window;
  if (const auto* pool = std::get_if<MaxPool>(&op)) return &pool->window;
  return nullptr;
}

// Strides that step over the map: the last window ends in the padding before it.
bool reads_padding_alone(const Graph& graph, const Node& node) {
  const Window* window = window_of(node.op);
  if (window == nullptr) return false;
  const Shape& shape = graph.value(node.outputs[0]).shape;
  for (std::size_t i = 0; i < window->kernel.size() && i + 2 < shape.size(); ++i) {
    const std::int64_t extent = window->dilations[i] * (window->kernel[i] - 1) + 1;
    const std::int64_t begin = (shape[i + 2] - 1) * window->strides[i] - window->pads_begin[i];
    if (begin + extent <= 0) return true;
  }
  return false;
}

}  // namespace

std::function<std::optional<std::string>(const Graph&, const Node&)> host_reasons(
    const Machine& machine) {
  return [machine](const Graph& graph, const Node& node) -> std::optional<std::string> {
    if (node.inputs.empty()) return std::nullopt;
    if (const auto count = images(graph, node)) {
      return fmt::format("takes {} images at a time, kernels take one", *count);
    }
    if (reads_padding_alone(graph, node)) return "all its windows are in the padding";
    const std::int64_t side = longest_side(node);
    if (side > kSideMax) return fmt::format("a window {} long, kernels take {}", side, kSideMax);
    const Least least = std::visit(LeastOf{graph, node}, node.op);
    const std::int64_t there = least.in_l1 ? machine.l1.buffer_bytes : machine.l2.buffer_bytes;
    if (least.bytes <= there) return std::nullopt;
    return fmt::format("operands of one result take {} bytes of {}, {} has {}", least.bytes,
                       least.in_l1 ? "L1" : "L2", machine.name, there);
  };
}

}  // namespace workbench::pulp
