#include "compiler/xdnn/fit_limits.h"

#include <algorithm>
#include <map>
#include <utility>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/fit_parts.h"
#include "compiler/xdnn/fit_shuffle.h"
#include "compiler/xdnn/support.h"

namespace workbench::xdnn {

namespace {

struct NamedRewrite {
  PassDescription description;
  LimitRewrite run;
};

// Tried in this order on nodes that the machine refuses: activations first, because sums have none;
// the window before the channels, because parts with smaller windows need fewer splits.
constexpr NamedRewrite kRewrites[] = {
    {{"leaky_to_sum", "no PReLU: (1 - a) relu(z) + a z, two convolutions and an eltwise"},
     leaky_to_sum},
    {{"embed_dilation", "dilation beyond the limit: a larger kernel with zero taps between"},
     embed_dilation},
    {{"split_stride", "stride beyond the limit: a smaller stride and a 1x1 max pool"},
     split_stride},
    {{"split_padding", "padding beyond the limit: a 1x1 convolution that pads comes first"},
     split_padding},
    {{"split_kernel", "kernel beyond the limit: several convolutions, summed"}, split_kernel},
    {{"split_groups", "groups that no bundle of fits the filter buffers: one by one"},
     split_groups_of},
    {{"split_channels", "filters beyond the buffers: input channels in parts, summed"},
     split_channels},
    {{"unfuse_activation", "activation the engine lacks: a node of its own"}, unfuse_activation},
    {{"split_pool", "pool beyond the limit: two pools"}, split_pool},
    {{"average_to_conv", "average pool the engine cannot run: a depthwise convolution"},
     average_to_conv},
    {{"activation_to_conv", "activation alone: a 1x1 depthwise convolution with it"},
     activation_to_conv},
    {{"subtract_to_add", "Sub: Add of the negated operand"}, subtract_to_add},
    {{"pad_to_conv", "Pad alone: a 1x1 depthwise convolution that pads"}, pad_to_conv},
    {{"slice_to_conv", "rows, columns or channels cut out: a convolution with single taps"},
     slice_to_conv},
    {{"reorganize_to_conv", "SpaceToDepth, DepthToSpace: a (transposed) convolution"},
     reorganize_to_conv},
    {{"split_upsample", "factor beyond the limit: two upsamplings, or a transposed convolution"},
     split_upsample},
};

// Of several nodes at once.
constexpr PassDescription kShuffle = {
    "shuffle_to_conv", "Reshape, Transpose, Reshape that reorder channels: a 1x1 convolution"};

constexpr int kMostRewrites = 4000;  // of one node; each makes something smaller, so few happen

bool within_budget(const Fitting& fitting, int rewritten) {
  return rewritten < kMostRewrites &&
         static_cast<std::int64_t>(fitting.graph.nodes.size()) <= kMostParts;
}

std::vector<NamedRewrite> selected(const PassSwitches& switches) {
  std::vector<NamedRewrite> rewrites;
  for (const NamedRewrite& rewrite : kRewrites) {
    if (switches.is_on(rewrite.description.name, rewrite.description.on)) {
      rewrites.push_back(rewrite);
    }
  }
  return rewrites;
}

bool is_source(const Node& node) { return std::holds_alternative<Identity>(node.op); }

// Node `n` of `graph` alone. An operand that is the network's input is an input here too; any other
// is written by an Identity, because only the former comes from DDR.
Graph alone(const Graph& graph, std::size_t n) {
  Graph single{.name = graph.name};
  std::map<ValueId, ValueId> known;
  Node node = graph.nodes[n];
  for (ValueId& id : node.inputs) {
    if (id == kNoValue) continue;
    const auto found = known.find(id);
    if (found == known.end()) {
      const Value& value = graph.value(id);
      const ValueId copy = single.add_value(value);
      known.emplace(id, copy);
      const bool network_input =
          std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
      if (network_input) {
        single.inputs.push_back(copy);
      } else if (!value.constant) {
        const std::string source = value.name + " (source)";
        const ValueId from =
            single.add_value({.name = source, .shape = value.shape, .type = value.type});
        single.inputs.push_back(from);
        single.nodes.push_back(
            {.name = source, .op = Identity{}, .inputs = {from}, .outputs = {copy}});
      }
      id = copy;
    } else {
      id = found->second;
    }
  }
  for (ValueId& id : node.outputs) {
    id = single.add_value(graph.value(id));
    single.outputs.push_back(id);
  }
  single.nodes.push_back(std::move(node));
  return single;
}

bool refused(const Fitting& fitting, const Node& node) {
  return !is_source(node) && fitting.reason(fitting.graph, node).has_value();
}

bool rewrite_one(Fitting& fitting, const std::vector<NamedRewrite>& rewrites) {
  for (std::size_t n = 0; n < fitting.graph.nodes.size(); ++n) {
    const std::string& name = fitting.graph.nodes[n].name;
    if (fitting.accepted.contains(name)) continue;
    if (!refused(fitting, fitting.graph.nodes[n])) {
      fitting.accepted.insert(name);
      continue;
    }
    for (const NamedRewrite& rewrite : rewrites) {
      if (rewrite.run(fitting, n)) return true;
    }
  }
  return false;
}

// Whether the rewrite pays: all parts run on the machine; of a convolution, all its convolutions
// do.
bool is_better(const Fitting& fitting, const Node& original) {
  const bool convolution = macs(fitting.graph, original) > 0;
  return std::none_of(
      fitting.graph.nodes.begin(), fitting.graph.nodes.end(), [&](const Node& node) {
        return refused(fitting, node) && (!convolution || macs(fitting.graph, node) > 0);
      });
}

// Puts the nodes of `parts` where node `n` is. Values are the same where names are.
void splice(Graph& graph, std::size_t n, const Graph& parts) {
  std::vector<ValueId> at(parts.values.size(), kNoValue);
  const Node original = graph.nodes[n];
  std::map<std::string, ValueId> outside;
  for (const ValueId id : original.inputs) {
    if (id != kNoValue) outside.emplace(graph.value(id).name, id);
  }
  for (const ValueId id : original.outputs) outside.emplace(graph.value(id).name, id);
  const auto place = [&](ValueId id) {
    if (id == kNoValue) return kNoValue;
    ValueId& known = at[static_cast<std::size_t>(id)];
    if (known != kNoValue) return known;
    Value value = parts.value(id);
    const auto found = outside.find(value.name);
    if (found != outside.end()) return known = found->second;
    value.name = unique_value_name(graph, value.name);
    return known = graph.add_value(std::move(value));
  };
  erase_node(graph, n);
  for (Node node : parts.nodes) {
    if (is_source(node)) continue;
    for (ValueId& id : node.inputs) id = place(id);
    for (ValueId& id : node.outputs) id = place(id);
    node.name = unique_node_name(graph, node.name);
    insert_node(graph, n++, std::move(node));
  }
}

bool fit_node(Graph& graph, std::size_t n, const Machine& machine, const HostReason& reason,
              const std::vector<NamedRewrite>& rewrites) {
  if (is_source(graph.nodes[n]) || !reason(graph, graph.nodes[n])) return false;
  Fitting fitting{alone(graph, n), machine, reason, graph.nodes[n].name, 0, {}};
  const Node original = fitting.graph.nodes.back();
  int rewritten = 0;
  while (rewrite_one(fitting, rewrites)) {
    if (!within_budget(fitting, ++rewritten)) return false;  // the host's, with the first reason
  }
  if (rewritten == 0 || !is_better(fitting, original)) return false;
  splice(graph, n, fitting.graph);
  return true;
}

}  // namespace

bool fit_limits(Graph& graph, const Machine& machine, const PassSwitches& switches) {
  const HostReason reason = host_reasons(machine);
  const std::vector<NamedRewrite> rewrites = selected(switches);
  // On a machine with deconvolutions the pass is the user's choice.
  const bool lacks_deconv = machine.features.deconv == 0;
  bool changed =
      lacks_deconv && switches.is_on("deconv_to_upsample", true) && deconv_to_upsample(graph);
  if (switches.is_on(kShuffle.name, kShuffle.on)) changed = shuffle_to_conv(graph) || changed;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::size_t before = graph.nodes.size();
    if (!fit_node(graph, n, machine, reason, rewrites)) continue;
    changed = true;
    n += graph.nodes.size() - before;  // the parts are not rewritten again
  }
  if (changed) remove_dead(graph);  // the weights that are now in parts
  const std::vector<Violation> violations = verify(graph);
  CHECK(violations.empty(), "after fit_limits: {}", violations.front().message);
  return changed;
}

std::vector<PassDescription> describe_limit_rewrites() {
  std::vector<PassDescription> rows;
  for (const NamedRewrite& rewrite : kRewrites) rows.push_back(rewrite.description);
  rows.push_back(kShuffle);
  return rows;
}

}  // namespace workbench::xdnn
