// Instructions of XpulpNN as text for inline assembly, as nn_xpulp.h has those of Xpulpv2: products
// of eight codes of 4 bits (N) and sixteen of 2 (C), and products that load.
#pragma once

#include "nn_xpulp.h"

// The PULP SDK's assembler knows them neither by name nor through .insn.
#if defined(NN_XPULP) && !defined(NN_MNEMONICS)
#define NN_XPULPNN
#endif

// -rs2 - 1 to rs2; 0 to rs2.
#define NN_CLIP_SIGNED(rd, rs1, rs2) ".insn r 0x33, 5, 0x0a, " rd ", " rs1 ", " rs2 "\n"
#define NN_CLIP_UNSIGNED(rd, rs1, rs2) ".insn r 0x33, 6, 0x0a, " rd ", " rs1 ", " rs2 "\n"

#define NN_SDOTUSP_N(rd, rs1, rs2) ".insn r 0x57, 2, 0x54, " rd ", " rs1 ", " rs2 "\n"
#define NN_SDOTSP_N(rd, rs1, rs2) ".insn r 0x57, 2, 0x5c, " rd ", " rs1 ", " rs2 "\n"
#define NN_SDOTUSP_C(rd, rs1, rs2) ".insn r 0x57, 2, 0x55, " rd ", " rs1 ", " rs2 "\n"
#define NN_SDOTSP_C(rd, rs1, rs2) ".insn r 0x57, 2, 0x5d, " rd ", " rs1 ", " rs2 "\n"

// rd += a register of activations (x0, x1) times one of weights (w0 to w3, signed); then one of the
// two may be loaded from rs1, which moves on by a word. `control`: 2 w + x, and 8 to load x, 16 to
// load w.
#define NN_MLSUP_B(rd, rs1, control) ".insn r 0x77, 1, 0x6c, " rd ", " rs1 ", x" control "\n"
#define NN_MLSUP_N(rd, rs1, control) ".insn r 0x77, 2, 0x6c, " rd ", " rs1 ", x" control "\n"
#define NN_MLSUP_C(rd, rs1, control) ".insn r 0x77, 3, 0x6c, " rd ", " rs1 ", x" control "\n"
#define NN_MLSP_B(rd, rs1, control) ".insn r 0x77, 1, 0x7c, " rd ", " rs1 ", x" control "\n"
#define NN_MLSP_N(rd, rs1, control) ".insn r 0x77, 2, 0x7c, " rd ", " rs1 ", x" control "\n"
#define NN_MLSP_C(rd, rs1, control) ".insn r 0x77, 3, 0x7c, " rd ", " rs1 ", x" control "\n"
#define NN_LOAD_W0 "16"  // multiplied by x0
#define NN_LOAD_X1 "9"   // multiplied by w0
#define NN_LOAD_X0_BY_W3 "14"
#define NN_LOAD_X1_BY_W3 "15"
#define NN_LOAD_W0_BY_X1 "17"
#define NN_LOAD_W1_BY_X1 "19"
#define NN_LOAD_W2_BY_X1 "21"
#define NN_LOAD_W3_BY_X1 "23"

// code(instruction) by the form of products: codes of 8, 4, 2 bits, of each those without sign
// first.
#define NN_BY_FORM(form, code, u8, s8, u4, s4, u2, s2) \
  do {                                                 \
    switch (form) {                                    \
      case 0:                                          \
        code(u8);                                      \
        break;                                         \
      case 1:                                          \
        code(s8);                                      \
        break;                                         \
      case 2:                                          \
        code(u4);                                      \
        break;                                         \
      case 3:                                          \
        code(s4);                                      \
        break;                                         \
      case 4:                                          \
        code(u2);                                      \
        break;                                         \
      default:                                         \
        code(s2);                                      \
    }                                                  \
  } while (0)
#define NN_BY_DOT(form, code)                                                            \
  NN_BY_FORM(form, code, NN_SDOTUSP, NN_SDOTSP, NN_SDOTUSP_N, NN_SDOTSP_N, NN_SDOTUSP_C, \
             NN_SDOTSP_C)
#define NN_BY_ML(form, code) \
  NN_BY_FORM(form, code, NN_MLSUP_B, NN_MLSP_B, NN_MLSUP_N, NN_MLSP_N, NN_MLSUP_C, NN_MLSP_C)
