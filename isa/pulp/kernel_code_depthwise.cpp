// Depthwise convolutions, channels over cores (pulp.md 2.5). The numbers give the cycles of all 36
// depthwise tiles of kernel_cycles.json exactly, with words that cross the banks' counted from
// their addresses.
#include "isa/pulp/kernel_code_builder.h"

namespace workbench::pulp {

namespace {

constexpr Straight kDepthwiseCall{.instructions = 132, .stack = 50};
constexpr Straight kChannel{.instructions = 37, .stack = 12, .taken_branches = 1};
constexpr Straight kColumn{.instructions = 26, .stack = 9, .taken_branches = 1};
// A column with padding beside it has loops of its own, and in each row a loop over the zeros.
constexpr Straight kPaddedColumn{.instructions = 24, .stack = 8};
constexpr Straight kLeftRow{.instructions = 14, .stack = 4, .taken_branches = 2};
constexpr Straight kRightRow{.instructions = 19, .stack = 6, .taken_branches = 2};
constexpr Straight kZeroRowAbove{.instructions = 8, .stack = 2, .taken_branches = 1};
constexpr Straight kZeroRowBelow{.instructions = 6, .stack = 2, .taken_branches = 1};

struct Depthwise {
  CodeBuilder& b;
  const Kernel& kernel;
  Piece mine;
  std::int64_t scratch = 0;  // this core's column
  bool mid_emitted = false;

  std::int64_t plane_bytes() const { return packed(kernel.in_h * kernel.in_w, kernel.in_bits); }
  std::int64_t words() const { return ceil_div(kernel.kernel_w, 4); }
  std::int64_t filter() const { return kernel.kernel_h * kernel.kernel_w; }

  // kernel_w bytes of a row by words; pointers go back by what is too much. Codes of less than 8
  // bits are unpacked on the way, those that dilation parts are copied one by one.
  void copy_row(const Address& from, const Address& to) {
    if (kernel.dilation_x > 1) {
      b.loop(kernel.kernel_w, [&](int tap) {
        b.load(stepped(from, tap, kernel.dilation_x), 1);
        b.work({.load_uses = 1});
        b.store(stepped(to, tap, 1), 1);
      });
      return;
    }
    b.loop(words(), [&](int word) {
      b.load(stepped(from, word, kernel.in_bits / 2), 4);
      if (kernel.in_bits == 8) {
        b.work({.load_uses = 1});
      } else {
        b.work({.instructions = kUnpackFour});
      }
      b.store(stepped(to, word, 4));
    });
  }

  void zero_rows(std::int64_t first_row, std::int64_t count, const Straight& straight) {
    b.loop(count, [&](int row) {
      const Address to = stepped({scratch + first_row * kernel.kernel_w, {}}, row, kernel.kernel_w);
      b.loop(words(), [&](int word) { b.store(stepped(to, word, 4)); });
      b.work(straight);
    });
  }

  // `left`, `right`: bytes of zeros beside the map.
  void map_rows(const Address& from, std::int64_t left, std::int64_t right) {
    b.loop(kernel.in_h, [&](int row) {
      const Address source = stepped(from, row, kernel.in_w * kernel.in_bits / 8);
      const Address to =
          stepped({scratch + kernel.pad_top * kernel.kernel_w, {}}, row, kernel.kernel_w);
      b.loop(left, [&](int zero) { b.store(stepped(to, zero, 1), 1); });
      copy_row(source, to + left);
      b.loop(right,
             [&](int zero) { b.store(stepped(to + (kernel.kernel_w - right), zero, 1), 1); });
      if (left > 0) {
        b.work(kLeftRow);
      } else if (right > 0) {
        b.work(kRightRow);
      }
    });
  }

  // The sums of one column, one output after another. With the constants of a 3x3 kernel the
  // compiler hides loads and unrolls: 3 for each product, no loops (kernel_cycles.json); else the
  // load feeds the product, and the two loops are set up each time.
  void outputs(const Address& weights, const Address& out, int channel) {
    const bool unrolled = kernel.kernel_h == 3 && kernel.kernel_w == 3;
    const std::int64_t left = filter() % 4, vectors = filter() / 4;
    const Straight product{.instructions = 1 + (kernel.weight_bits < 8 ? kUnpackFour : 0),
                           .load_uses = unrolled ? 0 : 1};
    const Straight single{.instructions = 1 + (kernel.weight_bits < 8 ? 1 : 0),
                          .load_uses = unrolled ? 0 : 1};
    b.loop(kernel.out_h, [&](int row) {
      const Address column = stepped({scratch, {}}, row, kernel.stride_y * kernel.kernel_w);
      if (kernel.has_bias) b.load(stepped({kernel.bias + 4 * mine.begin, {}}, channel, 4));
      b.work({.instructions = unrolled ? 1 : 5, .stack = 1});
      b.loop(left, [&](int tap) {
        b.load(stepped(weights, tap, kernel.weight_bits / 8), 1);
        b.load(stepped(column, tap, 1), 1);
        b.work(single);
      });
      b.loop(vectors, [&](int vector) {
        b.load(stepped(weights + left * kernel.weight_bits / 8, vector, kernel.weight_bits / 2));
        b.load(stepped(column + left, vector, 4));
        b.work(product);
      });
      result(out, row, channel);
    });
  }

