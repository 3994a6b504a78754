// Which kernels have what in common.
#pragma once

#include "isa/pulp/codes.h"
#include "isa/pulp/instructions.h"

namespace workbench::pulp {

constexpr bool is_im2col(KernelKind kind) {
  return kind == KernelKind::ConvHo || kind == KernelKind::ConvHoWo || kind == KernelKind::ConvCo;
}
constexpr bool is_pointwise(KernelKind kind) {
  return kind == KernelKind::PointwiseHo || kind == KernelKind::PointwiseHoWo ||
         kind == KernelKind::PointwiseCo;
}
constexpr bool is_depthwise(KernelKind kind) {
  return kind == KernelKind::Depthwise3x3s1 || kind == KernelKind::DepthwiseGeneric ||
         kind == KernelKind::DepthwiseLess4;
}
constexpr bool is_linear(KernelKind kind) {
  return kind == KernelKind::Linear || kind == KernelKind::Linear32;
}
constexpr bool is_max_pool(KernelKind kind) {
  return kind == KernelKind::MaxPool || kind == KernelKind::MaxPoolDirect;
}
constexpr bool is_pool(KernelKind kind) {
  return kind == KernelKind::AveragePool || is_max_pool(kind);
}
constexpr bool has_weights(KernelKind kind) {
  return is_im2col(kind) || is_pointwise(kind) || is_depthwise(kind) || is_linear(kind);
}
// Rows and halves of rows: two cores share each group of rows.
constexpr bool splits_width(KernelKind kind) {
  return kind == KernelKind::ConvHoWo || kind == KernelKind::PointwiseHoWo;
}

// The kernels one by one, for semantics.cpp to choose from.

// Convolution, pointwise and linear kernels: all that is a matrix product.
void multiply(const Kernel& kernel, Bytes8& l1, int threads);
void depthwise(const Kernel& kernel, Bytes8& l1);
void add(const Kernel& kernel, Bytes8& l1);
void average_pool(const Kernel& kernel, Bytes8& l1);
void max_pool(const Kernel& kernel, Bytes8& l1);
void max_pool_direct(const Kernel& kernel, Bytes8& l1);
void requantize(const Kernel& kernel, Bytes8& l1);

// Whether the results of a max pool are the maxima of its windows whatever the input. Those of
// MaxPoolDirect always are, those of MaxPool where out_w is 1 or pad_left < stride_x. Beyond that
// they are only by luck. The library writes the maximum of a row's window x over column x, its
// first column before it compares the others (pulp.md 2.4): a window that begins left of x loses
// what was at x and sees maxima of others, and one that begins in the padding begins at x instead
// of at 0.
bool pools_exactly(const Kernel& max_pool);

}  // namespace workbench::pulp
