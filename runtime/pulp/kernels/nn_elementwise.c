// Kernels that take code by code: additions and requantizations, pixels over cores.
#include "nn_mixed.h"

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
                        "add t0, t0, t1\nsrl t0, t0, %[s]\n" NN_EXTHZ("t0", "t0")              \
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

#ifdef NN_XPULP
// Codes of any width, as many at a time as a word has of the wider ones.
typedef struct {
  int32_t in_bits, out_bits, at_once;
  uint32_t turned, turned2;  // words of operands
  int32_t low, high;         // results
} nn_run_t;

static nn_run_t nn_run(const nn_call_t* call) {
  const int32_t in_bits = call->in_bits == 32 ? 8 : NN_BITS(call->in_bits);
  const int32_t out_bits = NN_BITS(call->out_bits);
  const int32_t low = call->out_signed ? -(1 << (out_bits - 1)) : 0;
  const nn_run_t run = {.in_bits = in_bits,
                        .out_bits = out_bits,
                        .at_once = 32 / (in_bits > out_bits ? in_bits : out_bits),
                        .turned = nn_turned(in_bits, call->in_signed),
                        .turned2 = nn_turned(in_bits, call->in2_signed),
                        .low = low,
                        .high = low + (1 << out_bits) - 1};
  return run;
}

// `codes` of a word; the bits behind them in their last byte are 0.
static inline uint8_t* nn_put_word_of(uint8_t* to, uint32_t word, int32_t codes, int32_t bits) {
  int32_t bytes = nn_packed(codes, bits);
  if (bytes == 4) {
    nn_put_word(to, word);
    return to + 4;
  }
  for (; bytes > 0; --bytes, word >>= 8) *to++ = (uint8_t)word;
  return to;
}

// A pixel by kappa and lambda of its channels.
static void nn_norm_run(const nn_call_t* call, const nn_run_t* run, const uint8_t* in,
                        uint8_t* out) {
  const int32_t in_bits = run->in_bits, out_bits = run->out_bits, shift = call->shift;
  const int32_t more = nn_more(in_bits, call->in_signed), step = call->norm_bits >> 3;
  const int words = call->in_bits == 32, clamped = call->clamped;
  const uint8_t *kappa = call->kappa, *lambda = call->lambda;
  for (int32_t codes = call->out_c, n; codes > 0; codes -= n) {
    const uint32_t x = nn_word(in) ^ run->turned;
    int32_t f = nn_first_field(in_bits), g = nn_first_field(out_bits);
    uint32_t to = 0;
    n = nn_min(codes, run->at_once);
    for (const uint8_t* end = kappa + n * step; kappa < end; kappa += step, lambda += step) {
      int32_t value = words ? (int32_t)nn_word(in) : nn_field(x, f) + more;
      if (words) in += 4;
      if (clamped) {
        value = nn_norm_clamped(kappa, lambda, value, shift);
      } else if (step == 4) {
        value = nn_norm_32(kappa, lambda, value, shift);
      } else {
        value = nn_norm_64(kappa, lambda, value, shift);
      }
      to = nn_with_field(to, nn_min(nn_max(value, run->low), run->high), g);
      f += in_bits, g += out_bits;
    }
    if (!words) in += n * in_bits >> 3;
    out = nn_put_word_of(out, to, n, out_bits);
  }
}

// clang-format off
#define NN_SCALE_LOOP(load, step, clip)                                                          \
  __asm__ volatile(NN_LOOP("x0", "%[n]", "12") load("t0", step, "%[in]")                         \
                   NN_ADD_OPERAND("t1", "t0", "%[m]", "%[o]", "%[s]") clip("t1", "t1")           \
                   NN_SB("t1", "1", "%[out]") NN_END_LOOP                                        \
                   : [in] "+r"(in), [out] "+r"(out)                                              \
                   : [m] "r"(call->multiplier), [o] "r"(call->offset), [s] "r"(call->shift),     \
                     [n] "r"(n)                                                                  \
                   : "memory", "t0", "t1")
#define NN_SCALE(clip)                                                                           \
  if (call->in_bits == 32) {                                                                     \
    NN_SCALE_LOOP(NN_LW, "4", clip);                                                             \
  } else if (call->in_signed) {                                                                  \
    NN_SCALE_LOOP(NN_LB, "1", clip);                                                             \
  } else {                                                                                       \
    NN_SCALE_LOOP(NN_LBU, "1", clip);                                                            \
  }
// clang-format on

// n codes of 8 bits, or accumulators, to codes of 8 bits.
static void nn_scale_bytes(const nn_call_t* call, const uint8_t* in, uint8_t* out, int32_t n) {
  if (n <= 0) return;
  if (call->out_signed) {
    NN_SCALE(NN_CLIP_S8)
  } else {
    NN_SCALE(NN_CLIP_U8)
  }
}

