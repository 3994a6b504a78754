// Slice 0, the dedicated block for the first layer (xdnn.md 1.1, 1.7), seen as a machine of its
// own: a smaller array with a memory of its own, beside the same DDR and with the same clocks.
// Costs and semantics of its instructions follow from that machine by the rules of the main array.
#pragma once

#include <optional>
#include <string>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

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

// Why slice 0 of `machine` cannot run `instruction`; empty when it can. It takes its input from DDR
// in tiles and streams its result there: nothing else is known to be connected.
std::string slice0_obstacle(const Instruction& instruction, const Machine& machine);

}  // namespace workbench::xdnn
