// Matrix products of codes of 4 or 2 bits that stay packed, by SIMD of XpulpNN, and products that
// load the next operands (mac-load), of codes of 8 bits as well. Columns are as wide as the weights,
// to which narrower codes are widened; a column and the weights of a channel have as many bytes.
#include "nn_mixed.h"
#include "nn_xpulpnn.h"

typedef struct {
  const nn_call_t* call;
  nn_share_t rows, columns, channels;
  int32_t bytes;  // of a column, and of a channel's weights
  int32_t pitch;  // from a column to the next
  int32_t form;   // of the products
  int32_t group;  // columns multiplied at once
  int32_t by_rows, loads;
} nn_packed_work_t;

// Widening. Codes side by side are spread, a few at a time, and signs repeated.
static uint32_t nn_spread(uint32_t codes, int32_t from_bits, int32_t to_bits, int is_signed) {
  if (from_bits == 2 && to_bits == 8) {
    codes = (codes | codes << 12) & 0x000f000f;
    codes = (codes | codes << 6) & 0x03030303;
    return is_signed ? codes | (codes & 0x02020202) * 0x7e : codes;
  }
  codes = (codes | codes << 8) & 0x00ff00ff;
  codes = (codes | codes << 4) & 0x0f0f0f0f;
  if (to_bits == 8) return is_signed ? codes | (codes & 0x08080808) * 0x1e : codes;
  codes = (codes | codes << 2) & 0x33333333;
  return is_signed ? codes | (codes & 0x22222222) * 6 : codes;
}

static NN_SMALL void nn_widen(const nn_call_t* call, const uint8_t* from, int32_t codes,
                              uint8_t* to) {
  const int32_t in_bits = call->in_bits, bits = call->weight_bits;
  const int32_t step = bits == 8 ? in_bits >> 1 : 2;  // of the input, for four bytes
  const int32_t bytes = nn_packed(codes, bits);
  int32_t done = 0;
#ifdef NN_MIXED
  if (bits == 8) {
    nn_unpack_codes(from, to, codes, in_bits, call->in_signed);
    return;
  }
#endif
  for (; done + 4 <= bytes; done += 4, from += step) {
    const uint32_t few = step == 1 ? from[0] : from[0] | (uint32_t)from[1] << 8;
    nn_put_word(to + done, nn_spread(few, in_bits, bits, call->in_signed));
  }
  const int32_t left = codes - done * 8 / bits;
  for (int32_t i = 0; i < left; ++i) {
    nn_put_code(to + done, i, bits, nn_code(from, i, in_bits, call->in_signed));
  }
}

static void nn_take(const nn_call_t* call, const uint8_t* from, int32_t codes, uint8_t** to) {
  const int32_t bytes = nn_packed(codes, call->weight_bits);
  if (call->in_bits == call->weight_bits) {
    const uint8_t* f = from;
    nn_copy(to, &f, bytes);
  } else {
    nn_widen(call, from, codes, *to);
    *to += bytes;
  }
}

// The window of a pixel: row by row where it lies inside the map, else tap by tap.
static __attribute__((noinline)) void nn_packed_column(const nn_call_t* call, int32_t y, int32_t x,
                                                       uint8_t* to) {
  const int32_t pixel = nn_packed(call->in_c, call->in_bits), row = call->in_w * pixel;
  const int32_t in_y = y * call->stride_y - call->pad_top;
  const int32_t in_x = x * call->stride_x - call->pad_left;
  const int inside = in_y >= 0 && in_x >= 0 && in_y + call->kernel_h <= call->in_h &&
                     in_x + call->kernel_w <= call->in_w;
  const uint8_t* line = call->in + in_y * row + in_x * pixel;
  if (inside && (call->dilation_x | call->dilation_y) == 1) {
    const int32_t codes = call->kernel_w * call->in_c;
    for (int32_t ky = call->kernel_h; ky > 0; --ky, line += row) nn_take(call, line, codes, &to);
    return;
  }
  const int32_t tap = nn_packed(call->in_c, call->weight_bits), next = call->dilation_x * pixel;
  for (int32_t ky = 0; ky < call->kernel_h; ++ky, line += call->dilation_y * row) {
    const int in_map = (uint32_t)(in_y + ky * call->dilation_y) < (uint32_t)call->in_h;
    const uint8_t* from = line;
    for (int32_t kx = 0; kx < call->kernel_w; ++kx, from += next) {
      if (in_map && (uint32_t)(in_x + kx * call->dilation_x) < (uint32_t)call->in_w) {
        nn_take(call, from, call->in_c, &to);
      } else {
        nn_clear(&to, tap);
      }
    }
  }
}

