// An xDNN overlay as numbers: every dimension, clock and constant a model or compiler uses.
// Read from one YAML file per machine in configs/, where each number names its source
// (docs/facts/xdnn.md) or is marked assumed or calibrated. Rules for the folder: an instruction is
// one struct (instructions.h), what it does is semantics.h, what it touches is footprint.h, what it
// costs with no contention is cost.h; compiler and simulator share nothing else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "core/units.h"
#include "isa/program_info.h"
#include "isa/xdnn/memory.h"

namespace YAML {
class Node;
}

namespace workbench::xdnn {

// Accepted range of a knob, ends included.
struct Range {
  double low = 0, high = 0;
};

// The overlay of a machine. Code asks for differences by the predicates of Machine; few places name
// a family.
enum class Family {
  V2,          // rows of an image x output channels, width-aligned memory (docs/facts/xdnn.md 1.3)
  V3,          // input channels x output channels, replication, tiling (docs/facts/xdnn.md 1.2)
  Darius,      // V3's channel-aligned memory, 32 or 64 wide (docs/facts/xdnn.md 5.3)
  MathEngine,  // buffers instead of one memory, a pool beside each conv (docs/facts/xdnn.md 5.3)
};

struct Machine {
  struct Clocks {
    double report = 350;  // MHz: AM and control clock, the clock of every Cycles figure
    double array = 700;   // MHz: DSP clock, a whole multiple of `report`
    double ddr = 300;     // MHz: DDR interface clock
    static constexpr void fields(auto& self, auto&& visit) {
      visit("report", self.report, Range{1, 10000});
      visit("array", self.array, Range{1, 20000});
      visit("ddr", self.ddr, Range{1, 10000});
    }
  };
  struct Array {
    // Width of codes and weights, 8 or 16. At 16 a DSP multiplies one weight, V2 computes one
    // image, and everything that is a code takes two bytes (docs/facts/xdnn.md 1.1, 1.4).
    std::int64_t bits = 8;
    // Channel-aligned machines: input channels fed per step = codes of an AM word. Width-aligned
    // ones: pixels of one image row that are computed side by side ("DSP" 28 or 56).
    std::int64_t rows = 96;
    std::int64_t columns = 16;         // output channels side by side, per DSP
    std::int64_t weights_per_dsp = 2;  // 8 bit: output channels of one DSP per array cycle
    std::int64_t images = 1;           // 8 bit: images of a run that share the weights (V2: 2)
    static constexpr void fields(auto& self, auto&& visit) {
      visit("bits", self.bits, Range{8, 16});
      visit("rows", self.rows, Range{1, 256});
      visit("columns", self.columns, Range{1, 256});
      visit("weights_per_dsp", self.weights_per_dsp, Range{1, 4});
      visit("images", self.images, Range{1, 2});
    }
  };
  struct ActivationMemory {
    std::int64_t size_bytes = 9437184;
    std::int64_t read_ports = 2, write_ports = 2;  // each one word per cycle
    std::int64_t partitions = 3;  // two operands in different ones can be read in one cycle
    std::int64_t buffers = 0;     // MathEngine: the memory is that many equal buffers; 0: it is one
    static constexpr void fields(auto& self, auto&& visit) {
      visit("size_bytes", self.size_bytes, Range{1024, 1024.0 * 1024 * 1024});
      visit("read_ports", self.read_ports, Range{1, 16});
      visit("write_ports", self.write_ports, Range{1, 16});
      visit("partitions", self.partitions, Range{1, 64});
      visit("buffers", self.buffers, Range{0, 64});
    }
  };
  struct Filters {
    std::int64_t buffers = 2;  // ping-pong: one pass is loaded while another computes
    // Array steps per output pixel (width-aligned: per line of pixels, one input channel under one
    // kernel tap each) that one buffer holds.
    std::int64_t buffer_steps = 32;
    std::int64_t steps_max = 128;  // beyond: the conv cannot run (half rate from 2 buffers on)
    std::int64_t config_bytes_per_channel = 8;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("buffers", self.buffers, Range{1, 2});
      visit("buffer_steps", self.buffer_steps, Range{1, 16384});
      visit("steps_max", self.steps_max, Range{1, 16384});
      visit("config_bytes_per_channel", self.config_bytes_per_channel, Range{8, 8});
    }
  };
  struct Ddr {
    std::int64_t word_bytes = 64;  // moved per DDR clock at best
    double efficiency = 0.71;
    std::int64_t burst_bytes = 4096;   // unit of arbitration
    std::int64_t latency_cycles = 60;  // report clock, once per stream
    std::int64_t size_bytes = 4294967296;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("word_bytes", self.word_bytes, Range{1, 1024});
      visit("efficiency", self.efficiency, Range{0.01, 1});
      visit("burst_bytes", self.burst_bytes, Range{64, 1048576});
      visit("latency_cycles", self.latency_cycles, Range{0, 100000});
      visit("size_bytes", self.size_bytes, Range{65536, 1e12});
    }
  };
  struct Control {
    std::int64_t instructions_max = 1536;
    std::int64_t issue_cycles = 16;  // report clock, fetch and decode of one instruction
    std::int64_t queue_depth = 1;    // commands a unit holds beside the one it runs
    std::int64_t drain_cycles = 0;   // 0: (rows + columns) array cycles, the skew of the array
    static constexpr void fields(auto& self, auto&& visit) {
      visit("instructions_max", self.instructions_max, Range{1, 1e9});
      visit("issue_cycles", self.issue_cycles, Range{0, 100000});
      visit("queue_depth", self.queue_depth, Range{1, 64});
      visit("drain_cycles", self.drain_cycles, Range{0, 100000});
    }
  };
  struct Limits {
    std::int64_t kernel_max = 15, stride_max = 15, pad_max = 15, dilation_max = 16;
    std::int64_t side_max = 4094, channels_max = 4096, upsample_max = 8;
    std::int64_t filter_max = 0;     // in_ch * kernel_w * kernel_h of a conv; 0: the buffers decide
    std::int64_t powers_of_two = 0;  // 1: strides and dilations must be powers of two
    bool stride_ok(std::int64_t stride) const { return step_ok(stride, stride_max); }
    bool dilation_ok(std::int64_t dilation) const { return step_ok(dilation, dilation_max); }
    bool step_ok(std::int64_t step, std::int64_t max) const {
      return step >= 1 && step <= max && (powers_of_two == 0 || (step & (step - 1)) == 0);
    }
    static constexpr void fields(auto& self, auto&& visit) {
      visit("kernel_max", self.kernel_max, Range{1, 255});
      visit("stride_max", self.stride_max, Range{1, 255});
      visit("pad_max", self.pad_max, Range{0, 255});
      visit("dilation_max", self.dilation_max, Range{1, 255});
      visit("side_max", self.side_max, Range{1, 65535});
      visit("channels_max", self.channels_max, Range{1, 65535});
      visit("upsample_max", self.upsample_max, Range{1, 64});
      visit("filter_max", self.filter_max, Range{0, 1e9});
      visit("powers_of_two", self.powers_of_two, Range{0, 1});
    }
  };
  // Optional features of the overlay: 1 or 0.
  struct Features {
    std::int64_t replication = 1;  // channels are copied to fill a word (docs/facts/xdnn.md 1.5)
    std::int64_t tiling = 1;  // hardware-assisted tiling from and to DDR (docs/facts/xdnn.md 4.7)
    std::int64_t inline_pool = 1;  // a max pool in the conv pipeline
    std::int64_t prelu = 1;
    std::int64_t deconv = 1;
    std::int64_t upsample = 1;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("replication", self.replication, Range{0, 1});
      visit("tiling", self.tiling, Range{0, 1});
      visit("inline_pool", self.inline_pool, Range{0, 1});
      visit("prelu", self.prelu, Range{0, 1});
      visit("deconv", self.deconv, Range{0, 1});
      visit("upsample", self.upsample, Range{0, 1});
    }
  };
  // The dedicated first-layer block of throughput mode (docs/facts/xdnn.md 1.7); rows 0: there is
  // none.
  struct Slice0 {
    std::int64_t rows = 0, columns = 0;
    std::int64_t am_bytes = 0;
    std::int64_t used = 0;  // 1: throughput mode, programs begin on it; 0: latency mode
    static constexpr void fields(auto& self, auto&& visit) {
      visit("rows", self.rows, Range{0, 256});
      visit("columns", self.columns, Range{0, 256});
      visit("am_bytes", self.am_bytes, Range{0, 1e9});
      visit("used", self.used, Range{0, 1});
    }
  };
  struct Board {
    std::int64_t engines = 1;    // overlays on the card
    std::int64_t ddr_banks = 1;  // engine e uses bank e % ddr_banks
    static constexpr void fields(auto& self, auto&& visit) {
      visit("engines", self.engines, Range{1, 8});
      visit("ddr_banks", self.ddr_banks, Range{1, 8});
    }
  };
  struct Host {
    double gflops = 20;  // estimates HostStep time only; never part of cycles
    double gigabytes_per_second = 10;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("gflops", self.gflops, Range{0.001, 1e6});
      visit("gigabytes_per_second", self.gigabytes_per_second, Range{0.001, 1e6});
    }
  };

  std::string name;
  std::string family_name = "xdnn_v3";  // "xdnn_v2", "xdnn_v3", "darius", "math_engine"
  Clocks clocks;
  Array array;
  ActivationMemory am;
  Filters filters;
  Ddr ddr;
  Control control;
  Limits limits;
  Features features;
  Slice0 slice0;
  Board board;
  Host host;
  int slice = 1;  // which of its slices this describes: 0 only in a MachineOfSlice (below)

  static constexpr void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("family", self.family_name);
    visit("clocks", self.clocks);
    visit("array", self.array);
    visit("am", self.am);
    visit("filters", self.filters);
    visit("ddr", self.ddr);
    visit("control", self.control);
    visit("limits", self.limits);
    visit("features", self.features);
    visit("slice0", self.slice0);
    visit("board", self.board);
    visit("host", self.host);
  }

  Family family() const;
  // AM words hold pixels of one row and channel (docs/facts/xdnn.md 1.4 V2), not channels of one
  // pixel (V3).
  bool width_aligned() const;
  // Every instruction waits for all before it: the instruction set has no wait bits.
  bool serial() const;
  // Requantization by prescale, clamp, scale, clamp, bias (docs/facts/xdnn.md 3.2), not by
  // docs/facts/xdnn.md 3.3.
  bool prescales() const { return width_aligned(); }

  std::int64_t code_bytes() const { return array.bits / 8; }
  // Knobs of these names at the machine's width of codes.
  std::int64_t weights_per_dsp() const { return array.bits == 8 ? array.weights_per_dsp : 1; }
  std::int64_t images() const { return array.bits == 8 ? array.images : 1; }

  // Bytes of an AM word: the codes of `rows` channels; or a line of 2 bytes for each pixel, rounded
  // up to a power of two.
  std::int64_t word_bytes() const;
  // Bytes that an address of an instruction counts: width-aligned machines count bytes.
  std::int64_t address_bytes() const { return width_aligned() ? 1 : word_bytes(); }
  // Addresses per AM word.
  std::int64_t word_addresses() const { return word_bytes() / address_bytes(); }
  Geometry geometry() const {
    return {word_bytes(), width_aligned() ? array.rows : 0, code_bytes()};
  }
  std::int64_t am_words() const { return am.size_bytes / word_bytes(); }
  // Output channels of one pass: columns x weights per DSP x array cycles per report cycle.
  std::int64_t pass_channels(bool half_rate) const {
    const auto ratio = static_cast<std::int64_t>(clocks.array / clocks.report);
    return array.columns * weights_per_dsp() * (half_rate ? 1 : ratio);
  }
  double peak_macs_per_cycle() const {  // of all images
    return static_cast<double>(array.rows * pass_channels(false) * images());
  }
  double ddr_bytes_per_cycle() const {  // of the report clock
    return static_cast<double>(ddr.word_bytes) * ddr.efficiency * clocks.ddr / clocks.report;
  }
  Cycles drain_cycles() const {
    if (control.drain_cycles > 0) return {control.drain_cycles};
    const auto ratio = static_cast<std::int64_t>(clocks.array / clocks.report);
    return {ceil_div(array.rows + array.columns, ratio)};
  }
};

