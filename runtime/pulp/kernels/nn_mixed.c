#include "nn_mixed.h"

#ifdef NN_MIXED

// clang-format off

// Four codes of `from` in the bytes of `to`.
#define NN_FOUR(extract, to, e, f, from, bits, at0, at1, at2, at3)                                \
  extract(e, from, bits, at0) extract(f, from, bits, at1) NN_PACKLO(to, f, e)                     \
  extract(e, from, bits, at2) extract(f, from, bits, at3) NN_PACKHI(to, f, e)

// What to do with the fours of a word.
#define NN_FOURS_OF_4(each) \
  each(NN_FIELD_4, "0", "4", "8", "12") each(NN_FIELD_4, "16", "20", "24", "28")
#define NN_FOURS_OF_2(each)                                                                       \
  each(NN_FIELD_2, "0", "2", "4", "6") each(NN_FIELD_2, "8", "10", "12", "14")            \
  each(NN_FIELD_2, "16", "18", "20", "22") each(NN_FIELD_2, "24", "26", "28", "30")

#define NN_UNPACK(extract, bits, at0, at1, at2, at3)                                              \
  NN_FOUR(extract, "t1", "t2", "t3", "t0", bits, at0, at1, at2, at3) NN_SW("t1", "4", "%[to]")
#define NN_UNPACK_S(bits, at0, at1, at2, at3) NN_UNPACK(NN_EXTRACT, bits, at0, at1, at2, at3)
#define NN_UNPACK_U(bits, at0, at1, at2, at3) NN_UNPACK(NN_EXTRACTU, bits, at0, at1, at2, at3)
#define NN_UNPACK_WORDS(halfwords, fours)                                                         \
  __asm__ volatile(NN_LOOP("x0", "%[words]", halfwords) NN_LW("t0", "4", "%[from]") fours         \
                   NN_END_LOOP                                                                    \
                   : [to] "+r"(to), [from] "+r"(from)                                             \
                   : [words] "r"(words)                                                           \
                   : "memory", "t0", "t1", "t2", "t3")

// A row of weights with a word of two columns, or of one.
#define NN_ROW_WITH_2(dot, row, sum0, sum1, bits, at0, at1, at2, at3)                             \
  NN_FOUR(NN_EXTRACT, "t6", "%[e]", "%[f]", row, bits, at0, at1, at2, at3)                        \
  dot(sum0, "t4", "t6") dot(sum1, "t5", "t6")
#define NN_BLOCK_WORD(dot, bits, at0, at1, at2, at3)                                              \
  NN_LW("t4", "4", "%[x0]") NN_LW("t5", "4", "%[x1]")                                             \
  NN_ROW_WITH_2(dot, "t0", "%[s0]", "%[s4]", bits, at0, at1, at2, at3)                            \
  NN_ROW_WITH_2(dot, "t1", "%[s1]", "%[s5]", bits, at0, at1, at2, at3)                            \
  NN_ROW_WITH_2(dot, "t2", "%[s2]", "%[s6]", bits, at0, at1, at2, at3)                            \
  NN_ROW_WITH_2(dot, "t3", "%[s3]", "%[s7]", bits, at0, at1, at2, at3)
#define NN_BLOCK_WORD_S(bits, at0, at1, at2, at3) NN_BLOCK_WORD(NN_SDOTSP, bits, at0, at1, at2, at3)
#define NN_BLOCK_WORD_U(bits, at0, at1, at2, at3) NN_BLOCK_WORD(NN_SDOTUSP, bits, at0, at1, at2, at3)
#define NN_BLOCK(halfwords, words)                                                                \
  __asm__ volatile(NN_LOOP("x0", "%[steps]", halfwords) NN_LW_BY("t0", "%[row]", "%[w]")          \
                   NN_LW_BY("t1", "%[row]", "%[w]") NN_LW_BY("t2", "%[row]", "%[w]")              \
                   NN_LW_BY("t3", "%[back]", "%[w]") words NN_END_LOOP                            \
                   : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [s4] "+r"(s4),   \
                     [s5] "+r"(s5), [s6] "+r"(s6), [s7] "+r"(s7), [w] "+r"(at), [x0] "+r"(x0),    \
                     [x1] "+r"(x1), [e] "=&r"(e), [f] "=&r"(f)                                    \
                   : [row] "r"(row), [back] "r"(4 - 3 * row), [steps] "r"(steps)                  \
                   : "memory", "t0", "t1", "t2", "t3", "t4", "t5", "t6")

