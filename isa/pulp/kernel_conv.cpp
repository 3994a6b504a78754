// Convolution by im2col (docs/facts/pulp.md 2.4): each core copies the window of a pixel into one
// of its two columns, and after every second pixel multiplies both with all weights.
#include "isa/pulp/kernel_overheads.h"
#include "isa/pulp/kernel_unpack.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

// Two codes of 2 bits as one byte of two of 4: extracted, and one inserted beside the other
// (counted).
constexpr Straight kByteOfTwo{.instructions = 3};
// Codes that are unpacked to bytes: as runtime/pulp/kernels/nn_convolution.c is executed, compiled
// by gcc 12.2 at -O2. A pixel of a 1x1 kernel; of a window inside the map whose pixels are whole
// bytes, and each row of it; of others, each row and each tap, of the map or not.
constexpr Straight kUnpackedPixel{.instructions = 82, .stack = 36, .taken_branches = 2, .jumps = 3};
constexpr Straight kUnpackedWindow{
    .instructions = 90, .stack = 37, .load_uses = 2, .taken_branches = 3, .jumps = 2};
constexpr Straight kUnpackedRow{.instructions = 10, .stack = 2, .taken_branches = 1, .jumps = 1};
constexpr Straight kTappedPixel{.instructions = 125, .stack = 60, .taken_branches = 3, .jumps = 3};
constexpr Straight kTappedRow{.instructions = 37, .stack = 16, .taken_branches = 1, .jumps = 1};
constexpr Straight kTapInside{
    .instructions = 20, .stack = 9, .load_uses = 1, .taken_branches = 2, .jumps = 2};
constexpr Straight kTapOutside{.instructions = 17, .taken_branches = 4, .jumps = 2};

// [begin, end) of the kernel's taps along one axis that lie inside the map, for the output at
// `position`.
Piece inside(std::int64_t position, std::int64_t stride, std::int64_t pad, std::int64_t dilation,
             std::int64_t taps, std::int64_t size) {
  const std::int64_t first = position * stride - pad;
  const std::int64_t begin = first >= 0 ? 0 : std::min(taps, ceil_div(-first, dilation));
  const std::int64_t room = size - first;
  const std::int64_t end = room <= 0 ? 0 : std::min(taps, ceil_div(room, dilation));
  return {begin, std::max(begin, end)};
}

// Ours take 1x1 windows without padding from where they are, whatever the stride.
bool reads_in_place(const Kernel& kernel) {
  return overheads(kernel).in_place && kernel.in_bits == product_bits(kernel) &&
         kernel.kernel_w == 1 && kernel.kernel_h == 1 &&
         (kernel.pad_top | kernel.pad_bottom | kernel.pad_left | kernel.pad_right) == 0;
}

// PULP-NN's two columns lie behind each other (docs/facts/pulp.md 2.4).
std::int64_t core_columns_bytes(const Kernel& call) {
  const std::int64_t codes = call.kernel_h * call.kernel_w * call.in_c;
  const std::int64_t pixels = traits(call.kind).pixels;
  const std::int64_t bytes = pixels * packed(codes, product_bits(call));
  return pixels == 4 ? skewed(bytes) : bytes;
}

struct Convolution {
  CodeBuilder& b;
  const Kernel& kernel;
  const Machine& machine;
  Pixels mine;
  Piece co;
  const MatrixOverheads& around = overheads(kernel);
  std::int64_t scratch = 0;  // of this core
  Routine row_code, inner_code, padded_code, matmul_code, pair_code, rest_code;

  std::int64_t group() const { return traits(kernel.kind).pixels; }  // columns of a core
  Address column(std::int64_t i) const { return {scratch + i * column_bytes(), {}}; }
  std::int64_t columns() const { return kernel.kernel_h * kernel.kernel_w * kernel.in_c; }
  std::int64_t in_columns(std::int64_t codes) const { return packed(codes, product_bits(kernel)); }
  std::int64_t column_bytes() const { return in_columns(columns()); }
  std::int64_t in_pixel() const { return packed(kernel.in_c, kernel.in_bits); }
  bool unpacks() const { return kernel.in_bits < 8 && product_bits(kernel) == 8; }
  // Padded windows of bytes side by side, which ours copy row by row.
  bool by_rows() const { return around.by_rows && !unpacks() && kernel.dilation_x == 1; }
  Straight pixel_begin(bool whole) const {
    if (!unpacks()) {
      return whole ? around.pixel : by_rows() ? around.padded_pixel : around.tapped_pixel;
    }
    if (!whole) return kTappedPixel;
    return kernel.kernel_w * kernel.kernel_h == 1 ? kUnpackedPixel : kUnpackedWindow;
  }

