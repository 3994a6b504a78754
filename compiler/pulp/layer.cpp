#include "compiler/pulp/layer.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/code_widths.h"

namespace workbench::pulp {

namespace {

std::int64_t along(const std::vector<std::int64_t>& list, std::size_t axis, std::int64_t absent) {
  // Windows of one dimension lie along a row.
  if (list.size() == 1) return axis == 0 ? absent : list[0];
  return list.at(axis);
}

}  // namespace

bool is_integer(const Value& value) {
  return value.type == ElementType::Uint8 || value.type == ElementType::Int8 ||
         value.type == ElementType::Int32;
}

// Channels, height and width of a value in memory (layer.h).
FeatureMap activation_like(const Value& value, const std::string& where) {
  FeatureMap a;
  a.value = value.name;
  Shape shape = value.shape;
  if (shape.size() == 2 && shape[0] > 1) {
    a.height = shape[0], a.width = shape[1];
  } else {
    shape.resize(4, 1);
    if (value.shape.size() == 3) shape = {shape[0], shape[1], 1, shape[2]};
    if (value.shape.size() > 4 || value.shape.size() < 2 || shape[0] != 1) {
      fail("{}: '{}' is {}, expected [1, C, H, W]", where, value.name,
           workbench::to_string(value.shape));
    }
    a.channels = shape[1], a.height = shape[2], a.width = shape[3];
  }
  a.bits = value.type == ElementType::Int32 ? 32
           : value.quantization             ? value.quantization->bits
                                            : 8;
  a.is_signed = value.type != ElementType::Uint8;
  if (a.bits != 32 && std::ranges::find(kCodeWidths, a.bits) == kCodeWidths.end()) {
    fail("{}: '{}' has {} bits, kernels know 8, 4 and 2", where, value.name, a.bits);
  }
  return a;
}

void set_window(Kernel& call, const Window& window) {
  call.kernel_h = along(window.kernel, 0, 1), call.kernel_w = along(window.kernel, 1, 1);
  call.stride_y = along(window.strides, 0, 1), call.stride_x = along(window.strides, 1, 1);
  if (!window.dilations.empty()) {
    call.dilation_y = along(window.dilations, 0, 1),
    call.dilation_x = along(window.dilations, 1, 1);
    // One tap has nothing to be apart from.
    if (call.kernel_h == 1) call.dilation_y = 1;
    if (call.kernel_w == 1) call.dilation_x = 1;
  }
  call.pad_top = along(window.pads_begin, 0, 0), call.pad_left = along(window.pads_begin, 1, 0);
  // Behind, as much as the last window reaches beyond the map: less than the node has when strides
  // leave some of it out, more when a pool rounds its size up.
  const auto behind = [](std::int64_t out, std::int64_t stride, std::int64_t reach, std::int64_t in,
                         std::int64_t before) {
    return std::max<std::int64_t>(0, (out - 1) * stride + reach - in - before);
  };
  call.pad_bottom = behind(call.out_h, call.stride_y, call.dilation_y * (call.kernel_h - 1) + 1,
                           call.in_h, call.pad_top);
  call.pad_right = behind(call.out_w, call.stride_x, call.dilation_x * (call.kernel_w - 1) + 1,
                          call.in_w, call.pad_left);
}

bool on_cluster(const Graph& graph, const Node& node) {
  if (std::holds_alternative<Quantize>(node.op) || std::holds_alternative<Dequantize>(node.op)) {
    return false;
  }
  return is_integer(graph.value(node.outputs[0])) && is_integer(graph.value(node.inputs[0]));
}

std::int32_t root_of(const Network& network, std::int32_t activation) {
  const std::int32_t whole = network.activations[static_cast<std::size_t>(activation)].whole;
  return whole >= 0 ? whole : activation;
}

std::int32_t activation_of(const Network& network, ValueId value) {
  for (const auto& [id, activation] : network.values) {
    if (id == value) return activation;
  }
  return -1;
}

namespace {

// Roots of the activations a node reads or writes.
std::set<std::int32_t> roots(const Network& network, const std::vector<ValueId>& values) {
  std::set<std::int32_t> found;
  for (const ValueId id : values) {
    const std::int32_t activation = id == kNoValue ? -1 : activation_of(network, id);
    if (activation >= 0) found.insert(root_of(network, activation));
  }
  return found;
}

}  // namespace

std::vector<HostTurn> host_turns(const Graph& graph, const Network& network) {
  std::vector<HostTurn> turns;
  std::vector<std::size_t> pending;
  std::set<std::int32_t> awaited;  // what the pending nodes will write
  std::size_t next = 0;            // into network.host_nodes
  const auto take_until = [&](std::size_t node) {
    for (; next < network.host_nodes.size() && network.host_nodes[next] < node; ++next) {
      pending.push_back(network.host_nodes[next]);
      awaited.merge(roots(network, graph.nodes[pending.back()].outputs));
    }
  };
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    take_until(layer.node);
    const bool wanted = awaited.contains(root_of(network, layer.in)) ||
                        (layer.in2 >= 0 && awaited.contains(root_of(network, layer.in2)));
    if (!wanted) continue;
    turns.push_back({static_cast<std::int32_t>(i), std::move(pending)});
    pending.clear();
    awaited.clear();
  }
  take_until(graph.nodes.size());
  if (!pending.empty()) {
    turns.push_back({static_cast<std::int32_t>(network.layers.size()), std::move(pending)});
  }
  return turns;
}

HostUses host_uses(const Graph& graph, const Network& network, const std::vector<HostTurn>& turns) {
  HostUses uses;
  for (std::size_t t = 0; t < turns.size(); ++t) {
    for (const std::size_t n : turns[t].nodes) {
      for (const ValueId id : graph.nodes[n].outputs) {
        const std::int32_t a = id == kNoValue ? -1 : activation_of(network, id);
        if (a >= 0) uses.writes.push_back({a, id, t});
      }
      for (const ValueId id : graph.nodes[n].inputs) {
        const std::int32_t a = id == kNoValue ? -1 : activation_of(network, id);
        if (a >= 0) uses.reads.push_back({a, id, t});
      }
    }
  }
  return uses;
}

HostGraph host_graph(const Graph& graph, const std::vector<HostTurn>& turns) {
  HostGraph host;
  host.graph.name = graph.name;
  std::vector<ValueId> known(graph.values.size(), kNoValue);
  const auto value = [&](ValueId id) {
    if (id == kNoValue) return kNoValue;
    ValueId& to = known[static_cast<std::size_t>(id)];
    if (to == kNoValue) to = host.graph.add_value(graph.value(id));
    return to;
  };
  for (const ValueId id : graph.inputs) host.graph.inputs.push_back(value(id));
  for (const HostTurn& turn : turns) {
    std::vector<std::size_t>& nodes = host.turn_nodes.emplace_back();
    for (const std::size_t n : turn.nodes) {
      Node node = graph.nodes[n];
      for (ValueId& id : node.inputs) id = value(id);
      for (ValueId& id : node.outputs) id = value(id);
      nodes.push_back(host.graph.nodes.size());
      host.graph.nodes.push_back(std::move(node));
    }
  }
  for (const ValueId id : graph.outputs) host.graph.outputs.push_back(value(id));
  return host;
}

}  // namespace workbench::pulp
