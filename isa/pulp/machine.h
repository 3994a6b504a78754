// A PULP cluster as numbers: 8 RISC-V cores (Xpulpv2) around a banked L1 (TCDM), a cluster DMA to
// L2, a uDMA to L3 (HyperRAM). One YAML file per machine in configs/, each number with its source
// (docs/facts/pulp.md) or marked assumed or calibrated. Rules for the folder are those of isa/xdnn:
// an instruction is one struct (instructions.h), what it does is semantics.h, what it touches is
// footprint.h, what it costs with no contention is cost.h.
//
// Cycles are of the cluster clock. Byte addresses of L1, L2 and L3 all begin at 0: offsets into the
// buffers that code, stacks and runtime leave free.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/units.h"
#include "isa/program_info.h"

namespace YAML {
class Node;
}

namespace workbench::pulp {

// Accepted range of a knob, ends included.
struct Range {
  double low = 0, high = 0;
};

struct Machine {
  struct Clocks {
    double cluster = 100;  // MHz, the clock of every Cycles figure
    double fabric = 100;   // MHz
    static constexpr void fields(auto& self, auto&& visit) {
      visit("cluster", self.cluster, Range{1, 10000});
      visit("fabric", self.fabric, Range{1, 10000});
    }
  };
  struct Cluster {
    std::int64_t cores = 8;
    std::int64_t barrier_cycles = 9;  // last core's arrival -> all cores run
    static constexpr void fields(auto& self, auto&& visit) {
      visit("cores", self.cores, Range{1, 16});
      visit("barrier_cycles", self.barrier_cycles, Range{1, 1000});
    }
  };
  // Cycles of an instruction beyond the one that each takes (docs/facts/pulp.md 1.2).
  struct Core {
    std::int64_t load_use = 1, misaligned = 1, taken_branch = 2, jump = 1;
    std::int64_t division = 31;
    std::int64_t multiply_high = 4;
    std::int64_t multiply = 0;      // 32 x 32 -> 32; not the multiply-accumulates of inner loops
    std::int64_t multiply_use = 0;  // result wanted by the next instruction
    static constexpr void fields(auto& self, auto&& visit) {
      visit("load_use", self.load_use, Range{0, 100});
      visit("misaligned", self.misaligned, Range{0, 100});
      visit("taken_branch", self.taken_branch, Range{0, 100});
      visit("jump", self.jump, Range{0, 100});
      visit("division", self.division, Range{0, 1000});
      visit("multiply_high", self.multiply_high, Range{0, 100});
      visit("multiply", self.multiply, Range{0, 100});
      visit("multiply_use", self.multiply_use, Range{0, 100});
    }
  };
  // Instructions beyond Xpulpv2 that the cores have (1) or have not (docs/facts/pulp.md 6).
  struct Isa {
    std::int64_t dot_4bit = 0;  // XpulpNN's SIMD on 8 codes of 4 bits
    std::int64_t dot_2bit = 0;  // and on 16 of 2
    std::int64_t mac_load = 0;  // a SIMD sum of products that loads the next operand
    static constexpr void fields(auto& self, auto&& visit) {
      visit("dot_4bit", self.dot_4bit, Range{0, 1});
      visit("dot_2bit", self.dot_2bit, Range{0, 1});
      visit("mac_load", self.mac_load, Range{0, 1});
    }
  };
  struct L1 {
    std::int64_t size_bytes = 65536;
    std::int64_t buffer_bytes = 38000;  // what stacks and runtime leave: DORY's l1_buffer_size
    std::int64_t banks = 16;            // 32 bits wide, words interleaved
    std::int64_t conflicts = 1;         // 0: a bank serves all requests at once
    // Of the stalls that a replay of the accesses finds, what the machine shows in depthwise
    // kernels and in those of the matrix product: those of an instruction-set simulator are 1,
    // others show less or more (docs/facts/pulp.md 1.3, 1.9, 4.3).
    double depthwise_conflicts = 1, matrix_conflicts = 1;
    // Who of those that come to a bank in one cycle is first: 1: another core each cycle, as in
    // hardware; 0: the core of the lowest number, as in GVSoC (docs/facts/pulp.md 1.3).
    std::int64_t round_robin = 0;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("size_bytes", self.size_bytes, Range{1024, 1 << 26});
      visit("buffer_bytes", self.buffer_bytes, Range{256, 1 << 26});
      visit("banks", self.banks, Range{1, 256});
      visit("conflicts", self.conflicts, Range{0, 1});
      visit("depthwise_conflicts", self.depthwise_conflicts, Range{0, 4});
      visit("matrix_conflicts", self.matrix_conflicts, Range{0, 4});
      visit("round_robin", self.round_robin, Range{0, 1});
    }
  };
  struct L2 {
    std::int64_t size_bytes = 524288;
    std::int64_t buffer_bytes = 380000;  // what code and runtime leave: DORY's l2_buffer_size
    std::int64_t load_cycles = 11;       // of a core's load beyond the one of L1
    static constexpr void fields(auto& self, auto&& visit) {
      visit("size_bytes", self.size_bytes, Range{1024, 1 << 30});
      visit("buffer_bytes", self.buffer_bytes, Range{1024, 1 << 30});
      visit("load_cycles", self.load_cycles, Range{0, 1000});
    }
  };
  struct L3 {
    std::int64_t size_bytes = 8388608;
    double megabytes_per_second = 100;   // of the board: the cluster's clock does not change it
    std::int64_t transfer_cycles = 500;  // of one transfer beside its bytes: request to the fabric
                                         // controller, uDMA set-up, command, event back
    static constexpr void fields(auto& self, auto&& visit) {
      visit("size_bytes", self.size_bytes, Range{0, 1e12});
      visit("megabytes_per_second", self.megabytes_per_second, Range{0.001, 1e6});
      visit("transfer_cycles", self.transfer_cycles, Range{0, 1e6});
    }
  };
  // Cluster DMA (mchan, docs/facts/pulp.md 1.5 and 1.9). One command alone, from the core's first
  // store to the core that waited for it: issue + latency + bytes / 8 cycles; L1 -> L2 one more for
  // each burst and each line but the first.
  struct Dma {
    std::int64_t bytes_per_cycle = 8;  // each direction
    std::int64_t issue_cycles_1d = 8;  // a core's, per command, with its loop; then it is queued
    std::int64_t issue_cycles_2d = 10;
    std::int64_t latency_cycles =
        7;  // queued -> first data; 8 + 7 = the 15 of docs/facts/pulp.md 1.9
    std::int64_t burst_bytes = 256;
    std::int64_t read_line_cycles = 1;    // L2 -> L1: least of a line of a 2-D transfer
    std::int64_t write_burst_cycles = 1;  // L1 -> L2: per further burst beyond its bytes
    std::int64_t write_line_cycles = 1;   // L1 -> L2: per further line of a 2-D transfer
    std::int64_t poll_cycles = 6;         // a wait reads the status register at least once
    std::int64_t core_queue = 2;          // commands a core may have waiting
    std::int64_t global_queue = 8;        // per direction
    std::int64_t identifiers = 16;        // transfer identifiers
    std::int64_t length_max = 65535;      // bytes of one command
    static constexpr void fields(auto& self, auto&& visit) {
      visit("bytes_per_cycle", self.bytes_per_cycle, Range{1, 1024});
      visit("issue_cycles_1d", self.issue_cycles_1d, Range{0, 1000});
      visit("issue_cycles_2d", self.issue_cycles_2d, Range{0, 1000});
      visit("latency_cycles", self.latency_cycles, Range{0, 10000});
      visit("burst_bytes", self.burst_bytes, Range{8, 65536});
      visit("read_line_cycles", self.read_line_cycles, Range{1, 1000});
      visit("write_burst_cycles", self.write_burst_cycles, Range{0, 1000});
      visit("write_line_cycles", self.write_line_cycles, Range{0, 1000});
      visit("poll_cycles", self.poll_cycles, Range{0, 1000});
      visit("core_queue", self.core_queue, Range{1, 64});
      visit("global_queue", self.global_queue, Range{1, 1024});
      visit("identifiers", self.identifiers, Range{1, 64});
      visit("length_max", self.length_max, Range{4, 1 << 24});
    }
  };
  // Instruction cache: sets of so many ways, of which a line replaces one at random
  // (docs/facts/pulp.md 1.3, 1.9).
  struct ICache {
    std::int64_t ideal = 1;  // 1: every fetch hits (the 2021 simulator, nearly)
    std::int64_t line_bytes = 16;
    std::int64_t private_bytes = 512;  // L0 of each core; 0: none
    std::int64_t private_ways = 4;
    std::int64_t private_miss_cycles = 2;
    std::int64_t shared_bytes = 4096;
    std::int64_t shared_ways = 4;
    std::int64_t shared_miss_cycles = 15;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("ideal", self.ideal, Range{0, 1});
      visit("line_bytes", self.line_bytes, Range{4, 1024});
      visit("private_bytes", self.private_bytes, Range{0, 1 << 20});
      visit("private_ways", self.private_ways, Range{1, 64});
      visit("private_miss_cycles", self.private_miss_cycles, Range{0, 1000});
      visit("shared_bytes", self.shared_bytes, Range{16, 1 << 20});
      visit("shared_ways", self.shared_ways, Range{1, 64});
      visit("shared_miss_cycles", self.shared_miss_cycles, Range{0, 1000});
    }
  };
  // Overhead of the generated layer functions (DORY's, docs/facts/pulp.md 3.6) beside kernels and
  // transfers, on every core. Calibrated is tile_instructions alone, and L1::depthwise_conflicts
  // above.
  struct Code {
    std::int64_t tile_instructions = 300;            // [calibrated] of one tile's bookkeeping
    std::int64_t tile_divisions = 2;                 // of one tile
    std::int64_t tile_l2_loads = 4;                  // of one tile: constants of the layer
    std::int64_t layer_instructions = 700;           // [assumed] per layer
    std::int64_t depthwise_tile_instructions = 400;  // [assumed] instead of tile_instructions
    // Of code that stand for an instruction executed: some are executed more than once.
    std::int64_t instruction_bytes = 4;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("tile_instructions", self.tile_instructions, Range{0, 100000});
      visit("tile_divisions", self.tile_divisions, Range{0, 1000});
      visit("tile_l2_loads", self.tile_l2_loads, Range{0, 1000});
      visit("layer_instructions", self.layer_instructions, Range{0, 1000000});
      visit("depthwise_tile_instructions", self.depthwise_tile_instructions, Range{0, 100000});
      visit("instruction_bytes", self.instruction_bytes, Range{1, 64});
    }
  };
  // What no kernel computes is the fabric controller's, which has no floating point.
  struct Host {
    // Estimate HostStep time only, never part of cycles. [calibrated] 350 cycles an operation and 3
    // a byte (docs/host.md), at 100 MHz.
    double gflops = 0.00029;
    double gigabytes_per_second = 0.033;
    static constexpr void fields(auto& self, auto&& visit) {
      visit("gflops", self.gflops, Range{1e-6, 1e6});
      visit("gigabytes_per_second", self.gigabytes_per_second, Range{1e-6, 1e6});
    }
  };

  std::string name;
  std::string family_name = "pulp";
  Clocks clocks;
  Cluster cluster;
  Core core;
  Isa isa;
  L1 l1;
  L2 l2;
  L3 l3;
  Dma dma;
  ICache icache;
  Code code;
  Host host;

  static constexpr void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("family", self.family_name);
    visit("clocks", self.clocks);
    visit("cluster", self.cluster);
    visit("core", self.core);
    visit("isa", self.isa);
    visit("l1", self.l1);
    visit("l2", self.l2);
    visit("l3", self.l3);
    visit("dma", self.dma);
    visit("icache", self.icache);
    visit("code", self.code);
    visit("host", self.host);
  }

  double l3_bytes_per_cycle() const { return l3.megabytes_per_second / clocks.cluster; }

  // Whether a core has SIMD sums of products of codes of so many bits.
  bool multiplies(std::int64_t bits) const {
    return bits == 8 || (bits == 4 && isa.dot_4bit != 0) || (bits == 2 && isa.dot_2bit != 0);
  }
  // Of the narrowest codes that the cores multiply: 4 per sdotp of 8 bits, of which kernels reach
  // 32 in 14 cycles (docs/facts/pulp.md 2.3).
  double peak_macs_per_cycle() const {
    const double lanes = multiplies(2) ? 16 : multiplies(4) ? 8 : 4;
    return lanes * static_cast<double>(cluster.cores);
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

// A machine other than its file says, so that sweeps need no YAML files.

struct MachineOverrides {
  std::string l1, l2;  // buffer_bytes: "38000", "64k", "1M" (k = 1024); empty: as the file says
  std::string l3;      // size_bytes, likewise
  std::optional<std::int64_t> cores;
  std::optional<std::int64_t> dma_width;  // dma.bytes_per_cycle
  std::vector<std::string> clocks;        // "NAME=MHz": cluster, fabric
  std::vector<std::string> settings;      // "KEY=VALUE", e.g. "l1.conflicts=0"
};

// In the order of the members: settings have the last word. A buffer larger than its memory makes
// the memory as large. Throws Error "--OPTION VALUE: ..." as load_machine() does for the file.
Machine with_overrides(Machine machine, const MachineOverrides& overrides);

}  // namespace workbench::pulp
