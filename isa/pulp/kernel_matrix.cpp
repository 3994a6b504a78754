// Convolution as matrix products: im2col columns are gathered pixel by pixel (padding is 0) and
// multiplied by the weights, 7 pixels by 32 channels at a time. Signed activations are gathered
// plus 128, as the product wants them, and start 128 times the sum of their weights lower.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/parallel.h"
#include "core/units.h"
#include "isa/int8_matrix.h"
#include "isa/pulp/codes.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/kernel_overheads.h"
#include "isa/pulp/kernel_unpack.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kPanelBytes = 1 << 17;      // gathered pixels that stay in the L2 cache
constexpr std::int64_t kMacsForThreads = 1 << 27;  // milliseconds: starting threads costs 0.1

std::int64_t depth(const Kernel& kernel) { return kernel.kernel_h * kernel.kernel_w * kernel.in_c; }

// Linear kernels see the whole input as one pixel.
Kernel as_convolution(const Kernel& kernel) {
  Kernel conv = kernel;
  if (traits(kernel.kind).family != Family::Linear) return conv;
  CHECK(kernel.out_w == 1 && kernel.out_h == 1 && kernel.kernel_w == 1 && kernel.kernel_h == 1);
  conv.in_c = kernel.in_c * kernel.in_h * kernel.in_w;
  conv.in_h = conv.in_w = 1;
  return conv;
}

PackedMatrix packed_weights(const Kernel& kernel, const Bytes8& l1) {
  const std::int64_t length = depth(kernel);
  const SourceCodes weights(l1, kernel.weights, {kernel.out_c, length, kernel.weight_bits, true});
  PackedMatrix packed(round_up(length, kDotLength), kernel.out_c);
  const std::int64_t whole = length / kDotLength, rest = length % kDotLength;
  for (std::int64_t c = 0; c < kernel.out_c; ++c) {
    const std::uint8_t* from = weights.data() + c * length;
    std::int8_t* to = packed.codes.data() + packed.index(0, c);
    for (std::int64_t k = 0; k < whole; ++k) {
      std::memcpy(to, from, kDotLength);
      from += kDotLength;
      to += kTileColumns * kDotLength;
    }
    if (rest > 0) std::memcpy(to, from, static_cast<std::size_t>(rest));
  }
  return packed;
}

class Convolution {
 public:
  Convolution(const Kernel& call, Bytes8& l1)
      : kernel_(as_convolution(call)),
        depth_(depth(kernel_)),
        in_(l1, call.in, {call.in_h * call.in_w, call.in_c, call.in_bits, call.in_signed}),
        weights_(packed_weights(kernel_, l1)),
        sums_(call.sums_in ? bytes_at(l1, call.bias, bias_bytes(call)) : nullptr),
        arithmetic_(call, l1) {
    if (kernel_.in_signed) weights_.set_offsets();
    for (std::size_t c = 0; c < weights_.offsets.size(); ++c) {
      weights_.offsets[c] =
          static_cast<std::int32_t>(static_cast<std::uint32_t>(weights_.offsets[c]) +
                                    static_cast<std::uint32_t>(arithmetic_.starts()[c]));
    }
    const std::int64_t tile_bytes = kTileRows * std::max<std::int64_t>(1, weights_.depth);
    panel_ = kTileRows * std::max<std::int64_t>(1, kPanelBytes / tile_bytes);
  }

  // `out`: [pixels][out_c], codes of a byte or, for Linear32, accumulators.
  void run(std::uint8_t* out, int threads) const {
    const std::int64_t pixels = kernel_.out_h * kernel_.out_w;
    const bool small = pixels * kernel_.out_c * depth_ < kMacsForThreads;
    parallel_for(ceil_div(pixels, panel_), small ? 1 : threads, [&](std::int64_t i) {
      panel(i * panel_, std::min(panel_, pixels - i * panel_), out);
    });
  }

 private:
  void gather(std::int64_t pixel, std::uint8_t* to) const {
    const Kernel& k = kernel_;
    std::uint8_t* const begin = to;
    const std::int64_t top = pixel / k.out_w * k.stride_y - k.pad_top;
    const std::int64_t left = pixel % k.out_w * k.stride_x - k.pad_left;
    const auto bytes = static_cast<std::size_t>(k.in_c);
    for (std::int64_t ky = 0; ky < k.kernel_h; ++ky) {
      const std::int64_t y = top + ky * k.dilation_y;
      for (std::int64_t kx = 0; kx < k.kernel_w; ++kx, to += k.in_c) {
        const std::int64_t x = left + kx * k.dilation_x;
        if (y < 0 || y >= k.in_h || x < 0 || x >= k.in_w) {
          std::memset(to, 0, bytes);
        } else {
          std::memcpy(to, in_.data() + (y * k.in_w + x) * k.in_c, bytes);
        }
      }
    }
    if (!k.in_signed) return;
    for (std::uint8_t* code = begin; code != to; ++code) *code ^= 0x80;
  }

  void panel(std::int64_t first, std::int64_t count, std::uint8_t* out) const {
    Bytes8 sources(static_cast<std::size_t>(round_up(count, kTileRows) * weights_.depth), 0);
    for (std::int64_t p = 0; p < count; ++p) {
      gather(first + p, sources.data() + p * weights_.depth);
    }
    Tile sums;
    for (std::int64_t block = 0; block < weights_.blocks(); ++block) {
      for (std::int64_t p = 0; p < count; p += kTileRows) {
        multiply_tile(sources.data() + p * weights_.depth, weights_, block, sums);
        for (std::int64_t r = 0; r < std::min(kTileRows, count - p); ++r) {
          write(first + p + r, block, sums[static_cast<std::size_t>(r)], out);
        }
      }
    }
  }

  void write(std::int64_t pixel, std::int64_t block, const TileRow& sums, std::uint8_t* out) const {
    const std::int64_t at = pixel * kernel_.out_c + block * kTileColumns;
    const std::int64_t count = std::min(kTileColumns, kernel_.out_c - block * kTileColumns);
    const TileRow totals = sums_ == nullptr ? sums : with_start(sums, at, count);
    if (leaves_words(kernel_)) {
      std::memcpy(out + at * 4, totals.data(), static_cast<std::size_t>(count * 4));
      return;
    }
    std::array<std::uint8_t, kTileColumns> codes;
    arithmetic_.finish(totals, block, codes.data());
    std::memcpy(out + at, codes.data(), static_cast<std::size_t>(count));
  }

