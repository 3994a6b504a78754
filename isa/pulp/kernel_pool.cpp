// Pooling over [row][column][channel] codes, in the library's order of operations
// (docs/facts/pulp.md 2.2, 2.4); MaxPoolDirect, which is not the library's, in none that shows.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "isa/pulp/codes.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

// Half-open.
struct Span {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};

// Positions of one axis that window `out` covers; may be empty. The library takes the bottom
// padding for where the first row begins and the right one for where the last column ends, which is
// the same only where paddings are symmetric; this computes the intended span.
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

// What the pixels of a map's window come to, and the partial sums of the result's pixel.
void sum_window(const Kernel& kernel, const SourceCodes& in, const Bytes8& l1, std::int64_t pixel,
                std::vector<std::int32_t>& sums) {
  const auto [rows, columns] = window_of(kernel, pixel);
  std::fill(sums.begin(), sums.end(), 0);
  for (std::int64_t y = rows.begin; y < rows.end; ++y) {
    for (std::int64_t x = columns.begin; x < columns.end; ++x) {
      add_pixel(in.data() + (y * kernel.in_w + x) * kernel.in_c, kernel.in_signed, sums);
    }
  }
  if (!kernel.sums_in) return;
  const std::int64_t channels = kernel.out_c;
  const std::vector<std::int32_t> starts =
      words_at(l1, kernel.bias + pixel * 4 * channels, channels, channels);
  for (std::size_t c = 0; c < sums.size(); ++c) {
    sums[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[c]) +
                                        static_cast<std::uint32_t>(starts[c]));
  }
}

void sum_windows(const Kernel& kernel, Bytes8& l1) {
  const SourceCodes in(l1, kernel.in,
                       {kernel.in_h * kernel.in_w, kernel.in_c, kernel.in_bits, kernel.in_signed});
  std::uint8_t* to = bytes_at(l1, kernel.out, output_bytes(kernel));
  std::vector<std::int32_t> sums(static_cast<std::size_t>(kernel.in_c));
  for (std::int64_t pixel = 0; pixel < kernel.out_h * kernel.out_w; ++pixel) {
    sum_window(kernel, in, l1, pixel, sums);
    std::memcpy(to + pixel * 4 * kernel.out_c, sums.data(), sums.size() * 4);
  }
}

void average_pool(const Kernel& kernel, Bytes8& l1, int /*threads*/) {
  check_channels(kernel);
  CHECK(kernel.divisor > 0 && kernel.divisor <= INT32_MAX, "divisor {}", kernel.divisor);
  CHECK(kernel.shift >= 0 && kernel.shift < 32, "shift {}", kernel.shift);
  if (kernel.sums_out) return sum_windows(kernel, l1);
  const SourceCodes in(l1, kernel.in,
                       {kernel.in_h * kernel.in_w, kernel.in_c, kernel.in_bits, kernel.in_signed});
  ResultCodes out(l1, kernel.out, {kernel.out_h * kernel.out_w, kernel.out_c, kernel.out_bits});
  const CodeRange range = result_range(kernel);
  const auto average = kernel.in_signed ? signed_average : unsigned_average;
  std::vector<std::int32_t> sums(static_cast<std::size_t>(kernel.in_c));
  std::uint8_t* to = out.data();
  for (std::int64_t pixel = 0; pixel < kernel.out_h * kernel.out_w; ++pixel) {
    sum_window(kernel, in, l1, pixel, sums);
    for (const std::int32_t sum : sums) {
      *to++ = static_cast<std::uint8_t>(std::clamp(average(kernel, sum), range.low, range.high));
    }
  }
  out.store();
}

