// What PULP-NN's kernels do is in docs/facts/pulp.md 2.2.
#include "compiler/pulp/c_kernels.h"

#include "core/error.h"
#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

// All cores, unsigned codes of 8 bits in and out, whole results.
bool is_plain(const Kernel& k) {
  return k.cores == 0 && k.in_bits == 8 && k.out_bits == 8 && !k.in_signed && !k.out_signed &&
         !k.has_bias && !k.sums_in && !k.sums_out && k.dilation_x == 1 && k.dilation_y == 1;
}

// kappa and lambda, or nothing but the shift.
bool is_scaled_plainly(const Kernel& k) {
  return k.weight_bits == 8 && !k.clamped && (k.norm || (k.multiplier == 1 && k.offset == 0));
}

bool is_short_vector(const Kernel& k) { return k.in_c * k.in_h * k.in_w <= 65535; }

// The pads of both sides of an axis are one in the library's pools.
bool is_symmetric(const Kernel& k) {
  return k.pad_top == k.pad_bottom && k.pad_left == k.pad_right;
}

// Multipliers are 16 bits wide there, as is the shifted sum.
bool adds_plainly(const Kernel& k) {
  const auto fits = [](std::int64_t multiplier) { return multiplier >= 0 && multiplier <= 32767; };
  return is_plain(k) && !k.in2_signed && !k.clip_operands && fits(k.multiplier1) &&
         fits(k.multiplier2) && k.offset1 == 0 && k.offset2 == 0 && k.shift1 == 0 &&
         k.shift2 == 0 && k.multiplier == 1 && k.offset == 0 &&
         (255 * (k.multiplier1 + k.multiplier2)) >> k.shift <= 65535;
}

bool averages_plainly(const Kernel& k) {
  return is_plain(k) && is_symmetric(k) && k.divisor == k.kernel_w * k.kernel_h;
}

std::string matrix_kernel(const Kernel& k, const std::string& name, const std::string& own) {
  if (!is_plain(k) || !is_scaled_plainly(k) || !is_short_vector(k)) return "nn_" + own;
  return "call_" + name + (k.norm && k.norm_bits == 64 ? "_64" : "");
}

// Ours for cores with more instructions: one function for convolutions and products of one pixel.
std::string packed_kernel(const Kernel& k) {
  const std::string name(traits(k.kind).name);
  const bool pointwise = traits(k.kind).family == Family::Pointwise;
  return "nn_" + (pointwise ? "conv" + name.substr(name.find('_')) : name);
}

std::string pixel_kernel(const Kernel& k, const std::string& split) {
  const bool pointwise = traits(k.kind).family == Family::Pointwise;
  const bool plain = is_plain(k) && is_scaled_plainly(k);
  if (!plain) return "nn_conv_" + split;
  return (pointwise ? "call_pointwise_" : "call_conv_") + split +
         (k.norm && k.norm_bits == 64 ? "_64" : "");
}

}  // namespace

// Convolutions and products of one pixel are one function of C: it knows which it is.
std::string c_kernel(const Kernel& k) {
  if (traits(k.kind).packed) return packed_kernel(k);
  switch (k.kind) {
    case KernelKind::ConvHo:
    case KernelKind::PointwiseHo:
      return pixel_kernel(k, "Ho");
    case KernelKind::ConvHoWo:
    case KernelKind::PointwiseHoWo:
      return pixel_kernel(k, "HoWo");
    case KernelKind::ConvCo:
    case KernelKind::PointwiseCo:
      return pixel_kernel(k, "Co");
    case KernelKind::ConvHoQuads:
    case KernelKind::PointwiseHoQuads:
      return "nn_conv_Ho_4x4";
    case KernelKind::ConvHoWoQuads:
    case KernelKind::PointwiseHoWoQuads:
      return "nn_conv_HoWo_4x4";
    case KernelKind::ConvCoQuads:
    case KernelKind::PointwiseCoQuads:
      return "nn_conv_Co_4x4";
    // The library's kernel for 3x3 takes no top and bottom padding: its general one computes the
    // same.
    case KernelKind::Depthwise3x3s1:
    case KernelKind::DepthwiseGeneric:
    case KernelKind::DepthwiseLess4: {
      const bool few = k.kind == KernelKind::DepthwiseLess4;
      if (!is_plain(k) || !is_scaled_plainly(k)) return "nn_depthwise";
      return std::string("call_depthwise_generic") + (few ? "_less_4_weights" : "") +
             (k.norm && k.norm_bits == 64 ? "_64" : "");
    }
    case KernelKind::DepthwisePixels:
      return "nn_depthwise_pixels";
    case KernelKind::Linear:
      return matrix_kernel(k, "linear", "linear");
    case KernelKind::Linear32: {
      Kernel codes = k;  // what its results would be plays no part
      codes.out_bits = 8, codes.out_signed = false, codes.norm = false;
      codes.multiplier = 1, codes.offset = 0;
      return matrix_kernel(codes, "linear_out_32", "linear_out_32");
    }
    case KernelKind::Add:
      return adds_plainly(k) ? "call_add" : "nn_add";
    case KernelKind::AveragePoolCo:
      return "nn_avgpool_Co";
    case KernelKind::AveragePool:
      return averages_plainly(k) ? "call_avgpool" : "nn_avgpool";
    case KernelKind::MaxPool:
      return is_plain(k) && is_symmetric(k) ? "call_maxpool" : "nn_maxpool";
    case KernelKind::MaxPoolDirect:
      return "nn_maxpool_direct";
    case KernelKind::Requantize:
      return "nn_requantize";
    default:
      break;
  }
  CHECK(false, "kernel {}", static_cast<int>(k.kind));
}

}  // namespace workbench::pulp
