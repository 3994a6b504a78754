// Convolutions and linear layers as matrix products. A pixel's window is copied into one of the
// core's columns (im2col); of 1x1 kernels the input is the column.
#include "nn_matrix.h"
#include "nn_mixed.h"

static void nn_unpack(const nn_call_t* call, const uint8_t* from, uint8_t* to) {
#ifdef NN_MIXED
  nn_unpack_codes(from, to, call->in_c, call->in_bits, call->in_signed);
  return;
#endif
  for (int32_t c = 0; c < call->in_c; ++c) {
    to[c] = (uint8_t)nn_code(from, c, call->in_bits, call->in_signed);
  }
}

// A window that lies inside the map, row by row.
static void nn_whole_window(const nn_call_t* call, const uint8_t* from, uint8_t* to) {
  const int32_t codes = call->kernel_w * call->in_c, row = call->in_w * call->in_c;
  for (int32_t ky = call->kernel_h; ky > 0; --ky, from += row) {
    const uint8_t* f = from;
    nn_copy(&to, &f, codes);
  }
}

#ifdef NN_MIXED
// The same of codes of less than 8 bits, whose pixels end at the end of a byte.
static void nn_whole_window_of_codes(const nn_call_t* call, const uint8_t* from, uint8_t* to) {
  const int32_t codes = call->kernel_w * call->in_c;
  const int32_t row = call->in_w * nn_packed(call->in_c, call->in_bits);
  for (int32_t ky = call->kernel_h; ky > 0; --ky, from += row, to += codes) {
    nn_unpack_codes(from, to, codes, call->in_bits, call->in_signed);
  }
}
#endif

// One with padding, tap by tap.
static NN_SMALL void nn_window(const nn_call_t* call, int32_t in_y, int32_t in_x, uint8_t* to) {
  const int32_t pixel = nn_packed(call->in_c, call->in_bits), codes = call->in_c;
  const int32_t step = call->dilation_x, next = step * pixel;
  const int32_t row = call->dilation_y * call->in_w * pixel;
  const uint8_t* line = call->in + (in_y * call->in_w + in_x) * pixel;
  const uint32_t w = (uint32_t)call->in_w, h = (uint32_t)call->in_h;
  for (int32_t ky = call->kernel_h; ky > 0; --ky, line += row, in_y += call->dilation_y) {
    const uint8_t* from = line;
    const uint32_t width = (uint32_t)in_y < h ? w : 0;  // of what there is of the row
    uint32_t x = (uint32_t)in_x;
    for (int32_t kx = call->kernel_w; kx > 0; --kx, from += next, x += (uint32_t)step) {
      if (x >= width) {
        nn_clear(&to, codes);
      } else if (NN_BITS(call->in_bits) == 8) {
        const uint8_t* f = from;
        nn_copy(&to, &f, codes);
      } else {
        nn_unpack(call, from, to);
        to += codes;
      }
    }
  }
}

// The same of bytes side by side: of each row what lies before, in and behind the map.
static void nn_window_of_bytes(const nn_call_t* call, int32_t in_y, int32_t in_x, uint8_t* to) {
  const int32_t w = call->kernel_w, codes = call->in_c, pitch = call->in_w * codes;
  const int32_t left = nn_min(nn_max(-in_x, 0), w) * codes;
  const int32_t right = nn_min(nn_max(in_x + w - call->in_w, 0) * codes, w * codes - left);
  const int32_t inside = w * codes - left - right, row = w * codes;
  const int32_t step = call->dilation_y * pitch;
  const uint8_t* from = call->in + in_y * pitch + in_x * codes + left;
  const uint32_t h = (uint32_t)call->in_h;
  for (int32_t ky = call->kernel_h; ky > 0; --ky, from += step, in_y += call->dilation_y) {
    if ((uint32_t)in_y >= h) {
      nn_clear(&to, row);
      continue;
    }
    const uint8_t* f = from;
    if (left > 0) nn_clear(&to, left);
    nn_copy(&to, &f, inside);
    if (right > 0) nn_clear(&to, right);
  }
}