void max_pool(const Kernel& kernel, Bytes8& l1, int /*threads*/) {
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

void max_pool_direct(const Kernel& kernel, Bytes8& l1, int /*threads*/) {
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

// Their code (docs/facts/pulp.md 2.4) is not among the tiles measured. Loops are as written in
// PULP-NN, what is around them as executed of ours (runtime/pulp/kernels/nn_pool.c, gcc 12.2 at
// -O2); max_pool_direct_code is our own.

constexpr Straight kPoolCall{.instructions = 70};
constexpr Straight kPoolRow{.instructions = 12, .taken_branches = 1};
constexpr Straight kPoolPixel{.instructions = 28, .taken_branches = 1};
// Of the two passes over a map: the call, a pixel of the first, a row of the second; comparing with
// other codes, some of which are no whole word's.
constexpr Straight kMaxPoolCall{.instructions = 89, .taken_branches = 2, .jumps = 2};
constexpr Straight kMaxPixel{.instructions = 44, .load_uses = 1, .taken_branches = 3, .jumps = 2};
constexpr Straight kMaxRow{.instructions = 62, .load_uses = 2, .taken_branches = 4, .jumps = 4};
constexpr Straight kCompare{.instructions = 9};
constexpr Straight kDirectCall{.instructions = 70};
constexpr Straight kDirectRow{.instructions = 12, .taken_branches = 1};
constexpr Straight kDirectPixel{
    .instructions = 49, .stack = 16, .load_uses = 2, .taken_branches = 3, .jumps = 4};
constexpr Straight kDirectWindowRow{
    .instructions = 18, .stack = 5, .load_uses = 1, .taken_branches = 2};
constexpr Straight kCompareBytes{.instructions = 17, .taken_branches = 1, .jumps = 2};

// Codes of other widths than a byte, as executed (nn_average_codes(),
// runtime/pulp/kernels/nn_pool.c, gcc 12.2 at -O2): a pixel, a channel without what divides, a row
// of its window.
constexpr Straight kCodesPixel{
    .instructions = 142, .stack = 48, .load_uses = 2, .taken_branches = 6, .jumps = 1};
constexpr Straight kCodesChannel{.instructions = 28, .stack = 4, .taken_branches = 2};
constexpr Straight kCodesRow{.instructions = 4, .taken_branches = 1};

// Channels over cores is ours (nn_avgpool_Co()): what it takes beyond the library's, as executed.
constexpr Straight kOwnPixel{.instructions = 104, .stack = 45, .load_uses = 2, .taken_branches = 6};
constexpr Straight kOwnChannel{.instructions = 5, .taken_branches = 1};  // whose divisor is a shift
constexpr Straight kOwnDividedChannel{.instructions = 11, .taken_branches = 1};
constexpr Straight kOwnSignedChannel{.instructions = 16, .taken_branches = 2};

// Output rows over cores, or channels; each channel of a pixel sums its taps, a load and an
// addition each, in a loop per row of the window; then it is scaled, shifted, clipped. A divisor
// that is a power of two is a shift (docs/facts/pulp.md 2.4, 2.6).
CoreCode average_pool_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const bool all_rows = traits(kernel.kind).split == Split::Channels;
  const Piece rows =
      all_rows ? Piece{0, kernel.out_h}
               : rows_of(kernel.out_h, kernel.active_cores(machine.cluster.cores), core, true);
  const Piece mine = channels(kernel, machine, core);
  const std::int64_t pixel = pixel_bytes(kernel), line = kernel.in_w * pixel;
  const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
  const std::int64_t divides = (kernel.divisor & (kernel.divisor - 1)) != 0 ? 1 : 0;
  const bool by_codes =
      (kernel.in_bits < 8 || kernel.out_bits < 8) && !kernel.sums_in && !kernel.sums_out;
  // Of partial sums from `base` on.
  const auto sum_at = [&](std::int64_t base, int row, int column, int channel) {
    const std::int64_t sums_line = kernel.out_w * 4 * kernel.out_c;
    const Address first =
        stepped({base + rows.begin * sums_line + 4 * mine.begin, {}}, row, sums_line);
    return stepped(stepped(first, column, 4 * kernel.out_c), channel, 4);
  };
  b.work(kPoolCall);
  b.loop(rows.size(), [&](int row) {
    const std::int64_t first_in = mine.begin * kernel.in_bits / 8;
    const std::int64_t first_out = mine.begin * kernel.out_bits / 8;
    const Address in = stepped({kernel.in + rows.begin * kernel.stride_y * line + first_in, {}},
                               row, kernel.stride_y * line);
    const Address out =
        stepped({kernel.out + rows.begin * kernel.out_w * out_pixel + first_out, {}}, row,
                kernel.out_w * out_pixel);
    b.work(kPoolRow);
    b.loop(kernel.out_w, [&](int column) {
      b.work(by_codes ? kCodesPixel : kPoolPixel);
      if (all_rows && !by_codes) b.work(kOwnPixel);
      b.loop(mine.size(), [&](int channel) {
        const Address from =
            stepped(stepped(in, column, kernel.stride_x * pixel), channel, kernel.in_bits / 8);
        b.loop(std::min(kernel.kernel_h, kernel.in_h), [&](int y) {
          b.work(by_codes ? kCodesRow : Straight{.instructions = 3});
          // Two taps at a time, each loaded, extracted where it is no byte, and added.
          const std::int64_t taps = std::min(kernel.kernel_w, kernel.in_w);
          const Address first = stepped(from, y, line);
          b.loop(taps / 2, [&](int pair) {
            b.load(stepped(first, pair, 2 * pixel), 1);
            b.load(stepped(first + pixel, pair, 2 * pixel), 1);
            b.work({.instructions = by_codes ? 4 : 2});
          });
          if (taps % 2 == 0) return;
          b.load(first + (taps - 1) * pixel, 1);
          b.work({.instructions = by_codes ? 2 : 1});
        });
        if (kernel.sums_in) {
          b.load(sum_at(kernel.bias, row, column, channel));
          b.work({.instructions = 1, .load_uses = 1});
        }
        if (kernel.sums_out) {
          b.work({.instructions = 1, .taken_branches = 1});
          return b.store(sum_at(kernel.out, row, column, channel));
        }
        if (by_codes) {
          b.work(kCodesChannel);
        } else if (all_rows) {
          b.work(kernel.in_signed ? kOwnSignedChannel
                 : divides > 0    ? kOwnDividedChannel
                                  : kOwnChannel);
        }
        b.work({.instructions = 5 + divides, .taken_branches = 1, .divisions = divides});
        b.store(stepped(stepped(out, column, out_pixel), channel, kernel.out_bits / 8), 1);
      });
    });
  });
  return b.take();
}

// bytes at `to` = max(to, from), four at a time.
void compare(CodeBuilder& b, const Address& to, const Address& from, std::int64_t bytes) {
  b.work(kCompare);
  b.loop(bytes / 4, [&](int word) {
    b.load(stepped(to, word, 4));
    b.load(stepped(from, word, 4));
    b.work({.instructions = 1, .load_uses = 1});
    b.store(stepped(to, word, 4));
  });
  if (bytes % 4 > 0) b.work(kCompareBytes);
  b.loop(bytes % 4, [&](int byte) {
    b.load(stepped(to + bytes / 4 * 4, byte, 1), 1);
    b.load(stepped(from + bytes / 4 * 4, byte, 1), 1);
    b.work({.instructions = 9, .load_uses = 1, .taken_branches = 2});
    b.store(stepped(to + bytes / 4 * 4, byte, 1), 1);
  });
}

void copy_bytes(CodeBuilder& b, const Address& to, const Address& from, std::int64_t bytes) {
  b.loop(bytes, [&](int byte) {
    b.load(stepped(from, byte, 1), 1);
    b.work({.load_uses = 1});
    b.store(stepped(to, byte, 1), 1);
  });
}

// First along x within the rows of the input, into the input ...
CoreCode max_pool_rows_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece rows = rows_of(kernel.in_h, kernel.active_cores(machine.cluster.cores), core, false);
  const std::int64_t pixel = pixel_bytes(kernel), line = kernel.in_w * pixel;
  b.work(kMaxPoolCall);
  b.loop(rows.size(), [&](int row) {
    const Address in = stepped({kernel.in + rows.begin * line, {}}, row, line);
    b.work(kPoolRow);
    b.loop(kernel.out_w, [&](int column) {
      const Address to = stepped(in, column, pixel);
      const Address from = stepped(in, column, kernel.stride_x * pixel);
      b.work(kMaxPixel);
      copy_bytes(b, to, from, pixel);
      b.loop(std::min(kernel.kernel_w, kernel.in_w) - 1,
             [&](int tap) { compare(b, to, stepped(from + pixel, tap, pixel), pixel); });
    });
  });
  return b.take();
}