  TileRow with_start(TileRow sums, std::int64_t at, std::int64_t count) const {
    TileRow starts{};
    std::memcpy(starts.data(), sums_ + at * 4, static_cast<std::size_t>(count * 4));
    for (std::size_t c = 0; c < sums.size(); ++c) {
      sums[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(sums[c]) +
                                          static_cast<std::uint32_t>(starts[c]));
    }
    return sums;
  }

  Kernel kernel_;
  std::int64_t depth_, panel_ = kTileRows;
  SourceCodes in_;
  PackedMatrix weights_;
  const std::uint8_t* sums_;  // that results start at; null: none
  ChannelArithmetic arithmetic_;
};

}  // namespace

void multiply(const Kernel& kernel, Bytes8& l1, int threads) {
  const Convolution convolution(kernel, l1);
  if (leaves_words(kernel)) {
    convolution.run(bytes_at(l1, kernel.out, output_bytes(kernel)), threads);
    return;
  }
  ResultCodes out(l1, kernel.out, {kernel.out_h * kernel.out_w, kernel.out_c, kernel.out_bits});
  convolution.run(out.data(), threads);
  out.store();
}

// The matrix product of PULP-NN, 4 channels x 2 pixels at a time, and the kernels that are little
// else (docs/facts/pulp.md 2.3, 2.4).

