// What the kernels are made of: loads, dot products, clips, shares of the work. With NN_XPULP
// instructions of Xpulpv2; else plain C. Results are the same.
#pragma once

#include <stdint.h>
#include <string.h>

#include "nn_kernels.h"
#include "nn_xpulp.h"
#include "pmsis.h"

static inline int32_t nn_min(int32_t a, int32_t b) {
#ifdef NN_XPULP
  __asm__(NN_MIN("%0", "%1", "%2") : "=r"(a) : "r"(a), "r"(b));
  return a;
#else
  return a < b ? a : b;
#endif
}
static inline int32_t nn_max(int32_t a, int32_t b) {
#ifdef NN_XPULP
  __asm__(NN_MAX("%0", "%1", "%2") : "=r"(a) : "r"(a), "r"(b));
  return a;
#else
  return a > b ? a : b;
#endif
}
// Of calls that are rare: made small instead of fast.
#define NN_SMALL __attribute__((cold, noinline))

static inline int32_t nn_ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

// Words at any address: the cores load and store them, which a compiler may not know.
typedef uint32_t __attribute__((may_alias, aligned(1))) nn_word_t;

static inline uint32_t nn_word(const uint8_t* from) {
#ifdef NN_XPULP
  uint32_t word;
  __asm__("lw %0, %1" : "=r"(word) : "m"(*(const nn_word_t*)from));
  return word;
#else
  return *(const nn_word_t*)from;
#endif
}
static inline void nn_put_word(uint8_t* to, uint32_t word) {
#ifdef NN_XPULP
  __asm__("sw %1, %0" : "=m"(*(nn_word_t*)to) : "r"(word));
#else
  *(nn_word_t*)to = word;
#endif
}

// sum + a * b, wrapping.
static inline int32_t nn_mac(int32_t sum, int32_t a, int32_t b) {
#ifdef NN_XPULP
  __asm__(NN_MAC("%0", "%1", "%2") : "+r"(sum) : "r"(a), "r"(b));
  return sum;
#else
  return (int32_t)((uint32_t)sum + (uint32_t)a * (uint32_t)b);
#endif
}

// 0 to 255.
static inline int32_t nn_clip_u8(int32_t value) {
#ifdef NN_XPULP
  __asm__(NN_CLIP_U8("%0", "%1") : "=r"(value) : "r"(value));
  return value;
#else
  return value < 0 ? 0 : value > 255 ? 255 : value;
#endif
}

// Bits of a code or weight. With NN_BYTES_ONLY, of programs that have no others, 8: what others
// need is left out.
#ifdef NN_BYTES_ONLY
#define NN_BITS(bits) 8
#else
#define NN_BITS(bits) (bits)
#endif

static inline int32_t nn_byte(uint8_t code, int is_signed) {
  return is_signed ? (int32_t)(int8_t)code : (int32_t)code;
}

// Code `i` of packed ones.
static inline int32_t nn_code(const uint8_t* codes, int32_t i, int32_t bits, int is_signed) {
  if (NN_BITS(bits) == 8) return nn_byte(codes[i], is_signed);
  const int32_t at = i * bits, mask = (1 << bits) - 1;
  const int32_t code = (codes[at >> 3] >> (at & 7)) & mask;
  return is_signed && (code >> (bits - 1)) != 0 ? code - mask - 1 : code;
}

// Codes of a byte: 8 / bits, without a division.
static inline int32_t nn_codes_of_byte(int32_t bits) { return bits == 8 ? 1 : 6 - bits; }
static inline int32_t nn_packed(int32_t codes, int32_t bits) { return (codes * bits + 7) >> 3; }

// Puts code `i` of a run that is written from its first code on.
static inline void nn_put_code(uint8_t* run, int32_t i, int32_t bits, int32_t code) {
  if (NN_BITS(bits) == 8) {
    run[i] = (uint8_t)code;
    return;
  }
  const int32_t at = i * bits, shift = at & 7;
  const int32_t before = shift == 0 ? 0 : run[at >> 3];
  run[at >> 3] = (uint8_t)(before | (code & ((1 << bits) - 1)) << shift);
}

