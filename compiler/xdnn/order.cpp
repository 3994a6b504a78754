#include "compiler/xdnn/order.h"

#include <algorithm>

#include "compiler/xdnn/lowered.h"
#include "compiler/xdnn/regions.h"

namespace workbench::xdnn {

namespace {

bool is_pool(const Graph& graph, const Node& node) {
  return (std::holds_alternative<MaxPool>(node.op) ||
          std::holds_alternative<AveragePool>(node.op)) &&
         on_accelerator(graph, node);
}

std::vector<std::size_t> stitched(const NetworkTasks& network, Goal goal) {
  TaskOrder order;
  EngineClock clock;
  for (const Region& region : network.regions) {
    const SearchResult best = best_order(part_of(network.compiled, region, clock), goal);
    for (const int task : best.order) order.push_back(region.begin + task);
    clock = best.score.clock;
  }
  return nodes_in(network, order);
}

}  // namespace

std::vector<std::size_t> natural_order(const Graph& quantized) {
  const auto readers = consumers(quantized);
  std::vector<std::size_t> order;
  std::vector<bool> done(quantized.nodes.size(), false);
  const auto emit = [&](std::size_t n, const auto& self) -> void {
    order.push_back(n);
    done[n] = true;
    for (const std::size_t reader :
         readers[static_cast<std::size_t>(quantized.nodes[n].outputs[0])]) {
      if (!done[reader] && is_pool(quantized, quantized.nodes[reader])) self(reader, self);
    }
  };
  for (std::size_t n = 0; n < quantized.nodes.size(); ++n) {
    if (!done[n]) emit(n, emit);
  }
  return order;
}

std::vector<std::size_t> order_nodes(const Graph& quantized, const Machine& machine,
                                     ScheduleGoal goal) {
  if (goal == ScheduleGoal::Natural) return natural_order(quantized);
  return stitched(network_tasks(quantized, machine),
                  goal == ScheduleGoal::Time ? Goal::Time : Goal::Space);
}

std::vector<CandidateOrder> candidate_orders(const Graph& quantized, const Machine& machine,
                                             const ScheduleOptions& options) {
  if (options.file) return {{options.file->path, order_nodes(quantized, *options.file)}};
  if (options.goal == ScheduleGoal::Natural) return {{"natural", natural_order(quantized)}};
  const NetworkTasks network = network_tasks(quantized, machine);
  std::vector<CandidateOrder> candidates = {{"space", stitched(network, Goal::Space)}};
  if (options.goal == ScheduleGoal::Space) return candidates;
  const auto put_first = [&](CandidateOrder candidate) {
    const bool known = std::any_of(candidates.begin(), candidates.end(),
                                   [&](const auto& c) { return c.nodes == candidate.nodes; });
    if (!known) candidates.insert(candidates.begin(), std::move(candidate));
  };
  put_first({"natural", natural_order(quantized)});
  put_first({"time", stitched(network, Goal::Time)});
  return candidates;
}

}  // namespace workbench::xdnn
