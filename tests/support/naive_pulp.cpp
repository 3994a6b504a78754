#include "tests/support/naive_pulp.h"

#include <algorithm>
#include <limits>

namespace workbench {

using pulp::Kernel;
using pulp::KernelKind;

namespace {

std::size_t first_byte(const PackedCodes& tensor, std::int64_t run) {
  const std::int64_t run_bytes = (tensor.run_length * tensor.bits + 7) / 8;
  return static_cast<std::size_t>(tensor.address + run * run_bytes);
}

std::int64_t word(const L1Bytes& l1, std::int64_t address, std::int64_t bytes) {
  std::uint64_t value = 0;
  for (std::int64_t i = bytes - 1; i >= 0; --i) {
    value = value * 256 + l1[static_cast<std::size_t>(address + i)];
  }
  return naive_wrap(static_cast<Int128>(value), static_cast<int>(8 * bytes));
}

bool is_depthwise(const Kernel& k) {
  return k.kind == KernelKind::Depthwise3x3s1 || k.kind == KernelKind::DepthwiseGeneric ||
         k.kind == KernelKind::DepthwiseLess4 || k.kind == KernelKind::DepthwisePixels;
}

PackedCodes pixels_in(const Kernel& k) { return {k.in, k.in_c, k.in_bits, k.in_signed}; }
PackedCodes pixels_out(const Kernel& k) { return {k.out, k.out_c, k.out_bits, k.out_signed}; }

std::int64_t clipped(const Kernel& k, std::int64_t value) {
  std::int64_t codes = 1;
  for (std::int64_t bit = 0; bit < k.out_bits; ++bit) codes *= 2;
  const std::int64_t low = k.out_signed ? -codes / 2 : 0;
  return std::max(low, std::min(value, low + codes - 1));
}

std::int64_t of_channel(const L1Bytes& l1, const Kernel& k, std::int64_t c, std::int64_t acc) {
  if (!k.norm) return naive_normalized(acc, k.multiplier, k.offset, k);
  const std::int64_t bytes = k.norm_bits / 8;
  return naive_normalized(acc, word(l1, k.kappa + c * bytes, bytes),
                          word(l1, k.lambda + c * bytes, bytes), k);
}

struct Position {
  std::int64_t y = 0, x = 0;
};
bool inside(const Kernel& k, Position p) {
  return p.y >= 0 && p.y < k.in_h && p.x >= 0 && p.x < k.in_w;
}
Position tap(const Kernel& k, Position out, std::int64_t ky, std::int64_t kx) {
  return {out.y * k.stride_y - k.pad_top + ky * k.dilation_y,
          out.x * k.stride_x - k.pad_left + kx * k.dilation_x};
}

// Where the result goes on from.
std::int64_t partial_sum(const L1Bytes& l1, const Kernel& k, Position out, std::int64_t c) {
  if (!k.sums_in) return 0;
  return word(l1, k.bias + 4 * ((out.y * k.out_w + out.x) * k.out_c + c), 4);
}

std::int64_t sum_of_products(const L1Bytes& l1, const Kernel& k, Position out, std::int64_t c) {
  const bool dw = is_depthwise(k);
  const std::int64_t channels = dw ? 1 : k.in_c;
  const PackedCodes weights{k.weights, k.kernel_h * k.kernel_w * channels, k.weight_bits, true};
  const bool by_planes = dw && k.kind != KernelKind::DepthwisePixels;
  const PackedCodes planes{k.in, k.in_h * k.in_w, k.in_bits, k.in_signed};
  std::int64_t sum = k.has_bias ? word(l1, k.bias + 4 * c, 4) : partial_sum(l1, k, out, c);
  for (std::int64_t ky = 0; ky < k.kernel_h; ++ky) {
    for (std::int64_t kx = 0; kx < k.kernel_w; ++kx) {
      const Position p = tap(k, out, ky, kx);
      if (!inside(k, p)) continue;
      const std::int64_t pixel = p.y * k.in_w + p.x;
      for (std::int64_t i = 0; i < channels; ++i) {
        const std::int64_t x = by_planes ? naive_code(l1, planes, c, pixel)
                                         : naive_code(l1, pixels_in(k), pixel, dw ? c : i);
        sum += x * naive_code(l1, weights, c, (ky * k.kernel_w + kx) * channels + i);
      }
    }
  }
  return naive_wrap(sum, 32);
}

std::int64_t operand(const Kernel& k, std::int64_t code, std::int64_t multiplier,
                     std::int64_t offset, std::int64_t shift) {
  const std::int64_t value = naive_shift(naive_wrap(code * multiplier + offset, 32), shift);
  return k.clip_operands ? clipped(k, value) : value;
}

std::int64_t addition(const L1Bytes& l1, const Kernel& k, std::int64_t pixel, std::int64_t c) {
  const PackedCodes second{k.in2, k.in_c, k.in_bits, k.in2_signed};
  const std::int64_t sum =
      operand(k, naive_code(l1, pixels_in(k), pixel, c), k.multiplier1, k.offset1, k.shift1) +
      operand(k, naive_code(l1, second, pixel, c), k.multiplier2, k.offset2, k.shift2);
  return naive_normalized(naive_wrap(sum, 32), k.multiplier, k.offset, k);
}

std::int64_t window_sum(const L1Bytes& l1, const Kernel& k, Position out, std::int64_t c) {
  std::int64_t sum = partial_sum(l1, k, out, c);
  for (std::int64_t ky = 0; ky < k.kernel_h; ++ky) {
    for (std::int64_t kx = 0; kx < k.kernel_w; ++kx) {
      const Position p = tap(k, out, ky, kx);
      if (inside(k, p)) sum += naive_code(l1, pixels_in(k), p.y * k.in_w + p.x, c);
    }
  }
  return sum;
}

std::int64_t average(const L1Bytes& l1, const Kernel& k, Position out, std::int64_t c) {
  const std::int64_t sum = window_sum(l1, k, out, c);
  const auto residue = [](std::int64_t value) { return value & 0xffffffff; };
  if (k.in_signed) {
    const std::int64_t quotient = naive_wrap(sum * k.multiplier, 32) / k.divisor;
    return clipped(k, naive_shift(naive_wrap(quotient + k.offset, 32), k.shift));
  }
  const std::int64_t quotient = residue(sum * k.multiplier) / k.divisor;
  return clipped(k, naive_wrap(naive_shift(residue(quotient + k.offset), k.shift), 32));
}

std::int64_t window_maximum(const L1Bytes& l1, const Kernel& k, Position out, std::int64_t c) {
  std::int64_t best = std::numeric_limits<std::int64_t>::min();
  for (std::int64_t ky = 0; ky < k.kernel_h; ++ky) {
    for (std::int64_t kx = 0; kx < k.kernel_w; ++kx) {
      const Position p = tap(k, out, ky, kx);
      if (inside(k, p)) best = std::max(best, naive_code(l1, pixels_in(k), p.y * k.in_w + p.x, c));
    }
  }
  return best;
}

std::int64_t result(const L1Bytes& l1, const Kernel& k, Position out, std::int64_t c) {
  const std::int64_t pixel = out.y * k.out_w + out.x;
  switch (k.kind) {
    case KernelKind::Add:
      return addition(l1, k, pixel, c);
    case KernelKind::AveragePool:
    case KernelKind::AveragePoolCo:
      return average(l1, k, out, c);
    case KernelKind::MaxPoolDirect:
      return window_maximum(l1, k, out, c);
    case KernelKind::Requantize:
      return of_channel(l1, k, c, naive_code(l1, pixels_in(k), pixel, c));
    default:
      return of_channel(l1, k, c, sum_of_products(l1, k, out, c));
  }
}

// The library's two passes over one channel (docs/facts/pulp.md 2.4): along x into the input, then
// along y.
void maxima_along_x(const Kernel& k, L1Bytes& l1, std::int64_t y, std::int64_t c) {
  const PackedCodes in = pixels_in(k);
  for (std::int64_t x = 0; x < k.out_w; ++x) {
    const std::int64_t left = x * k.stride_x - k.pad_left;
    const std::int64_t first = left < 0 ? x : left;
    naive_put(l1, in, y * k.in_w + x, c, naive_code(l1, in, y * k.in_w + first, c));
    for (std::int64_t at = first; at < std::min(left + k.kernel_w, k.in_w); ++at) {
      const std::int64_t best = naive_code(l1, in, y * k.in_w + x, c);
      const std::int64_t code = naive_code(l1, in, y * k.in_w + at, c);
      naive_put(l1, in, y * k.in_w + x, c, std::max(best, code));
    }
  }
}

void maxima_along_y(const Kernel& k, L1Bytes& l1, std::int64_t x, std::int64_t c) {
  for (std::int64_t y = 0; y < k.out_h; ++y) {
    const std::int64_t top = y * k.stride_y - k.pad_top;
    std::int64_t best = std::numeric_limits<std::int64_t>::min();
    for (std::int64_t at = std::max<std::int64_t>(top, 0); at < std::min(top + k.kernel_h, k.in_h);
         ++at) {
      best = std::max(best, naive_code(l1, pixels_in(k), at * k.in_w + x, c));
    }
    naive_put(l1, pixels_out(k), y * k.out_w + x, c, best);
  }
}

// Bits behind the last code of every run become 0.
void clear_rest(L1Bytes& l1, const PackedCodes& tensor, std::int64_t runs) {
  const std::int64_t whole = (tensor.run_length * tensor.bits + 7) / 8 * 8 / tensor.bits;
  for (std::int64_t run = 0; run < runs; ++run) {
    for (std::int64_t i = tensor.run_length; i < whole; ++i) naive_put(l1, tensor, run, i, 0);
  }
}

L1Bytes max_pool(const Kernel& k, L1Bytes l1) {
  for (std::int64_t c = 0; c < k.in_c; ++c) {
    for (std::int64_t y = 0; y < k.in_h; ++y) maxima_along_x(k, l1, y, c);
  }
  for (std::int64_t c = 0; c < k.in_c; ++c) {
    for (std::int64_t x = 0; x < k.out_w; ++x) maxima_along_y(k, l1, x, c);
  }
  clear_rest(l1, pixels_in(k), k.in_h * k.in_w);
  clear_rest(l1, pixels_out(k), k.out_h * k.out_w);
  return l1;
}

L1Bytes accumulators(const Kernel& k, L1Bytes l1) {
  const bool pool = k.kind == KernelKind::AveragePool || k.kind == KernelKind::AveragePoolCo;
  for (std::int64_t at = 0; at < k.out_h * k.out_w * k.out_c; ++at) {
    const std::int64_t pixel = at / k.out_c, c = at % k.out_c;
    const Position out{pixel / k.out_w, pixel % k.out_w};
    const auto sum = static_cast<std::uint64_t>(pool ? window_sum(l1, k, out, c)
                                                     : sum_of_products(l1, k, out, c));
    for (std::int64_t i = 0; i < 4; ++i) {
      l1[static_cast<std::size_t>(k.out + 4 * at + i)] = static_cast<std::uint8_t>(sum >> (8 * i));
    }
  }
  return l1;
}

}  // namespace

std::int64_t naive_code(const L1Bytes& l1, const PackedCodes& tensor, std::int64_t run,
                        std::int64_t index) {
  std::int64_t code = 0, weight = 1;
  for (std::int64_t bit = index * tensor.bits; bit < (index + 1) * tensor.bits; ++bit) {
    const unsigned byte = l1[first_byte(tensor, run) + static_cast<std::size_t>(bit / 8)];
    code += (byte >> (bit % 8) & 1) != 0 ? weight : 0;
    weight *= 2;
  }
  return tensor.is_signed && code >= weight / 2 ? code - weight : code;
}

void naive_put(L1Bytes& l1, const PackedCodes& tensor, std::int64_t run, std::int64_t index,
               std::int64_t code) {
  for (std::int64_t bit = 0; bit < tensor.bits; ++bit) {
    const std::int64_t at = index * tensor.bits + bit;
    std::uint8_t& byte = l1[first_byte(tensor, run) + static_cast<std::size_t>(at / 8)];
    const unsigned mask = 1U << (at % 8);
    const bool one = (code >> bit & 1) != 0;
    byte = static_cast<std::uint8_t>(one ? byte | mask : byte & ~mask);
  }
}

std::int64_t naive_wrap(Int128 value, int bits) {
  const Int128 modulus = static_cast<Int128>(1) << bits;
  Int128 rest = value % modulus;
  if (rest < 0) rest += modulus;
  return static_cast<std::int64_t>(rest >= modulus / 2 ? rest - modulus : rest);
}

std::int64_t naive_shift(std::int64_t value, std::int64_t shift) {
  const Int128 divisor = static_cast<Int128>(1) << shift;
  const Int128 quotient = value / divisor;
  return static_cast<std::int64_t>(quotient * divisor > value ? quotient - 1 : quotient);
}

std::int64_t naive_normalized(std::int64_t accumulator, std::int64_t kappa, std::int64_t lambda,
                              const Kernel& kernel) {
  if (kernel.norm && kernel.clamped) {
    const std::int64_t low = naive_shift(kappa, 32), high = naive_shift(lambda, 32);
    accumulator = std::min(std::max(accumulator, low), high);
    Kernel narrow = kernel;
    narrow.clamped = false, narrow.norm_bits = 32;
    return naive_normalized(accumulator, naive_wrap(kappa, 32), naive_wrap(lambda, 32), narrow);
  }
  const int bits = kernel.norm && kernel.norm_bits == 64 ? 64 : 32;
  const Int128 exact = static_cast<Int128>(kappa) * accumulator + lambda;
  const std::int64_t shifted = naive_shift(naive_wrap(exact, bits), kernel.shift);
  return clipped(kernel, naive_wrap(shifted, 32));
}

L1Bytes naive_kernel(const Kernel& k, L1Bytes l1) {
  if (k.kind == KernelKind::MaxPool) return max_pool(k, std::move(l1));
  const bool quads = k.kind >= KernelKind::ConvHoQuads && k.kind <= KernelKind::PointwiseCoQuads;
  const bool extended = k.kind >= KernelKind::ConvHoPacked;  // matrix products, all of them
  const bool products = (k.kind < KernelKind::Linear32 || quads || extended) && k.out_bits == 32;
  const bool words = k.kind == KernelKind::Linear32 || k.kind == KernelKind::Linear32Packed ||
                     k.kind == KernelKind::Linear32MacLoad;
  if (words || k.sums_out || products) return accumulators(k, std::move(l1));
  const L1Bytes before = l1;
  clear_rest(l1, pixels_out(k), k.out_h * k.out_w);
  for (std::int64_t y = 0; y < k.out_h; ++y) {
    for (std::int64_t x = 0; x < k.out_w; ++x) {
      for (std::int64_t c = 0; c < k.out_c; ++c) {
        naive_put(l1, pixels_out(k), y * k.out_w + x, c, result(before, k, {y, x}, c));
      }
    }
  }
  return l1;
}

L1Bytes naive_window_maxima(const Kernel& k, L1Bytes l1) {
  const L1Bytes before = l1;
  for (std::int64_t pixel = 0; pixel < k.out_h * k.out_w; ++pixel) {
    for (std::int64_t c = 0; c < k.out_c; ++c) {
      const Position out{pixel / k.out_w, pixel % k.out_w};
      naive_put(l1, pixels_out(k), pixel, c, window_maximum(before, k, out, c));
    }
  }
  return l1;
}

void naive_copy(const pulp::Dma& dma, L1Bytes& l2, L1Bytes& l1) {
  for (std::int64_t i = 0; i < dma.bytes(); ++i) {
    const std::int64_t byte = i % dma.length, line = i / dma.length % dma.lines;
    const std::int64_t row = i / dma.length / dma.lines % dma.rows;
    const std::int64_t plane = i / dma.length / dma.lines / dma.rows;
    const auto in_l2 =
        static_cast<std::size_t>(dma.l2 + byte + line * dma.l2_line_stride +
                                 row * dma.l2_row_stride + plane * dma.l2_plane_stride);
    const auto in_l1 =
        static_cast<std::size_t>(dma.l1 + byte + line * dma.l1_line_stride +
                                 row * dma.l1_row_stride + plane * dma.l1_plane_stride);
    if (dma.to_l1) {
      l1[in_l1] = l2[in_l2];
    } else {
      l2[in_l2] = l1[in_l1];
    }
  }
}

}  // namespace workbench
