// Kernels that take code by code: additions and requantizations.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "core/error.h"
#include "isa/pulp/codes.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

// (value * multiplier + offset) >> shift in 32 bits, then clipped.
struct Map {
  std::uint32_t multiplier = 1, offset = 0;
  int shift = 0;
  CodeRange range;

  Map(std::int64_t by, std::int64_t plus, std::int64_t right, CodeRange to)
      : multiplier(static_cast<std::uint32_t>(by)),
        offset(static_cast<std::uint32_t>(plus)),
        shift(static_cast<int>(right)),
        range(to) {
    CHECK(right >= 0 && right < 32, "shift {}", right);
  }
  std::int32_t operator()(std::int32_t value) const {
    const auto scaled =
        static_cast<std::int32_t>(static_cast<std::uint32_t>(value) * multiplier + offset) >> shift;
    return std::clamp(scaled, range.low, range.high);
  }
};

std::int32_t value_of(std::uint8_t code, bool is_signed) {
  return is_signed ? std::int32_t{static_cast<std::int8_t>(code)} : std::int32_t{code};
}

std::int32_t wrapping_sum(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
}

CodeLayout activations(const Kernel& kernel, std::int64_t bits, bool is_signed) {
  CHECK(kernel.in_c == kernel.out_c && kernel.in_h * kernel.in_w == kernel.out_h * kernel.out_w,
        "another shape");
  return {kernel.out_h * kernel.out_w, kernel.out_c, bits, is_signed};
}

void add(const Kernel& kernel, Bytes8& l1, int /*threads*/) {
  const CodeLayout result = activations(kernel, kernel.out_bits, kernel.out_signed);
  const SourceCodes first(l1, kernel.in, activations(kernel, kernel.in_bits, kernel.in_signed));
  const SourceCodes second(l1, kernel.in2, activations(kernel, kernel.in_bits, kernel.in2_signed));
  const CodeRange codes = result_range(kernel);
  const CodeRange operands = kernel.clip_operands ? codes : CodeRange{INT32_MIN, INT32_MAX};
  const Map map1(kernel.multiplier1, kernel.offset1, kernel.shift1, operands);
  const Map map2(kernel.multiplier2, kernel.offset2, kernel.shift2, operands);
  const Map map(kernel.multiplier, kernel.offset, kernel.shift, codes);
  const bool signed1 = kernel.in_signed, signed2 = kernel.in2_signed;
  const std::uint8_t *a = first.data(), *b = second.data();
  const auto value = [&](std::int64_t i) {
    return map(wrapping_sum(map1(value_of(a[i], signed1)), map2(value_of(b[i], signed2))));
  };
  if (leaves_words(kernel)) {
    std::vector<std::int32_t> words;
    for (std::int64_t i = 0; i < result.codes(); ++i) words.push_back(value(i));
    std::memcpy(bytes_at(l1, kernel.out, output_bytes(kernel)), words.data(), words.size() * 4);
    return;
  }
  ResultCodes out(l1, kernel.out, result);
  std::uint8_t* to = out.data();
  for (std::int64_t i = 0; i < result.codes(); ++i) to[i] = static_cast<std::uint8_t>(value(i));
  out.store();
}

// What a requantization reads, codes or int32.
class SourceValues {
 public:
  SourceValues(const Kernel& kernel, const Bytes8& l1, std::int64_t count)
      : signed_(kernel.in_signed) {
    if (kernel.in_bits == 32) {
      words_ = words_at(l1, kernel.in, count, count);
    } else {
      codes_.emplace(l1, kernel.in, activations(kernel, kernel.in_bits, kernel.in_signed));
    }
  }
  std::int32_t operator[](std::int64_t i) const {
    return codes_ ? value_of(codes_->data()[i], signed_) : words_[static_cast<std::size_t>(i)];
  }

 private:
  bool signed_;
  std::optional<SourceCodes> codes_;
  std::vector<std::int32_t> words_;
};

void requantize_codes(const Kernel& kernel, Bytes8& l1, int /*threads*/) {
  const CodeLayout result = activations(kernel, kernel.out_bits, kernel.out_signed);
  const SourceValues in(kernel, l1, result.codes());
  const ChannelArithmetic arithmetic(kernel, l1);
  ResultCodes out(l1, kernel.out, result);
  std::array<std::uint8_t, kTileColumns> codes{};
  for (std::int64_t pixel = 0; pixel < result.runs; ++pixel) {
    for (std::int64_t c = 0; c < result.length; c += kTileColumns) {
      const std::int64_t count = std::min(kTileColumns, result.length - c);
      const std::int64_t at = pixel * result.length + c;
      TileRow values{};
      for (std::int64_t lane = 0; lane < count; ++lane) {
        values[static_cast<std::size_t>(lane)] = in[at + lane];
      }
      arithmetic.finish(values, c / kTileColumns, codes.data());
      std::memcpy(out.data() + at, codes.data(), static_cast<std::size_t>(count));
    }
  }
  out.store();
}