#ifdef NN_MIXED
// clang-format off
#define NN_RUN_SUM(halfwords, clip)                                                              \
  __asm__ volatile(NN_LOOP("x0", "%[n]", halfwords)                                              \
                   NN_EXTRACT_BY("t0", "%[a]", "%[f]") NN_EXTRACT_BY("t1", "%[b]", "%[f]")       \
                   NN_ADD_OPERANDS clip("t2") NN_ADD_SECOND clip("t3") "add t2, t2, t3\n"        \
                   NN_ADD_OPERAND("t3", "t2", "%[m]", "%[o]", "%[s]") NN_RUN_CLIP("t3")          \
                   NN_INSERT_BY("%[to]", "t3", "%[g]") "add %[f], %[f], %[fb]\n"                 \
                   "add %[g], %[g], %[gb]\n" NN_END_LOOP                                         \
                   : [to] "+&r"(to), [f] "+&r"(f), [g] "+&r"(g)                                     \
                   : [a] "r"(x), [b] "r"(y), [m1] "r"(m1), [o1] "r"(o1), [s1] "r"(s1),           \
                     [m2] "r"(m2), [o2] "r"(o2), [s2] "r"(s2), [m] "r"(m), [o] "r"(o),           \
                     [s] "r"(s), [low] "r"(low), [high] "r"(high), [fb] "r"(in_bits),            \
                     [gb] "r"(out_bits), [n] "r"(n)                                              \
                   : "t0", "t1", "t2", "t3")
#define NN_RUN_CLIP(x) NN_MAX(x, x, "%[low]") NN_MIN(x, x, "%[high]")
#define NN_RUN_NO_CLIP(x)

// Signed codes of a word, or words where they are accumulators.
#define NN_RUN_SCALE(halfwords, take)                                                            \
  __asm__ volatile(NN_LOOP("x0", "%[n]", halfwords) take                                         \
                   NN_ADD_OPERAND("t1", "t0", "%[m]", "%[o]", "%[s]") NN_RUN_CLIP("t1")          \
                   NN_INSERT_BY("%[to]", "t1", "%[g]") "add %[g], %[g], %[gb]\n" NN_END_LOOP     \
                   : [to] "+&r"(to), [f] "+&r"(f), [g] "+&r"(g), [in] "+&r"(in)                  \
                   : [a] "r"(x), [m] "r"(m), [o] "r"(o), [s] "r"(s), [low] "r"(low),             \
                     [high] "r"(high), [fb] "r"(in_bits), [gb] "r"(out_bits), [n] "r"(n)         \
                   : "memory", "t0", "t1")
#define NN_RUN_FIELD NN_EXTRACT_BY("t0", "%[a]", "%[f]") "add %[f], %[f], %[fb]\n"
#define NN_RUN_WORD NN_LW("t0", "4", "%[in]")
// clang-format on

static void nn_add_run(const nn_call_t* call, const nn_run_t* run, const uint8_t* a,
                       const uint8_t* b, uint8_t* out, int32_t codes) {
  const int32_t m1 = call->multiplier1, s1 = call->shift1, m2 = call->multiplier2;
  const int32_t s2 = call->shift2, m = call->multiplier, o = call->offset, s = call->shift;
  const int32_t in_bits = run->in_bits, out_bits = run->out_bits, low = run->low, high = run->high;
  const int32_t o1 = nn_mac(call->offset1, m1, nn_more(in_bits, call->in_signed));
  const int32_t o2 = nn_mac(call->offset2, m2, nn_more(in_bits, call->in2_signed));
  for (int32_t n; codes > 0; codes -= n) {
    const uint32_t x = nn_word(a) ^ run->turned, y = nn_word(b) ^ run->turned2;
    int32_t f = nn_first_field(in_bits), g = nn_first_field(out_bits);
    uint32_t to = 0;
    n = nn_min(codes, run->at_once);
    if (call->clip_operands) {
      NN_RUN_SUM("42", NN_RUN_CLIP);
    } else {
      NN_RUN_SUM("34", NN_RUN_NO_CLIP);
    }
    a += n * in_bits >> 3, b += n * in_bits >> 3;
    out = nn_put_word_of(out, to, n, out_bits);
  }
}