// Results of four channels of a pixel, which begin at a byte, four codes at once.
typedef struct {
  const uint8_t *kappa, *lambda;
  int32_t step;  // from a channel's kappa to the next
  int32_t shift, bits, high, is_signed;
  nn_form_t form;  // NN_FORM_OTHER: accumulators
} nn_codes_t;

static nn_codes_t nn_codes_of(const nn_call_t* call) {
  const int32_t bits = call->out_bits, is_signed = call->out_signed;
  nn_codes_t codes = {.kappa = (const uint8_t*)&call->multiplier,
                      .lambda = (const uint8_t*)&call->offset,
                      .shift = call->shift,
                      .bits = bits,
                      .high = (int32_t)(UINT32_MAX >> (32 - bits + is_signed)),
                      .is_signed = is_signed,
                      .form = NN_FORM_PLAIN};
  if (nn_words_out(call)) {
    codes.form = NN_FORM_OTHER;
  } else if (call->norm) {
    codes.kappa = call->kappa, codes.lambda = call->lambda, codes.step = call->norm_bits >> 3;
    codes.form = call->clamped           ? NN_FORM_CLAMPED
                 : call->norm_bits == 32 ? NN_FORM_NORM
                                         : NN_FORM_NORM_64;
  }
  return codes;
}

// -high - 1 or 0, to high.
static inline uint32_t nn_to_code(int32_t value, int32_t high, int is_signed) {
#ifdef NN_XPULPNN
  if (is_signed) {
    __asm__(NN_CLIP_SIGNED("%0", "%0", "%1") : "+r"(value) : "r"(high));
  } else {
    __asm__(NN_CLIP_UNSIGNED("%0", "%0", "%1") : "+r"(value) : "r"(high));
  }
  return (uint32_t)value;
#else
  return (uint32_t)nn_min(nn_max(value, is_signed ? -high - 1 : 0), high);
#endif
}

// Products. A block of four channels and two or four pixels, of which the sums are sums[pixel][row].
typedef struct {
  const uint8_t *w[4], *x[4];
  int32_t words;
  int32_t sums[4][4];
  int32_t form;
  int32_t starts;  // whether sums are where they start; else at 0
} nn_block_t;

#define NN_PUT_FOURS(norm, is_signed)                                                \
  for (int32_t p = 0; p < pixels; ++p, sums += 4, to += next) {                      \
    const uint8_t *k = kappa, *l = lambda;                                           \
    const uint32_t a = nn_to_code(norm(k, l, sums[0], shift), high, is_signed);      \
    const uint32_t b = nn_to_code(norm(k + step, l + step, sums[1], shift), high, is_signed); \
    k += 2 * step, l += 2 * step;                                                    \
    const uint32_t c = nn_to_code(norm(k, l, sums[2], shift), high, is_signed);      \
    const uint32_t d = nn_to_code(norm(k + step, l + step, sums[3], shift), high, is_signed); \
    nn_put_codes(to, bits, (int32_t)a, (int32_t)b, (int32_t)c, (int32_t)d);          \
  }

// Of channels from `channel` on, `to` the first pixel, `next` bytes on the next one.
static inline void nn_put_fours(const nn_codes_t* codes, const int32_t* sums, int32_t pixels,
                                int32_t channel, uint8_t* to, int32_t next) {
  const int32_t step = codes->step, shift = codes->shift, high = codes->high, bits = codes->bits;
  const uint8_t *kappa = codes->kappa + channel * step, *lambda = codes->lambda + channel * step;
  to += channel * bits >> 3;
  if (codes->form == NN_FORM_CLAMPED) {
    if (codes->is_signed) {
      NN_PUT_FOURS(nn_norm_clamped, 1)
    } else {
      NN_PUT_FOURS(nn_norm_clamped, 0)
    }
  } else if (codes->form == NN_FORM_NORM_64) {
    NN_PUT_FOURS(nn_norm_64, codes->is_signed)
  } else if (codes->is_signed) {
    NN_PUT_FOURS(nn_norm_32, 1)
  } else {
    NN_PUT_FOURS(nn_norm_32, 0)
  }
}