// Four codes to bytes.
static inline void nn_put_codes(uint8_t* to, int32_t bits, int32_t a, int32_t b, int32_t c,
                                int32_t d) {
  if (NN_BITS(bits) == 8) {
    to[0] = (uint8_t)a, to[1] = (uint8_t)b, to[2] = (uint8_t)c, to[3] = (uint8_t)d;
    return;
  }
#ifdef NN_XPULP
  if (bits == 4) {
    __asm__(NN_INSERT("%0", "%1", NN_FIELD_4, "4") : "+r"(a) : "r"(b));
    __asm__(NN_INSERT("%0", "%1", NN_FIELD_4, "4") : "+r"(c) : "r"(d));
    to[0] = (uint8_t)a, to[1] = (uint8_t)c;
  } else {
    __asm__(NN_INSERT("%0", "%1", NN_FIELD_2, "2") : "+r"(a) : "r"(b));
    __asm__(NN_INSERT("%0", "%1", NN_FIELD_2, "4") : "+r"(a) : "r"(c));
    __asm__(NN_INSERT("%0", "%1", NN_FIELD_2, "6") : "+r"(a) : "r"(d));
    to[0] = (uint8_t)a;
  }
#else
  const int32_t codes[4] = {a, b, c, d};
  for (int32_t i = 0; i < 4; ++i) nn_put_code(to, i, bits, codes[i]);
#endif
}

#ifdef NN_XPULP
// Fields of a word as NN_EXTRACT_BY takes them: of code 0; of code i so many bits behind.
static inline int32_t nn_first_field(int32_t bits) { return (bits - 1) << 5; }
static inline int32_t nn_field(uint32_t word, int32_t field) {
  int32_t code;
  __asm__(NN_EXTRACT_BY("%0", "%1", "%2") : "=r"(code) : "r"(word), "r"(field));
  return code;
}
static inline uint8_t nn_field_u(uint32_t word, int32_t field) {
  uint32_t code;
  __asm__(NN_EXTRACTU_BY("%0", "%1", "%2") : "=r"(code) : "r"(word), "r"(field));
  return (uint8_t)code;
}
static inline uint32_t nn_with_field(uint32_t word, int32_t code, int32_t field) {
  __asm__(NN_INSERT_BY("%0", "%1", "%2") : "+r"(word) : "r"(code), "r"(field));
  return word;
}
// Codes without a sign are read as signed ones of words in which these bits are turned round, and
// are so much more.
static inline uint32_t nn_turned(int32_t bits, int is_signed) {
  return is_signed ? 0 : bits == 8 ? 0x80808080 : bits == 4 ? 0x88888888 : 0xaaaaaaaa;
}
static inline int32_t nn_more(int32_t bits, int is_signed) {
  return is_signed ? 0 : 1 << (bits - 1);
}

// clang-format off
// A step of a block: 14 instructions.
#define NN_STEP_4X2(load, bytes, dot)                                                             \
  load("t0", bytes, "%[w0]") load("t1", bytes, "%[w1]") load("t2", bytes, "%[w2]")                \
  load("t3", bytes, "%[w3]") load("t4", bytes, "%[x0]") load("t5", bytes, "%[x1]")                \
  dot("%[s0]", "t4", "t0") dot("%[s1]", "t4", "t1") dot("%[s2]", "t4", "t2")                      \
  dot("%[s3]", "t4", "t3") dot("%[s4]", "t5", "t0") dot("%[s5]", "t5", "t1")                      \
  dot("%[s6]", "t5", "t2") dot("%[s7]", "t5", "t3")

