// Depthwise convolution, 3x3, from a map that lies pixel by pixel: four channels at a time, which a
// core turns row by row into four planes of its own. Of these it keeps the three last rows, with
// zeros around them, and computes a row of each plane.
#include "nn_core.h"

// Fours of channels over cores; where there are cores for several times as many, so many share the
// rows of each.
static nn_share_t nn_quads_of(const nn_call_t* call, int32_t cores, int32_t core,
                              nn_share_t* rows) {
  const int32_t quads = (call->out_c + 3) >> 2;
  rows->begin = 0, rows->end = call->out_h;
  if (2 * quads > cores) return nn_share(quads, 1, cores, core);
  const int32_t together = cores / quads, quad = core / together;
  const nn_share_t share = {nn_min(quad, quads), nn_min(quad + 1, quads)};
  *rows = nn_share(call->out_h, 1, together, core - quad * together);
  return share;
}

#ifdef NN_XPULP
enum { kMargin = 4, kWindow = 3 };

typedef struct {
  const nn_call_t* call;
  int32_t pitch;           // of a plane's row, zeros included
  uint8_t* rows[kWindow];  // of all four planes; the oldest first
} nn_planes_t;

// Rows of results of a quad's channels, whose planes lie `pitch` apart.
typedef struct {
  const uint8_t* rows[kWindow];
  int32_t pitch;
  const uint8_t *weights, *kappa, *lambda;
  int32_t norm_step, shift;
  uint8_t* out;
  int32_t channels, count, stride, pixel;  // results of a row; bytes between windows, and results
} nn_quad_row_t;

// clang-format off
#define NN_PLANE_LOADS                                                                    \
  NN_LW_BY("t0", "%[step]", "%[r0]") NN_LW_BY("t1", "%[step]", "%[r1]")                   \
  NN_LW_BY("t2", "%[step]", "%[r2]")
#define NN_PLANE_DOTS(dot, sdot, sum, w0, w1, w2) \
  dot(sum, "t0", w0) sdot(sum, "t1", w1) sdot(sum, "t2", w2)
#define NN_UNBOUND(sum)
#define NN_BOUND(sum) NN_MAX(sum, sum, "%[low]") NN_MIN(sum, sum, "%[high]")
#define NN_PLANE_RESULT(sum, bound, clip)                                                  \
  bound(sum) "mv t5, %[lambda]\n" NN_MAC("t5", sum, "%[kappa]") "sra t5, t5, %[shift]\n" \
  clip("t5", "t5") NN_SB_BY("t5", "%[pixel]", "%[out]")
#define NN_PLANE_ONE(dot, sdot, bound, clip)                                           \
  NN_PLANE_LOADS NN_PLANE_DOTS(dot, sdot, "t3", "%[w0]", "%[w1]", "%[w2]")             \
  NN_PLANE_RESULT("t3", bound, clip)
// Two results of the same three words.
#define NN_PLANE_TWO(dot, sdot, bound, clip)                                           \
  NN_PLANE_LOADS NN_PLANE_DOTS(dot, sdot, "t3", "%[w0]", "%[w1]", "%[w2]")             \
  NN_PLANE_DOTS(dot, sdot, "t4", "%[v0]", "%[v1]", "%[v2]")                            \
  NN_PLANE_RESULT("t3", bound, clip) NN_PLANE_RESULT("t4", bound, clip)
#define NN_PLANE_ASM(text, bytes, ...)                                                  \
  __asm__ volatile(text                                                                 \
                   : [r0] "+r"(r0), [r1] "+r"(r1), [r2] "+r"(r2), [out] "+r"(out)       \
                   : [w0] "r"(w0), [w1] "r"(w1), [w2] "r"(w2), [kappa] "r"(kappa),      \
                     [lambda] "r"(lambda), [low] "r"(low), [high] "r"(high),            \
                     [shift] "r"(row->shift), [pixel] "r"(row->pixel),                  \
                     [step] "r"(bytes), __VA_ARGS__                                     \
                   : "memory", "t0", "t1", "t2", "t3", "t4", "t5")