// Their code (docs/facts/pulp.md 2.4) is not among the tiles measured: instructions are counted
// from the loops as written in PULP-NN, what is around an addition's as executed (nn_add(),
// runtime/pulp/kernels/nn_elementwise.c, gcc 12.2 at -O2).

constexpr Straight kAddCall{
    .instructions = 154, .stack = 60, .load_uses = 4, .taken_branches = 10, .jumps = 8};
constexpr Straight kRequantizeCall{
    .instructions = 124, .stack = 50, .load_uses = 4, .taken_branches = 8, .jumps = 8};
// By kappa and lambda of its channels: a pixel, a code, and that it is an accumulator.
constexpr Straight kNormPixel{.instructions = 24, .stack = 8, .load_uses = 2, .taken_branches = 2};
constexpr Straight kNormCode{
    .instructions = 21, .stack = 2, .load_uses = 1, .taken_branches = 2, .jumps = 2};
constexpr Straight kNormWord{.instructions = 3, .taken_branches = 1};
// multiply-add, shift, clip, as far as they do anything.
std::int64_t affine(std::int64_t multiplier, std::int64_t offset, std::int64_t shift) {
  return (multiplier != 1 || offset != 0 ? 1 : 0) + (shift != 0 ? 1 : 0);
}
// With no offset the multiply-add is a multiply, wanted at once by the shift or the sum.
std::int64_t multiply(std::int64_t multiplier, std::int64_t offset) {
  return multiplier != 1 && offset == 0 ? 1 : 0;
}

// No terms, and no shift but the sum's.
bool is_plain_add(const Kernel& kernel) {
  return !kernel.clip_operands && kernel.multiplier == 1 && kernel.offset == 0 &&
         kernel.offset1 == 0 && kernel.offset2 == 0 && kernel.shift1 == 0 && kernel.shift2 == 0;
}

// Codes of other widths than a byte, word by word of the wider ones: nn_add_run() as executed
// (runtime/pulp/kernels/nn_elementwise.c, gcc 12.2 at -O2). Pixels whose codes do not fill their
// bytes are a run each.
constexpr Straight kRunsCall{
    .instructions = 130, .stack = 60, .load_uses = 2, .taken_branches = 3, .jumps = 3};
constexpr Straight kRun{.instructions = 56, .stack = 36, .load_uses = 2, .jumps = 1};
constexpr Straight kRunWord{
    .instructions = 27, .stack = 11, .load_uses = 3, .taken_branches = 2, .jumps = 1};
constexpr Straight kRunBytes{.instructions = 8, .stack = 6};

CoreCode add_runs_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  CodeBuilder b(machine);
  const Piece rows = rows_of(kernel.in_h, kernel.active_cores(machine.cluster.cores), core, false);
  const std::int64_t pixels = rows.size() * kernel.in_w;
  const std::int64_t pixel = pixel_bytes(kernel), out_pixel = packed(kernel.out_c, kernel.out_bits);
  const bool together =
      kernel.in_c * kernel.in_bits % 8 == 0 && kernel.out_c * kernel.out_bits % 8 == 0;
  const std::int64_t at_once = 32 / std::max(kernel.in_bits, kernel.out_bits);
  const std::int64_t first = rows.begin * kernel.in_w;
  b.work(kRunsCall);
  b.loop(together ? 1 : pixels, [&](int run) {
    const auto operand = [&](std::int64_t base, std::int64_t bytes) {
      return stepped({base + first * bytes, {}}, run, bytes);
    };
    const Address in = operand(kernel.in, pixel), in2 = operand(kernel.in2, pixel);
    const Address out = operand(kernel.out, out_pixel);
    const auto word = [&](std::int64_t done, int depth, std::int64_t codes) {
      const std::int64_t bytes = at_once * kernel.in_bits / 8;
      const std::int64_t out_bytes = at_once * kernel.out_bits / 8;
      b.load(stepped(in + done * bytes, depth, bytes));
      b.load(stepped(in2 + done * bytes, depth, bytes));
      b.work(kRunWord);
      // Two p.extract, mv, p.mac and sra for either operand and the sum, add, two bounds, p.insert,
      // two fields; two bounds for either operand that is clipped.
      b.loop(codes, [&](int) { b.work({.instructions = kernel.clip_operands ? 21 : 17}); });
      const Address to = stepped(out + done * out_bytes, depth, out_bytes);
      const std::int64_t bytes_out = packed(codes, kernel.out_bits);
      if (bytes_out == 4) {
        b.work({.instructions = 2, .jumps = 1});
        return b.store(to);
      }
      b.work(kRunBytes);
      b.loop(bytes_out, [&](int byte) {
        b.store(stepped(to, byte, 1), 1);
        b.work({.instructions = 3, .taken_branches = 1});
      });
    };
    const std::int64_t codes = (together ? pixels : 1) * kernel.out_c;
    b.work(kRun);
    b.loop(codes / at_once, [&](int depth) { word(0, depth, at_once); });
    if (codes % at_once != 0)
      b.loop(1, [&](int depth) { word(codes / at_once, depth, codes % at_once); });
  });
  return b.take();
}

