// Products, sums and normalisations, and what shapes say by themselves.
#include <algorithm>
#include <cmath>

#include "compiler/import/tensorflow/converter.h"
#include "compiler/import/tensorflow/slicing.h"

namespace workbench::importer::tensorflow {

namespace {

// Matrix products.

// Rows of a constant matrix in the order in which a flattened map is stored.
Constant rows_as_stored(const Constant& matrix, const Arrangement& arrangement) {
  const Arrangement map{.axes = arrangement.axes, .flattened = {}};
  Shape shape = unflattened_shape(arrangement);
  std::vector<std::size_t> order = storing_order(map);
  shape.erase(shape.begin());  // the batch, which comes first in both
  order.erase(order.begin());
  for (std::size_t& axis : order) --axis;
  order.push_back(shape.size());
  shape.push_back(matrix.shape[1]);
  return reshaped(transposed(reshaped(matrix, shape), order), matrix.shape);
}

Constant matrix_operand(const Op& op, bool transpose) {
  const Constant& matrix = op.constant(1, "b");
  return transpose ? transposed(matrix, {1, 0}) : matrix;
}

void convert_matmul(Op& op) {
  const Shape a = op.shape(0);
  const Shape b = op.shape(1);
  const bool transpose_a = op.flag("transpose_a", false);
  const bool transpose_b = op.flag("transpose_b", false);
  if (a.size() != 2 || b.size() != 2 || a[transpose_a ? 0 : 1] != b[transpose_b ? 1 : 0]) {
    op.refuse("expected matrices that can be multiplied, found {} and {}", workbench::to_string(a),
              workbench::to_string(b));
  }
  const Shape shape{a[transpose_a ? 1 : 0], b[transpose_b ? 0 : 1]};
  const Arrangement stored = op.arrangement(0);
  if (op.is_constant(1) && !op.value(1).fake_quant && !transpose_a && !op.is_constant(0)) {
    Constant matrix = matrix_operand(op, transpose_b);
    std::string left;
    if (stored.flattened.empty()) {
      left = op.plain(0);
    } else {
      left = op.stored(0, stored);
      matrix = rows_as_stored(matrix, stored);
    }
    const std::string right = op.converter().initializer(op.value(1).name, matrix);
    op.emit("MatMul", {left, right}, shape, plain(2));
    return;
  }
  // Transposing is reading in another order.
  const Arrangement turned{.axes = {1, 0}, .flattened = {}};
  op.emit("MatMul",
          {op.stored(0, transpose_a ? turned : plain(2)),
           op.stored(1, transpose_b ? turned : plain(2))},
          shape, plain(2));
}

void convert_batch_matmul(Op& op) {
  const Shape a = op.shape(0);
  const Shape b = op.shape(1);
  const auto adjoint = [&](const char* name, const Shape& shape) {
    Arrangement arrangement = plain(shape.size());
    if (shape.size() >= 2 && op.flag(name, false)) {
      std::swap(arrangement.axes[shape.size() - 2], arrangement.axes[shape.size() - 1]);
    }
    return arrangement;
  };
  if (a.size() < 2 || b.size() < 2) {
    op.refuse("expected matrices, found {} and {}", workbench::to_string(a),
              workbench::to_string(b));
  }
  const Arrangement left = adjoint("adj_x", a);
  const Arrangement right = adjoint("adj_y", b);
  const Shape x = stored_shape(a, left);
  const Shape y = stored_shape(b, right);
  const auto batch = broadcast({x.begin(), x.end() - 2}, {y.begin(), y.end() - 2});
  if (x.back() != y[y.size() - 2] || !batch) {
    op.refuse("expected matrices that can be multiplied, found {} and {}", workbench::to_string(a),
              workbench::to_string(b));
  }
  Shape shape = *batch;
  shape.push_back(x[x.size() - 2]);
  shape.push_back(y.back());
  op.emit("MatMul", {op.stored(0, left), op.stored(1, right)}, shape, plain(shape.size()));
}

// Normalisations.

void convert_batch_norm(Op& op) {
  const Shape x = op.shape(0);
  const std::size_t channels = op.channels_last() ? x.size() - 1 : 1;
  if (x.size() < 2 || op.input_count() < 5) op.refuse("expected a map and four lists");
  if (op.flag("is_training", true)) {
    op.refuse(
        "attribute 'is_training': expected false, found true: statistics of the batch are "
        "computed; freeze the network for inference");
  }
  std::vector<std::string> inputs{
      op.stored(0, op.channels_last() ? channels_first(x.size()) : plain(x.size()))};
  for (std::size_t i = 1; i < 5; ++i) {
    if (op.shape(i) != Shape{x[channels]}) {
      op.refuse("input {}: expected {} values, found {}", i, x[channels],
                workbench::to_string(op.shape(i)));
    }
    inputs.push_back(op.plain(i));
  }
  const Arrangement arrangement = op.channels_last() ? channels_first(x.size()) : plain(x.size());
  attribute(op.emit("BatchNormalization", inputs, x, arrangement), "epsilon",
            op.real("epsilon", 1e-4F));
}

// The batch norm of graphs before FusedBatchNorm: t, m, v, beta, gamma.
void convert_global_batch_norm(Op& op) {
  const Shape x = op.shape(0);
  if (x.size() != 4 || op.input_count() < 5) op.refuse("expected a map and four lists");
  for (std::size_t i = 1; i < 5; ++i) {
    if (op.shape(i) != Shape{x[3]}) {
      op.refuse("input {}: expected {} values, found {}", i, x[3],
                workbench::to_string(op.shape(i)));
    }
  }
  std::string scale = op.plain(4);
  if (!op.flag("scale_after_normalization", true)) {
    const Constant ones{.type = DataType::Float,
                        .shape = {x[3]},
                        .values = Reals(static_cast<std::size_t>(x[3]), 1.0F)};
    scale = op.initializer("scale", ones);
  }
  const std::string map = op.stored(0, channels_first(4));
  attribute(op.emit("BatchNormalization", {map, scale, op.plain(3), op.plain(1), op.plain(2)}, x,
                    channels_first(4)),
            "epsilon", op.real("variance_epsilon", 1e-3F));
}

// TensorFlow's alpha is for each element of the window, ONNX's for their mean.
void convert_lrn(Op& op) {
  const Shape x = op.shape(0);
  if (x.size() != 4) op.refuse("expected a map, found {}", workbench::to_string(x));
  const std::int64_t radius = op.integer("depth_radius", 5);
  if (radius < 0 || radius > (std::int64_t{1} << 20)) {
    op.refuse("attribute 'depth_radius': expected a small number >= 0, found {}", radius);
  }
  const std::int64_t size = 2 * radius + 1;
  const std::string stored = op.stored(0, channels_first(4));
  onnx::NodeProto& node = op.emit("LRN", {stored}, x, channels_first(4));
  attribute(node, "size", size);
  attribute(node, "alpha", op.real("alpha", 1) * static_cast<float>(size));
  attribute(node, "beta", op.real("beta", 0.5F));
  attribute(node, "bias", op.real("bias", 1));
}

void convert_softmax(Op& op) {
  const Shape x = op.shape(0);
  if (x.empty()) op.refuse("expected a list, found a number");
  const Arrangement found = op.preferred(x.size());
  const Arrangement arrangement = found.flattened.empty() ? found : plain(x.size());
  const std::string stored = op.stored(0, arrangement);
  attribute(op.emit(op.kind(), {stored}, x, arrangement), "axis",
            static_cast<std::int64_t>(arrangement.axes.back()));
}

// Reductions.

void convert_reduction(Op& op) {
  const Shape x = op.shape(0);
  const Reduction reduction = read_reduction(op);
  if (std::ranges::none_of(reduction.reduced, [](bool reduced) { return reduced; })) {
    return op.bind(0, op.value_id(0));
  }
  const Arrangement found = op.preferred(x.size());
  const Arrangement arrangement = found.flattened.empty() ? found : plain(x.size());
  Integers axes;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (reduction.reduced[i]) axes.push_back(static_cast<std::int64_t>(arrangement.axes[i]));
  }
  std::ranges::sort(axes);
  std::vector<std::string> inputs{op.stored(0, arrangement)};
  const bool sum = op.kind() == "Sum";  // whose axes are an operand since opset 13
  if (sum) inputs.push_back(op.builder().list(op.name() + "/axes", axes));
  onnx::NodeProto& node =
      op.emit("Reduce" + op.kind(), inputs, reduction.shape,
              reduction.keep_dims ? arrangement : without(arrangement, reduction.reduced));
  if (!sum) attribute(node, "axes", axes);
  attribute(node, "keepdims", std::int64_t{reduction.keep_dims});
}

void convert_arg_extremum(Op& op) {
  const Shape x = op.shape(0);
  const std::int64_t wanted = op.input_count() > 1 ? op.constant_integer(1, "dimension") : 0;
  const std::size_t axis = op.axis(wanted, x.size());
  const Arrangement found = op.preferred(x.size());
  const Arrangement arrangement = found.flattened.empty() ? found : plain(x.size());
  std::vector<bool> dropped(x.size(), false);
  dropped[axis] = true;
  Shape shape = x;
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  op.set_type(DataType::Int64);  // ONNX knows no other
  const std::string stored = op.stored(0, arrangement);
  onnx::NodeProto& node = op.emit(op.kind(), {stored}, shape, without(arrangement, dropped));
  attribute(node, "axis", static_cast<std::int64_t>(arrangement.axes[axis]));
  attribute(node, "keepdims", std::int64_t{0});
}

constexpr Rule kReductionRules[] = {
    {"ArgMax", convert_arg_extremum},
    {"ArgMin", convert_arg_extremum},
    {"BatchMatMul", convert_batch_matmul},
    {"BatchMatMulV2", convert_batch_matmul},
    {"BatchNormWithGlobalNormalization", convert_global_batch_norm, false, Rule::Channels::First},
    {"FusedBatchNorm", convert_batch_norm, true, Rule::Channels::First},
    {"FusedBatchNormV2", convert_batch_norm, true, Rule::Channels::First},
    {"FusedBatchNormV3", convert_batch_norm, true, Rule::Channels::First},
    {"LRN", convert_lrn, false, Rule::Channels::First},
    {"LogSoftmax", convert_softmax},
    {"MatMul", convert_matmul},
    {"Max", convert_reduction},
    {"Mean", convert_reduction},
    {"Min", convert_reduction},
    {"Prod", convert_reduction},
    {"Softmax", convert_softmax},
    {"Sum", convert_reduction},
};

// What a shape says: known, whatever the values are.

void convert_shape(Op& op) {
  const DataType type = op.type("out_type", DataType::Int32);
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    op.bind_constant(static_cast<int>(i), integer_list(op.shape(i), type));
  }
}

