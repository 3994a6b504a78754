// Matrix products after Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication"
// (2008): a block of b is packed into the order in which tiles of registers read it.
#include "core/eval/fast_math.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/math.h"
#include "core/vectors.h"

namespace workbench::eval {

namespace {

constexpr std::size_t kMaxRows = 6, kMaxColumns = 64;  // of a tile

struct TileOperands {
  std::array<const float*, kMaxRows> a{};  // rows
  const float* b = nullptr;                // packed
  float* c = nullptr;
  std::int64_t depth = 0, a_step = 0, c_stride = 0;
};

using TileKernel = void (*)(const TileOperands&);

// Tiles of `rows` x `lanes` elements, and of 2, 3, ... times as many columns; the same of one row.
struct TileKernels {
  std::int64_t rows = 0, lanes = 0;
  std::vector<TileKernel> of_rows, of_one_row;

  std::int64_t columns() const { return lanes * static_cast<std::int64_t>(of_rows.size()); }
};

// As many accumulators as leave registers for the operands: 16 registers, with AVX-512 32.
#define TILE_NAMESPACE sse2
#define TILE_TARGET gnu::hot
#define TILE_BYTES 16
#define TILE_ROWS 4
#include "core/eval/product_tile.inc"
#define TILE_NAMESPACE avx2
#define TILE_TARGET WORKBENCH_AVX2
#define TILE_BYTES 32
#define TILE_ROWS 6
#include "core/eval/product_tile.inc"
#define TILE_NAMESPACE avx512
#define TILE_TARGET WORKBENCH_AVX512
#define TILE_BYTES 64
#define TILE_ROWS 6
#include "core/eval/product_tile.inc"

TileKernels tile_kernels() {
  switch (vectors()) {
    case Vectors::Sse2:
      return sse2::kernels(std::make_integer_sequence<int, 2>());
    case Vectors::Avx2:
      return avx2::kernels(std::make_integer_sequence<int, 2>());
    case Vectors::Avx512:
      return avx512::kernels(std::make_integer_sequence<int, 4>());
  }
  CHECK(false, "vectors");
}

// A matrix whose rows or columns may be apart.
struct Strided {
  const float* data = nullptr;
  std::int64_t row = 0, column = 0;  // steps

  Strided(MatrixView<const float> view, Transposed transposed)
      : data(view.data),
        row(transposed == Transposed::Yes ? 1 : view.stride),
        column(transposed == Transposed::Yes ? view.stride : 1) {}
  const float* at(std::int64_t r, std::int64_t c) const { return data + r * row + c * column; }
};

// [depth][width] from row k, column j on; columns behind the last of b are 0.
void pack(const Strided& b, std::int64_t k, std::int64_t depth, std::int64_t j,
          std::int64_t columns, std::int64_t width, float* to) {
  if (b.column == 1) {
    for (std::int64_t d = 0; d < depth; ++d, to += width) {
      std::copy_n(b.at(k + d, j), columns, to);
      std::fill(to + columns, to + width, 0.0F);
    }
    return;
  }
  constexpr std::int64_t kLine = 16;  // floats read at a time from each column
  for (std::int64_t begin = 0; begin < depth; begin += kLine) {
    const std::int64_t end = std::min(begin + kLine, depth);
    for (std::int64_t lane = 0; lane < width; ++lane) {
      const float* from = b.at(k, j + std::min(lane, columns - 1));
      for (std::int64_t d = begin; d < end; ++d) {
        to[d * width + lane] = lane < columns ? from[d * b.row] : 0.0F;
      }
    }
  }
}

class Product {
 public:
  Product(const Strided& a, const Strided& b, MatrixView<float> c)
      : kernels_(tile_kernels()),
        a_(a),
        b_(b),
        c_(c),
        packed_(static_cast<std::size_t>(kDepthBlock * kernels_.columns())) {}

  void add_block(std::int64_t k, std::int64_t depth) {
    for (std::int64_t j = 0; j < c_.columns; j += kernels_.columns()) {
      const std::int64_t columns = std::min(kernels_.columns(), c_.columns - j);
      const std::int64_t vectors = (columns + kernels_.lanes - 1) / kernels_.lanes;
      pack(b_, k, depth, j, columns, vectors * kernels_.lanes, packed_.data());
      for (std::int64_t i = 0; i < c_.rows; i += kernels_.rows) {
        add_tile(k, depth, i, j, columns, vectors);
      }
    }
  }

 private:
  // A tile beyond the end of c is computed whole, its last row several times, and copied in part.
  void add_tile(std::int64_t k, std::int64_t depth, std::int64_t i, std::int64_t j,
                std::int64_t columns, std::int64_t vectors) const {
    const std::int64_t rows = std::min(kernels_.rows, c_.rows - i);
    TileOperands tile{.a = {},
                      .b = packed_.data(),
                      .c = c_.data + i * c_.stride + j,
                      .depth = depth,
                      .a_step = a_.column,
                      .c_stride = c_.stride};
    for (std::int64_t r = 0; r < kernels_.rows; ++r) {
      tile.a[static_cast<std::size_t>(r)] = a_.at(i + std::min(r, rows - 1), k);
    }
    const auto& kernels = rows == 1 ? kernels_.of_one_row : kernels_.of_rows;
    const TileKernel kernel = kernels[static_cast<std::size_t>(vectors - 1)];
    const bool all_rows = rows == 1 || rows == kernels_.rows;
    if (all_rows && columns == vectors * kernels_.lanes) return kernel(tile);
    std::array<float, kMaxRows * kMaxColumns> sums{};
    float* to = tile.c;
    tile.c = sums.data();
    tile.c_stride = kMaxColumns;
    kernel(tile);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* from = tile.c + r * tile.c_stride;
      for (std::int64_t column = 0; column < columns; ++column) {
        to[r * c_.stride + column] += from[column];
      }
    }
  }

  TileKernels kernels_;
  Strided a_, b_;
  MatrixView<float> c_;
  std::vector<float> packed_;
};

}  // namespace

void multiply_add(MatrixView<const float> a, Transposed a_transposed, MatrixView<const float> b,
                  Transposed b_transposed, MatrixView<float> c) {
  const std::int64_t depth = a_transposed == Transposed::Yes ? a.rows : a.columns;
  Product product({a, a_transposed}, {b, b_transposed}, c);
  for (std::int64_t k = 0; k < depth; k += kDepthBlock) {
    product.add_block(k, std::min(kDepthBlock, depth - k));
  }
}

void exp_in_place(std::span<float> values) {
  with_vectors([values] {
    for (float& v : values) v = static_cast<float>(math::exp(static_cast<double>(v)));
  });
}

void sigmoid_in_place(std::span<float> values) {
  with_vectors([values] {
    for (float& v : values) {
      v = static_cast<float>(1.0 / (1.0 + math::exp(-static_cast<double>(v))));
    }
  });
}

void tanh_in_place(std::span<float> values) {
  for (float& v : values) v = static_cast<float>(math::tanh(static_cast<double>(v)));
}

}  // namespace workbench::eval
