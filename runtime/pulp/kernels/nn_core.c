// Dot products of a column or two; from accumulators to results, whatever their form.
#include "nn_core.h"

#ifdef NN_XPULP
// clang-format off
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
// clang-format on
#endif

int32_t nn_dot(int32_t sum, const uint8_t* x, const uint8_t* w, int32_t n, int x_signed) {
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

void nn_dot_pair(int32_t sums[2], const uint8_t* p, const uint8_t* q, const uint8_t* r, int32_t n,
                 int shares_weights, int x_signed) {
  int32_t s0 = sums[0], s1 = sums[1];
#ifdef NN_XPULP
// clang-format off
#define NN_PAIR(load, bytes, dot, trips)                                                          \
  if (shares_weights) {                                                                           \
    NN_DOT_PAIR(load, bytes, dot("%[s0]", "t1", "t0"), dot("%[s1]", "t2", "t0"), trips);          \
  } else {                                                                                        \
    NN_DOT_PAIR(load, bytes, dot("%[s0]", "t0", "t1"), dot("%[s1]", "t0", "t2"), trips);          \
  }
  // clang-format on
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

int32_t nn_clip(int32_t value, int32_t bits, int is_signed) {
  if (bits == 8) return nn_clip_8(value, is_signed);
  if (bits == 32) return value;
  const int32_t low = is_signed ? -(1 << (bits - 1)) : 0;
  return nn_min(nn_max(value, low), low + (1 << bits) - 1);
}

int32_t nn_start(const nn_call_t* call, int32_t pixel, int32_t channel) {
  if (call->sums_in) {
    return (int32_t)nn_word(call->bias + 4 * (pixel * call->out_c + channel));
  }
  if (call->has_bias) return (int32_t)nn_word(call->bias + 4 * channel);
  return call->bias8 == NULL ? 0 : call->bias8[channel];
}

static int32_t nn_scale(const nn_call_t* call, int32_t sum, int32_t channel) {
  if (!call->norm) {
    const int32_t value = nn_mac(call->offset, call->multiplier, sum) >> call->shift;
    return nn_clip(call->narrow ? (int16_t)value : value, call->out_bits, call->out_signed);
  }
  int32_t value;
  if (call->clamped) {
    value =
        nn_norm_clamped(call->kappa + 8 * channel, call->lambda + 8 * channel, sum, call->shift);
  } else if (call->norm_bits == 32) {
    value = nn_norm_32(call->kappa + 4 * channel, call->lambda + 4 * channel, sum, call->shift);
  } else {
    value = nn_norm_64(call->kappa + 8 * channel, call->lambda + 8 * channel, sum, call->shift);
  }
  return nn_clip(value, call->out_bits, call->out_signed);
}

void nn_finish(const nn_call_t* call, int32_t sum, int32_t pixel, int32_t channel) {
  if (nn_words_out(call)) {
    nn_put_word(call->out + 4 * (pixel * call->out_c + channel), (uint32_t)sum);
    return;
  }
  nn_put_code(call->out + pixel * nn_packed(call->out_c, call->out_bits), channel, call->out_bits,
              nn_scale(call, sum, channel));
}