  // As everywhere, except that lambda's load is hidden.
  void result(const Address& out, int row, int channel) {
    const std::int64_t row_bytes = kernel.out_w * packed(kernel.out_c, kernel.out_bits);
    const std::int64_t size = kernel.norm_bits / 8;
    const Norms norms{stepped({kernel.kappa + size * mine.begin, {}}, channel, size),
                      stepped({kernel.lambda + size * mine.begin, {}}, channel, size)};
    if (kernel.norm && kernel.norm_bits == 32) {
      b.load(norms.kappa);
      b.load(norms.lambda);
      b.work({.instructions = kernel.out_bits < 8 ? 4 : 3});
      b.store(stepped(out, row, row_bytes), 1);
    } else {
      requantize(b, kernel, norms, stepped(out, row, row_bytes), 8 / kernel.out_bits - 1);
    }
  }

  // `count` columns from x on, with the same zeros beside them.
  void columns(std::int64_t x, std::int64_t count, std::int64_t left, std::int64_t right,
               int channel) {
    const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
    const std::int64_t first = x * kernel.stride_x - kernel.pad_left + left;
    const Address plane =
        stepped({kernel.in + mine.begin * plane_bytes(), {}}, channel, plane_bytes());
    const std::int64_t filter_bytes = packed(filter(), kernel.weight_bits);
    b.loop(count, [&](int column) {
      b.work(kColumn);
      if (left + right > 0) b.work(kPaddedColumn);
      zero_rows(0, kernel.pad_top, kZeroRowAbove);
      map_rows(
          stepped(plane + first * kernel.in_bits / 8, column, kernel.stride_x * kernel.in_bits / 8),
          left, right);
      zero_rows(kernel.pad_top + kernel.in_h, kernel.pad_bottom, kZeroRowBelow);
      const Address out =
          stepped({kernel.out + x * out_pixel + mine.begin * kernel.out_bits / 8, {}}, channel,
                  kernel.out_bits / 8);
      outputs(stepped({kernel.weights + mine.begin * filter_bytes, {}}, channel, filter_bytes),
              stepped(out, column, out_pixel), channel);
    });
  }

  std::int64_t zeros_left(std::int64_t x) const {
    return std::clamp<std::int64_t>(kernel.pad_left - x * kernel.stride_x, 0, kernel.kernel_w);
  }
  std::int64_t zeros_right(std::int64_t x) const {
    const std::int64_t reach = (kernel.kernel_w - 1) * kernel.dilation_x + 1;
    const std::int64_t beyond = x * kernel.stride_x - kernel.pad_left + reach - kernel.in_w;
    return zeros_left(x) > 0 ? 0 : std::clamp<std::int64_t>(beyond, 0, kernel.kernel_w);
  }
};

}  // namespace

CoreCode depthwise_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  Depthwise depthwise{b, kernel, channels(kernel, machine, core)};
  const std::int64_t rows = kernel.in_h + kernel.pad_top + kernel.pad_bottom;
  depthwise.scratch = kernel.scratch + core * kernel.kernel_w * (rows + 1);
  b.work(kDepthwiseCall);
  b.loop(depthwise.mine.size(), [&](int channel) {
    b.work(kChannel);
    for (std::int64_t x = 0; x < kernel.out_w;) {
      const std::int64_t left = depthwise.zeros_left(x), right = depthwise.zeros_right(x);
      std::int64_t end = x + 1;
      while (end < kernel.out_w && depthwise.zeros_left(end) == left &&
             depthwise.zeros_right(end) == right) {
        ++end;
      }
      depthwise.columns(x, end - x, left, right, channel);
      x = end;
    }
  });
  return b.take();
}

// Two pixels of a row at a time, filters in registers, from three rows of the map (counted from the
// loop as written in PULP-NN; DORY does not emit it).
CoreCode depthwise_3x3_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece mine = channels(kernel, machine, core);
  const std::int64_t plane = kernel.in_h * kernel.in_w;
  const std::int64_t out_row = kernel.out_w * kernel.out_c;
  b.work({.instructions = 80});
  b.loop(mine.size(), [&](int channel) {
    const Address weights = stepped({kernel.weights + 9 * mine.begin, {}}, channel, 9);
    for (std::int64_t i = 0; i < 3; ++i) b.load(weights + 3 * i);
    b.work({.instructions = 30, .taken_branches = 1});
    const Norms norms{stepped({kernel.kappa + 4 * mine.begin, {}}, channel, 4),
                      stepped({kernel.lambda + 4 * mine.begin, {}}, channel, 4)};
    b.loop(kernel.out_h, [&](int row) {
      const Address in =
          stepped(stepped({kernel.in + mine.begin * plane, {}}, channel, plane), row, kernel.in_w);
      const Address out = stepped(stepped({kernel.out + mine.begin, {}}, channel, 1), row, out_row);
      b.work({.instructions = 10, .taken_branches = 1});
      b.loop(ceil_div(kernel.out_w, 2), [&](int pair) {
        for (std::int64_t i = 0; i < 3; ++i) b.load(stepped(in + i * kernel.in_w, pair, 2));
        b.work({.instructions = 6 + 4});
        for (std::int64_t pixel = 0; pixel < 2; ++pixel) {
          requantize(b, kernel, norms, stepped(out + pixel * kernel.out_c, pair, 2 * kernel.out_c),
                     8 / kernel.out_bits - 1);
        }
      });
    });
  });
  return b.take();
}

}  // namespace workbench::pulp
