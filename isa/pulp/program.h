// A compiled PULP program: self-contained, a simulator sees nothing else. Instructions in program
// order with the layer of each, what L3 holds at the start, the host's part, and where every named
// tensor can be found.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "core/fields.h"
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
  static constexpr void fields(auto& self, auto&& visit) {
    visit("value", self.value);
    visit("space", self.space);
    visit("address", self.address);
    visit("channels", self.channels);
    visit("height", self.height);
    visit("width", self.width);
    visit("pixel_stride", self.pixel_stride);
    visit("row_stride", self.row_stride);
    visit("bits", self.bits);
    visit("is_signed", self.is_signed);
  }
  friend bool operator==(const TensorPlace&, const TensorPlace&) = default;
};

// Where a tensor can be read once instruction `after` is done (all DMA before it waited for). Rows
// [first_row, first_row + place.height) and channels [first_channel, + place.channels) of a value
// whose whole is value_height x value_channels; pieces are other probes'.
struct Probe {
  TensorPlace place;
  std::int32_t after = 0;
  std::int64_t first_row = 0, value_height = 0, first_channel = 0, value_channels = 0;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("after", self.after);
    std::remove_cvref_t<decltype(self.place)>::fields(self.place, visit);
    visit("first_row", self.first_row);
    visit("value_height", self.value_height);
    visit("first_channel", self.first_channel);
    visit("value_channels", self.value_channels);
  }
  friend bool operator==(const Probe&, const Probe&) = default;
};

// A volume of the memory map: bytes [address, address + bytes) of a space hold one thing from the
// start of instruction `first` to the end of instruction `last`.
struct Volume {
  std::string name;
  Space space = Space::L2;
  std::int64_t address = 0, bytes = 0;
  std::int32_t first = 0, last = 0;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("space", self.space);
    visit("address", self.address);
    visit("bytes", self.bytes);
    visit("first", self.first);
    visit("last", self.last);
  }
  friend bool operator==(const Volume&, const Volume&) = default;
};

// What the compiler's loops pass over: slices of L2, tiles, lines of a transfer, pieces of
// constants. Nothing: a loop that was written by hand.
enum class LoopOver {
  Nothing,
  SliceChannels,
  SliceRows,
  SliceColumns,
  Channels,
  Rows,
  Columns,
  Lines,
  Pieces,
  Passes
};
std::string_view to_string(LoopOver over);
constexpr LoopOver last(LoopOver) { return LoopOver::Passes; }  // all dense from 0; files hold them

// Instructions [first, first + count * length) are `count` iterations of `length`, which differ in
// nothing but numbers that grow by constant steps.
struct LoopRange {
  std::int64_t first = 0, length = 0, count = 0;
  LoopOver over = LoopOver::Nothing;
  friend bool operator==(const LoopRange&, const LoopRange&) = default;
};

// A number in an instruction's text that may grow from one iteration to the next: [begin, end) of
// the text.
struct TextNumber {
  std::size_t begin = 0, end = 0;
  friend bool operator==(const TextNumber&, const TextNumber&) = default;
};

// Nodes of `Program::host` that run, all engines idle, before instruction `before` (or at the end).
struct HostStep {
  std::int32_t before = 0;
  std::vector<std::size_t> nodes;  // indices into host.nodes, in order
  friend bool operator==(const HostStep&, const HostStep&) = default;
};

// One layer as DORY's report lists it.
struct LayerTiling {
  std::int32_t layer = 0;  // index into info.layers
  std::string kernel;      // to_string(KernelKind)
  std::int64_t cores = 0;  // that take part in it; 0: all
  // Sizes [channels, height, width] of a full tile in L1; of a slice in L2 (= the layer: one
  // slice).
  std::array<std::int64_t, 3> l1_in{}, l1_out{}, l2_in{}, l2_out{};
  std::int64_t l1_tiles = 1, l2_slices = 1;
  std::int64_t l1_bytes = 0, l2_bytes = 0;  // occupied
  std::int64_t weight_checksum = 0;         // byte sum of weights, kappa, lambda as in the L3 image
  bool double_buffered = false;
  std::string
      wide_norm;  // how batch norm is computed and why plain 32 bits do not do; empty: they do
  static constexpr void fields(auto& self, auto&& visit) {
    visit("layer", self.layer);
    visit("kernel", self.kernel);
    visit("cores", self.cores);
    visit("l1_in_c", self.l1_in[0]);
    visit("l1_in_h", self.l1_in[1]);
    visit("l1_in_w", self.l1_in[2]);
    visit("l1_out_c", self.l1_out[0]);
    visit("l1_out_h", self.l1_out[1]);
    visit("l1_out_w", self.l1_out[2]);
    visit("l2_in_c", self.l2_in[0]);
    visit("l2_in_h", self.l2_in[1]);
    visit("l2_in_w", self.l2_in[2]);
    visit("l2_out_c", self.l2_out[0]);
    visit("l2_out_h", self.l2_out[1]);
    visit("l2_out_w", self.l2_out[2]);
    visit("l1_tiles", self.l1_tiles);
    visit("l2_slices", self.l2_slices);
    visit("l1_bytes", self.l1_bytes);
    visit("l2_bytes", self.l2_bytes);
    visit("weight_checksum", self.weight_checksum);
    visit("double_buffered", self.double_buffered);
    visit("wide_norm", self.wide_norm);
  }
  friend bool operator==(const LayerTiling&, const LayerTiling&) = default;
};

struct Program {
  ProgramInfo info;
  std::vector<Instruction> instructions;  // as they are executed: loops unrolled
  // What of them files, assembly and C write as loops: by `first`, outer ones before those in them,
  // which are given as they are in the first iteration.
  std::vector<LoopRange> loops;
  std::vector<std::vector<TextNumber>> text_numbers;  // per instruction; missing: none
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

// Assembly: one line per instruction, "opcode field=value ...", fields at their default left out
// (but for a kernel's kind), in the order of their lists; loops are written as such (loops.h),
// directives carry the rest, so that assemble(disassemble(p)) is p. An instruction belongs to the
// layer of the last ".layer" (which declares one, in the order of info.layers) or ".resume INDEX"
// before it. Addresses are hexadecimal, names with spaces are quoted, constants and the host's
// graph are base64 lines; "#" begins a comment. Where a directive names an instruction, it counts
// from 0, loops unrolled. Throws Error "NAME:LINE: ..." naming opcode and field.
std::string disassemble(const Program& program);
Program assemble(const std::string& text, const std::string& name);

// Protobuf. load() throws Error naming the file and what is wrong with it.
void save(const Program& program, const std::filesystem::path& path);
std::string save_bytes(const Program& program);
Program load(const std::filesystem::path& path);
// Whether these bytes are such a file, and not the other family's.
bool is_program(const std::string& bytes);
// Whether a text is such an assembly, and not a listing of the other family: it has directives.
bool is_assembly(const std::string& text);
Program load_bytes(const std::string& bytes, const std::string& name);

}  // namespace workbench::pulp
