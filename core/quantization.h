// How integer tensors stand for real numbers: the one description that compilers, golden model,
// import and export read. It holds no arithmetic: rounding and clamping are written once in
// isa/*/semantics and once in sim/golden.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace workbench {

// How a value between two integers becomes one of them.
enum class Rounding { HalfUp, HalfEven, HalfAwayFromZero, Floor, TowardZero };

// Signed codes of 8 or 16 bits, which accelerators compute with: the type of their tensors.
inline ElementType code_type(int bits) {
  CHECK(bits == 8 || bits == 16, "{} bit codes", bits);
  return bits == 8 ? ElementType::Int8 : ElementType::Int16;
}
constexpr bool is_code(ElementType type) {
  return type == ElementType::Int8 || type == ElementType::Int16;
}

// real = (code - zero_point) * threshold / high(). Thresholds rather than steps are stored because
// the xfDNN quantizer publishes thresholds (docs/facts/xdnn.md 3.1: "th maps to hi").
struct Quantization {
  int bits = 8;
  bool is_signed = true;
  std::vector<double> thresholds;         // > 0; one for the tensor, or one per index of `axis`
  std::vector<std::int64_t> zero_points;  // empty: all 0; else as many as thresholds
  int axis = 0;                           // meaningful when thresholds.size() > 1
  Rounding rounding = Rounding::HalfAwayFromZero;  // real -> code

  std::int64_t high() const { return (std::int64_t{1} << (bits - (is_signed ? 1 : 0))) - 1; }
  std::int64_t low() const { return is_signed ? -high() - 1 : 0; }
  // Real value of one step. `index` along `axis`; any index when per tensor.
  double step(std::size_t index = 0) const {
    return thresholds[thresholds.size() == 1 ? 0 : index] / static_cast<double>(high());
  }
  std::int64_t zero_point(std::size_t index = 0) const {
    if (zero_points.empty()) return 0;
    return zero_points[zero_points.size() == 1 ? 0 : index];
  }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("bits", self.bits);
    visit("is_signed", self.is_signed);
    visit("thresholds", self.thresholds);
    visit("zero_points", self.zero_points);
    visit("axis", self.axis);
    visit("rounding", self.rounding, Rounding::TowardZero);
  }
  friend bool operator==(const Quantization&, const Quantization&) = default;
};

// The narrowest type that holds such codes.
inline ElementType storage_type(const Quantization& codes) {
  if (codes.bits <= 8) return codes.is_signed ? ElementType::Int8 : ElementType::Uint8;
  if (codes.bits <= 16) return codes.is_signed ? ElementType::Int16 : ElementType::Uint16;
  CHECK(codes.bits <= 32 && codes.is_signed, "codes of {} bits", codes.bits);
  return ElementType::Int32;
}

// How a node's integer accumulator becomes its output code:
//   out = clamp(round(acc * scale[c] / 2^shift[c])), then the node's activation.
// Bias, in accumulator units, is part of the accumulator. c = output channel. xDNN V2 shifts first
// and adds the bias last (docs/facts/xdnn.md 3.2):
//   out = clamp(clamp(round(clamp(round(acc / 2^prescale[c])) * scale[c] / 2^shift[c])) + bias[c]).
// At 16 bits V3 shifts first, too, clamps that to prescaled_bits, and its bias is part of the
// accumulator, in units of 2^bias_shift (docs/facts/xdnn.md 3.3).
struct Requantize {
  std::vector<std::int32_t> scale;           // one, or one per output channel; 0..65535
  std::vector<std::int32_t> negative_scale;  // used where acc < 0 (PReLU); empty: same as scale
  std::vector<std::int32_t> shift;           // as many as scale; 0..40
  std::vector<std::int32_t> prescale;    // as many as scale, 0..32; empty: no first clamp either
  int prescaled_bits = 8;                // of what the prescale leaves: width of the first clamp
  int bias_shift = 0;                    // not with bias_after
  bool bias_after = false;               // bias is in output codes, added after rescaling
  Rounding rounding = Rounding::HalfUp;  // docs/facts/xdnn.md 3.1: rr rounds half toward +infinity

  static constexpr void fields(auto& self, auto&& visit) {
    visit("scale", self.scale);
    visit("negative_scale", self.negative_scale);
    visit("shift", self.shift);
    visit("prescale", self.prescale);
    visit("prescaled_bits", self.prescaled_bits);
    visit("bias_shift", self.bias_shift);
    visit("bias_after", self.bias_after);
    visit("rounding", self.rounding, Rounding::TowardZero);
  }
  friend bool operator==(const Requantize&, const Requantize&) = default;
};

// How the integer networks of NEMO, DORY and Deeploy turn an accumulator into a code
// (docs/facts/pulp.md 3.1):
//   out = clamp(round((in * multiplier[c] + offset[c]) / divisor), low, high),
// exactly, whatever the size of what lies between. c = channel (axis 1). PULP's counterpart of
// Requantize; a node has one or the other.
struct AffineRequantize {
  std::vector<std::int64_t> multiplier{1}, offset{0};  // each one, or one per channel
  std::int64_t divisor = 1;                            // > 0
  Rounding rounding = Rounding::Floor;                 // Floor, TowardZero or HalfUp
  std::int64_t low = 0, high = 255;

  static constexpr void fields(auto& self, auto&& visit) {
    visit("multiplier", self.multiplier);
    visit("offset", self.offset);
    visit("divisor", self.divisor);
    visit("rounding", self.rounding, Rounding::TowardZero);
    visit("low", self.low);
    visit("high", self.high);
  }
  friend bool operator==(const AffineRequantize&, const AffineRequantize&) = default;
};

}  // namespace workbench