// ... then along y, whole rows of the output at a time.
CoreCode max_pool_columns_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece rows = rows_of(kernel.out_h, kernel.active_cores(machine.cluster.cores), core, false);
  const std::int64_t pixel = pixel_bytes(kernel), line = kernel.in_w * pixel;
  const std::int64_t bytes = kernel.out_w * pixel;
  b.work({.instructions = 20});
  b.loop(rows.size(), [&](int row) {
    const Address to = stepped({kernel.out + rows.begin * bytes, {}}, row, bytes);
    const Address from =
        stepped({kernel.in + rows.begin * kernel.stride_y * line, {}}, row, kernel.stride_y * line);
    b.work(kMaxRow);
    copy_bytes(b, to, from, bytes);
    b.loop(std::min(kernel.kernel_h, kernel.in_h) - 1,
           [&](int tap) { compare(b, to, stepped(from + line, tap, line), bytes); });
  });
  return b.take();
}

// The maximum of `codes` neighbouring channels over a window at `from`, which is taken to lie all
// inside the map: a load and a comparison for each tap, a hardware loop over the taps of a row.
// Sub-byte codes are unpacked at each tap; their maxima are packed by a p.insert each.
void window_maximum(CodeBuilder& b, const Kernel& kernel, const Address& to, const Address& from,
                    std::int64_t codes) {
  const std::int64_t pixel = pixel_bytes(kernel), line = kernel.in_w * pixel;
  const bool sub_byte = kernel.in_bits < 8;
  const auto bytes = static_cast<int>(packed(codes, kernel.in_bits));
  b.work({.instructions = 4});  // the least code, pointer, counter of rows
  b.loop(std::min(kernel.kernel_h, kernel.in_h), [&](int y) {
    b.work({.instructions = 3, .taken_branches = 1});
    b.loop(std::min(kernel.kernel_w, kernel.in_w), [&](int x) {
      b.load(stepped(stepped(from, y, line), x, pixel), bytes);
      b.work({.instructions = 1 + (sub_byte ? kUnpackFour : 0), .load_uses = 1});
    });
  });
  if (sub_byte) b.work({.instructions = codes - 1});
  b.store(to, bytes);
}

