// Instructions of Xpulpv2 (RI5CY, CV32E40P v1) as text for inline assembly: by name with
// NN_MNEMONICS, for the PULP SDK's assembler (binutils 2.28), which has no .insn; else through
// .insn, for an assembler that does not know them. Registers and constants are strings.
#pragma once

#ifdef NN_MNEMONICS
#define NN_ASM(mnemonic, insn) mnemonic "\n"
#else
#define NN_ASM(mnemonic, insn) ".insn " insn "\n"
#endif

// A function of a pointer that is assembly alone. The SDK's gcc 7.1.1 knows no naked functions.
#ifdef NN_MNEMONICS
#define NN_ASM_FUNCTION(name, type, ...)                                                       \
  void name(type* operand);                                                                    \
  __asm__(".pushsection .text." #name ", \"ax\", @progbits\n.balign 4\n.globl " #name          \
          "\n.type " #name ", @function\n" #name ":\n" __VA_ARGS__ ".size " #name ", .-" #name \
          "\n.popsection\n");
#else
#define NN_ASM_FUNCTION(name, type, ...)                             \
  static __attribute__((naked, noinline)) void name(type* operand) { \
    (void)operand;                                                   \
    __asm__ volatile(__VA_ARGS__);                                   \
  }
#endif

// clang-format off
// A form of instruction each: its name, and what of its encoding is its own.
#define NN_ASM_R(name, code, rd, rs1, rs2) \
  NN_ASM(name " " rd ", " rs1 ", " rs2, "r " code ", " rd ", " rs1 ", " rs2)
#define NN_ASM_FIELD(name, funct3, rd, rs1, bits, at) \
  NN_ASM(name " " rd ", " rs1 ", " bits ", " at, \
         "r 0x33, " funct3 ", 0x60+" bits ", " rd ", " rs1 ", x" at)
#define NN_ASM_LOAD(name, funct3, rd, step, rs1) \
  NN_ASM(name " " rd ", " step "(" rs1 "!)", "i 0x0b, " funct3 ", " rd ", " step "(" rs1 ")")
#define NN_ASM_LOAD_BY(name, funct7, rd, step, rs1) \
  NN_ASM(name " " rd ", " step "(" rs1 "!)", "r 0x0b, 7, " funct7 ", " rd ", " rs1 ", " step)
#define NN_ASM_STORE(name, funct3, rs2, step, rs1) \
  NN_ASM(name " " rs2 ", " step "(" rs1 "!)", "s 0x2b, " funct3 ", " rs2 ", " step "(" rs1 ")")
#define NN_ASM_STORE_BY(name, funct3, rs2, step, rs1) \
  NN_ASM(name " " rs2 ", " step "(" rs1 "!)", "r 0x2b, " funct3 ", 0, " step ", " rs1 ", " rs2)

// rd = memory at rs1, which then moves on, by a constant or a register.
#define NN_LW(rd, step, rs1) NN_ASM_LOAD("p.lw", "2", rd, step, rs1)
#define NN_LW_BY(rd, step, rs1) NN_ASM_LOAD_BY("p.lw", "0x10", rd, step, rs1)
#define NN_LB(rd, step, rs1) NN_ASM_LOAD("p.lb", "0", rd, step, rs1)
#define NN_LBU(rd, step, rs1) NN_ASM_LOAD("p.lbu", "4", rd, step, rs1)
#define NN_LB_BY(rd, step, rs1) NN_ASM_LOAD_BY("p.lb", "0x00", rd, step, rs1)
#define NN_LBU_BY(rd, step, rs1) NN_ASM_LOAD_BY("p.lbu", "0x20", rd, step, rs1)
// Memory at rs1, which then moves on, = rs2.
#define NN_SB(rs2, step, rs1) NN_ASM_STORE("p.sb", "0", rs2, step, rs1)
#define NN_SW(rs2, step, rs1) NN_ASM_STORE("p.sw", "2", rs2, step, rs1)
#define NN_SB_BY(rs2, step, rs1) NN_ASM_STORE_BY("p.sb", "4", rs2, step, rs1)
#define NN_SW_BY(rs2, step, rs1) NN_ASM_STORE_BY("p.sw", "6", rs2, step, rs1)