namespace {

// Linear kernels have never been measured: these are the instructions of ours
// (runtime/pulp/kernels/nn_convolution.c, gcc 12.2 at -O2): the call, of codes and of accumulators,
// and an output or a pair of them.
constexpr Straight kLinearCall{
    .instructions = 160, .stack = 60, .load_uses = 4, .taken_branches = 10, .jumps = 5};
constexpr Straight kLinearWordsCall{
    .instructions = 96, .stack = 40, .load_uses = 4, .taken_branches = 6, .jumps = 6};
constexpr Straight kLinearOutput{.instructions = 16, .stack = 1, .taken_branches = 2};
constexpr Straight kLinearPair{.instructions = 15, .stack = 2, .taken_branches = 2};

// Of a channel's packed codes that are no whole word, before the bytes (counted).
constexpr Straight kPackedLeft{.instructions = 5, .taken_branches = 1};

struct Step {
  std::int64_t columns;  // values of a column that the inner loop takes at once: a word of weights
  std::int64_t trips, left;
};
Step step_of(const Kernel& kernel, std::int64_t columns) {
  const std::int64_t step = 32 / kernel.weight_bits;
  return {step, columns / step, columns % step};
}

// `rows` of weights `row_bytes` apart x `pixels` of activations.
struct Operands {
  Address weights;
  std::array<Address, 4> pixels;
  std::int64_t rows = 4, row_bytes = 0;
  int pixel_count = 2;
};

// Products that load (docs/facts/pulp.md 6.2): six registers hold four words of weights and two of
// activations, a word is replaced by the last product that wants it. One word is left for a load of
// its own, the activations that no product can replace before the next step begins; with one pixel
// the next product waits for it. The last step loads nothing that is not there.
void loading_products(CodeBuilder& b, const Operands& op, const Step& step) {
  if (step.trips == 0) return;
  const std::int64_t held = std::min(op.pixel_count, 2), later = op.pixel_count - held;
  const std::int64_t sums = op.rows * op.pixel_count, words = op.rows + op.pixel_count;
  const std::int64_t waits = op.pixel_count == 1 ? 1 : 0;
  const auto load_words = [&](std::int64_t at, int depth) {
    const std::int64_t bytes = depth < 0 ? 0 : 4;
    const auto load = [&](const Address& from) {
      b.load(depth < 0 ? from : stepped(from, depth, bytes));
    };
    for (std::int64_t i = 0; i < held; ++i) load(op.pixels[static_cast<std::size_t>(i)] + at);
    for (std::int64_t row = 0; row < op.rows; ++row) load(op.weights + (row * op.row_bytes + at));
  };
  const auto load_later = [&](std::int64_t at, int depth) {
    for (std::int64_t i = held; i < op.pixel_count; ++i) {
      const Address from = op.pixels[static_cast<std::size_t>(i)] + at;
      b.load(depth < 0 ? from : stepped(from, depth, 4));
    }
  };
  load_words(0, -1);
  b.loop(step.trips - 1, [&](int depth) {
    load_later(0, depth);
    load_words(4, depth);
    b.work({.instructions = sums + 1 - words, .load_uses = waits});
  });
  load_later(4 * (step.trips - 1), -1);
  b.work({.instructions = sums - later, .load_uses = waits});
}

// Of a block of 4 x 4: activations have two registers, a word is loaded when one is free again
// (counted in runtime/pulp/kernels/nn_matrix.c). `load`: of a pixel's word.
template <typename Load>
void four_pixels(CodeBuilder& b, Load&& load) {
  constexpr std::int64_t kSums = 4;  // of a pixel
  load(0), load(1);
  b.work({.instructions = kSums});
  load(2);
  b.work({.instructions = kSums});
  load(3);
  b.work({.instructions = 2 * kSums});
}

// The inner loop: a load for each word, a sum of products for each pair of words. The last load
// feeds the first product only where there is nothing else to do: with one row and one pixel.
void products(CodeBuilder& b, const Kernel& kernel, const Operands& op, const Step& step) {
  if (traits(kernel.kind).mac_load) return loading_products(b, op, step);
  const std::int64_t bits = product_bits(kernel);
  const std::int64_t words = step.columns * bits / 32;  // of activations
  b.loop(step.trips, [&](int depth) {
    for (std::int64_t row = 0; row < op.rows; ++row) {
      b.load(stepped(op.weights + row * op.row_bytes, depth, 4));
    }
    if (kernel.weight_bits < bits) b.work({.instructions = op.rows * words * kUnpackFour});
    for (std::int64_t word = 0; word < words; ++word) {
      const auto load = [&](int pixel) {
        b.load(stepped(op.pixels[static_cast<std::size_t>(pixel)] + 4 * word, depth, 4 * words));
      };
      if (op.rows == 4 && op.pixel_count == 4) {
        four_pixels(b, load);
        continue;
      }
      for (int pixel = 0; pixel < op.pixel_count; ++pixel) load(pixel);
      b.work({.instructions = op.rows * op.pixel_count,
              .load_uses = op.rows * op.pixel_count == 1 ? 1 : 0});
    }
  });
}

// Products of codes of 4 and 2 bits, or that leave such, on cores with bytes alone are no measured
// kernels: what is around their loops are the instructions of runtime/pulp/kernels/nn_mixed.c as
// gcc 12.2 compiles it at -O2 and the detailed tier counts them, of a 4 x 2 block most of them for
// what has no register. Blocks of 4 x 4 are computed as two of 4 x 2.
bool is_mixed(const Kernel& kernel) {
  const bool codes = !leaves_words(kernel) && kernel.out_bits < 8;
  return !traits(kernel.kind).packed && (kernel.weight_bits < 8 || codes);
}
constexpr Straight kMixedCall{
    .instructions = 245, .stack = 145, .load_uses = 3, .taken_branches = 5, .jumps = 9};
constexpr Straight kMixedBlockBegin{
    .instructions = 31, .stack = 10, .load_uses = 3, .taken_branches = 1, .jumps = 1};
// Without loads and stores of operands and the results' own 4 instructions each.
constexpr Straight kMixedBlockEnd{
    .instructions = 58, .stack = 24, .load_uses = 4, .taken_branches = 1, .jumps = 1};
// Where values of the columns are left over; then for each value.
constexpr Straight kMixedLeft{.instructions = 25, .stack = 17, .load_uses = 1, .jumps = 1};
constexpr Straight kMixedLeftRow{.instructions = 4, .jumps = 1};
// A channel x 2 pixels, or 1: nn_mixed_1x2(), nn_mixed_dot(), and nn_put_result() of each result
// without its arithmetic.
constexpr Straight kMixedChannel{.instructions = 58, .stack = 12, .taken_branches = 3, .jumps = 5};
constexpr Straight kMixedPixelChannel{
    .instructions = 34, .stack = 6, .taken_branches = 2, .jumps = 3};
constexpr Straight kMixedResult{
    .instructions = 35, .stack = 9, .load_uses = 1, .taken_branches = 2, .jumps = 1};
constexpr Straight kMixedWord{.instructions = 8, .load_uses = 1, .taken_branches = 1, .jumps = 1};
// A vector: the call; for each 8 outputs; for each output, beside its products and result.
constexpr Straight kMixedLinearCall{
    .instructions = 170, .stack = 70, .load_uses = 4, .taken_branches = 6, .jumps = 8};
constexpr Straight kMixedOutputs{.instructions = 73, .stack = 35, .load_uses = 3, .jumps = 1};
constexpr Straight kMixedOutput{
    .instructions = 42, .stack = 10, .load_uses = 2, .taken_branches = 3, .jumps = 5};

// Left-over values of mixed products, of weights extracted from a word: of one row or four.
void mixed_left_over(CodeBuilder& b, const Kernel& kernel, const Operands& op, const Step& step) {
  if (step.left == 0) return;
  const std::int64_t done = step.trips * step.columns;
  b.work(op.rows == 4 ? kMixedLeft : kMixedLeftRow);
  for (std::int64_t row = 0; row < op.rows; ++row) {
    b.load(op.weights + (row * op.row_bytes + packed(done, kernel.weight_bits)));
  }
  b.loop(step.left, [&](int depth) {
    for (int pixel = 0; pixel < op.pixel_count; ++pixel) {
      b.load(stepped(op.pixels[static_cast<std::size_t>(pixel)] + done, depth, 1), 1);
    }
    // p.extract and p.mac; the codes' signs, two pointers, the field, a branch over the signs and
    // one back.
    const std::int64_t sums = op.rows * op.pixel_count;
    b.work({.instructions = op.rows + sums + 5 + (kernel.in_signed ? 2 * op.pixel_count : 0),
            .taken_branches = kernel.in_signed ? 1 : 2});
  });
}

// Of packed codes, those of a block are a word of their own, whatever their number
// (ProductOverheads::left); of a channel, whose pixels come one by one, bytes of both: two loads,
// of which the product waits for the second.
void packed_left_over(CodeBuilder& b, const Kernel& kernel, const Operands& op, const Step& step) {
  const std::int64_t done = packed(step.trips * step.columns, kernel.weight_bits);
  const std::int64_t left = packed(step.left, kernel.weight_bits);
  for (int pixel = 0; pixel < op.pixel_count && op.rows == 1 && left > 0; ++pixel) {
    b.work(kPackedLeft);
    b.loop(left, [&](int depth) {
      b.load(stepped(op.pixels[static_cast<std::size_t>(pixel)] + done, depth, 1), 1);
      b.load(stepped(op.weights + done, depth, 1), 1);
      b.work({.instructions = 1, .load_uses = 1});
    });
  }
}

// Left-over values of the columns, one at a time: loads, p.mac.
void left_over(CodeBuilder& b, const Kernel& kernel, const Operands& op, const Step& step) {
  if (is_mixed(kernel) && kernel.weight_bits < 8) return mixed_left_over(b, kernel, op, step);
  if (traits(kernel.kind).packed) return packed_left_over(b, kernel, op, step);
  const std::int64_t done = step.trips * step.columns;
  const std::int64_t bits = product_bits(kernel);
  const std::int64_t extract =
      (kernel.weight_bits < 8 ? op.rows : 0) + (bits < 8 ? op.pixel_count : 0);
  b.loop(step.left, [&](int depth) {
    for (std::int64_t row = 0; row < op.rows; ++row) {
      const std::int64_t at = row * op.row_bytes + packed(done, kernel.weight_bits);
      b.load(stepped(op.weights + at, depth, kernel.weight_bits < 8 ? 0 : 1), 1);
    }
    const auto load = [&](int pixel) {
      const Address from = op.pixels[static_cast<std::size_t>(pixel)] + packed(done, bits);
      b.load(stepped(from, depth, bits < 8 ? 0 : 1), 1);
    };
    if (op.rows == 4 && op.pixel_count == 4 && extract == 0) {
      four_pixels(b, load);
      b.work(overheads(kernel).of(op.pixel_count).left_value);
      return;
    }
    for (int pixel = 0; pixel < op.pixel_count; ++pixel) load(pixel);
    const std::int64_t sums = op.rows * op.pixel_count;
    b.work({.instructions = sums + extract, .load_uses = sums == 1});
    if (traits(kernel.kind).vector) return;  // ours: a hardware loop
    b.work(overheads(kernel).of(op.pixel_count).left_value);
  });
}

Address constant(std::int64_t base) { return {base, {}}; }

// Of channel `first` of the kernel, `step` bytes further in each iteration at `depth`.
Norms norms_of(const Kernel& kernel, std::int64_t first, int depth, std::int64_t channels) {
  const std::int64_t size = kernel.norm_bits / 8;
  return {stepped(constant(kernel.kappa + size * first), depth, size * channels),
          stepped(constant(kernel.lambda + size * first), depth, size * channels)};
}

// Where the partial sums of the pixel lie whose results go to `out`: pixels are as many steps apart
// there.
Address sums_of(const Kernel& kernel, const Address& out) {
  const std::int64_t from = packed(kernel.out_c, kernel.out_bits), to = 4 * kernel.out_c;
  Address sums = constant(kernel.bias + (out.base - kernel.out) / from * to);
  for (std::size_t d = 0; d < out.step.size(); ++d) {
    sums.step[d] = static_cast<std::int32_t>(out.step[d] / from * to);
  }
  return sums;
}

void load_bias(CodeBuilder& b, const Kernel& kernel, std::int64_t first, std::int64_t count,
               int depth) {
  const bool starts = kernel.has_bias || kernel.sums_in;
  for (std::int64_t i = 0; i < count && starts; ++i) {
    b.load(stepped(constant(kernel.bias + 4 * (first + i)), depth, 4 * count));
  }
}

// Where the accumulators of `count` channels from `first` on start; partial sums differ between
// pixels.
void load_starts(CodeBuilder& b, const Kernel& kernel, const Matrix& m, std::int64_t first,
                 std::int64_t count, int depth, int pixel_count) {
  if (!kernel.sums_in) {  // blocks of four pixels load a bias for each
    const int times = pixel_count == 4 ? 4 : 1;
    for (int i = 0; i < times; ++i) load_bias(b, kernel, first, count, depth);
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    for (int pixel = 0; pixel < pixel_count; ++pixel) {
      const Address at = sums_of(kernel, m.out) + 4 * (pixel * kernel.out_c + first + i);
      b.load(stepped(at, depth, 4 * count));
    }
  }
}

// Four pixels' codes of a channel, whose numbers are loaded once: accumulators and results are in
// registers until the four are stored. Per pixel p.max and p.min where accumulators are clamped, a
// move of lambda, p.mac, sra, clip.
void requantize_four(CodeBuilder& b, const Kernel& kernel, const Norms& norms, const Address& out,
                     std::int64_t pixel_bytes) {
  for (const Address& numbers : {norms.kappa, norms.lambda}) {
    b.load(numbers);
    if (kernel.clamped) b.load(numbers + 4);
  }
  for (std::int64_t pixel = 0; pixel < 4; ++pixel) {
    b.work({.instructions = kernel.clamped ? 6 : 4});
    b.store(out + pixel * pixel_bytes, 1);
  }
}

// In 64 bits accumulators lie on the stack. Per pixel mulhsu, mul, p.mac and four for the sum, a
// test of the shift, four instructions that shift or fewer but a branch, clip, two more.
void requantize_four_wide(CodeBuilder& b, const Kernel& kernel, const Norms& norms,
                          const Address& out, std::int64_t pixel_bytes) {
  constexpr Straight kChannel{.instructions = 20, .stack = 4};
  constexpr Straight kValue{.instructions = 15, .multiply_highs = 1, .multiplies = 1};
  constexpr Straight kFarShifts{.instructions = 6};  // by 32 bits or more, of four pixels
  for (int half = 0; half < 2; ++half) b.load(norms.kappa + 4 * half);
  for (int half = 0; half < 2; ++half) b.load(norms.lambda + 4 * half);
  b.work(kChannel);
  if (kernel.shift >= 32) b.work(kFarShifts);
  for (std::int64_t pixel = 0; pixel < 4; ++pixel) {
    b.work(kValue);
    b.store(out + pixel * pixel_bytes, 1);
  }
}

// `count` channels from `first` on.
void outputs(CodeBuilder& b, const Kernel& call, const Matrix& m, std::int64_t first,
             std::int64_t count, int depth, int pixel_count) {
  Kernel kernel = call;
  if (!call.norm && overheads(call).loads_numbers) kernel.norm = true, kernel.norm_bits = 32;
  const std::int64_t pixel_bytes = packed(kernel.out_c, kernel.out_bits);
  if (leaves_words(kernel)) {
    for (std::int64_t i = 0; i < count; ++i) {
      for (int pixel = 0; pixel < pixel_count; ++pixel) {
        const Address at = m.out + (pixel * pixel_bytes + 4 * (first + i));
        b.store(stepped(at, depth, 4 * count));
      }
    }
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const Norms norms = norms_of(kernel, first + i, depth, count);
    if (pixel_count == 4 && kernel.norm && kernel.out_bits == 8) {
      const bool wide = is_wide(kernel);
      (wide ? requantize_four_wide : requantize_four)(
          b, kernel, norms, stepped(m.out + (first + i), depth, count), pixel_bytes);
      continue;
    }
    for (int pixel = 0; pixel < pixel_count; ++pixel) {
      const Address at = m.out + (pixel * pixel_bytes + (first + i) * kernel.out_bits / 8);
      requantize(b, kernel, norms, stepped(at, depth, count * kernel.out_bits / 8), first + i);
    }
  }
}

}  // namespace