// Output rows over cores: a pixel is copied and compared with all of its window.
CoreCode max_pool_bytes_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece rows = piece(kernel.out_h, kernel.active_cores(machine.cluster.cores), core);
  const std::int64_t pixel = pixel_bytes(kernel), line = kernel.in_w * pixel;
  const auto columns = [&](std::int64_t x) {
    return covered(x, kernel.stride_x, kernel.pad_left, kernel.kernel_w, kernel.in_w);
  };
  b.work(kDirectCall);
  for (std::int64_t y = rows.begin; y < rows.end; ++y) {
    const Span of_y = covered(y, kernel.stride_y, kernel.pad_top, kernel.kernel_h, kernel.in_h);
    b.work(kDirectRow);
    for (std::int64_t x = 0; x < kernel.out_w;) {
      const Span of_x = columns(x);
      std::int64_t end = x + 1;
      while (end < kernel.out_w && columns(end).size() == of_x.size()) ++end;
      b.loop(end - x, [&](int column) {
        const Address to =
            stepped({kernel.out + (y * kernel.out_w + x) * pixel, {}}, column, pixel);
        const Address from = stepped({kernel.in + of_y.begin * line + of_x.begin * pixel, {}},
                                     column, kernel.stride_x * pixel);
        b.work(kDirectPixel);
        copy_bytes(b, to, from, pixel);
        b.loop(of_y.size(), [&](int row) {
          b.work(kDirectWindowRow);
          b.loop(of_x.size(), [&](int tap) {
            compare(b, to, stepped(stepped(from, row, line), tap, pixel), pixel);
          });
        });
      });
      x = end;
    }
  }
  return b.take();
}

