// Estimated time of a node on the host; in no cycle count.
#pragma once

#include <algorithm>

#include "core/graph.h"

namespace workbench {

// Two operations a multiply-accumulate, one per result where there are none; operands of 4 bytes.
inline double host_milliseconds(const Graph& graph, const Node& node, double gflops,
                                double gigabytes_per_second) {
  double bytes = 0;
  for (const ValueId id : node.inputs) {
    if (id != kNoValue) bytes += 4.0 * static_cast<double>(element_count(graph.value(id).shape));
  }
  const double operations =
      std::max(2.0 * static_cast<double>(macs(graph, node)),
               static_cast<double>(element_count(graph.value(node.outputs[0]).shape)));
  return 1e3 * std::max(operations / (gflops * 1e9), bytes / (gigabytes_per_second * 1e9));
}

}  // namespace workbench
