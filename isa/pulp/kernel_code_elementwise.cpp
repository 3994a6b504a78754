// Kernels without weights: addition, pools, requantization (pulp.md 2.4). None of them is among the
// tiles measured: instructions are counted from the loops as written in PULP-NN.
// max_pool_direct_code is our own, not measured either.
#include "isa/pulp/kernel_code_builder.h"

namespace workbench::pulp {

namespace {

constexpr Straight kAddCall{.instructions = 50};
constexpr Straight kPoolCall{.instructions = 70};
constexpr Straight kPoolRow{.instructions = 12, .taken_branches = 1};
constexpr Straight kPoolPixel{.instructions = 28, .taken_branches = 1};

// Rows of a core. With fewer rows than cores PULP-NN leaves more cores idle than it has to: its
// chunk is then 2, except in the average pool for powers of two, where it is 1 (counted from the
// source).
Piece rows_of(std::int64_t rows, std::int64_t cores, std::int64_t core, bool average) {
  if (rows >= cores || rows == 0) return piece(rows, cores, core);
  const bool power_of_two = (rows & (rows - 1)) == 0;
  const std::int64_t chunk = average && power_of_two ? 1 : 2;
  const std::int64_t begin = std::min(chunk * core, rows);
  return {begin, std::min(begin + chunk, rows)};
}

std::int64_t pixel_bytes(const Kernel& kernel) { return packed(kernel.in_c, kernel.in_bits); }

// multiply-add, shift, clip, as far as they do anything.
std::int64_t affine(std::int64_t multiplier, std::int64_t offset, std::int64_t shift) {
  return (multiplier != 1 || offset != 0 ? 1 : 0) + (shift != 0 ? 1 : 0);
}
// With no offset the multiply-add is a multiply, wanted at once by the shift or the sum.
std::int64_t multiply(std::int64_t multiplier, std::int64_t offset) {
  return multiplier != 1 && offset == 0 ? 1 : 0;
}

}  // namespace

// Rows over cores, one element at a time: about 11 instructions in the library's own form (pulp.md
// 2.4), of which two narrow the sum and the result to 16 and 8 bits.
CoreCode add_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece rows = rows_of(kernel.in_h, kernel.active_cores(machine.cluster.cores), core, false);
  const std::int64_t row_bytes = kernel.in_w * pixel_bytes(kernel);
  const std::int64_t out_bytes = kernel.in_w * packed(kernel.out_c, kernel.out_bits);
  const std::int64_t sub_byte = kernel.in_bits < 8 ? 2 : 0;
  const std::int64_t clips = kernel.clip_operands ? 2 : 0;
  const std::int64_t instructions = affine(kernel.multiplier1, kernel.offset1, kernel.shift1) +
                                    affine(kernel.multiplier2, kernel.offset2, kernel.shift2) +
                                    affine(kernel.multiplier, kernel.offset, kernel.shift) + clips +
                                    sub_byte + 4 + (kernel.out_bits < 8 ? 1 : 0);
  const std::int64_t multiplies = multiply(kernel.multiplier1, kernel.offset1) +
                                  multiply(kernel.multiplier2, kernel.offset2) +
                                  multiply(kernel.multiplier, kernel.offset);
  b.work(kAddCall);
  b.loop(rows.size() * kernel.in_w * kernel.in_c, [&](int element) {
    b.load(stepped({kernel.in + rows.begin * row_bytes, {}}, element, kernel.in_bits / 8), 1);
    b.load(stepped({kernel.in2 + rows.begin * row_bytes, {}}, element, kernel.in_bits / 8), 1);
    b.work({.instructions = instructions,
            .load_uses = 1,
            .multiplies = multiplies,
            .multiply_uses = multiplies});
    b.store(stepped({kernel.out + rows.begin * out_bytes, {}}, element, kernel.out_bits / 8), 1);
  });
  return b.take();
}

