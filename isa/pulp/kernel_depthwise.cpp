// Depthwise convolution, a block of channels at a time: the planes of the input are brought side by
// side, [row][column][32 channels], so that every tap is one operation on vectors.
#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.h"
#include "core/units.h"
#include "isa/int8_matrix.h"
#include "isa/pulp/codes.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/kernel_unpack.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

using Lanes = std::array<std::int16_t, kTileColumns>;

// [planes][length] -> [length][32] of the planes from `first` on; lanes without a plane stay 0.
void side_by_side(const std::uint8_t* codes, bool is_signed, std::int64_t first,
                  std::int64_t planes, std::int64_t length, std::vector<Lanes>& to) {
  std::fill(to.begin(), to.end(), Lanes{});
  for (std::int64_t lane = 0; lane < std::min(kTileColumns, planes - first); ++lane) {
    const std::uint8_t* from = codes + (first + lane) * length;
    std::int16_t* lanes = to.data()->data() + lane;
    for (std::int64_t i = 0; i < length; ++i) {
      lanes[i * kTileColumns] =
          is_signed ? static_cast<std::int8_t>(from[i]) : std::int16_t{from[i]};
    }
  }
}

// [pixels][channels] -> [pixels][32] of the channels from `first` on.
void pixels_side_by_side(const std::uint8_t* codes, bool is_signed, std::int64_t first,
                         std::int64_t channels, std::vector<Lanes>& to) {
  const std::int64_t count = std::min(kTileColumns, channels - first);
  for (Lanes& lanes : to) {
    lanes.fill(0);
    for (std::int64_t lane = 0; lane < count; ++lane) {
      const std::uint8_t code = codes[first + lane];
      lanes[static_cast<std::size_t>(lane)] =
          is_signed ? static_cast<std::int8_t>(code) : std::int16_t{code};
    }
    codes += channels;
  }
}

// sums += x * w, wrapping.
void accumulate(const Lanes& x, const Lanes& w, TileRow& sums) {
  for (std::size_t c = 0; c < sums.size(); ++c) {
    sums[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[c]) +
                                        static_cast<std::uint32_t>(x[c] * w[c]));
  }
}

struct Window {
  const Kernel& kernel;
  const std::vector<Lanes>& in;       // [in_h][in_w]
  const std::vector<Lanes>& weights;  // [kernel_h][kernel_w]

  void sum(std::int64_t out_y, std::int64_t out_x, TileRow& sums) const {
    for (std::int64_t ky = 0; ky < kernel.kernel_h; ++ky) {
      const std::int64_t y = out_y * kernel.stride_y - kernel.pad_top + ky * kernel.dilation_y;
      if (y < 0 || y >= kernel.in_h) continue;
      for (std::int64_t kx = 0; kx < kernel.kernel_w; ++kx) {
        const std::int64_t x = out_x * kernel.stride_x - kernel.pad_left + kx * kernel.dilation_x;
        if (x < 0 || x >= kernel.in_w) continue;
        accumulate(in[static_cast<std::size_t>(y * kernel.in_w + x)],
                   weights[static_cast<std::size_t>(ky * kernel.kernel_w + kx)], sums);
      }
    }
  }
};

void depthwise(const Kernel& kernel, Bytes8& l1, int /*threads*/) {
  CHECK(kernel.in_c == kernel.out_c, "{} of {} channels", kernel.out_c, kernel.in_c);
  const std::int64_t area = kernel.in_h * kernel.in_w, taps = kernel.kernel_h * kernel.kernel_w;
  const bool by_planes = traits(kernel.kind).planes;
  const SourceCodes in(l1, kernel.in,
                       {by_planes ? kernel.in_c : area, by_planes ? area : kernel.in_c,
                        kernel.in_bits, kernel.in_signed});
  const SourceCodes weights(l1, kernel.weights, {kernel.out_c, taps, kernel.weight_bits, true});
  const ChannelArithmetic arithmetic(kernel, l1);
  const std::int64_t pixels = kernel.out_h * kernel.out_w;
  ResultCodes out(l1, kernel.out, {pixels, kernel.out_c, kernel.out_bits});

  std::vector<Lanes> planes(static_cast<std::size_t>(area)),
      filters(static_cast<std::size_t>(taps));
  const Window window{kernel, planes, filters};
  std::array<std::uint8_t, kTileColumns> codes{};
  for (std::int64_t c = 0; c < kernel.out_c; c += kTileColumns) {
    if (by_planes) {
      side_by_side(in.data(), kernel.in_signed, c, kernel.in_c, area, planes);
    } else {
      pixels_side_by_side(in.data(), kernel.in_signed, c, kernel.in_c, planes);
    }
    side_by_side(weights.data(), true, c, kernel.in_c, taps, filters);
    const auto count = static_cast<std::size_t>(std::min(kTileColumns, kernel.out_c - c));
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      TileRow sums;
      std::copy_n(arithmetic.starts().begin() + c, kTileColumns, sums.begin());
      window.sum(pixel / kernel.out_w, pixel % kernel.out_w, sums);
      arithmetic.finish(sums, c / kTileColumns, codes.data());
      std::memcpy(out.data() + pixel * kernel.out_c + c, codes.data(), count);
    }
  }
  out.store();
}

