// Blocks of 4 channels x 2 pixels, as PULP-NN has them, and of 4 x 4; what is left over one channel
// at a time.
#include "nn_matrix.h"

#include "nn_mixed.h"

void nn_set_matrix(nn_matrix_t* m, const nn_call_t* call, nn_share_t channels, int32_t depth) {
  m->call = call;
  m->channels = channels;
  m->depth = depth;
  m->row = nn_packed(depth, call->weight_bits);
#ifdef NN_XPULP
  const int32_t step = call->norm ? call->norm_bits >> 3 : 0;
  m->form = NN_BITS(call->weight_bits) == 8 && call->bias8 == NULL ? nn_form(call) : NN_FORM_OTHER;
  m->weights = call->weights + channels.begin * m->row;
  m->kappa = call->norm ? call->kappa + channels.begin * step : (const uint8_t*)&call->multiplier;
  m->lambda = call->norm ? call->lambda + channels.begin * step : (const uint8_t*)&call->offset;
  m->step = step;
#endif
}

// One pixel, one channel. Weights of less than 8 bits are taken one by one.
static int32_t nn_row(const nn_matrix_t* m, int32_t sum, const uint8_t* column,
                      const uint8_t* weights) {
  const nn_call_t* call = m->call;
  if (NN_BITS(call->weight_bits) == 8)
    return nn_dot(sum, column, weights, m->depth, call->in_signed);
  for (int32_t i = 0; i < m->depth; ++i) {
    sum =
        nn_mac(sum, nn_byte(column[i], call->in_signed), nn_code(weights, i, call->weight_bits, 1));
  }
  return sum;
}

static NN_SMALL void nn_any_pixel(const nn_matrix_t* m, const uint8_t* column, int32_t pixel) {
  const nn_call_t* call = m->call;
  const nn_form_t form = nn_form(call);
  const uint8_t* weights = call->weights + m->channels.begin * m->row;
  uint8_t* out = call->out + pixel * call->out_c;
  for (int32_t c = m->channels.begin; c < m->channels.end; ++c, weights += m->row) {
    nn_put(call, form, nn_row(m, nn_start(call, pixel, c), column, weights), pixel, c, out);
  }
}

#ifdef NN_XPULP
static __attribute__((noinline)) void nn_one_pixel(const nn_matrix_t* m, const uint8_t* column,
                                                   int32_t pixel) {
  const nn_call_t* call = m->call;
  const nn_form_t form = m->form;
  const int32_t first = m->channels.begin, shift = call->shift, depth = m->depth, step = m->step;
  if (form == NN_FORM_OTHER) {
    if (!nn_words_out(call) || call->weight_bits != 8 || call->bias8 != NULL) {
      nn_any_pixel(m, column, pixel);
      return;
    }
    const int32_t at = call->sums_in ? pixel * call->out_c : 0;
    nn_run_sums(column, m->weights,
                (call->has_bias | call->sums_in) != 0 ? call->bias + 4 * (at + first) : NULL,
                call->out + 4 * (pixel * call->out_c + first), m->channels.end - first, depth,
                call->in_signed);
    return;
  }
  const uint32_t zero = 0;
  const uint8_t *weights = m->weights, *kappa = m->kappa, *lambda = m->lambda;
  const uint8_t* start = (const uint8_t*)&zero;
  uint8_t *const to = call->out + pixel * call->out_c, *const end = to + m->channels.end;
  int32_t start_step = 0;
  if (call->has_bias | call->sums_in) {
    start = call->bias + 4 * (first + (call->sums_in ? pixel * call->out_c : 0)), start_step = 4;
  }
  nn_run_channels(form, column, weights, depth, to + first, end, start, start_step, kappa, lambda,
                  step, shift, call->in_signed, call->out_signed);
}
#else
static void nn_one_pixel(const nn_matrix_t* m, const uint8_t* column, int32_t pixel) {
  nn_any_pixel(m, column, pixel);
}
#endif

