// A compiled PULP program: self-contained, a simulator sees nothing else. Instructions in program
// order with the layer of each, what L3 holds at the start, the host's part, and where every named
// tensor can be found.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/program_info.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/instructions.h"

namespace workbench::pulp {

// A tensor of the quantized graph in L2 or L3: [height][width][channels] at pixels pixel_stride
// bytes and rows row_stride bytes apart (concat parts are narrower than their pixels). `bits` per
// code (8, 4, 2), or 32: int32, little endian.
struct TensorPlace {
  std::string value;
  Space space = Space::L2;
  std::int64_t address = 0, channels = 0, height = 0, width = 0;
  std::int64_t pixel_stride = 0, row_stride = 0;
  std::int64_t bits = 8;
  bool is_signed = false;
  friend bool operator==(const TensorPlace&, const TensorPlace&) = default;
};

// Where a tensor can be read once instruction `after` is done (all DMA before it waited for). Rows
// [first_row, first_row + place.height) and channels [first_channel, + place.channels) of a value
// whose whole is value_height x value_channels; pieces are other probes'.
struct Probe {
  TensorPlace place;
  std::int32_t after = 0;
  std::int64_t first_row = 0, value_height = 0, first_channel = 0, value_channels = 0;
};

// A volume of the memory map: bytes [address, address + bytes) of a space hold one thing from the
// start of instruction `first` to the end of instruction `last`.
struct Volume {
  std::string name;
  Space space = Space::L2;
  std::int64_t address = 0, bytes = 0;
  std::int32_t first = 0, last = 0;
};

// Nodes of `Program::host` that run, all engines idle, before instruction `before` (or at the end).
struct HostStep {
  std::int32_t before = 0;
  std::vector<std::size_t> nodes;  // indices into host.nodes, in order
};

// One layer as DORY's report lists it.
struct LayerTiling {
  std::int32_t layer = 0;  // index into info.layers
  std::string kernel;      // to_string(KernelKind)
  // Sizes [channels, height, width] of a full tile in L1; of a slice in L2 (= the layer: one
  // slice).
  std::array<std::int64_t, 3> l1_in{}, l1_out{}, l2_in{}, l2_out{};
  std::int64_t l1_tiles = 1, l2_slices = 1;
  std::int64_t l1_bytes = 0, l2_bytes = 0;  // occupied
  std::int64_t weight_checksum = 0;         // byte sum of weights, kappa, lambda as in the L3 image
  bool double_buffered = false;
};

struct Program {
  ProgramInfo info;
  std::vector<Instruction> instructions;
  std::string constants;  // L3 image [0, size): weights, kappa, lambda of all layers
  std::int64_t l1_bytes = 0, l2_bytes = 0, l3_bytes = 0;  // extents
  std::vector<TensorPlace> inputs;   // written before the program starts, by the host
  std::vector<TensorPlace> outputs;  // int tensors that the host reads at the end, or for its steps
  std::vector<Probe> probes;         // by `after`, ascending
  std::vector<Volume> memory_map;
  std::vector<LayerTiling> tilings;
  // The part of the quantized graph that the host runs: Quantize at the inputs, Dequantize at the
  // outputs, and every named host step. Its integer values are in `inputs` and `outputs`.
  Graph host;
  std::vector<HostStep> host_steps;
};

// Assembly: a header of comments, then one line per instruction, "opcode field=value ...", fields
// at their default left out, in the order of their lists; directives (".layer NAME", ".tensor",
// ...) carry the rest, so that assemble(disassemble(p)) runs as p does. Constants are written as
// base64 lines. Throws Error "NAME:LINE: ..." naming opcode and field.
std::string disassemble(const Program& program);
Program assemble(const std::string& text, const std::string& name);

// Protobuf. load() throws Error naming the file and what is wrong with it.
void save(const Program& program, const std::filesystem::path& path);
std::string save_bytes(const Program& program);
Program load(const std::filesystem::path& path);
Program load_bytes(const std::string& bytes, const std::string& name);

}  // namespace workbench::pulp
