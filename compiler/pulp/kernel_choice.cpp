#include "compiler/pulp/kernel_choice.h"

#include "core/error.h"
#include "isa/pulp/kernel_groups.h"
#include "isa/pulp/semantics.h"

namespace workbench::pulp {

std::vector<KernelKind> usable_kernels(const Layer& layer, const Machine& machine) {
  const Kernel& call = layer.call;
  // Kernels that split the width deal rows to pairs of cores.
  const bool pairs = machine.cluster.cores % 2 == 0;
  switch (layer.kind) {
    case LayerKind::Conv:
      if (!pairs) return {KernelKind::ConvHo, KernelKind::ConvCo};
      return {KernelKind::ConvHo, KernelKind::ConvHoWo, KernelKind::ConvCo};
    case LayerKind::Pointwise:
      if (!pairs) return {KernelKind::PointwiseHo, KernelKind::PointwiseCo};
      return {KernelKind::PointwiseHoWo, KernelKind::PointwiseHo, KernelKind::PointwiseCo};
    case LayerKind::Depthwise:
      if (call.kernel_h * call.kernel_w < 4) return {KernelKind::DepthwiseLess4};
      if (call.kernel_h == 3 && call.kernel_w == 3 && call.stride_x == 1 && call.stride_y == 1 &&
          call.dilation_x == 1 && call.dilation_y == 1) {
        return {KernelKind::DepthwiseGeneric, KernelKind::Depthwise3x3s1};
      }
      return {KernelKind::DepthwiseGeneric};
    case LayerKind::Linear:
      return {call.out_bits == 32 ? KernelKind::Linear32 : KernelKind::Linear};
    case LayerKind::Add:
      return {KernelKind::Add};
    case LayerKind::AveragePool:
      return {KernelKind::AveragePool};
    case LayerKind::MaxPool:
      // No tile has more left padding or columns than the layer: where that is exact, tiles are.
      return {pools_exactly(call) ? KernelKind::MaxPool : KernelKind::MaxPoolDirect};
    case LayerKind::Requantize:
      return {KernelKind::Requantize};
  }
  CHECK(false, "kind {}", static_cast<int>(layer.kind));
}

KernelKind dory_kernel(const Layer& layer, const Machine& machine) {
  return usable_kernels(layer, machine).front();
}

bool can_split(KernelKind kernel, std::int64_t cores) {
  return !splits_width(kernel) || cores % 2 == 0 || cores == 1;
}

}  // namespace workbench::pulp