#define NN_PAIR_WORD(dot, bits, at0, at1, at2, at3)                                               \
  NN_LW("t4", "4", "%[x0]") NN_LW("t5", "4", "%[x1]")                                             \
  NN_ROW_WITH_2(dot, "t0", "%[s0]", "%[s1]", bits, at0, at1, at2, at3)
#define NN_PAIR_WORD_S(bits, at0, at1, at2, at3) NN_PAIR_WORD(NN_SDOTSP, bits, at0, at1, at2, at3)
#define NN_PAIR_WORD_U(bits, at0, at1, at2, at3) NN_PAIR_WORD(NN_SDOTUSP, bits, at0, at1, at2, at3)
#define NN_PAIR(halfwords, words)                                                                 \
  __asm__ volatile(NN_LOOP("x0", "%[steps]", halfwords) NN_LW("t0", "4", "%[w]") words            \
                   NN_END_LOOP                                                                    \
                   : [s0] "+r"(s0), [s1] "+r"(s1), [w] "+r"(at), [x0] "+r"(x0), [x1] "+r"(x1),    \
                     [e] "=&r"(e), [f] "=&r"(f)                                                   \
                   : [steps] "r"(steps)                                                           \
                   : "memory", "t0", "t4", "t5", "t6")

#define NN_ONE_WORD(dot, bits, at0, at1, at2, at3)                                                \
  NN_LW("t4", "4", "%[x]") NN_FOUR(NN_EXTRACT, "t6", "t1", "t2", "t0", bits, at0, at1, at2, at3)  \
  dot("%[s]", "t4", "t6")
#define NN_ONE_WORD_S(bits, at0, at1, at2, at3) NN_ONE_WORD(NN_SDOTSP, bits, at0, at1, at2, at3)
#define NN_ONE_WORD_U(bits, at0, at1, at2, at3) NN_ONE_WORD(NN_SDOTUSP, bits, at0, at1, at2, at3)
#define NN_ONE(halfwords, words)                                                                  \
  __asm__ volatile(NN_LOOP("x0", "%[steps]", halfwords) NN_LW("t0", "4", "%[w]") words            \
                   NN_END_LOOP                                                                    \
                   : [s] "+r"(sum), [w] "+r"(at), [x] "+r"(x)                                     \
                   : [steps] "r"(steps)                                                           \
                   : "memory", "t0", "t1", "t2", "t4", "t6")

