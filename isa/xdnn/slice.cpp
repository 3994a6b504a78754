#include "isa/xdnn/slice.h"

#include "core/error.h"
#include "isa/xdnn/filters.h"

namespace workbench::xdnn {

namespace {

Machine slice0_of(const Machine& machine) {
  Machine block = machine;
  block.slice = 0;
  block.array.rows = machine.slice0.rows;
  block.array.columns = machine.slice0.columns;
  block.am.size_bytes = machine.slice0.am_bytes;
  return block;
}

}  // namespace

MachineOfSlice::MachineOfSlice(const Machine& machine, std::int64_t slice) : machine_(&machine) {
  if (slice == 0 && machine.slice != 0 && has_slice0(machine)) slice0_ = slice0_of(machine);
}

std::string slice0_obstacle(const Instruction& instruction, const Machine& machine) {
  if (!has_slice0(machine)) return fmt::format("{} has no slice 0", machine.name);
  const auto* fused = std::get_if<ConvPool>(&instruction);
  const Conv* conv = fused != nullptr ? &fused->conv : std::get_if<Conv>(&instruction);
  if (conv == nullptr || conv->transposed) {
    return fmt::format("{} is no convolution", opcode(instruction));
  }
  if (!conv->tail.source_in_ddr) return "its input does not come from DDR";
  if (!conv->tail.destination_in_ddr) return "its result does not go to DDR";
  if (conv->in_ch > machine.slice0.rows) {
    return fmt::format("it has {} input channels, slice 0 has {} rows", conv->in_ch,
                       machine.slice0.rows);
  }
  const MachineOfSlice block(machine, 0);
  const std::int64_t steps = array_steps(conv->tail.source, conv->kernel_h, conv->kernel_w);
  if (!filter_mode(steps, block.get()).possible) {
    return fmt::format("its filters need {} array steps, at most {} are possible", steps,
                       machine.filters.steps_max);
  }
  return "";
}

}  // namespace workbench::xdnn