#ifdef NN_XPULP
// clang-format off
// Two channels, whose weights lie behind each other, with a column.
#define NN_PAIR_DOT(dot)                                                                          \
  __asm__ volatile("beqz %[words], 1f\n" NN_LOOP("x0", "%[words]", "10") NN_LW("t1", "4", "%[x]") \
                   NN_LW("t0", "4", "%[w]") NN_LW("t2", "4", "%[v]") dot("%[s]", "t1", "t0")      \
                   dot("%[t]", "t1", "t2") NN_END_LOOP "1: beqz %[left], 2f\n"                    \
                   NN_LOOP("x0", "%[left]", "10") NN_LBU("t1", "1", "%[x]")                       \
                   NN_LBU("t0", "1", "%[w]") NN_LBU("t2", "1", "%[v]") dot("%[s]", "t1", "t0")    \
                   dot("%[t]", "t1", "t2") NN_END_LOOP "2:\n"                                     \
                   : [s] "+&r"(sum), [t] "+&r"(other), [w] "+&r"(w), [v] "+&r"(v), [x] "+&r"(x)   \
                   : [words] "r"(words), [left] "r"(left)                                         \
                   : "memory", "t0", "t1", "t2")
// clang-format on

void nn_run_sums(const uint8_t* column, const uint8_t* weights, const uint8_t* starts, uint8_t* out,
                 int32_t count, int32_t depth, int in_signed) {
  const int32_t words = depth >> 2, left = depth & 3, ahead = starts == NULL ? 0 : starts - out;
  const uint8_t *w = weights, *const end = out + 4 * count;
  for (; end - out >= 8; out += 8) {
    const uint8_t *x = column, *v = w + depth;
    int32_t sum = 0, other = 0;
    if (starts != NULL)
      sum = (int32_t)nn_word(out + ahead), other = (int32_t)nn_word(out + ahead + 4);
    if (__builtin_expect(in_signed, 0)) {
      NN_PAIR_DOT(NN_SDOTSP);
    } else {
      NN_PAIR_DOT(NN_SDOTUSP);
    }
    nn_put_word(out, (uint32_t)sum);
    nn_put_word(out + 4, (uint32_t)other);
    w = v;
  }
  if (out < end) {
    const uint8_t* x = column;
    int32_t sum = starts == NULL ? 0 : (int32_t)nn_word(out + ahead);
    if (__builtin_expect(in_signed, 0)) {
      NN_CHANNEL_DOT(NN_SDOTSP);
    } else {
      NN_CHANNEL_DOT(NN_SDOTUSP);
    }
    nn_put_word(out, (uint32_t)sum);
  }
}
#else
void nn_run_sums(const uint8_t* column, const uint8_t* weights, const uint8_t* starts, uint8_t* out,
                 int32_t count, int32_t depth, int in_signed) {
  for (int32_t c = 0; c < count; ++c, weights += depth) {
    const int32_t start = starts == NULL ? 0 : (int32_t)nn_word(starts + 4 * c);
    nn_put_word(out + 4 * c, (uint32_t)nn_dot(start, column, weights, depth, in_signed));
  }
}
#endif

// Two pixels.

static NN_SMALL void nn_two_of_channel(const nn_matrix_t* m, const uint8_t* column, int32_t bytes,
                                       int32_t pixel, int32_t c) {
  const nn_call_t* call = m->call;
  const nn_form_t form = nn_form(call);
  const uint8_t* weights = call->weights + c * m->row;
  uint8_t* out = call->out + pixel * call->out_c;
  int32_t sums[2] = {nn_start(call, pixel, c), nn_start(call, pixel + 1, c)};
  if (NN_BITS(call->weight_bits) == 8) {
    nn_dot_pair(sums, weights, column, column + bytes, m->depth, 1, call->in_signed);
  } else {
    sums[0] = nn_row(m, sums[0], column, weights);
    sums[1] = nn_row(m, sums[1], column + bytes, weights);
  }
  nn_put(call, form, sums[0], pixel, c, out);
  nn_put(call, form, sums[1], pixel + 1, c, out + call->out_c);
}