// `one`, `two`: halfwords of their loops; `is_bound`: kappa and lambda have a bound behind them.
#define NN_QUAD_ROW(name, dot, sdot, bound, is_bound, clip, one, two)                     \
  static __attribute__((noinline)) void name(const nn_quad_row_t* row) {                 \
    const uint8_t *weights = row->weights, *norm = row->kappa, *more = row->lambda;      \
    const int32_t pitch = row->pitch, pairs = row->count >> 1;                           \
    for (int32_t i = 0, plane = 0; i < row->channels; ++i, plane += pitch) {             \
      const uint8_t *r0 = row->rows[0] + plane, *r1 = row->rows[1] + plane;              \
      const uint8_t* r2 = row->rows[2] + plane;                                          \
      const uint32_t w0 = nn_word(weights) & 0xffffff, w1 = nn_word(weights + 3) & 0xffffff; \
      const uint32_t w2 = nn_word(weights + 5) >> 8;                                     \
      const uint32_t kappa = nn_word(norm), lambda = nn_word(more);                      \
      const uint32_t low = is_bound ? nn_word(norm + 4) : 0;                             \
      const uint32_t high = is_bound ? nn_word(more + 4) : 0;                            \
      uint8_t* out = row->out + i;                                                       \
      weights += 9, norm += row->norm_step, more += row->norm_step;                      \
      if (row->stride > 1) {                                                             \
        NN_PLANE_ASM(NN_LOOP("x0", "%[count]", one) NN_PLANE_ONE(dot, sdot, bound, clip) \
                         NN_END_LOOP,                                                    \
                     row->stride, [count] "r"(row->count));                              \
        continue;                                                                        \
      }                                                                                  \
      if (pairs > 0) {                                                                   \
        NN_PLANE_ASM(NN_LOOP("x0", "%[count]", two) NN_PLANE_TWO(dot, sdot, bound, clip) \
                         NN_END_LOOP,                                                    \
                     2, [count] "r"(pairs), [v0] "r"(w0 << 8), [v1] "r"(w1 << 8),        \
                     [v2] "r"(w2 << 8));                                                 \
      }                                                                                  \
      if (row->count & 1) {                                                              \
        NN_PLANE_ASM(NN_PLANE_ONE(dot, sdot, bound, clip), 1, "r"(0));                   \
      }                                                                                  \
    }                                                                                    \
  }
// clang-format on

NN_QUAD_ROW(nn_row_u8_u8, NN_DOTUSP, NN_SDOTUSP, NN_UNBOUND, 0, NN_CLIP_U8, "22", "38")
NN_QUAD_ROW(nn_row_u8_s8, NN_DOTUSP, NN_SDOTUSP, NN_UNBOUND, 0, NN_CLIP_S8, "22", "38")
NN_QUAD_ROW(nn_row_s8_u8, NN_DOTSP, NN_SDOTSP, NN_UNBOUND, 0, NN_CLIP_U8, "22", "38")
NN_QUAD_ROW(nn_row_s8_s8, NN_DOTSP, NN_SDOTSP, NN_UNBOUND, 0, NN_CLIP_S8, "22", "38")
NN_QUAD_ROW(nn_row_bound_u8_u8, NN_DOTUSP, NN_SDOTUSP, NN_BOUND, 1, NN_CLIP_U8, "26", "46")
NN_QUAD_ROW(nn_row_bound_u8_s8, NN_DOTUSP, NN_SDOTUSP, NN_BOUND, 1, NN_CLIP_S8, "26", "46")
NN_QUAD_ROW(nn_row_bound_s8_u8, NN_DOTSP, NN_SDOTSP, NN_BOUND, 1, NN_CLIP_U8, "26", "46")
NN_QUAD_ROW(nn_row_bound_s8_s8, NN_DOTSP, NN_SDOTSP, NN_BOUND, 1, NN_CLIP_S8, "26", "46")

typedef void (*nn_run_row_t)(const nn_quad_row_t* row);

static nn_run_row_t nn_run_row(const nn_call_t* call) {
  static const nn_run_row_t kRuns[8] = {nn_row_u8_u8,       nn_row_u8_s8,       nn_row_s8_u8,
                                        nn_row_s8_s8,       nn_row_bound_u8_u8, nn_row_bound_u8_s8,
                                        nn_row_bound_s8_u8, nn_row_bound_s8_s8};
  if (nn_form(call) <= NN_FORM_NORM_64 || nn_has_starts(call)) return NULL;
  return kRuns[(call->norm && call->clamped ? 4 : 0) + (call->in_signed ? 2 : 0) +
               (call->out_signed ? 1 : 0)];
}