// Words, then what is left of bytes: of one that is zero-extended four products are one.
#define NN_DOT_4X2(dot)                                                                           \
  __asm__ volatile(                                                                               \
      "beqz %[words], 1f\n" NN_LOOP("x0", "%[words]", "28") NN_STEP_4X2(NN_LW, "4", dot)          \
      NN_END_LOOP "1: beqz %[left], 2f\n" NN_LOOP("x0", "%[left]", "28")                          \
      NN_STEP_4X2(NN_LBU, "1", dot) NN_END_LOOP "2:\n"                                            \
      : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [s4] "+r"(s4), [s5] "+r"(s5), \
        [s6] "+r"(s6), [s7] "+r"(s7), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3), \
        [x0] "+r"(x0), [x1] "+r"(x1)                                                              \
      : [words] "r"(n >> 2), [left] "r"(n & 3)                                                    \
      : "memory", "t0", "t1", "t2", "t3", "t4", "t5")
// clang-format on
#endif

// sum + the products of n bytes.
int32_t nn_dot(int32_t sum, const uint8_t* x, const uint8_t* w, int32_t n, int x_signed);
// sums[i] += the products of n bytes of p with q (i: 0) and r (1); p are the weights where
// `shares_weights`, else q and r are.
void nn_dot_pair(int32_t sums[2], const uint8_t* p, const uint8_t* q, const uint8_t* r, int32_t n,
                 int shares_weights, int x_signed);

// The products of four rows of weights, `row` bytes apart, with two columns of n bytes are added to
// sums: four of the first column, four of the second. Inlined, they stay in registers.
static inline __attribute__((always_inline)) void nn_dot_4x2(int32_t sums[8], const uint8_t* x0,
                                                             const uint8_t* x1, const uint8_t* w0,
                                                             int32_t row, int32_t n, int x_signed) {
  const uint8_t *w1 = w0 + row, *w2 = w1 + row, *w3 = w2 + row;
  int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
  int32_t s4 = sums[4], s5 = sums[5], s6 = sums[6], s7 = sums[7];
#ifdef NN_XPULP
  if (x_signed) {
    NN_DOT_4X2(NN_SDOTSP);
  } else {
    NN_DOT_4X2(NN_SDOTUSP);
  }
#else
  for (int32_t i = 0; i < n; ++i) {
    const int32_t p = nn_byte(x0[i], x_signed), q = nn_byte(x1[i], x_signed);
    const int32_t a = (int8_t)w0[i], b = (int8_t)w1[i], c = (int8_t)w2[i], d = (int8_t)w3[i];
    s0 = nn_mac(s0, p, a);
    s1 = nn_mac(s1, p, b);
    s2 = nn_mac(s2, p, c);
    s3 = nn_mac(s3, p, d);
    s4 = nn_mac(s4, q, a);
    s5 = nn_mac(s5, q, b);
    s6 = nn_mac(s6, q, c);
    s7 = nn_mac(s7, q, d);
  }
#endif
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
  sums[4] = s4, sums[5] = s5, sums[6] = s6, sums[7] = s7;
}

#ifdef NN_XPULP
// Of nine bytes each, behind which a word may be read.
static inline int32_t nn_sum_of_nine(const uint8_t* w, const uint8_t* x, int x_signed) {
  int32_t sum, a, b, c, d;
// clang-format off
#define NN_SUM_OF_NINE(dot, sdot)                                                               \
  __asm__("lbu %[a], 0(%[w])\nlbu %[b], 0(%[x])\nlw %[c], 1(%[w])\nlw %[d], 1(%[x])\n"          \
          dot("%[sum]", "%[b]", "%[a]") "lw %[a], 5(%[w])\nlw %[b], 5(%[x])\n"                  \
          sdot("%[sum]", "%[d]", "%[c]") sdot("%[sum]", "%[b]", "%[a]")                          \
          : [sum] "=&r"(sum), [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)             \
          : [w] "r"(w), [x] "r"(x)                                                               \
          : "memory")
  // clang-format on
  if (x_signed) {
    NN_SUM_OF_NINE(NN_DOTSP, NN_SDOTSP);
  } else {
    NN_SUM_OF_NINE(NN_DOTUSP, NN_SDOTUSP);
  }
  return sum;
}
#endif

