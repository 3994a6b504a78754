// Description of a program for reports, common to all targets: layers (the rows of the per-layer
// table) and, per instruction, which layer it belongs to. Target programs contain one of these.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "core/units.h"

namespace workbench {

struct LayerInfo {
  std::string name;                 // ONNX node name (of the first merged node)
  std::string op;                   // "Conv 3x3/2 +Relu +MaxPool", ...
  Shape shape;                      // of the result, [N, C, H, W]
  std::vector<std::string> merged;  // all ONNX nodes it stands for
  std::int64_t macs = 0;            // of the imported network, never padded
  std::int64_t ops = 0;             // as xfDNN counts
  std::int64_t result_words = 0;    // of memory that the result takes: MachineInfo::word_bytes
};

struct HostNodeInfo {
  std::string name, op, reason;
};

// One turn of the host, while the engines are idle: what crosses to it and back crosses once.
struct HostStepInfo {
  // Of its nodes: "act", or "sigmoid, mul"; "Sigmoid, Mul", or of a long list "8 Mul, Add"; each
  // reason once.
  std::string name, op, reason;
  double milliseconds = 0;  // estimate, with the codes that become numbers and back
  std::int64_t macs = 0;
  std::int64_t bytes_in = 0, bytes_out = 0;  // codes from the engines, and for them
  std::vector<HostNodeInfo> nodes;           // conversions and renamings are not among them
};

struct ProgramInfo {
  std::string network, machine;
  std::vector<LayerInfo> layers;
  std::vector<std::int32_t> instruction_layer;  // per instruction: index into layers
  std::vector<std::string> instruction_text;    // per instruction: opcode and layer, for traces
  std::vector<HostStepInfo> host_steps;
  std::int64_t network_macs = 0, network_ops = 0, network_parameters = 0;
  std::int64_t peak_bytes = 0, minimum_bytes = 0, extent_bytes = 0, capacity_bytes = 0;
  std::int64_t moveops = 0;   // AM-format bytes of gathers and scatters of intermediate tensors
  std::int64_t io_bytes = 0;  // the same of the network's input and output
};

// Description of a machine for reports.
struct MachineInfo {
  std::string name;
  std::string summary;                  // "96x16 array, 9 MB AM, DDR 19.2 GB/s x 0.65"
  double report_clock_mhz = 0;          // clock of all Cycles
  double peak_macs_per_cycle = 0;       // of the array, in the report clock
  std::string array_resource = "conv";  // the resource whose time the waterfall explains
  bool throughput = false;      // the first layer has an array of its own: cycles are an interval
  std::int64_t word_bytes = 1;  // of the memory that holds activations: AM word; byte of L2
  std::int64_t images = 1;      // computed side by side in one run; peak_macs_per_cycle counts all
  bool extrapolated = false;    // a width of array that was never built
  // The array is a team of cores: it explains all of its time itself, waits and tile code included.
  bool cluster = false;
};

struct Hazard {
  enum class Kind {
    UninitializedRead,
    OutOfRange,
    ReadAfterWrite,
    WriteAfterRead,
    WriteAfterWrite,
    LiveOverwrite,   // writes over a tensor that the memory map says is still needed
    Unsynchronized,  // conflicts with an earlier one, and no wait bit or order of a unit since then
                     // keeps them apart: right at most by luck of timing
    Stray,           // touches memory that no tensor alive has, nor the instruction for its tiles
    Inconsistent,    // part of a concat volume that disagrees with the volume, or with another part
    ChannelOff,      // the filters it reads leave an output channel disabled: they are not its own
    Deadlock
  };
  Kind kind = Kind::UninitializedRead;
  std::int32_t instruction = -1, other_instruction = -1;
  std::string layer, other_layer;
  std::int64_t address = 0;  // activation-memory word, or DDR byte (says `space`)
  std::string space;         // "AM" or "DDR"
  Cycles time;
};
std::string to_string(const Hazard& hazard);  // one line

}  // namespace workbench
