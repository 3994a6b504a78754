// The float32 arithmetic of the Fast kernels that wants the vector units: matrix products and
// transcendental functions. Eigen stays behind this header.
#pragma once

#include <cstdint>
#include <span>

namespace workbench::eval {

// A row-major matrix in somebody else's memory; rows are `stride` elements apart.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0, columns = 0, stride = 0;
};

enum class Transposed { No, Yes };

// c += a * b, or with a or b transposed. The views' sizes must fit (asserted by Eigen in debug
// builds). Runs on the calling thread; the same operands give the same bits on one machine.
void multiply_add(MatrixView<const float> a, Transposed a_transposed, MatrixView<const float> b,
                  Transposed b_transposed, MatrixView<float> c);

void exp_in_place(std::span<float> values);
void tanh_in_place(std::span<float> values);
void sigmoid_in_place(std::span<float> values);

}  // namespace workbench::eval
