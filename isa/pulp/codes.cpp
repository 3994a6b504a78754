#include "isa/pulp/codes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

static_assert(std::endian::native == std::endian::little, "words are copied as they lie");

namespace {

void check_range(const Bytes8& l1, std::int64_t address, std::int64_t bytes) {
  const auto size = static_cast<std::int64_t>(l1.size());
  CHECK(address >= 0 && bytes >= 0 && address <= size && bytes <= size - address,
        "{} bytes at {} of {}", bytes, address, size);
}

template <typename Word>
std::vector<Word> read_words(const Bytes8& l1, std::int64_t address, std::int64_t count,
                             std::int64_t padded) {
  std::vector<Word> words(static_cast<std::size_t>(padded), 0);
  const std::int64_t bytes = count * static_cast<std::int64_t>(sizeof(Word));
  if (bytes > 0) {
    std::memcpy(words.data(), bytes_at(l1, address, bytes), static_cast<std::size_t>(bytes));
  }
  return words;
}

}  // namespace

const std::uint8_t* bytes_at(const Bytes8& l1, std::int64_t address, std::int64_t bytes) {
  check_range(l1, address, bytes);
  return l1.data() + address;
}

std::uint8_t* bytes_at(Bytes8& l1, std::int64_t address, std::int64_t bytes) {
  check_range(l1, address, bytes);
  return l1.data() + address;
}

SourceCodes::SourceCodes(const Bytes8& l1, std::int64_t address, const CodeLayout& layout)
    : codes_(bytes_at(l1, address, layout.bytes())) {
  if (layout.bits == 8) return;
  CHECK(layout.bits == 4 || layout.bits == 2, "{} bit codes", layout.bits);
  unpacked_.resize(static_cast<std::size_t>(layout.codes()));
  const unsigned bits = static_cast<unsigned>(layout.bits), per_byte = 8 / bits;
  const unsigned sign = layout.is_signed ? 1U << (bits - 1) : 0U, mask = (1U << bits) - 1;
  std::uint8_t* to = unpacked_.data();
  for (std::int64_t run = 0; run < layout.runs; ++run) {
    const std::uint8_t* from = codes_ + run * layout.run_bytes();
    for (std::int64_t i = 0; i < layout.length; ++i) {
      const auto at = static_cast<unsigned>(i % per_byte);
      const unsigned code = from[i / per_byte] >> (at * bits) & mask;
      *to++ = static_cast<std::uint8_t>((code ^ sign) - sign);
    }
  }
  codes_ = unpacked_.data();
}

ResultCodes::ResultCodes(Bytes8& l1, std::int64_t address, const CodeLayout& layout)
    : layout_(layout), packed_(bytes_at(l1, address, layout.bytes())), codes_(packed_) {
  if (layout.bits == 8) return;
  CHECK(layout.bits == 4 || layout.bits == 2, "{} bit codes", layout.bits);
  unpacked_.resize(static_cast<std::size_t>(layout.codes()));
  codes_ = unpacked_.data();
}

void ResultCodes::store() {
  if (layout_.bits == 8) return;
  const unsigned bits = static_cast<unsigned>(layout_.bits), per_byte = 8 / bits;
  const unsigned mask = (1U << bits) - 1;
  std::memset(packed_, 0, static_cast<std::size_t>(layout_.bytes()));
  const std::uint8_t* from = unpacked_.data();
  for (std::int64_t run = 0; run < layout_.runs; ++run) {
    std::uint8_t* to = packed_ + run * layout_.run_bytes();
    for (std::int64_t i = 0; i < layout_.length; ++i) {
      const auto at = static_cast<unsigned>(i % per_byte);
      to[i / per_byte] =
          static_cast<std::uint8_t>(to[i / per_byte] | (*from++ & mask) << (at * bits));
    }
  }
}

std::vector<std::int32_t> words_at(const Bytes8& l1, std::int64_t address, std::int64_t count,
                                   std::int64_t padded) {
  return read_words<std::int32_t>(l1, address, count, padded);
}

std::vector<std::int64_t> double_words_at(const Bytes8& l1, std::int64_t address,
                                          std::int64_t count, std::int64_t padded) {
  return read_words<std::int64_t>(l1, address, count, padded);
}

