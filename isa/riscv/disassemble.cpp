#include <fmt/format.h>

#include <array>

#include "isa/riscv/instruction.h"

namespace workbench::riscv {

std::string_view register_name(unsigned number) {
  constexpr std::array<std::string_view, 32> kNames = {
      "zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
      "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
      "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
  return kNames[number % kNames.size()];
}

namespace {

std::string operands(const Instruction& it, Word address) {
  const std::string_view rd = register_name(it.rd), rs1 = register_name(it.rs1),
                         rs2 = register_name(it.rs2);
  const std::int32_t number = as_signed(it.immediate);
  const Word target = address + it.immediate;
  switch (row(it.opcode).format) {
    case Format::U:
      return fmt::format("{},0x{:x}", rd, it.immediate >> 12);
    case Format::J:
      return fmt::format("{},0x{:x}", rd, target);
    case Format::Jr:
    case Format::L:
      return fmt::format("{},{}({})", rd, number, rs1);
    case Format::B:
      return fmt::format("{},{},0x{:x}", rs1, rs2, target);
    case Format::BImm:
      return fmt::format("{},{},0x{:x}", rs1, as_signed(sign_extended(it.rs2, 5)), target);
    case Format::LPost:
      return fmt::format("{},{}({}!)", rd, number, rs1);
    case Format::LPostR:
      return fmt::format("{},{}({}!)", rd, rs2, rs1);
    case Format::LR:
      return fmt::format("{},{}({})", rd, rs2, rs1);
    case Format::S:
      return fmt::format("{},{}({})", rs2, number, rs1);
    case Format::SPost:
      return fmt::format("{},{}({}!)", rs2, number, rs1);
    case Format::SPostR:
      return fmt::format("{},{}({}!)", rs2, rd, rs1);
    case Format::SR:
      return fmt::format("{},{}({})", rs2, rd, rs1);
    case Format::I:
    case Format::Shift:
    case Format::MacLoad:
    case Format::Sci:
    case Format::SciU:
    case Format::SciD:
    case Format::SciUD:
      return fmt::format("{},{},{}", rd, rs1, number);
    case Format::R:
    case Format::RD:
      return fmt::format("{},{},{}", rd, rs1, rs2);
    case Format::R1:
      return fmt::format("{},{}", rd, rs1);
    case Format::Field:
    case Format::FieldD:
      return fmt::format("{},{},{},{}", rd, rs1, it.immediate >> 5, it.immediate & 31);
    case Format::Normal:
    case Format::NormalD:
      return fmt::format("{},{},{},{}", rd, rs1, rs2, number);
    case Format::Csr:
      return fmt::format("{},0x{:x},{}", rd, it.immediate, rs1);
    case Format::CsrI:
      return fmt::format("{},0x{:x},{}", rd, it.immediate, it.rs1);
    case Format::LoopTo:
      return fmt::format("x{},0x{:x}", it.rd & 1, target);
    case Format::LoopCount:
      return fmt::format("x{},{}", it.rd & 1, rs1);
    case Format::LoopCountI:
      return fmt::format("x{},{}", it.rd & 1, number);
    case Format::LoopSetup:
      return fmt::format("x{},{},0x{:x}", it.rd & 1, rs1, target);
    case Format::LoopSetupI:
      return fmt::format("x{},{},0x{:x}", it.rd & 1, number, address + 2U * it.rs1);
    case Format::None:
      return "";
  }
  return "";
}

}  // namespace

std::string disassemble(const Instruction& instruction, Word address) {
  const std::string text = operands(instruction, address);
  const std::string_view name = row(instruction.opcode).name;
  return text.empty() ? std::string(name) : fmt::format("{} {}", name, text);
}

}  // namespace workbench::riscv