// One of four loops, by the width of the codes and the sign of the others.
#define NN_BY_CODES(run, halfwords4, halfwords2, word)                                            \
  if (steps > 0 && bits == 4) {                                                                   \
    if (x_signed) run(halfwords4, NN_FOURS_OF_4(word##_S));                                       \
    else run(halfwords4, NN_FOURS_OF_4(word##_U));                                                \
  } else if (steps > 0) {                                                                         \
    if (x_signed) run(halfwords2, NN_FOURS_OF_2(word##_S));                                       \
    else run(halfwords2, NN_FOURS_OF_2(word##_U));                                                \
  }

// clang-format on

static int32_t nn_steps(int32_t codes, int32_t bits) { return codes >> (bits == 4 ? 3 : 4); }
static int32_t nn_codes_of(int32_t steps, int32_t bits) { return steps << (bits == 4 ? 3 : 4); }

void nn_unpack_codes(const uint8_t* from, uint8_t* to, int32_t codes, int32_t bits, int x_signed) {
  const int32_t words = nn_steps(codes, bits), steps = words;
  NN_BY_CODES(NN_UNPACK_WORDS, "30", "58", NN_UNPACK)
  codes -= nn_codes_of(words, bits);
  if (codes == 0) return;
  const uint32_t word = nn_word(from);
  int32_t field = nn_first_field(bits);
  if (x_signed) {
    for (uint8_t* end = to + codes; to < end; field += bits) *to++ = (uint8_t)nn_field(word, field);
  } else {
    for (uint8_t* end = to + codes; to < end; field += bits) *to++ = nn_field_u(word, field);
  }
}

static __attribute__((noinline)) void nn_mixed_1x2(int32_t sums[2], const uint8_t* x0,
                                                   const uint8_t* x1, const uint8_t* w, int32_t n,
                                                   int32_t bits, int x_signed) {
  const int32_t steps = nn_steps(n, bits), left = n - nn_codes_of(steps, bits);
  const uint8_t* at = w;
  int32_t s0 = sums[0], s1 = sums[1];
  uint32_t e, f;
  NN_BY_CODES(NN_PAIR, "42", "82", NN_PAIR_WORD)
  const uint32_t word = left > 0 ? nn_word(at) : 0;
  for (int32_t i = 0, field = nn_first_field(bits); i < left; ++i, field += bits) {
    const int32_t code = nn_field(word, field);
    s0 = nn_mac(s0, nn_byte(x0[i], x_signed), code);
    s1 = nn_mac(s1, nn_byte(x1[i], x_signed), code);
  }
  sums[0] = s0, sums[1] = s1;
}

static __attribute__((noinline)) int32_t nn_mixed_dot(int32_t sum, const uint8_t* x,
                                                      const uint8_t* w, int32_t n, int32_t bits,
                                                      int x_signed) {
  if (bits == 8) return nn_dot(sum, x, w, n, x_signed);
  const int32_t steps = nn_steps(n, bits), left = n - nn_codes_of(steps, bits);
  const uint8_t* at = w;
  NN_BY_CODES(NN_ONE, "34", "66", NN_ONE_WORD)
  const uint32_t word = left > 0 ? nn_word(at) : 0;
  for (int32_t i = 0, field = nn_first_field(bits); i < left; ++i, field += bits) {
    sum = nn_mac(sum, nn_byte(x[i], x_signed), nn_field(word, field));
  }
  return sum;
}

// Results, of any width.

typedef struct {
  nn_form_t form;  // NN_FORM_OTHER: accumulators
  const uint8_t *kappa, *lambda;
  uint8_t* out;
  int32_t step, shift, bits, low, high, pixel, channels;  // pixel: bytes of one
} nn_results_t;

static nn_results_t nn_results(const nn_call_t* call) {
  nn_results_t r = {.form = NN_FORM_OTHER,
                    .kappa = (const uint8_t*)&call->multiplier,
                    .lambda = (const uint8_t*)&call->offset,
                    .out = call->out,
                    .shift = call->shift,
                    .bits = call->out_bits,
                    .channels = call->out_c};
  if (nn_words_out(call)) return r;
  r.low = call->out_signed ? -(1 << (r.bits - 1)) : 0;
  r.high = r.low + (1 << r.bits) - 1;
  r.pixel = nn_packed(call->out_c, r.bits);
  r.form = NN_FORM_PLAIN;
  if (call->norm) {
    r.kappa = call->kappa, r.lambda = call->lambda, r.step = call->norm_bits >> 3;
    r.form = call->clamped           ? NN_FORM_CLAMPED
             : call->norm_bits == 32 ? NN_FORM_NORM
                                     : NN_FORM_NORM_64;
  }
  return r;
}

static inline int32_t nn_result(const nn_results_t* r, const uint8_t* kappa, const uint8_t* lambda,
                                int32_t sum) {
  int32_t value;
  if (__builtin_expect(r->form == NN_FORM_CLAMPED, 0)) {
    value = nn_norm_clamped(kappa, lambda, sum, r->shift);
  } else if (__builtin_expect(r->form == NN_FORM_NORM_64, 0)) {
    value = nn_norm_64(kappa, lambda, sum, r->shift);
  } else {
    value = nn_norm_32(kappa, lambda, sum, r->shift);
  }
  return nn_min(nn_max(value, r->low), r->high);
}

static void nn_put_result(const nn_results_t* r, int32_t sum, int32_t pixel, int32_t c) {
  if (r->form == NN_FORM_OTHER) {
    nn_put_word(r->out + 4 * (pixel * r->channels + c), (uint32_t)sum);
    return;
  }
  const int32_t code = nn_result(r, r->kappa + c * r->step, r->lambda + c * r->step, sum);
  nn_put_code(r->out + pixel * r->pixel, c, r->bits, code);
}

// Of sums that start elsewhere than at 0, or stay what they are: rare, so that others need no
// memory.
static NN_SMALL void nn_start_block(const nn_call_t* call, int32_t sums[8], int32_t pixel,
                                    int32_t c) {
  for (int32_t i = 0; i < 8; ++i) sums[i] = nn_start(call, pixel + (i >> 2), c + (i & 3));
}
static NN_SMALL void nn_put_sums_of_block(const nn_results_t* r, const int32_t sums[8],
                                          int32_t pixel, int32_t c) {
  for (int32_t i = 0; i < 8; ++i) nn_put_result(r, sums[i], pixel + (i >> 2), c + (i & 3));
}

// Products.

// Two columns with four channels at a time: sums of the first column are s0 to s3, of the second s4
// to s7.
static void nn_mixed_pair(const nn_matrix_t* m, const uint8_t* column, const uint8_t* next,
                          int32_t pixel) {
  const nn_call_t* call = m->call;
  const nn_results_t results = nn_results(call);
  const int32_t bits = call->weight_bits, x_signed = call->in_signed, n = m->depth, row = m->row;
  const int32_t steps = nn_steps(n, bits), left = bits == 8 ? 0 : n - nn_codes_of(steps, bits);
  const int32_t step = results.step, shift = results.shift, out_bits = results.bits;
  const int32_t low = results.low, high = results.high, out_pixel = results.pixel;
  const int starts = nn_has_starts(call);
  const uint8_t* weights = m->weights;
  int32_t c = m->channels.begin;
  const uint8_t *kappa = results.kappa + c * step, *lambda = results.lambda + c * step;
  uint8_t* to = results.out + pixel * out_pixel + (c * out_bits >> 3);
  for (; c + 4 <= m->channels.end; c += 4, weights += 4 * row, to += out_bits >> 1) {
    const uint8_t *x0 = column, *x1 = next, *at = weights;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    if (__builtin_expect(starts, 0)) {
      int32_t sums[8];
      nn_start_block(call, sums, pixel, c);
      s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
      s4 = sums[4], s5 = sums[5], s6 = sums[6], s7 = sums[7];
    }
    if (bits == 8) {
      const uint8_t *w0 = at, *w1 = w0 + row, *w2 = w1 + row, *w3 = w2 + row;
      if (x_signed) {
        NN_DOT_4X2(NN_SDOTSP);
      } else {
        NN_DOT_4X2(NN_SDOTUSP);
      }
    } else {
      uint32_t e, f;
      NN_BY_CODES(NN_BLOCK, "144", "280", NN_BLOCK_WORD)
    }
    if (left > 0) {
      const uint32_t w0 = nn_word(at), w1 = nn_word(at + row);
      const uint32_t w2 = nn_word(at + 2 * row), w3 = nn_word(at + 3 * row);
      int32_t field = nn_first_field(bits);
      for (const uint8_t* end = x0 + left; x0 < end; field += bits) {
        const int32_t p = nn_byte(*x0++, x_signed), q = nn_byte(*x1++, x_signed);
        const int32_t a = nn_field(w0, field), b = nn_field(w1, field);
        const int32_t d = nn_field(w2, field), e = nn_field(w3, field);
        s0 = nn_mac(s0, p, a), s1 = nn_mac(s1, p, b), s2 = nn_mac(s2, p, d), s3 = nn_mac(s3, p, e);
        s4 = nn_mac(s4, q, a), s5 = nn_mac(s5, q, b), s6 = nn_mac(s6, q, d), s7 = nn_mac(s7, q, e);
      }
    }
    if (__builtin_expect(results.form == NN_FORM_OTHER, 0)) {
      const int32_t sums[8] = {s0, s1, s2, s3, s4, s5, s6, s7};
      nn_put_sums_of_block(&results, sums, pixel, c);
      continue;  // all of them are such
    }
#define NN_TWO_OF_CHANNEL(norm, a, b)                           \
  a = nn_min(nn_max(norm(kappa, lambda, a, shift), low), high); \
  b = nn_min(nn_max(norm(kappa, lambda, b, shift), low), high); \
  kappa += step, lambda += step
#define NN_TWO_OF_FOUR(norm)       \
  NN_TWO_OF_CHANNEL(norm, s0, s4); \
  NN_TWO_OF_CHANNEL(norm, s1, s5); \
  NN_TWO_OF_CHANNEL(norm, s2, s6); \
  NN_TWO_OF_CHANNEL(norm, s3, s7)
    if (results.form == NN_FORM_CLAMPED) {
      NN_TWO_OF_FOUR(nn_norm_clamped);
    } else if (results.form == NN_FORM_NORM_64) {
      NN_TWO_OF_FOUR(nn_norm_64);
    } else {
      NN_TWO_OF_FOUR(nn_norm_32);
    }
    nn_put_codes(to, out_bits, s0, s1, s2, s3);
    nn_put_codes(to + out_pixel, out_bits, s4, s5, s6, s7);
  }
  for (; c < m->channels.end; ++c, weights += row) {
    int32_t sums[2] = {nn_start(call, pixel, c), nn_start(call, pixel + 1, c)};
    if (bits == 8) {
      nn_dot_pair(sums, weights, column, next, n, 1, x_signed);
    } else {
      nn_mixed_1x2(sums, column, next, weights, n, bits, x_signed);
    }
    nn_put_result(&results, sums[0], pixel, c);
    nn_put_result(&results, sums[1], pixel + 1, c);
  }
}

static void nn_mixed_pixel(const nn_matrix_t* m, const uint8_t* column, int32_t pixel) {
  const nn_call_t* call = m->call;
  const nn_results_t results = nn_results(call);
  const int starts = nn_has_starts(call);
  const uint8_t* weights = m->weights;
  for (int32_t c = m->channels.begin; c < m->channels.end; ++c, weights += m->row) {
    const int32_t start = starts ? nn_start(call, pixel, c) : 0;
    const int32_t sum =
        nn_mixed_dot(start, column, weights, m->depth, call->weight_bits, call->in_signed);
    nn_put_result(&results, sum, pixel, c);
  }
}

void nn_mixed_product(const nn_matrix_t* m, int32_t pixels, const uint8_t* columns, int32_t bytes,
                      int32_t pixel) {
  if (pixels == 2) {
    nn_mixed_pair(m, columns, columns + bytes, pixel);
  } else {
    nn_mixed_pixel(m, columns, pixel);
  }
}

// So many outputs, and codes of the input that are unpacked for them, at a time.
enum { kOutputs = 8, kChunk = 256 };

void nn_mixed_linear(const nn_call_t* call, nn_share_t channels) {
  const nn_results_t results = nn_results(call);
  const int32_t depth = call->in_h * call->in_w * call->in_c, in_bits = call->in_bits;
  const int32_t bits = call->weight_bits, row = nn_packed(depth, bits);
  const int32_t chunk = in_bits == 8 ? depth : kChunk;
  const uint8_t* weights = call->weights + channels.begin * row;
  for (int32_t c = channels.begin; c < channels.end; c += kOutputs, weights += kOutputs * row) {
    const int32_t outputs = nn_min(kOutputs, channels.end - c);
    int32_t sums[kOutputs];
    uint8_t bytes[kChunk];
    for (int32_t i = 0; i < outputs; ++i) sums[i] = nn_start(call, 0, c + i);
    for (int32_t at = 0; at < depth; at += chunk) {
      const int32_t n = nn_min(chunk, depth - at);
      const uint8_t* column = call->in;
      if (in_bits != 8) {
        nn_unpack_codes(call->in + (at * in_bits >> 3), bytes, n, in_bits, call->in_signed);
        column = bytes;
      }
      const uint8_t* w = weights + (at * bits >> 3);
      for (int32_t i = 0; i < outputs; ++i, w += row) {
        sums[i] = nn_mixed_dot(sums[i], column, w, n, bits, call->in_signed);
      }
    }
    for (int32_t i = 0; i < outputs; ++i) nn_put_result(&results, sums[i], 0, c + i);
  }
}

// Depthwise.

// What a column sees of the map: `rows` words of which the bytes of `mask` are the map's, `left`
// bits up. `at`: in bits, of the first code, `pitch` of a row.
typedef struct {
  const uint8_t* plane;
  int32_t at, pitch, rows, left;
  uint32_t mask;
} nn_strip_t;

#define NN_STRIP(fours)                                                               \
  for (int32_t y = strip->rows; y > 0; --y, at += pitch, to += w) {                   \
    uint32_t word = nn_word(plane + (at >> 3)) >> (at & 7), bytes, e, f;              \
    __asm__(fours : [b] "=&r"(bytes), [e] "=&r"(e), [f] "=&r"(f) : [word] "r"(word)); \
    nn_put_word(to, bytes << left & mask);                                            \
  }
#define NN_STRIP_FOUR(extract, bits, at1, at2, at3) \
  NN_FOUR(extract, "%[b]", "%[e]", "%[f]", "%[word]", bits, "0", at1, at2, at3)

static __attribute__((noinline)) void nn_put_strip(const nn_strip_t* strip, uint8_t* to, int32_t w,
                                                   int32_t bits, int is_signed) {
  const uint8_t* plane = strip->plane;
  const int32_t pitch = strip->pitch, left = strip->left;
  const uint32_t mask = strip->mask;
  int32_t at = strip->at;
  if (bits == 8) {
    for (int32_t y = strip->rows; y > 0; --y, at += pitch, to += w) {
      nn_put_word(to, nn_word(plane + (at >> 3)) << left & mask);
    }
  } else if (bits == 4 && is_signed) {
    NN_STRIP(NN_STRIP_FOUR(NN_EXTRACT, NN_FIELD_4, "4", "8", "12"))
  } else if (bits == 4) {
    NN_STRIP(NN_STRIP_FOUR(NN_EXTRACTU, NN_FIELD_4, "4", "8", "12"))
  } else if (is_signed) {
    NN_STRIP(NN_STRIP_FOUR(NN_EXTRACT, NN_FIELD_2, "2", "4", "6"))
  } else {
    NN_STRIP(NN_STRIP_FOUR(NN_EXTRACTU, NN_FIELD_2, "2", "4", "6"))
  }
}

void nn_mixed_depthwise(const nn_call_t* call, nn_share_t channels, uint8_t* column) {
  const nn_results_t results = nn_results(call);
  const int32_t w = call->kernel_w, taps = w * call->kernel_h, bits = call->in_bits;
  const int32_t plane = nn_packed(call->in_h * call->in_w, bits);
  const int32_t filter = nn_packed(taps, call->weight_bits), x_signed = call->in_signed;
  const int32_t down = call->stride_y * w, out_row = call->out_w * results.pixel;
  const int32_t out_h = call->out_h, nine = w == 3 && call->kernel_h == 3;
  uint8_t unpacked[64];
  nn_strip_t strip = {
      .plane = call->in + channels.begin * plane, .pitch = call->in_w * bits, .rows = call->in_h};
  for (int32_t c = channels.begin; c < channels.end; ++c, strip.plane += plane) {
    const uint8_t* weights = call->weights + c * filter;
    const int32_t start = nn_start(call, 0, c);
    const uint8_t* kappa = results.kappa + c * results.step;
    const uint8_t* lambda = results.lambda + c * results.step;
    if (call->weight_bits != 8) {
      nn_unpack_codes(weights, unpacked, taps, call->weight_bits, 1);
      weights = unpacked;
    }
    for (int32_t x = 0; x < call->out_w; ++x) {
      const int32_t first = x * call->stride_x - call->pad_left, begin = nn_max(first, 0);
      const int32_t inside = nn_max(nn_min(first + w, call->in_w) - begin, 0);
      uint8_t* to = column;
      strip.at = begin * bits;
      strip.left = 8 * (begin - first);
      strip.mask = inside == 0 ? 0 : ~0U >> (32 - 8 * inside) << strip.left;
      nn_clear(&to, call->pad_top * w);
      nn_put_strip(&strip, to, w, bits, x_signed);
      to += call->in_h * w;
      nn_clear(&to, call->pad_bottom * w);
      const uint8_t* from = column;
      uint8_t* out = results.out + x * results.pixel + (c * results.bits >> 3);
      const uint8_t* const end = column + out_h * down;
      const int32_t place = c * results.bits & 7;
      for (; from < end; from += down, out += out_row) {
        const int32_t sum = nine ? start + nn_sum_of_nine(weights, from, x_signed)
                                 : nn_dot(start, from, weights, taps, x_signed);
        const int32_t code = nn_result(&results, kappa, lambda, sum);
        if (results.bits == 8) {
          *out = (uint8_t)code;
        } else {
          nn_put_code(out, place >> (results.bits == 4 ? 2 : 1), results.bits, code);
        }
      }
    }
  }
}
#endif
