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
static inline int32_t nn_ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

static inline uint32_t nn_word(const uint8_t* from) {
  uint32_t word;
  memcpy(&word, from, 4);
  return word;
}
static inline int64_t nn_double_word(const uint8_t* from) {
  int64_t word;
  memcpy(&word, from, 8);
  return word;
}
static inline void nn_put_word(uint8_t* to, uint32_t word) { memcpy(to, &word, 4); }

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

static inline int32_t nn_byte(uint8_t code, int is_signed) {
  return is_signed ? (int32_t)(int8_t)code : (int32_t)code;
}

// Code `i` of packed ones.
static inline int32_t nn_code(const uint8_t* codes, int32_t i, int32_t bits, int is_signed) {
  if (bits == 8) return nn_byte(codes[i], is_signed);
  const int32_t at = i * bits, mask = (1 << bits) - 1;
  const int32_t code = (codes[at >> 3] >> (at & 7)) & mask;
  return is_signed && (code >> (bits - 1)) != 0 ? code - mask - 1 : code;
}

static inline int32_t nn_packed(int32_t codes, int32_t bits) { return (codes * bits + 7) >> 3; }

// Puts code `i` of a run that is written from its first code on.
static inline void nn_put_code(uint8_t* run, int32_t i, int32_t bits, int32_t code) {
  if (bits == 8) {
    run[i] = (uint8_t)code;
    return;
  }
  const int32_t at = i * bits, shift = at & 7;
  const int32_t before = shift == 0 ? 0 : run[at >> 3];
  run[at >> 3] = (uint8_t)(before | (code & ((1 << bits) - 1)) << shift);
}

#ifdef NN_XPULP
// Four products in four sums of pairs of words: 14 instructions in a hardware loop, whose end is
// its last instruction.
#define NN_DOT_4X2(dot)                                                                           \
  __asm__ volatile(                                                                               \
      NN_LOOP("x0", "%[count]", "28")                                                             \
      NN_LW("t0", "4", "%[w0]") NN_LW("t1", "4", "%[w1]") NN_LW("t2", "4", "%[w2]")               \
      NN_LW("t3", "4", "%[w3]") NN_LW("t4", "4", "%[x0]") NN_LW("t5", "4", "%[x1]")               \
      dot("%[s0]", "t4", "t0") dot("%[s1]", "t4", "t1") dot("%[s2]", "t4", "t2")                  \
      dot("%[s3]", "t4", "t3") dot("%[s4]", "t5", "t0") dot("%[s5]", "t5", "t1")                  \
      dot("%[s6]", "t5", "t2") dot("%[s7]", "t5", "t3") NN_END_LOOP                               \
      : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [s4] "+r"(s4), [s5] "+r"(s5), \
        [s6] "+r"(s6), [s7] "+r"(s7), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3), \
        [x0] "+r"(x0), [x1] "+r"(x1)                                                              \
      : [count] "r"(words)                                                                        \
      : "memory", "t0", "t1", "t2", "t3", "t4", "t5")

#define NN_DOT(load, bytes, dot, trips)                                                           \
  __asm__ volatile(NN_LOOP("x0", "%[count]", "6")                                                 \
                   load("%[a]", bytes, "%[w]") load("%[b]", bytes, "%[x]")                        \
                   dot("%[s]", "%[b]", "%[a]") NN_END_LOOP                                        \
                   : [s] "+r"(sum), [w] "+r"(w), [x] "+r"(x), [a] "=&r"(a), [b] "=&r"(b)          \
                   : [count] "r"(trips)                                                           \
                   : "memory")

// Two sums of one column and two others at a time: what they share is loaded once.
#define NN_DOT_PAIR(load, bytes, dot0, dot1, trips)                                               \
  __asm__ volatile(NN_LOOP("x0", "%[count]", "10")                                                \
                   load("t0", bytes, "%[p]") load("t1", bytes, "%[q]") load("t2", bytes, "%[r]")  \
                   dot0 dot1 NN_END_LOOP                                                          \
                   : [s0] "+r"(s0), [s1] "+r"(s1), [p] "+r"(p), [q] "+r"(q), [r] "+r"(r)          \
                   : [count] "r"(trips)                                                           \
                   : "memory", "t0", "t1", "t2")
