// The float32 arithmetic of the Fast kernels that wants the vector units: matrix products and
// transcendental functions. The same bits on every CPU and for every cut of the operands' columns
// and rows (docs/determinism.md).
#pragma once

#include <cstdint>
#include <span>

namespace workbench::eval {

// A row-major matrix that the view does not own; rows are `stride` elements apart.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0, columns = 0, stride = 0;
};

enum class Transposed { No, Yes };

// c += a * b, or with a or b transposed; the views' sizes must fit. Runs on the calling thread. The
// depth is cut into blocks of kDepthBlock: each element of c gets, block after block, the block's
// products added up in order from 0. Products and sums are rounded to float32 one by one.
inline constexpr std::int64_t kDepthBlock = 256;
void multiply_add(MatrixView<const float> a, Transposed a_transposed, MatrixView<const float> b,
                  Transposed b_transposed, MatrixView<float> c);

// The functions of double of core/math.h, rounded.
void exp_in_place(std::span<float> values);
void tanh_in_place(std::span<float> values);
void sigmoid_in_place(std::span<float> values);

}  // namespace workbench::eval
