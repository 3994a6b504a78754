#include "compiler/xdnn/replay_match.h"

#include <algorithm>

#include "compiler/xdnn/lowered.h"
#include "core/error.h"

namespace workbench::xdnn {

namespace {

std::vector<std::string> names_of(const Entry& entry) {
  std::vector<std::string> names;
  for (const char* key : {"conv_name", "name"}) {
    if (const Field* field = entry.find(key)) names.push_back(field->value);
  }
  names.push_back(text_attribute(entry, "name"));
  const std::string layer = text_attribute(entry, "layer");  // "conv1: type=Convolution, ..."
  names.push_back(layer.substr(0, layer.find(':')));
  return names;
}

bool same_window(const Window& window, const ConvPool& fused) {
  return window.kernel[0] == fused.kernel_h && window.kernel[1] == fused.kernel_w &&
         window.strides[0] == fused.stride_h && window.strides[1] == fused.stride_w &&
         window.pads_begin[0] == fused.pad_h && window.pads_begin[1] == fused.pad_w;
}

}  // namespace

NetworkLayers::NetworkLayers(const Graph& graph) : graph_(graph), readers_(consumers(graph)) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    by_name_.emplace(node.name, n);
    for (const std::string& merged : node.merged) by_name_.emplace(merged, n);
    by_name_.emplace(graph.value(node.outputs[0]).name, n);
  }
}

template <typename Fits>
std::size_t NetworkLayers::find(const Entry& entry, const Fits& fits, const char* kind) const {
  for (const std::string& name : names_of(entry)) {
    const auto [begin, end] = by_name_.equal_range(name);
    for (auto at = begin; at != end; ++at) {
      const Node& node = graph_.nodes[at->second];
      if (on_accelerator(graph_, node) && fits(node.op)) return at->second;
    }
  }
  fail("{}: {} '{}': the network {} has no {} of that name on the accelerator", entry.where,
       entry.opcode, name_of(entry), graph_.name, kind);
}

std::size_t NetworkLayers::convolution(const Entry& entry) const {
  return find(
      entry, [](const Op& op) { return std::holds_alternative<workbench::Conv>(op); },
      "convolution");
}

std::size_t NetworkLayers::pool(const Entry& entry, bool average) const {
  return find(
      entry,
      [&](const Op& op) {
        return average ? std::holds_alternative<AveragePool>(op)
                       : std::holds_alternative<MaxPool>(op);
      },
      average ? "average pool" : "max pool");
}

std::size_t NetworkLayers::sum(const Entry& entry) const {
  return find(
      entry, [](const Op& op) { return std::holds_alternative<Binary>(op); }, "sum");
}

std::size_t NetworkLayers::upsampling(const Entry& entry) const {
  return find(
      entry, [](const Op& op) { return std::holds_alternative<Resize>(op); }, "resize");
}

std::optional<std::size_t> NetworkLayers::reading_pool(ValueId value, const ConvPool& fused) const {
  for (const std::size_t n : readers_[static_cast<std::size_t>(value)]) {
    const auto* pool = std::get_if<MaxPool>(&graph_.nodes[n].op);
    if (pool != nullptr && on_accelerator(graph_, graph_.nodes[n]) &&
        same_window(pool->window, fused)) {
      return n;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> NetworkLayers::reading_concat(ValueId value) const {
  for (const std::size_t n : readers_[static_cast<std::size_t>(value)]) {
    const Node& node = graph_.nodes[n];
    if (std::holds_alternative<Concat>(node.op) && on_accelerator(graph_, node)) return n;
  }
  return std::nullopt;
}

std::int64_t NetworkLayers::channels_before(const Node& concat, ValueId value) const {
  std::int64_t channels = 0;
  for (const ValueId id : concat.inputs) {
    if (id == value) break;
    channels += graph_.value(id).shape[1];
  }
  return channels;
}

ReplayTarget NetworkLayers::target(std::size_t node) const {
  ReplayTarget target{.nodes = {node}};
  target.value = target.whole = graph_.nodes[node].outputs[0];
  if (const auto concat = reading_concat(target.value)) {
    const Node& joined = graph_.nodes[*concat];
    target.start = channels_before(joined, target.value);
    target.whole = joined.outputs[0];
    target.part = true;
  }
  return target;
}

ReplayTarget NetworkLayers::target(std::size_t node, const ConvPool& fused,
                                   const Entry& entry) const {
  const ValueId out = graph_.nodes[node].outputs[0];
  if (const auto pool = reading_pool(out, fused)) {
    ReplayTarget behind = target(*pool);
    behind.nodes.insert(behind.nodes.begin(), node);
    return behind;
  }
  if (const auto concat = reading_concat(out)) {
    const Node& joined = graph_.nodes[*concat];
    if (const auto pool = reading_pool(joined.outputs[0], fused)) {
      return {.nodes = {node, *pool},
              .whole = graph_.nodes[*pool].outputs[0],
              .start = channels_before(joined, out),
              .part = true};
    }
  }
  fail("{}: {} '{}': behind '{}' the network {} has no {}x{} max pool", entry.where, entry.opcode,
       name_of(entry), graph_.nodes[node].name, graph_.name, fused.kernel_w, fused.kernel_h);
}

}  // namespace workbench::xdnn
