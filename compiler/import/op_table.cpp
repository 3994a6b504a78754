#include <algorithm>

#include "compiler/import/import.h"
#include "compiler/import/node_reader.h"

namespace workbench {
namespace importer {

namespace {

// name, function, inputs, outputs, folds, note
constexpr ImportRule kTable[] = {
    {"Add", import_binary, 2, 1, true, "numpy broadcasting"},
    {"AveragePool", import_average_pool, 1, 1, false, "1 to 3 spatial dimensions"},
    {"BatchNormalization", import_batch_normalization, 5, 5, false, "inference form"},
    {"Cast", import_cast, 1, 1, false, "between numbers"},
    {"Clip", import_clip, 3, 1, false, "constant bounds"},
    {"Concat", import_concat, kAnyNumber, 1, true, ""},
    {"Constant", import_constant, 0, 1, false, "dense numbers"},
    {"ConstantOfShape", import_constant_of_shape, 1, 1, false, "folded at import"},
    {"Conv", import_conv, 3, 1, false, "groups, dilations, any padding, any spatial rank"},
    {"ConvInteger", import_conv_integer, 4, 1, false, "zero points 0; becomes Conv"},
    {"ConvTranspose", import_conv_transpose, 3, 1, false, "groups, output_padding, output_shape"},
    {"DepthToSpace", import_depth_to_space, 1, 1, false, "DCR and CRD"},
    {"DequantizeLinear", import_dequantize, 3, 1, false, "constant scale, per tensor or axis"},
    {"Div", import_binary, 2, 1, true, "numpy broadcasting"},
    {"Dropout", import_dropout, 3, 2, false, "inference form"},
    {"Exp", import_activation, 1, 1, false, ""},
    {"Flatten", import_flatten, 1, 1, true, "becomes Reshape"},
    {"Floor", import_floor, 1, 1, false, ""},
    {"Gather", import_gather, 2, 1, false, "constant indices; of activations neighbours"},
    {"Gemm", import_gemm, 3, 1, false, ""},
    {"GlobalAveragePool", import_global_average_pool, 1, 1, false, "becomes AveragePool"},
    {"GlobalMaxPool", import_global_max_pool, 1, 1, false, "becomes MaxPool"},
    {"HardSigmoid", import_activation, 1, 1, false, ""},
    {"HardSwish", import_activation, 1, 1, false, ""},
    {"Identity", import_identity, 1, 1, false, "of a constant: another name for it"},
    {"LRN", import_lrn, 1, 1, false, "across channels"},
    {"LeakyRelu", import_activation, 1, 1, false, ""},
    {"LogSoftmax", import_softmax, 1, 1, false, ""},
    {"MatMul", import_matmul, 2, 1, false, "numpy matmul"},
    {"MatMulInteger", import_matmul_integer, 4, 1, false, "zero points 0; becomes MatMul"},
    {"MaxPool", import_max_pool, 1, 2, false, "with dilations, ceil_mode and indices"},
    {"Min", import_min, 2, 1, false, "with a constant, one per channel"},
    {"Mul", import_binary, 2, 1, true, "numpy broadcasting"},
    {"PRelu", import_prelu, 2, 1, false, ""},
    {"Pad", import_pad, 3, 1, false, "constant, reflect, edge"},
    {"QGemm", import_qgemm, 9, 1, false, "becomes Gemm between codes; com.microsoft", kMicrosoft},
    {"QLinearAdd", import_qlinear_binary, 8, 1, false, "becomes Add between codes; com.microsoft",
     kMicrosoft},
    {"QLinearAveragePool", import_qlinear_average_pool, 5, 1, false,
     "becomes AveragePool between codes; com.microsoft", kMicrosoft},
    {"QLinearConcat", import_qlinear_concat, kAnyNumber, 1, false,
     "becomes Concat between codes; com.microsoft", kMicrosoft},
    {"QLinearConv", import_qlinear_conv, 9, 1, false, "becomes Conv between codes"},
    {"QLinearGlobalAveragePool", import_qlinear_global_average_pool, 5, 1, false,
     "becomes AveragePool between codes; com.microsoft", kMicrosoft},
    {"QLinearLeakyRelu", import_qlinear_activation, 5, 1, false,
     "becomes LeakyRelu between codes; com.microsoft", kMicrosoft},
    {"QLinearMatMul", import_qlinear_matmul, 8, 1, false, "becomes MatMul between codes"},
    {"QLinearMul", import_qlinear_binary, 8, 1, false, "becomes Mul between codes; com.microsoft",
     kMicrosoft},
    {"QLinearSigmoid", import_qlinear_activation, 5, 1, false,
     "becomes Sigmoid between codes; com.microsoft", kMicrosoft},
    {"QuantizeLinear", import_quantize, 3, 1, false, "constant scale, per tensor or axis"},
    {"ReduceMax", import_reduce, 1, 1, false, ""},
    {"ReduceMean", import_reduce, 1, 1, false, ""},
    {"ReduceProd", import_reduce_prod, 1, 1, false, "folded at import"},
    {"ReduceSum", import_reduce, 2, 1, false, "constant axes"},
    {"Relu", import_activation, 1, 1, false, ""},
    {"RequantShift", import_requant_shift, 3, 1, false, "Deeploy, of any domain", kAnyDomain},
    {"Reshape", import_reshape, 2, 1, true, "constant shape"},
    {"Resize", import_resize, 4, 1, false, "nearest neighbour, constant scales or sizes"},
    {"Shape", import_shape, 1, 1, false, "folded at import"},
    {"Sigmoid", import_activation, 1, 1, false, ""},
    {"Size", import_size, 1, 1, false, "folded at import"},
    {"Slice", import_slice, 5, 1, true, "constant bounds"},
    {"Softmax", import_softmax, 1, 1, false, ""},
    {"SpaceToDepth", import_space_to_depth, 1, 1, false, ""},
    {"Split", import_split, 2, kAnyNumber, true, "becomes Slices"},
    {"Squeeze", import_squeeze, 2, 1, true, "becomes Reshape"},
    {"Sub", import_binary, 2, 1, true, "numpy broadcasting"},
    {"Sum", import_sum, kAnyNumber, 1, false, "becomes a chain of Add"},
    {"Tanh", import_activation, 1, 1, false, ""},
    {"Transpose", import_transpose, 1, 1, true, ""},
    {"Unsqueeze", import_unsqueeze, 2, 1, true, "becomes Reshape"},
    {"Upsample", import_upsample, 2, 1, false, "nearest neighbour, constant scales"},
};
static_assert(std::is_sorted(std::begin(kTable), std::end(kTable),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));

struct Refusal {
  std::string_view name, reason;
};
constexpr std::string_view kDynamic =
    "its scales are known at run time only, the targets need them now: quantize statically";
constexpr std::string_view kReal = "the targets compute it in real numbers: leave it unquantized";
constexpr Refusal kRefusals[] = {
    {"DynamicQuantizeLSTM", kDynamic},
    {"DynamicQuantizeLinear", kDynamic},
    {"DynamicQuantizeMatMul", kDynamic},
    {"MatMulIntegerToFloat", kDynamic},
    {"QAttention", kReal},
    {"QLinearSoftmax", kReal},
};

}  // namespace

std::string_view refusal(std::string_view name) {
  const auto found = std::find_if(std::begin(kRefusals), std::end(kRefusals),
                                  [&](const Refusal& known) { return known.name == name; });
  return found != std::end(kRefusals) ? found->reason : std::string_view();
}

std::span<const ImportRule> import_table() { return kTable; }

const ImportRule* find_rule(std::string_view name) {
  const auto* found = std::lower_bound(
      std::begin(kTable), std::end(kTable), name,
      [](const ImportRule& rule, std::string_view wanted) { return rule.name < wanted; });
  return found != std::end(kTable) && found->name == name ? found : nullptr;
}

}  // namespace importer

std::vector<SupportedOp> importable_ops() {
  std::vector<SupportedOp> ops;
  for (const importer::ImportRule& rule : importer::import_table()) {
    ops.push_back({std::string(rule.name), std::string(rule.note)});
  }
  return ops;
}

}  // namespace workbench