void convert_size(Op& op) {
  const std::int64_t size = element_count(op.shape(0));
  const auto rank = static_cast<std::int64_t>(op.shape(0).size());
  op.bind_constant(0, reshaped(integer_list({op.kind() == "Size" ? size : rank},
                                            op.type("out_type", DataType::Int32)),
                               {}));
}

void convert_like(Op& op) {
  const bool ones = op.kind() == "OnesLike";
  const Shape shape = op.shape(0);
  const DataType type = op.value(0).type;
  if (element_count(shape) > kMaxFilled) {
    op.refuse("expected at most {} elements, found {}", kMaxFilled, workbench::to_string(shape));
  }
  const auto count = static_cast<std::size_t>(element_count(shape));
  Constant constant{.type = type, .shape = shape, .values = {}};
  if (is_real(type)) {
    constant.values = Reals(count, ones ? 1.0F : 0.0F);
  } else {
    constant.values = Integers(count, ones ? 1 : 0);
  }
  op.bind_constant(0, std::move(constant));
}

// Only computed at import (fold.cpp).
void refuse_computed(Op& op) {
  op.refuse("expected operands that are known at import, found some that are computed");
}

constexpr Rule kConstantRules[] = {
    {"All", refuse_computed},         {"Any", refuse_computed},
    {"Dequantize", refuse_computed},  {"Fill", refuse_computed},
    {"FloorMod", refuse_computed},    {"Mod", refuse_computed},
    {"OnesLike", convert_like},       {"Range", refuse_computed},
    {"Rank", convert_size},           {"Shape", convert_shape},
    {"ShapeN", convert_shape},        {"Size", convert_size},
    {"TruncateDiv", refuse_computed}, {"ZerosLike", convert_like},
};

