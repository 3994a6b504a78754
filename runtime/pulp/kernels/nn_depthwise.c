// Depthwise convolution, channels over cores. Of a channel the columns of the result are made one
// after another: what a column sees of the padded map is copied to the core's scratch, kernel_w
// bytes of each row, so that a result is one dot product.
#include "nn_mixed.h"

typedef struct {
  const nn_call_t* call;
  int32_t channel;
  const uint8_t *plane, *weights;
  uint8_t* column;
} nn_plane_t;

// A row beside whose codes there is padding, or whose codes are not bytes side by side.
static NN_SMALL void nn_row_of_column(const nn_plane_t* of, int32_t in_y, int32_t first,
                                      uint8_t* to) {
  const nn_call_t* call = of->call;
  for (int32_t kx = 0; kx < call->kernel_w; ++kx) {
    const int32_t x = first + kx * call->dilation_x;
    const int inside = x >= 0 && x < call->in_w;
    to[kx] =
        (uint8_t)(inside ? nn_code(of->plane, in_y * call->in_w + x, call->in_bits, call->in_signed)
                         : 0);
  }
}

#ifdef NN_XPULP
// Rows of two to four bytes, a word each: what is too much the next row overwrites, and behind the
// last there are as many bytes as in a row.
static void nn_rows_by_words(const uint8_t* from, int32_t pitch, uint8_t* to, int32_t w,
                             int32_t rows) {
  __asm__ volatile(NN_LOOP("x0", "%[rows]", "4") NN_LW_BY("t0", "%[pitch]", "%[from]")
                       NN_SW_BY("t0", "%[w]", "%[to]") NN_END_LOOP
                   : [from] "+r"(from), [to] "+r"(to)
                   : [rows] "r"(rows), [pitch] "r"(pitch), [w] "r"(w)
                   : "memory", "t0");
}
#endif

static void nn_rows_of_column(const nn_plane_t* of, int32_t first, uint8_t* to) {
  const nn_call_t* call = of->call;
  const int32_t w = call->kernel_w, pitch = call->in_w;
  const uint8_t* from = of->plane + first;
  if (NN_BITS(call->in_bits) == 8 && call->dilation_x == 1) {
    if (first >= 0 && first + w <= pitch) {
#ifdef NN_XPULP
      if (w >= 2 && w <= 4) {
        nn_rows_by_words(from, pitch, to, w, call->in_h);
        return;
      }
#endif
      for (int32_t y = call->in_h; y > 0; --y, from += pitch) {
        const uint8_t* f = from;
        nn_copy(&to, &f, w);
      }
      return;
    }
  }
  for (int32_t y = 0; y < call->in_h; ++y, to += w) nn_row_of_column(of, y, first, to);
}

static void nn_column(const nn_plane_t* of, int32_t x) {
  const nn_call_t* call = of->call;
  const int32_t w = call->kernel_w;
  uint8_t* to = of->column;
  nn_clear(&to, call->pad_top * w);
  nn_rows_of_column(of, x * call->stride_x - call->pad_left, to);
  to += call->in_h * w;
  nn_clear(&to, call->pad_bottom * w);
}

// Rows of the window follow each other in the column where nothing parts them.
static int32_t nn_window(const nn_plane_t* of, int32_t sum, int32_t y) {
  const nn_call_t* call = of->call;
  const int32_t w = call->kernel_w;
  const uint8_t* from = of->column + y * call->stride_y * w;
  if (call->dilation_y == 1 && NN_BITS(call->weight_bits) == 8) {
    return nn_dot(sum, from, of->weights, call->kernel_h * w, call->in_signed);
  }
  for (int32_t ky = 0; ky < call->kernel_h; ++ky) {
    for (int32_t kx = 0; kx < w; ++kx) {
      sum = nn_mac(sum, nn_byte(from[ky * call->dilation_y * w + kx], call->in_signed),
                   nn_code(of->weights, ky * w + kx, call->weight_bits, 1));
    }
  }
  return sum;
}

static void nn_outputs(const nn_plane_t* of, int32_t x) {
  const nn_call_t* call = of->call;
  const nn_form_t form = nn_form(call);
  const int32_t start = nn_start(call, 0, of->channel), row = call->out_w * call->out_c;
  uint8_t* out = call->out + x * call->out_c;
  for (int32_t y = 0; y < call->out_h; ++y, out += row) {
    nn_put(call, form, nn_window(of, start, y), y * call->out_w + x, of->channel, out);
  }
}

