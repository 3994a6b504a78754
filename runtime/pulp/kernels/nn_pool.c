// Pooling, rows over cores.
#include "nn_mixed.h"

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

static inline int32_t nn_average_of(const nn_call_t* call, int32_t log, uint32_t sum) {
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
static NN_SMALL int32_t nn_average(const nn_call_t* call, int32_t log, uint32_t sum) {
  return nn_average_of(call, log, sum);
}

// sum + the codes of `rows` rows of `taps`, which lie `step` and `line` bytes apart.
#ifdef NN_XPULP
// clang-format off
#define NN_SUM_ROWS(load, halfwords, last)                                                       \
  __asm__ volatile(NN_LOOP("x1", "%[rows]", halfwords) NN_LOOP("x0", "%[pairs]", "8")            \
                   load("t0", "%[step]", "%[from]") load("t1", "%[step]", "%[from]")             \
                   "add %[sum], %[sum], t0\nadd %[sum], %[sum], t1\n" NN_END_LOOP last           \
                   "add %[from], %[from], %[skip]\n" NN_END_LOOP                                 \
                   : [sum] "+r"(sum), [from] "+r"(from)                                          \
                   : [step] "r"(step), [pairs] "r"(pairs), [skip] "r"(skip), [rows] "r"(rows)    \
                   : "memory", "t0", "t1")
// clang-format on
static NN_SMALL uint32_t nn_sum_bytes(uint32_t sum, const uint8_t* from, int32_t step, int32_t line,
                                      int32_t taps, int32_t rows, int is_signed) {
  const int32_t pairs = taps >> 1, skip = line - 2 * pairs * step;
  if (pairs > 0 && rows > 0 && (taps & 1) == 0) {
    if (is_signed) {
      NN_SUM_ROWS(NN_LB_BY, "14", "nop\n");
    } else {
      NN_SUM_ROWS(NN_LBU_BY, "14", "nop\n");
    }
    return sum;
  }
  if (pairs > 0 && rows > 0) {
    if (is_signed) {
      NN_SUM_ROWS(NN_LB_BY, "16", "lb t0, 0(%[from])\nadd %[sum], %[sum], t0\n");
    } else {
      NN_SUM_ROWS(NN_LBU_BY, "16", "lbu t0, 0(%[from])\nadd %[sum], %[sum], t0\n");
    }
    return sum;
  }
  for (; taps > 0 && rows > 0; --rows, from += line) sum += (uint32_t)nn_byte(*from, is_signed);
  return sum;
}
#else
static inline uint32_t nn_sum_bytes(uint32_t sum, const uint8_t* from, int32_t step, int32_t line,
                                    int32_t taps, int32_t rows, int is_signed) {
  for (; rows > 0; --rows, from += line) {
    for (int32_t i = 0; i < taps; ++i) sum += (uint32_t)nn_byte(from[i * step], is_signed);
  }
  return sum;
}
#endif

// Of a window that begins at `from`. A code's last bit is shifted to the end of a word.
static __attribute__((noinline)) uint32_t nn_sum(const nn_call_t* call, uint32_t sum,
                                                 const uint8_t* from, int32_t rows, int32_t taps,
                                                 int32_t c) {
  const int32_t bits = call->in_bits, at = c * bits, down = 32 - bits, up = down - (at & 7);
  const int32_t pixel = nn_packed(call->in_c, bits), is_signed = call->in_signed;
  const int32_t line = (call->in_w - taps) * pixel;
  from += at >> 3;
  for (; rows > 0; --rows, from += line) {
    for (int32_t i = taps; i > 0; --i, from += pixel) {
      const uint32_t word = (uint32_t)*from << up;
      sum += is_signed ? (uint32_t)((int32_t)word >> down) : word >> down;
    }
  }
  return sum;
}

#ifdef NN_XPULP
// Codes of 8 bits, of windows of two columns or more. Numbers of the call are copied: stores may
// change them as far as a compiler knows.
static inline __attribute__((always_inline)) void nn_average_bytes(
    const nn_call_t* call, const uint8_t* begin, uint8_t* out, int32_t line, int32_t taps,
    int32_t rows, int32_t log, nn_share_t channels, int in_signed, int is_signed) {
  const nn_call_t by = {.multiplier = call->multiplier,
                        .offset = call->offset,
                        .shift = call->shift,
                        .divisor = call->divisor,
                        .in_signed = in_signed};
  const int32_t step = call->in_c;
  const int32_t pairs = taps >> 1, odd = taps & 1, skip = line - 2 * pairs * step;
  const uint8_t* const end = begin + channels.end;
  out += channels.begin;
  for (begin += channels.begin; begin < end; ++begin, ++out) {
    const uint8_t* from = begin;
    uint32_t sum = 0;
    if (in_signed && odd) {
      NN_SUM_ROWS(NN_LB_BY, "16", "lb t0, 0(%[from])\nadd %[sum], %[sum], t0\n");
    } else if (in_signed) {
      NN_SUM_ROWS(NN_LB_BY, "14", "nop\n");
    } else if (odd) {
      NN_SUM_ROWS(NN_LBU_BY, "16", "lbu t0, 0(%[from])\nadd %[sum], %[sum], t0\n");
    } else {
      NN_SUM_ROWS(NN_LBU_BY, "14", "nop\n");
    }
    *out = (uint8_t)nn_clip_8(nn_average_of(&by, log, sum), is_signed);
  }
}

// Of unsigned codes, where the divisor is a power of two: with nothing to choose between channels.
static inline __attribute__((always_inline)) void nn_average_by_shifts(
    const nn_call_t* call, const uint8_t* begin, uint8_t* out, int32_t line, int32_t taps,
    int32_t rows, int32_t log, nn_share_t channels) {
  const uint32_t factor = (uint32_t)call->multiplier, term = (uint32_t)call->offset;
  const int32_t step = call->in_c, shift = call->shift;
  const int32_t pairs = taps >> 1, skip = line - 2 * pairs * step;
  const uint8_t* const end = begin + channels.end;
  out += channels.begin;
  for (begin += channels.begin; begin < end; ++begin, ++out) {
    const uint8_t* from = begin;
    uint32_t sum = 0;
    NN_SUM_ROWS(NN_LBU_BY, "14", "nop\n");
    *out = (uint8_t)nn_clip_u8((int32_t)(((sum * factor >> log) + term) >> shift));
  }
}
#endif

#ifdef NN_MIXED
// clang-format off
// Codes of bytes, which are where `field` says.
#define NN_SUM_FIELDS(extract)                                                                   \
  __asm__ volatile(NN_LOOP("x1", "%[rows]", "26") "beqz %[pairs], 1f\n"                          \
                   NN_LOOP("x0", "%[pairs]", "12")                                               \
                   NN_LBU_BY("t0", "%[step]", "%[from]") NN_LBU_BY("t1", "%[step]", "%[from]")   \
                   extract("t0", "t0", "%[field]") extract("t1", "t1", "%[field]")               \
                   "add %[sum], %[sum], t0\nadd %[sum], %[sum], t1\n" NN_END_LOOP                \
                   "1: beqz %[odd], 2f\nlbu t0, 0(%[from])\n" extract("t0", "t0", "%[field]")    \
                   "add %[sum], %[sum], t0\n2: add %[from], %[from], %[skip]\n" NN_END_LOOP      \
                   : [sum] "+&r"(sum), [from] "+&r"(from)                                        \
                   : [step] "r"(step), [pairs] "r"(taps >> 1), [odd] "r"(taps & 1),              \
                     [skip] "r"(skip), [rows] "r"(rows), [field] "r"(field)                      \
                   : "memory", "t0", "t1")
// clang-format on

// All channels of a pixel whose window has a row and a column, codes of any width.
static void nn_average_codes(const nn_call_t* call, const uint8_t* begin, uint8_t* out,
                             int32_t line, int32_t taps, int32_t rows, int32_t log) {
  const int32_t in_bits = call->in_bits, bits = call->out_bits;
  const int32_t step = nn_packed(call->in_c, in_bits), skip = line - (taps & ~1) * step;
  const int32_t low = call->out_signed ? -(1 << (bits - 1)) : 0, high = low + (1 << bits) - 1;
  int32_t to = nn_first_field(bits);
  uint32_t codes = 0;
  for (int32_t at = 0, end = call->in_c * in_bits; at < end; at += in_bits) {
    const uint8_t* from = begin + (at >> 3);
    const int32_t field = nn_first_field(in_bits) | (at & 7);
    uint32_t sum = 0;
    if (call->in_signed) {
      NN_SUM_FIELDS(NN_EXTRACT_BY);
    } else {
      NN_SUM_FIELDS(NN_EXTRACTU_BY);
    }
    const int32_t value = nn_average_of(call, log, sum);
    codes = nn_with_field(codes, nn_min(nn_max(value, low), high), to);
    to += bits;
    if ((to & 8) == 0) continue;
    *out++ = (uint8_t)codes;
    codes = 0, to -= 8;
  }
  if ((to & 7) != 0) *out = (uint8_t)codes;
}
#endif

static void nn_average_pixel(const nn_call_t* call, int32_t y, int32_t x, nn_share_t channels) {
  const nn_share_t of_y = nn_rows(call, y), of_x = nn_columns(call, x);
  const int32_t rows = of_y.end - of_y.begin, taps = of_x.end - of_x.begin;
  const int32_t pixel = y * call->out_w + x, log = nn_log2(call->divisor);
  const int32_t step = nn_packed(call->in_c, call->in_bits), line = call->in_w * step;
  const uint8_t* from = call->in + of_y.begin * line + of_x.begin * step;
  uint8_t* out = call->out + pixel * nn_packed(call->out_c, call->out_bits);
  const int starts = nn_has_starts(call), in_signed = call->in_signed,
            bytes = NN_BITS(call->in_bits) == 8;
#ifdef NN_XPULP
  if (bytes && call->out_bits == 8 && !starts && !call->sums_out && taps > 1 && rows > 0) {
    const int out_signed = call->out_signed;
    if (in_signed) {
      nn_average_bytes(call, from, out, line, taps, rows, log, channels, 1, out_signed);
    } else if (log >= 0 && (taps & 1) == 0 && !out_signed) {
      nn_average_by_shifts(call, from, out, line, taps, rows, log, channels);
    } else {
      nn_average_bytes(call, from, out, line, taps, rows, log, channels, 0, out_signed);
    }
    return;
  }
#endif
#ifdef NN_MIXED
  if ((call->in_bits & call->out_bits) != 8 && !starts && !call->sums_out && taps > 0 && rows > 0) {
    nn_average_codes(call, from, out, line, taps, rows, log);
    return;
  }
#endif
  for (int32_t c = channels.begin; c < channels.end; ++c) {
    uint32_t sum = starts ? (uint32_t)nn_start(call, pixel, c) : 0;
    sum = bytes ? nn_sum_bytes(sum, from + c, step, line, taps, rows, in_signed)
                : nn_sum(call, sum, from, rows, taps, c);
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
  if (core < cores) nn_averages(call, nn_rows_of(call->out_h, cores, core, 1), channels);
  pi_cl_team_barrier();
}

void nn_avgpool_Co(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  const nn_share_t rows = {0, call->out_h};
  if (core < cores) nn_averages(call, rows, nn_share(call->in_c, 1, cores, core));
  pi_cl_team_barrier();
}

#ifdef NN_XPULP
// Bytes by words, of which there are some.
static inline __attribute__((always_inline)) void nn_raise_words(uint8_t* to, const uint8_t* from,
                                                                 int32_t words, int is_signed) {
// clang-format off
#define NN_RAISE(max)                                                                             \
  __asm__ volatile(NN_LOOP("x0", "%[count]", "8") "lw t0, 0(%[to])\n" NN_LW("t1", "4", "%[from]") \
                   max("t0", "t0", "t1") NN_SW("t0", "4", "%[to]") NN_END_LOOP \
                   : [to] "+r"(to), [from] "+r"(from)                                             \
                   : [count] "r"(words)                                                           \
                   : "memory", "t0", "t1")
  // clang-format on
  if (is_signed) {
    NN_RAISE(NN_MAX_S8);
  } else {
    NN_RAISE(NN_MAX_U8);
  }
}
#endif

#ifdef NN_MIXED
// Of words of codes, by bytes whose high bits are a code: one of 4, or of 2 bits.
static inline uint32_t nn_max_bytes(uint32_t a, uint32_t b, int is_signed) {
  if (is_signed) {
    __asm__(NN_MAX_S8("%0", "%1", "%2") : "=r"(a) : "r"(a), "r"(b));
  } else {
    __asm__(NN_MAX_U8("%0", "%1", "%2") : "=r"(a) : "r"(a), "r"(b));
  }
  return a;
}
static inline __attribute__((always_inline)) uint32_t nn_max_codes(uint32_t a, uint32_t b,
                                                                   int32_t bits, int is_signed) {
  const uint32_t mask = bits == 4 ? 0xf0f0f0f0 : 0xc0c0c0c0;
  uint32_t most = nn_max_bytes(a & mask, b & mask, is_signed);
  most |= nn_max_bytes(a << bits & mask, b << bits & mask, is_signed) >> bits;
  if (bits == 4) return most;
  most |= nn_max_bytes(a << 4 & mask, b << 4 & mask, is_signed) >> 4;
  return most | nn_max_bytes(a << 6 & mask, b << 6 & mask, is_signed) >> 6;
}
static inline __attribute__((always_inline)) void nn_raise_codes(uint8_t* to, const uint8_t* from,
                                                                 int32_t bytes, int32_t bits,
                                                                 int is_signed) {
  const uint8_t *words = to + (bytes & ~3), *end = to + bytes;
  for (; to < words; to += 4, from += 4) {
    nn_put_word(to, nn_max_codes(nn_word(to), nn_word(from), bits, is_signed));
  }
  for (; to < end; ++to, ++from) *to = (uint8_t)nn_max_codes(*to, *from, bits, is_signed);
}
static void nn_raise_bytes(const nn_call_t* call, uint8_t* to, const uint8_t* from, int32_t bytes) {
  if (call->in_bits == 4) {
    if (call->in_signed) {
      nn_raise_codes(to, from, bytes, 4, 1);
    } else {
      nn_raise_codes(to, from, bytes, 4, 0);
    }
  } else if (call->in_signed) {
    nn_raise_codes(to, from, bytes, 2, 1);
  } else {
    nn_raise_codes(to, from, bytes, 2, 0);
  }
}
#endif

// to = max(to, from), code by code; both may be the same.
static NN_SMALL void nn_raise(const nn_call_t* call, uint8_t* to, const uint8_t* from,
                              int32_t codes) {
  int32_t c = 0;
#ifdef NN_XPULP
  if (NN_BITS(call->in_bits) == 8 && codes >> 2 > 0) {
    nn_raise_words(to, from, codes >> 2, call->in_signed);
    c = codes & ~3;
  }
#endif
#ifdef NN_MIXED
  if (call->in_bits != 8) {
    const int32_t bytes = codes * call->in_bits >> 3;
    nn_raise_bytes(call, to, from, bytes);
    c = 8 * bytes / call->in_bits;
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

// to = max(to, `count` others that lie `step` bytes apart).
static inline void nn_raise_each(const nn_call_t* call, uint8_t* to, const uint8_t* from,
                                 int32_t step, int32_t count, int32_t codes) {
#ifdef NN_XPULP
  const int32_t words = codes >> 2, is_signed = call->in_signed;
  if (NN_BITS(call->in_bits) == 8 && (codes & 3) == 0 && words > 0) {
    for (; count > 0; --count, from += step) nn_raise_words(to, from, words, is_signed);
    return;
  }
#endif
  for (; count > 0; --count, from += step) nn_raise(call, to, from, codes);
}

// The codes of a pixel, byte by byte as PULP-NN does; the bits behind them are 0. They are the same
// or have nothing in common.
static void nn_copy_pixel(const nn_call_t* call, uint8_t* to, const uint8_t* from, int32_t bytes) {
  const int32_t rest = call->in_c * call->in_bits & 7;
#ifdef NN_XPULP
  if (bytes > 0) {
    uint8_t* t = to;
    const uint8_t* f = from;
    NN_COPY(NN_LBU, NN_SB, "1", bytes);
  }
#else
  memmove(to, from, (size_t)bytes);
#endif
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
    nn_copy_pixel(call, to, row + begin * bytes, bytes);
    nn_raise_each(call, to, row + (begin + 1) * bytes, bytes, end - begin - 1, call->in_c);
  }
}

// Whole rows at a time, where pixels end at the end of a byte.
static void nn_maxima_of_rows(const nn_call_t* call, int32_t y) {
  const nn_share_t rows = nn_rows(call, y);
  const int32_t whole = (call->in_c * call->in_bits & 7) == 0,
                pixel = nn_packed(call->in_c, call->in_bits);
  const int32_t codes = whole ? call->out_w * call->in_c : call->in_c;
  const int32_t bytes = whole ? call->out_w * pixel : pixel;
  for (int32_t x = 0; x < (whole ? 1 : call->out_w); ++x) {
    uint8_t* to = call->out + (y * call->out_w + x) * pixel;
    const uint8_t* from = call->in + (rows.begin * call->in_w + x) * pixel;
    nn_copy_pixel(call, to, from, bytes);
    const int32_t line = call->in_w * pixel;
    nn_raise_each(call, to, from + line, line, rows.end - rows.begin - 1, codes);
  }
}

void nn_maxpool(const nn_call_t* call) {
  const int32_t core = (int32_t)pi_core_id(), cores = nn_cores(call);
  if (core < cores) {
    const nn_share_t rows = nn_rows_of(call->in_h, cores, core, 0);
    for (int32_t y = rows.begin; y < rows.end; ++y) nn_maxima_of_row(call, y);
  }
  pi_cl_team_barrier();
  if (core < cores) {
    const nn_share_t rows = nn_rows_of(call->out_h, cores, core, 0);
    for (int32_t y = rows.begin; y < rows.end; ++y) nn_maxima_of_rows(call, y);
  }
  pi_cl_team_barrier();
}

static void nn_maximum_of_window(const nn_call_t* call, int32_t y, int32_t x) {
  const nn_share_t rows = nn_rows(call, y), columns = nn_columns(call, x);
  const int32_t bytes = nn_packed(call->in_c, call->in_bits);
  uint8_t* to = call->out + (y * call->out_w + x) * bytes;
  nn_copy_pixel(call, to, call->in + (rows.begin * call->in_w + columns.begin) * bytes, bytes);
  for (int32_t r = rows.begin; r < rows.end; ++r) {
    const uint8_t* from = call->in + (r * call->in_w + columns.begin) * bytes;
    nn_raise_each(call, to, from, bytes, columns.end - columns.begin, call->in_c);
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