void requantize(CodeBuilder& b, const Kernel& kernel, const Norms& norms, const Address& out,
                std::int64_t position) {
  const std::int64_t codes = 8 / kernel.out_bits;
  const std::int64_t insert = codes > 1 ? 1 : 0;
  if (!kernel.norm) {  // p.mac or mul, sra, clip
    const std::int64_t mul = kernel.multiplier != 1 && kernel.offset == 0 ? 1 : 0;
    b.work({.instructions = 3 + insert + (kernel.offset != 0 ? 1 : 0),
            .multiplies = mul,
            .multiply_uses = mul});
  } else if (kernel.clamped) {  // p.max, p.min, p.mac, sra, clip
    for (int half = 0; half < 2; ++half) b.load(norms.kappa + 4 * half);
    for (int half = 0; half < 2; ++half) b.load(norms.lambda + 4 * half);
    b.work({.instructions = 5 + insert});
  } else if (kernel.norm_bits == 32) {  // p.mac waits for lambda, sra, clip
    b.load(norms.kappa);
    b.load(norms.lambda);
    b.work({.instructions = 3 + insert, .load_uses = 1});
  } else {
    // mul, mulhu and two p.mac for the product, sign of the accumulator, four for the sum, clip
    // (counted from the loop as written in PULP-NN), and a call for the shift.
    for (int half = 0; half < 2; ++half) b.load(norms.kappa + 4 * half);
    for (int half = 0; half < 2; ++half) b.load(norms.lambda + 4 * half);
    b.work({.instructions = 10 + insert, .multiply_highs = 1, .multiplies = 1});
    b.work(overheads(kernel).wide_shift);
  }
  if (position % codes == codes - 1) b.store(out, 1);
}

