#include "isa/int8_matrix.h"

#include <cstring>

#include "core/error.h"
#include "core/units.h"

#ifdef __AVX512VNNI__
#include <immintrin.h>
#endif

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

// Partial sums may wrap around: a whole sum that fits comes out right.
#ifdef __AVX512VNNI__

void multiply_tile(const std::uint8_t* a, const PackedMatrix& b, std::int64_t block, Tile& result) {
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
      std::int32_t four = 0;
      std::memcpy(&four, a + r * b.depth + k, sizeof four);
      const __m512i x = _mm512_set1_epi32(four);
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

#else

void multiply_tile(const std::uint8_t* a, const PackedMatrix& b, std::int64_t block, Tile& result) {
  const std::int8_t* code = b.codes.data() + block * b.depth * kTileColumns;
  const std::int32_t* offset = b.offsets.data() + block * kTileColumns;
  std::uint32_t sums[kTileRows][kTileColumns];
  for (auto& row : sums) {
    for (std::int64_t lane = 0; lane < kTileColumns; ++lane) {
      row[lane] = static_cast<std::uint32_t>(offset[lane]);
    }
  }
  for (std::int64_t k = 0; k < b.depth; k += kDotLength) {
    std::int16_t weights[kDotLength][kTileColumns];
    for (std::int64_t lane = 0; lane < kTileColumns; ++lane) {
      for (std::int64_t j = 0; j < kDotLength; ++j) weights[j][lane] = code[lane * kDotLength + j];
    }
    for (std::int64_t r = 0; r < kTileRows; ++r) {
      const std::uint8_t* x = a + r * b.depth + k;
      const std::int16_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
      for (std::int64_t lane = 0; lane < kTileColumns; ++lane) {
        sums[r][lane] += static_cast<std::uint32_t>(weights[0][lane] * x0 + weights[1][lane] * x1 +
                                                    weights[2][lane] * x2 + weights[3][lane] * x3);
      }
    }
    code += kTileColumns * kDotLength;
  }
  std::memcpy(&result, sums, sizeof sums);
}

#endif

}  // namespace workbench