// Depthwise convolutions, channels over cores (docs/facts/pulp.md 2.5). The numbers give the cycles
// of all 36 depthwise tiles of kernel_cycles.json exactly, with words that cross the banks' counted
// from their addresses.

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
  std::int64_t scratch = 0;                    // this core's column
  Routine left_code, middle_code, right_code;  // loops of their own

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
    const Straight product{.instructions = 1, .load_uses = unrolled ? 0 : 1};
    b.loop(kernel.out_h, [&](int row) {
      const Address column = stepped({scratch, {}}, row, kernel.stride_y * kernel.kernel_w);
      if (kernel.has_bias) b.load(stepped({kernel.bias + 4 * mine.begin, {}}, channel, 4));
      b.work({.instructions = unrolled ? 1 : 5, .stack = 1});
      b.loop(left, [&](int tap) {
        b.load(stepped(weights, tap, 1), 1);
        b.load(stepped(column, tap, 1), 1);
        b.work(product);
      });
      b.loop(vectors, [&](int vector) {
        b.load(stepped(weights + left, vector, 4));
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
    const auto one_column = [&](int column) {
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
      // Narrow weights have been unpacked to the stack.
      const Address weights =
          kernel.weight_bits < 8
              ? Address{}
              : stepped({kernel.weights + mine.begin * filter(), {}}, channel, filter());
      outputs(weights, stepped(out, column, out_pixel), channel);
    };
    b.run(left > 0    ? left_code
          : right > 0 ? right_code
                      : middle_code,
          [&] { b.loop(count, one_column); });
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

CoreCode depthwise_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  Depthwise depthwise{b, kernel, channels(kernel, machine, core)};
  const std::int64_t rows = kernel.in_h + kernel.pad_top + kernel.pad_bottom;
  depthwise.scratch = kernel.scratch + core * kernel.kernel_w * (rows + 1);
  b.work(kDepthwiseCall);
  b.loop(depthwise.mine.size(), [&](int channel) {
    b.work(kChannel);
    if (kernel.weight_bits < 8) {
      const std::int64_t bytes = packed(depthwise.filter(), kernel.weight_bits);
      unpack_codes(b, kernel.weight_bits,
                   stepped({kernel.weights + depthwise.mine.begin * bytes, {}}, channel, bytes), {},
                   depthwise.filter());
    }
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

// Ours: 3x3 from a map that lies pixel by pixel, four channels at a time.
// Each core turns the rows that its window needs next into four planes, of which it keeps the three
// last rows with zeros around them; then it computes a row of each plane, two pixels at a time
// where the stride is 1: the word at a row's left pixel holds the taps of both. Counted in the code
// of runtime/pulp/kernels/nn_pixels.c as gcc 12 compiles it, executed.
constexpr Straight kPixelsCall{
    .instructions = 157, .stack = 60, .load_uses = 4, .taken_branches = 8, .jumps = 4};
// Of four channels, with pairs of results and with single ones.
constexpr Straight kQuadOfPairs{
    .instructions = 112, .stack = 50, .load_uses = 5, .taken_branches = 7, .jumps = 4};
constexpr Straight kQuad{
    .instructions = 78, .stack = 40, .load_uses = 3, .taken_branches = 4, .jumps = 0};
constexpr Straight kQuadRow{.instructions = 79, .stack = 49, .taken_branches = 1, .jumps = 3};
constexpr Straight kTurnRow{.instructions = 40, .stack = 15, .taken_branches = 3, .jumps = 1};
constexpr Straight kZeroRow{.instructions = 17, .stack = 8, .taken_branches = 2, .jumps = 1};
constexpr Straight kMarginsOfRow{.instructions = 5, .stack = 1, .taken_branches = 1};
// 4 pixels x 4 channels in registers: 8 pv.shuffle2.b, and as that replaces an operand 4 moves.
constexpr Straight kTurnWords{.instructions = 12};
// Beside weights and norms: of pairs of results, of single ones.
constexpr Straight kPlaneRowOfPairs{
    .instructions = 35, .stack = 17, .load_uses = 2, .taken_branches = 2};
constexpr Straight kPlaneRow{.instructions = 32, .stack = 19, .taken_branches = 1};
// What results take beyond those that are requantized in registers alone: a pair, a single one,
// that behind pairs, and around a row of either kind; a pair and a single one that are signed.
struct PlaneResults {
  Straight pair, single, last, row_of_pairs, row_of_singles, signed_pair, signed_single;
};
constexpr PlaneResults kStarted{// elsewhere than at 0
                                .pair = {.instructions = 52, .stack = 10},
                                .single = {.instructions = 24, .stack = 2},
                                .last = {},
                                .row_of_pairs = {.instructions = 42, .stack = 14},
                                .row_of_singles = {.instructions = 66, .stack = 20}};
// With 64 bits, shifted by less than 32 and by more.
constexpr PlaneResults kWide{
    .pair = {.instructions = 37, .stack = 6, .multiply_highs = 2, .multiplies = 2},
    .single = {.instructions = 21, .stack = 1, .multiply_highs = 1, .multiplies = 1},
    .last = {.instructions = 5},
    .row_of_pairs = {.instructions = 34, .stack = 12},
    .row_of_singles = {.instructions = 55, .stack = 18},
    .signed_pair = {.instructions = 12},
    .signed_single = {.instructions = 6}};
constexpr PlaneResults kWideFar{
    .pair = {.instructions = 41, .stack = 8, .multiply_highs = 2, .multiplies = 2},
    .single = {.instructions = 20, .stack = 1, .multiply_highs = 1, .multiplies = 1},
    .last = {.instructions = 5},
    .row_of_pairs = kWide.row_of_pairs,
    .row_of_singles = kWide.row_of_singles,
    .signed_pair = {},
    .signed_single = kWide.signed_single};

const PlaneResults& plane_results(const Kernel& kernel) {
  static constexpr PlaneResults kInRegisters{};
  if (is_wide(kernel)) return kernel.shift < 32 ? kWide : kWideFar;
  return kernel.has_bias ? kStarted : kInRegisters;
}
// Where cores share the rows of their channels.
constexpr Straight kSharedRows{.instructions = 96};
constexpr Straight kBounds{.instructions = 4, .stack = 2};  // kept where there are some

struct DepthwisePixels {
  static constexpr std::int64_t kMargin = 4, kRows = 3;  // bytes of zeros at either side

  CodeBuilder& b;
  const Kernel& kernel;
  Piece quads;               // of channels; the last of all may be fewer than four
  Piece results;             // rows of them
  std::int64_t scratch = 0;  // of this core
  Routine turn_code, zero_code, plane_code;

  static std::int64_t pitch(const Kernel& kernel) { return round_up(kernel.in_w, 4) + 2 * kMargin; }
  static std::int64_t scratch_bytes(const Kernel& kernel) {  // of a core
    return skewed(kRows * 4 * pitch(kernel));
  }
  std::int64_t pitch() const { return pitch(kernel); }

  // A row of the map into a row of the planes, where all are taken to lie as the first does.
  void turn(const Address& from, std::int64_t channels) {
    b.run(turn_code, [&] {
      b.work(kTurnRow);
      const Address to{scratch + kMargin, {}};
      const std::int64_t words = channels == 4 ? kernel.in_w / 4 : 0;
      b.loop(words, [&](int depth) {
        for (std::int64_t i = 0; i < 4; ++i) {
          b.load(stepped(from + i * kernel.in_c, depth, 4 * kernel.in_c));
        }
        b.work(kTurnWords);
        for (std::int64_t i = 0; i < 4; ++i) b.store(stepped(to + i * pitch(), depth, 4));
      });
      b.loop(kernel.in_w - 4 * words, [&](int depth) {
        for (std::int64_t i = 0; i < channels; ++i) {
          b.load(stepped(from + (4 * words * kernel.in_c + i), depth, kernel.in_c), 1);
        }
        b.work({.instructions = 9 + 3 * channels, .taken_branches = channels});
        for (std::int64_t i = 0; i < channels; ++i) {
          b.store(stepped(to + (i * pitch() + 4 * words), depth, 1), 1);
        }
      });
    });
  }

  void zero_row() {
    b.run(zero_code, [&] {
      b.work(kZeroRow);
      b.loop(pitch(), [&](int depth) { b.store(stepped({scratch, {}}, depth, 4)); });
    });
  }

  // The zeros beside the rows of all planes, once.
  void margins() {
    b.loop(kRows * 4, [&](int depth) {
      const Address row = stepped({scratch, {}}, depth, pitch());
      b.store(row);
      b.store(row + kMargin + kernel.in_w);
      b.work(kMarginsOfRow);
    });
  }

  // Two of a row whose results come by twos, or one. kappa and lambda are in registers.
  void pixels(const Address& in, const Address& out, std::int64_t count) {
    for (std::int64_t row = 0; row < kRows; ++row) b.load(in + row * 4 * pitch());
    b.work({.instructions = kRows * count + (kernel.has_bias && !is_wide(kernel) ? count : 0)});
    const PlaneResults& around = plane_results(kernel);
    b.work(count == 2 ? around.pair : around.single);
    if (kernel.out_signed) b.work(count == 2 ? around.signed_pair : around.signed_single);
    for (std::int64_t i = 0; i < count; ++i) {
      // p.max and p.min; a move, p.mac, sra, clip.
      b.work({.instructions = kernel.norm && kernel.clamped ? 6 : 4});
      b.store(out + i * kernel.out_c, 1);
    }
  }

  // A row of results of each of the quad's channels. `depths`: of the loops over quads and rows.
  void planes_row(std::int64_t quad, std::int64_t channels, std::int64_t y, int quad_depth,
                  int row_depth) {
    b.run(plane_code, [&] {
      b.work(kQuadRow);
      b.loop(channels, [&](int channel) {
        const auto at = [&](std::int64_t base, std::int64_t size) {
          const Address first{base + 4 * quad * size, {}};
          return stepped(stepped(first, quad_depth, 4 * size), channel, size);
        };
        const PlaneResults& around = plane_results(kernel);
        b.work(kernel.stride_x == 1 ? kPlaneRowOfPairs : kPlaneRow);
        b.work(kernel.stride_x == 1 ? around.row_of_pairs : around.row_of_singles);
        if (kernel.clamped) b.work(kBounds);
        // The third row's word ends with its last tap; each form of a row is a mask or a shift.
        const Address weights = at(kernel.weights, 9);
        for (const std::int64_t tap : {0, 3, 5}) b.load(weights + tap);
        const bool pairs = kernel.stride_x == 1;
        b.work({.instructions = pairs ? 2 * kRows : kRows});
        const std::int64_t size = kernel.norm_bits / 8;
        const Norms norms{at(kernel.kappa, size), at(kernel.lambda, size)};
        if (kernel.norm) {
          for (std::int64_t word = 0; word < size; word += 4) {
            b.load(norms.kappa + word);
            b.load(norms.lambda + word);
          }
        }
        if (kernel.has_bias) b.load(at(kernel.bias, 4));
        const Address in = stepped({scratch + kMargin - kernel.pad_left, {}}, channel, pitch());
        const Address out = stepped(at(kernel.out + y * kernel.out_w * kernel.out_c, 1), row_depth,
                                    kernel.out_w * kernel.out_c);
        const std::int64_t step = pairs ? 2 : 1;
        b.loop(kernel.out_w / step, [&](int x) {
          pixels(stepped(in, x, step * kernel.stride_x), stepped(out, x, step * kernel.out_c),
                 step);
        });
        if (kernel.out_w % step != 0) {
          b.work(around.last);
          pixels(in + (kernel.out_w - 1), out + (kernel.out_w - 1) * kernel.out_c, 1);
        }
      });
    });
  }

  // Rows [first, end) of the map are those that the row of results adds to its window.
  Piece new_rows(std::int64_t y) const {
    const std::int64_t end = y * kernel.stride_y - kernel.pad_top + kRows;
    return {end - (y == results.begin ? kRows : std::min(kernel.stride_y, kRows)), end};
  }
  Piece inside(const Piece& rows) const {
    const std::int64_t begin = std::clamp<std::int64_t>(rows.begin, 0, kernel.in_h);
    return {begin, std::clamp<std::int64_t>(rows.end, begin, kernel.in_h)};
  }

  void rows(std::int64_t quad, std::int64_t channels, int quad_depth) {
    const std::int64_t row_bytes = kernel.in_w * kernel.in_c;
    for (std::int64_t y = results.begin; y < results.end;) {
      const Piece wanted = new_rows(y), there = inside(wanted);
      std::int64_t end = y + 1;
      while (end < results.end && new_rows(end).size() == wanted.size() &&
             inside(new_rows(end)).size() == there.size()) {
        ++end;
      }
      b.loop(end - y, [&](int row_depth) {
        for (std::int64_t row = there.begin; row < there.end; ++row) {
          const Address from{kernel.in + row * row_bytes + 4 * quad, {}};
          turn(stepped(stepped(from, quad_depth, 4), row_depth, kernel.stride_y * row_bytes),
               channels);
        }
        for (std::int64_t i = there.size(); i < wanted.size(); ++i) zero_row();
        planes_row(quad, channels, y, quad_depth, row_depth);
      });
      y = end;
    }
  }

  void run() {
    const std::int64_t whole =
        std::max<std::int64_t>(0, std::min(quads.end, kernel.out_c / 4) - quads.begin);
    b.work(kPixelsCall);
    if (results.size() < kernel.out_h) b.work(kSharedRows);
    if (quads.size() > 0 && results.size() > 0) margins();
    b.loop(whole, [&](int depth) {
      b.work(kernel.stride_x == 1 ? kQuadOfPairs : kQuad);
      rows(quads.begin, 4, depth);
    });
    if (whole == quads.size()) return;
    b.loop(1, [&](int depth) {
      b.work(kernel.stride_x == 1 ? kQuadOfPairs : kQuad);
      rows(quads.begin + whole, kernel.out_c % 4, depth);
    });
  }
};

// Fours of channels over cores; where there are cores for several times as many, so many share the
// rows of each.
struct Share {
  Piece quads, rows;
};
Share share_of(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  const std::int64_t cores = kernel.active_cores(machine.cluster.cores);
  const std::int64_t quads = ceil_div(kernel.out_c, 4);
  const std::int64_t together = std::max<std::int64_t>(1, cores / quads);
  if (together == 1) return {piece(quads, cores, core), {0, kernel.out_h}};
  const std::int64_t quad = std::min(core / together, quads);
  return {{quad, std::min(quad + 1, quads)}, piece(kernel.out_h, together, core % together)};
}

CoreCode depthwise_pixels_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const auto [quads, rows] = share_of(kernel, machine, core);
  DepthwisePixels depthwise{b, kernel, quads, rows};
  depthwise.scratch = kernel.scratch + core * DepthwisePixels::scratch_bytes(kernel);
  depthwise.run();
  return b.take();
}

std::vector<std::int64_t> pixels_likeness(const Kernel& call, const Machine& machine,
                                          std::int64_t core) {
  const auto [quads, rows] = share_of(call, machine, core);
  return {quads.size(), quads.end * 4 > call.out_c ? 1 : 0, rows.begin, rows.end};
}

std::int64_t rows_bytes(const Kernel& call, std::int64_t cores) {
  return cores * DepthwisePixels::scratch_bytes(call);
}

bool serves_pixels(const Kernel& call) {
  return call.kernel_w == 3 && call.kernel_h == 3 && call.dilation_x == 1 && call.dilation_y == 1 &&
         call.in_bits == 8 && call.weight_bits == 8 && call.out_bits == 8 &&
         std::max(call.pad_left, call.pad_right) < 3;
}

std::string pixels_limit(const Kernel& call) {
  return serves_pixels(call) ? channels_limit(call)
                             : "has a 3x3 window, less padding, and codes and weights of 8 bits";
}

std::vector<std::int64_t> likeness(const Kernel& call, const Machine& machine, std::int64_t core) {
  const Piece co = channels(call, machine, core);
  const std::int64_t filter = call.kernel_h * call.kernel_w;
  const std::int64_t column = call.kernel_w * (call.in_h + call.pad_top + call.pad_bottom + 1);
  const std::int64_t plane = packed(call.in_h * call.in_w, call.in_bits);
  return {co.size(), word_remainder(co.begin), word_remainder(co.begin * plane),
          word_remainder(core * column),
          word_remainder(co.begin * packed(filter, call.weight_bits))};
}

// A column of the padded map and a row more; stored by words, the last of which reaches beyond
// narrow rows (docs/facts/pulp.md 2.5).
std::int64_t column_bytes(const Kernel& call, std::int64_t cores) {
  const std::int64_t beyond = round_up(call.kernel_w, 4) - call.kernel_w;
  const std::int64_t column = call.kernel_w * (call.in_h + call.pad_top + call.pad_bottom);
  return round_up(cores * (column + std::max(call.kernel_w, beyond)), 4);
}

std::int64_t taps(const Kernel& call) { return call.kernel_w * call.kernel_h; }

std::string generic_limit(const Kernel& call) {
  return taps(call) < 4 ? "needs 4 weights per channel" : channels_limit(call);
}

std::string less_4_limit(const Kernel& call) {
  return taps(call) >= 4 ? "has at most 3 weights per channel" : channels_limit(call);
}

bool is_3x3s1(const Kernel& call) {
  return call.kernel_w == 3 && call.kernel_h == 3 && call.stride_x == 1 && call.stride_y == 1;
}

std::string limit_3x3s1(const Kernel& call) {
  return is_3x3s1(call) ? channels_limit(call) : "has a 3x3 window and stride 1";
}

constexpr KernelTraits row(KernelKind kind, std::string_view name, CodeOf code,
                           std::string (*limit)(const Kernel&), bool (*serves)(const Kernel&)) {
  return {.kind = kind,
          .name = name,
          .family = Family::Depthwise,
          .split = Split::Channels,
          .weights = true,
          .norm = true,
          .planes = true,
          .fewer_rows = kind != KernelKind::Depthwise3x3s1,
          .limit = limit,
          .serves = serves,
          .scratch_bytes = column_bytes,
          .execute = depthwise,
          .code = {code},
          .likeness = likeness,
          .conflict_share = [](const Machine& machine) { return machine.l1.depthwise_conflicts; }};
}

constexpr std::array kKernels{
    row(KernelKind::DepthwiseGeneric, "depthwise_generic", depthwise_code, generic_limit,
        [](const Kernel& layer) { return taps(layer) >= 4; }),
    // Applications call the general kernel for it: it costs what that does.
    row(KernelKind::Depthwise3x3s1, "depthwise_3x3_s1", depthwise_code, limit_3x3s1,
        [](const Kernel& layer) {
          return is_3x3s1(layer) && layer.dilation_x == 1 && layer.dilation_y == 1;
        }),
    row(KernelKind::DepthwiseLess4, "depthwise_generic_less_4_weights", depthwise_code,
        less_4_limit, [](const Kernel& layer) { return taps(layer) < 4; }),
    KernelTraits{
        .kind = KernelKind::DepthwisePixels,
        .name = "depthwise_3x3_pixels",
        .family = Family::Depthwise,
        .split = Split::Channels,
        .weights = true,
        .norm = true,
        .fewer_rows = true,
        .limit = pixels_limit,
        .serves = serves_pixels,
        .scratch_bytes = rows_bytes,
        .execute = depthwise,
        .code = {depthwise_pixels_code},
        .likeness = pixels_likeness,
        .conflict_share = [](const Machine& machine) { return machine.l1.depthwise_conflicts; }}};

}  // namespace

std::span<const KernelTraits> depthwise_kernels() { return kKernels; }

}  // namespace workbench::pulp