// Rows over cores, one element at a time: about 11 instructions in the library's own form
// (docs/facts/pulp.md 2.4), of which two narrow the sum and the result to 16 and 8 bits.
CoreCode add_code(const Kernel& kernel, const Machine& machine, std::int64_t core) {
  if (kernel.out_bits != 32 && (kernel.in_bits != 8 || kernel.out_bits != 8)) {
    return add_runs_code(kernel, machine, core);
  }
  CodeBuilder b(machine);
  const Piece rows = rows_of(kernel.in_h, kernel.active_cores(machine.cluster.cores), core, false);
  const std::int64_t row_bytes = kernel.in_w * pixel_bytes(kernel);
  const std::int64_t out_bytes = kernel.in_w * packed(kernel.out_c, kernel.out_bits);
  const std::int64_t sub_byte = kernel.in_bits < 8 ? 2 : 0;
  const std::int64_t clips = kernel.clip_operands ? 2 : 0;
  // The library's: its sum is cut to 16 bits, its result to 8. Ours, for other terms and signs, has
  // a move, p.mac and sra for each operand and the sum, where there are any; else mul, p.mac, sra
  // (runtime/pulp/kernels/nn_elementwise.c).
  const bool is_plain = is_plain_add(kernel);
  const bool is_signed = kernel.in_signed && kernel.in2_signed && kernel.out_signed;
  const bool is_library = !kernel.in_signed && !kernel.in2_signed && !kernel.out_signed && is_plain;
  std::int64_t instructions = is_plain && is_signed ? 4 : 11 + clips;
  if (is_library || kernel.in_bits != 8 || kernel.out_bits != 8) {
    instructions = affine(kernel.multiplier1, kernel.offset1, kernel.shift1) +
                   affine(kernel.multiplier2, kernel.offset2, kernel.shift2) +
                   affine(kernel.multiplier, kernel.offset, kernel.shift) + clips + sub_byte + 4 +
                   (kernel.out_bits < 8 ? 1 : 0);
  }
  const std::int64_t multiplies = multiply(kernel.multiplier1, kernel.offset1) +
                                  multiply(kernel.multiplier2, kernel.offset2) +
                                  multiply(kernel.multiplier, kernel.offset);
  b.work(kAddCall);
  b.loop(rows.size() * kernel.in_w * kernel.in_c, [&](int element) {
    b.load(stepped({kernel.in + rows.begin * row_bytes, {}}, element, kernel.in_bits / 8), 1);
    b.load(stepped({kernel.in2 + rows.begin * row_bytes, {}}, element, kernel.in_bits / 8), 1);
    b.work({.instructions = instructions,
            .load_uses = is_library ? 1 : 0,
            .multiplies = is_library ? multiplies : 0,
            .multiply_uses = is_library ? multiplies : 0});
    b.store(stepped({kernel.out + rows.begin * out_bytes, {}}, element, kernel.out_bits / 8),
            kernel.out_bits == 32 ? 4 : 1);
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
  b.work(kRequantizeCall);
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
    if (kernel.norm) b.work(kNormPixel);
    b.loop(kernel.in_c, [&](int channel) {
      b.load(stepped(stepped(in, place, pixel), channel, kernel.in_bits / 8),
             kernel.in_bits == 32 ? 4 : 1);
      b.work({.instructions = kernel.in_bits < 8 ? 1 : 0, .load_uses = kernel.norm ? 0 : 1});
      if (kernel.norm) b.work(kNormCode);
      if (kernel.norm && kernel.in_bits == 32) b.work(kNormWord);
      const std::int64_t size = kernel.norm_bits / 8;
      requantize(b, kernel,
                 {stepped(norms.kappa, channel, size), stepped(norms.lambda, channel, size)},
                 stepped(stepped(out, place, out_pixel), channel, kernel.out_bits / 8),
                 8 / kernel.out_bits - 1);
    });
  });
  return b.take();
}

constexpr std::array kAdd{KernelTraits{.kind = KernelKind::Add,
                                       .name = "add",
                                       .family = Family::Add,
                                       .operands = 2,
                                       .wide_out = true,
                                       .window = false,
                                       .in_place = true,
                                       .limit = channels_limit,
                                       .execute = add,
                                       .code = {add_code}}};

constexpr std::array kRequantize{KernelTraits{.kind = KernelKind::Requantize,
                                              .name = "requantize",
                                              .family = Family::Requantize,
                                              .norm = true,
                                              .wide_in = true,
                                              .window = false,
                                              .in_place = true,
                                              .limit = channels_limit,
                                              .execute = requantize_codes,
                                              .code = {requantize_code}}};

}  // namespace

std::span<const KernelTraits> add_kernels() { return kAdd; }
std::span<const KernelTraits> requantize_kernels() { return kRequantize; }

}  // namespace workbench::pulp
