// Instructions of the cores: RV32IMC and Xpulpv2 as RI5CY has it, described once in
// instructions.inc. Decoder, disassembler, model of the cores and documentation read the rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "isa/riscv/semantics.h"

namespace workbench::riscv {

enum class Opcode : std::uint16_t {
#define ALU(id, ...) id,
#define LOAD(id, ...) id,
#define STORE(id, ...) id,
#define BRANCH(id, ...) id,
#define OTHER(id, ...) id,
#include "isa/riscv/instructions.inc"
#undef ALU
#undef LOAD
#undef STORE
#undef BRANCH
#undef OTHER
  kCount
};

// Where the operands are. The immediate: of U, J, B, I, L, S and the loops in bytes; of Shift, Sci
// and Normal as it stands; of Field (width - 1) * 32 + offset; of Csr the register's number.
enum class Format : std::uint8_t {
  U,
  J,
  Jr,
  B,
  BImm,  // rs2: a 5-bit constant with sign
  L,
  LPost,
  LPostR,
  LR,
  S,
  SPost,
  SPostR,  // rd: the register that is added
  SR,
  I,
  Shift,
  R,
  R1,
  RD,  // rd is read, too: of the last letter D in all formats
  Field,
  FieldD,
  Normal,
  NormalD,
  Sci,
  SciU,
  SciD,
  SciUD,
  Csr,
  CsrI,  // rs1: a 5-bit constant
  LoopTo,
  LoopCount,
  LoopCountI,
  LoopSetup,
  LoopSetupI,  // rs1: half of the offset of the end
  None
};

// What executes it, which decides its cycles.
enum class Unit : std::uint8_t {
  Alu,
  Multiply,
  MultiplyHigh,
  Divide,
  Pc,
  Load,
  Store,
  EventLoad,
  Branch,
  Jump,
  JumpRegister,
  HardwareLoop,
  Csr,
  System,
  Nothing
};

struct Row {
  std::string_view name;
  Word match = 0, mask = 0;
  Format format = Format::None;
  Unit unit = Unit::Nothing;
};
std::span<const Row> rows();  // by Opcode
const Row& row(Opcode opcode);

struct Instruction {
  Opcode opcode = Opcode::kCount;
  std::uint8_t rd = 0, rs1 = 0, rs2 = 0;
  std::uint8_t bytes = 4;
  Word immediate = 0;
};

// Of the word that begins with the two bytes of a compressed instruction, or of all four; nothing:
// there is no such instruction.
std::optional<Instruction> decode(Word word);
// The instruction of 4 bytes that 2 stand for; nothing: none.
std::optional<Word> expand(std::uint16_t compressed);
inline bool is_compressed(Word word) { return (word & 3) != 3; }

// Registers by bit; rd of a store with increment is a source.
struct Registers {
  Word read = 0, written = 0;
};
Registers registers(const Instruction& instruction);

// As binutils writes it, targets as addresses: "p.lw a4,s6(t3!)".
std::string disassemble(const Instruction& instruction, Word address);
std::string_view register_name(unsigned number);

// Of rows ALU and BRANCH.
Word evaluate(Opcode opcode, Word a, Word b, Word d, Word i);

}  // namespace workbench::riscv