// Nine taps.

#ifdef NN_XPULP
// clang-format off
// A column of results, as the library's loop: weights, kappa and lambda are loaded for each. `step`:
// bytes of the column between windows; `row`: of the result between rows.
#define NN_NINE(dot, sdot, norm, clip, halfwords)                                              \
  __asm__ volatile(                                                                            \
      NN_LOOP("x0", "%[rows]", halfwords)                                                      \
      "lbu t0, 0(%[w])\nlbu t1, 0(%[x])\nlw t2, 1(%[w])\nlw t3, 1(%[x])\n"                     \
      dot("t4", "t1", "t0") "lw t0, 5(%[w])\nlw t1, 5(%[x])\n" sdot("t4", "t3", "t2")          \
      "lw t2, 0(%[kappa])\nlw t3, 0(%[lambda])\n" sdot("t4", "t1", "t0") norm                  \
      NN_MAC("t3", "t4", "t2") "sra t3, t3, %[shift]\n" clip("t3", "t3")                       \
      "add %[x], %[x], %[step]\n" NN_SB_BY("t3", "%[row]", "%[out]") NN_END_LOOP               \
      : [x] "+r"(x), [out] "+r"(to)                                                            \
      : [w] "r"(weights), [kappa] "r"(kappa), [lambda] "r"(lambda), [shift] "r"(shift),        \
        [step] "r"(step), [row] "r"(row), [rows] "r"(rows)                                     \
      : "memory", "t0", "t1", "t2", "t3", "t4", "t5", "t6")
#define NN_NINE_UNBOUND ""
#define NN_NINE_BOUND \
  "lw t5, 4(%[kappa])\nlw t6, 4(%[lambda])\n" NN_MAX("t4", "t4", "t5") NN_MIN("t4", "t4", "t6")
#define NN_NINE_OF(dot, sdot)                                                    \
  if (is_bound && is_signed) {                                                   \
    NN_NINE(dot, sdot, NN_NINE_BOUND, NN_CLIP_S8, "40");                         \
  } else if (is_bound) {                                                         \
    NN_NINE(dot, sdot, NN_NINE_BOUND, NN_CLIP_U8, "40");                         \
  } else if (is_signed) {                                                        \
    NN_NINE(dot, sdot, NN_NINE_UNBOUND, NN_CLIP_S8, "32");                       \
  } else {                                                                       \
    NN_NINE(dot, sdot, NN_NINE_UNBOUND, NN_CLIP_U8, "32");                       \
  }
// clang-format on

// Windows of 3 bytes at the edge of the map, rows `pitch` apart, beside so many zeros.
static void nn_edge(const uint8_t* from, int32_t pitch, int32_t zeros_left, int32_t zeros_right,
                    uint8_t* to, int32_t rows) {
  for (; rows > 0; --rows, from += pitch, to += 3) {
    to[0] = zeros_left > 0 ? 0 : from[0];
    to[1] = zeros_left > 1 || zeros_right > 1 ? 0 : from[1];
    to[2] = zeros_right > 0 ? 0 : from[2];
  }
}

// So many zero rows: a word each, whose fourth byte the next row overwrites or none reads.
static inline uint8_t* nn_zero_rows(uint8_t* to, int32_t rows) {
  for (; rows > 0; --rows, to += 3) nn_put_word(to, 0);
  return to;
}

