// Placed ops as a program: instructions with their wait bits, the DDR image with filters and
// per-channel parameters, and what it moves between the memories.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "compiler/xdnn/lower.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// --- the DDR image -------------------------------------------------------------------------------

// The DDR image of a program: filters and per-channel parameters of every convolution.

// The bytes of a tensor of codes (CHECKed), as they go into filter slabs.
std::span<const std::int8_t> code_bytes(const Tensor& tensor);

// Bytes of the weights [out][in][kh][kw] of one instruction: those of the node, or for a block of a
// grouped (or transposed) convolution a dense copy with zeros where groups do not meet.
struct BlockWeights {
  std::span<const std::int8_t> values;  // in `copy`, or the node's own
  std::vector<std::int8_t> copy;
};
BlockWeights block_weights(const Graph& graph, const Node& node, const GroupBlock& block);

// Parameters of output channels [begin, end) of a quantized convolution.
std::vector<ChannelConfig> channel_configs(const Graph& graph, const Node& node, std::int64_t begin,
                                           std::int64_t end);

// Where the filter slabs of an op lie in the image.
struct FilterPlace {
  FilterShape shape;
  std::int64_t begin = 0, bytes = 0;
  bool shared = false;  // an op before has the same filters: they are there already
};
// Convolutions of two images, or of layers that share all their numbers.
bool same_filters(const Lowered& lowered, const LoweredOp& a, const LoweredOp& b);
// Per op, one behind the other; those without filters have 0 bytes there.
std::vector<FilterPlace> place_filters(const Lowered& lowered, const Machine& machine);

std::int64_t end_of(std::span<const FilterPlace> places);  // of the image, in bytes

// The image.
std::string pack_constants(const Lowered& lowered, std::span<const FilterPlace> places,
                           const Machine& machine);

// --- instructions --------------------------------------------------------------------------------

// Instruction of one op, addresses included, wait bits not.
Instruction instruction_of(const Lowered& lowered, const LoweredOp& op, const Machine& machine);
// `constants`: the filters go into Program::constants; else only their place is kept.
Program emit(Lowered& lowered, const Machine& machine, bool constants = true);
// Sets the wait bits that a dependence needs, and one kind of others: a convolution that keeps its
// filters, and so has nothing to load, waits for what the next one to load filters would have to
// wait for, so that these are loaded while it computes.
void set_wait_bits(Program& program, const Machine& machine);

// --- moved bytes ---------------------------------------------------------------------------------

// The report's `moveops`: bytes that instructions move between DDR and AM for tensors inside the
// network (docs/facts/xdnn.md 4.5). The network's own input and results are counted apart.

// Gather: AM bytes of the destination; Scatter: DDR-format bytes, on width-aligned machines the AM
// bytes of the source; an instruction of the main array that reads or writes DDR tile by tile: half
// of the AM bytes of its operands and result together.
struct MovedBytes {
  std::int64_t inside = 0;        // tensors inside the network: spilled, or on their way to a host
                                  // step and back
  std::int64_t input_output = 0;  // the network's own input and results
};
MovedBytes moved_bytes(const Program& program, const Machine& machine);
inline std::int64_t count_moveops(const Program& program, const Machine& machine) {
  return moved_bytes(program, machine).inside;
}

}  // namespace workbench::xdnn
