// Pooling over [row][column][channel] codes, in the library's order of operations
// (pulp.md 2.2, 2.4); MaxPoolDirect, which is not the library's, in none that shows.
#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "isa/pulp/channel_arithmetic.h"
#include "isa/pulp/kernel_semantics.h"
#include "isa/pulp/semantics.h"

namespace workbench::pulp {

namespace {

// Half-open.
struct Span {
  std::int64_t begin = 0, end = 0;
};

// Positions of one axis that window `out` covers; may be empty. The library takes the bottom
// padding for where the first row begins and the right one for where the last column ends, which is
// the same only where paddings are symmetric; what is meant is computed here.
Span covered(std::int64_t out, std::int64_t stride, std::int64_t pad, std::int64_t size,
             std::int64_t in) {
  const std::int64_t begin = out * stride - pad;
  return {std::max<std::int64_t>(begin, 0), std::min(begin + size, in)};
}

void check_channels(const Kernel& kernel) {
  CHECK(kernel.in_c == kernel.out_c, "{} of {} channels", kernel.out_c, kernel.in_c);
  CHECK(kernel.dilation_x == 1 && kernel.dilation_y == 1, "dilated pool");
}

// Sum of a window -> value to be clipped. Unsigned activations: all in unsigned 32 bits, the shift
// included. Signed ones: in signed 32 bits, the division truncates.
std::int32_t unsigned_average(const Kernel& kernel, std::int32_t sum) {
  const std::uint32_t product =
      static_cast<std::uint32_t>(sum) * static_cast<std::uint32_t>(kernel.multiplier);
  const std::uint32_t average = product / static_cast<std::uint32_t>(kernel.divisor) +
                                static_cast<std::uint32_t>(kernel.offset);
  return static_cast<std::int32_t>(average >> kernel.shift);
}

std::int32_t signed_average(const Kernel& kernel, std::int32_t sum) {
  const auto product = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) *
                                                 static_cast<std::uint32_t>(kernel.multiplier));
  const std::int32_t quotient = product / static_cast<std::int32_t>(kernel.divisor);
  const std::uint32_t average =
      static_cast<std::uint32_t>(quotient) + static_cast<std::uint32_t>(kernel.offset);
  return static_cast<std::int32_t>(average) >> kernel.shift;
}

void add_pixel(const std::uint8_t* codes, bool is_signed, std::vector<std::int32_t>& sums) {
  if (is_signed) {
    for (std::size_t c = 0; c < sums.size(); ++c) sums[c] += static_cast<std::int8_t>(codes[c]);
  } else {
    for (std::size_t c = 0; c < sums.size(); ++c) sums[c] += codes[c];
  }
}

// The maximum of `count` codes and as many others replaces them.
template <typename Code>
void raise(std::uint8_t* codes, const std::uint8_t* others, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto code = static_cast<Code>(codes[i]), other = static_cast<Code>(others[i]);
    codes[i] = static_cast<std::uint8_t>(code > other ? code : other);
  }
}

// Columns whose maximum the library puts at column `out` of the row. A window that begins in the
// padding begins at its own target instead of at the row's first pixel.
Span library_columns(const Kernel& kernel, std::int64_t out) {
  const std::int64_t begin = out * kernel.stride_x - kernel.pad_left;
  return {begin < 0 ? out : begin, std::min(begin + kernel.kernel_w, kernel.in_w)};
}

template <typename Code>
void max_pool_row(const Kernel& kernel, std::uint8_t* row) {
  const std::int64_t channels = kernel.in_c;
  for (std::int64_t x = 0; x < kernel.out_w; ++x) {
    const Span columns = library_columns(kernel, x);
    CHECK(columns.begin < kernel.in_w, "a window in the right padding");
    std::uint8_t* const target = row + x * channels;
    std::memmove(target, row + columns.begin * channels, static_cast<std::size_t>(channels));
    for (std::int64_t from = columns.begin + 1; from < columns.end; ++from) {
      raise<Code>(target, row + from * channels, channels);
    }
  }
}

template <typename Code>
void max_pool_columns(const Kernel& kernel, const std::uint8_t* in, std::uint8_t* out) {
  const std::int64_t from_row = kernel.in_w * kernel.in_c, to_row = kernel.out_w * kernel.in_c;
  for (std::int64_t y = 0; y < kernel.out_h; ++y) {
    const Span rows = covered(y, kernel.stride_y, kernel.pad_top, kernel.kernel_h, kernel.in_h);
    CHECK(rows.begin < kernel.in_h, "a window in the bottom padding");
    std::uint8_t* const target = out + y * to_row;
    std::memcpy(target, in + rows.begin * from_row, static_cast<std::size_t>(to_row));
    for (std::int64_t from = rows.begin + 1; from < rows.end; ++from) {
      raise<Code>(target, in + from * from_row, to_row);
    }
  }
}

template <typename Code>
void max_pool_codes(const Kernel& kernel, std::uint8_t* in, std::uint8_t* out) {
  for (std::int64_t y = 0; y < kernel.in_h; ++y) {
    max_pool_row<Code>(kernel, in + y * kernel.in_w * kernel.in_c);
  }
  max_pool_columns<Code>(kernel, in, out);
}

