// Pooling, rows over cores.
#include "nn_core.h"

// Positions of one axis that a window covers.
static nn_share_t nn_covered(int32_t out, int32_t stride, int32_t pad, int32_t size, int32_t in) {
  const int32_t begin = out * stride - pad;
  const nn_share_t span = {nn_max(begin, 0), nn_min(begin + size, in)};
  return span;
}

static nn_share_t nn_rows(const nn_call_t* call, int32_t y) {
  return nn_covered(y, call->stride_y, call->pad_top, call->kernel_h, call->in_h);
}
static nn_share_t nn_columns(const nn_call_t* call, int32_t x) {
  return nn_covered(x, call->stride_x, call->pad_left, call->kernel_w, call->in_w);
}

static int32_t nn_average(const nn_call_t* call, int32_t sum) {
  const uint32_t product = (uint32_t)sum * (uint32_t)call->multiplier;
  if (!call->in_signed) {
    const uint32_t average = product / (uint32_t)call->divisor + (uint32_t)call->offset;
    return (int32_t)(average >> call->shift);
  }
  const uint32_t average = (uint32_t)((int32_t)product / call->divisor) + (uint32_t)call->offset;
  return (int32_t)average >> call->shift;
}

static void nn_average_pixel(const nn_call_t* call, int32_t y, int32_t x, nn_share_t channels) {
  const nn_share_t rows = nn_rows(call, y), columns = nn_columns(call, x);
  const int32_t pixel = y * call->out_w + x, bytes = nn_packed(call->in_c, call->in_bits);
  uint8_t* out = call->out + pixel * nn_packed(call->out_c, call->out_bits);
  for (int32_t c = channels.begin; c < channels.end; ++c) {
    uint32_t sum = (uint32_t)nn_start(call, pixel, c);
    for (int32_t r = rows.begin; r < rows.end; ++r) {
      const uint8_t* from = call->in + (r * call->in_w + columns.begin) * bytes;
      for (int32_t i = columns.begin; i < columns.end; ++i, from += bytes) {
        sum += (uint32_t)nn_code(from, c, call->in_bits, call->in_signed);
      }
    }
    if (call->sums_out) {
      nn_put_word(call->out + 4 * (pixel * call->out_c + c), sum);
    } else {
      const int32_t value = nn_average(call, (int32_t)sum);
      nn_put_code(out, c, call->out_bits, nn_clip(value, call->out_bits, call->out_signed));
    }
  }
}

static void nn_averages(const nn_call_t* call, nn_share_t rows, nn_share_t channels) {
  for (int32_t y = rows.begin; y < rows.end; ++y) {
    for (int32_t x = 0; x < call->out_w; ++x) nn_average_pixel(call, y, x, channels);
  }
}

void nn_avgpool(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  const nn_share_t channels = {0, call->in_c};
  if (core < cores) nn_averages(call, nn_share(call->out_h, 1, cores, core), channels);
  pi_cl_team_barrier();
}

void nn_avgpool_Co(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  const nn_share_t rows = {0, call->out_h};
  if (core < cores) nn_averages(call, rows, nn_share(call->in_c, 1, cores, core));
  pi_cl_team_barrier();
}

// to = max(to, from), code by code; both may be the same.
static void nn_raise(const nn_call_t* call, uint8_t* to, const uint8_t* from, int32_t codes) {
  int32_t c = 0;
#ifdef NN_XPULP
  for (; call->in_bits == 8 && c + 4 <= codes; c += 4) {
    uint32_t a = nn_word(to + c), b = nn_word(from + c);
    if (call->in_signed) {
      __asm__(".insn r 0x57, 1, 0x18, %0, %0, %1" : "+r"(a) : "r"(b));  // pv.max.b
    } else {
      __asm__(".insn r 0x57, 1, 0x1c, %0, %0, %1" : "+r"(a) : "r"(b));  // pv.maxu.b
    }
    nn_put_word(to + c, a);
  }
#endif
  for (; c < codes; ++c) {
    const int32_t a = nn_code(to, c, call->in_bits, call->in_signed);
    const int32_t b = nn_code(from, c, call->in_bits, call->in_signed);
    if (b <= a) continue;
    const int32_t at = c * call->in_bits;
    const uint32_t mask = ((1U << call->in_bits) - 1) << (at & 7);
    to[at >> 3] = (uint8_t)((to[at >> 3] & ~mask) | ((uint32_t)b << (at & 7) & mask));
  }
}

