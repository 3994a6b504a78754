// The matrix product of PULP-NN, 4 channels x 2 pixels at a time, and the kernels that are little
// else (pulp.md 2.3, 2.4).
#include "isa/pulp/kernel_code_builder.h"

namespace workbench::pulp {

namespace {

// A call: 6 of 14 arguments over the stack, 13 registers saved and restored, jump there and back
// (120 = [10,8,32,64] less [4,8,32,64] by pairs of pixels).
constexpr Straight kMatmulCall{.instructions = 114, .stack = 40, .taken_branches = 2, .jumps = 2};
// Around the loops of a block of 4 x 2: 109 with 8 requantized outputs ([2,8,256,co] by blocks):
// pointers to rows and columns, 8 accumulators, tests for bias, left-over and flags.
constexpr Straight kBlockBegin{.instructions = 45, .stack = 15};
constexpr Straight kBlockEnd{.instructions = 6, .stack = 2, .taken_branches = 1};
// A left-over channel x 2 pixels: 30 with both outputs (pulp.md 2.3).
constexpr Straight kChannelBegin{.instructions = 10, .stack = 3};
constexpr Straight kChannelEnd{.instructions = 4, .taken_branches = 1};
// A single pixel: 13 and 27 for each channel ([1,4,1024,2]: the two not separable, split as
// counted).
constexpr Straight kPixelBegin{.instructions = 13};
constexpr Straight kPixelChannelBegin{.instructions = 14, .stack = 4};
constexpr Straight kPixelChannelEnd{.instructions = 4, .taken_branches = 1};
// A pointwise kernel: 27 arguments, registers, the core's share; the row loop; and what sharing
// rows between two cores takes (104 of [2,8,256,4], split by [2,24,64,128]; 5 by [4,4,512,4]).
constexpr Straight kPointwiseCall{.instructions = 94, .stack = 40};
constexpr Straight kPointwiseRow{.instructions = 8, .stack = 3, .taken_branches = 1};
constexpr Straight kHalves{.instructions = 5};
// A linear kernel: as the pointwise one, with 12 arguments (counted from the loop as written in
// PULP-NN).
constexpr Straight kLinearCall{.instructions = 60, .stack = 30};

struct Step {
  std::int64_t columns;  // values of a column that the inner loop takes at once: a word of weights
  std::int64_t trips, left;
};
Step step_of(const Kernel& kernel, std::int64_t columns) {
  const std::int64_t step = 32 / kernel.weight_bits;
  return {step, columns / step, columns % step};
}

// `rows` of weights `row_bytes` apart x `pixels` of activations, one byte each.
struct Operands {
  Address weights;
  std::array<Address, 2> pixels;
  std::int64_t rows = 4, row_bytes = 0;
  int pixel_count = 2;
};

// The inner loop: a load for each word, a sum of four products for each pair of words. The last
// load feeds the first product only where there is nothing else to do: with one row and one pixel.
void products(CodeBuilder& b, const Kernel& kernel, const Operands& op, const Step& step) {
  const std::int64_t words = step.columns / 4;  // of activations
  b.loop(step.trips, [&](int depth) {
    for (std::int64_t row = 0; row < op.rows; ++row) {
      b.load(stepped(op.weights + row * op.row_bytes, depth, 4));
    }
    if (kernel.weight_bits < 8) b.work({.instructions = op.rows * words * kUnpackFour});
    for (std::int64_t word = 0; word < words; ++word) {
      for (int pixel = 0; pixel < op.pixel_count; ++pixel) {
        b.load(stepped(op.pixels[static_cast<std::size_t>(pixel)] + 4 * word, depth, step.columns));
      }
      b.work({.instructions = op.rows * op.pixel_count,
              .load_uses = op.rows * op.pixel_count == 1 ? 1 : 0});
    }
  });
}

// Left-over values of the columns, one at a time: loads, p.mac, counter and branch back (18 for
// 4 x 2, as DORY's own estimate has it, pulp.md 2.3).
void left_over(CodeBuilder& b, const Kernel& kernel, const Operands& op, const Step& step) {
  const std::int64_t done = step.trips * step.columns;
  const std::int64_t extract = kernel.weight_bits < 8 ? op.rows : 0;
  b.loop(step.left, [&](int depth) {
    for (std::int64_t row = 0; row < op.rows; ++row) {
      const std::int64_t at = row * op.row_bytes + packed(done, kernel.weight_bits);
      b.load(stepped(op.weights + at, depth, kernel.weight_bits < 8 ? 0 : 1), 1);
    }
    for (int pixel = 0; pixel < op.pixel_count; ++pixel) {
      b.load(stepped(op.pixels[static_cast<std::size_t>(pixel)] + done, depth, 1), 1);
    }
    const std::int64_t sums = op.rows * op.pixel_count;
    b.work({.instructions = sums + extract + 2, .load_uses = sums == 1, .taken_branches = 1});
  });
}

Address constant(std::int64_t base) { return {base, {}}; }

// Of channel `first` of the kernel, `step` bytes further in each iteration at `depth`.
Norms norms_of(const Kernel& kernel, std::int64_t first, int depth, std::int64_t channels) {
  const std::int64_t size = kernel.norm_bits / 8;
  return {stepped(constant(kernel.kappa + size * first), depth, size * channels),
          stepped(constant(kernel.lambda + size * first), depth, size * channels)};
}

void load_bias(CodeBuilder& b, const Kernel& kernel, std::int64_t first, std::int64_t count,
               int depth) {
  for (std::int64_t i = 0; i < count && kernel.has_bias; ++i) {
    b.load(stepped(constant(kernel.bias + 4 * (first + i)), depth, 4 * count));
  }
}

// `count` channels from `first` on.
void outputs(CodeBuilder& b, const Kernel& kernel, const Matrix& m, std::int64_t first,
             std::int64_t count, int depth, int pixel_count) {
  const std::int64_t pixel_bytes = packed(kernel.out_c, kernel.out_bits);
  for (std::int64_t i = 0; i < count; ++i) {
    const Norms norms = norms_of(kernel, first + i, depth, count);
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
  } else if (kernel.norm_bits == 32) {  // p.mac waits for lambda, sra, clip
    b.load(norms.kappa);
    b.load(norms.lambda);
    b.work({.instructions = 3 + insert, .load_uses = 1});
  } else {
    // mul, mulhu and two p.mac for the product, sign of the accumulator, four for the sum, three
    // and a test for the shift, clip (counted from the loop as written in PULP-NN; pulp.md 2.3 has
    // 27 to 135 more than with 32 bits for 8 outputs).
    for (int half = 0; half < 2; ++half) b.load(norms.kappa + 4 * half);
    for (int half = 0; half < 2; ++half) b.load(norms.lambda + 4 * half);
    b.work({.instructions = 14 + insert, .multiply_highs = 1, .multiplies = 1});
  }
  if (position % codes == codes - 1) b.store(out, 1);
}

void matmul(CodeBuilder& b, const Kernel& kernel, const Matrix& m) {
  const Step step = step_of(kernel, m.columns);
  const std::int64_t row_bytes = packed(m.columns, kernel.weight_bits);
  const Address weights = constant(kernel.weights + m.piece.begin * row_bytes);
  b.work(kMatmulCall);
  const std::int64_t blocks = m.piece.size() / 4;
  b.loop(blocks, [&](int depth) {
    const Operands op{stepped(weights, depth, 4 * row_bytes), {m.in, m.in2}, 4, row_bytes, 2};
    b.work(kBlockBegin);
    load_bias(b, kernel, m.piece.begin, 4, depth);
    products(b, kernel, op, step);
    left_over(b, kernel, op, step);
    outputs(b, kernel, m, m.piece.begin, 4, depth, 2);
    b.work(kBlockEnd);
  });
  b.loop(m.piece.size() % 4, [&](int depth) {
    const std::int64_t first = m.piece.begin + 4 * blocks;
    const Operands op{stepped(weights + 4 * blocks * row_bytes, depth, row_bytes),
                      {m.in, m.in2},
                      1,
                      row_bytes,
                      2};
    b.work(kChannelBegin);
    load_bias(b, kernel, first, 1, depth);
    products(b, kernel, op, step);
    left_over(b, kernel, op, step);
    outputs(b, kernel, m, first, 1, depth, 2);
    b.work(kChannelEnd);
  });
}

void single_pixel(CodeBuilder& b, const Kernel& kernel, const Matrix& m) {
  const Step step = step_of(kernel, m.columns);
  const std::int64_t row_bytes = packed(m.columns, kernel.weight_bits);
  b.work(kPixelBegin);
  b.loop(m.piece.size(), [&](int depth) {
    const Address weights = constant(kernel.weights + m.piece.begin * row_bytes);
    const Operands op{stepped(weights, depth, row_bytes), {m.in, m.in}, 1, row_bytes, 1};
    b.work(kPixelChannelBegin);
    load_bias(b, kernel, m.piece.begin, 1, depth);
    products(b, kernel, op, step);
    left_over(b, kernel, op, step);
    outputs(b, kernel, m, m.piece.begin, 1, depth, 1);
    b.work(kPixelChannelEnd);
  });
}

CoreCode pointwise_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Pixels mine = pixels(kernel, machine, core);
  const Piece co = channels(kernel, machine, core);
  const std::int64_t pixel_bytes = kernel.stride_x * kernel.in_c;
  const std::int64_t row_bytes = kernel.stride_y * kernel.in_w * kernel.in_c;
  const std::int64_t out_pixel = packed(kernel.out_c, kernel.out_bits);
  b.work(kPointwiseCall);
  if (mine.halves) b.work(kHalves);
  b.loop(mine.rows.size(), [&](int row) {
    b.work(kPointwiseRow);
    const Address in =
        stepped({kernel.in + mine.rows.begin * row_bytes + mine.columns.begin * pixel_bytes, {}},
                row, row_bytes);
    const Address out = stepped(
        {kernel.out + (mine.rows.begin * kernel.out_w + mine.columns.begin) * out_pixel, {}}, row,
        kernel.out_w * out_pixel);
    const std::int64_t pairs = mine.columns.size() / 2;
    b.loop(pairs, [&](int pair) {
      const Address first = stepped(in, pair, 2 * pixel_bytes);
      matmul(b, kernel,
             {first, first + pixel_bytes, stepped(out, pair, 2 * out_pixel), kernel.in_c, co});
    });
    if (mine.columns.size() % 2 != 0) {
      single_pixel(
          b, kernel,
          {in + 2 * pairs * pixel_bytes, {}, out + 2 * pairs * out_pixel, kernel.in_c, co});
    }
  });
  return b.take();
}

// One output at a time, as a pixel of the matrix product (pulp.md 2.4).
CoreCode linear_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece co = channels(kernel, machine, core);
  const Address in = constant(kernel.in);
  b.work(kLinearCall);
  if (kernel.kind == KernelKind::Linear) {
    single_pixel(b, kernel, {in, in, constant(kernel.out), kernel.in_c, co});
    return b.take();
  }
  const std::int64_t row_bytes = packed(kernel.in_c, kernel.weight_bits);
  const Step step = step_of(kernel, kernel.in_c);
  b.work(kPixelBegin);
  b.loop(co.size(), [&](int depth) {
    const Address weights =
        stepped(constant(kernel.weights + co.begin * row_bytes), depth, row_bytes);
    b.work(kPixelChannelBegin);
    load_bias(b, kernel, co.begin, 1, depth);
    products(b, kernel, {weights, {in, in}, 1, row_bytes, 1}, step);
    left_over(b, kernel, {weights, {in, in}, 1, row_bytes, 1}, step);
    b.store(stepped(constant(kernel.out + 4 * co.begin), depth, 4));
    b.work(kPixelChannelEnd);
  });
  return b.take();
}

}  // namespace workbench::pulp