namespace {

// The arithmetic of a mixed product's result, whose bounds p.max and p.min hold, since their width
// differs.
Straight mixed_arithmetic(const Kernel& kernel) {
  if (!kernel.norm || (kernel.norm_bits == 32 && !kernel.clamped)) return {.instructions = 4};
  if (kernel.clamped) return {.instructions = 6};
  const Straight shift = overheads(kernel).wide_shift;
  return {.instructions = 11 + shift.instructions,
          .jumps = shift.jumps,
          .multiply_highs = 1,
          .multiplies = 1};
}

// Codes of a row of `count` channels from `first` on, whose kappa and lambda are loaded once for
// all pixels where they are together.
void mixed_outputs(CodeBuilder& b, const Kernel& kernel, const Matrix& m, std::int64_t first,
                   std::int64_t count, int depth, int pixel_count) {
  if (leaves_words(kernel)) {
    for (std::int64_t i = 0; i < count * pixel_count; ++i) b.work(kMixedWord);
    return outputs(b, kernel, m, first, count, depth, pixel_count);
  }
  const std::int64_t pixel_bytes = packed(kernel.out_c, kernel.out_bits);
  const std::int64_t halves = kernel.norm && (kernel.clamped || kernel.norm_bits == 64) ? 2 : 1;
  const auto numbers = [&](std::int64_t i) {
    if (!kernel.norm) return;
    const Norms norms = norms_of(kernel, first + i, depth, count);
    for (const Address& at : {norms.kappa, norms.lambda}) {
      for (std::int64_t half = 0; half < halves; ++half) b.load(at + 4 * half);
    }
  };
  const auto store = [&](int pixel, std::int64_t byte) {
    const std::int64_t at = pixel * pixel_bytes + first * kernel.out_bits / 8 + byte;
    b.store(stepped(m.out + at, depth, count * kernel.out_bits / 8), 1);
  };
  if (count == 1) {  // nn_put_result(): each by itself
    for (int pixel = 0; pixel < pixel_count; ++pixel) {
      b.work(kMixedResult);
      numbers(0);
      b.work(mixed_arithmetic(kernel));
      store(pixel, 0);
    }
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    numbers(i);
    for (int pixel = 0; pixel < pixel_count; ++pixel) b.work(mixed_arithmetic(kernel));
  }
  const std::int64_t bytes = packed(count, kernel.out_bits);
  for (int pixel = 0; pixel < pixel_count; ++pixel) {
    b.work({.instructions = count - bytes});  // p.insert
    for (std::int64_t byte = 0; byte < bytes; ++byte) store(pixel, byte);
  }
}

// Two columns, or one: nn_mixed_product().
void mixed_matmul(CodeBuilder& b, const Kernel& kernel, const Matrix& m) {
  const Step step = step_of(kernel, m.columns);
  const std::int64_t row_bytes = packed(m.columns, kernel.weight_bits);
  const Address weights = constant(kernel.weights + m.piece.begin * row_bytes);
  b.work(kMixedCall);
  const std::int64_t blocks = m.pixels == 2 ? m.piece.size() / 4 : 0;
  b.loop(blocks, [&](int depth) {
    const Operands op{stepped(weights, depth, 4 * row_bytes), m.in, 4, row_bytes, m.pixels};
    b.work(kMixedBlockBegin);
    load_starts(b, kernel, m, m.piece.begin, 4, depth, m.pixels);
    products(b, kernel, op, step);
    left_over(b, kernel, op, step);
    b.work(kMixedBlockEnd);
    mixed_outputs(b, kernel, m, m.piece.begin, 4, depth, m.pixels);
  });
  b.loop(m.piece.size() - 4 * blocks, [&](int depth) {
    const std::int64_t first = m.piece.begin + 4 * blocks;
    const Operands op{stepped(weights + 4 * blocks * row_bytes, depth, row_bytes), m.in, 1,
                      row_bytes, m.pixels};
    b.work(m.pixels == 2 ? kMixedChannel : kMixedPixelChannel);
    load_starts(b, kernel, m, first, 1, depth, m.pixels);
    products(b, kernel, op, step);
    left_over(b, kernel, op, step);
    mixed_outputs(b, kernel, m, first, 1, depth, m.pixels);
  });
}

void block_begin(CodeBuilder& b, const Kernel& kernel, const ProductOverheads& around) {
  const bool words = leaves_words(kernel), starts = kernel.has_bias || kernel.sums_in;
  b.work(around.block_begin);
  b.work(!starts ? around.zeros : words ? around.sums : around.starts);
  if (words) return;
  if (kernel.out_signed) b.work(around.signed_codes);
  if (kernel.clamped) b.work(around.clamped);
  if (is_wide(kernel)) b.work(around.wide);
}

}  // namespace