  // `codes` in a row to the columns at `to`: word by word, what is left byte by byte. Codes
  // narrower than those that are multiplied are unpacked, each word of them to several.
  void copy(const Address& from, const Address& to, std::int64_t codes) {
    if (unpacks()) return unpack_codes(b, kernel.in_bits, from, to, codes);
    const std::int64_t bits = product_bits(kernel);
    const std::int64_t per_word = 32 / kernel.in_bits, words = bits / kernel.in_bits;
    b.loop(codes / per_word, [&](int depth) {
      b.load(stepped(from, depth, 4));
      b.work(words == 1 ? Straight{.load_uses = 1}
                        : Straight{.instructions = words * unpack_word(bits)});
      for (std::int64_t i = 0; i < words; ++i) b.store(stepped(to + 4 * i, depth, 4 * words));
    });
    const std::int64_t done = codes / per_word * per_word;
    b.loop(in_columns(codes % per_word), [&](int depth) {
      b.load(stepped(from + packed(done, kernel.in_bits), depth, words == 1 ? 1 : 0), 1);
      b.work(around.byte);
      if (words > 1 && bits < 8) b.work(kByteOfTwo);
      b.store(stepped(to + in_columns(done), depth, 1), 1);
    });
  }

  void zero(const Address& to, std::int64_t bytes) {
    b.loop(bytes / 4, [&](int depth) { b.store(stepped(to, depth, 4)); });
    b.loop(bytes % 4, [&](int depth) {
      b.store(stepped(to + bytes / 4 * 4, depth, 1), 1);
      b.work(around.zero_byte);
    });
  }

  // A window that lies inside the map, row by row of the kernel.
  void inner_window(const Address& from, const Address& to) {
    const std::int64_t codes = kernel.kernel_w * kernel.in_c;
    b.loop(kernel.kernel_h, [&](int row) {
      if (!unpacks() || kernel.kernel_w * kernel.kernel_h > 1) {
        b.work(unpacks() ? kUnpackedRow : around.window_row);
      }
      copy(stepped(from, row, kernel.in_w * in_pixel()), stepped(to, row, in_columns(codes)),
           codes);
    });
  }

  // A window with padding, tap by tap; first the taps inside, then the others, whose order among
  // each other costs nothing. `from`: of its first tap, inside or not.
  void padded_window(const Address& from, const Address& to, const Piece& rows, const Piece& taps) {
    const std::int64_t row_codes = kernel.kernel_w * kernel.in_c;
    const Address first =
        from + (rows.begin * kernel.dilation_y * kernel.in_w + taps.begin * kernel.dilation_x) *
                   in_pixel();
    b.loop(kernel.kernel_h, [&](int) { b.work(unpacks() ? kTappedRow : around.tapped_row); });
    b.loop(rows.size(), [&](int row) {
      b.loop(taps.size(), [&](int tap) {
        b.work(unpacks() ? kTapInside : around.tap);
        const Address source = stepped(first, row, kernel.dilation_y * kernel.in_w * in_pixel());
        const Address target = to + in_columns(rows.begin * row_codes + taps.begin * kernel.in_c);
        copy(stepped(source, tap, kernel.dilation_x * in_pixel()),
             stepped(stepped(target, row, in_columns(row_codes)), tap, in_columns(kernel.in_c)),
             kernel.in_c);
      });
    });
    const std::int64_t zeros = kernel.kernel_h * kernel.kernel_w - rows.size() * taps.size();
    b.loop(zeros, [&](int tap) {
      b.work(unpacks() ? kTapOutside : around.outer_tap);
      zero(stepped(to, tap, in_columns(kernel.in_c)), in_columns(kernel.in_c));
    });
  }