#ifdef NN_XPULPNN
// One channel and one pixel: words, then bytes, of which the rest of a register is 0.
#define NN_PACKED_DOT(dot)                                                                       \
  do {                                                                                           \
    if (n >> 2 > 0) {                                                                            \
      __asm__ volatile(NN_LOOP("x0", "%[count]", "6") NN_LW("t0", "4", "%[x]")                   \
                       NN_LW("t1", "4", "%[w]") dot("%[s]", "t0", "t1") NN_END_LOOP              \
                       : [s] "+r"(sum), [x] "+r"(x), [w] "+r"(w)                                 \
                       : [count] "r"(n >> 2)                                                     \
                       : "memory", "t0", "t1");                                                  \
    }                                                                                            \
    if ((n & 3) > 0) {                                                                           \
      __asm__ volatile(NN_LOOP("x0", "%[count]", "6") NN_LBU("t0", "1", "%[x]")                  \
                       NN_LBU("t1", "1", "%[w]") dot("%[s]", "t0", "t1") NN_END_LOOP             \
                       : [s] "+r"(sum), [x] "+r"(x), [w] "+r"(w)                                 \
                       : [count] "r"(n & 3)                                                      \
                       : "memory", "t0", "t1");                                                  \
    }                                                                                            \
  } while (0)

// Two instructions a word, of which the product waits for the load before it.
#define NN_LOADING_DOT(ml)                                                                       \
  __asm__ volatile(ml("x0", "%[x]", NN_LOAD_X0_BY_W3) ml("x0", "%[w]", NN_LOAD_W0_BY_X1)         \
                   "beqz %[more], 1f\n" NN_LOOP("x0", "%[more]", "4")                            \
                   ml("%[s]", "%[w]", NN_LOAD_W0) ml("x0", "%[x]", NN_LOAD_X0_BY_W3) NN_END_LOOP \
                   "1:\n" ml("%[s]", "x0", "0")                                                  \
                   : [s] "+r"(sum), [x] "+r"(x), [w] "+r"(w)                                     \
                   : [more] "r"(words - 1)                                                       \
                   : "memory")

static int32_t nn_loading_dot(int32_t form, int32_t sum, const uint8_t* x, const uint8_t* w,
                              int32_t words) {
  NN_BY_ML(form, NN_LOADING_DOT);
  return sum;
}

static int32_t nn_packed_dot(int32_t form, int32_t sum, const uint8_t* x, const uint8_t* w,
                             int32_t n) {
  NN_BY_DOT(form, NN_PACKED_DOT);
  return sum;
}

// Two pixels: 14 instructions a step. Words only.
#define NN_PACKED_TWO(dot)                                                                        \
  __asm__ volatile(NN_LOOP("x0", "%[words]", "28") NN_STEP_4X2(NN_LW, "4", dot) NN_END_LOOP       \
                   : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [s4] "+r"(s4),   \
                     [s5] "+r"(s5), [s6] "+r"(s6), [s7] "+r"(s7), [w0] "+r"(w0), [w1] "+r"(w1),   \
                     [w2] "+r"(w2), [w3] "+r"(w3), [x0] "+r"(x0), [x1] "+r"(x1)                   \
                   : [words] "r"(block->words)                                                    \
                   : "memory", "t0", "t1", "t2", "t3", "t4", "t5")

// Nine, of which all but the first multiply. The last step, behind the loop, loads nothing.
#define NN_LOADING_TWO(ml)                                                                        \
  __asm__ volatile(                                                                               \
      ml("x0", "%[x0]", NN_LOAD_X0_BY_W3) ml("x0", "%[w0]", NN_LOAD_W0_BY_X1)                     \
      ml("x0", "%[w1]", NN_LOAD_W1_BY_X1) ml("x0", "%[w2]", NN_LOAD_W2_BY_X1)                     \
      ml("x0", "%[w3]", NN_LOAD_W3_BY_X1) "beqz %[more], 1f\n"                                    \
      NN_LOOP("x0", "%[more]", "18") ml("x0", "%[x1]", NN_LOAD_X1)                                \
      ml("%[s0]", "x0", "0") ml("%[s1]", "x0", "2") ml("%[s2]", "x0", "4")                        \
      ml("%[s3]", "%[x0]", NN_LOAD_X0_BY_W3) ml("%[s4]", "%[w0]", NN_LOAD_W0_BY_X1)               \
      ml("%[s5]", "%[w1]", NN_LOAD_W1_BY_X1) ml("%[s6]", "%[w2]", NN_LOAD_W2_BY_X1)               \
      ml("%[s7]", "%[w3]", NN_LOAD_W3_BY_X1) NN_END_LOOP                                          \
      "1:\n" ml("x0", "%[x1]", NN_LOAD_X1) ml("%[s0]", "x0", "0") ml("%[s1]", "x0", "2")          \
      ml("%[s2]", "x0", "4") ml("%[s3]", "x0", "6") ml("%[s4]", "x0", "1")                        \
      ml("%[s5]", "x0", "3") ml("%[s6]", "x0", "5") ml("%[s7]", "x0", "7")                        \
      : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [s4] "+r"(s4), [s5] "+r"(s5), \
        [s6] "+r"(s6), [s7] "+r"(s7), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3), \
        [x0] "+r"(x0), [x1] "+r"(x1)                                                              \
      : [more] "r"(block->words - 1)                                                              \
      : "memory")

