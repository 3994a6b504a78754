// Kernels that take code by code: additions and requantizations, pixels over cores.
#include "nn_core.h"

typedef struct {
  int32_t multiplier, offset, shift;
} nn_affine_t;

static int32_t nn_apply(nn_affine_t by, int32_t value) {
  return nn_mac(by.offset, by.multiplier, value) >> by.shift;
}

static void nn_add_pixel(const nn_call_t* call, int32_t pixel) {
  const nn_affine_t of_a = {call->multiplier1, call->offset1, call->shift1};
  const nn_affine_t of_b = {call->multiplier2, call->offset2, call->shift2};
  const nn_affine_t of_sum = {call->multiplier, call->offset, call->shift};
  const int32_t bytes = nn_packed(call->in_c, call->in_bits);
  const uint8_t *first = call->in + pixel * bytes, *second = call->in2 + pixel * bytes;
  uint8_t* out = call->out + pixel * nn_packed(call->out_c, call->out_bits);
  for (int32_t c = 0; c < call->out_c; ++c) {
    int32_t a = nn_apply(of_a, nn_code(first, c, call->in_bits, call->in_signed));
    int32_t b = nn_apply(of_b, nn_code(second, c, call->in_bits, call->in2_signed));
    if (call->clip_operands) {
      a = nn_clip(a, call->out_bits, call->out_signed);
      b = nn_clip(b, call->out_bits, call->out_signed);
    }
    const int32_t sum = nn_apply(of_sum, (int32_t)((uint32_t)a + (uint32_t)b));
    if (call->out_bits == 32) {
      nn_put_word(out + 4 * c, (uint32_t)sum);
    } else {
      nn_put_code(out, c, call->out_bits, nn_clip(sum, call->out_bits, call->out_signed));
    }
  }
}

static void nn_requantize_pixel(const nn_call_t* call, int32_t pixel) {
  const uint8_t* in = call->in + pixel * nn_packed(call->in_c, call->in_bits);
  for (int32_t c = 0; c < call->out_c; ++c) {
    const int32_t value = call->in_bits == 32 ? (int32_t)nn_word(in + 4 * c)
                                              : nn_code(in, c, call->in_bits, call->in_signed);
    nn_finish(call, value, pixel, c);
  }
}

#ifdef NN_XPULP
// clang-format off
// n codes of 8 bits; a factor, a term and a shift of each operand and of their sum.
#define NN_ADD_LOOP(halfwords, text)                                                             \
  __asm__ volatile(NN_LOOP("x0", "%[n]", halfwords) text NN_END_LOOP                             \
                   : [a] "+r"(a), [b] "+r"(b), [out] "+r"(out)                                   \
                   : [m1] "r"(call->multiplier1), [o1] "r"(call->offset1),                       \
                     [s1] "r"(call->shift1), [m2] "r"(call->multiplier2),                        \
                     [o2] "r"(call->offset2), [s2] "r"(call->shift2),                            \
                     [m] "r"(call->multiplier), [o] "r"(call->offset), [s] "r"(call->shift),     \
                     [n] "r"(n)                                                                  \
                   : "memory", "t0", "t1", "t2", "t3")
#define NN_ADD_LOADS(load, load_b) load("t0", "1", "%[a]") load_b("t1", "1", "%[b]")
#define NN_ADD_OPERAND(to, x, m, o, s) "mv " to ", " o "\n" NN_MAC(to, x, m) "sra " to ", " to ", " s "\n"
#define NN_ADD_OPERANDS \
  NN_ADD_OPERAND("t2", "t0", "%[m1]", "%[o1]", "%[s1]")
#define NN_ADD_SECOND NN_ADD_OPERAND("t3", "t1", "%[m2]", "%[o2]", "%[s2]")
#define NN_ADD_SUM(clip)                                                                         \
  "add t2, t2, t3\n" NN_ADD_OPERAND("t3", "t2", "%[m]", "%[o]", "%[s]") clip("t3", "t3")         \
  NN_SB("t3", "1", "%[out]")
#define NN_ADD_ANY(load, load_b, clip) \
  NN_ADD_LOOP("28", NN_ADD_LOADS(load, load_b) NN_ADD_OPERANDS NN_ADD_SECOND NN_ADD_SUM(clip))
#define NN_ADD_CLIPPED(load, clip)                                                               \
  NN_ADD_LOOP("32", NN_ADD_LOADS(load, load) NN_ADD_OPERANDS clip("t2", "t2") NN_ADD_SECOND            \
                        clip("t3", "t3") NN_ADD_SUM(clip))
// No terms, and no shift but the sum's.
#define NN_ADD_PLAIN(load, clip)                                                                 \
  NN_ADD_LOOP("14", NN_ADD_LOADS(load, load) "mul t2, t0, %[m1]\n" NN_MAC("t2", "t1", "%[m2]")         \
                        "sra t2, t2, %[s]\n" clip("t2", "t2") NN_SB("t2", "1", "%[out]"))