// The codes of a pixel; the bits behind them are 0. Both may be the same.
static void nn_copy_pixel(const nn_call_t* call, uint8_t* to, const uint8_t* from) {
  const int32_t bytes = nn_packed(call->in_c, call->in_bits), rest = call->in_c * call->in_bits & 7;
  memmove(to, from, (size_t)bytes);
  if (rest != 0) to[bytes - 1] = (uint8_t)(to[bytes - 1] & ((1 << rest) - 1));
}

// A row's maxima over its own first columns.
static void nn_maxima_of_row(const nn_call_t* call, int32_t y) {
  const int32_t bytes = nn_packed(call->in_c, call->in_bits);
  uint8_t* row = call->in + y * call->in_w * bytes;
  for (int32_t x = 0; x < call->out_w; ++x) {
    const int32_t first = x * call->stride_x - call->pad_left;
    const int32_t begin = first < 0 ? x : first, end = nn_min(first + call->kernel_w, call->in_w);
    uint8_t* to = row + x * bytes;
    nn_copy_pixel(call, to, row + begin * bytes);
    for (int32_t i = begin + 1; i < end; ++i) nn_raise(call, to, row + i * bytes, call->in_c);
  }
}

static void nn_maxima_of_rows(const nn_call_t* call, int32_t y) {
  const int32_t bytes = nn_packed(call->in_c, call->in_bits);
  const nn_share_t rows = nn_rows(call, y);
  for (int32_t x = 0; x < call->out_w; ++x) {
    uint8_t* to = call->out + (y * call->out_w + x) * bytes;
    const uint8_t* from = call->in + (rows.begin * call->in_w + x) * bytes;
    nn_copy_pixel(call, to, from);
    for (int32_t r = rows.begin + 1; r < rows.end; ++r) {
      from += call->in_w * bytes;
      nn_raise(call, to, from, call->in_c);
    }
  }
}

void nn_maxpool(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) {
    const nn_share_t rows = nn_share(call->in_h, 1, cores, core);
    for (int32_t y = rows.begin; y < rows.end; ++y) nn_maxima_of_row(call, y);
  }
  pi_cl_team_barrier();
  if (core < cores) {
    const nn_share_t rows = nn_share(call->out_h, 1, cores, core);
    for (int32_t y = rows.begin; y < rows.end; ++y) nn_maxima_of_rows(call, y);
  }
  pi_cl_team_barrier();
}

static void nn_maximum_of_window(const nn_call_t* call, int32_t y, int32_t x) {
  const nn_share_t rows = nn_rows(call, y), columns = nn_columns(call, x);
  const int32_t bytes = nn_packed(call->in_c, call->in_bits);
  uint8_t* to = call->out + (y * call->out_w + x) * bytes;
  nn_copy_pixel(call, to, call->in + (rows.begin * call->in_w + columns.begin) * bytes);
  for (int32_t r = rows.begin; r < rows.end; ++r) {
    const uint8_t* from = call->in + (r * call->in_w + columns.begin) * bytes;
    for (int32_t i = columns.begin; i < columns.end; ++i, from += bytes) {
      nn_raise(call, to, from, call->in_c);
    }
  }
}

void nn_maxpool_direct(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) {
    const nn_share_t rows = nn_share(call->out_h, 1, cores, core);
    for (int32_t y = rows.begin; y < rows.end; ++y) {
      for (int32_t x = 0; x < call->out_w; ++x) nn_maximum_of_window(call, y, x);
    }
  }
  pi_cl_team_barrier();
}
