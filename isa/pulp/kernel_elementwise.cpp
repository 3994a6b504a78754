// Kernels that take code by code: additions and requantizations.
#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.h"
#include "isa/pulp/channel_arithmetic.h"
#include "isa/pulp/kernel_semantics.h"

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

}  // namespace

void add(const Kernel& kernel, Bytes8& l1) {
  const CodeLayout result = activations(kernel, kernel.out_bits, kernel.out_signed);
  const SourceCodes first(l1, kernel.in, activations(kernel, kernel.in_bits, kernel.in_signed));
  const SourceCodes second(l1, kernel.in2, activations(kernel, kernel.in_bits, kernel.in2_signed));
  ResultCodes out(l1, kernel.out, result);
  const CodeRange codes = result_range(kernel);
  const CodeRange operands = kernel.clip_operands ? codes : CodeRange{INT32_MIN, INT32_MAX};
  const Map map1(kernel.multiplier1, kernel.offset1, kernel.shift1, operands);
  const Map map2(kernel.multiplier2, kernel.offset2, kernel.shift2, operands);
  const Map map(kernel.multiplier, kernel.offset, kernel.shift, codes);
  const bool signed1 = kernel.in_signed, signed2 = kernel.in2_signed;
  const std::uint8_t *a = first.data(), *b = second.data();
  std::uint8_t* to = out.data();
  for (std::int64_t i = 0; i < result.codes(); ++i) {
    const std::int32_t sum =
        wrapping_sum(map1(value_of(a[i], signed1)), map2(value_of(b[i], signed2)));
    to[i] = static_cast<std::uint8_t>(map(sum));
  }
  out.store();
}

void requantize(const Kernel& kernel, Bytes8& l1) {
  const CodeLayout result = activations(kernel, kernel.out_bits, kernel.out_signed);
  const SourceCodes in(l1, kernel.in, activations(kernel, kernel.in_bits, kernel.in_signed));
  const ChannelArithmetic arithmetic(kernel, l1);
  ResultCodes out(l1, kernel.out, result);
  std::array<std::uint8_t, kTileColumns> codes{};
  for (std::int64_t pixel = 0; pixel < result.runs; ++pixel) {
    for (std::int64_t c = 0; c < result.length; c += kTileColumns) {
      const std::int64_t count = std::min(kTileColumns, result.length - c);
      const std::int64_t at = pixel * result.length + c;
      TileRow values{};
      for (std::int64_t lane = 0; lane < count; ++lane) {
        values[static_cast<std::size_t>(lane)] = value_of(in.data()[at + lane], kernel.in_signed);
      }
      arithmetic.finish(values, c / kTileColumns, codes.data());
      std::memcpy(out.data() + at, codes.data(), static_cast<std::size_t>(count));
    }
  }
  out.store();
}

}  // namespace workbench::pulp
