// Matrix products: Gemm and (batched) MatMul.

#include <algorithm>
#include <vector>

#include "core/eval/fast_math.h"
#include "core/eval/kernels.h"
#include "core/parallel.h"
#include "core/units.h"

namespace workbench::eval {

namespace {

constexpr std::int64_t kColumnBlock = 128;  // columns of the result per task
constexpr std::int64_t kRowBlock = 256;     // rows of the result per task

struct Product {
  std::int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;

  MatrixView<const float> a(const float* data, std::int64_t row, std::int64_t rows) const {
    if (transpose_a) return {data + row, k, rows, m};
    return {data + row * k, rows, k, k};
  }
  MatrixView<const float> b(const float* data, std::int64_t column, std::int64_t columns) const {
    if (transpose_b) return {data + column * k, columns, k, k};
    return {data + column, k, columns, n};
  }
  double exact(const float* a, const float* b, std::int64_t row, std::int64_t column) const {
    const std::int64_t step_a = transpose_a ? m : 1;
    const std::int64_t step_b = transpose_b ? 1 : n;
    const float* left = a + (transpose_a ? row : row * k);
    const float* right = b + (transpose_b ? column * k : column);
    double sum = 0;
    for (std::int64_t i = 0; i < k; ++i) {
      sum += static_cast<double>(left[i * step_a]) * static_cast<double>(right[i * step_b]);
    }
    return sum;
  }
};

Transposed transposed(bool yes) { return yes ? Transposed::Yes : Transposed::No; }

// Calls body(row, rows, column, columns) for the blocks of an m x n result.
void for_blocks(
    const Product& p, const Context& context,
    const std::function<void(std::int64_t, std::int64_t, std::int64_t, std::int64_t)>& body) {
  const std::int64_t across = ceil_div(p.n, kColumnBlock);
  parallel_for(across * ceil_div(p.m, kRowBlock), context.threads, [&](std::int64_t task) {
    const std::int64_t row = task / across * kRowBlock;
    const std::int64_t column = task % across * kColumnBlock;
    body(row, std::min(kRowBlock, p.m - row), column, std::min(kColumnBlock, p.n - column));
  });
}

// y [m, n] = a * b
void multiply(const Product& p, const float* a, const float* b, float* y, const Context& context) {
  for_blocks(p, context,
             [&](std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns) {
               if (!context.exact()) {
                 for (std::int64_t i = row; i < row + rows; ++i) {
                   std::fill_n(y + i * p.n + column, columns, 0.0F);
                 }
                 return multiply_add(p.a(a, row, rows), transposed(p.transpose_a),
                                     p.b(b, column, columns), transposed(p.transpose_b),
                                     {y + row * p.n + column, rows, columns, p.n});
               }
               for (std::int64_t i = row; i < row + rows; ++i) {
                 for (std::int64_t j = column; j < column + columns; ++j) {
                   y[i * p.n + j] = static_cast<float>(p.exact(a, b, i, j));
                 }
               }
             });
}

// Operand c of Gemm, stretched to [m, n].
class Addend {
 public:
  explicit Addend(const Tensor* c) {
    if (c == nullptr) return;
    data_ = c->values<float>().data();
    const Shape& shape = c->shape();
    const std::int64_t columns = shape.empty() ? 1 : shape.back();
    step_column_ = columns == 1 ? 0 : 1;
    step_row_ = shape.size() < 2 || shape[shape.size() - 2] == 1 ? 0 : columns;
  }
  explicit operator bool() const { return data_ != nullptr; }
  double at(std::int64_t row, std::int64_t column) const {
    return static_cast<double>(data_[row * step_row_ + column * step_column_]);
  }

 private:
  const float* data_ = nullptr;
  std::int64_t step_row_ = 0, step_column_ = 0;
};

// Exact: alpha * (sum over k) + beta * c, then the activation (channel = column).
Tensor gemm(const Gemm& op, const Tensor& a, const Tensor& b, const Tensor* c,
            const Context& context) {
  const Product p{.m = a.dim(op.transpose_a ? 1 : 0),
                  .n = b.dim(op.transpose_b ? 0 : 1),
                  .k = a.dim(op.transpose_a ? 0 : 1),
                  .transpose_a = op.transpose_a,
                  .transpose_b = op.transpose_b};
  Tensor result = Tensor::uninitialized(ElementType::Float32, {p.m, p.n});
  const float* left = a.values<float>().data();
  const float* right = b.values<float>().data();
  float* y = result.mutable_values<float>().data();
  const Addend addend(c);
  if (!context.exact()) multiply(p, left, right, y, context);
  for_blocks(p, context,
             [&](std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns) {
               for (std::int64_t i = row; i < row + rows; ++i) {
                 for (std::int64_t j = column; j < column + columns; ++j) {
                   float& out = y[i * p.n + j];
                   const double sum =
                       context.exact() ? p.exact(left, right, i, j) : static_cast<double>(out);
                   double v = static_cast<double>(op.alpha) * sum;
                   if (addend) v += static_cast<double>(op.beta) * addend.at(i, j);
                   out =
                       static_cast<float>(activate(op.activation, v, static_cast<std::size_t>(j)));
                 }
               }
             });
  return result;
}

}  // namespace

template <>
Tensors result_of(const Gemm& op, Evaluation& at) {
  at.expect_floats();
  return one(gemm(op, at.x(), at.operands[1], at.optional(2), at.context));
}

namespace {

// Exact: sum over k.
Tensor matmul(const Tensor& a, const Tensor& b, const Shape& out, const Context& context) {
  const bool row = a.rank() == 1;
  const bool column = b.rank() == 1;
  const Product p{.m = row ? 1 : a.dim(a.rank() - 2),
                  .n = column ? 1 : b.dim(b.rank() - 1),
                  .k = a.dim(a.rank() - 1)};
  Shape batch = out;  // the result's dimensions in front of the matrices
  if (!row) batch.pop_back();
  if (!column) batch.pop_back();
  const auto matrix_of = [&batch](const Tensor& x, std::int64_t index) {
    std::int64_t matrix = 0;
    std::int64_t step = 1;
    for (std::size_t i = 0; i < batch.size(); ++i) {  // from the innermost batch dimension
      const std::int64_t position = index % batch[batch.size() - 1 - i];
      index /= batch[batch.size() - 1 - i];
      const std::int64_t size = x.rank() > i + 2 ? x.dim(x.rank() - 3 - i) : 1;
      matrix += size == 1 ? 0 : position * step;
      step *= size;
    }
    return matrix;
  };
  Tensor result = Tensor::uninitialized(ElementType::Float32, out);
  float* y = result.mutable_values<float>().data();
  for (std::int64_t i = 0; i < element_count(batch); ++i) {
    multiply(p, a.values<float>().data() + matrix_of(a, i) * p.m * p.k,
             b.values<float>().data() + matrix_of(b, i) * p.k * p.n, y + i * p.m * p.n, context);
  }
  return result;
}

}  // namespace

template <>
Tensors result_of(const MatMul&, Evaluation& at) {
  at.expect_floats();
  return one(matmul(at.x(), at.operands[1], at.out(), at.context));
}

}  // namespace workbench::eval
