// What the kernels are made of: loads, dot products, clips, shares of the work. With NN_XPULP
// instructions of Xpulpv2 (RI5CY, CV32E40P v1) through .insn, so that an assembler which does not
// know them will do; else plain C. Results are the same.
#pragma once

#include <stdint.h>
#include <string.h>

#include "nn_kernels.h"
#include "pmsis.h"

static inline int32_t nn_min(int32_t a, int32_t b) { return a < b ? a : b; }
static inline int32_t nn_max(int32_t a, int32_t b) { return a > b ? a : b; }
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
  __asm__(".insn r 0x33, 0, 0x21, %0, %1, %2" : "+r"(sum) : "r"(a), "r"(b));  // p.mac
  return sum;
#else
  return (int32_t)((uint32_t)sum + (uint32_t)a * (uint32_t)b);
#endif
}

// 0 to 255.
static inline int32_t nn_clip_u8(int32_t value) {
#ifdef NN_XPULP
  __asm__(".insn r 0x33, 2, 0x0a, %0, %1, x9" : "=r"(value) : "r"(value));  // p.clipu, 9 bits
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
#define NN_DOT_4X2(funct7)                                                                       \
  __asm__ volatile(                                                                               \
      ".balign 4\n .option push\n .option norvc\n .option norelax\n"                               \
      ".insn i 0x7b, 4, x0, %[count], 28\n"                                                       \
      ".insn i 0x0b, 2, t0, 4(%[w0])\n"                                                         \
      ".insn i 0x0b, 2, t1, 4(%[w1])\n"                                                         \
      ".insn i 0x0b, 2, t2, 4(%[w2])\n"                                                         \
      ".insn i 0x0b, 2, t3, 4(%[w3])\n"                                                         \
      ".insn i 0x0b, 2, t4, 4(%[x0])\n"                                                         \
      ".insn i 0x0b, 2, t5, 4(%[x1])\n"                                                         \
      ".insn r 0x57, 1, " #funct7 ", %[s0], t4, t0\n"                                         \
      ".insn r 0x57, 1, " #funct7 ", %[s1], t4, t1\n"                                         \
      ".insn r 0x57, 1, " #funct7 ", %[s2], t4, t2\n"                                         \
      ".insn r 0x57, 1, " #funct7 ", %[s3], t4, t3\n"                                         \
      ".insn r 0x57, 1, " #funct7 ", %[s4], t5, t0\n"                                         \
      ".insn r 0x57, 1, " #funct7 ", %[s5], t5, t1\n"                                         \
      ".insn r 0x57, 1, " #funct7 ", %[s6], t5, t2\n"                                         \
      ".insn r 0x57, 1, " #funct7 ", %[s7], t5, t3\n"                                         \
      ".option pop\n"                                                                             \
      : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [s4] "+r"(s4), [s5] "+r"(s5), \
        [s6] "+r"(s6), [s7] "+r"(s7), [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3), \
        [x0] "+r"(x0), [x1] "+r"(x1)                                                            \
      : [count] "r"(words)                                                                        \
      : "memory", "t0", "t1", "t2", "t3", "t4", "t5")

#define NN_DOT(funct7)                                                                           \
  __asm__ volatile(                                                                               \
      ".balign 4\n .option push\n .option norvc\n .option norelax\n"                               \
      ".insn i 0x7b, 4, x0, %[count], 6\n"                                                        \
      ".insn i 0x0b, 2, %[a], 4(%[w])\n"                                                          \
      ".insn i 0x0b, 2, %[b], 4(%[x])\n"                                                          \
      ".insn r 0x57, 1, " #funct7 ", %[s], %[b], %[a]\n"                                          \
      ".option pop\n"                                                                             \
      : [s] "+r"(sum), [w] "+r"(w), [x] "+r"(x), [a] "=&r"(a), [b] "=&r"(b)                       \
      : [count] "r"(words)                                                                        \
      : "memory")
#endif

// sum + the products of n bytes.
static inline int32_t nn_dot(int32_t sum, const uint8_t* x, const uint8_t* w, int32_t n,
                             int x_signed) {
#ifdef NN_XPULP
  const int32_t words = n >> 2;
  if (words > 0) {
    uint32_t a, b;
    if (x_signed) {
      NN_DOT(0x5c);  // pv.sdotsp.b
    } else {
      NN_DOT(0x54);  // pv.sdotusp.b
    }
  }
  n &= 3;
#endif
  for (int32_t i = 0; i < n; ++i) sum = nn_mac(sum, nn_byte(x[i], x_signed), (int8_t)w[i]);
  return sum;
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
      NN_DOT_4X2(0x5c);
    } else {
      NN_DOT_4X2(0x54);
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

static inline int32_t nn_clip(int32_t value, int32_t bits, int is_signed) {
  if (bits == 8 && !is_signed) return nn_clip_u8(value);
  if (bits == 32) return value;
  const int32_t low = is_signed ? -(1 << (bits - 1)) : 0;
  return nn_min(nn_max(value, low), low + (1 << bits) - 1);
}

// Where the accumulator of a channel starts.
static inline int32_t nn_start(const nn_call_t* call, int32_t pixel, int32_t channel) {
  if (call->sums_in) {
    return (int32_t)nn_word(call->bias + 4 * (pixel * call->out_c + channel));
  }
  if (call->has_bias) return (int32_t)nn_word(call->bias + 4 * channel);
  return call->bias8 == NULL ? 0 : call->bias8[channel];
}

static inline int32_t nn_scale(const nn_call_t* call, int32_t sum, int32_t channel) {
  if (!call->norm) {
    const int32_t value = nn_mac(call->offset, call->multiplier, sum) >> call->shift;
    return nn_clip(call->narrow ? (int16_t)value : value, call->out_bits, call->out_signed);
  }
  int32_t value;
  if (call->clamped) {
    const uint8_t *kappa = call->kappa + 8 * channel, *lambda = call->lambda + 8 * channel;
    const int32_t low = (int32_t)nn_word(kappa + 4), high = (int32_t)nn_word(lambda + 4);
    const int32_t bounded = nn_min(nn_max(sum, low), high);
    value = nn_mac((int32_t)nn_word(lambda), (int32_t)nn_word(kappa), bounded) >> call->shift;
  } else if (call->norm_bits == 32) {
    const int32_t kappa = (int32_t)nn_word(call->kappa + 4 * channel);
    value = nn_mac((int32_t)nn_word(call->lambda + 4 * channel), kappa, sum) >> call->shift;
  } else {
    const uint64_t kappa = (uint64_t)nn_double_word(call->kappa + 8 * channel);
    const uint64_t lambda = (uint64_t)nn_double_word(call->lambda + 8 * channel);
    value = (int32_t)((int64_t)(kappa * (uint64_t)(int64_t)sum + lambda) >> call->shift);
  }
  return nn_clip(value, call->out_bits, call->out_signed);
}

// The result of an accumulator to where it belongs.
static inline void nn_finish(const nn_call_t* call, int32_t sum, int32_t pixel, int32_t channel) {
  if (nn_words_out(call)) {
    nn_put_word(call->out + 4 * (pixel * call->out_c + channel), (uint32_t)sum);
    return;
  }
  nn_put_code(call->out + pixel * nn_packed(call->out_c, call->out_bits), channel, call->out_bits,
              nn_scale(call, sum, channel));
}