// As PULP-NN's loop: the sum is cut to 16 bits, the result to 8.
#define NN_ADD_LIBRARY                                                                           \
  NN_ADD_LOOP("20", NN_ADD_LOADS(NN_LBU, NN_LBU) "mul t1, t1, %[m2]\nmul t0, t0, %[m1]\n"               \
                        "add t0, t0, t1\nsrl t0, t0, %[s]\n.insn r 0x33, 5, 0x08, t0, t0, x0\n"  \
                        NN_CLIP_U8("t0", "t0") "andi t0, t0, 255\n" NN_SB("t0", "1", "%[out]"))
// clang-format on

static int nn_adds_plainly(const nn_call_t* c) {
  return (c->offset1 | c->shift1 | c->offset2 | c->shift2 | c->offset | c->clip_operands) == 0 &&
         c->multiplier == 1;
}

static int nn_adds_as_library(const nn_call_t* c) {
  const uint32_t m1 = (uint32_t)c->multiplier1, m2 = (uint32_t)c->multiplier2;
  return m1 < 32768 && m2 < 32768 && (255 * (m1 + m2)) >> c->shift < 65536;
}

static void nn_add_bytes(const nn_call_t* call, int32_t begin, int32_t n) {
  const uint8_t *a = call->in + begin, *b = call->in2 + begin;
  uint8_t* out = call->out + begin;
  if (n <= 0) return;
  const int signs =
      (call->in_signed ? 4 : 0) + (call->in2_signed ? 2 : 0) + (call->out_signed ? 1 : 0);
  if (nn_adds_plainly(call) && (signs == 0 || signs == 7)) {
    if (signs == 7) {
      NN_ADD_PLAIN(NN_LB, NN_CLIP_S8);
    } else if (nn_adds_as_library(call)) {
      NN_ADD_LIBRARY;
    } else {
      NN_ADD_PLAIN(NN_LBU, NN_CLIP_U8);
    }
    return;
  }
  if (call->clip_operands) {
    if (signs == 7) {
      NN_ADD_CLIPPED(NN_LB, NN_CLIP_S8);
    } else {
      NN_ADD_CLIPPED(NN_LBU, NN_CLIP_U8);
    }
    return;
  }
  switch (signs) {
    case 0:
      NN_ADD_ANY(NN_LBU, NN_LBU, NN_CLIP_U8);
      break;
    case 1:
      NN_ADD_ANY(NN_LBU, NN_LBU, NN_CLIP_S8);
      break;
    case 2:
      NN_ADD_ANY(NN_LBU, NN_LB, NN_CLIP_U8);
      break;
    case 3:
      NN_ADD_ANY(NN_LBU, NN_LB, NN_CLIP_S8);
      break;
    case 4:
      NN_ADD_ANY(NN_LB, NN_LBU, NN_CLIP_U8);
      break;
    case 5:
      NN_ADD_ANY(NN_LB, NN_LBU, NN_CLIP_S8);
      break;
    case 6:
      NN_ADD_ANY(NN_LB, NN_LB, NN_CLIP_U8);
      break;
    default:
      NN_ADD_ANY(NN_LB, NN_LB, NN_CLIP_S8);
      break;
  }
}

// Operands of one sign are what is clipped where they are.
static int nn_adds_bytes(const nn_call_t* c) {
  const int one_sign = !c->in_signed == !c->in2_signed && !c->in_signed == !c->out_signed;
  return c->in_bits == 8 && c->out_bits == 8 && (c->clip_operands == 0 || one_sign);
}
#endif

static void nn_each_pixel(const nn_call_t* call, void (*run)(const nn_call_t*, int32_t)) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) {
    const nn_share_t pixels = nn_share(call->out_h * call->out_w, 1, cores, core);
    for (int32_t pixel = pixels.begin; pixel < pixels.end; ++pixel) run(call, pixel);
  }
  pi_cl_team_barrier();
}

static void nn_add_rows(const nn_call_t* call, nn_share_t rows) {
#ifdef NN_XPULP
  const int32_t row = call->in_w * call->in_c;
  if (nn_adds_bytes(call)) {
    nn_add_bytes(call, rows.begin * row, (rows.end - rows.begin) * row);
    return;
  }
#endif
  for (int32_t i = rows.begin * call->in_w; i < rows.end * call->in_w; ++i) nn_add_pixel(call, i);
}

void nn_add(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) nn_add_rows(call, nn_rows_of(call->in_h, cores, core, 0));
  pi_cl_team_barrier();
}
void nn_requantize(const nn_call_t* call) { nn_each_pixel(call, nn_requantize_pixel); }