// Output rows over cores; each channel of a pixel sums its taps, about 6 instructions each (pulp.md
// 2.4), and divides.
CoreCode average_pool_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece rows = rows_of(kernel.out_h, kernel.active_cores(machine.cluster.cores), core, true);
  const std::int64_t pixel = pixel_bytes(kernel), line = kernel.in_w * pixel;
  const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
  const std::int64_t divides = kernel.divisor != 1 ? 1 : 0;
  b.work(kPoolCall);
  b.loop(rows.size(), [&](int row) {
    const Address in =
        stepped({kernel.in + rows.begin * kernel.stride_y * line, {}}, row, kernel.stride_y * line);
    const Address out = stepped({kernel.out + rows.begin * kernel.out_w * out_pixel, {}}, row,
                                kernel.out_w * out_pixel);
    b.work(kPoolRow);
    b.loop(kernel.out_w, [&](int column) {
      b.work(kPoolPixel);
      b.loop(kernel.in_c, [&](int channel) {
        const Address from =
            stepped(stepped(in, column, kernel.stride_x * pixel), channel, kernel.in_bits / 8);
        b.work({.instructions = 8});
        b.loop(std::min(kernel.kernel_h, kernel.in_h), [&](int y) {
          b.work({.instructions = 4});
          b.loop(std::min(kernel.kernel_w, kernel.in_w), [&](int x) {
            b.load(stepped(stepped(from, y, line), x, pixel), 1);
            b.work({.instructions = 4, .load_uses = 1});
          });
        });
        b.work({.instructions = 6 + divides, .taken_branches = 1, .divisions = divides});
        b.store(stepped(stepped(out, column, out_pixel), channel, kernel.out_bits / 8), 1);
      });
    });
  });
  return b.take();
}

namespace {

// bytes at `to` = max(to, from), four at a time.
void compare(CodeBuilder& b, const Address& to, const Address& from, std::int64_t bytes) {
  b.work({.instructions = 11, .jumps = 2});
  b.loop(bytes / 4, [&](int word) {
    b.load(stepped(to, word, 4));
    b.load(stepped(from, word, 4));
    b.work({.instructions = 1, .load_uses = 1});
    b.store(stepped(to, word, 4));
  });
  b.loop(bytes % 4, [&](int byte) {
    b.load(stepped(to + bytes / 4 * 4, byte, 1), 1);
    b.load(stepped(from + bytes / 4 * 4, byte, 1), 1);
    b.work({.instructions = 3, .load_uses = 1, .taken_branches = 1});
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

}  // namespace

// First along x within the rows of the input, into the input ...
CoreCode max_pool_rows_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece rows = rows_of(kernel.in_h, kernel.active_cores(machine.cluster.cores), core, false);
  const std::int64_t pixel = pixel_bytes(kernel), line = kernel.in_w * pixel;
  b.work(kPoolCall);
  b.loop(rows.size(), [&](int row) {
    const Address in = stepped({kernel.in + rows.begin * line, {}}, row, line);
    b.work(kPoolRow);
    b.loop(kernel.out_w, [&](int column) {
      const Address to = stepped(in, column, pixel);
      const Address from = stepped(in, column, kernel.stride_x * pixel);
      b.work(kPoolPixel);
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
    b.work(kPoolPixel);
    copy_bytes(b, to, from, bytes);
    b.loop(std::min(kernel.kernel_h, kernel.in_h) - 1,
           [&](int tap) { compare(b, to, stepped(from + line, tap, line), bytes); });
  });
  return b.take();
}

namespace {

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

}  // namespace

// Output rows over cores; of each pixel four channels at a time, then what is left: byte by byte,
// sub-byte codes all at once.
CoreCode max_pool_direct_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
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

// Pixels in row-major order over cores; copies by words where nothing changes.
CoreCode requantize_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece mine =
      piece(kernel.in_h * kernel.in_w, kernel.active_cores(machine.cluster.cores), core);
  const std::int64_t pixel = pixel_bytes(kernel);
  const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
  const Address in{kernel.in + mine.begin * pixel, {}},
      out{kernel.out + mine.begin * out_pixel, {}};
  const bool plain = !kernel.norm && kernel.multiplier == 1 && kernel.offset == 0 &&
                     kernel.shift == 0 && kernel.in_bits == kernel.out_bits &&
                     kernel.in_signed == kernel.out_signed;
  b.work(kAddCall);
  if (plain) {
    b.loop(ceil_div(mine.size() * pixel, 4), [&](int word) {
      b.load(stepped(in, word, 4));
      b.work({.load_uses = 1});
      b.store(stepped(out, word, 4));
    });
    return b.take();
  }
  const Norms norms{{kernel.kappa, {}}, {kernel.lambda, {}}};
  b.loop(mine.size(), [&](int place) {
    if (kernel.norm) b.work({.instructions = 4, .taken_branches = 1});
    b.loop(kernel.in_c, [&](int channel) {
      b.load(stepped(stepped(in, place, pixel), channel, kernel.in_bits / 8), 1);
      b.work({.instructions = kernel.in_bits < 8 ? 1 : 0, .load_uses = kernel.norm ? 0 : 1});
      const std::int64_t size = kernel.norm_bits / 8;
      requantize(b, kernel,
                 {stepped(norms.kappa, channel, size), stepped(norms.lambda, channel, size)},
                 stepped(stepped(out, place, out_pixel), channel, kernel.out_bits / 8),
                 8 / kernel.out_bits - 1);
    });
  });
  return b.take();
}

}  // namespace workbench::pulp
