#include "isa/int8_matrix.h"

#include <immintrin.h>

#include <cstring>

#include "core/error.h"
#include "core/units.h"
#include "core/vectors.h"

namespace workbench {

PackedMatrix::PackedMatrix(std::int64_t rows, std::int64_t width)
    : depth(rows),
      columns(width),
      codes(static_cast<std::size_t>(rows * blocks() * kTileColumns), 0),
      offsets(static_cast<std::size_t>(blocks() * kTileColumns), 0) {
  CHECK(depth % kDotLength == 0, "depth {}", depth);
}

std::int64_t PackedMatrix::blocks() const { return ceil_div(columns, kTileColumns); }

void PackedMatrix::set_offsets() {
  const std::int8_t* code = codes.data();
  for (std::int64_t block = 0; block < blocks(); ++block) {
    std::array<std::int32_t, kTileColumns> sums{};
    for (std::int64_t k = 0; k < depth; k += kDotLength) {
      for (std::size_t lane = 0; lane < sums.size(); ++lane) {
        sums[lane] += code[lane * 4] + code[lane * 4 + 1] + code[lane * 4 + 2] + code[lane * 4 + 3];
      }
      code += kTileColumns * kDotLength;
    }
    std::int32_t* to = offsets.data() + block * kTileColumns;
    for (std::size_t lane = 0; lane < sums.size(); ++lane) to[lane] = -128 * sums[lane];
  }
}

namespace {

// What follows are three ways to the same sums. Partial sums may wrap around: a whole sum that fits
// comes out right.

std::int32_t four_codes(const std::uint8_t* a) {
  std::int32_t four = 0;
  std::memcpy(&four, a, sizeof four);
  return four;
}

[[gnu::target("avx512f,avx512vnni")]] void multiply_avx512(const std::uint8_t* a,
                                                           const PackedMatrix& b,
                                                           std::int64_t block, Tile& result) {
  const std::int8_t* code = b.codes.data() + block * b.depth * kTileColumns;
  const std::int32_t* offset = b.offsets.data() + block * kTileColumns;
  __m512i low[kTileRows], high[kTileRows];
  for (std::int64_t r = 0; r < kTileRows; ++r) {
    low[r] = _mm512_loadu_si512(offset);
    high[r] = _mm512_loadu_si512(offset + 16);
  }
  for (std::int64_t k = 0; k < b.depth; k += kDotLength) {
    const __m512i left = _mm512_loadu_si512(code), right = _mm512_loadu_si512(code + 64);
    code += kTileColumns * kDotLength;
#pragma GCC unroll 7
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      const __m512i x = _mm512_set1_epi32(four_codes(a + r * b.depth + k));
      low[r] = _mm512_dpbusd_epi32(low[r], x, left);
      high[r] = _mm512_dpbusd_epi32(high[r], x, right);
    }
  }
  for (std::int64_t r = 0; r < kTileRows; ++r) {
    std::int32_t* row = result[static_cast<std::size_t>(r)].data();
    _mm512_storeu_si512(row, low[r]);
    _mm512_storeu_si512(row + 16, high[r]);
  }
}

// Rows [first, first + kRows) of a tile, eight columns at a time: codes widened to 16 bits and
// multiplied in pairs, each of the four products of a column in one of two sums.
template <std::int64_t kRows>
[[gnu::target("avx2")]] void multiply_rows_avx2(const std::uint8_t* a, const PackedMatrix& b,
                                                std::int64_t block, std::int64_t first,
                                                Tile& result) {
  const std::int32_t* offset = b.offsets.data() + block * kTileColumns;
  for (std::int64_t column = 0; column < kTileColumns; column += 8) {
    const std::int8_t* code = b.codes.data() + block * b.depth * kTileColumns + column * kDotLength;
    __m256i low[kRows], high[kRows];
    for (std::int64_t r = 0; r < kRows; ++r) low[r] = high[r] = _mm256_setzero_si256();
    for (std::int64_t k = 0; k < b.depth; k += kDotLength, code += kTileColumns * kDotLength) {
      const auto* words = reinterpret_cast<const __m128i*>(code);
      const __m256i left = _mm256_cvtepi8_epi16(_mm_loadu_si128(words));
      const __m256i right = _mm256_cvtepi8_epi16(_mm_loadu_si128(words + 1));
#pragma GCC unroll 4
      for (std::int64_t r = 0; r < kRows; ++r) {
        const __m256i x =
            _mm256_cvtepu8_epi16(_mm_set1_epi32(four_codes(a + (first + r) * b.depth + k)));
        low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(x, left));
        high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(x, right));
      }
    }
    for (std::int64_t r = 0; r < kRows; ++r) {
      // Pairs added within 128 bits: columns 0 1 4 5 2 3 6 7.
      const __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low[r], high[r]), 0xd8);
      const __m256i start = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(offset + column));
      std::int32_t* to = result[static_cast<std::size_t>(first + r)].data() + column;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_add_epi32(start, sums));
    }
  }
}