// Channels from `first` on.
static __attribute__((noinline)) void nn_two_of_channels(const nn_matrix_t* m,
                                                         const uint8_t* column, int32_t bytes,
                                                         int32_t pixel, int32_t first) {
#ifdef NN_XPULP
  const nn_call_t* call = m->call;
  const nn_form_t form = m->form;
  if (form != NN_FORM_OTHER && !call->sums_in) {
    const int32_t words = m->depth >> 2, left = m->depth & 3, step = m->step, shift = call->shift;
    const int32_t behind = first - m->channels.begin, next = call->out_c;
    const int32_t in_signed = call->in_signed, out_signed = call->out_signed;
    const uint8_t *w = m->weights + behind * m->row, *kappa = m->kappa + behind * step;
    const uint8_t *lambda = m->lambda + behind * step, *start = call->bias;
    if (call->has_bias) start += 4 * first;
    uint8_t* out = call->out + pixel * next + first;
    for (uint8_t* end = out + (m->channels.end - first); out < end; ++out) {
      const uint8_t *x = column, *y = column + bytes;
      int32_t sum = call->has_bias ? (int32_t)nn_word(start) : 0, other = sum;
// clang-format off
#define NN_TWO_DOTS(dot)                                                                          \
  __asm__ volatile("beqz %[words], 1f\n" NN_LOOP("x0", "%[words]", "10") NN_LW("t0", "4", "%[w]") \
                   NN_LW("t1", "4", "%[x]") NN_LW("t2", "4", "%[y]") dot("%[s]", "t1", "t0")      \
                   dot("%[t]", "t2", "t0") NN_END_LOOP "1: beqz %[left], 2f\n"                    \
                   NN_LOOP("x0", "%[left]", "10") NN_LBU("t0", "1", "%[w]")                       \
                   NN_LBU("t1", "1", "%[x]") NN_LBU("t2", "1", "%[y]") dot("%[s]", "t1", "t0")    \
                   dot("%[t]", "t2", "t0") NN_END_LOOP "2:\n"                                     \
                   : [s] "+r"(sum), [t] "+r"(other), [w] "+r"(w), [x] "+r"(x), [y] "+r"(y)        \
                   : [words] "r"(words), [left] "r"(left)                                         \
                   : "memory", "t0", "t1", "t2")
      // clang-format on
      if (__builtin_expect(in_signed, 0)) {
        NN_TWO_DOTS(NN_SDOTSP);
      } else {
        NN_TWO_DOTS(NN_SDOTUSP);
      }
      if (__builtin_expect(form >= NN_FORM_CLAMPED, 0)) {
        sum = nn_norm_clamped(kappa, lambda, sum, shift);
        other = nn_norm_clamped(kappa, lambda, other, shift);
      } else if (__builtin_expect(form <= NN_FORM_NORM_64, 0)) {
        sum = nn_norm_64(kappa, lambda, sum, shift);
        other = nn_norm_64(kappa, lambda, other, shift);
      } else {
        sum = nn_norm_32(kappa, lambda, sum, shift);
        other = nn_norm_32(kappa, lambda, other, shift);
      }
      out[0] = (uint8_t)nn_clip_8(sum, out_signed);
      out[next] = (uint8_t)nn_clip_8(other, out_signed);
      start += 4, kappa += step, lambda += step;
    }
    return;
  }
#endif
  for (int32_t c = first; c < m->channels.end; ++c) nn_two_of_channel(m, column, bytes, pixel, c);
}

// The results of a block. `kappa` and `lambda`: of its first channel; `to`, `next`: of that, of
// either pixel.
#define NN_PUT_BLOCK(norm, bytes, clip)                                                   \
  do {                                                                                    \
    const int32_t shift = norms.shift;                                                    \
    const uint8_t *kappa = norms.kappa + bytes * c, *lambda = norms.lambda + bytes * c;   \
    to[0] = (uint8_t)clip(norm(kappa, lambda, sums[0], shift));                           \
    next[0] = (uint8_t)clip(norm(kappa, lambda, sums[4], shift));                         \
    to[1] = (uint8_t)clip(norm(kappa + bytes, lambda + bytes, sums[1], shift));           \
    next[1] = (uint8_t)clip(norm(kappa + bytes, lambda + bytes, sums[5], shift));         \
    to[2] = (uint8_t)clip(norm(kappa + 2 * bytes, lambda + 2 * bytes, sums[2], shift));   \
    next[2] = (uint8_t)clip(norm(kappa + 2 * bytes, lambda + 2 * bytes, sums[6], shift)); \
    to[3] = (uint8_t)clip(norm(kappa + 3 * bytes, lambda + 3 * bytes, sums[3], shift));   \
    next[3] = (uint8_t)clip(norm(kappa + 3 * bytes, lambda + 3 * bytes, sums[7], shift)); \
  } while (0)

static __attribute__((noinline)) void nn_put_wide_block(const nn_norms_t* norms,
                                                        const int32_t sums[8], int32_t c,
                                                        uint8_t* to, uint8_t* next) {
  const uint8_t *kappa = norms->kappa + 8 * c, *lambda = norms->lambda + 8 * c;
  const int32_t shift = norms->shift, is_signed = norms->is_signed;
  for (int32_t i = 0; i < 4; ++i, kappa += 8, lambda += 8) {
    const nn_wide_t wide = nn_wide(kappa, lambda);
    to[i] = (uint8_t)nn_clip_8(nn_scale_64(&wide, sums[i], shift), is_signed);
    next[i] = (uint8_t)nn_clip_8(nn_scale_64(&wide, sums[4 + i], shift), is_signed);
  }
}

