// A quantized network as files that other tools read.
#pragma once

#include <string>
#include <string_view>

#include "explore/quantization.h"

namespace workbench {

enum class ModelFormat {
  Qdq,   // QuantizeLinear, DequantizeLinear around float operators: what most tools exchange
  Nemo,  // whole numbers in float tensors, Mul, Add, Div, Floor, Clip: what DORY reads
};
// "qdq", "nemo". Throws Error naming the known ones.
ModelFormat model_format(std::string_view name);
// Throws Error where the target's integers have no such form.
void require_format(ModelFormat format, std::string_view target);

// The network for export_onnx. Throws Error naming the first layer that the format cannot express.
Graph quantized_model(const QuantizedNetwork& network, ModelFormat format);

// Thresholds and scales as the scheme's own tool writes them: the xfDNN quantizer's JSON. Throws
// Error for a target that has none.
std::string quantizer_file(const QuantizedNetwork& network);

}  // namespace workbench