// Throws Error "FILE:LINE: ..." on an unknown or repeated key, a wrong type, a value out of range,
// or knobs that contradict each other.
Machine load_machine(const std::filesystem::path& path);
// As load_machine, from text; `name` stands for the file in errors.
Machine parse_machine(const std::string& yaml, const std::string& name);
// The same of a file that was parsed (machine_root() of yaml_fields.h).
Machine read_machine(const YAML::Node& root, const std::string& name);
// What contradicts what, empty when the machine could be built. Used by load_machine.
std::string contradiction(const Machine& machine);

MachineInfo info(const Machine& machine);

// --- slice 0 -------------------------------------------------------------------------------------

// The dedicated block for the first layer (docs/facts/xdnn.md 1.1, 1.7), seen as a machine of its
// own: a smaller array with a memory of its own, beside the same DDR and with the same clocks.
// Costs and semantics of its instructions follow from that machine by the rules of the main array.
inline bool has_slice0(const Machine& machine) { return machine.slice0.rows > 0; }

// The machine that an instruction of `slice` runs on: `machine` itself, or its slice 0. Refers to
// `machine`.
class MachineOfSlice {
 public:
  MachineOfSlice(const Machine& machine, std::int64_t slice);
  const Machine& get() const { return slice0_ ? *slice0_ : *machine_; }