// Output rows over cores; of each pixel four sub-byte codes at a time, then those that are left.
CoreCode max_pool_direct_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  if (kernel.in_bits == 8) return max_pool_bytes_code(kernel, machine, core);
  CodeBuilder b(machine);
  const Piece rows = piece(kernel.out_h, kernel.active_cores(machine.cluster.cores), core);
  const std::int64_t pixel = pixel_bytes(kernel), line = kernel.in_w * pixel;
  const std::int64_t words = kernel.in_c / 4, left = kernel.in_c % 4;
  const std::int64_t word_bytes = kernel.in_bits / 2;
  b.work(kPoolCall);
  b.loop(rows.size(), [&](int row) {
    const Address out =
        stepped({kernel.out + rows.begin * kernel.out_w * pixel, {}}, row, kernel.out_w * pixel);
    const Address in =
        stepped({kernel.in + rows.begin * kernel.stride_y * line, {}}, row, kernel.stride_y * line);
    b.work(kPoolRow);
    b.loop(kernel.out_w, [&](int column) {
      const Address to = stepped(out, column, pixel);
      const Address from = stepped(in, column, kernel.stride_x * pixel);
      b.work(kPoolPixel);
      b.loop(words, [&](int word) {
        window_maximum(b, kernel, stepped(to, word, word_bytes), stepped(from, word, word_bytes),
                       4);
      });
      const Address to_left = to + words * word_bytes, from_left = from + words * word_bytes;
      const bool bytewise = kernel.in_bits == 8;
      b.loop(bytewise ? left : std::min<std::int64_t>(left, 1), [&](int byte) {
        window_maximum(b, kernel, stepped(to_left, byte, 1), stepped(from_left, byte, 1),
                       bytewise ? 1 : left);
      });
    });
  });
  return b.take();
}

// Windows of nothing but padding have no maximum; codes stay as they are.
std::string max_pool_limit(const Kernel& k) {
  if (const std::string fault = channels_limit(k); !fault.empty()) return fault;
  if (std::max(k.pad_left, k.pad_right) >= k.kernel_w ||
      std::max(k.pad_top, k.pad_bottom) >= k.kernel_h) {
    return fmt::format("has a {}x{} window, some of it over nothing but padding", k.kernel_w,
                       k.kernel_h);
  }
  if (k.in_bits != k.out_bits || k.in_signed != k.out_signed) {
    return "keeps codes as they are: in and out must be of one type";
  }
  return "";
}

std::string library_limit(const Kernel& k) {
  if (const std::string fault = max_pool_limit(k); !fault.empty()) return fault;
  if (k.out_w <= k.in_w) return "";
  return fmt::format("puts its row maxima over the input: out_w must be at most {}, found {}",
                     k.in_w, k.out_w);
}

// Codes that share a byte would be two cores'.
bool has_bytes(const Kernel& call) { return call.in_bits == 8 && call.out_bits == 8; }

constexpr std::array kAveragePool{KernelTraits{.kind = KernelKind::AveragePool,
                                               .name = "avgpool",
                                               .family = Family::AveragePool,
                                               .divides = true,
                                               .partial = true,
                                               .limit = channels_limit,
                                               .execute = average_pool,
                                               .code = {average_pool_code}},
                                  KernelTraits{.kind = KernelKind::AveragePoolCo,
                                               .name = "avgpool_Co",
                                               .family = Family::AveragePool,
                                               .split = Split::Channels,
                                               .divides = true,
                                               .partial = true,
                                               .limit = [](const Kernel& call) -> std::string {
                                                 return has_bytes(call) ? channels_limit(call)
                                                                        : "takes codes of 8 bits";
                                               },
                                               .serves = has_bytes,
                                               .execute = average_pool,
                                               .code = {average_pool_code}}};

// No tile has more left padding or columns than the layer: where the library's is exact for that,
// it is for tiles.
constexpr std::array kMaxPool{
    KernelTraits{.kind = KernelKind::MaxPool,
                 .name = "maxpool",
                 .family = Family::MaxPool,
                 .in_place = true,
                 .destroys_input = true,
                 .limit = library_limit,
                 .serves = pools_exactly,
                 .execute = max_pool,
                 .code = {max_pool_rows_code, max_pool_columns_code}},
    KernelTraits{.kind = KernelKind::MaxPoolDirect,
                 .name = "maxpool_direct",
                 .family = Family::MaxPool,
                 .limit = max_pool_limit,
                 .serves = [](const Kernel& layer) { return !pools_exactly(layer); },
                 .execute = max_pool_direct,
                 .code = {max_pool_direct_code}}};

}  // namespace

bool pools_exactly(const Kernel& kernel) {
  return kernel.kind == KernelKind::MaxPoolDirect || kernel.out_w == 1 ||
         kernel.pad_left < kernel.stride_x;
}

std::span<const KernelTraits> average_pool_kernels() { return kAveragePool; }
std::span<const KernelTraits> max_pool_kernels() { return kMaxPool; }

}  // namespace workbench::pulp