static void nn_block_of_two(nn_block_t* block, int loads) {
  const uint8_t *w0 = block->w[0], *w1 = block->w[1], *w2 = block->w[2], *w3 = block->w[3];
  const uint8_t *x0 = block->x[0], *x1 = block->x[1];
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
  if (block->starts) {
    s0 = block->sums[0][0], s1 = block->sums[0][1], s2 = block->sums[0][2];
    s3 = block->sums[0][3], s4 = block->sums[1][0], s5 = block->sums[1][1];
    s6 = block->sums[1][2], s7 = block->sums[1][3];
  }
  if (loads) {
    NN_BY_ML(block->form, NN_LOADING_TWO);
  } else {
    NN_BY_DOT(block->form, NN_PACKED_TWO);
  }
  block->sums[0][0] = s0, block->sums[0][1] = s1, block->sums[0][2] = s2, block->sums[0][3] = s3;
  block->sums[1][0] = s4, block->sums[1][1] = s5, block->sums[1][2] = s6, block->sums[1][3] = s7;
}

// Four pixels. The sums are in s0 to s11 and t3 to t6.
#define NN_EACH_SUM(op)                                                                          \
  op " s0, 36(a0)\n" op " s1, 40(a0)\n" op " s2, 44(a0)\n" op " s3, 48(a0)\n"                    \
  op " s4, 52(a0)\n" op " s5, 56(a0)\n" op " s6, 60(a0)\n" op " s7, 64(a0)\n"                    \
  op " s8, 68(a0)\n" op " s9, 72(a0)\n" op " s10, 76(a0)\n" op " s11, 80(a0)\n"                  \
  op " t3, 84(a0)\n" op " t4, 88(a0)\n" op " t5, 92(a0)\n" op " t6, 96(a0)\n"
#define NN_EACH_KEPT(op)                                                                         \
  op " ra, 4(sp)\n" op " s0, 8(sp)\n" op " s1, 12(sp)\n" op " s2, 16(sp)\n"                      \
  op " s3, 20(sp)\n" op " s4, 24(sp)\n" op " s5, 28(sp)\n" op " s6, 32(sp)\n"                    \
  op " s7, 36(sp)\n" op " s8, 40(sp)\n" op " s9, 44(sp)\n" op " s10, 48(sp)\n"                   \
  op " s11, 52(sp)\n"
#define NN_NO_SUMS                                                                               \
  "li s0, 0\nli s1, 0\nli s2, 0\nli s3, 0\nli s4, 0\nli s5, 0\nli s6, 0\nli s7, 0\n"              \
  "li s8, 0\nli s9, 0\nli s10, 0\nli s11, 0\nli t3, 0\nli t4, 0\nli t5, 0\nli t6, 0\n"
#define NN_FOUR_FUNCTION(name, text)                                                             \
  static __attribute__((naked, noinline)) void name(nn_block_t* block) {                         \
    (void)block;                                                                                 \
    __asm__ volatile("addi sp, sp, -64\nlw a1, 104(a0)\n" NN_EACH_KEPT("sw") "bnez a1, 2f\n"      \
                     NN_NO_SUMS "3:\n" text NN_EACH_SUM("sw") NN_EACH_KEPT("lw")                  \
                     "addi sp, sp, 64\nret\n2:\n" NN_EACH_SUM("lw") "j 3b\n");                   \
  }

#define NN_FOUR_DOTS(dot, w, s0, s1, s2, s3) \
  dot(s0, "a6", w) dot(s1, "a7", w) dot(s2, "ra", w) dot(s3, "t2", w)