// With starts, by any arithmetic; accumulators are nn_two_of_sums()'s.
static __attribute__((noinline)) void nn_two_of_starts(const nn_matrix_t* m, nn_form_t form,
                                                       const uint8_t* column, int32_t bytes,
                                                       int32_t pixel) {
  const nn_call_t* call = m->call;
  const nn_norms_t norms = nn_norms(call);
  const int32_t first = m->channels.begin, is_signed = norms.is_signed;
  const uint8_t* weights = call->weights + first * m->row;
  uint8_t *to = call->out + pixel * call->out_c + first, *next = to + call->out_c;
  for (int32_t c = first; c + 4 <= m->channels.end; c += 4, weights += 4 * m->row) {
    int32_t from[8], sums[8];  // two: sums stay in registers
    nn_four_starts(call, from, 2, pixel, c);
    for (int32_t i = 0; i < 8; ++i) sums[i] = from[i];
    nn_dot_4x2(sums, column, column + bytes, weights, m->row, m->depth, call->in_signed);
#define NN_CLIP_EITHER(value) nn_clip_8(value, is_signed)
    if (form == NN_FORM_NORM) {
      NN_PUT_BLOCK(nn_norm_32, 4, NN_CLIP_EITHER);
    } else if (form == NN_FORM_CLAMPED) {
      NN_PUT_BLOCK(nn_norm_clamped, 8, NN_CLIP_EITHER);
    } else {
      const int32_t copy[8] = {sums[0], sums[1], sums[2], sums[3],
                               sums[4], sums[5], sums[6], sums[7]};
      if (form == NN_FORM_NORM_64) {
        nn_put_wide_block(&norms, copy, c, to, next);
      } else {
        for (int32_t i = 0; i < 8; ++i) nn_finish(call, copy[i], pixel + (i >> 2), c + (i & 3));
      }
    }
    to += 4, next += 4;
  }
}

#ifdef NN_XPULP
// Blocks whose results are accumulators, which stay in registers from where they start.
static __attribute__((noinline)) void nn_two_of_sums(const nn_matrix_t* m, const uint8_t* column,
                                                     int32_t bytes, int32_t pixel) {
  const nn_call_t* call = m->call;
  const int32_t row = m->row, n = m->depth, x_signed = call->in_signed, next = 4 * call->out_c;
  const int starts = call->has_bias | call->sums_in;
  const int32_t first = m->channels.begin, from_next = call->sums_in ? next : 0;
  const uint8_t *weights = call->weights + first * row, *bias = call->bias + 4 * first;
  if (call->sums_in) bias += pixel * next;
  uint8_t* to = call->out + pixel * next + 4 * first;
  for (int32_t blocks = (m->channels.end - first) >> 2; blocks > 0; --blocks) {
    const uint8_t *x0 = column, *x1 = column + bytes, *w0 = weights, *w1 = w0 + row, *w2 = w1 + row;
    const uint8_t *w3 = w2 + row, *other = bias + from_next;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
    if (starts) {
      s0 = (int32_t)nn_word(bias), s1 = (int32_t)nn_word(bias + 4);
      s2 = (int32_t)nn_word(bias + 8), s3 = (int32_t)nn_word(bias + 12);
      s4 = (int32_t)nn_word(other), s5 = (int32_t)nn_word(other + 4);
      s6 = (int32_t)nn_word(other + 8), s7 = (int32_t)nn_word(other + 12);
    }
    if (x_signed) {
      NN_DOT_4X2(NN_SDOTSP);
    } else {
      NN_DOT_4X2(NN_SDOTUSP);
    }
    nn_put_word(to, (uint32_t)s0), nn_put_word(to + 4, (uint32_t)s1);
    nn_put_word(to + 8, (uint32_t)s2), nn_put_word(to + 12, (uint32_t)s3);
    nn_put_word(to + next, (uint32_t)s4), nn_put_word(to + next + 4, (uint32_t)s5);
    nn_put_word(to + next + 8, (uint32_t)s6), nn_put_word(to + next + 12, (uint32_t)s7);
    to += 16, bias += 16, weights += 4 * row;
  }
}
#endif