static void nn_nine(const nn_plane_t* of, int32_t channels) {
  const nn_call_t* call = of->call;
  const nn_form_t form = nn_form(call);
  const int32_t shift = call->shift, is_signed = call->out_signed, in_signed = call->in_signed;
  const int32_t step = call->stride_y * 3, row = call->out_w * call->out_c, rows = call->out_h;
  const int32_t in_h = call->in_h, in_w = call->in_w, stride = call->stride_x, out_c = call->out_c;
  const int32_t top = call->pad_top, bottom = call->pad_bottom, left = -call->pad_left;
  const int32_t is_bound = form == NN_FORM_CLAMPED, number = call->norm ? call->norm_bits >> 3 : 0;
  const uint8_t *weights = of->weights, *plane = of->plane;
  const uint8_t* kappa =
      (call->norm ? call->kappa : (const uint8_t*)&call->multiplier) + of->channel * number;
  const uint8_t* lambda =
      (call->norm ? call->lambda : (const uint8_t*)&call->offset) + of->channel * number;
  uint8_t *const column = of->column, *first_out = call->out + of->channel;
  for (; channels > 0; --channels, ++first_out, plane += in_h * in_w, weights += 9) {
    uint8_t* out = first_out;
    const uint8_t* const end = out + row;
    for (int32_t first = left; out < end; out += out_c, first += stride) {
      uint8_t* to = nn_zero_rows(column, top);
      if (first >= 0 && first + 3 <= in_w) {
        nn_rows_by_words(plane + first, in_w, to, 3, in_h);
      } else {
        nn_edge(plane + first, in_w, -first, first + 3 - in_w, to, in_h);
      }
      nn_zero_rows(to + 3 * in_h, bottom);
      const uint8_t* x = column;
      to = out;
      if (form == NN_FORM_NORM_64) {
        for (int32_t y = rows; y > 0; --y, x += step, to += row) {
          const int32_t sum = nn_sum_of_nine(weights, x, in_signed);
          *to = (uint8_t)nn_clip_8(nn_norm_64(kappa, lambda, sum, shift), is_signed);
        }
      } else if (in_signed) {
        NN_NINE_OF(NN_DOTSP, NN_SDOTSP)
      } else {
        NN_NINE_OF(NN_DOTUSP, NN_SDOTUSP)
      }
    }
    kappa += number, lambda += number;
  }
}

// Weights of less than 8 bits are unpacked once a channel.
static void nn_nine_by_channel(nn_plane_t* of, int32_t channels, int32_t plane, int32_t filter) {
#ifdef NN_MIXED
  uint8_t unpacked[12];
  const uint8_t* packed = of->weights;
  of->weights = unpacked;
  for (; channels > 0; --channels, ++of->channel, of->plane += plane, packed += filter) {
    nn_unpack_codes(packed, unpacked, 9, of->call->weight_bits, 1);
    nn_nine(of, 1);
  }
  of->weights = packed;
#else
  (void)plane, (void)filter;
  nn_nine(of, channels);
#endif
}

static int nn_is_nine(const nn_call_t* call) {
  return call->kernel_w == 3 && call->kernel_h == 3 && call->dilation_x == 1 &&
         call->dilation_y == 1 && NN_BITS(call->in_bits) == 8 && call->pad_left < 3 &&
         call->in_w > 2 && call->out_h > 0 && !nn_has_starts(call) &&
         nn_form(call) != NN_FORM_OTHER;
}
#endif

void nn_depthwise(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  const int32_t rows = call->in_h + call->pad_top + call->pad_bottom;
  if (core < cores) {
    const nn_share_t channels = nn_share(call->out_c, nn_codes_of_byte(call->out_bits), cores, core);
    const int32_t plane = nn_packed(call->in_h * call->in_w, call->in_bits);
    const int32_t filter = nn_packed(call->kernel_h * call->kernel_w, call->weight_bits);
    nn_plane_t of = {.call = call,
                     .channel = channels.begin,
                     .plane = call->in + channels.begin * plane,
                     .weights = call->weights + channels.begin * filter,
                     .column = call->scratch + core * call->kernel_w * (rows + 1)};
#ifdef NN_XPULP
    if (nn_is_nine(call)) {
      const int32_t count = channels.end - channels.begin;
      if (NN_BITS(call->weight_bits) == 8) {
        nn_nine(&of, count);
      } else {
        nn_nine_by_channel(&of, count, plane, filter);
      }
      of.channel = channels.end;
    }
#endif
#ifdef NN_MIXED
    if (of.channel < channels.end && nn_is_mixed_depthwise(call)) {
      nn_mixed_depthwise(call, channels, of.column);
      of.channel = channels.end;
    }
#endif
    for (; of.channel < channels.end; ++of.channel, of.plane += plane, of.weights += filter) {
      for (int32_t x = 0; x < call->out_w; ++x) {
        nn_column(&of, x);
        nn_outputs(&of, x);
      }
    }
  }
  pi_cl_team_barrier();
}
