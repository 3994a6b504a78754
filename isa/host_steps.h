// What the host does in one turn, while the engines are idle: its nodes as passes over memory, the
// estimated time of these, and the turn as one step of the report.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/program_info.h"

namespace workbench {

struct HostRates {
  double gflops = 1, gigabytes_per_second = 1;
};

// What a pass takes: operations as host_operations() counts them, and bytes read.
struct HostWork {
  double operations = 0, bytes = 0;
  double milliseconds(const HostRates& rates) const;  // the longer of the two
};

// Nodes computed in one pass over the elements: an elementwise node goes with the node that wrote
// its operand, codes become numbers where they are read, and numbers become codes where they are
// written. It reads 4 bytes an element, or the width of codes.
struct HostPass {
  std::vector<std::size_t> nodes;
  HostWork work;
  // What a pass that is elementwise, or moves elements first, makes of 8-bit codes of one tensor
  // and of constants of one element, or of one for each channel, is a function of the code: a table
  // of results, known when the network is compiled, a load of 4 bytes for each result that leaves
  // the pass. An element that moves takes an operation.
  std::optional<HostWork> by_table;
  ValueId codes = kNoValue;  // the tensor that a pass with a table reads

  double milliseconds(const HostRates& rates) const;  // the shorter of the two ways
};

// `nodes` of `graph`, in its order. Renamings take no pass, a Dequantize none but where its result
// leaves the turn.
std::vector<HostPass> host_passes(const Graph& graph, std::span<const std::size_t> nodes);

// Estimated, of all passes.
double host_milliseconds(const Graph& graph, std::span<const std::size_t> nodes,
                         const HostRates& rates);

// One step for each turn that runs a node with a reason. `host`: the host's part of a program,
// `turns`: the nodes of each turn; `reasons`: why, by the name of the node; nodes without one are
// not named, but their time counts.
std::vector<HostStepInfo> describe_host_steps(const Graph& host,
                                              std::span<const std::vector<std::size_t>> turns,
                                              const std::map<std::string, std::string>& reasons,
                                              const HostRates& rates);

}  // namespace workbench