// 24 instructions a step: four words of activations, each word of weights four products ahead. A
// pointer and two steps for either: three times a row on, then back and a word on.
#define NN_PACKED_FOUR(dot)                                                                      \
  "lw t0, 0(a0)\nlw a4, 4(a0)\nlw a1, 16(a0)\nlw a2, 20(a0)\nlw a6, 32(a0)\n"                    \
  "sub a4, a4, t0\nsub a2, a2, a1\nli t2, 4\nslli a5, a4, 1\nadd a5, a5, a4\n"                   \
  "sub a5, t2, a5\nslli a3, a2, 1\nadd a3, a3, a2\nsub a3, t2, a3\nsw a0, 0(sp)\n"               \
  NN_LOOP("x0", "a6", "48")                                                                      \
  NN_LW_BY("a6", "a2", "a1") NN_LW_BY("a7", "a2", "a1") NN_LW_BY("ra", "a2", "a1")               \
  NN_LW_BY("t2", "a3", "a1") NN_LW_BY("a0", "a4", "t0") NN_LW_BY("t1", "a4", "t0")               \
  NN_FOUR_DOTS(dot, "a0", "s0", "s4", "s8", "t3") NN_LW_BY("a0", "a4", "t0")                     \
  NN_FOUR_DOTS(dot, "t1", "s1", "s5", "s9", "t4") NN_LW_BY("t1", "a5", "t0")                     \
  NN_FOUR_DOTS(dot, "a0", "s2", "s6", "s10", "t5")                                               \
  NN_FOUR_DOTS(dot, "t1", "s3", "s7", "s11", "t6") NN_END_LOOP "lw a0, 0(sp)\n"

// 17 a step; the last, behind the loop, loads only the pixels that it wants itself.
#define NN_LOADING_STEP(ml, x0, load_x0, w0, w1, w2, w3, load_w0, load_w1, load_w2, load_w3)      \
  ml("x0", "a2", NN_LOAD_X1) ml("s0", "x0", "0") ml("s1", "x0", "2") ml("s2", "x0", "4")         \
  ml("s3", "a3", NN_LOAD_X0_BY_W3) ml("s4", "x0", "1") ml("s5", "x0", "3")                       \
  ml("s6", "x0", "5") ml("s7", "a4", NN_LOAD_X1_BY_W3) ml("s8", "x0", "0")                       \
  ml("s9", "x0", "2") ml("s10", "x0", "4") ml("s11", x0, load_x0) ml("t3", w0, load_w0)          \
  ml("t4", w1, load_w1) ml("t5", w2, load_w2) ml("t6", w3, load_w3)
#define NN_LOADING_FOUR(ml)                                                                      \
  "lw t0, 0(a0)\nlw t1, 4(a0)\nlw t2, 8(a0)\nlw ra, 12(a0)\nlw a1, 16(a0)\nlw a2, 20(a0)\n"      \
  "lw a3, 24(a0)\nlw a4, 28(a0)\nlw a5, 32(a0)\naddi a5, a5, -1\n"                               \
  ml("x0", "a1", NN_LOAD_X0_BY_W3) ml("x0", "t0", NN_LOAD_W0_BY_X1)                              \
  ml("x0", "t1", NN_LOAD_W1_BY_X1) ml("x0", "t2", NN_LOAD_W2_BY_X1)                              \
  ml("x0", "ra", NN_LOAD_W3_BY_X1) "beqz a5, 1f\n" NN_LOOP("x0", "a5", "34")                     \
  NN_LOADING_STEP(ml, "a1", NN_LOAD_X0_BY_W3, "t0", "t1", "t2", "ra", NN_LOAD_W0_BY_X1,          \
                  NN_LOAD_W1_BY_X1, NN_LOAD_W2_BY_X1, NN_LOAD_W3_BY_X1) NN_END_LOOP "1:\n"       \
  NN_LOADING_STEP(ml, "x0", "6", "x0", "x0", "x0", "x0", "1", "3", "5", "7")