// n bytes to where they do not overlap; both pointers end behind them.
static inline void nn_copy(uint8_t** to, const uint8_t** from, int32_t n) {
  uint8_t* t = *to;
  const uint8_t* f = *from;
#ifdef NN_XPULP
// clang-format off
#define NN_COPY(load, store, bytes, trips)                                                        \
  __asm__ volatile(NN_LOOP("x0", "%[count]", "4") load("t0", bytes, "%[from]")                    \
                   store("t0", bytes, "%[to]") NN_END_LOOP                                        \
                   : [to] "+r"(t), [from] "+r"(f)                                                 \
                   : [count] "r"(trips)                                                           \
                   : "memory", "t0")
  // clang-format on
  if (n >> 2 > 0) NN_COPY(NN_LW, NN_SW, "4", n >> 2);
  if ((n & 3) > 0) NN_COPY(NN_LBU, NN_SB, "1", n & 3);
#else
  for (; n > 0; --n) *t++ = *f++;
#endif
  *to = t;
  *from = f;
}

// n bytes of 0.
static inline void nn_clear(uint8_t** to, int32_t n) {
  uint8_t* t = *to;
#ifdef NN_XPULP
  if (n >> 3 > 0) {
    __asm__ volatile(NN_LOOP("x0", "%[count]", "4") NN_SW("x0", "4", "%[to]")
                         NN_SW("x0", "4", "%[to]") NN_END_LOOP
                     : [to] "+r"(t)
                     : [count] "r"(n >> 3)
                     : "memory");
  }
  if ((n & 4) != 0) {
    nn_put_word(t, 0);
    t += 4;
  }
  n &= 3;
#endif
  for (; n > 0; --n) *t++ = 0;
  *to = t;
}

// A core's share [begin, end) of n pieces of work: runs of ceil(n / cores), multiples of `unit`, a
// power of two.
typedef struct {
  int32_t begin, end;
} nn_share_t;

// n / cores; by constants where all cores or half of them work, which are shifts mostly.
static inline uint32_t nn_of_each(uint32_t n, int32_t cores) {
  return cores == NUM_CORES                        ? n / NUM_CORES
         : NUM_CORES > 1 && 2 * cores == NUM_CORES ? n / (NUM_CORES > 1 ? NUM_CORES / 2 : 1)
                                                   : n / (uint32_t)cores;
}

static inline int nn_is_multiple(int32_t n, int32_t cores) {
  return nn_of_each((uint32_t)n, cores) * (uint32_t)cores == (uint32_t)n;
}

static inline nn_share_t nn_share(int32_t n, int32_t unit, int32_t cores, int32_t core) {
  const uint32_t even = nn_of_each((uint32_t)(n + cores - 1), cores);
  const int32_t each = ((int32_t)even + unit - 1) & -unit;
  const nn_share_t share = {nn_min(core * each, n), nn_min((core + 1) * each, n)};
  return share;
}

// From the `bytes` of scratch that a core needs to those of the next, in kernels of our own:
// multiples of four banks of 16 would have eight cores in step meet at four banks, two or one.
// (skewed() in isa/pulp/kernel_code.h)
static inline int32_t nn_skewed(int32_t bytes) { return bytes % 16 == 0 ? bytes + 8 : bytes; }

// Rows of elementwise kernels and pools, of which PULP-NN gives a core two where there are fewer
// rows than cores; in its average pool one, of powers of two.
static inline nn_share_t nn_rows_of(int32_t rows, int32_t cores, int32_t core, int average) {
  if (rows >= cores) return nn_share(rows, 1, cores, core);
  const int32_t each = average && (rows & (rows - 1)) == 0 ? 1 : 2;
  const nn_share_t share = {nn_min(core * each, rows), nn_min((core + 1) * each, rows)};
  return share;
}

