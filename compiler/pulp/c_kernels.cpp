// What PULP-NN's kernels do is in docs/facts/pulp.md 2.2.
#include "compiler/pulp/c_kernels.h"

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

// The library's, where it computes what ours does.
std::string library_kernel(const Kernel& k, bool computes, const std::string& name) {
  return computes ? "call_" + name : own_c_kernel(k);
}

std::string by_norm(const Kernel& k, const std::string& name) {
  return name + (k.norm && k.norm_bits == 64 ? "_64" : "");
}

std::string matrix_kernel(const Kernel& k, const std::string& name) {
  return library_kernel(k, is_plain(k) && is_scaled_plainly(k) && is_short_vector(k),
                        by_norm(k, name));
}

std::string pixel_kernel(const Kernel& k) {
  return library_kernel(k, is_plain(k) && is_scaled_plainly(k),
                        by_norm(k, std::string(traits(k.kind).name)));
}

}  // namespace

// Convolutions and products of one pixel are one function of C, which knows which it is; so are
// depthwise convolutions of planes.
std::string own_c_kernel(const Kernel& k) {
  const KernelTraits& row = traits(k.kind);
  const std::string name(row.name);
  if (row.family == Family::Pointwise) return "nn_conv" + name.substr(name.find('_'));
  if (row.family != Family::Depthwise) return "nn_" + name;
  return k.kind == KernelKind::DepthwisePixels ? "nn_depthwise_pixels" : "nn_depthwise";
}

std::string c_kernel(const Kernel& k) {
  switch (k.kind) {
    case KernelKind::ConvHo:
    case KernelKind::PointwiseHo:
    case KernelKind::ConvHoWo:
    case KernelKind::PointwiseHoWo:
    case KernelKind::ConvCo:
    case KernelKind::PointwiseCo:
      return pixel_kernel(k);
    // The library's kernel for 3x3 takes no top and bottom padding: its general one computes the
    // same.
    case KernelKind::Depthwise3x3s1:
    case KernelKind::DepthwiseGeneric:
    case KernelKind::DepthwiseLess4: {
      const bool few = k.kind == KernelKind::DepthwiseLess4;
      return library_kernel(
          k, is_plain(k) && is_scaled_plainly(k),
          by_norm(k, std::string("depthwise_generic") + (few ? "_less_4_weights" : "")));
    }
    case KernelKind::Linear:
      return matrix_kernel(k, "linear");
    case KernelKind::Linear32: {
      Kernel codes = k;  // what its results would be plays no part
      codes.out_bits = 8, codes.out_signed = false, codes.norm = false;
      codes.multiplier = 1, codes.offset = 0;
      return matrix_kernel(codes, "linear_out_32");
    }
    case KernelKind::Add:
      return library_kernel(k, adds_plainly(k), "add");
    case KernelKind::AveragePool:
      return library_kernel(k, averages_plainly(k), "avgpool");
    case KernelKind::MaxPool:
      return library_kernel(k, is_plain(k) && is_symmetric(k), "maxpool");
    default:
      return own_c_kernel(k);
  }
}

}  // namespace workbench::pulp
