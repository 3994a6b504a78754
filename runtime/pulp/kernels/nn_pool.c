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

// Divisors that are powers of two are shifts.
static int32_t nn_log2(int32_t divisor) {
  int32_t log = 0;
  if ((divisor & (divisor - 1)) != 0) return -1;
  while (divisor >> log > 1) ++log;
  return log;
}

static int32_t nn_average(const nn_call_t* call, int32_t log, uint32_t sum) {
  const uint32_t product = sum * (uint32_t)call->multiplier;
  if (!call->in_signed) {
    const uint32_t average = log >= 0 ? product >> log : product / (uint32_t)call->divisor;
    return (int32_t)((average + (uint32_t)call->offset) >> call->shift);
  }
  const int32_t value = (int32_t)product;
  const int32_t average =
      log >= 0 ? (value + (value < 0 ? call->divisor - 1 : 0)) >> log : value / call->divisor;
  return (int32_t)((uint32_t)average + (uint32_t)call->offset) >> call->shift;
}

// sum + n codes that lie `step` bytes apart.
static inline uint32_t nn_sum_bytes(uint32_t sum, const uint8_t* from, int32_t step, int32_t n,
                                    int is_signed) {
#ifdef NN_XPULP
#define NN_SUM_BYTES(load)                                                               \
  __asm__ volatile(NN_LOOP("x0", "%[count]", "8") load("t0", "%[step]", "%[from]")      \
                   load("t1", "%[step]", "%[from]") "add %[sum], %[sum], t0\n"          \
                   "add %[sum], %[sum], t1\n" NN_END_LOOP                               \
                   : [sum] "+r"(sum), [from] "+r"(from)                                 \
                   : [step] "r"(step), [count] "r"(pairs)                               \
                   : "memory", "t0", "t1")
  const int32_t pairs = n >> 1;
  if (pairs > 0) {
    if (is_signed) {
      NN_SUM_BYTES(NN_LB_BY);
    } else {
      NN_SUM_BYTES(NN_LBU_BY);
    }
  }
  n &= 1;
#endif
  for (; n > 0; --n, from += step) sum += (uint32_t)nn_byte(*from, is_signed);
  return sum;
}

static uint32_t nn_sum(const nn_call_t* call, uint32_t sum, const uint8_t* from, nn_share_t rows,
                       nn_share_t columns, int32_t c) {
  const int32_t pixel = nn_packed(call->in_c, call->in_bits), line = call->in_w * pixel;
  const int32_t taps = columns.end - columns.begin;
  from += rows.begin * line + columns.begin * pixel;
  if (call->in_bits == 8) {
    from += c;
    for (int32_t r = rows.end - rows.begin; r > 0; --r, from += line) {
      sum = nn_sum_bytes(sum, from, pixel, taps, call->in_signed);
    }
    return sum;
  }
  for (int32_t r = rows.end - rows.begin; r > 0; --r, from += line) {
    for (int32_t i = 0; i < taps; ++i) {
      sum += (uint32_t)nn_code(from + i * pixel, c, call->in_bits, call->in_signed);
    }
  }
  return sum;
}

static void nn_average_pixel(const nn_call_t* call, int32_t y, int32_t x, nn_share_t channels) {
  const nn_share_t rows = nn_rows(call, y), columns = nn_columns(call, x);
  const int32_t pixel = y * call->out_w + x, log = nn_log2(call->divisor);
  uint8_t* out = call->out + pixel * nn_packed(call->out_c, call->out_bits);
  const int starts = nn_has_starts(call);
  for (int32_t c = channels.begin; c < channels.end; ++c) {
    const uint32_t start = starts ? (uint32_t)nn_start(call, pixel, c) : 0;
    const uint32_t sum = nn_sum(call, start, call->in, rows, columns, c);
    if (call->sums_out) {
      nn_put_word(call->out + 4 * (pixel * call->out_c + c), sum);
      continue;
    }
    const int32_t value = nn_average(call, log, sum);
    if (call->out_bits == 8) {
      out[c] = (uint8_t)nn_clip_8(value, call->out_signed);
    } else {
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
