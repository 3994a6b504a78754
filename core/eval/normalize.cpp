// Normalisation over the trailing dimensions.
#include <cmath>
#include <vector>

#include "core/eval/kernels.h"
#include "core/parallel.h"
#include "core/units.h"

namespace workbench::eval {

namespace {

// A scale or bias stretched to the `size` elements that are normalised together, if it says the
// same of each group; else of all of x.
std::vector<double> stretched(const Tensor& tensor, const Shape& x, std::size_t axis) {
  const bool per_group = tensor.rank() <= x.size() - axis;
  const Shape shape(x.begin() + static_cast<std::ptrdiff_t>(per_group ? axis : 0), x.end());
  std::vector<double> result(static_cast<std::size_t>(element_count(shape)));
  const auto values = tensor.values<float>();
  for (std::size_t i = 0; i < result.size(); ++i) {
    std::int64_t rest = static_cast<std::int64_t>(i), step = 1, from = 0;
    for (std::size_t d = 0; d < tensor.rank(); ++d) {  // counted from the back
      const std::int64_t size = shape[shape.size() - 1 - d],
                         own = tensor.dim(tensor.rank() - 1 - d);
      if (own != 1) from += rest % size * step;
      step *= own;
      rest /= size;
    }
    result[i] = static_cast<double>(values[static_cast<std::size_t>(from)]);
  }
  return result;
}

}  // namespace

// In double: the mean of the elements in order, that of their squared distances from it, then
// (x - mean) / sqrt(variance + epsilon) * scale + bias. RMS: x / sqrt(mean of squares + epsilon) *
// scale. Fast and exact are the same.
template <>
Tensors result_of(const LayerNorm& op, Evaluation& at) {
  at.expect_floats();
  const Tensor& x = at.x();
  const std::size_t axis = at.axis(op.axis);
  Tensor y = Tensor::uninitialized(ElementType::Float32, x.shape(), x.layout());
  if (x.size() == 0) return one(std::move(y));
  std::int64_t size = 1;
  for (std::size_t d = axis; d < x.rank(); ++d) size *= x.dim(d);
  const std::vector<double> scale = stretched(at.operands[1], x.shape(), axis);
  const std::vector<double> bias = at.has(2) ? stretched(at.operands[2], x.shape(), axis)
                                             : std::vector<double>{-0.0};  // changes no zero
  const float* in = x.values<float>().data();
  float* out = y.mutable_values<float>().data();
  const auto count = static_cast<double>(size);
  const std::int64_t per_task = std::max<std::int64_t>(1, kPiece / size);
  const auto normalise = [&](std::int64_t begin) {
    double mean = 0, squares = 0;
    for (std::int64_t i = begin; !op.rms && i < begin + size; ++i)
      mean += static_cast<double>(in[i]);
    mean /= count;
    for (std::int64_t i = begin; i < begin + size; ++i) {
      const double distance = static_cast<double>(in[i]) - mean;
      squares += distance * distance;
    }
    const double deviation = std::sqrt(squares / count + static_cast<double>(op.epsilon));
    for (std::int64_t i = begin; i < begin + size; ++i) {
      const double normal = (static_cast<double>(in[i]) - mean) / deviation;
      const auto at_scale = static_cast<std::size_t>(i) % scale.size();
      const auto at_bias = static_cast<std::size_t>(i) % bias.size();
      out[i] = static_cast<float>(normal * scale[at_scale] + bias[at_bias]);
    }
  };
  const std::int64_t groups = x.size() / size;
  parallel_for(ceil_div(groups, per_task), at.context.threads, [&](std::int64_t task) {
    const std::int64_t last = std::min(groups, (task + 1) * per_task);
    for (std::int64_t group = task * per_task; group < last; ++group) normalise(group * size);
  });
  return one(std::move(y));
}

}  // namespace workbench::eval