static inline int32_t nn_cores(const nn_call_t* call) {
  return call->cores == 0 ? NUM_CORES : call->cores;
}

// Whether results are accumulators.
static inline int nn_words_out(const nn_call_t* call) {
  return call->sums_out || call->out_bits == 32;
}

// -128 to 127.
static inline int32_t nn_clip_s8(int32_t value) {
#ifdef NN_XPULP
  __asm__(NN_CLIP_S8("%0", "%1") : "=r"(value) : "r"(value));
  return value;
#else
  return value < -128 ? -128 : value > 127 ? 127 : value;
#endif
}

static inline int32_t nn_clip_8(int32_t value, int is_signed) {
  return __builtin_expect(is_signed, 0) ? nn_clip_s8(value) : nn_clip_u8(value);
}

int32_t nn_clip(int32_t value, int32_t bits, int is_signed);
// Where the accumulator of a channel starts.
int32_t nn_start(const nn_call_t* call, int32_t pixel, int32_t channel);
// The result of an accumulator to where it belongs.
void nn_finish(const nn_call_t* call, int32_t sum, int32_t pixel, int32_t channel);

static inline int nn_has_starts(const nn_call_t* call) {
  return (call->has_bias | call->sums_in) != 0 || call->bias8 != NULL;
}

// Results of 8 bits by arithmetic of 32 bits, which inner loops compute themselves; all others are
// nn_finish()'s.
typedef enum {
  NN_FORM_OTHER,
  NN_FORM_NORM_64,  // 8 bits likewise, by arithmetic of 64
  NN_FORM_PLAIN,
  NN_FORM_NORM,
  NN_FORM_CLAMPED
} nn_form_t;

static inline nn_form_t nn_form(const nn_call_t* call) {
  if (nn_words_out(call) || call->out_bits != 8) return NN_FORM_OTHER;
  if (!call->norm) return call->narrow ? NN_FORM_OTHER : NN_FORM_PLAIN;
  if (call->clamped) return NN_FORM_CLAMPED;
  return call->norm_bits == 32 ? NN_FORM_NORM : NN_FORM_NORM_64;
}

// Where results get their numbers from, kept apart from the call that stores may change.
typedef struct {
  const uint8_t *kappa, *lambda;
  int32_t shift, is_signed;
} nn_norms_t;

static inline nn_norms_t nn_norms(const nn_call_t* call) {
  const nn_norms_t norms = {call->kappa, call->lambda, call->shift, call->out_signed};
  return norms;
}

// Of a channel whose numbers begin at kappa and lambda.
static inline int32_t nn_norm_32(const uint8_t* kappa, const uint8_t* lambda, int32_t sum,
                                 int32_t shift) {
  const int32_t factor = (int32_t)nn_word(kappa);
  return nn_mac((int32_t)nn_word(lambda), sum, factor) >> shift;
}

static inline int32_t nn_norm_clamped(const uint8_t* kappa, const uint8_t* lambda, int32_t sum,
                                      int32_t shift) {
#ifdef NN_XPULP
  int32_t low, high, factor, value;
  __asm__("lw %[low], %[k1]\nlw %[high], %[l1]\nlw %[value], %[l0]\nlw %[factor], %[k0]\n" NN_MAX(
              "%[sum]", "%[sum]", "%[low]") NN_MIN("%[sum]", "%[sum]", "%[high]")
              NN_MAC("%[value]", "%[sum]", "%[factor]") "sra %[value], %[value], %[shift]"
          : [sum] "+r"(sum), [low] "=&r"(low), [high] "=&r"(high), [factor] "=&r"(factor),
            [value] "=&r"(value)
          : [k0] "m"(*(const nn_word_t*)kappa), [k1] "m"(*(const nn_word_t*)(kappa + 4)),
            [l0] "m"(*(const nn_word_t*)lambda), [l1] "m"(*(const nn_word_t*)(lambda + 4)),
            [shift] "r"(shift));
  return value;
#else
  const int32_t low = (int32_t)nn_word(kappa + 4), high = (int32_t)nn_word(lambda + 4);
  const int32_t factor = (int32_t)nn_word(kappa), term = (int32_t)nn_word(lambda);
  return nn_mac(term, nn_min(nn_max(sum, low), high), factor) >> shift;
#endif
}

