// The ONNX operators the importer knows, one row each. A new operator is a function in one of the
// ops_*.cpp files and a row in op_table.cpp.
#pragma once

#include <span>
#include <string_view>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

inline constexpr std::size_t kAnyNumber = 1U << 16;

struct ImportRule {
  std::string_view name;
  void (*import)(NodeReader&);
  std::size_t max_inputs, max_outputs;
  bool folds;  // evaluated at import when all operands are constant: shape arithmetic, weight views
  std::string_view note;
  std::string_view domain = {};  // empty: the standard's; kAnyDomain
};
inline constexpr std::string_view kAnyDomain = "*", kMicrosoft = "com.microsoft";

// Sorted by name.
std::span<const ImportRule> import_table();
const ImportRule* find_rule(std::string_view name);  // nullptr: unknown
// Why a known operator cannot be imported; empty for all others.
std::string_view refusal(std::string_view name);

// ops_window.cpp
void import_conv(NodeReader& node);
void import_conv_transpose(NodeReader& node);
Conv conv_op(NodeReader& node, std::size_t weights = 1);  // window and groups of a convolution
AveragePool average_pool_op(NodeReader& node);
Window global_window(const NodeReader& node);  // the whole map of operand 0
void import_max_pool(NodeReader& node);
void import_average_pool(NodeReader& node);
void import_global_average_pool(NodeReader& node);
void import_global_max_pool(NodeReader& node);

// ops_arithmetic.cpp
void import_batch_normalization(NodeReader& node);
void import_activation(NodeReader& node);  // Relu, LeakyRelu, Sigmoid, Tanh, Hard*, Exp
void import_clip(NodeReader& node);
void import_min(NodeReader& node);
void import_prelu(NodeReader& node);
void import_binary(NodeReader& node);  // Add, Sub, Mul, Div
void import_sum(NodeReader& node);
void import_gemm(NodeReader& node);
void import_matmul(NodeReader& node);
void import_softmax(NodeReader& node);  // Softmax, LogSoftmax
void import_lrn(NodeReader& node);
void import_reduce(NodeReader& node);  // ReduceMean, ReduceSum, ReduceMax

// ops_movement.cpp
void import_concat(NodeReader& node);
void import_reshape(NodeReader& node);
void import_flatten(NodeReader& node);
void import_squeeze(NodeReader& node);
void import_unsqueeze(NodeReader& node);
void import_transpose(NodeReader& node);
void import_pad(NodeReader& node);
void import_identity(NodeReader& node);
void import_dropout(NodeReader& node);
void import_slice(NodeReader& node);
void import_split(NodeReader& node);
void import_space_to_depth(NodeReader& node);
void import_depth_to_space(NodeReader& node);

// ops_resize.cpp
void import_resize(NodeReader& node);
void import_upsample(NodeReader& node);

// ops_quantize.cpp
void import_quantize(NodeReader& node);
void import_dequantize(NodeReader& node);
// What operand `scale` and the zero point behind it say about codes of `type` in a tensor of
// `shape`: per tensor, or along `axis` if there is one.
Quantization read_quantization(const NodeReader& node, std::size_t scale, ElementType type,
                               const Shape& shape, std::optional<std::int64_t> axis);

// ops_qlinear.cpp
void import_qgemm(NodeReader& node);
void import_qlinear_activation(NodeReader& node);  // LeakyRelu, Sigmoid
void import_qlinear_average_pool(NodeReader& node);
void import_qlinear_binary(NodeReader& node);  // Add, Mul
void import_qlinear_concat(NodeReader& node);
void import_qlinear_conv(NodeReader& node);
void import_qlinear_global_average_pool(NodeReader& node);
void import_qlinear_matmul(NodeReader& node);

// ops_integer.cpp
void import_conv_integer(NodeReader& node);
void import_matmul_integer(NodeReader& node);
void import_requant_shift(NodeReader& node);
bool import_quantlab_add(NodeReader& node);  // false: an Add without Quantlab's attributes
void import_running_cast(NodeReader& node, ElementType type);
void import_running_gather(NodeReader& node);

// ops_constant.cpp: operators that exist only to be folded
void import_cast(NodeReader& node);
void import_constant(NodeReader& node);
void import_constant_of_shape(NodeReader& node);
void import_floor(NodeReader& node);
void import_gather(NodeReader& node);
void import_reduce_prod(NodeReader& node);
void import_shape(NodeReader& node);
void import_size(NodeReader& node);
// a OP b of two constants of one integer type; binds output 0.
void fold_integer_binary(NodeReader& node, Binary::Kind kind);

}  // namespace workbench::importer
