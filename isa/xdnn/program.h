// A compiled xDNN program: self-contained, a simulator sees nothing else. Instructions in issue
// order with their filters in a DDR image, the memory map, the host's part, and where every named
// tensor can be found.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/program_info.h"
#include "isa/xdnn/instructions.h"

namespace workbench::xdnn {

// Rescaling of average pool and eltwise, which the runtime loads beside the instruction.
struct Rescale {
  std::int64_t scale = 1, shift = 0;
  friend bool operator==(const Rescale&, const Rescale&) = default;
};

struct Step {
  Instruction instruction;
  std::int64_t filter_address = 0;  // DDR byte address of the filter slabs (filters.h); convs only
  Rescale rescale;                  // average pool and eltwise only
};

// An int8 tensor in DDR, in the runtime's format (memory.h: write_ddr): network input as the host
// wrote it, results for the host, tensors between host steps.
struct DdrTensor {
  std::string value;  // name in the quantized graph
  std::int64_t address = 0, channels = 0, height = 0, width = 0;
};

// Where a tensor of the quantized graph can be read once all of the instructions `after`, its
// writers, have finished and until its last reader has.
struct Probe {
  std::string value;
  std::vector<std::int32_t> after;
  std::int64_t address = 0;  // AM word
  ChannelLayout layout;
  std::int64_t start_channel = 0;  // inside the words at `address` (concat parts)
  std::int64_t channels = 0, height = 0, width = 0;
  // A piece of the tensor, others are other probes': its first channel and row, and the channels
  // and rows of the whole (0: this is the whole).
  std::int64_t first_channel = 0, first_row = 0, value_channels = 0, value_height = 0;
};

// A volume of the memory map: AM words [address, address + words) hold one tensor (or one concat
// volume) from the start of instruction `first` to the end of instruction `last`.
struct Volume {
  std::string name;
  std::int64_t address = 0, words = 0;
  std::int32_t first = 0, last = 0;
};

// Nodes of `Program::host` that run, all engines idle, before instruction `before` (or at the end).
struct HostStep {
  std::int32_t before = 0;
  std::vector<std::size_t> nodes;  // indices into host.nodes, in order
};

struct Program {
  ProgramInfo info;
  std::int64_t images = 1;  // of inputs of their own that one run computes
  std::vector<Step> steps;
  std::string constants;               // DDR image [0, size): filters and per-channel parameters
  std::int64_t ddr_bytes = 0;          // extent of everything in DDR
  std::vector<DdrTensor> ddr_tensors;  // int8 tensors that live in DDR, disjoint
  std::vector<Probe> probes;           // by `after`, ascending
  std::vector<Volume> memory_map;
  // Memory an instruction works in: the two tile buffers of hardware-assisted tiling, those of
  // slice 0 in its own memory.
  std::vector<Volume> scratch;
  // The part of the quantized graph that the host runs: Quantize at the inputs, Dequantize at the
  // outputs, and every named host step. Its int8 values are DdrTensors; inputs and outputs are the
  // network's.
  Graph host;
  std::vector<HostStep> host_steps;
};

// One line per instruction: id, opcode, layer, then fields in the vendor's order
// (docs/facts/xdnn.md 2.4), after a header of comments with memory map and bindings.
std::string disassemble(const Program& program);

// Protobuf. load() throws Error naming the file and what is wrong with it.
void save(const Program& program, const std::filesystem::path& path);
std::string save_bytes(const Program& program);
Program load(const std::filesystem::path& path);
Program load_bytes(const std::string& bytes, const std::string& name);

}  // namespace workbench::xdnn
