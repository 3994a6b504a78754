// Instructions of Xpulpv2 (RI5CY, CV32E40P v1) as text for inline assembly, through .insn, so that
// an assembler which does not know them will do. Registers and constants are strings.
#pragma once

// clang-format off
// rd = memory at rs1, which then moves on, by a constant or a register.
#define NN_LW(rd, step, rs1) ".insn i 0x0b, 2, " rd ", " step "(" rs1 ")\n"
#define NN_LW_BY(rd, step, rs1) ".insn r 0x0b, 7, 0x10, " rd ", " rs1 ", " step "\n"
#define NN_LB(rd, step, rs1) ".insn i 0x0b, 0, " rd ", " step "(" rs1 ")\n"
#define NN_LBU(rd, step, rs1) ".insn i 0x0b, 4, " rd ", " step "(" rs1 ")\n"
#define NN_LB_BY(rd, step, rs1) ".insn r 0x0b, 7, 0x00, " rd ", " rs1 ", " step "\n"
#define NN_LBU_BY(rd, step, rs1) ".insn r 0x0b, 7, 0x20, " rd ", " rs1 ", " step "\n"
// Memory at rs1, which then moves on, = rs2.
#define NN_SB(rs2, step, rs1) ".insn s 0x2b, 0, " rs2 ", " step "(" rs1 ")\n"
#define NN_SW(rs2, step, rs1) ".insn s 0x2b, 2, " rs2 ", " step "(" rs1 ")\n"
#define NN_SB_BY(rs2, step, rs1) ".insn r 0x2b, 4, 0, " step ", " rs1 ", " rs2 "\n"
#define NN_SW_BY(rs2, step, rs1) ".insn r 0x2b, 6, 0, " step ", " rs1 ", " rs2 "\n"

// rd += rs1 * rs2; of four bytes each.
#define NN_MAC(rd, rs1, rs2) ".insn r 0x33, 0, 0x21, " rd ", " rs1 ", " rs2 "\n"
#define NN_SDOTUSP(rd, rs1, rs2) ".insn r 0x57, 1, 0x54, " rd ", " rs1 ", " rs2 "\n"
#define NN_SDOTSP(rd, rs1, rs2) ".insn r 0x57, 1, 0x5c, " rd ", " rs1 ", " rs2 "\n"
// The same without what rd was.
#define NN_DOTUSP(rd, rs1, rs2) ".insn r 0x57, 1, 0x44, " rd ", " rs1 ", " rs2 "\n"
#define NN_DOTSP(rd, rs1, rs2) ".insn r 0x57, 1, 0x4c, " rd ", " rs1 ", " rs2 "\n"
#define NN_MIN(rd, rs1, rs2) ".insn r 0x33, 4, 0x02, " rd ", " rs1 ", " rs2 "\n"
#define NN_MAX(rd, rs1, rs2) ".insn r 0x33, 6, 0x02, " rd ", " rs1 ", " rs2 "\n"
#define NN_CLIP_U8(rd, rs1) ".insn r 0x33, 2, 0x0a, " rd ", " rs1 ", x9\n"
#define NN_CLIP_S8(rd, rs1) ".insn r 0x33, 1, 0x0a, " rd ", " rs1 ", x8\n"
// Bytes of rs1 and of what rd was, as the bytes of rs2 choose.
#define NN_SHUFFLE2(rd, rs1, rs2) ".insn r 0x57, 1, 0x64, " rd ", " rs1 ", " rs2 "\n"
// `bits` of rs1 from bit `at` on, extended; the lowest of rs1 into those of rd. `at` is a register
// of that number.
#define NN_FIELD_4 "0x63"
#define NN_FIELD_2 "0x61"
#define NN_EXTRACT(rd, rs1, bits, at) ".insn r 0x33, 0, " bits ", " rd ", " rs1 ", " at "\n"
#define NN_EXTRACTU(rd, rs1, bits, at) ".insn r 0x33, 1, " bits ", " rd ", " rs1 ", " at "\n"
#define NN_INSERT(rd, rs1, bits, at) ".insn r 0x33, 2, " bits ", " rd ", " rs1 ", " at "\n"
// The field as rs2 says: its first bit, and 32 times its bits but one.
#define NN_EXTRACT_BY(rd, rs1, rs2) ".insn r 0x33, 0, 0x40, " rd ", " rs1 ", " rs2 "\n"
#define NN_EXTRACTU_BY(rd, rs1, rs2) ".insn r 0x33, 1, 0x40, " rd ", " rs1 ", " rs2 "\n"
#define NN_INSERT_BY(rd, rs1, rs2) ".insn r 0x33, 2, 0x40, " rd ", " rs1 ", " rs2 "\n"
// The lowest bytes of rs1 and rs2 to bytes 3 and 2 of rd; to bytes 1 and 0.
#define NN_PACKHI(rd, rs1, rs2) ".insn r 0x57, 1, 0x6c, " rd ", " rs1 ", " rs2 "\n"
#define NN_PACKLO(rd, rs1, rs2) ".insn r 0x57, 1, 0x70, " rd ", " rs1 ", " rs2 "\n"

// The `halfwords` / 2 instructions that follow run `count` times, at least once, the inner loop
// (x0) in the outer one (x1). None of them is compressed.
#define NN_LOOP(level, count, halfwords) \
  ".balign 4\n.option push\n.option norvc\n.option norelax\n" \
  ".insn i 0x7b, 4, " level ", " count ", " halfwords "\n"
// clang-format on
#define NN_END_LOOP ".option pop\n"