void matmul(CodeBuilder& b, const Kernel& kernel, const Matrix& m) {
  if (is_mixed(kernel)) {
    const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
    for (std::size_t pixel = 0; pixel < static_cast<std::size_t>(m.pixels); pixel += 2) {
      const Address out = m.out + static_cast<std::int64_t>(pixel) * out_pixel;
      mixed_matmul(b, kernel, {{m.in[pixel], m.in[pixel + 1]}, out, m.columns, m.piece, 2});
    }
    return;
  }
  const Step step = step_of(kernel, m.columns);
  const std::int64_t row_bytes = packed(m.columns, kernel.weight_bits);
  const Address weights = constant(kernel.weights + m.piece.begin * row_bytes);
  const ProductOverheads& around = overheads(kernel).of(m.pixels);
  b.work(around.call);
  if (is_wide(kernel)) b.work(around.call_wide);
  // Packed codes that are less than a word are multiplied without blocks.
  const bool in_blocks = !traits(kernel.kind).packed || step.trips > 0;
  const std::int64_t blocks = in_blocks ? m.piece.size() / 4 : 0;
  const std::int64_t channels_left = m.piece.size() - 4 * blocks;
  if (blocks > 0) b.work(around.blocks);
  if (kernel.sums_in && !leaves_words(kernel)) b.work(around.call_starts);
  b.loop(blocks, [&](int depth) {
    const Operands op{stepped(weights, depth, 4 * row_bytes), m.in, 4, row_bytes, m.pixels};
    block_begin(b, kernel, around);
    if (step.left > 0) b.work(around.left);
    load_starts(b, kernel, m, m.piece.begin, 4, depth, m.pixels);
    products(b, kernel, op, step);
    left_over(b, kernel, op, step);
    outputs(b, kernel, m, m.piece.begin, 4, depth, m.pixels);
    b.work(around.block_end);
  });
  // Ours go through channels left over with two pixels at a time.
  const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
  const std::size_t pixels = traits(kernel.kind).packed ? static_cast<std::size_t>(m.pixels) : 2;
  for (std::size_t pixel = 0; pixel < static_cast<std::size_t>(m.pixels); pixel += pixels) {
    Matrix some = m;
    if (pixel > 0) some.in = {m.in[pixel], m.in[pixel + 1]};
    some.out = m.out + static_cast<std::int64_t>(pixel) * out_pixel;
    const int count = static_cast<int>(pixels);
    const ProductOverheads& of_channels = overheads(kernel).of(count);
    if (channels_left != 0) b.work(of_channels.channels);
    b.loop(channels_left, [&](int depth) {
      const std::int64_t first = m.piece.begin + 4 * blocks;
      const Operands op{stepped(weights + 4 * blocks * row_bytes, depth, row_bytes), some.in, 1,
                        row_bytes, count};
      b.work(of_channels.channel_begin);
      load_starts(b, kernel, some, first, 1, depth, count);
      products(b, kernel, op, step);
      left_over(b, kernel, op, step);
      outputs(b, kernel, some, first, 1, depth, count);
      b.work(of_channels.channel_end);
    });
  }
}

namespace {

// Accumulators of a pixel: two channels at a time share the activations (docs/facts/pulp.md 2.4).
void pairs_of_sums(CodeBuilder& b, const Kernel& kernel, const Matrix& m) {
  const std::int64_t row_bytes = packed(m.columns, kernel.weight_bits);
  const Step step = step_of(kernel, m.columns);
  const auto sums = [&](std::int64_t first, std::int64_t count, int depth) {
    const Address weights = constant(kernel.weights + first * row_bytes);
    const Operands op{stepped(weights, depth, count * row_bytes), m.in, count, row_bytes, 1};
    b.work(kLinearPair);
    load_starts(b, kernel, m, first, count, depth, 1);
    products(b, kernel, op, step);
    left_over(b, kernel, op, step);
    for (std::int64_t i = 0; i < count; ++i) {
      b.store(stepped(m.out + 4 * (first + i), depth, 4 * count));
    }
  };
  b.loop(m.piece.size() / 2, [&](int depth) { sums(m.piece.begin, 2, depth); });
  if (m.piece.size() % 2 != 0) sums(m.piece.end - 1, 1, 0);
}

}  // namespace

void single_pixel(CodeBuilder& b, const Kernel& kernel, const Matrix& m) {
  if (is_mixed(kernel)) return mixed_matmul(b, kernel, m);
  const Step step = step_of(kernel, m.columns);
  const std::int64_t row_bytes = packed(m.columns, kernel.weight_bits);
  const bool vector = traits(kernel.kind).vector && !traits(kernel.kind).packed;
  const ProductOverheads& around = overheads(kernel).one;
  if (!vector) b.work(around.call);
  if (!vector && leaves_words(kernel) && overheads(kernel).sums_by_pairs) {
    return pairs_of_sums(b, kernel, m);
  }
  b.loop(m.piece.size(), [&](int depth) {
    const Address weights = constant(kernel.weights + m.piece.begin * row_bytes);
    const Operands op{stepped(weights, depth, row_bytes), m.in, 1, row_bytes, 1};
    b.work(vector ? kLinearOutput : around.channel_begin);
    if (kernel.clamped && !vector) b.work(around.clamped);
    load_starts(b, kernel, m, m.piece.begin, 1, depth, 1);
    products(b, kernel, op, step);
    left_over(b, kernel, op, step);
    outputs(b, kernel, m, m.piece.begin, 1, depth, 1);
    if (!vector) b.work(around.channel_end);
  });
}

CoreCode pointwise_code(const Kernel& call, const Machine& machine, std::int64_t core) {
  if (call.in_bits < product_bits(call)) return conv_code(call, machine, core);
  CodeBuilder b(machine);
  const Kernel kernel = with_word_results(call);
  const Pixels mine = pixels(kernel, machine, core);
  const Piece co = channels(kernel, machine, core);
  const std::int64_t pixel_bytes = kernel.stride_x * packed(kernel.in_c, kernel.in_bits);
  const std::int64_t row_bytes =
      kernel.stride_y * kernel.in_w * packed(kernel.in_c, kernel.in_bits);
  const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
  b.work(overheads(kernel).pointwise_call);
  share(b, kernel, machine);
  b.loop(mine.rows.size(), [&](int row) {
    b.work(overheads(kernel).pointwise_row);
    const Address in =
        stepped({kernel.in + mine.rows.begin * row_bytes + mine.columns.begin * pixel_bytes, {}},
                row, row_bytes);
    const Address out = stepped(
        {kernel.out + (mine.rows.begin * kernel.out_w + mine.columns.begin) * out_pixel, {}}, row,
        kernel.out_w * out_pixel);
    const auto blocks = [&](std::int64_t done, std::int64_t count, int width) {
      b.loop(count, [&](int block) {
        const Address first = stepped(in + done * pixel_bytes, block, width * pixel_bytes);
        matmul(b, kernel,
               {{first, first + pixel_bytes, first + 2 * pixel_bytes, first + 3 * pixel_bytes},
                stepped(out + done * out_pixel, block, width * out_pixel),
                kernel.in_c,
                co,
                width});
      });
      return done + count * width;
    };
    const std::int64_t columns = mine.columns.size();
    const std::int64_t by_four = traits(kernel.kind).pixels == 4 ? blocks(0, columns / 4, 4) : 0;
    const std::int64_t done = blocks(by_four, (columns - by_four) / 2, 2);
    if (done == columns) return;
    single_pixel(b, kernel,
                 {{in + done * pixel_bytes}, out + done * out_pixel, kernel.in_c, co, 1});
  });
  return b.take();
}