static void nn_scale_run(const nn_call_t* call, const nn_run_t* run, const uint8_t* in,
                         uint8_t* out, int32_t codes) {
  const int32_t m = call->multiplier, s = call->shift, low = run->low, high = run->high;
  const int32_t in_bits = run->in_bits, out_bits = run->out_bits, words = call->in_bits == 32;
  const int32_t more = words ? 0 : nn_more(in_bits, call->in_signed);
  const int32_t o = nn_mac(call->offset, m, more);
  for (int32_t n; codes > 0; codes -= n) {
    const uint32_t x = nn_word(in) ^ run->turned;
    int32_t f = nn_first_field(in_bits), g = nn_first_field(out_bits);
    uint32_t to = 0;
    n = nn_min(codes, run->at_once);
    if (words) {
      NN_RUN_SCALE("16", NN_RUN_WORD);
    } else {
      NN_RUN_SCALE("18", NN_RUN_FIELD);
      in += n * in_bits >> 3;
    }
    out = nn_put_word_of(out, to, n, out_bits);
  }
}

// Pixels whose codes fill their bytes are one run.
static int nn_is_run(const nn_call_t* call) {
  return (call->in_c * call->in_bits & 7) == 0 && (call->out_c * call->out_bits & 7) == 0;
}

static void nn_add_runs(const nn_call_t* call, nn_share_t pixels) {
  const nn_run_t run = nn_run(call);
  const int32_t pixel = nn_packed(call->in_c, call->in_bits);
  const int32_t out_pixel = nn_packed(call->out_c, call->out_bits);
  const int32_t at_once = nn_is_run(call) ? pixels.end - pixels.begin : 1;
  for (int32_t i = pixels.begin; i < pixels.end; i += at_once) {
    nn_add_run(call, &run, call->in + i * pixel, call->in2 + i * pixel, call->out + i * out_pixel,
               at_once * call->out_c);
  }
}

#endif

// Whether nothing changes.
static int nn_is_copy(const nn_call_t* call) {
  return (call->norm | call->offset | call->shift) == 0 && call->multiplier == 1 &&
         call->in_bits == call->out_bits && !call->in_signed == !call->out_signed &&
         (call->in_c * call->in_bits & 7) == 0;
}

static void nn_requantize_runs(const nn_call_t* call, nn_share_t pixels) {
  const int32_t pixel = nn_packed(call->in_c, call->in_bits);
  const int32_t out_pixel = nn_packed(call->out_c, call->out_bits);
  const uint8_t* in = call->in + pixels.begin * pixel;
  uint8_t* out = call->out + pixels.begin * out_pixel;
  const int32_t count = pixels.end - pixels.begin;
  if (nn_is_copy(call)) {
    nn_copy(&out, &in, count * pixel);
    return;
  }
  const nn_run_t run = nn_run(call);
  if (!call->norm && (call->in_bits == 32 || run.in_bits == 8) && run.out_bits == 8) {
    nn_scale_bytes(call, in, out, count * call->out_c);
    return;
  }
#ifdef NN_MIXED
  if (!call->norm && nn_is_run(call)) {
    nn_scale_run(call, &run, in, out, count * call->out_c);
    return;
  }
  if (!call->norm) {
    for (int32_t i = count; i > 0; --i, in += pixel, out += out_pixel) {
      nn_scale_run(call, &run, in, out, call->out_c);
    }
    return;
  }
#endif
  for (int32_t i = count; i > 0; --i, in += pixel, out += out_pixel) {
    nn_norm_run(call, &run, in, out);
  }
}
#endif

static void nn_requantize_pixels(const nn_call_t* call, nn_share_t pixels) {
#ifdef NN_XPULP
  if (!nn_words_out(call)) {
    nn_requantize_runs(call, pixels);
    return;
  }
#endif
  for (int32_t pixel = pixels.begin; pixel < pixels.end; ++pixel) nn_requantize_pixel(call, pixel);
}

static void nn_add_rows(const nn_call_t* call, nn_share_t rows) {
#ifdef NN_XPULP
  const int32_t row = call->in_w * call->in_c;
  if (nn_adds_bytes(call)) {
    nn_add_bytes(call, rows.begin * row, (rows.end - rows.begin) * row);
    return;
  }
#endif
  const nn_share_t pixels = {rows.begin * call->in_w, rows.end * call->in_w};
#ifdef NN_MIXED
  if (call->out_bits != 32) {
    nn_add_runs(call, pixels);
    return;
  }
#endif
  for (int32_t i = pixels.begin; i < pixels.end; ++i) nn_add_pixel(call, i);
}

void nn_add(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) nn_add_rows(call, nn_rows_of(call->in_h, cores, core, 0));
  pi_cl_team_barrier();
}

void nn_requantize(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) {
    nn_requantize_pixels(call, nn_share(call->out_h * call->out_w, 1, cores, core));
  }
  pi_cl_team_barrier();
}