#define NN_FOURS(form, dot, ml)                                 \
  NN_FOUR_FUNCTION(nn_packed_four_##form, NN_PACKED_FOUR(dot)) \
  NN_FOUR_FUNCTION(nn_loading_four_##form, NN_LOADING_FOUR(ml))
NN_FOURS(u8, NN_SDOTUSP, NN_MLSUP_B)
NN_FOURS(s8, NN_SDOTSP, NN_MLSP_B)
NN_FOURS(u4, NN_SDOTUSP_N, NN_MLSUP_N)
NN_FOURS(s4, NN_SDOTSP_N, NN_MLSP_N)
NN_FOURS(u2, NN_SDOTUSP_C, NN_MLSUP_C)
NN_FOURS(s2, NN_SDOTSP_C, NN_MLSP_C)

typedef void (*nn_run_block_t)(nn_block_t*);
// Asked for once a product: tables lie in L2.
static nn_run_block_t nn_run_of_four(int32_t form, int loads) {
  static const nn_run_block_t kPacked[] = {nn_packed_four_u8, nn_packed_four_s8, nn_packed_four_u4,
                                           nn_packed_four_s4, nn_packed_four_u2, nn_packed_four_s2};
  static const nn_run_block_t kLoading[] = {nn_loading_four_u8, nn_loading_four_s8,
                                            nn_loading_four_u4, nn_loading_four_s4,
                                            nn_loading_four_u2, nn_loading_four_s2};
  return (loads ? kLoading : kPacked)[form];
}
#else
static int32_t nn_packed_dot(int32_t form, int32_t sum, const uint8_t* x, const uint8_t* w,
                             int32_t n) {
  const int32_t bits = 8 >> (form >> 1);
  for (int32_t i = 0; i < n * 8 / bits; ++i) {
    sum = nn_mac(sum, nn_code(x, i, bits, form & 1), nn_code(w, i, bits, 1));
  }
  return sum;
}
static int32_t nn_loading_dot(int32_t form, int32_t sum, const uint8_t* x, const uint8_t* w,
                              int32_t words) {
  return nn_packed_dot(form, sum, x, w, 4 * words);
}

static void nn_block_of(nn_block_t* block, int32_t pixels) {
  for (int32_t p = 0; p < pixels; ++p) {
    for (int32_t row = 0; row < 4; ++row) {
      int32_t* sum = &block->sums[p][row];
      *sum = nn_packed_dot(block->form, block->starts ? *sum : 0, block->x[p], block->w[row],
                           4 * block->words);
    }
  }
}
static void nn_block_of_two(nn_block_t* block, int loads) {
  (void)loads;
  nn_block_of(block, 2);
}
typedef void (*nn_run_block_t)(nn_block_t*);
static void nn_block_of_four(nn_block_t* block) { nn_block_of(block, 4); }
static nn_run_block_t nn_run_of_four(int32_t form, int loads) {
  (void)form, (void)loads;
  return nn_block_of_four;
}
#endif

static inline uint32_t nn_code_of(const nn_codes_t* codes, int32_t sum, int32_t channel) {
  const uint8_t* kappa = codes->kappa + channel * codes->step;
  const uint8_t* lambda = codes->lambda + channel * codes->step;
  if (codes->form == NN_FORM_CLAMPED) {
    sum = nn_norm_clamped(kappa, lambda, sum, codes->shift);
  } else if (codes->form == NN_FORM_NORM_64) {
    sum = nn_norm_64(kappa, lambda, sum, codes->shift);
  } else {
    sum = nn_norm_32(kappa, lambda, sum, codes->shift);
  }
  return nn_to_code(sum, codes->high, codes->is_signed);
}

static void nn_packed_rest(const nn_packed_work_t* m, const uint8_t* columns, int32_t pixels,
                           int32_t pixel, int32_t channel) {
  const nn_call_t* call = m->call;
  const nn_codes_t codes = nn_codes_of(call);
  const int32_t form = m->form, loaded = m->loads ? m->bytes & ~3 : 0, left = m->bytes - loaded;
  const int32_t out_pixel = nn_packed(call->out_c, call->out_bits), bits = call->out_bits;
  const int starts = nn_has_starts(call);
  const uint8_t* weights = call->weights + channel * m->bytes;
  for (int32_t c = channel; c < m->channels.end; ++c, weights += m->bytes) {
    const uint8_t* column = columns;
    for (int32_t p = pixel; p < pixel + pixels; ++p, column += m->pitch) {
      int32_t sum = starts ? nn_start(call, p, c) : 0;
      if (loaded > 0) sum = nn_loading_dot(form, sum, column, weights, loaded >> 2);
      if (left > 0) sum = nn_packed_dot(form, sum, column + loaded, weights + loaded, left);
      if (codes.form == NN_FORM_OTHER) {
        nn_put_word(call->out + 4 * (p * call->out_c + c), (uint32_t)sum);
      } else {
        nn_put_code(call->out + p * out_pixel, c, bits, (int32_t)nn_code_of(&codes, sum, c));
      }
    }
  }
}

// What is left of columns that are no whole words, by words whose other codes are 0.
#ifdef NN_XPULPNN
#define NN_BEHIND(dot)                                                                            \
  for (int32_t p = 0; p < pixels; ++p, sums += 4) {                                               \
    const uint32_t x = nn_word(block->x[p] + whole) & mask;                                       \
    __asm__(dot("%0", "%4", "%5") dot("%1", "%4", "%6") dot("%2", "%4", "%7") dot("%3", "%4", "%8") \
            : "+&r"(sums[0]), "+&r"(sums[1]), "+&r"(sums[2]), "+&r"(sums[3])                      \
            : "r"(x), "r"(w0), "r"(w1), "r"(w2), "r"(w3));                                        \
  }
static __attribute__((noinline)) void nn_behind_words(nn_block_t* block, int32_t pixels,
                                                      int32_t whole, int32_t left) {
  const uint32_t mask = ~0U >> (32 - 8 * left);
  const uint32_t w0 = nn_word(block->w[0] + whole), w1 = nn_word(block->w[1] + whole);
  const uint32_t w2 = nn_word(block->w[2] + whole), w3 = nn_word(block->w[3] + whole);
  int32_t* sums = block->sums[0];
  NN_BY_DOT(block->form, NN_BEHIND);
}
#else
static void nn_behind_words(nn_block_t* block, int32_t pixels, int32_t whole, int32_t left) {
  for (int32_t p = 0; p < pixels; ++p) {
    for (int32_t row = 0; row < 4; ++row) {
      block->sums[p][row] = nn_packed_dot(block->form, block->sums[p][row], block->x[p] + whole,
                                          block->w[row] + whole, left);
    }
  }
}
#endif

// `pixels` (1, 2 or 4) columns to the results from `pixel` on.
static __attribute__((noinline)) void nn_packed_product(const nn_packed_work_t* m,
                                                        const uint8_t* columns, int32_t pixels,
                                                        int32_t pixel) {
  const nn_call_t* call = m->call;
  const int32_t bytes = m->bytes, whole = bytes & ~3;
  const int starts = nn_has_starts(call);
  int32_t c = m->channels.begin;
  const uint8_t* weights = call->weights + c * bytes;
  nn_block_t block;
  block.words = bytes >> 2, block.form = m->form, block.starts = starts;
  const nn_run_block_t run_of_four = nn_run_of_four(m->form, m->loads);
  const nn_codes_t codes = nn_codes_of(call);
  const int32_t out_pixel = nn_packed(call->out_c, call->out_bits);
  uint8_t* const out = call->out + pixel * out_pixel;
  for (int32_t p = 0; p < pixels; ++p) block.x[p] = columns + p * m->pitch;
  for (; pixels > 1 && whole > 0 && c + 4 <= m->channels.end; c += 4, weights += 4 * bytes) {
    block.w[0] = weights, block.w[1] = weights + bytes;
    block.w[2] = weights + 2 * bytes, block.w[3] = weights + 3 * bytes;
    if (starts) nn_four_starts(call, &block.sums[0][0], pixels, pixel, c);
    if (pixels == 4) {
      run_of_four(&block);
    } else {
      nn_block_of_two(&block, m->loads);
    }
    if (whole < bytes) nn_behind_words(&block, pixels, whole, bytes - whole);
    if (codes.form == NN_FORM_OTHER) {
      nn_put_sums(call, &block.sums[0][0], pixels, pixel, c);
    } else {
      nn_put_fours(&codes, &block.sums[0][0], pixels, c, out, out_pixel);
    }
  }
  if (c < m->channels.end) nn_packed_rest(m, columns, pixels, pixel, c);
}

static void nn_packed_rests(const nn_packed_work_t* m, const uint8_t* columns, int32_t filled,
                            int32_t pixel) {
  if (filled >= 2) nn_packed_product(m, columns, 2, pixel);
  if (filled & 1) {
    nn_packed_product(m, columns + (filled - 1) * m->pitch, 1, pixel + filled - 1);
  }
}

static void nn_packed_columns(nn_packed_work_t* m, uint8_t* scratch) {
  const nn_call_t* call = m->call;
  int32_t filled = 0, pixel = 0;
  m->pitch = m->bytes;
  for (int32_t y = m->rows.begin; y < m->rows.end; ++y) {
    pixel = y * call->out_w + m->columns.begin;
    for (int32_t x = m->columns.begin; x < m->columns.end; ++x) {
      nn_packed_column(call, y, x, scratch + filled * m->bytes);
      ++filled, ++pixel;
      if (filled < m->group) continue;
      nn_packed_product(m, scratch, filled, pixel - filled);
      filled = 0;
    }
    if (m->by_rows == 0) continue;
    nn_packed_rests(m, scratch, filled, pixel - filled);
    filled = 0;
  }
  nn_packed_rests(m, scratch, filled, pixel - filled);
}

// The columns are the pixels of the input.
static void nn_packed_pixels(nn_packed_work_t* m) {
  const nn_call_t* call = m->call;
  const int32_t pixel = nn_packed(call->in_c, call->in_bits);
  m->pitch = call->stride_x * pixel;
  for (int32_t y = m->rows.begin; y < m->rows.end; ++y) {
    const uint8_t* in = call->in + y * call->stride_y * call->in_w * pixel;
    int32_t x = m->columns.begin;
    for (int32_t group = m->group; group > 0; group >>= 1) {
      for (; x + group <= m->columns.end; x += group) {
        nn_packed_product(m, in + x * m->pitch, group, y * call->out_w + x);
      }
    }
  }
}

static void nn_packed_multiply(const nn_call_t* call, nn_packed_work_t* m) {
  const int32_t codes = call->kernel_h * call->kernel_w * call->in_c, bits = call->weight_bits;
  m->call = call;
  m->bytes = nn_packed(codes, bits);
  m->form = (bits == 8 ? 0 : bits == 4 ? 2 : 4) + (call->in_signed ? 1 : 0);
  const int in_place = call->kernel_w == 1 && call->kernel_h == 1 && call->in_bits == bits &&
                       (call->pad_top | call->pad_bottom | call->pad_left | call->pad_right) == 0;
  if (in_place) {
    nn_packed_pixels(m);
  } else {
    const int32_t bytes = m->group == 4 ? nn_skewed(4 * m->bytes) : m->group * m->bytes;
    nn_packed_columns(m, call->scratch + (int32_t)pi_core_id() * bytes);
  }
}

// How the work is dealt out, as nn_conv_Ho(), nn_conv_HoWo() and nn_conv_Co() do it.
typedef enum { NN_ROWS, NN_HALF_ROWS, NN_CHANNELS } nn_split_t;

static void nn_packed_conv(const nn_call_t* call, nn_split_t split, int32_t group, int loads) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call), half = call->out_w / 2;
  nn_packed_work_t work = {.rows = {0, call->out_h},
                           .columns = {0, call->out_w},
                           .channels = {0, call->out_c},
                           .group = group,
                           .by_rows = group > 2 || split == NN_HALF_ROWS,
                           .loads = loads};
  const int halves =
      split == NN_HALF_ROWS && !nn_is_multiple(call->out_h, cores) && call->out_w > 1 && cores > 1;
  if (split == NN_CHANNELS) {
    const int32_t unit = nn_words_out(call) ? 1 : nn_codes_of_byte(call->out_bits);
    work.channels = nn_share(call->out_c, unit, cores, core);
  } else if (halves) {
    work.rows = nn_share(call->out_h, 1, cores / 2, core / 2);
    if (core % 2 == 0) {
      work.columns.end = half;
    } else {
      work.columns.begin = half;
    }
  } else {
    work.rows = nn_share(call->out_h, 1, cores, core);
  }
  if (core < cores) nn_packed_multiply(call, &work);
  pi_cl_team_barrier();
}

