// Where a program spent its cycles: of each core and function, from what the cores counted at each
// instruction.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/riscv/cluster.h"

namespace workbench::riscv {

// Cycles by cause. Their sum is what a core was busy or asleep.
struct Spent {
  std::int64_t instructions = 0;  // one cycle each
  std::int64_t load_use = 0;      // and other results that are wanted too soon: by jalr, of mul
  std::int64_t jump = 0;
  std::int64_t arithmetic = 0;  // multiplications and divisions, beyond their first cycle
  Stalls stalls;

  std::int64_t cycles() const;
  void add(const Spent& other);
  void subtract(const Spent& other);
  static constexpr void fields(auto& self, auto&& visit) {
    visit("instructions", self.instructions);
    visit("load_use", self.load_use);
    visit("jump", self.jump);
    visit("arithmetic", self.arithmetic);
    Stalls::fields(self.stalls, visit);
  }
};

struct InstructionProfile {
  Word address = 0;
  std::string text;
  Spent spent;  // of all cores
};

struct FunctionProfile {
  std::string name;
  Word address = 0;
  std::vector<Spent> cores;                      // without what it calls
  std::vector<Calls> calls;                      // with it
  std::vector<InstructionProfile> instructions;  // that have run
};

// Cycles of a call path, from the outermost function in; on one core, without what it calls.
struct StackProfile {
  std::vector<std::string> functions;
  std::size_t core = 0;
  std::int64_t cycles = 0;
};

struct Profile {
  std::int64_t cycles = 0;
  std::vector<Spent> cores;                         // the fabric controller last
  std::vector<FunctionProfile> functions;           // in order of address, those that have run
  std::vector<std::int64_t> dma_bytes, dma_cycles;  // L2 -> L1, L1 -> L2
  std::int64_t dma_commands = 0, l3_bytes = 0, l3_transfers = 0;
  std::vector<StackProfile> stacks;  // of a cluster that keeps its calls as a tree
};

// What a core has spent so far.
Spent spent_by(const Hart& hart, const Code& code, const pulp::Machine::Core& core);

Profile profile_of(const Elf& program, const pulp::Machine& machine, const Cluster& cluster);

}  // namespace workbench::riscv