static __attribute__((noinline)) void nn_im2col(const nn_call_t* call, int32_t y, int32_t x,
                                                uint8_t* to) {
  const int32_t in_y = y * call->stride_y - call->pad_top;
  const int32_t in_x = x * call->stride_x - call->pad_left;
  const int inside = in_y >= 0 && in_x >= 0 && in_y + call->kernel_h <= call->in_h &&
                     in_x + call->kernel_w <= call->in_w;
  if (inside && NN_BITS(call->in_bits) == 8 && (call->dilation_x | call->dilation_y) == 1) {
    nn_whole_window(call, call->in + (in_y * call->in_w + in_x) * call->in_c, to);
  } else if (NN_BITS(call->in_bits) == 8 && call->dilation_x == 1) {
    nn_window_of_bytes(call, in_y, in_x, to);
#ifdef NN_MIXED
  } else if (inside && (call->kernel_w | call->kernel_h) == 1) {
    const int32_t pixel = nn_packed(call->in_c, call->in_bits);
    nn_unpack_codes(call->in + (in_y * call->in_w + in_x) * pixel, to, call->in_c, call->in_bits,
                    call->in_signed);
  } else if (inside && (call->dilation_x | call->dilation_y) == 1 &&
             (call->in_c * call->in_bits & 7) == 0) {
    const int32_t pixel = call->in_c * call->in_bits >> 3;
    nn_whole_window_of_codes(call, call->in + (in_y * call->in_w + in_x) * pixel, to);
#endif
  } else {
    nn_window(call, in_y, in_x, to);
  }
}

// Pixels are multiplied `group` at a time. Those that are left at the end of a row wait for the
// next one, or are finished where `by_rows`.
typedef struct {
  nn_matrix_t matrix;
  nn_share_t rows, columns;
  int32_t group, by_rows;
} nn_work_t;

static void nn_rest(const nn_matrix_t* matrix, const uint8_t* columns, int32_t bytes,
                    int32_t filled, int32_t pixel) {
  if (filled >= 2) nn_product(matrix, 2, columns, bytes, pixel);
  if (filled & 1) nn_product(matrix, 1, columns + (filled - 1) * bytes, bytes, pixel + filled - 1);
}

static void nn_convolve(const nn_work_t* work, uint8_t* scratch) {
  const nn_matrix_t* matrix = &work->matrix;
  const nn_call_t* call = matrix->call;
  const int32_t depth = matrix->depth;
  int32_t filled = 0, pixel = 0;
  for (int32_t y = work->rows.begin; y < work->rows.end; ++y) {
    pixel = y * call->out_w + work->columns.begin;
    for (int32_t x = work->columns.begin; x < work->columns.end; ++x) {
      nn_im2col(call, y, x, scratch + filled * depth);
      ++filled, ++pixel;
      if (filled < work->group) continue;
      nn_product(matrix, filled, scratch, depth, pixel - filled);
      filled = 0;
    }
    if (work->by_rows == 0) continue;
    nn_rest(matrix, scratch, depth, filled, pixel - filled);
    filled = 0;
  }
  nn_rest(matrix, scratch, depth, filled, pixel - filled);
}

// The columns are the pixels of the input.
static void nn_pointwise(const nn_work_t* work) {
  const nn_matrix_t* matrix = &work->matrix;
  const nn_call_t* call = matrix->call;
  const int32_t bytes = call->stride_x * call->in_c;
  for (int32_t y = work->rows.begin; y < work->rows.end; ++y) {
    const uint8_t* in = call->in + y * call->stride_y * call->in_w * call->in_c;
    int32_t x = work->columns.begin;
    const int32_t row = y * call->out_w;
    for (int32_t group = work->group; group > 0; group >>= 1) {
      for (; x + group <= work->columns.end; x += group) {
        nn_product(matrix, group, in + x * bytes, bytes, row + x);
      }
    }
  }
}

