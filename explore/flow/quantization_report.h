// A quantized network as text of at most 118 columns (the codes of each layer, what they share and
// why, what was done to the network, and whether lowering kept all of it) and as files that other
// tools read.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/image_set.h"
#include "explore/flow/quantization.h"
#include "explore/flow/signal_to_noise.h"

namespace workbench {

std::string quantization_text(const Quantized& network, const ImageSet& calibration,
                              const std::vector<LoweringDifference>& differences);

// Values that were zero on all calibration data, whose scales are undetermined: a line, or none.
std::vector<std::string> dead_values(const Quantized& network);

enum class ModelFormat {
  // QuantizeLinear, DequantizeLinear around float operators: what most tools exchange. Codes of 4
  // bits have types of their own, narrower others a Clip behind them.
  Qdq,
  // QLinearConv and the like, of ONNX and ONNX Runtime, where there is one; else Qdq. Narrower
  // weights are bytes, under the same step.
  QOperator,
  Nemo,  // whole numbers in float tensors, Mul, Add, Div, Floor, Clip: what DORY reads
};
// "qdq", "qoperator", "nemo". Throws Error naming the known ones.
ModelFormat model_format(std::string_view name);
// Throws Error where the target's integers have no such form.
void require_format(ModelFormat format, std::string_view target);
// Throws Error where the machine's codes are wider than the format's, before there is a network.
void require_code_width(ModelFormat format, const CompileRequest& request);

// The network for write_quantized_model. Throws Error naming the first layer that the format cannot
// express.
Graph quantized_model(const Quantized& network, ModelFormat format);

// Writes that of `network`. Returns what to tell of the file, one line each: how codes of fewer
// than 8 bits are written, and the layers on codes that a QOperator file has in QDQ form.
std::vector<std::string> write_quantized_model(const Quantized& network, const Graph& model,
                                               ModelFormat format,
                                               const std::filesystem::path& path);

// What another tool will compute otherwise from the file, one line per value: QuantizeLinear
// rounds, where the target cuts fractions off.
std::vector<std::string> rounding_notes(const Graph& model);

// Every value that `model` computes from `inputs`, and these, as the golden model has them.
NamedTensors computed_values(const Graph& model, std::span<const Tensor> inputs);

// Thresholds and scales as the scheme's own tool writes them: Graffitist's
// quantization_params.json, else the xfDNN quantizer's JSON. Throws Error for a target that has
// none.
std::string quantizer_file(const Quantized& network);
// Throws that Error before there is a network, where target and scheme tell.
void require_quantizer_file(const CompileRequest& request);

}  // namespace workbench