  // Ours, row by row: what lies before, in and behind the map.
  void padded_rows(const Address& from, const Address& to, const Piece& rows, const Piece& taps) {
    const std::int64_t pixel = in_pixel(), row_bytes = kernel.kernel_w * pixel;
    const std::int64_t left = taps.begin * pixel, inside = taps.size() * pixel;
    const std::int64_t right = row_bytes - left - inside;
    const std::int64_t pitch = kernel.dilation_y * kernel.in_w * pixel;
    const auto clear = [&](const Address& at, std::int64_t bytes) {
      if (bytes % 4 > 0) b.work(around.clear_bytes);
      zero(at, bytes);
    };
    b.loop(rows.begin, [&](int row) {
      b.work(around.outer_row);
      clear(stepped(to, row, row_bytes), row_bytes);
    });
    b.loop(rows.size(), [&](int row) {
      const Address target = stepped(to + rows.begin * row_bytes, row, row_bytes);
      b.work(around.padded_row);
      if (left > 0) {
        b.work(around.left_part);
        clear(target, left);
      }
      copy(stepped(from + (rows.begin * pitch + left), row, pitch), target + left, inside);
      if (right > 0) {
        b.work(around.right_part);
        clear(target + (left + inside), right);
      }
    });
    b.loop(kernel.kernel_h - rows.end, [&](int row) {
      b.work(around.outer_row);
      clear(stepped(to + rows.end * row_bytes, row, row_bytes), row_bytes);
    });
  }

  // One pixel into one of the columns. `from`: its window's first tap. PULP-NN decides by the pads
  // it is told (docs/facts/pulp.md 2.4), which here are those that the pixel needs.
  void pixel(std::int64_t y, std::int64_t x, const Address& from, std::int64_t column) {
    const Piece rows =
        inside(y, kernel.stride_y, kernel.pad_top, kernel.dilation_y, kernel.kernel_h, kernel.in_h);
    const Piece taps = inside(x, kernel.stride_x, kernel.pad_left, kernel.dilation_x,
                              kernel.kernel_w, kernel.in_w);
    const Address to = this->column(column);
    const bool bytes = !unpacks() || kernel.kernel_w * kernel.kernel_h == 1 ||
                       kernel.in_c * kernel.in_bits % 8 == 0;
    const bool whole = rows.size() == kernel.kernel_h && taps.size() == kernel.kernel_w &&
                       kernel.dilation_x == 1 && kernel.dilation_y == 1 && bytes;
    b.run(whole ? inner_code : padded_code, [&] {
      b.work(pixel_begin(whole));
      if (whole) {
        inner_window(from, to);
      } else if (by_rows()) {
        padded_rows(from, to, rows, taps);
      } else {
        padded_window(from, to, rows, taps);
      }
    });
  }

  // Of all columns, of the first two, of column `i`.
  void product(const Address& out) {
    b.run(matmul_code, [&] {
      const auto width = static_cast<int>(group());
      matmul(b, kernel, {{column(0), column(1), column(2), column(3)}, out, columns(), co, width});
    });
  }
  void pair(const Address& out) {
    b.run(pair_code, [&] { matmul(b, kernel, {{column(0), column(1)}, out, columns(), co, 2}); });
  }
  void rest(const Address& out, std::int64_t i = 0) {
    b.run(rest_code, [&] { single_pixel(b, kernel, {{column(i)}, out, columns(), co, 1}); });
  }
  // Of the `filled` first columns, fewer than a group; the results end at `end`.
  void finish_row(const Address& end, std::int64_t filled) {
    const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
    if (filled >= 2) pair(end + -filled * out_pixel);
    if (filled % 2 != 0) rest(end + -out_pixel, filled - 1);
  }

