#include "isa/pulp/instructions.h"

#include "isa/pulp/kernels.h"

namespace workbench::pulp {

std::string_view to_string(KernelKind kind) { return traits(kind).name; }

std::string_view opcode(const Instruction& instruction) {
  struct Name {
    std::string_view operator()(const Barrier&) const { return "barrier"; }
    std::string_view operator()(const Dma&) const { return "dma"; }
    std::string_view operator()(const DmaWait&) const { return "dma_wait"; }
    std::string_view operator()(const L3Transfer&) const { return "l3"; }
    std::string_view operator()(const L3Wait&) const { return "l3_wait"; }
    std::string_view operator()(const Code&) const { return "code"; }
    std::string_view operator()(const CounterStart&) const { return "counter_start"; }
    std::string_view operator()(const CounterStop&) const { return "counter_stop"; }
    std::string_view operator()(const Kernel&) const { return "kernel"; }
  };
  return std::visit(Name{}, instruction);
}

std::optional<Instruction> blank_instruction(std::string_view name) {
  for (const Instruction& instruction :
       {Instruction{Barrier{}}, Instruction{Dma{}}, Instruction{DmaWait{}},
        Instruction{L3Transfer{}}, Instruction{L3Wait{}}, Instruction{Code{}},
        Instruction{CounterStart{}}, Instruction{CounterStop{}}, Instruction{Kernel{}}}) {
    if (opcode(instruction) == name) return instruction;
  }
  return std::nullopt;
}

}  // namespace workbench::pulp
