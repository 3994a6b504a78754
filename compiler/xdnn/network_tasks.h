// A network as tasks to bring in order, cut into sub-graphs: between one task that everything
// before leads to and the next one (a concat to a concat, a sum to a sum, a lone convolution to the
// next) nothing outside matters, so that each sub-graph is ordered alone and the orders are
// stitched together.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/order_search.h"
#include "core/graph.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// --- nodes that are one task ---------------------------------------------------------------------

// Which nodes of a network are one task: a task each, but what is fused into an instruction
// or costs nothing goes with its operand, and what the host does at the network's ends is no task.

enum class Grouping {
  Nodes,          // a node each
  MergedReduces,  // 1x1 convolutions that read the same tensor for other convolutions are one:
                  // inception's "5x5_reduce_merged_3x3_reduce"
};

inline constexpr int kPrologue = -1;

struct Groups {
  std::vector<std::size_t> prologue;            // nodes before all tasks: the host's, at the inputs
  std::vector<std::vector<std::size_t>> nodes;  // per task: done one after the other
  std::vector<int> task_of;                     // per node; kPrologue: none
};

// Tasks are numbered in the order of their first nodes, so that operands have lower numbers than
// their readers. `lowered` and `order` tell what is fused and which order is the natural one.
Groups group_nodes(const Graph& graph, const Lowered& lowered,
                   const std::vector<std::size_t>& order, Grouping grouping);

// --- tasks and regions ---------------------------------------------------------------------------

// Tasks [begin, end) of a network; the last one is what all others lead to.
struct Region {
  std::string name;   // of the last task
  std::string entry;  // of the task before; empty at the start
  int begin = 0, end = 0;
};

struct NetworkTasks {
  Groups groups;
  // The whole network, spaces as this compiler allocates them: a concat is one volume from its
  // first part on, a sum may overwrite an operand, volumes have whole AM words.
  OrderProblem compiled;
  // The same tasks with the spaces of the published figures: 2 bytes per pixel and channel, nothing
  // aligned, a concat copies its parts.
  OrderProblem published;
  std::vector<Region> regions;
};

NetworkTasks network_tasks(const Graph& quantized, const Machine& machine,
                           Grouping grouping = Grouping::Nodes);

// A network's regions as problems of their own, in time that grows with the network and not with
// the network for each region. `whole`, one of the two of NetworkTasks, is kept.
class NetworkParts {
 public:
  explicit NetworkParts(const OrderProblem& whole);
  // Task 0 is region.begin.
  OrderProblem part(const Region& region, const EngineClock& start = {}) const;

 private:
  static constexpr int kNever = std::numeric_limits<int>::max();

  const OrderProblem& whole_;
  std::vector<unsigned> units_;
  // Per space: the first and the last task that touches it; -1: before all, kNever: behind all.
  std::vector<int> first_, last_;
  std::vector<std::int64_t> begun_,
      ended_;  // per task: bytes of spaces whose first, last is before
};

// One of them.
OrderProblem part_of(const OrderProblem& whole, const Region& region,
                     const EngineClock& start = {});

// The nodes of the network when its tasks come in that order.
std::vector<std::size_t> nodes_in(const NetworkTasks& network, const TaskOrder& order);

}  // namespace workbench::xdnn