// clang-format off
#define NN_PLANE_SUM(sdot)                                                                        \
  __asm__ volatile(NN_PLANE_LOADS NN_PLANE_DOTS(sdot, sdot, "%[s]", "%[w0]", "%[w1]", "%[w2]")    \
                   : [r0] "+r"(r0), [r1] "+r"(r1), [r2] "+r"(r2), [s] "+r"(s0)                    \
                   : [w0] "r"(w0), [w1] "r"(w1), [w2] "r"(w2), [step] "r"(row->stride)            \
                   : "memory", "t0", "t1", "t2")
#define NN_PLANE_SUMS(sdot)                                                                       \
  __asm__ volatile(NN_LW("t0", "2", "%[r0]") NN_LW("t1", "2", "%[r1]") NN_LW("t2", "2", "%[r2]") \
                   NN_PLANE_DOTS(sdot, sdot, "%[s]", "%[w0]", "%[w1]", "%[w2]")                   \
                   NN_PLANE_DOTS(sdot, sdot, "%[t]", "%[v0]", "%[v1]", "%[v2]")                   \
                   : [r0] "+r"(r0), [r1] "+r"(r1), [r2] "+r"(r2), [s] "+r"(s0), [t] "+r"(s1)      \
                   : [w0] "r"(w0), [w1] "r"(w1), [w2] "r"(w2), [v0] "r"(v0), [v1] "r"(v1),        \
                     [v2] "r"(v2)                                                                 \
                   : "memory", "t0", "t1", "t2")
// clang-format on

#define NN_SCALED(sum)                                                           \
  (form == NN_FORM_NORM_64   ? nn_scale_64(&wide, sum, shift)                    \
   : form == NN_FORM_CLAMPED ? nn_norm_clamped(kappa, lambda, sum, shift)        \
                             : nn_norm_32(kappa, lambda, sum, shift))
// Accumulators that start at `starts`, or 0 where NULL. `form`: none of NN_FORM_OTHER.
static inline __attribute__((always_inline)) void nn_row_by_words(const nn_quad_row_t* row,
                                                                  nn_form_t form,
                                                                  const uint8_t* starts,
                                                                  int in_signed, int out_signed) {
  for (int32_t i = 0, plane = 0; i < row->channels; ++i, plane += row->pitch) {
    const uint8_t *r0 = row->rows[0] + plane, *r1 = row->rows[1] + plane;
    const uint8_t *r2 = row->rows[2] + plane, *weights = row->weights + 9 * i;
    const uint32_t w0 = nn_word(weights) & 0xffffff, w1 = nn_word(weights + 3) & 0xffffff;
    const uint32_t w2 = nn_word(weights + 5) >> 8, v0 = w0 << 8, v1 = w1 << 8, v2 = w2 << 8;
    const uint8_t *kappa = row->kappa + row->norm_step * i;
    const uint8_t* lambda = row->lambda + row->norm_step * i;
    nn_wide_t wide = {0, 0, 0, 0};
    if (form == NN_FORM_NORM_64) wide = nn_wide(kappa, lambda);
    const int32_t start = starts == NULL ? 0 : (int32_t)nn_word(starts + 4 * i);
    const int32_t pixel = row->pixel, shift = row->shift;
    uint8_t* out = row->out + i;
    int32_t n = row->count;
    for (; n >= 2 && row->stride == 1; n -= 2) {
      int32_t s0 = start, s1 = start;
      if (__builtin_expect(in_signed, 0)) {
        NN_PLANE_SUMS(NN_SDOTSP);
      } else {
        NN_PLANE_SUMS(NN_SDOTUSP);
      }
      *out = (uint8_t)nn_clip_8(NN_SCALED(s0), out_signed);
      out += pixel;
      *out = (uint8_t)nn_clip_8(NN_SCALED(s1), out_signed);
      out += pixel;
    }
    for (; n > 0; --n, out += pixel) {
      int32_t s0 = start;
      if (in_signed) {
        NN_PLANE_SUM(NN_SDOTSP);
      } else {
        NN_PLANE_SUM(NN_SDOTUSP);
      }
      *out = (uint8_t)nn_clip_8(NN_SCALED(s0), out_signed);
    }
  }
}

