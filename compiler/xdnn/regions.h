// A network as tasks to schedule, cut into sub-graphs: between one task that everything before
// leads to and the next one (a concat to a concat, a sum to a sum, a lone convolution to the next)
// nothing outside matters, so that each sub-graph is scheduled alone and the schedules are stitched
// together.
#pragma once

#include <string>
#include <vector>

#include "compiler/xdnn/schedule_search.h"
#include "compiler/xdnn/task_groups.h"
#include "core/graph.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

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
  SchedulingProblem compiled;
  // The same tasks with the spaces of the published figures: 2 bytes per pixel and channel, nothing
  // aligned, a concat copies its parts.
  SchedulingProblem published;
  std::vector<Region> regions;
};

NetworkTasks network_tasks(const Graph& quantized, const Machine& machine,
                           Grouping grouping = Grouping::Nodes);

// The sub-graph as a problem of its own, task 0 being region.begin. `whole` is one of the two of
// its NetworkTasks.
SchedulingProblem part_of(const SchedulingProblem& whole, const Region& region,
                          const EngineClock& start = {});

// The nodes of the network when its tasks come in that order.
std::vector<std::size_t> nodes_in(const NetworkTasks& network, const TaskOrder& order);

}  // namespace workbench::xdnn
