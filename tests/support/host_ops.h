// What only a host computes, strewn into a network: elementary functions, comparisons, gathers,
// sorting, attention, recurrent cells, interpolation.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench {

// The rows of the table, by name: "gelu", "top k", ...
std::vector<std::string> host_op_names();

// Behind `count` random maps [1, C, H, W] of the graph that a node writes and another reads, one
// row of the table each (rows `first`, `first` + 1, ...); what they give has the map's shape.
void add_host_ops(Graph& graph, std::mt19937_64& random, int count, std::size_t first);

}  // namespace workbench
