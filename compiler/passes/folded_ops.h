// ONNX operators of which nothing is left after import and passes, on every machine.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace workbench {

constexpr bool is_folded(std::string_view onnx_operator) {
  constexpr std::array<std::string_view, 12> kFolded = {
      "Cast",   "Constant", "ConstantOfShape", "DequantizeLinear", "Dropout", "Floor",
      "Gather", "Identity", "QuantizeLinear",  "ReduceProd",       "Shape",   "Size",
  };
  return std::find(kFolded.begin(), kFolded.end(), onnx_operator) != kFolded.end();
}

}  // namespace workbench
