// Max and average pooling over windows of one to three spatial dimensions.

#include <algorithm>
#include <limits>
#include <vector>

#include "core/eval/kernels.h"
#include "core/eval/types.h"
#include "core/eval/window.h"
#include "core/parallel.h"

namespace workbench::eval {

namespace {

template <typename T>
constexpr T lowest() {
  if constexpr (std::numeric_limits<T>::has_infinity) return -std::numeric_limits<T>::infinity();
  return std::numeric_limits<T>::lowest();
}

// out[o] = f(out[o], source cell) over one plane, whole rows at a time; the cells of one window
// come in row-major order.
template <typename T, typename Acc, typename F>
void slide_rows(const Window3& w, const T* plane, Acc* out, F f) {
  for (std::int64_t line = 0; line < w.out[0] * w.out[1]; ++line) {
    const std::int64_t od = line / w.out[1];
    const std::int64_t oh = line % w.out[1];
    const auto [d0, d1] = w.valid_kernel(0, od, w.in[0]);
    const auto [h0, h1] = w.valid_kernel(1, oh, w.in[1]);
    Acc* to = out + line * w.out[2];
    for (std::int64_t kd = d0; kd < d1; ++kd) {
      for (std::int64_t kh = h0; kh < h1; ++kh) {
        const T* row = plane + (w.source(0, od, kd) * w.in[1] + w.source(1, oh, kh)) * w.in[2];
        for (std::int64_t kw = 0; kw < w.kernel[2]; ++kw) {
          const auto [first, last] = w.valid_out(2, kw);
          const T* from = row + w.source(2, 0, kw);
          for (std::int64_t o = first; o < last; ++o) to[o] = f(to[o], from[o * w.stride[2]]);
        }
      }
    }
  }
}

// ONNX: index into the whole tensor; storage_order 1 counts the spatial dimensions backwards.
std::int64_t flat_index(const Index3& in, std::int64_t cell, std::int64_t storage_order) {
  if (storage_order == 0) return cell;
  const std::int64_t d = cell / (in[1] * in[2]);
  const std::int64_t h = cell / in[2] % in[1];
  return d + in[0] * (h + in[1] * (cell % in[2]));
}

template <typename T>
void max_indices(const MaxPool& op, const Window3& w, const T* plane, std::int64_t plane_offset,
                 std::int64_t* indices) {
  for_each_position(w.out, [&](const Index3& o, std::int64_t pixel) {
    std::int64_t best = -1;
    for_each_cell(w, o, [&](std::int64_t source, std::int64_t) {
      if (best < 0 || plane[source] > plane[best]) best = source;
    });
    // a window that lies in the padding as a whole has no cell to name
    indices[pixel] = best < 0 ? -1 : plane_offset + flat_index(w.in, best, op.storage_order);
  });
}

template <typename T>
std::vector<Tensor> max_pool_of(const MaxPool& op, const Tensor& x, const Shape& out,
                                bool with_indices, const Context& context) {
  const Window3 w = window3(op.window, x.shape(), out);
  std::vector<Tensor> results{Tensor::uninitialized(x.type(), out, x.layout())};
  if (with_indices) results.push_back(Tensor::uninitialized(ElementType::Int64, out));
  const T* in = x.values<T>().data();
  T* y = results[0].mutable_values<T>().data();
  std::int64_t* indices = with_indices ? results[1].mutable_values<std::int64_t>().data() : nullptr;
  const std::int64_t size = volume(w.in);
  const std::int64_t out_size = volume(w.out);
  parallel_for(out[0] * out[1], context.threads, [&](std::int64_t plane) {
    T* to = y + plane * out_size;
    std::fill(to, to + out_size, lowest<T>());
    slide_rows(w, in + plane * size, to, [](T best, T v) { return v > best ? v : best; });
    if (with_indices) {
      max_indices(op, w, in + plane * size, plane * size, indices + plane * out_size);
    }
  });
  return results;
}

// Divisor of each output position's sum.
std::vector<std::int64_t> cell_counts(const AveragePool& op, const Window3& w) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(volume(w.out)));
  for_each_position(w.out, [&](const Index3& o, std::int64_t pixel) {
    std::int64_t count = 1;
    for (std::size_t d = 0; d < 3; ++d) {
      // padding is part of the padded input, what ceil_mode adds behind it is not
      const auto [first, last] =
          w.valid_kernel(d, o[d], w.in[d] + (op.count_include_pad ? w.pad_end[d] : 0));
      count *= op.count_include_pad ? last : last - first;
    }
    counts[static_cast<std::size_t>(pixel)] = std::max<std::int64_t>(count, 1);
  });
  return counts;
}

template <typename Acc>
void average(const Window3& w, const std::vector<std::int64_t>& counts, const float* plane,
             float* out) {
  std::vector<Acc> sums(counts.size(), 0);
  slide_rows(w, plane, sums.data(), [](Acc sum, float v) { return sum + static_cast<Acc>(v); });
  for (std::size_t i = 0; i < sums.size(); ++i) {
    out[i] = static_cast<float>(sums[i] / static_cast<Acc>(counts[i]));
  }
}

}  // namespace

std::vector<Tensor> max_pool(const MaxPool& op, const Tensor& x, const Shape& out,
                             bool with_indices, const Context& context) {
  return for_number_type(x.type(), [&]<typename T>(std::type_identity<T>) {
    return max_pool_of<T>(op, x, out, with_indices, context);
  });
}

Tensor average_pool(const AveragePool& op, const Tensor& x, const Shape& out,
                    const Context& context) {
  const Window3 w = window3(op.window, x.shape(), out);
  const std::vector<std::int64_t> counts = cell_counts(op, w);
  Tensor y = Tensor::uninitialized(ElementType::Float32, out, x.layout());
  const float* in = x.values<float>().data();
  float* to = y.mutable_values<float>().data();
  parallel_for(out[0] * out[1], context.threads, [&](std::int64_t plane) {
    const float* from = in + plane * volume(w.in);
    if (context.exact()) {
      average<double>(w, counts, from, to + plane * volume(w.out));
    } else {
      average<float>(w, counts, from, to + plane * volume(w.out));
    }
  });
  return y;
}

}  // namespace workbench::eval
