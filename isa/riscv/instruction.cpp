#include "isa/riscv/instruction.h"

#include <array>

#include "core/error.h"

namespace workbench::riscv {
namespace {

constexpr Row kRows[] = {
#define ALU(id, text, match, mask, format, unit, result) \
  {text, match, mask, Format::format, Unit::unit},
#define LOAD(id, text, match, mask, format, bytes, is_signed) \
  {text, match, mask, Format::format, Unit::Load},
#define STORE(id, text, match, mask, format, bytes) \
  {text, match, mask, Format::format, Unit::Store},
#define BRANCH(id, text, match, mask, format, condition) \
  {text, match, mask, Format::format, Unit::Branch},
#define OTHER(id, text, match, mask, format, unit) {text, match, mask, Format::format, Unit::unit},
#include "isa/riscv/instructions.inc"
#undef ALU
#undef LOAD
#undef STORE
#undef BRANCH
#undef OTHER
};
static_assert(std::size(kRows) == static_cast<std::size_t>(Opcode::kCount));

Word bits(Word word, unsigned high, unsigned low) {
  return word >> low & ~0U >> (31 - (high - low));
}

Word store_offset(Word word) {
  return sign_extended(bits(word, 31, 25) << 5 | bits(word, 11, 7), 12);
}
Word branch_offset(Word word) {
  return sign_extended(bits(word, 31, 31) << 12 | bits(word, 7, 7) << 11 | bits(word, 30, 25) << 5 |
                           bits(word, 11, 8) << 1,
                       13);
}
Word jump_offset(Word word) {
  return sign_extended(bits(word, 31, 31) << 20 | bits(word, 19, 12) << 12 |
                           bits(word, 20, 20) << 11 | bits(word, 30, 21) << 1,
                       21);
}
Word simd_constant(Word word) { return bits(word, 24, 20) << 1 | bits(word, 25, 25); }

Word immediate(Format format, Word word) {
  switch (format) {
    case Format::U:
      return word & 0xfffff000;
    case Format::J:
      return jump_offset(word);
    case Format::B:
    case Format::BImm:
      return branch_offset(word);
    case Format::S:
    case Format::SPost:
      return store_offset(word);
    case Format::I:
    case Format::Jr:
    case Format::L:
    case Format::LPost:
      return sra(word, 20);
    case Format::Shift:
    case Format::MacLoad:
      return bits(word, 24, 20);
    case Format::Field:
    case Format::FieldD:
      return bits(word, 29, 20);
    case Format::Normal:
    case Format::NormalD:
      return bits(word, 29, 25);
    case Format::Sci:
    case Format::SciD:
      return sign_extended(simd_constant(word), 6);
    case Format::SciU:
    case Format::SciUD:
      return simd_constant(word);
    case Format::LoopTo:
    case Format::LoopSetup:
      return 2 * bits(word, 31, 20);
    case Format::Csr:
    case Format::CsrI:
    case Format::LoopCountI:
    case Format::LoopSetupI:
      return bits(word, 31, 20);
    case Format::LPostR:
    case Format::LR:
    case Format::SPostR:
    case Format::SR:
    case Format::R:
    case Format::R1:
    case Format::RD:
    case Format::LoopCount:
    case Format::None:
      return 0;
  }
  return 0;
}

}  // namespace

std::span<const Row> rows() { return kRows; }
const Row& row(Opcode opcode) {
  CHECK(opcode < Opcode::kCount);
  return kRows[static_cast<std::size_t>(opcode)];
}

std::optional<Instruction> decode(Word word) {
  Instruction instruction;
  if (is_compressed(word)) {
    const std::optional<Word> whole = expand(static_cast<std::uint16_t>(word));
    if (!whole) return {};
    word = *whole;
    instruction.bytes = 2;
  }
  for (std::size_t k = 0; k < std::size(kRows); ++k) {
    if ((word & kRows[k].mask) != kRows[k].match) continue;
    instruction.opcode = static_cast<Opcode>(k);
    instruction.rd = static_cast<std::uint8_t>(bits(word, 11, 7));
    instruction.rs1 = static_cast<std::uint8_t>(bits(word, 19, 15));
    instruction.rs2 = static_cast<std::uint8_t>(bits(word, 24, 20));
    instruction.immediate = immediate(kRows[k].format, word);
    return instruction;
  }
  return {};
}

Extension extension_of(Opcode opcode) {
  const Row& of = row(opcode);
  const Word code = of.match & 0x7f, funct3 = bits(of.match, 14, 12);
  constexpr Word kSimd = 0x57, kMacLoad = 0x77;
  const unsigned narrow = funct3 == 2 ? 4 : 2;
  if (code == kMacLoad) return {.bits = funct3 < 2 ? 0 : narrow, .mac_load = true};
  if (code != kSimd || (funct3 != 2 && funct3 != 3)) return {};
  return {.bits = bits(of.match, 25, 25) == 0 ? 4U : 2U};
}

Registers registers(const Instruction& instruction) {
  const Word rd = 1U << instruction.rd, rs1 = 1U << instruction.rs1, rs2 = 1U << instruction.rs2;
  const auto of = [&]() -> Registers {
    switch (row(instruction.opcode).format) {
      case Format::U:
      case Format::J:
      case Format::CsrI:
        return {0, rd};
      case Format::Jr:
      case Format::I:
      case Format::L:
      case Format::Shift:
      case Format::R1:
      case Format::Field:
      case Format::Sci:
      case Format::SciU:
      case Format::Csr:
        return {rs1, rd};
      case Format::FieldD:
      case Format::SciD:
      case Format::SciUD:
        return {rs1 | rd, rd};
      case Format::B:
      case Format::S:
        return {rs1 | rs2, 0};
      case Format::BImm:
      case Format::LoopCount:
      case Format::LoopSetup:
        return {rs1, 0};
      case Format::LPost:
        return {rs1, rd | rs1};
      case Format::MacLoad:
        if (!mac_load_control(instruction.immediate).loads()) return {rd, rd};
        return {rs1 | rd, rd | rs1};
      case Format::LPostR:
        return {rs1 | rs2, rd | rs1};
      case Format::LR:
      case Format::R:
      case Format::Normal:
        return {rs1 | rs2, rd};
      case Format::RD:
      case Format::NormalD:
        return {rs1 | rs2 | rd, rd};
      case Format::SPost:
        return {rs1 | rs2, rs1};
      case Format::SPostR:
        return {rs1 | rs2 | rd, rs1};
      case Format::SR:
        return {rs1 | rs2 | rd, 0};
      case Format::LoopTo:
      case Format::LoopCountI:
      case Format::LoopSetupI:
      case Format::None:
        return {};
    }
    return {};
  }();
  return {of.read & ~1U, of.written & ~1U};
}

Word evaluate(Opcode opcode, [[maybe_unused]] Word a, [[maybe_unused]] Word b,
              [[maybe_unused]] Word d, [[maybe_unused]] Word i) {
  switch (opcode) {
#define ALU(id, text, match, mask, format, unit, result) \
  case Opcode::id:                                       \
    return static_cast<Word>(result);
#define BRANCH(id, text, match, mask, format, condition) \
  case Opcode::id:                                       \
    return (condition) ? 1 : 0;
#define LOAD(...)
#define STORE(...)
#define OTHER(...)
#include "isa/riscv/instructions.inc"
#undef ALU
#undef LOAD
#undef STORE
#undef BRANCH
#undef OTHER
    default:
      break;
  }
  CHECK(false, "{} computes nothing", row(opcode).name);
}

}  // namespace workbench::riscv