static int nn_is_pointwise(const nn_call_t* call) {
  return call->kernel_w == 1 && call->kernel_h == 1 && NN_BITS(call->in_bits) == 8 &&
         (call->pad_top | call->pad_bottom | call->pad_left | call->pad_right) == 0;
}

static void nn_multiply(const nn_call_t* call, nn_share_t rows, nn_share_t columns,
                        nn_share_t channels, int32_t group, int32_t by_rows) {
  const int32_t depth = call->kernel_h * call->kernel_w * call->in_c;
  nn_work_t work = {
      .rows = rows, .columns = columns, .group = group, .by_rows = by_rows || group > 2};
  nn_set_matrix(&work.matrix, call, channels, depth);
  const int32_t direct = nn_is_pointwise(call);
#ifdef NN_XPULP
  nn_quads_t quads;
  if (group == 4) {
    work.matrix.quads = &quads;
    nn_set_quads(&work.matrix, direct ? call->stride_x * call->in_c : depth);
  }
#endif
  if (direct) {
    nn_pointwise(&work);
  } else {
    const int32_t bytes = group == 4 ? nn_skewed(4 * depth) : group * depth;
    nn_convolve(&work, call->scratch + (int32_t)pi_core_id() * bytes);
  }
}

static nn_share_t nn_all(int32_t n) {
  const nn_share_t share = {0, n};
  return share;
}

static void nn_by_rows(const nn_call_t* call, int32_t group) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) {
    nn_multiply(call, nn_share(call->out_h, 1, cores, core), nn_all(call->out_w),
                nn_all(call->out_c), group, 0);
  }
  pi_cl_team_barrier();
}

static void nn_by_half_rows(const nn_call_t* call, int32_t group) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call), half = call->out_w / 2;
  const nn_share_t halves[2] = {{0, half}, {half, call->out_w}};
  const int whole = nn_is_multiple(call->out_h, cores) || call->out_w <= 1 || cores < 2;
  if (core < cores) {
    nn_multiply(call,
                whole ? nn_share(call->out_h, 1, cores, core)
                      : nn_share(call->out_h, 1, cores / 2, core / 2),
                whole ? nn_all(call->out_w) : halves[core % 2], nn_all(call->out_c), group, 1);
  }
  pi_cl_team_barrier();
}

static void nn_by_channels(const nn_call_t* call, int32_t group) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  const int32_t unit =
      nn_words_out(call) ? 1 : nn_codes_of_byte(call->out_bits);  // no byte is of two cores
  if (core < cores) {
    nn_multiply(call, nn_all(call->out_h), nn_all(call->out_w),
                nn_share(call->out_c, unit, cores, core), group, 0);
  }
  pi_cl_team_barrier();
}

void nn_conv_Ho(const nn_call_t* call) { nn_by_rows(call, 2); }
void nn_conv_HoWo(const nn_call_t* call) { nn_by_half_rows(call, 2); }
void nn_conv_Co(const nn_call_t* call) { nn_by_channels(call, 2); }
void nn_conv_Ho_4x4(const nn_call_t* call) { nn_by_rows(call, 4); }
void nn_conv_HoWo_4x4(const nn_call_t* call) { nn_by_half_rows(call, 4); }
void nn_conv_Co_4x4(const nn_call_t* call) { nn_by_channels(call, 4); }

// Inputs and weights of any width, code by code.
static NN_SMALL int32_t nn_neuron(const nn_call_t* call, int32_t sum, int32_t channel) {
  const int32_t pixels = call->in_h * call->in_w, depth = pixels * call->in_c;
  const uint8_t* weights = call->weights + channel * nn_packed(depth, call->weight_bits);
  const int32_t pixel_bytes = nn_packed(call->in_c, call->in_bits);
  for (int32_t p = 0, i = 0; p < pixels; ++p) {
    for (int32_t c = 0; c < call->in_c; ++c, ++i) {
      sum = nn_mac(sum, nn_code(call->in + p * pixel_bytes, c, call->in_bits, call->in_signed),
                   nn_code(weights, i, call->weight_bits, 1));
    }
  }
  return sum;
}

