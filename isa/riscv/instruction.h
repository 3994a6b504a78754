// Instructions of the cores: RV32IMC, Xpulpv2 as RI5CY has it and XpulpNN, described once in
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
  MacLoad,     // the immediate chooses registers, and which of them is loaded
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
  MacLoad,
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

// What a core needs beyond Xpulpv2 for it: SIMD on codes of so many bits (0: none), mac-load.
struct Extension {
  unsigned bits = 0;
  bool mac_load = false;
};
Extension extension_of(Opcode opcode);

// The immediate of a mac-load: registers of weights and of activations, and which of both it loads
// from rs1; with both bits set, the activations (docs/facts/riscv.md 4).
struct MacLoadControl {
  unsigned weights = 0, activations = 0;
  bool loads_weights = false, loads_activations = false;
  bool loads() const { return loads_weights || loads_activations; }
};
constexpr MacLoadControl mac_load_control(Word immediate) {
  const bool activations = (immediate & 8) != 0;
  return {immediate >> 1 & 3, immediate & 1, !activations && (immediate & 16) != 0, activations};
}

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
