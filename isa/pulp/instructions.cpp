#include "isa/pulp/instructions.h"

#include "core/error.h"

namespace workbench::pulp {

std::string_view to_string(KernelKind kind) {
  switch (kind) {
    case KernelKind::ConvHo:
      return "conv_Ho";
    case KernelKind::ConvHoWo:
      return "conv_HoWo";
    case KernelKind::ConvCo:
      return "conv_Co";
    case KernelKind::PointwiseHo:
      return "pointwise_Ho";
    case KernelKind::PointwiseHoWo:
      return "pointwise_HoWo";
    case KernelKind::PointwiseCo:
      return "pointwise_Co";
    case KernelKind::Depthwise3x3s1:
      return "depthwise_3x3_s1";
    case KernelKind::DepthwiseGeneric:
      return "depthwise_generic";
    case KernelKind::DepthwiseLess4:
      return "depthwise_generic_less_4_weights";
    case KernelKind::Linear:
      return "linear";
    case KernelKind::Linear32:
      return "linear_out_32";
    case KernelKind::Add:
      return "add";
    case KernelKind::AveragePool:
      return "avgpool";
    case KernelKind::MaxPool:
      return "maxpool";
    case KernelKind::Requantize:
      return "requantize";
    case KernelKind::MaxPoolDirect:
      return "maxpool_direct";
  }
  CHECK(false, "kernel {}", static_cast<int>(kind));
}

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
