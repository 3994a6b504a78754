// Which kernels have what in common.
#pragma once

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

}  // namespace workbench::pulp