namespace {

// Outputs by eight, for which the input is unpacked to bytes (nn_mixed_linear()).
CoreCode mixed_linear_code(const Kernel& call, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Kernel kernel = with_word_results(call);
  const Piece co = channels(kernel, machine, core);
  const std::int64_t row_bytes = packed(kernel.in_c, kernel.weight_bits);
  const Step step = step_of(kernel, kernel.in_c);
  const Address bytes{kernel.in, {}};
  b.work(kMixedLinearCall);
  for (std::int64_t first = co.begin; first < co.end; first += 8) {
    b.work(kMixedOutputs);
    if (kernel.in_bits < 8) unpack_codes(b, kernel.in_bits, {kernel.in, {}}, bytes, kernel.in_c);
    b.loop(std::min<std::int64_t>(8, co.end - first), [&](int depth) {
      const Address weights =
          stepped(constant(kernel.weights + first * row_bytes), depth, row_bytes);
      const Operands op{weights, {bytes}, 1, row_bytes, 1};
      const Matrix m{{bytes}, constant(kernel.out), kernel.in_c, co, 1};
      b.work(kMixedOutput);
      load_bias(b, kernel, first, 1, depth);
      products(b, kernel, op, step);
      left_over(b, kernel, op, step);
      mixed_outputs(b, kernel, m, first, 1, depth, 1);
    });
  }
  return b.take();
}
bool is_mixed_linear(const Kernel& kernel) {
  return is_mixed(kernel) || (!traits(kernel.kind).packed && kernel.in_bits < 8);
}

// One output at a time, as a pixel of the matrix product (docs/facts/pulp.md 2.4).
CoreCode linear_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  if (is_mixed_linear(kernel)) return mixed_linear_code(kernel, machine, core);
  CodeBuilder b(machine);
  const Piece co = channels(kernel, machine, core);
  const Address in = constant(kernel.in);
  if (traits(kernel.kind).packed) {  // one pixel
    b.work(overheads(kernel).pointwise_call);
    b.work(overheads(kernel).pointwise_row);
  } else {
    b.work(kLinearCall);
  }
  share(b, kernel, machine);
  single_pixel(b, kernel, {{in}, constant(kernel.out), kernel.in_c, co, 1});
  return b.take();
}

// The library's pairs may reach one output beyond a core's own; ours do not.
CoreCode linear_words_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  if (traits(kernel.kind).packed) return linear_code(with_word_results(kernel), machine, core);
  if (is_mixed_linear(kernel)) return mixed_linear_code(kernel, machine, core);
  CodeBuilder b(machine);
  b.work(kLinearWordsCall);
  share(b, kernel, machine);
  pairs_of_sums(b, kernel,
                {{constant(kernel.in)},
                 constant(kernel.out),
                 kernel.in_c,
                 channels(kernel, machine, core),
                 1});
  return b.take();
}

std::vector<std::int64_t> linear_likeness(const Kernel& call, const Machine& machine,
                                          std::int64_t core) {
  const Piece co = channels(call, machine, core);
  return {co.size(), word_remainder(co.begin),
          word_remainder(co.begin * packed(call.in_c, call.weight_bits))};
}

std::string vector_limit(const Kernel& call) {
  if (call.in_w == 1 && call.in_h == 1) return "";
  return fmt::format("takes a vector: in_w and in_h must be 1, found {} and {}", call.in_w,
                     call.in_h);
}

// They read their input where it is, unless it has to be unpacked.
std::int64_t unpacked_bytes(const Kernel& call, std::int64_t cores) {
  return call.in_bits < product_bits(call) ? columns_bytes(call, cores) : 0;
}

std::string bytes_limit(const Kernel& call) {
  if (has_quads(call)) return "";
  return fmt::format("takes codes and weights of 8 bits, found {} and {}", call.in_bits,
                     call.weight_bits);
}

constexpr KernelTraits pointwise(KernelKind kind, std::string_view name, Split split,
                                 std::int64_t pixels = 2) {
  return {.kind = kind,
          .name = name,
          .family = Family::Pointwise,
          .split = split,
          .weights = true,
          .norm = true,
          .by_channel = false,
          .partial = true,
          .wide_out = true,
          .pixels = pixels,
          .window = false,
          .limit = pixels == 4 ? bytes_limit : nullptr,
          .serves = pixels == 4 ? has_quads : nullptr,
          .scratch_bytes = unpacked_bytes,
          .execute = multiply,
          .code = {pointwise_code},
          .likeness = matrix_likeness,
          .conflict_share = [](const Machine& machine) { return machine.l1.matrix_conflicts; }};
}

constexpr std::array kPointwise{
    packed_kernel(
        pointwise(KernelKind::PointwiseHoWoMacLoad, "pointwise_HoWo_macload", Split::HalfRows),
        true),
    packed_kernel(pointwise(KernelKind::PointwiseHoMacLoad, "pointwise_Ho_macload", Split::Rows),
                  true),
    packed_kernel(
        pointwise(KernelKind::PointwiseCoMacLoad, "pointwise_Co_macload", Split::Channels), true),
    packed_kernel(
        pointwise(KernelKind::PointwiseHoWoPacked, "pointwise_HoWo_packed", Split::HalfRows),
        false),
    packed_kernel(pointwise(KernelKind::PointwiseHoPacked, "pointwise_Ho_packed", Split::Rows),
                  false),
    packed_kernel(pointwise(KernelKind::PointwiseCoPacked, "pointwise_Co_packed", Split::Channels),
                  false),
    pointwise(KernelKind::PointwiseHoWo, "pointwise_HoWo", Split::HalfRows),
    pointwise(KernelKind::PointwiseHo, "pointwise_Ho", Split::Rows),
    pointwise(KernelKind::PointwiseCo, "pointwise_Co", Split::Channels),
    pointwise(KernelKind::PointwiseHoWoQuads, "pointwise_HoWo_4x4", Split::HalfRows, 4),
    pointwise(KernelKind::PointwiseHoQuads, "pointwise_Ho_4x4", Split::Rows, 4),
    pointwise(KernelKind::PointwiseCoQuads, "pointwise_Co_4x4", Split::Channels, 4),
    packed_kernel(pointwise(KernelKind::PointwiseHoWoMacLoadQuads, "pointwise_HoWo_macload_4x4",
                            Split::HalfRows, 4),
                  true),
    packed_kernel(
        pointwise(KernelKind::PointwiseHoMacLoadQuads, "pointwise_Ho_macload_4x4", Split::Rows, 4),
        true),
    packed_kernel(pointwise(KernelKind::PointwiseCoMacLoadQuads, "pointwise_Co_macload_4x4",
                            Split::Channels, 4),
                  true),
    packed_kernel(pointwise(KernelKind::PointwiseHoWoPackedQuads, "pointwise_HoWo_packed_4x4",
                            Split::HalfRows, 4),
                  false),
    packed_kernel(
        pointwise(KernelKind::PointwiseHoPackedQuads, "pointwise_Ho_packed_4x4", Split::Rows, 4),
        false),
    packed_kernel(pointwise(KernelKind::PointwiseCoPackedQuads, "pointwise_Co_packed_4x4",
                            Split::Channels, 4),
                  false)};

