// The network between graph and instructions: one LoweredOp per instruction-to-be, on maps (feature
// maps) that live in volumes (pieces of activation memory). lower() builds it, later stages fill in
// layouts, tiles and addresses, emit() turns it into a Program.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// A piece of activation memory with one lifetime: one map, or all parts of a concat.
struct LoweredVolume {
  std::string name;
  std::int64_t channels = 0, height = 0, width = 0;
  ChannelLayout layout;
  bool prefer_top = false;
  // Filled in by place():
  std::int64_t address = -1;
  std::int32_t first = -1, last = -1;  // ops: first writer, last reader
  std::int64_t words(const Geometry& geometry) const {
    return geometry.words(channels, height, width, layout);
  }
};

// A feature map of the quantized graph (or a copy of one): channels [start, start + channels) of
// its volume, or a tensor in DDR. Maps may alias: a slice is a view of its source.
struct Map {
  ValueId value = kNoValue;  // kNoValue: a copy that exists only here
  std::string name;
  std::int64_t channels = 0, height = 0, width = 0;
  int volume = -1;  // -1: merged away, or only in DDR
  std::int64_t start = 0;
  int ddr = -1;       // index into Lowered::ddr_tensors
  bool whole = true;  // the volume is just this map
  // A piece of the value (carry_out.cpp): its first channel and row. The sizes above are the
  // piece's.
  std::int64_t first_channel = 0, first_row = 0;
  std::int64_t row = 0;  // of the volume, which holds several images (stack_images.h)
};

// A piece of a value that the simulator can read once the ops `after` are done.
struct MapProbe {
  int map = -1;
  std::vector<std::int32_t> after;
};

// Channels [in_begin, in_end) produce channels [out_begin, out_end); in_begin begins a word.
struct GroupBlock {
  std::int64_t in_begin = 0, in_end = 0, out_begin = 0, out_end = 0;
  friend bool operator==(const GroupBlock&, const GroupBlock&) = default;
};

// How data flows through an instruction: a convolution; one map channel by channel (pools,
// upsampling, copies); two maps; DDR to AM and AM to DDR.
enum class LoweredKind { Conv, Stream, Eltwise, Gather, Scatter };

struct LoweredOp {
  LoweredKind kind = LoweredKind::Conv;
  std::ptrdiff_t node = -1;         // of the quantized graph; -1 for copies, gathers, scatters, and
                                    // for sums that make zeros
  std::ptrdiff_t fused_pool = -1;   // MaxPool node fused behind a Conv
  std::ptrdiff_t owner = -1;        // node for whose sake this op is there: `node` itself, or the
                                    // one that needed the copy, gather or scatter
  std::vector<int> sources;         // maps
  int result = -1;                  // map; -1 for Scatter
  GroupBlock block;                 // Conv: input and output channels of this instruction;
                                    // Eltwise: output channels, 0 to 0 are all
  bool blocked = false;             // one of several instructions of a grouped convolution
  bool source_in_ddr = false;       // Conv by hardware-assisted tiling
  bool destination_in_ddr = false;  // Conv whose result streams to DDR
  bool half_rate = false;           // Conv: half the channels per pass though all would fit
  bool input_ahead = false;         // Conv with source_in_ddr: its first tile is expected to come
                                    // while the array still works for another op
  bool one_port = false;            // Eltwise: one operand after the other though not for want of
                                    // ports: the array has the other port meanwhile
  std::int64_t slice = 1;           // 0: the dedicated first-layer block (throughput.cpp)
  std::int32_t layer = -1;          // row of the report
  std::string tile;                 // "#2": behind the layer's name, for one of several pieces
  // Gather and Scatter of a piece: the tensor (-1: the map's own) and where in it.
  int ddr = -1;
  std::int64_t ddr_channel = 0, ddr_row = 0;
  // Filled in by later stages (tiled convolutions only):
  ChannelLayout ddr_layout;
  std::int64_t tile_width = 0, tile_height = 0, buffer_words = 0, buffer_0 = 0, buffer_1 = 0;
};

struct Lowered {
  const Graph* graph = nullptr;
  std::vector<LoweredVolume> volumes;
  std::vector<Map> maps;
  std::vector<LoweredOp> ops;
  std::vector<DdrTensor> ddr_tensors;  // addresses not yet set
  int between_slices = -1;  // the DDR tensor that slice 0 leaves to slice 1; it has two buffers
  std::vector<LayerInfo> layers;
  Graph host;
  std::vector<HostStep> host_steps;  // `before` counts ops
  std::vector<int> value_map;        // graph value -> map, -1: none
  std::vector<MapProbe> probes;      // empty: one per map, see emit()
  // Why there is no program for this order: slice 0 is to be used, and the first layer cannot run
  // there. Empty otherwise; nothing else is of use when it is not.
  std::string obstacle;
};

// The overlay computes it: int8 in, int8 out, and no conversion.
bool on_accelerator(const Graph& graph, const Node& node);

// What an instruction is called that copies an operand of a concat to its place, and the concat's
// name from that; "": it is no such name.
std::string copy_name(const std::string& concat, std::size_t copy);
std::string concat_of_copy(const std::string& name);

// `order`: every node once, operands before their readers (order.h).
Lowered lower(const Graph& quantized, const Machine& machine, std::span<const std::size_t> order);

// Maps that an op reads from / writes to a volume of the AM.
std::vector<int> volumes_read(const Lowered& lowered, const LoweredOp& op);
int volume_written(const Lowered& lowered, const LoweredOp& op);  // -1: none

// It has two tile buffers in the AM.
inline bool has_tile_buffers(const LoweredOp& op) { return op.source_in_ddr && op.slice != 0; }

// Throughput mode (docs/facts/xdnn.md 1.7): the first convolution, and a pool fused behind it,
// moves to slice 0 and leaves its result in DDR, where slice 1 fetches it while slice 0 works on
// the next image (throughput.cpp).

// Changes what lower() made, before layouts and addresses. Returns why the first instruction cannot
// run on slice 0, naming the layer: empty when it does. `lowered` is of no use otherwise.
std::string use_slice0(Lowered& lowered, const Machine& machine);

}  // namespace workbench::xdnn
