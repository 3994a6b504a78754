// Quantized ONNX models in a few lines.
#pragma once

#include <string>
#include <vector>

#include "tests/support/onnx_model.h"

namespace workbench::test {

inline constexpr int kInt8 = onnx::TensorProto::INT8;
inline constexpr int kUint8 = onnx::TensorProto::UINT8;
inline constexpr int kInt32 = onnx::TensorProto::INT32;

// Scale NAME_scale and zero point NAME_zero; of several scales one each.
inline void add_scale(OnnxModel& model, const std::string& name, const std::vector<float>& scales,
                      int type, std::int32_t zero_point) {
  const Shape shape =
      scales.size() == 1 ? Shape{} : Shape{static_cast<std::int64_t>(scales.size())};
  model.floats(name + "_scale", shape, scales);
  model.codes(name + "_zero", shape, type, std::vector<std::int32_t>(scales.size(), zero_point));
}

// `name` and what add_scale() adds for it, as operands.
inline std::vector<std::string> with_scale(const std::string& name) {
  return {name, name + "_scale", name + "_zero"};
}

inline std::vector<std::string> joined(std::vector<std::string> a,
                                       const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace workbench::test