#endif

// sum + the products of n bytes.
static inline int32_t nn_dot(int32_t sum, const uint8_t* x, const uint8_t* w, int32_t n,
                             int x_signed) {
#ifdef NN_XPULP
  const int32_t words = n >> 2;
  if (words > 0) {
    uint32_t a, b;
    if (x_signed) {
      NN_DOT(NN_LW, "4", NN_SDOTSP, words);
    } else {
      NN_DOT(NN_LW, "4", NN_SDOTUSP, words);
    }
  }
  n &= 3;
  if (n > 0) {  // of a byte that is zero-extended four products are one
    uint32_t a, b;
    if (x_signed) {
      NN_DOT(NN_LBU, "1", NN_SDOTSP, n);
    } else {
      NN_DOT(NN_LBU, "1", NN_SDOTUSP, n);
    }
  }
  n = 0;
#endif
  for (int32_t i = 0; i < n; ++i) sum = nn_mac(sum, nn_byte(x[i], x_signed), (int8_t)w[i]);
  return sum;
}

// sums[i] += the products of n bytes of p with q (i: 0) and r (1); p are the weights where
// `shares_weights`, else q and r are.
static inline void nn_dot_pair(int32_t sums[2], const uint8_t* p, const uint8_t* q,
                               const uint8_t* r, int32_t n, int shares_weights, int x_signed) {
  int32_t s0 = sums[0], s1 = sums[1];
#ifdef NN_XPULP
#define NN_PAIR(load, bytes, dot, trips)                                                          \
  if (shares_weights) {                                                                           \
    NN_DOT_PAIR(load, bytes, dot("%[s0]", "t1", "t0"), dot("%[s1]", "t2", "t0"), trips);          \
  } else {                                                                                        \
    NN_DOT_PAIR(load, bytes, dot("%[s0]", "t0", "t1"), dot("%[s1]", "t0", "t2"), trips);          \
  }
  const int32_t words = n >> 2;
  if (words > 0) {
    if (x_signed) {
      NN_PAIR(NN_LW, "4", NN_SDOTSP, words);
    } else {
      NN_PAIR(NN_LW, "4", NN_SDOTUSP, words);
    }
  }
  n &= 3;
  if (n > 0) {
    if (x_signed) {
      NN_PAIR(NN_LBU, "1", NN_SDOTSP, n);
    } else {
      NN_PAIR(NN_LBU, "1", NN_SDOTUSP, n);
    }
  }
  n = 0;
#undef NN_PAIR
#endif
  for (int32_t i = 0; i < n; ++i) {
    const int32_t a = nn_byte(p[i], shares_weights || x_signed);
    s0 = nn_mac(s0, a, nn_byte(q[i], !shares_weights || x_signed));
    s1 = nn_mac(s1, a, nn_byte(r[i], !shares_weights || x_signed));
  }
  sums[0] = s0, sums[1] = s1;
}

// The products of four rows of weights, `row` bytes apart, with two columns of n bytes are added to
// sums[column][row].
static inline void nn_dot_4x2(int32_t sums[2][4], const uint8_t* x0, const uint8_t* x1,
                              const uint8_t* w0, int32_t row, int32_t n, int x_signed) {
  const uint8_t *w1 = w0 + row, *w2 = w1 + row, *w3 = w2 + row;
  int32_t s0 = sums[0][0], s1 = sums[0][1], s2 = sums[0][2], s3 = sums[0][3];
  int32_t s4 = sums[1][0], s5 = sums[1][1], s6 = sums[1][2], s7 = sums[1][3];
#ifdef NN_XPULP
  const int32_t words = n >> 2;
  if (words > 0) {
    if (x_signed) {
      NN_DOT_4X2(NN_SDOTSP);
    } else {
      NN_DOT_4X2(NN_SDOTUSP);
    }
  }
  n &= 3;
#endif
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
  sums[0][0] = s0, sums[0][1] = s1, sums[0][2] = s2, sums[0][3] = s3;
  sums[1][0] = s4, sums[1][1] = s5, sums[1][2] = s6, sums[1][3] = s7;
}