namespace {

// As the cores' 32-bit registers hold them: product and sum wrap, the shift is arithmetic. The
// upper bits of what does not fit are lost (C++20: conversions are modulo 2^n).
std::int32_t scaled(std::int32_t accumulator, std::int32_t kappa, std::int32_t lambda, int shift) {
  const std::uint32_t product =
      static_cast<std::uint32_t>(kappa) * static_cast<std::uint32_t>(accumulator);
  return static_cast<std::int32_t>(product + static_cast<std::uint32_t>(lambda)) >> shift;
}

// As the 64-bit library: cut to 32 bits before the clip.
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

bool clamps(const Kernel& kernel) { return kernel.norm && kernel.clamped; }

// Of a pair of words.
std::int32_t lower(std::int64_t pair) { return static_cast<std::int32_t>(pair); }
std::int32_t upper(std::int64_t pair) { return static_cast<std::int32_t>(pair >> 32); }

std::vector<std::int32_t> words(const std::vector<std::int64_t>& pairs,
                                std::int32_t (*part)(std::int64_t)) {
  std::vector<std::int32_t> result(pairs.size());
  std::transform(pairs.begin(), pairs.end(), result.begin(), part);
  return result;
}

}  // namespace

CodeRange result_range(const Kernel& kernel) {
  if (leaves_words(kernel)) return {INT32_MIN, INT32_MAX};
  const std::int32_t codes = 1 << kernel.out_bits;
  return kernel.out_signed ? CodeRange{-codes / 2, codes / 2 - 1} : CodeRange{0, codes - 1};
}

std::int64_t normalized(std::int32_t accumulator, std::int64_t kappa, std::int64_t lambda,
                        const Kernel& kernel) {
  const auto shift = static_cast<int>(kernel.shift);
  const CodeRange range = result_range(kernel);
  if (is_wide(kernel)) return clipped(wide_scaled(accumulator, kappa, lambda, shift), range);
  if (clamps(kernel)) {
    accumulator = clipped(accumulator, {upper(kappa), upper(lambda)});
  }
  return clipped(scaled(accumulator, static_cast<std::int32_t>(kappa),
                        static_cast<std::int32_t>(lambda), shift),
                 range);
}

ChannelArithmetic::ChannelArithmetic(const Kernel& kernel, const Bytes8& l1)
    : wide_(is_wide(kernel)),
      clamped_(clamps(kernel)),
      shift_(static_cast<int>(kernel.shift)),
      range_(result_range(kernel)) {
  CHECK(kernel.norm_bits == 32 || kernel.norm_bits == 64, "norm_bits {}", kernel.norm_bits);
  CHECK(kernel.shift >= 0 && kernel.shift < (wide_ ? 64 : 32), "shift {}", kernel.shift);
  const std::int64_t padded = round_up(kernel.out_c, kTileColumns);
  starts_ = words_at(l1, kernel.bias, kernel.has_bias ? kernel.out_c : 0, padded);
  if (clamped_) {
    const auto kappas = double_words_at(l1, kernel.kappa, kernel.out_c, padded);
    const auto lambdas = double_words_at(l1, kernel.lambda, kernel.out_c, padded);
    kappa_ = words(kappas, lower), low_ = words(kappas, upper);
    lambda_ = words(lambdas, lower), high_ = words(lambdas, upper);
  } else if (wide_) {
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
    if (clamped_) {
      const std::int32_t* low = low_.data() + block * kTileColumns;
      const std::int32_t* high = high_.data() + block * kTileColumns;
      for (std::size_t c = 0; c < sums.size(); ++c) {
        const std::int32_t bounded = clipped(sums[c], {low[c], high[c]});
        clamped[c] = clipped(scaled(bounded, kappa[c], lambda[c], shift), range);
      }
    } else {
      for (std::size_t c = 0; c < sums.size(); ++c) {
        clamped[c] = clipped(scaled(sums[c], kappa[c], lambda[c], shift), range);
      }
    }
  }
  for (std::size_t c = 0; c < sums.size(); ++c) codes[c] = static_cast<std::uint8_t>(clamped[c]);
}

}  // namespace workbench::pulp