static void nn_linear_share(const nn_call_t* call, nn_share_t channels, int words) {
  const int32_t depth = call->in_h * call->in_w * call->in_c, first = channels.begin;
#ifdef NN_MIXED
  const int32_t ends = call->in_h * call->in_w == 1 || (call->in_c * call->in_bits & 7) == 0;
  if ((call->in_bits != 8 || nn_is_mixed(call)) && ends && words == nn_words_out(call)) {
    nn_mixed_linear(call, channels);
    return;
  }
#endif
  if (NN_BITS(call->in_bits) != 8 || NN_BITS(call->weight_bits) != 8) {
    for (int32_t c = first; c < channels.end; ++c) {
      const int32_t sum = nn_neuron(call, nn_start(call, 0, c), c);
      if (words) {
        nn_put_word(call->out + 4 * c, (uint32_t)sum);
      } else {
        nn_finish(call, sum, 0, c);
      }
    }
  } else if (words && call->bias8 == NULL) {
    nn_run_sums(call->in, call->weights + first * depth,
                (call->has_bias | call->sums_in) != 0 ? call->bias + 4 * first : NULL,
                call->out + 4 * first, channels.end - first, depth, call->in_signed);
  } else if (words) {
    for (int32_t c = first; c < channels.end; ++c) {
      const uint8_t* weights = call->weights + c * depth;
      const int32_t sum = nn_dot(call->bias8[c], call->in, weights, depth, call->in_signed);
      nn_put_word(call->out + 4 * c, (uint32_t)sum);
    }
  } else {
    nn_matrix_t matrix;
    nn_set_matrix(&matrix, call, channels, depth);
    nn_product(&matrix, 1, call->in, 0, 0);
  }
}

#ifdef NN_XPULP
// Bytes to bytes by arithmetic of 32 bits, or to accumulators: with little before the first
// product, since a core may have an output or two.
static inline int nn_is_short_linear(const nn_call_t* call, int words) {
  return NN_BITS(call->in_bits) == 8 && NN_BITS(call->weight_bits) == 8 && call->bias8 == NULL &&
         (words || (call->out_bits == 8 && !call->narrow));
}

static inline __attribute__((always_inline)) void nn_short_linear(const nn_call_t* call,
                                                                  nn_share_t channels, int words) {
  const int32_t depth = call->in_h * call->in_w * call->in_c, first = channels.begin;
  const uint8_t* w = call->weights + first * depth;
  const uint32_t zero = 0;
  const int starts = call->has_bias | call->sums_in;
  const uint8_t* start = starts ? call->bias + 4 * first : (const uint8_t*)&zero;
  if (words) {
    nn_run_sums(call->in, w, starts ? start : NULL, call->out + 4 * first, channels.end - first,
                depth, call->in_signed);
    return;
  }
  const uint8_t *kappa = (const uint8_t*)&call->multiplier, *lambda = (const uint8_t*)&call->offset;
  int32_t step = 0;
  if (call->norm) {
    step = call->norm_bits >> 3;
    kappa = call->kappa + first * step, lambda = call->lambda + first * step;
  }
  nn_run_channels(nn_form(call), call->in, w, depth, call->out + first, call->out + channels.end,
                  start, starts ? 4 : 0, kappa, lambda, step, call->shift, call->in_signed,
                  call->out_signed);
}
#endif

static inline __attribute__((always_inline)) void nn_linear_form(const nn_call_t* call, int words) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
#ifdef NN_XPULP
  if (nn_is_short_linear(call, words)) {
    if (core < cores) nn_short_linear(call, nn_share(call->out_c, 1, cores, core), words);
    pi_cl_team_barrier();
    return;
  }
#endif
  const int32_t unit = words ? 1 : nn_codes_of_byte(call->out_bits);
  if (core < cores) nn_linear_share(call, nn_share(call->out_c, unit, cores, core), words);
  pi_cl_team_barrier();
}

void nn_linear(const nn_call_t* call) { nn_linear_form(call, nn_words_out(call)); }
void nn_linear_out_32(const nn_call_t* call) { nn_linear_form(call, 1); }
