// Float graph -> xDNN program for tests, with given thresholds instead of calibration: the same
// program on every machine.
#pragma once

#include "core/graph.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench {

// Passes, then integers with threshold 64 for every value.
Graph quantized_for(Graph graph, const xdnn::Machine& machine);

xdnn::Program compiled_for(const Graph& graph, const xdnn::Machine& machine);

// Index of the first instruction of that layer; fails the test when there is none.
std::size_t instruction_of_layer(const xdnn::Program& program, const std::string& layer);

// A network that needs every instruction there is, a host step in its middle included; input
// [1, 3, 16, 16], two outputs.
Graph every_instruction();

}  // namespace workbench