static __attribute__((noinline)) void nn_two_pixels(const nn_matrix_t* m, const uint8_t* column,
                                                    int32_t bytes, int32_t pixel) {
  const nn_call_t* call = m->call;
  const nn_form_t form = nn_form(call);
  const int starts = nn_has_starts(call);
  int32_t c = m->channels.begin;
  const uint8_t* weights = call->weights + c * m->row;
  uint8_t *to = call->out + pixel * call->out_c + c, *next = to + call->out_c;
  nn_norms_t norms = nn_norms(call);
  if (form == NN_FORM_PLAIN) {
    norms.kappa = (const uint8_t*)&call->multiplier, norms.lambda = (const uint8_t*)&call->offset;
  }
  if ((starts || form == NN_FORM_OTHER) && NN_BITS(call->weight_bits) == 8) {
#ifdef NN_XPULP
    if (nn_words_out(call) && call->bias8 == NULL) {
      nn_two_of_sums(m, column, bytes, pixel);
    } else {
      nn_two_of_starts(m, form, column, bytes, pixel);
    }
#else
    nn_two_of_starts(m, form, column, bytes, pixel);
#endif
    c += nn_max(m->channels.end - c, 0) & ~3;
  }
  for (; NN_BITS(call->weight_bits) == 8 && c + 4 <= m->channels.end; c += 4) {
    int32_t sums[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    nn_dot_4x2(sums, column, column + bytes, weights, m->row, m->depth, call->in_signed);
    if (form == NN_FORM_NORM) {
      if (norms.is_signed) {
        NN_PUT_BLOCK(nn_norm_32, 4, nn_clip_s8);
      } else {
        NN_PUT_BLOCK(nn_norm_32, 4, nn_clip_u8);
      }
    } else if (form == NN_FORM_PLAIN) {
      if (norms.is_signed) {
        NN_PUT_BLOCK(nn_norm_32, 0, nn_clip_s8);
      } else {
        NN_PUT_BLOCK(nn_norm_32, 0, nn_clip_u8);
      }
    } else if (form == NN_FORM_NORM_64) {
      const int32_t copy[8] = {sums[0], sums[1], sums[2], sums[3],
                               sums[4], sums[5], sums[6], sums[7]};  // the others stay in registers
      nn_put_wide_block(&norms, copy, c, to, next);
    } else if (norms.is_signed) {
      NN_PUT_BLOCK(nn_norm_clamped, 8, nn_clip_s8);
    } else {
      NN_PUT_BLOCK(nn_norm_clamped, 8, nn_clip_u8);
    }
    to += 4, next += 4, weights += 4 * m->row;
  }
  if (c < m->channels.end) nn_two_of_channels(m, column, bytes, pixel, c);
}

// Four pixels.

#ifdef NN_XPULP
// What becomes of the accumulators of a block: they go to sums, behind which C goes on with them
// block by block, or themselves or codes of them to the result.
enum { kToSums, kNormU8, kNormS8, kClampedU8, kClampedS8, kToWords };

// clang-format off
#define NN_QUAD_DOT(dot, x, s0, s1, s2, s3) \
  dot(s0, x, "t0") dot(s1, x, "t1") dot(s2, x, "t2") dot(s3, x, "t3")

// A step of the columns: 8 loads and 16 products.
#define NN_QUAD_STEP(load_w, load_x, dot)                                              \
  load_w("t0", "a1", "a0") load_w("t1", "a1", "a0") load_w("t2", "a1", "a0")           \
  load_w("t3", "a2", "a0") load_x("t4", "t6", "a3") load_x("t5", "t6", "a3")           \
  NN_QUAD_DOT(dot, "t4", "s0", "s1", "s2", "s3") load_x("t4", "t6", "a3")              \
  NN_QUAD_DOT(dot, "t5", "s4", "s5", "s6", "s7") load_x("t5", "ra", "a3")              \
  NN_QUAD_DOT(dot, "t4", "s8", "s9", "s10", "s11")                                     \
  NN_QUAD_DOT(dot, "t5", "a4", "a5", "a6", "a7")

#define NN_QUAD_LOOP(count, load_w, load_x, dot) \
  NN_LOOP("x0", count, "48") NN_QUAD_STEP(load_w, load_x, dot) NN_END_LOOP

#define NN_QUAD_CODE(sum, clip) \
  "mv t5, t3\n" NN_MAC("t5", sum, "t1") "sra t5, t5, a2\n" clip("t5", "t5")
#define NN_QUAD_NORM(sum, clip, step) NN_QUAD_CODE(sum, clip) NN_SB_BY("t5", step, "a3")
#define NN_QUAD_NORMS(s0, s1, s2, s3, clip)                         \
  NN_LW_BY("t1", "t4", "a0") NN_LW_BY("t3", "t4", "a1")             \
  NN_QUAD_NORM(s0, clip, "t6") NN_QUAD_NORM(s1, clip, "t6")         \
  NN_QUAD_NORM(s2, clip, "t6") NN_QUAD_NORM(s3, clip, "ra")
#define NN_QUAD_BOUND(sum, clip, step) \
  NN_MAX(sum, sum, "t2") NN_MIN(sum, sum, "t4") NN_QUAD_NORM(sum, clip, step)
#define NN_QUAD_BOUNDS(s0, s1, s2, s3, clip)                                    \
  NN_LW("t1", "4", "a0") NN_LW("t2", "4", "a0") NN_LW("t3", "4", "a1")          \
  NN_LW("t4", "4", "a1") NN_QUAD_BOUND(s0, clip, "t6")                          \
  NN_QUAD_BOUND(s1, clip, "t6") NN_QUAD_BOUND(s2, clip, "t6") NN_QUAD_BOUND(s3, clip, "ra")
#define NN_QUAD_FINISH(label, results, clip)                                               \
  #label ":\n" results("s0", "s4", "s8", "a4", clip) results("s1", "s5", "s9", "a5", clip) \
  results("s2", "s6", "s10", "a6", clip) results("s3", "s7", "s11", "a7", clip)

#define NN_QUAD_EACH_SUM(op)                                                               \
  op " s0, 68(t0)\n" op " s1, 72(t0)\n" op " s2, 76(t0)\n" op " s3, 80(t0)\n"              \
  op " s4, 84(t0)\n" op " s5, 88(t0)\n" op " s6, 92(t0)\n" op " s7, 96(t0)\n"              \
  op " s8, 100(t0)\n" op " s9, 104(t0)\n" op " s10, 108(t0)\n" op " s11, 112(t0)\n"        \
  op " a4, 116(t0)\n" op " a5, 120(t0)\n" op " a6, 124(t0)\n" op " a7, 128(t0)\n"
// Words at `at`, `step` from pixel to pixel.
#define NN_QUAD_FOUR(op, at, s0, s1, s2, s3) \
  op " " s0 ", 0(" at ")\n" op " " s1 ", 4(" at ")\n" op " " s2 ", 8(" at ")\n" op " " s3 ", 12(" at ")\n"
#define NN_QUAD_WORDS(op, at, step)                                                        \
  NN_QUAD_FOUR(op, at, "s0", "s1", "s2", "s3") "add " at ", " at ", " step "\n"            \
  NN_QUAD_FOUR(op, at, "s4", "s5", "s6", "s7") "add " at ", " at ", " step "\n"            \
  NN_QUAD_FOUR(op, at, "s8", "s9", "s10", "s11") "add " at ", " at ", " step "\n"          \
  NN_QUAD_FOUR(op, at, "a4", "a5", "a6", "a7")
#define NN_QUAD_EACH_SAVED(op)                                                             \
  op " ra, 4(sp)\n" op " s0, 8(sp)\n" op " s1, 12(sp)\n" op " s2, 16(sp)\n"                \
  op " s3, 20(sp)\n" op " s4, 24(sp)\n" op " s5, 28(sp)\n" op " s6, 32(sp)\n"              \
  op " s7, 36(sp)\n" op " s8, 40(sp)\n" op " s9, 44(sp)\n" op " s10, 48(sp)\n"             \
  op " s11, 52(sp)\n"
// clang-format on

// All registers but sp, gp and tp: 16 accumulators, 4 words of weights, 2 of activations, for
// either a pointer and two steps.
NN_ASM_FUNCTION(nn_run_quads, nn_quads_t,
      "addi sp, sp, -64\nsw a0, 0(sp)\n" NN_QUAD_EACH_SAVED("sw")
      "10: lw t0, 0(sp)\nlw t1, 136(t0)\nlw a0, 0(t0)\nlw a1, 4(t0)\nbnez t1, 20f\n"
      "li s0, 0\nli s1, 0\nli s2, 0\nli s3, 0\nli s4, 0\nli s5, 0\nli s6, 0\nli s7, 0\n"
      "li s8, 0\nli s9, 0\nli s10, 0\nli s11, 0\nli a4, 0\nli a5, 0\nli a6, 0\nli a7, 0\n"
      "11: lw a2, 8(t0)\nlw a3, 12(t0)\nlw t6, 16(t0)\nlw ra, 20(t0)\nlw t2, 24(t0)\n"
      "lw t3, 132(t0)\nslli t1, a1, 2\nadd t1, t1, a0\nsw t1, 0(t0)\nbeqz t2, 12f\nbnez t3, 17f\n"
      NN_QUAD_LOOP("t2", NN_LW_BY, NN_LW_BY, NN_SDOTUSP)
      "12: lw t0, 0(sp)\nlw t2, 28(t0)\nlw t3, 64(t0)\nbnez t2, 21f\n"
      "13: lw a0, 32(t0)\nlw a1, 36(t0)\nlw t4, 40(t0)\nlw a2, 44(t0)\nlw a3, 48(t0)\n"
      "lw t6, 52(t0)\nlw ra, 56(t0)\nli t2, 1\nbne t3, t2, 22f\n"
      NN_QUAD_FINISH(14, NN_QUAD_NORMS, NN_CLIP_U8)
      "15: lw t1, 60(t0)\nsw a0, 32(t0)\nsw a1, 36(t0)\nsw a3, 48(t0)\naddi t1, t1, -1\n"
      "sw t1, 60(t0)\nbnez t1, 10b\n"
      "16: " NN_QUAD_EACH_SAVED("lw") "addi sp, sp, 64\nret\n"
      "17: " NN_QUAD_LOOP("t2", NN_LW_BY, NN_LW_BY, NN_SDOTSP) "j 12b\n"
      "20: lw t2, 140(t0)\naddi t3, t1, 16\nsw t3, 136(t0)\n" NN_QUAD_WORDS("lw", "t1", "t2") "j 11b\n"
      "21: addi a2, a2, -3\naddi ra, ra, -3\nlw t3, 132(t0)\nbnez t3, 27f\n"
      NN_QUAD_LOOP("t2", NN_LB_BY, NN_LBU_BY, NN_MAC)
      "28: lw t0, 0(sp)\nlw t3, 64(t0)\nj 13b\n"
      "27: " NN_QUAD_LOOP("t2", NN_LB_BY, NN_LB_BY, NN_MAC) "j 28b\n"
      "22: beqz t3, 26f\nli t2, 3\nblt t3, t2, 23f\nbeq t3, t2, 24f\nli t2, 5\nbeq t3, t2, 29f\n"
      NN_QUAD_FINISH(25, NN_QUAD_BOUNDS, NN_CLIP_S8) "j 15b\n"
      NN_QUAD_FINISH(24, NN_QUAD_BOUNDS, NN_CLIP_U8) "j 15b\n"
      NN_QUAD_FINISH(23, NN_QUAD_NORMS, NN_CLIP_S8) "j 15b\n"
      "29: " NN_QUAD_WORDS("sw", "a3", "t6") "add a3, a3, ra\nj 15b\n"
      "26: " NN_QUAD_EACH_SUM("sw") "j 16b\n")

static int32_t nn_quads_finish(const nn_call_t* call) {
  const nn_form_t form = nn_form(call);
  if (nn_words_out(call)) return kToWords;
  if (form <= NN_FORM_NORM_64 || call->bias8 != NULL) return kToSums;
  if (form == NN_FORM_CLAMPED) return call->out_signed ? kClampedS8 : kClampedU8;
  return call->out_signed ? kNormS8 : kNormU8;
}

// Four channels' codes of four pixels.
static void nn_quads_of_64(const nn_quads_t* quads, const nn_norms_t* norms, int32_t channel) {
  const uint8_t *kappa = norms->kappa + 8 * channel, *lambda = norms->lambda + 8 * channel;
  uint8_t* out = quads->out + channel;
  const int32_t pixel = quads->pixel, shift = norms->shift, is_signed = norms->is_signed;
  const int32_t* sums = &quads->sums[0][0];
  for (int32_t c = 0; c < 4; ++c, ++sums, ++out, kappa += 8, lambda += 8) {
    const nn_wide_t wide = nn_wide(kappa, lambda);
    const int32_t a = sums[0], b = sums[4], d = sums[8], e = sums[12];
    out[0] = (uint8_t)nn_clip_8(nn_scale_64(&wide, a, shift), is_signed);
    out[pixel] = (uint8_t)nn_clip_8(nn_scale_64(&wide, b, shift), is_signed);
    out[2 * pixel] = (uint8_t)nn_clip_8(nn_scale_64(&wide, d, shift), is_signed);
    out[3 * pixel] = (uint8_t)nn_clip_8(nn_scale_64(&wide, e, shift), is_signed);
  }
}

// Results of 64 bits, of no 8-bit code, and with PULP-NN's bias, block by block.
static void nn_quads_by_sums(const nn_matrix_t* m, nn_quads_t* quads, int32_t pixel) {
  const nn_call_t* call = m->call;
  const int wide = call->bias8 == NULL && nn_form(call) == NN_FORM_NORM_64;
  const nn_norms_t norms = nn_norms(call);
  uint8_t* const out = quads->out -= m->channels.begin;
  for (int32_t c = m->channels.begin; c + 4 <= m->channels.end; c += 4) {
    if (call->bias8 != NULL) {
      nn_four_starts(call, &quads->sums[0][0], 4, pixel, c);
      quads->starts = (const uint8_t*)&quads->sums[0][0];
    }
    nn_run_quads(quads);
    if (wide) {
      nn_quads_of_64(quads, &norms, c);
      continue;
    }
    uint8_t* to = out;
    for (int32_t p = 0; p < 4; ++p, to += call->out_c) {
      for (int32_t i = 0; i < 4; ++i) {
        nn_put(call, m->form, quads->sums[p][i], pixel + p, c + i, to);
      }
    }
  }
}

void nn_set_quads(const nn_matrix_t* m, int32_t bytes) {
  const nn_call_t* call = m->call;
  nn_quads_t* quads = m->quads;
  const int32_t begin = m->channels.begin;
  quads->row = m->row;
  quads->row_back = 4 - 3 * m->row;
  quads->column = bytes;
  quads->column_back = 4 - 3 * bytes;
  quads->words = m->depth >> 2;
  quads->left = m->depth & 3;
  quads->shift = call->shift;
  quads->finish = nn_quads_finish(call);
  const int32_t result = quads->finish == kToWords ? 4 : 1;  // bytes
  quads->pixel = result * call->out_c;
  quads->pixel_back = (result == 4 ? 16 : 1) - 3 * quads->pixel;
  quads->in_signed = call->in_signed;
  const int starts = call->has_bias | call->sums_in;
  quads->first_starts = starts ? call->bias + 4 * begin : NULL;
  quads->start = call->bias8 != NULL ? 16 : call->sums_in ? 4 * call->out_c : 0;
  quads->start_pixel = call->sums_in ? 4 * call->out_c : 0;
  quads->first_weights = m->weights;
  quads->first_out = call->out + result * begin;
  quads->all_blocks = nn_max(m->channels.end - begin, 0) >> 2;
  quads->first_kappa = m->kappa;
  quads->first_lambda = m->lambda;
  quads->norm_step = m->step;
}

static void nn_four_pixels(const nn_matrix_t* m, const uint8_t* columns, int32_t bytes,
                           int32_t pixel) {
  nn_quads_t* quads = m->quads;
  quads->weights = quads->first_weights;
  quads->columns = columns;
  quads->kappa = quads->first_kappa;
  quads->lambda = quads->first_lambda;
  quads->out = quads->first_out + pixel * quads->pixel;
  quads->blocks = quads->all_blocks;
  quads->starts = quads->first_starts;
  if (quads->starts != NULL) quads->starts += pixel * quads->start_pixel;
  if (quads->finish == kToSums) {
    nn_quads_by_sums(m, quads, pixel);
  } else if (quads->blocks > 0) {
    nn_run_quads(quads);
  }
  const int32_t c = m->channels.begin + 4 * quads->all_blocks;
  if (c < m->channels.end) {
    nn_two_of_channels(m, columns, bytes, pixel, c);
    nn_two_of_channels(m, columns + 2 * bytes, bytes, pixel + 2, c);
  }
}
#else
static void nn_four_pixels(const nn_matrix_t* m, const uint8_t* columns, int32_t bytes,
                           int32_t pixel) {
  nn_two_pixels(m, columns, bytes, pixel);
  nn_two_pixels(m, columns + 2 * bytes, bytes, pixel + 2);
}
#endif

void nn_product(const nn_matrix_t* matrix, int32_t pixels, const uint8_t* columns, int32_t bytes,
                int32_t pixel) {
#ifdef NN_MIXED
  if (pixels > 0 && nn_is_mixed(matrix->call)) {
    for (int32_t done = 0; done < pixels; done += 2) {  // four: 8-bit weights, other results
      nn_mixed_product(matrix, nn_min(pixels, 2), columns + done * bytes, bytes, pixel + done);
    }
    return;
  }
#endif
  if (pixels == 4) {
    nn_four_pixels(matrix, columns, bytes, pixel);
  } else if (pixels == 2) {
    nn_two_pixels(matrix, columns, bytes, pixel);
  } else if (pixels == 1) {
    nn_one_pixel(matrix, columns, pixel);
  }
}