// kappa and lambda of 64 bits by their halves.
typedef struct {
  uint32_t factor, factor_high, term, term_high;
} nn_wide_t;

static inline nn_wide_t nn_wide(const uint8_t* kappa, const uint8_t* lambda) {
  const nn_wide_t wide = {nn_word(kappa), nn_word(kappa + 4), nn_word(lambda), nn_word(lambda + 4)};
  return wide;
}

// In 64 bits, its lower 32; RV32 has no shift of two registers by a variable, and what a compiler
// calls for it is longer.
static inline int32_t nn_scale_64(const nn_wide_t* by, int32_t sum, int32_t shift) {
  uint32_t low, high;
#ifdef NN_XPULP
  uint32_t carry;
  __asm__("mulhsu %[high], %[sum], %[k0]\nmul %[low], %[sum], %[k0]\n" NN_MAC(
              "%[high]", "%[sum]", "%[k1]") "add %[low], %[low], %[l0]\n"
          "sltu %[carry], %[low], %[l0]\nadd %[high], %[high], %[l1]\n"
          "add %[high], %[high], %[carry]\n"
          : [low] "=&r"(low), [high] "=&r"(high), [carry] "=&r"(carry)
          : [sum] "r"(sum), [k0] "r"(by->factor), [k1] "r"(by->factor_high), [l0] "r"(by->term),
            [l1] "r"(by->term_high));
#else
  const uint64_t product = (uint64_t)by->factor * (uint32_t)sum;
  low = (uint32_t)product + by->term;
  high = (uint32_t)(product >> 32) + by->factor_high * (uint32_t)sum -
         (by->factor & (uint32_t)(sum >> 31)) + by->term_high + (low < by->term);
#endif
  if (shift >= 32) return (int32_t)high >> (shift - 32);
  return (int32_t)(low >> shift | high << 1 << (31 - shift));
}

static inline int32_t nn_norm_64(const uint8_t* kappa, const uint8_t* lambda, int32_t sum,
                                 int32_t shift) {
  const nn_wide_t wide = nn_wide(kappa, lambda);
  return nn_scale_64(&wide, sum, shift);
}

// `form` is one of 8 bits. `to`: of the pixel's first channel.
static inline void nn_put_8(const nn_call_t* call, nn_form_t form, int32_t sum, int32_t channel,
                            uint8_t* to) {
  const nn_norms_t n = nn_norms(call);
  int32_t value;
  if (form == NN_FORM_NORM) {
    value = nn_norm_32(n.kappa + 4 * channel, n.lambda + 4 * channel, sum, n.shift);
  } else if (form == NN_FORM_CLAMPED) {
    value = nn_norm_clamped(n.kappa + 8 * channel, n.lambda + 8 * channel, sum, n.shift);
  } else if (form == NN_FORM_PLAIN) {
    value = nn_mac(call->offset, call->multiplier, sum) >> n.shift;
  } else {
    value = nn_norm_64(n.kappa + 8 * channel, n.lambda + 8 * channel, sum, n.shift);
  }
  to[channel] = (uint8_t)nn_clip_8(value, n.is_signed);
}

static inline void nn_put(const nn_call_t* call, nn_form_t form, int32_t sum, int32_t pixel,
                          int32_t channel, uint8_t* to) {
  if (form == NN_FORM_OTHER) {
    nn_finish(call, sum, pixel, channel);
  } else {
    nn_put_8(call, form, sum, channel, to);
  }
}
