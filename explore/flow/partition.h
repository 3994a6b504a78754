// Which nodes are the host's although the machine could run them: where layers of the machine lie
// between nodes that it cannot run, codes cross to the host and back, and an island between two
// crossings may be done sooner where its neighbours are.
#pragma once

#include <optional>

#include "core/graph.h"
#include "explore/flow/target.h"

namespace workbench {

// The modelled time of one run in which `left` is the host's: the machine's by its analytic tier,
// layers in their natural order and with the default tiles, and the host's steps, one after the
// other. None: the network cannot be compiled so. `prepared` is float, after the passes and
// target.quantize.prepare().
std::optional<double> modelled_milliseconds(const Graph& prepared, const Target& target,
                                            const LeftToHost& left);

struct Partition {
  bool depends_on_times = false;  // the host runs something between two layers of the machine
  LeftToHost left;
};

// The nodes of `prepared` to leave to the host, and why. Each costs what the model says of it on
// either side, each tensor what its codes cost to cross; a minimum cut of the graph is the best
// assignment by these sums. It is compiled and compared with the machine doing all it can and with
// the host doing everything, and the fastest of the three is taken. Empty where nothing crosses to
// the host and back.
Partition partition_by_gain(const Graph& prepared, const Target& target);

}  // namespace workbench