static __attribute__((noinline)) void nn_row_of_64(const nn_quad_row_t* row, const uint8_t* starts,
                                                   int in_signed, int out_signed) {
  nn_row_by_words(row, NN_FORM_NORM_64, starts, in_signed, out_signed);
}
static NN_SMALL void nn_row_of_starts(const nn_quad_row_t* row, nn_form_t form,
                                      const uint8_t* starts, int in_signed, int out_signed) {
  nn_row_by_words(row, form, starts, in_signed, out_signed);
}

// Results of any kind, one by one.
static NN_SMALL void nn_row_by_sums(const nn_call_t* call, const nn_quad_row_t* row, int32_t pixel,
                                    int32_t channel) {
  const nn_form_t form = nn_form(call);
  for (int32_t i = 0; i < row->channels; ++i) {
    const int32_t start = nn_start(call, 0, channel + i);
    uint8_t* out = row->out - channel;
    for (int32_t x = 0; x < row->count; ++x, out += row->pixel) {
      int32_t sum = start;
      for (int32_t k = 0; k < kWindow; ++k) {
        sum = nn_dot(sum, row->rows[k] + i * row->pitch + x * row->stride,
                     row->weights + 9 * i + 3 * k, 3, call->in_signed);
      }
      nn_put(call, form, sum, pixel + x, channel + i, out);
    }
  }
}

// Four pixels of four channels into four planes, `words` times.
static void nn_turn(const uint8_t* from, int32_t pixel, uint8_t* to, int32_t pitch, int32_t words) {
  __asm__ volatile(
      NN_LOOP("x0", "%[count]", "40") NN_LW_BY("t0", "%[pixel]", "%[from]") NN_LW_BY(
          "t1", "%[pixel]", "%[from]") NN_LW_BY("t2", "%[pixel]", "%[from]")
          NN_LW_BY("t3", "%[pixel]", "%[from]") "mv t4, t0\nmv t5, t2\n" NN_SHUFFLE2(
              "t0", "t1", "%[low]") NN_SHUFFLE2("t4", "t1", "%[high]")
              NN_SHUFFLE2("t2", "t3", "%[low]") NN_SHUFFLE2(
                  "t5", "t3", "%[high]") "mv t1, t0\nmv t3, t4\n" NN_SHUFFLE2("t0", "t2", "%[even]")
                  NN_SHUFFLE2("t1", "t2", "%[odd]") NN_SHUFFLE2("t4", "t5", "%[even]")
                      NN_SHUFFLE2("t3", "t5", "%[odd]") NN_SW_BY("t0", "%[pitch]", "%[to]")
                          NN_SW_BY("t1", "%[pitch]", "%[to]") NN_SW_BY("t4", "%[pitch]", "%[to]")
                              NN_SW_BY("t3", "%[back]", "%[to]") NN_END_LOOP
      : [from] "+r"(from), [to] "+r"(to)
      : [pixel] "r"(pixel), [pitch] "r"(pitch), [back] "r"(4 - 3 * pitch), [count] "r"(words),
        [low] "r"(0x05010400), [high] "r"(0x07030602), [even] "r"(0x05040100), [odd] "r"(0x07060302)
      : "memory", "t0", "t1", "t2", "t3", "t4", "t5");
}

// A row of the map, or zeros beside it, takes the place of the oldest.
static void nn_next_row(nn_planes_t* planes, int32_t y, int32_t channel, int32_t channels) {
  const nn_call_t* call = planes->call;
  uint8_t* to = planes->rows[0];
  planes->rows[0] = planes->rows[1];
  planes->rows[1] = planes->rows[2];
  planes->rows[2] = to;
  if ((uint32_t)y >= (uint32_t)call->in_h) {
    nn_clear(&to, 4 * planes->pitch);
    return;
  }
  const int32_t pixel = call->in_c, words = channels == 4 ? call->in_w >> 2 : 0;
  const uint8_t* from = call->in + y * call->in_w * pixel + channel;
  to += kMargin;
  if (words > 0) nn_turn(from, pixel, to, planes->pitch, words);
  from += 4 * words * pixel, to += 4 * words;
  for (int32_t x = 4 * words; x < call->in_w; ++x, from += pixel, ++to) {
    for (int32_t i = 0; i < channels; ++i) to[i * planes->pitch] = from[i];
  }
}