void multiply_avx2(const std::uint8_t* a, const PackedMatrix& b, std::int64_t block, Tile& result) {
  static_assert(kTileRows == 7);
  multiply_rows_avx2<4>(a, b, block, 0, result);
  multiply_rows_avx2<3>(a, b, block, 4, result);
}

void multiply_sse2(const std::uint8_t* a, const PackedMatrix& b, std::int64_t block, Tile& result) {
  const __m128i zero = _mm_setzero_si128();
  for (std::int64_t r = 0; r < kTileRows; ++r) {
    std::int32_t* to = result[static_cast<std::size_t>(r)].data();
    std::memcpy(to, b.offsets.data() + block * kTileColumns, sizeof(TileRow));
  }
  // Eight columns at a time, as above, in four sums of two columns each.
  for (std::int64_t column = 0; column < kTileColumns; column += 8) {
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      const std::uint8_t* x = a + r * b.depth;
      const std::int8_t* code =
          b.codes.data() + block * b.depth * kTileColumns + column * kDotLength;
      __m128i sums[4] = {zero, zero, zero, zero};
      for (std::int64_t k = 0; k < b.depth; k += kDotLength, code += kTileColumns * kDotLength) {
        const __m128i four = _mm_unpacklo_epi8(_mm_set1_epi32(four_codes(x + k)), zero);
        const auto* words = reinterpret_cast<const __m128i*>(code);
#pragma GCC unroll 2
        for (std::int64_t half = 0; half < 2; ++half) {
          const __m128i codes = _mm_loadu_si128(words + half);
          const __m128i left = _mm_srai_epi16(_mm_unpacklo_epi8(codes, codes), 8);
          const __m128i right = _mm_srai_epi16(_mm_unpackhi_epi8(codes, codes), 8);
          sums[2 * half] = _mm_add_epi32(sums[2 * half], _mm_madd_epi16(four, left));
          sums[2 * half + 1] = _mm_add_epi32(sums[2 * half + 1], _mm_madd_epi16(four, right));
        }
      }
      std::int32_t* to = result[static_cast<std::size_t>(r)].data() + column;
      for (std::int64_t i = 0; i < 4; ++i) {
        std::uint32_t pairs[4];
        std::memcpy(pairs, &sums[i], sizeof pairs);
        for (std::int64_t lane = 0; lane < 2; ++lane) {
          const auto sum = static_cast<std::uint32_t>(to[2 * i + lane]);
          to[2 * i + lane] = static_cast<std::int32_t>(sum + pairs[2 * lane] + pairs[2 * lane + 1]);
        }
      }
    }
  }
}

using Kernel = void (*)(const std::uint8_t*, const PackedMatrix&, std::int64_t, Tile&);

Kernel kernel() {
  const Vectors used = vectors();
  if (used == Vectors::Avx512 && __builtin_cpu_supports("avx512vnni")) return multiply_avx512;
  return used == Vectors::Sse2 ? multiply_sse2 : multiply_avx2;
}

}  // namespace

void multiply_tile(const std::uint8_t* a, const PackedMatrix& b, std::int64_t block, Tile& result) {
  static const Kernel multiply = kernel();
  multiply(a, b, block, result);
}

}  // namespace workbench
