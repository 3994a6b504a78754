// The instructions of 2 bytes (RV32C), each as the one of 4 bytes that it stands for.
#include "isa/riscv/instruction.h"

namespace workbench::riscv {
namespace {

constexpr Word kRa = 1, kSp = 2;

Word r_type(Word match, Word rd, Word rs1, Word rs2) {
  return match | rd << 7 | rs1 << 15 | rs2 << 20;
}
Word i_type(Word match, Word rd, Word rs1, Word immediate) {
  return match | rd << 7 | rs1 << 15 | immediate << 20;
}
Word s_type(Word match, Word rs1, Word rs2, Word immediate) {
  return match | (immediate & 31) << 7 | rs1 << 15 | rs2 << 20 | (immediate >> 5) << 25;
}
Word branch(Word match, Word rs1, Word offset) {
  return match | rs1 << 15 | (offset >> 11 & 1) << 7 | (offset >> 1 & 15) << 8 |
         (offset >> 5 & 63) << 25 | (offset >> 12 & 1) << 31;
}
Word jump(Word rd, Word offset) {
  return 0x6f | rd << 7 | (offset >> 12 & 255) << 12 | (offset >> 11 & 1) << 20 |
         (offset >> 1 & 1023) << 21 | (offset >> 20 & 1) << 31;
}

// One halfword and its fields, named as the manual's chapter on C names them.
struct Halfword {
  Word w;
  Word bit(unsigned at) const { return w >> at & 1; }
  Word field(unsigned high, unsigned low) const { return w >> low & ~0U >> (31 - (high - low)); }
  Word rd() const { return field(11, 7); }
  Word rs2() const { return field(6, 2); }
  Word rd_low() const { return 8 + field(4, 2); }
  Word rs1_low() const { return 8 + field(9, 7); }
  Word constant() const { return sign_extended(bit(12) << 5 | field(6, 2), 6); }
  Word shift() const { return bit(12) << 5 | field(6, 2); }
  Word word_offset() const { return field(12, 10) << 3 | bit(6) << 2 | bit(5) << 6; }
  Word branch_offset() const {
    return sign_extended(
        bit(12) << 8 | field(11, 10) << 3 | field(6, 5) << 6 | field(4, 3) << 1 | bit(2) << 5, 9);
  }
  Word jump_offset() const {
    return sign_extended(bit(12) << 11 | bit(11) << 4 | field(10, 9) << 8 | bit(8) << 10 |
                             bit(7) << 6 | bit(6) << 7 | field(5, 3) << 1 | bit(2) << 5,
                         12);
  }
};

std::optional<Word> quadrant_0(Halfword c) {
  switch (c.field(15, 13)) {
    case 0: {  // c.addi4spn
      const Word offset =
          c.field(12, 11) << 4 | c.field(10, 7) << 6 | c.bit(6) << 2 | c.bit(5) << 3;
      if (offset == 0) return {};
      return i_type(0x13, c.rd_low(), kSp, offset);
    }
    case 2:  // c.lw
      return i_type(0x2003, c.rd_low(), c.rs1_low(), c.word_offset());
    case 6:  // c.sw
      return s_type(0x2023, c.rs1_low(), c.rd_low(), c.word_offset());
    default:
      return {};
  }
}

std::optional<Word> arithmetic(Halfword c) {
  const Word rd = c.rs1_low();
  switch (c.field(11, 10)) {
    case 0:
    case 1:  // c.srli, c.srai; a shift of 32 and more is none of RV32
      if (c.shift() > 31) return {};
      return r_type(c.field(11, 10) == 0 ? 0x5013 : 0x40005013, rd, rd, c.shift());
    case 2:  // c.andi
      return i_type(0x7013, rd, rd, c.constant());
    default:
      break;
  }
  if (c.bit(12) != 0) return {};
  constexpr Word kMatch[] = {0x40000033, 0x4033, 0x6033, 0x7033};  // sub, xor, or, and
  return r_type(kMatch[c.field(6, 5)], rd, rd, c.rd_low());
}

std::optional<Word> quadrant_1(Halfword c) {
  switch (c.field(15, 13)) {
    case 0:  // c.addi
      return i_type(0x13, c.rd(), c.rd(), c.constant());
    case 1:  // c.jal
      return jump(kRa, c.jump_offset());
    case 2:  // c.li
      return i_type(0x13, c.rd(), 0, c.constant());
    case 3:
      if (c.constant() == 0) return {};
      if (c.rd() == kSp) {  // c.addi16sp
        const Word offset = sign_extended(
            c.bit(12) << 9 | c.bit(6) << 4 | c.bit(5) << 6 | c.field(4, 3) << 7 | c.bit(2) << 5,
            10);
        return i_type(0x13, kSp, kSp, offset);
      }
      return 0x37 | c.rd() << 7 | c.constant() << 12;  // c.lui
    case 4:
      return arithmetic(c);
    case 5:  // c.j
      return jump(0, c.jump_offset());
    case 6:  // c.beqz
      return branch(0x0063, c.rs1_low(), c.branch_offset());
    default:  // c.bnez
      return branch(0x1063, c.rs1_low(), c.branch_offset());
  }
}

std::optional<Word> quadrant_2(Halfword c) {
  switch (c.field(15, 13)) {
    case 0:  // c.slli
      if (c.shift() > 31) return {};
      return r_type(0x1013, c.rd(), c.rd(), c.shift());
    case 2:  // c.lwsp
      if (c.rd() == 0) return {};
      return i_type(0x2003, c.rd(), kSp, c.bit(12) << 5 | c.field(6, 4) << 2 | c.field(3, 2) << 6);
    case 4:
      if (c.rs2() == 0) {
        if (c.rd() == 0) return c.bit(12) != 0 ? std::optional<Word>(0x00100073) : std::nullopt;
        return i_type(0x67, c.bit(12) != 0 ? kRa : 0, c.rd(), 0);  // c.jalr, c.jr
      }
      return r_type(0x33, c.rd(), c.bit(12) != 0 ? c.rd() : 0, c.rs2());  // c.add, c.mv
    case 6:                                                               // c.swsp
      return s_type(0x2023, kSp, c.rs2(), c.field(12, 9) << 2 | c.field(8, 7) << 6);
    default:
      return {};
  }
}

}  // namespace

std::optional<Word> expand(std::uint16_t compressed) {
  const Halfword c{compressed};
  switch (c.field(1, 0)) {
    case 0:
      return quadrant_0(c);
    case 1:
      return quadrant_1(c);
    case 2:
      return quadrant_2(c);
    default:
      return {};
  }
}

}  // namespace workbench::riscv
