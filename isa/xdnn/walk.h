// The analytic tier's engines, instruction by instruction: what earliest_times() and likely_end()
// (cost.h) walk a program with, and what the compiler tries other orders with, for which it
// computes costs once and wait bits anew.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// What an instruction costs, wherever in the program it stands.
struct StepCost {
  Unit unit = Unit::Conv;
  // Of a convolution:
  ConvCost conv;
  ConvWork work;
  bool tiled = false;
  Cycles first_tile;  // in which its first input tile comes, latency not included
  Cycles last_tiles;  // from when the last input tile has come until the array is done, at most
  // Of the others:
  Cycles duration, streaming;  // streaming: its words alone
  std::int64_t rows = 0, read_ports = 0;
};
StepCost step_cost(const Step& step, const Machine& machine);

// The units that an instruction waits for.
using Waits = std::array<bool, kUnits>;
Waits waits_of(const Instruction& instruction);

class Walk {
 public:
  // `contended`: for the AM's read ports, too.
  Walk(const Machine& machine, bool contended)
      : machine_(machine),
        contended_(contended),
        buffers_(static_cast<std::size_t>(machine.filters.buffers)) {}

  // The host's turn, for which all engines stand still.
  void host_step();
  // The next instruction; `kept`: its filters are there (kept_filters()). Returns when it finishes.
  Cycles issue(const StepCost& cost, const Waits& waits, bool kept);
  // Of what was issued so far.
  Cycles end() const;

 private:
  // One engine: when it can take the next command, when all it was given is finished.
  struct Engine {
    Cycles free, finished;
    std::vector<Cycles> taken;  // per command
  };

  Cycles held_up(const StepCost& cost, Cycles start);
  Cycles convolve(const StepCost& cost, bool kept, Cycles start, Engine& engine);
  Cycles sweep(const ConvCost& cost, Cycles start, Engine& engine);
  Cycles sweep_tiles(const StepCost& cost, Cycles start, Engine& engine);
  Cycles buffers_free(std::int64_t count) const;
  void take_buffers(std::int64_t count, Cycles until);
  void keep_buffers(std::int64_t count, Cycles until);

  const Machine& machine_;
  const bool contended_;
  std::vector<Cycles> buffers_;  // when each filter buffer is free, soonest first
  std::array<Engine, kUnits> engines_;
  Cycles dispatch_, loader_free_, tiles_free_;
  Cycles array_row_;  // of the last convolution
};

// Convolutions with the same number here, one right behind the other, load filters once
// (kept_filters()); -1: always loads them. Per instruction; others than convolutions have -1.
std::vector<int> slabs_that_stay(const Program& program, const Machine& machine);

}  // namespace workbench::xdnn
