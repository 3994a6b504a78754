// The instructions of the cores: decoder, disassembler and what each computes, against words that
// the PULP toolchain made and against an implementation that shares nothing.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "isa/riscv/instruction.h"
#include "tests/reference/xpulp.h"

namespace workbench::riscv {
namespace {

std::string text_of(Word word, Word address = 0) {
  const auto instruction = decode(word);
  return instruction ? disassemble(*instruction, address) : "none";
}

// Words and texts of objdump of the PULP toolchain (docs/facts/riscv.md 1).
TEST(RiscvInstructions, words_of_the_pulp_toolchain_are_read) {
  EXPECT_EQ(text_of(0x0263c07b, 0x1c0090cc), "lp.setup x0,t2,0x1c009118");
  EXPECT_EQ(text_of(0x01b640fb, 0x1c0090de), "lp.setup x1,a2,0x1c009114");
  EXPECT_EQ(text_of(0x400650fb, 0x1c009130), "lp.setupi x1,1024,0x1c009148");
  EXPECT_EQ(text_of(0x04f46633), "p.max a2,s0,a5");
  EXPECT_EQ(text_of(0x216e770b), "p.lw a4,s6(t3!)");
  EXPECT_EQ(text_of(0xe877fbd7), "pv.shufflei1.sci.b s7,a5,14");
  EXPECT_EQ(text_of(0xc9f71357), "pv.shuffle2.b t1,a4,t6");
  EXPECT_EQ(text_of(0x00d8222b), "p.sw a3,4(a6!)");
  EXPECT_EQ(text_of(0xa8c59557), "pv.sdotusp.b a0,a1,a2");
  EXPECT_EQ(text_of(0xb8c59557), "pv.sdotsp.b a0,a1,a2");
  EXPECT_EQ(text_of(0x0045a50b), "p.lw a0,4(a1!)");
  EXPECT_EQ(text_of(0x14539eb3), "p.clip t4,t2,5");
  // Which the toolchain writes pv.smlsdotsup.b and pv.smlsdotup.h.
  EXPECT_EQ(text_of(0xd80693f7), "pv.mlsdotsup.b t2,a3,0");
  EXPECT_EQ(text_of(0xe1068077), "pv.mlsdotup.h zero,a3,16");
}

// From objdump of Debian's toolchain, with -M no-aliases,numeric put into the names used here.
TEST(RiscvInstructions, compressed_instructions_are_those_they_stand_for) {
  EXPECT_EQ(text_of(0x4a09), "addi s4,zero,2");           // c.li s4,2
  EXPECT_EQ(text_of(0x82aa), "add t0,zero,a0");           // c.mv t0,a0
  EXPECT_EQ(text_of(0x1afd), "addi s5,s5,-1");            // c.addi s5,-1
  EXPECT_EQ(text_of(0x8405), "srai s0,s0,1");             // c.srai s0,1
  EXPECT_EQ(text_of(0x0a06), "slli s4,s4,1");             // c.slli s4,1
  EXPECT_EQ(text_of(0x92ca), "add t0,t0,s2");             // c.add t0,s2
  EXPECT_EQ(text_of(0x8082), "jalr zero,0(ra)");          // ret
  EXPECT_EQ(text_of(0x1141), "addi sp,sp,-16");           // c.addi sp,-16
  EXPECT_EQ(text_of(0xc606), "sw ra,12(sp)");             // c.swsp ra,12(sp)
  EXPECT_EQ(text_of(0x40b2), "lw ra,12(sp)");             // c.lwsp ra,12(sp)
  EXPECT_EQ(text_of(0x0808), "addi a0,sp,16");            // c.addi4spn a0,sp,16
  EXPECT_EQ(text_of(0x4188), "lw a0,0(a1)");              // c.lw a0,0(a1)
  EXPECT_EQ(text_of(0xa001, 0x1000), "jal zero,0x1000");  // c.j .
  EXPECT_EQ(text_of(0x0000), "none");
}

TEST(RiscvInstructions, no_word_is_two_instructions) {
  // The first row that fits is taken; no later one may claim the same word unless it is less
  // specific.
  for (std::size_t a = 0; a < rows().size(); ++a) {
    for (std::size_t b = a + 1; b < rows().size(); ++b) {
      const Row &x = rows()[a], &y = rows()[b];
      EXPECT_NE((x.match ^ y.match) & x.mask & y.mask, 0U) << x.name << " and " << y.name;
    }
  }
}

// Operands where signs, lanes and bounds turn.
Word operand(std::mt19937_64& random) {
  constexpr Word kCorners[] = {0,          1,          0xffffffff, 0x80000000, 0x7fffffff,
                               0x80808080, 0x7f7f7f7f, 0x80008000, 0x7fff7fff, 0xff00ff00,
                               0x00010001, 31,         32,         0x01020304};
  if (random() % 3 == 0) return kCorners[random() % std::size(kCorners)];
  return static_cast<Word>(random() >> random() % 32);
}

TEST(RiscvInstructions, results_are_those_of_an_independent_implementation) {
  std::mt19937_64 random(1);
  std::set<std::string_view> compared;
  for (const Row& row : rows()) {
    const std::string_view name = row.name;
    if (row.unit != Unit::Alu || (name.substr(0, 2) != "p." && name.substr(0, 3) != "pv."))
      continue;
    for (int trial = 0; trial < 300; ++trial) {
      const Word word = row.match | (static_cast<Word>(random()) & ~row.mask);
      const Word a = operand(random), b = operand(random), d = operand(random);
      const auto instruction = decode(word);
      ASSERT_TRUE(instruction);
      const auto expected = reference::xpulp(word, a, b, d);
      ASSERT_TRUE(expected) << name;
      const Word found = evaluate(instruction->opcode, a, b, d, instruction->immediate);
      ASSERT_EQ(found, *expected) << text_of(word) << std::hex << " of 0x" << a << ", 0x" << b
                                  << ", 0x" << d;
    }
    compared.insert(name);
  }
  EXPECT_GT(compared.size(), 200U);
}

// 64-bit arithmetic of the host, by the manual's words.
TEST(RiscvInstructions, multiplications_and_divisions_are_the_manuals) {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 2000; ++trial) {
    const Word a = operand(random), b = operand(random);
    const std::int64_t x = as_signed(a), y = as_signed(b);
    const auto of = [&](Opcode opcode) { return evaluate(opcode, a, b, 0, 0); };
    EXPECT_EQ(of(Opcode::mulh), static_cast<Word>(x * y >> 32));
    EXPECT_EQ(of(Opcode::mulhsu), static_cast<Word>(x * static_cast<std::int64_t>(b) >> 32));
    EXPECT_EQ(of(Opcode::div), b == 0 ? 0xffffffff : static_cast<Word>(x / y));
    EXPECT_EQ(of(Opcode::rem), b == 0 ? a : static_cast<Word>(x % y));
    EXPECT_EQ(of(Opcode::divu), b == 0 ? 0xffffffff : a / b);
    EXPECT_EQ(of(Opcode::remu), b == 0 ? a : a % b);
  }
}

TEST(RiscvInstructions, any_word_is_read_or_refused) {
  std::mt19937_64 random(3);
  int known = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    const auto word = static_cast<Word>(random());
    if (const auto instruction = decode(word)) {
      ++known;
      EXPECT_FALSE(disassemble(*instruction, word).empty());
      EXPECT_EQ(registers(*instruction).written & 1, 0U);
    }
  }
  EXPECT_GT(known, 5000);
}

}  // namespace
}  // namespace workbench::riscv