  // `count` pixels from x on that differ in their addresses alone; `column` is the next one's,
  // the result the one after. `from`, `out`: of x.
  std::int64_t run(std::int64_t y, std::int64_t x, std::int64_t count, Address from, Address out,
                   std::int64_t column) {
    const std::int64_t step = kernel.stride_x * in_pixel();
    const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
    for (; column != 0 && count > 0; ++x, --count) {
      pixel(y, x, from, column);
      column = (column + 1) % group();
      if (column == 0) product(out + -(group() - 1) * out_pixel);
      from = from + step;
      out = out + out_pixel;
    }
    b.loop(count / group(), [&](int block) {
      const Address at = stepped(from, block, group() * step);
      for (std::int64_t i = 0; i < group(); ++i) pixel(y, x + i, at + i * step, i);
      product(stepped(out, block, group() * out_pixel));
    });
    const std::int64_t whole = count / group() * group();
    for (std::int64_t i = whole; i < count; ++i) pixel(y, x + i, from + i * step, column++);
    return column;
  }

  bool same_taps(std::int64_t a, std::int64_t b_) const {
    const auto taps = [&](std::int64_t x) {
      return inside(x, kernel.stride_x, kernel.pad_left, kernel.dilation_x, kernel.kernel_w,
                    kernel.in_w);
    };
    return taps(a).begin == taps(b_).begin && taps(a).end == taps(b_).end;
  }
  bool same_rows(std::int64_t a, std::int64_t b_) const {
    const auto rows = [&](std::int64_t y) {
      return inside(y, kernel.stride_y, kernel.pad_top, kernel.dilation_y, kernel.kernel_h,
                    kernel.in_h);
    };
    return rows(a).begin == rows(b_).begin && rows(a).end == rows(b_).end;
  }

  // A row of this core. `from`, `out`: of output column 0.
  std::int64_t row(std::int64_t y, const Address& from, const Address& out, std::int64_t column) {
    const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
    b.run(row_code, [&] { b.work(around.conv_row); });
    for (std::int64_t x = mine.columns.begin; x < mine.columns.end;) {
      std::int64_t end = x + 1;
      while (end < mine.columns.end && same_taps(x, end)) ++end;
      column =
          run(y, x, end - x, from + x * kernel.stride_x * in_pixel(), out + x * out_pixel, column);
      x = end;
    }
    return column;
  }

  // Rows [begin, begin + count) that differ in their addresses alone. Of an odd number of
  // pixels one is left in its column for the next row, so that rows go by two; HoWo kernels and
  // those of four pixels finish each row.
  std::int64_t rows(std::int64_t begin, std::int64_t count, std::int64_t column) {
    const bool finish = traits(kernel.kind).split == Split::HalfRows || group() > 2;
    const bool by_two = !finish && mine.columns.size() % 2 != 0;
    const std::int64_t together = by_two ? 2 : 1;
    const std::int64_t out_row = kernel.out_w * packed(kernel.out_c, kernel.out_bits);
    const std::int64_t in_row = kernel.stride_y * kernel.in_w * in_pixel();
    const std::int64_t in_first = (-kernel.pad_top * kernel.in_w - kernel.pad_left) * in_pixel();
    const auto emit = [&](std::int64_t y, int depth, std::int64_t step) {
      const Address from = stepped({kernel.in + in_first + y * in_row, {}}, depth, step * in_row);
      const Address out = stepped({kernel.out + y * out_row, {}}, depth, step * out_row);
      column = row(y, from, out, column);
      if (finish) {
        finish_row(out + mine.columns.end * packed(kernel.out_c, kernel.out_bits), column);
        column = 0;
      }
    };
    b.loop(count / together, [&](int depth) {
      for (std::int64_t i = 0; i < together; ++i) emit(begin + i, depth, together);
    });
    if (count % together != 0) {
      b.loop(1, [&](int depth) { emit(begin + count - 1, depth, 1); });
    }
    return column;
  }
};

}  // namespace