 private:
  const Machine* machine_;
  std::optional<Machine> slice0_;
};

// --- overrides -----------------------------------------------------------------------------------

// A machine other than its file says: the dimensions of xfDNN's options -i, -m and -d, clocks,
// engines, and any knob by its dotted name, so that a sweep needs no YAML files.

struct MachineOverrides {
  // array.rows: pixels (V2, 8 to 128), channels (V3, 16 to 256, and Darius, 16 to 128, both in
  // steps of 16). Word, line, peak and replication follow.
  std::optional<std::int64_t> dsp;
  std::optional<std::int64_t> bits;         // array.bits: 8 or 16
  std::optional<double> memory_mb, ddr_mb;  // AM and DDR of an engine in MB of 2^20 bytes
  std::vector<std::string> clocks;          // "NAME=MHz": report, array, ddr
  std::optional<std::int64_t> engines;
  std::string mode;                   // "latency", "throughput", or empty: as the file says
  std::vector<std::string> settings;  // "KEY=VALUE", e.g. "ddr.efficiency=0.7"
};

// In the order of the members: settings have the last word. Throws Error "--OPTION VALUE: ..." as
// load_machine() does for the file, contradictions included.
Machine with_overrides(Machine machine, const MachineOverrides& overrides);

}  // namespace workbench::xdnn