static void nn_quad_of_planes(nn_planes_t* planes, nn_share_t rows, int32_t channel) {
  const nn_call_t* call = planes->call;
  const nn_run_row_t run = nn_run_row(call);
  const int32_t out_row = call->out_w * call->out_c, norm_step = call->norm_bits >> 3;
  const uint8_t* starts = call->has_bias ? call->bias + 4 * channel : NULL;
  nn_quad_row_t row = {.pitch = planes->pitch,
                       .weights = call->weights + 9 * channel,
                       .kappa = call->kappa + norm_step * channel,
                       .lambda = call->lambda + norm_step * channel,
                       .norm_step = norm_step,
                       .shift = call->shift,
                       .out = call->out + rows.begin * out_row + channel,
                       .channels = nn_min(4, call->out_c - channel),
                       .count = call->out_w,
                       .stride = call->stride_x,
                       .pixel = call->out_c};
  if (!call->norm) {
    row.kappa = (const uint8_t*)&call->multiplier, row.lambda = (const uint8_t*)&call->offset;
    row.norm_step = 0;
  }
  int32_t begin = rows.begin * call->stride_y - call->pad_top, next = begin;
  for (int32_t y = rows.begin; y < rows.end; ++y, begin += call->stride_y, row.out += out_row) {
    for (next = nn_max(next, begin); next < begin + kWindow; ++next) {
      nn_next_row(planes, next, channel, row.channels);
    }
    for (int32_t k = 0; k < kWindow; ++k) {
      row.rows[k] = planes->rows[k] + kMargin - call->pad_left;
    }
    if (run != NULL) {
      run(&row);
    } else if (nn_form(call) == NN_FORM_NORM_64 && call->bias8 == NULL) {
      nn_row_of_64(&row, starts, call->in_signed, call->out_signed);
    } else if (nn_form(call) != NN_FORM_OTHER && call->bias8 == NULL) {
      nn_row_of_starts(&row, nn_form(call), starts, call->in_signed, call->out_signed);
    } else {
      nn_row_by_sums(call, &row, y * call->out_w, channel);
    }
  }
}

static void nn_pixels(const nn_call_t* call, nn_share_t quads, nn_share_t rows, int32_t core) {
  const int32_t pitch = ((call->in_w + 3) & ~3) + 2 * kMargin, row = 4 * pitch;
  uint8_t* scratch = call->scratch + core * nn_skewed(kWindow * row);
  nn_planes_t planes = {call, pitch, {scratch, scratch + row, scratch + 2 * row}};
  if (quads.begin == quads.end || rows.begin == rows.end) return;
  for (int32_t i = 0; i < kWindow * 4; ++i, scratch += pitch) {
    nn_put_word(scratch, 0);
    nn_put_word(scratch + kMargin + call->in_w, 0);
  }
  for (int32_t q = quads.begin; q < quads.end; ++q) nn_quad_of_planes(&planes, rows, 4 * q);
}
#else
// The same results, one by one.
static int32_t nn_window_of_pixels(const nn_call_t* call, int32_t c, int32_t y, int32_t x) {
  const int32_t w = call->kernel_w, h = call->kernel_h;
  int32_t sum = nn_start(call, 0, c);
  for (int32_t ky = 0; ky < h; ++ky) {
    const int32_t in_y = y * call->stride_y - call->pad_top + ky;
    if (in_y < 0 || in_y >= call->in_h) continue;
    for (int32_t kx = 0; kx < w; ++kx) {
      const int32_t in_x = x * call->stride_x - call->pad_left + kx;
      if (in_x < 0 || in_x >= call->in_w) continue;
      const uint8_t code = call->in[(in_y * call->in_w + in_x) * call->in_c + c];
      sum = nn_mac(sum, nn_byte(code, call->in_signed),
                   nn_code(call->weights + c * h * w, ky * w + kx, 8, 1));
    }
  }
  return sum;
}

static void nn_pixels(const nn_call_t* call, nn_share_t quads, nn_share_t rows, int32_t core) {
  (void)core;
  for (int32_t c = 4 * quads.begin; c < nn_min(4 * quads.end, call->out_c); ++c) {
    for (int32_t y = rows.begin; y < rows.end; ++y) {
      for (int32_t x = 0; x < call->out_w; ++x) {
        nn_finish(call, nn_window_of_pixels(call, c, y, x), y * call->out_w + x, c);
      }
    }
  }
}
#endif

void nn_depthwise_pixels(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) {
    nn_share_t rows;
    const nn_share_t quads = nn_quads_of(call, cores, core, &rows);
    nn_pixels(call, quads, rows, core);
  }
  pi_cl_team_barrier();
}
