#include "core/eval/fast_math.h"

#include <Eigen/Core>

namespace workbench::eval {

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Stride = Eigen::OuterStride<>;

Eigen::Map<const Matrix, Eigen::Unaligned, Stride> view(MatrixView<const float> m) {
  return {m.data, m.rows, m.columns, Stride(m.stride)};
}

Eigen::Map<Eigen::ArrayXf> array(std::span<float> values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

}  // namespace

void multiply_add(MatrixView<const float> a, Transposed a_transposed, MatrixView<const float> b,
                  Transposed b_transposed, MatrixView<float> c) {
  Eigen::Map<Matrix, Eigen::Unaligned, Stride> sum(c.data, c.rows, c.columns, Stride(c.stride));
  if (a_transposed == Transposed::No && b_transposed == Transposed::No) {
    sum.noalias() += view(a) * view(b);
  } else if (b_transposed == Transposed::No) {
    sum.noalias() += view(a).transpose() * view(b);
  } else if (a_transposed == Transposed::No) {
    sum.noalias() += view(a) * view(b).transpose();
  } else {
    sum.noalias() += view(a).transpose() * view(b).transpose();
  }
}

void exp_in_place(std::span<float> values) { array(values) = array(values).exp(); }
void tanh_in_place(std::span<float> values) { array(values) = array(values).tanh(); }
void sigmoid_in_place(std::span<float> values) { array(values) = array(values).logistic(); }

}  // namespace workbench::eval