// n bytes to where they do not overlap; both pointers end behind them.
static inline void nn_copy(uint8_t** to, const uint8_t** from, int32_t n) {
  uint8_t* t = *to;
  const uint8_t* f = *from;
#ifdef NN_XPULP
  const int32_t words = n >> 2;
  if (words > 0) {
    uint32_t word;
    __asm__ volatile(NN_LOOP("x0", "%[count]", "4") NN_LW("%[word]", "4", "%[from]")
                     NN_SW("%[word]", "4", "%[to]") NN_END_LOOP
                     : [to] "+r"(t), [from] "+r"(f), [word] "=&r"(word)
                     : [count] "r"(words)
                     : "memory");
  }
  n &= 3;
#endif
  for (; n > 0; --n) *t++ = *f++;
  *to = t;
  *from = f;
}

// n bytes of 0.
static inline void nn_clear(uint8_t** to, int32_t n) {
  uint8_t* t = *to;
#ifdef NN_XPULP
  const int32_t pairs = n >> 3;
  if (pairs > 0) {
    __asm__ volatile(NN_LOOP("x0", "%[count]", "4") NN_SW("x0", "4", "%[to]")
                     NN_SW("x0", "4", "%[to]") NN_END_LOOP
                     : [to] "+r"(t)
                     : [count] "r"(pairs)
                     : "memory");
  }
  n &= 7;
#endif
  for (; n > 0; --n) *t++ = 0;
  *to = t;
}

// A core's share [begin, end) of n pieces of work: runs of ceil(n / cores), multiples of `unit`.
typedef struct {
  int32_t begin, end;
} nn_share_t;

static inline nn_share_t nn_share(int32_t n, int32_t unit, int32_t cores, int32_t core) {
  const int32_t each = nn_ceil_div(nn_ceil_div(n, cores), unit) * unit;
  const nn_share_t share = {nn_min(core * each, n), nn_min((core + 1) * each, n)};
  return share;
}

static inline int32_t nn_cores(const nn_call_t* call) {
  return call->cores == 0 ? NUM_CORES : call->cores;
}

// Whether results are accumulators.
static inline int nn_words_out(const nn_call_t* call) {
  return call->sums_out || call->out_bits == 32;
}

static inline int32_t nn_clip_8(int32_t value, int is_signed) {
  if (!is_signed) return nn_clip_u8(value);
#ifdef NN_XPULP
  __asm__(NN_CLIP_S8("%0", "%1") : "=r"(value) : "r"(value));
  return value;
#else
  return value < -128 ? -128 : value > 127 ? 127 : value;
#endif
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
typedef enum { NN_FORM_OTHER, NN_FORM_PLAIN, NN_FORM_NORM, NN_FORM_CLAMPED } nn_form_t;

static inline nn_form_t nn_form(const nn_call_t* call) {
  if (nn_words_out(call) || call->out_bits != 8 || call->narrow) return NN_FORM_OTHER;
  if (!call->norm) return NN_FORM_PLAIN;
  if (call->clamped) return NN_FORM_CLAMPED;
  return call->norm_bits == 32 ? NN_FORM_NORM : NN_FORM_OTHER;
}

// `to`: of the pixel's first channel.
static inline void nn_put(const nn_call_t* call, nn_form_t form, int32_t sum, int32_t pixel,
                          int32_t channel, uint8_t* to) {
  int32_t value;
  if (form == NN_FORM_NORM) {
    value = nn_mac((int32_t)nn_word(call->lambda + 4 * channel), sum,
                   (int32_t)nn_word(call->kappa + 4 * channel));
  } else if (form == NN_FORM_CLAMPED) {
    const uint8_t *kappa = call->kappa + 8 * channel, *lambda = call->lambda + 8 * channel;
    sum = nn_min(nn_max(sum, (int32_t)nn_word(kappa + 4)), (int32_t)nn_word(lambda + 4));
    value = nn_mac((int32_t)nn_word(lambda), sum, (int32_t)nn_word(kappa));
  } else if (form == NN_FORM_PLAIN) {
    value = nn_mac(call->offset, call->multiplier, sum);
  } else {
    nn_finish(call, sum, pixel, channel);
    return;
  }
  to[channel] = (uint8_t)nn_clip_8(value >> call->shift, call->out_signed);
}