// rd += rs1 * rs2; of four bytes each.
#define NN_MAC(rd, rs1, rs2) NN_ASM_R("p.mac", "0x33, 0, 0x21", rd, rs1, rs2)
#define NN_SDOTUSP(rd, rs1, rs2) NN_ASM_R("pv.sdotusp.b", "0x57, 1, 0x54", rd, rs1, rs2)
#define NN_SDOTSP(rd, rs1, rs2) NN_ASM_R("pv.sdotsp.b", "0x57, 1, 0x5c", rd, rs1, rs2)
// The same without what rd was.
#define NN_DOTUSP(rd, rs1, rs2) NN_ASM_R("pv.dotusp.b", "0x57, 1, 0x44", rd, rs1, rs2)
#define NN_DOTSP(rd, rs1, rs2) NN_ASM_R("pv.dotsp.b", "0x57, 1, 0x4c", rd, rs1, rs2)
#define NN_MIN(rd, rs1, rs2) NN_ASM_R("p.min", "0x33, 4, 0x02", rd, rs1, rs2)
#define NN_MAX(rd, rs1, rs2) NN_ASM_R("p.max", "0x33, 6, 0x02", rd, rs1, rs2)
#define NN_CLIP_U8(rd, rs1) \
  NN_ASM("p.clipu " rd ", " rs1 ", 9", \
         "r 0x33, 2, 0x0a, " rd ", " rs1 ", x9")
#define NN_CLIP_S8(rd, rs1) \
  NN_ASM("p.clip " rd ", " rs1 ", 8", \
         "r 0x33, 1, 0x0a, " rd ", " rs1 ", x8")
// The lower half of rs1; the greater of each two bytes.
#define NN_EXTHZ(rd, rs1) \
  NN_ASM("p.exthz " rd ", " rs1, \
         "r 0x33, 5, 0x08, " rd ", " rs1 ", x0")
#define NN_MAX_S8(rd, rs1, rs2) NN_ASM_R("pv.max.b", "0x57, 1, 0x18", rd, rs1, rs2)
#define NN_MAX_U8(rd, rs1, rs2) NN_ASM_R("pv.maxu.b", "0x57, 1, 0x1c", rd, rs1, rs2)
// Bytes of rs1 and of what rd was, as the bytes of rs2 choose.
#define NN_SHUFFLE2(rd, rs1, rs2) NN_ASM_R("pv.shuffle2.b", "0x57, 1, 0x64", rd, rs1, rs2)
// `bits` and one more of rs1 from bit `at` on, extended; the lowest of rs1 into those of rd.
#define NN_FIELD_4 "3"
#define NN_FIELD_2 "1"
#define NN_EXTRACT(rd, rs1, bits, at) NN_ASM_FIELD("p.extract", "0", rd, rs1, bits, at)
#define NN_EXTRACTU(rd, rs1, bits, at) NN_ASM_FIELD("p.extractu", "1", rd, rs1, bits, at)
#define NN_INSERT(rd, rs1, bits, at) NN_ASM_FIELD("p.insert", "2", rd, rs1, bits, at)
// The field as rs2 says: its first bit, and 32 times its bits but one.
#define NN_EXTRACT_BY(rd, rs1, rs2) NN_ASM_R("p.extractr", "0x33, 0, 0x40", rd, rs1, rs2)
#define NN_EXTRACTU_BY(rd, rs1, rs2) NN_ASM_R("p.extractur", "0x33, 1, 0x40", rd, rs1, rs2)
#define NN_INSERT_BY(rd, rs1, rs2) NN_ASM_R("p.insertr", "0x33, 2, 0x40", rd, rs1, rs2)
// The lowest bytes of rs1 and rs2 to bytes 3 and 2 of rd; to bytes 1 and 0.
#define NN_PACKHI(rd, rs1, rs2) NN_ASM_R("pv.packhi.b", "0x57, 1, 0x6c", rd, rs1, rs2)
#define NN_PACKLO(rd, rs1, rs2) NN_ASM_R("pv.packlo.b", "0x57, 1, 0x70", rd, rs1, rs2)

// The `halfwords` / 2 instructions that follow run `count` times, at least once, the inner loop
// (x0) in the outer one (x1). None of them is compressed.
#define NN_LOOP(level, count, halfwords) \
  ".balign 4\n.option push\n.option norvc\n.option norelax\n" \
  NN_ASM("lp.setup " level ", " count ", .+2*" halfwords, \
         "i 0x7b, 4, " level ", " count ", " halfwords)
// clang-format on
#define NN_END_LOOP ".option pop\n"
