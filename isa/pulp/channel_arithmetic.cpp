#include "isa/pulp/channel_arithmetic.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/semantics.h"

namespace workbench::pulp {

namespace {

// As the cores' 32-bit registers hold them: product and sum wrap, the shift is arithmetic. The
// upper bits of what does not fit are lost (C++20: conversions are modulo 2^n).
std::int32_t scaled(std::int32_t accumulator, std::int32_t kappa, std::int32_t lambda, int shift) {
  const std::uint32_t product =
      static_cast<std::uint32_t>(kappa) * static_cast<std::uint32_t>(accumulator);
  return static_cast<std::int32_t>(product + static_cast<std::uint32_t>(lambda)) >> shift;
}

// As the 64-bit library: only what is clipped has 32 bits again.
std::int32_t wide_scaled(std::int32_t accumulator, std::int64_t kappa, std::int64_t lambda,
                         int shift) {
  const std::uint64_t product =
      static_cast<std::uint64_t>(kappa) * static_cast<std::uint64_t>(std::int64_t{accumulator});
  return static_cast<std::int32_t>(
      static_cast<std::int64_t>(product + static_cast<std::uint64_t>(lambda)) >> shift);
}

std::int32_t clipped(std::int32_t value, CodeRange range) {
  const std::int32_t above = value > range.low ? value : range.low;
  return above < range.high ? above : range.high;
}

bool computes_wide(const Kernel& kernel) {
  CHECK(kernel.norm_bits == 32 || kernel.norm_bits == 64, "norm_bits {}", kernel.norm_bits);
  return kernel.norm && kernel.norm_bits == 64;
}

}  // namespace

CodeRange result_range(const Kernel& kernel) {
  if (kernel.kind == KernelKind::Linear32) return {INT32_MIN, INT32_MAX};
  const std::int32_t codes = 1 << kernel.out_bits;
  return kernel.out_signed ? CodeRange{-codes / 2, codes / 2 - 1} : CodeRange{0, codes - 1};
}

std::int64_t normalized(std::int32_t accumulator, std::int64_t kappa, std::int64_t lambda,
                        const Kernel& kernel) {
  const auto shift = static_cast<int>(kernel.shift);
  const CodeRange range = result_range(kernel);
  if (computes_wide(kernel)) return clipped(wide_scaled(accumulator, kappa, lambda, shift), range);
  return clipped(scaled(accumulator, static_cast<std::int32_t>(kappa),
                        static_cast<std::int32_t>(lambda), shift),
                 range);
}

ChannelArithmetic::ChannelArithmetic(const Kernel& kernel, const Bytes8& l1)
    : wide_(computes_wide(kernel)),
      shift_(static_cast<int>(kernel.shift)),
      range_(result_range(kernel)) {
  CHECK(kernel.shift >= 0 && kernel.shift < (wide_ ? 64 : 32), "shift {}", kernel.shift);
  const std::int64_t padded = round_up(kernel.out_c, kTileColumns);
  starts_ = words_at(l1, kernel.bias, kernel.has_bias ? kernel.out_c : 0, padded);
  if (wide_) {
    wide_kappa_ = double_words_at(l1, kernel.kappa, kernel.out_c, padded);
    wide_lambda_ = double_words_at(l1, kernel.lambda, kernel.out_c, padded);
  } else if (kernel.norm) {
    kappa_ = words_at(l1, kernel.kappa, kernel.out_c, padded);
    lambda_ = words_at(l1, kernel.lambda, kernel.out_c, padded);
  } else {
    kappa_.assign(static_cast<std::size_t>(padded), static_cast<std::int32_t>(kernel.multiplier));
    lambda_.assign(static_cast<std::size_t>(padded), static_cast<std::int32_t>(kernel.offset));
  }
}

// Fixed numbers of lanes, own copies of what all lanes share and a loop of its own for the
// narrowing make vector code of this.
void ChannelArithmetic::finish(const TileRow& sums, std::int64_t block, std::uint8_t* codes) const {
  const int shift = shift_;
  const CodeRange range = range_;
  TileRow clamped{};
  if (wide_) {
    const std::int64_t* kappa = wide_kappa_.data() + block * kTileColumns;
    const std::int64_t* lambda = wide_lambda_.data() + block * kTileColumns;
    for (std::size_t c = 0; c < sums.size(); ++c) {
      clamped[c] = clipped(wide_scaled(sums[c], kappa[c], lambda[c], shift), range);
    }
  } else {
    const std::int32_t* kappa = kappa_.data() + block * kTileColumns;
    const std::int32_t* lambda = lambda_.data() + block * kTileColumns;
    for (std::size_t c = 0; c < sums.size(); ++c) {
      clamped[c] = clipped(scaled(sums[c], kappa[c], lambda[c], shift), range);
    }
  }
  for (std::size_t c = 0; c < sums.size(); ++c) codes[c] = static_cast<std::uint8_t>(clamped[c]);
}

}  // namespace workbench::pulp