struct Refusal {
  std::string_view op, reason;
};
constexpr std::string_view kLoop =
    "loops and branches that depend on data are not supported: unroll the network, or freeze one "
    "step of it";
constexpr std::string_view kVariable =
    "its value is not in this file: freeze the graph (variables to constants) first";
constexpr std::string_view kRandom =
    "random numbers at run time: export the network for inference, without dropout";
constexpr std::string_view kRunTime =
    "the size of its result depends on values: end the network before it";
constexpr std::string_view kState = "an LSTM block keeps state between steps: not supported";
constexpr std::string_view kCall = "calls a function: inline functions when freezing the graph";
constexpr std::string_view kTraining = "belongs to training: freeze the graph for inference";

constexpr Refusal kRefusals[] = {
    {"ApplyAdam", kTraining},
    {"ApplyGradientDescent", kTraining},
    {"ApplyMomentum", kTraining},
    {"Assign", kVariable},
    {"AssignVariableOp", kVariable},
    {"BlockLSTM", kState},
    {"BlockLSTMV2", kState},
    {"GRUBlockCell", kState},
    {"If", kLoop},
    {"LSTMBlockCell", kState},
    {"Merge", kLoop},
    {"Multinomial", kRandom},
    {"NonMaxSuppression", kRunTime},
    {"NonMaxSuppressionV2", kRunTime},
    {"NonMaxSuppressionV3", kRunTime},
    {"NonMaxSuppressionV4", kRunTime},
    {"NonMaxSuppressionV5", kRunTime},
    {"PartitionedCall", kCall},
    {"RandomStandardNormal", kRandom},
    {"RandomUniform", kRandom},
    {"RandomUniformInt", kRandom},
    {"ReadVariableOp", kVariable},
    {"RestoreV2", kVariable},
    {"StatefulPartitionedCall", kCall},
    {"StatelessIf", kLoop},
    {"StatelessWhile", kLoop},
    {"Switch", kLoop},
    {"TruncatedNormal", kRandom},
    {"Unique", kRunTime},
    {"VarHandleOp", kVariable},
    {"Variable", kVariable},
    {"VariableV2", kVariable},
    {"Where", kRunTime},
    {"While", kLoop},
};

}  // namespace

std::string_view refusal(std::string_view op) {
  const auto* const found = std::ranges::find(kRefusals, op, &Refusal::op);
  return found == std::end(kRefusals) ? std::string_view() : found->reason;
}

std::span<const Rule> reduction_rules() { return kReductionRules; }
std::span<const Rule> constant_rules() { return kConstantRules; }

}  // namespace workbench::importer::tensorflow
