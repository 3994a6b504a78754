// Estimated time of a node on the host; in no cycle count.
#pragma once

#include "core/graph.h"

namespace workbench {

// Additions, multiplications, comparisons and divisions that a node takes, its operands' elements
// read and its result written in passing. A multiply-accumulate is two. An elementary function
// (exp, log, tanh, erf, sin, a power) is assumed to take the 40 of exp in core/math.h.
double host_operations(const Graph& graph, const Node& node);

// The longer of the time for these and that for its operands, 4 bytes an element.
double host_milliseconds(const Graph& graph, const Node& node, double gflops,
                         double gigabytes_per_second);

}  // namespace workbench