constexpr KernelTraits linear(KernelKind kind, std::string_view name, bool words,
                              bool (*serves)(const Kernel&)) {
  return {.kind = kind,
          .name = name,
          .family = Family::Linear,
          .split = Split::Channels,
          .weights = true,
          .norm = !words,
          .by_channel = false,
          .words = words,
          .partial = true,
          .vector = true,
          .window = false,
          .limit = vector_limit,
          .serves = serves,
          .execute = multiply,
          .code = {words ? linear_words_code : linear_code},
          .likeness = linear_likeness};
}

// They read their input where it is.
std::string packed_vector_limit(const Kernel& call) {
  const std::string limit = traits(call.kind).mac_load ? mac_load_limit(call) : packed_limit(call);
  if (!limit.empty()) return limit;
  if (call.in_bits == call.weight_bits) return vector_limit(call);
  return fmt::format("takes codes as wide as the weights ({} bits), found {}", call.weight_bits,
                     call.in_bits);
}

constexpr KernelTraits packed_linear(KernelKind kind, std::string_view name, bool words,
                                     bool (*serves)(const Kernel&)) {
  KernelTraits row = packed_kernel(linear(kind, name, words, serves), false);
  row.limit = packed_vector_limit;
  row.serves = serves;
  return row;
}
constexpr KernelTraits loading_linear(KernelKind kind, std::string_view name, bool words,
                                      bool (*serves)(const Kernel&)) {
  KernelTraits row = packed_linear(kind, name, words, serves);
  row.mac_load = true;
  return row;
}

bool of_words(const Kernel& layer) { return layer.out_bits == 32; }
bool of_codes(const Kernel& layer) { return layer.out_bits != 32; }
template <bool (*Serves)(const Kernel&), bool (*Results)(const Kernel&)>
bool serves_vector(const Kernel& layer) {
  return layer.in_bits == layer.weight_bits && Serves(layer) && Results(layer);
}

constexpr std::array kLinear{loading_linear(KernelKind::LinearMacLoad, "linear_macload", false,
                                            serves_vector<serves_mac_load, of_codes>),
                             loading_linear(KernelKind::Linear32MacLoad, "linear_out_32_macload",
                                            true, serves_vector<serves_mac_load, of_words>),
                             packed_linear(KernelKind::LinearPacked, "linear_packed", false,
                                           serves_vector<serves_packed, of_codes>),
                             packed_linear(KernelKind::Linear32Packed, "linear_out_32_packed", true,
                                           serves_vector<serves_packed, of_words>),
                             linear(KernelKind::Linear, "linear", false, of_codes),
                             linear(KernelKind::Linear32, "linear_out_32", true, of_words)};

}  // namespace

// Sub-byte codes take more registers than blocks of 4 x 4 leave.
bool has_quads(const Kernel& call) { return call.in_bits == 8 && call.weight_bits == 8; }

// Codes of a pixel, and so those of a column, fill whole bytes; a narrower operand is widened to
// the weights, of which those of the inner loop are not unpacked.
std::string mac_load_limit(const Kernel& call) {
  if (call.in_bits > call.weight_bits) {
    return fmt::format("takes codes no wider than the weights ({} bits), found {}",
                       call.weight_bits, call.in_bits);
  }
  if (call.in_c * call.in_bits % 8 == 0) return "";
  return fmt::format("takes pixels of whole bytes, found {} codes of {} bits", call.in_c,
                     call.in_bits);
}
std::string packed_limit(const Kernel& call) {
  return call.weight_bits == 8 ? "takes weights of 4 or 2 bits, found 8" : mac_load_limit(call);
}
// With less than a word of codes in a column there is nothing to multiply at once.
bool serves_mac_load(const Kernel& call) {
  const std::int64_t codes = call.kernel_h * call.kernel_w * call.in_c;
  return mac_load_limit(call).empty() && codes * call.weight_bits >= 32;
}
bool serves_packed(const Kernel& call) {
  return packed_limit(call).empty() && serves_mac_load(call);
}

// Rows that read padding are no other core's.
std::vector<std::int64_t> matrix_likeness(const Kernel& call, const Machine& machine,
                                          std::int64_t core) {
  const Piece co = channels(call, machine, core);
  const std::int64_t filter = call.kernel_h * call.kernel_w;
  const Pixels mine = pixels(call, machine, core);
  const std::int64_t first = mine.rows.begin * call.stride_y - call.pad_top;
  const std::int64_t reach = (call.kernel_h - 1) * call.dilation_y + 1;
  const std::int64_t end = first + (mine.rows.size() - 1) * call.stride_y + reach;
  const bool padded = mine.rows.size() > 0 && (first < 0 || end > call.in_h);
  const std::int64_t pixel = packed(call.in_c, call.in_bits);
  return {padded ? core : -1,
          mine.rows.size(),
          mine.columns.begin,
          mine.columns.end,
          co.size(),
          word_remainder(co.begin),
          word_remainder(mine.rows.begin * call.stride_y * call.in_w * pixel),
          word_remainder(co.begin * packed(filter * call.in_c, call.weight_bits)),
          word_remainder(traits(call.kind).pixels * core *
                         packed(filter * call.in_c, product_bits(call)))};
}

std::span<const KernelTraits> pointwise_kernels() { return kPointwise; }
std::span<const KernelTraits> linear_kernels() { return kLinear; }

}  // namespace workbench::pulp