void nn_conv_Ho_packed(const nn_call_t* call) { nn_packed_conv(call, NN_ROWS, 2, 0); }
void nn_conv_HoWo_packed(const nn_call_t* call) { nn_packed_conv(call, NN_HALF_ROWS, 2, 0); }
void nn_conv_Co_packed(const nn_call_t* call) { nn_packed_conv(call, NN_CHANNELS, 2, 0); }
void nn_conv_Ho_packed_4x4(const nn_call_t* call) { nn_packed_conv(call, NN_ROWS, 4, 0); }
void nn_conv_HoWo_packed_4x4(const nn_call_t* call) { nn_packed_conv(call, NN_HALF_ROWS, 4, 0); }
void nn_conv_Co_packed_4x4(const nn_call_t* call) { nn_packed_conv(call, NN_CHANNELS, 4, 0); }
void nn_conv_Ho_macload(const nn_call_t* call) { nn_packed_conv(call, NN_ROWS, 2, 1); }
void nn_conv_HoWo_macload(const nn_call_t* call) { nn_packed_conv(call, NN_HALF_ROWS, 2, 1); }
void nn_conv_Co_macload(const nn_call_t* call) { nn_packed_conv(call, NN_CHANNELS, 2, 1); }
void nn_conv_Ho_macload_4x4(const nn_call_t* call) { nn_packed_conv(call, NN_ROWS, 4, 1); }
void nn_conv_HoWo_macload_4x4(const nn_call_t* call) { nn_packed_conv(call, NN_HALF_ROWS, 4, 1); }
void nn_conv_Co_macload_4x4(const nn_call_t* call) { nn_packed_conv(call, NN_CHANNELS, 4, 1); }

// A vector is one pixel, whose channels are dealt out; `out_32`: its accumulators.
void nn_linear_packed(const nn_call_t* call) { nn_packed_conv(call, NN_CHANNELS, 1, 0); }
void nn_linear_macload(const nn_call_t* call) { nn_packed_conv(call, NN_CHANNELS, 1, 1); }
static void nn_packed_words(const nn_call_t* call, int loads) {
  nn_call_t words = *call;
  words.out_bits = 32;
  nn_packed_conv(&words, NN_CHANNELS, 1, loads);
}
void nn_linear_out_32_packed(const nn_call_t* call) { nn_packed_words(call, 0); }
void nn_linear_out_32_macload(const nn_call_t* call) { nn_packed_words(call, 1); }
