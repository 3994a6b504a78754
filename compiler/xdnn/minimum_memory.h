// What a network needs of activation memory before anything has an address: the "Minimum Memory"
// of the xfDNN compiler's console (docs/facts/xdnn.md 4.3, 4.6). It counts as xfDNN did, not as
// this compiler allocates: each tensor is a volume of its own from the step that writes it to the
// last that reads it, convolution and pool are two steps, parts of a concat are volumes until the
// concat, which then takes their place, and an eltwise writes over an operand that is dead
// afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// A step of the order: an input of the network, or a node of the model. Nodes that were folded
// into another one (BatchNorm, ReLU) are steps behind it, done in place.
struct MemoryStep {
  std::string name;
  bool on_host = false;
};

struct MemoryTensor {
  std::string name;                   // of the step that writes it first
  std::string value;                  // in the quantized graph
  Shape shape;                        // [N, C, H, W]
  std::int64_t bytes = 0;             // of activation memory
  std::vector<int> writers, readers;  // steps, ascending
  bool replaces = false;              // it takes the place of an operand of its writer
  // Steps [first, last] at which it is alive as a volume of its own.
  int first = 0, last = 0;
};

struct MinimumMemory {
  std::vector<MemoryStep> steps;
  std::vector<MemoryTensor> tensors;     // in the order in which they are written
  std::vector<std::int64_t> live_bytes;  // per step: of the tensors alive
  std::vector<int> step_of_node;         // node of the graph -> its step; -1: conversions

  // The first step at which most is alive.
  int worst() const;
};

// `quantized` as for compile(); `order`: every node once, operands before their readers. The
// network's input counts where it has to be in the activation memory: not on machines that read it
// from DDR tile by tile.
MinimumMemory minimum_memory(const Graph& quantized, const Machine& machine,
                             std::span<const std::size_t> order);

// The order of the model: nodes as they stand in the graph.
std::vector<std::size_t> model_order(const Graph& quantized);

}  // namespace workbench::xdnn
