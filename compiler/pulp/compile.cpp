#include "compiler/pulp/compile.h"

#include <algorithm>

#include "compiler/pulp/emit.h"
#include "compiler/pulp/host.h"
#include "compiler/pulp/idle_barriers.h"
#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/layer.h"
#include "core/error.h"
#include "isa/host_time.h"

namespace workbench::pulp {
namespace {

// Nodes that only convert or rename: not worth a line in the report.
bool silent(const Op& op) {
  return std::holds_alternative<Quantize>(op) || std::holds_alternative<Dequantize>(op) ||
         std::holds_alternative<Reshape>(op) || std::holds_alternative<Identity>(op);
}

// Behind the last layer: what classifiers end with is the host's by design.
bool in_tail(const HostTurn& turn, const Network& network) {
  return turn.before == static_cast<std::int32_t>(network.layers.size());
}

void describe_host_steps(const Graph& graph, const Network& network,
                         const std::vector<HostTurn>& turns, const Machine& machine,
                         const CompileOptions& options, Program& program) {
  for (const HostTurn& turn : turns) {
    for (const std::size_t n : turn.nodes) {
      const Node& node = graph.nodes[n];
      if (silent(node.op)) continue;
      if (!options.allow_host && !in_tail(turn, network)) {
        fail("{}: node '{}' ({}) would run on the host, which --no-host forbids: no kernel",
             graph.name, node.name, op_name(node.op));
      }
      program.info.host_steps.push_back(
          {node.name, op_name(node.op),
           fmt::format("no kernel of PULP-NN computes {}", op_name(node.op)),
           host_milliseconds(graph, node, machine.host.gflops, machine.host.gigabytes_per_second),
           macs(graph, node)});
    }
  }
}

// Before anything is cut: a network whose weights L3 cannot hold wants no tiles.
void require_room_for_weights(const Network& network, const Machine& machine) {
  std::int64_t bytes = 0;
  for (const Layer& layer : network.layers) {
    const auto weights = static_cast<std::int64_t>(layer.weights.size());
    const auto norms = static_cast<std::int64_t>(layer.kappa.size() + layer.lambda.size());
    bytes += ceil_div(weights * layer.call.weight_bits, 8) + norms * layer.call.norm_bits / 8 +
             4 * static_cast<std::int64_t>(layer.bias.size());
  }
  if (bytes > machine.l3.size_bytes) {
    fail("weights need {} bytes of L3, {} has {}", bytes, machine.name, machine.l3.size_bytes);
  }
}

void describe(const Graph& graph, const Machine& machine, const MemoryPlan& plan,
              ProgramInfo& info) {
  info.network = graph.name;
  info.machine = machine.name;
  for (const Node& node : graph.nodes) {
    info.network_macs += macs(graph, node);
    info.network_ops += xfdnn_ops(graph, node);
  }
  info.network_parameters = parameters(graph);
  for (const LayerPlan& layer : plan.layers) {
    info.peak_bytes = std::max(info.peak_bytes, layer.l2_bytes);
  }
  info.minimum_bytes = info.peak_bytes;
  info.extent_bytes = plan.l2_bytes;
  info.capacity_bytes = machine.l2.buffer_bytes;
}

}  // namespace

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options) {
  const Network network = layers_of(quantized, machine, options.norm_bits);
  require_room_for_weights(network, machine);
  const std::vector<HostTurn> turns = host_turns(quantized, network);
  const HostUses uses = host_uses(quantized, network, turns);
  const MemoryPlan plan = plan_memory(network, machine, options.tiler, turns, uses);
  Program program = emit(quantized, network, plan, turns, uses, options.tiler, machine);
  if (options.tiler == Tiler::Optimal) drop_idle_barriers(program, machine);
  describe(quantized, machine, plan, program.info);
  describe_host_steps(quantized, network, turns, machine, options, program);
  return program;
}

}  // namespace workbench::pulp
