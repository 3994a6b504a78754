// Nodes and the instructions that compute them: the one description that emission (node to
// instruction), replay (the two held against each other) and the network read from a program
// (instruction to node) go by. Gather and Scatter compute no node and are not here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/graph.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

struct Extent {
  std::int64_t channels = 0, height = 0, width = 0;
};
Extent extent_of(const Shape& shape);  // [1, C, H, W]

// What an instruction and the node it computes both say. For a piece of a node, sizes and padding
// are those of the piece.
struct Layer {
  std::string_view opcode;
  // Of an upsampling, `kernel` is the factors. `pool`: of the max pool behind a convolution.
  Window window, pool;
  bool relu = false;
  Extent in, middle, out;  // middle: of a convolution's own result; `out` is behind its pool
};

// Of a whole node, with `pool` fused behind it (null: none). On machines without an instruction of
// its own, a lone ReLU is a 1x1 pool that clamps what it reads, or half of x + x, clamped.
Layer layer_of(const Graph& graph, const Node& node, const Node* pool, const Machine& machine);
// Of a copy, as a 1x1 pool makes it.
Layer copy_of(Extent extent);
// Of a sum of two maps.
Layer sum_of(Extent extent);
Layer layer_of(const Instruction& instruction);

// Everything that a layer says; addresses, layouts and what depends on parameters are not set.
Instruction instruction_for(const Layer& layer);
// Each number that both say, under the name of the instruction's field: as the layer has it, and as
// the instruction has it.
using VisitNumbers =
    std::function<void(const char* field, std::int64_t layer, std::int64_t instruction)>;
void compare(const Layer& layer, const Instruction& instruction, const VisitNumbers& visit);

// The node's operation; of a convolution with a pool behind it, the convolution.
Op op_of(const Layer& layer);
MaxPool pool_of(const Layer& layer);

// Whether the instruction is for such nodes, and what errors call them: "max pool".
bool computes(const Instruction& instruction, const Op& op);
const char* kind_of_node(const Instruction& instruction);

// As reports of replayed programs have it: "Conv 3x3/2 +Relu +MaxPool 3x3/2".
std::string text_of(const Layer& layer);

// What the runtime loads beside the instruction for node `node`.
Rescale rescale_of(const Instruction& instruction, const Node& node);

}  // namespace workbench::xdnn