CoreCode conv_code(const Kernel& call, const Machine& machine, std::int64_t core) {
  if (reads_in_place(call)) return pointwise_code(call, machine, core);
  CodeBuilder b(machine);
  const Kernel kernel = with_word_results(call);
  Convolution conv{b, kernel, machine, pixels(kernel, machine, core),
                   channels(kernel, machine, core)};
  conv.scratch = kernel.scratch + core * core_columns_bytes(kernel);
  b.work(conv.around.conv_call);
  share(b, kernel, machine);
  std::int64_t column = 0;
  for (std::int64_t y = conv.mine.rows.begin; y < conv.mine.rows.end;) {
    std::int64_t end = y + 1;
    while (end < conv.mine.rows.end && conv.same_rows(y, end)) ++end;
    column = conv.rows(y, end - y, column);
    y = end;
  }
  if (column == 1) conv.rest({kernel.out, {}});
  return b.take();
}

namespace {

bool has_byte_weights(const Kernel& call) { return call.weight_bits == 8; }
std::string bytes_limit(const Kernel& call) {
  return has_byte_weights(call) ? "" : "takes weights of 8 bits";
}

constexpr KernelTraits conv(KernelKind kind, std::string_view name, Split split,
                            std::int64_t pixels = 2) {
  return {.kind = kind,
          .name = name,
          .family = Family::Conv,
          .split = split,
          .weights = true,
          .norm = true,
          .by_channel = false,
          .partial = true,
          .wide_out = true,
          .pixels = pixels,
          .dilation = true,
          .limit = pixels == 4 ? bytes_limit : nullptr,
          .serves = pixels == 4 ? has_byte_weights : nullptr,
          .scratch_bytes = columns_bytes,
          .execute = multiply,
          .code = {conv_code},
          .likeness = matrix_likeness,
          .conflict_share = [](const Machine& machine) { return machine.l1.matrix_conflicts; }};
}

// Those that need more instructions first: where the cores have them they take less.
constexpr std::array kKernels{
    packed_kernel(conv(KernelKind::ConvHoMacLoad, "conv_Ho_macload", Split::Rows), true),
    packed_kernel(conv(KernelKind::ConvHoWoMacLoad, "conv_HoWo_macload", Split::HalfRows), true),
    packed_kernel(conv(KernelKind::ConvCoMacLoad, "conv_Co_macload", Split::Channels), true),
    packed_kernel(conv(KernelKind::ConvHoPacked, "conv_Ho_packed", Split::Rows), false),
    packed_kernel(conv(KernelKind::ConvHoWoPacked, "conv_HoWo_packed", Split::HalfRows), false),
    packed_kernel(conv(KernelKind::ConvCoPacked, "conv_Co_packed", Split::Channels), false),
    conv(KernelKind::ConvHo, "conv_Ho", Split::Rows),
    conv(KernelKind::ConvHoWo, "conv_HoWo", Split::HalfRows),
    conv(KernelKind::ConvCo, "conv_Co", Split::Channels),
    conv(KernelKind::ConvHoQuads, "conv_Ho_4x4", Split::Rows, 4),
    conv(KernelKind::ConvHoWoQuads, "conv_HoWo_4x4", Split::HalfRows, 4),
    conv(KernelKind::ConvCoQuads, "conv_Co_4x4", Split::Channels, 4),
    packed_kernel(conv(KernelKind::ConvHoMacLoadQuads, "conv_Ho_macload_4x4", Split::Rows, 4),
                  true),
    packed_kernel(
        conv(KernelKind::ConvHoWoMacLoadQuads, "conv_HoWo_macload_4x4", Split::HalfRows, 4), true),
    packed_kernel(conv(KernelKind::ConvCoMacLoadQuads, "conv_Co_macload_4x4", Split::Channels, 4),
                  true),
    packed_kernel(conv(KernelKind::ConvHoPackedQuads, "conv_Ho_packed_4x4", Split::Rows, 4), false),
    packed_kernel(conv(KernelKind::ConvHoWoPackedQuads, "conv_HoWo_packed_4x4", Split::HalfRows, 4),
                  false),
    packed_kernel(conv(KernelKind::ConvCoPackedQuads, "conv_Co_packed_4x4", Split::Channels, 4),
                  false)};

}  // namespace

std::int64_t columns_bytes(const Kernel& call, std::int64_t cores) {
  return round_up(cores * core_columns_bytes(call), 4);
}

std::span<const KernelTraits> conv_kernels() { return kKernels; }

}  // namespace workbench::pulp