// Positions of the map that the window of an output pixel covers.
struct Window {
  Span rows, columns;
};

Window window_of(const Kernel& kernel, std::int64_t pixel) {
  return {
      covered(pixel / kernel.out_w, kernel.stride_y, kernel.pad_top, kernel.kernel_h, kernel.in_h),
      covered(pixel % kernel.out_w, kernel.stride_x, kernel.pad_left, kernel.kernel_w,
              kernel.in_w)};
}

template <typename Code>
void window_maxima(const Kernel& kernel, const std::uint8_t* in, std::uint8_t* out) {
  const std::int64_t channels = kernel.in_c;
  for (std::int64_t pixel = 0; pixel < kernel.out_h * kernel.out_w; ++pixel) {
    const Window window = window_of(kernel, pixel);
    CHECK(window.rows.begin < window.rows.end && window.columns.begin < window.columns.end,
          "a window of nothing but padding");
    std::uint8_t* const target = out + pixel * channels;
    const std::uint8_t* const first =
        in + (window.rows.begin * kernel.in_w + window.columns.begin) * channels;
    std::memcpy(target, first, static_cast<std::size_t>(channels));
    for (std::int64_t y = window.rows.begin; y < window.rows.end; ++y) {
      for (std::int64_t x = window.columns.begin; x < window.columns.end; ++x) {
        raise<Code>(target, in + (y * kernel.in_w + x) * channels, channels);
      }
    }
  }
}

}  // namespace

void average_pool(const Kernel& kernel, Bytes8& l1) {
  check_channels(kernel);
  CHECK(kernel.divisor > 0 && kernel.divisor <= INT32_MAX, "divisor {}", kernel.divisor);
  CHECK(kernel.shift >= 0 && kernel.shift < 32, "shift {}", kernel.shift);
  const SourceCodes in(l1, kernel.in,
                       {kernel.in_h * kernel.in_w, kernel.in_c, kernel.in_bits, kernel.in_signed});
  ResultCodes out(l1, kernel.out, {kernel.out_h * kernel.out_w, kernel.out_c, kernel.out_bits});
  const CodeRange range = result_range(kernel);
  const auto average = kernel.in_signed ? signed_average : unsigned_average;
  std::vector<std::int32_t> sums(static_cast<std::size_t>(kernel.in_c));
  std::uint8_t* to = out.data();
  for (std::int64_t pixel = 0; pixel < kernel.out_h * kernel.out_w; ++pixel) {
    const auto [rows, columns] = window_of(kernel, pixel);
    std::fill(sums.begin(), sums.end(), 0);
    for (std::int64_t y = rows.begin; y < rows.end; ++y) {
      for (std::int64_t x = columns.begin; x < columns.end; ++x) {
        add_pixel(in.data() + (y * kernel.in_w + x) * kernel.in_c, kernel.in_signed, sums);
      }
    }
    for (const std::int32_t sum : sums) {
      *to++ = static_cast<std::uint8_t>(std::clamp(average(kernel, sum), range.low, range.high));
    }
  }
  out.store();
}

void max_pool(const Kernel& kernel, Bytes8& l1) {
  check_channels(kernel);
  CHECK(kernel.in_bits == kernel.out_bits, "{} bits of {}", kernel.out_bits, kernel.in_bits);
  CHECK(kernel.out_w <= kernel.in_w, "maxima of {} columns in {}", kernel.out_w, kernel.in_w);
  const CodeLayout layout{kernel.in_h * kernel.in_w, kernel.in_c, kernel.in_bits, kernel.in_signed};
  ResultCodes in(l1, kernel.in, layout);  // its own source
  if (layout.bits != 8) {
    const SourceCodes codes(l1, kernel.in, layout);
    std::copy_n(codes.data(), layout.codes(), in.data());
  }
  ResultCodes out(l1, kernel.out, {kernel.out_h * kernel.out_w, kernel.out_c, kernel.out_bits});
  if (kernel.in_signed) {
    max_pool_codes<std::int8_t>(kernel, in.data(), out.data());
  } else {
    max_pool_codes<std::uint8_t>(kernel, in.data(), out.data());
  }
  in.store();
  out.store();
}

void max_pool_direct(const Kernel& kernel, Bytes8& l1) {
  check_channels(kernel);
  CHECK(kernel.in_bits == kernel.out_bits, "{} bits of {}", kernel.out_bits, kernel.in_bits);
  const SourceCodes in(l1, kernel.in,
                       {kernel.in_h * kernel.in_w, kernel.in_c, kernel.in_bits, kernel.in_signed});
  ResultCodes out(l1, kernel.out, {kernel.out_h * kernel.out_w, kernel.out_c, kernel.out_bits});
  if (kernel.in_signed) {
    window_maxima<std::int8_t>(kernel, in.data(), out.data());
  } else {
    window_maxima<std::uint8_t>(kernel, in.data(), out.data());
  }
  out.store();
}

bool pools_exactly(const Kernel& kernel) {
  return kernel.kind == KernelKind::MaxPoolDirect || kernel.out_w == 1 ||
         kernel.pad_left < kernel.stride_x;
}

}  // namespace workbench::pulp
