// Attention of ONNX and of ONNX Runtime: matrix products, a mask and a Softmax.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

constexpr Result kPart{.output = kIntermediate};
constexpr float kLowest = std::numeric_limits<float>::lowest();

ValueId binary(NodeReader& node, Binary::Kind kind, ValueId a, ValueId b) {
  return node.emit(Binary{.kind = kind}, {a, b}, {kPart});
}
ValueId number(NodeReader& node, float value) { return node.add_constant(Tensor::scalar(value)); }

// [B, S, heads * D] -> [B, heads, S, D]
ValueId split_heads(NodeReader& node, ValueId x, std::int64_t heads) {
  const Shape shape = node.shape_of(x);
  if (heads < 1 || shape.size() != 3 || shape[2] % heads != 0) {
    node.refuse("expected [batch, length, channels] with channels of {} heads, found {}", heads,
                to_string(shape));
  }
  const ValueId split =
      node.emit(Reshape{{shape[0], shape[1], heads, shape[2] / heads}}, {x}, {kPart});
  return node.emit(Transpose{{0, 2, 1, 3}}, {split}, {kPart});
}

// [B, heads, S, D] -> output 0, [B, S, heads * D]
void join_heads(NodeReader& node, ValueId x) {
  const Shape shape = node.shape_of(x);
  const ValueId turned = node.emit(Transpose{{0, 2, 1, 3}}, {x}, {kPart});
  node.emit(Reshape{{shape[0], shape[2], shape[1] * shape[3]}}, {turned});
}

// Each of the heads serves `times` heads of the queries.
ValueId repeated_heads(NodeReader& node, ValueId x, std::int64_t times) {
  if (times == 1) return x;
  const Shape s = node.shape_of(x);
  const ValueId column = node.emit(Reshape{{s[0], s[1], 1, s[2], s[3]}}, {x}, {kPart});
  const ValueId wide = node.emit(Repeat{{s[0], s[1], times, s[2], s[3]}}, {column}, {kPart});
  return node.emit(Reshape{{s[0], s[1] * times, s[2], s[3]}}, {wide}, {kPart});
}

// Row i of [rows, columns] sees columns up to i.
ValueId causal_mask(NodeReader& node, std::int64_t rows, std::int64_t columns) {
  if (rows > (std::int64_t{1} << 24) / std::max<std::int64_t>(columns, 1)) {
    node.refuse("expected at most 2^24 pairs of positions, found {} x {}", rows, columns);
  }
  Tensor mask = Tensor::uninitialized(ElementType::Bool, {rows, columns});
  const auto seen = mask.mutable_values<bool>();
  for (std::int64_t i = 0; i < mask.size(); ++i) {
    seen[static_cast<std::size_t>(i)] = i % columns <= i / columns;
  }
  return node.add_constant(std::move(mask));
}

struct Masks {
  ValueId added = kNoValue;  // float, on the scores
  ValueId seen = kNoValue;   // Bool: false counts as the lowest score
  bool causal = false;
};

// softmax(scale * q k^T + masks) v of [B, heads, S, D] each.
ValueId attended(NodeReader& node, ValueId q, ValueId k, ValueId v, float scale, const Masks& masks,
                 const Result& result) {
  const ValueId turned = node.emit(Transpose{{0, 1, 3, 2}}, {k}, {kPart});
  ValueId scores = node.emit(MatMul{}, {q, turned}, {kPart});
  scores = binary(node, Binary::Kind::Mul, scores, number(node, scale));
  if (masks.added != kNoValue) scores = binary(node, Binary::Kind::Add, scores, masks.added);
  const auto hide = [&](ValueId seen) {
    scores = node.emit(Where{}, {seen, scores, number(node, kLowest)},
                       {{.output = kIntermediate, .type = ElementType::Float32}});
  };
  if (masks.seen != kNoValue) hide(masks.seen);
  if (masks.causal) {
    const Shape shape = node.shape_of(scores);
    hide(causal_mask(node, shape[2], shape[3]));
  }
  const ValueId weights = node.emit(Softmax{}, {scores}, {kPart});
  return node.emit(MatMul{}, {weights, v}, {result});
}

void refuse_cache(const NodeReader& node, std::size_t first_input, std::size_t first_output) {
  for (std::size_t i = first_input; i < node.input_count(); ++i) {
    if (node.has_input(i)) node.refuse("input {}: only the operands before it are supported", i);
  }
  for (std::size_t i = first_output; i < node.output_count(); ++i) {
    if (node.wants_output(i)) node.refuse("output {}: expected the first output alone", i);
  }
}

// ONNX's, from opset 23.
void import_standard_attention(NodeReader& node) {
  refuse_cache(node, 4, 1);
  node.only_integer("qk_matmul_output_mode", 0);
  node.integer("softmax_precision", 1);
  if (node.real("softcap", 0) != 0) node.refuse("attribute 'softcap': only 0 is supported");
  const bool flat = node.shape(0).size() == 3;
  const std::int64_t q_heads = node.integer("q_num_heads", 0);
  const std::int64_t kv_heads = node.integer("kv_num_heads", 0);
  const auto operand = [&](std::size_t i, std::int64_t heads) {
    const ValueId x = node.float_input(i);
    if (node.shape(i).size() == 3) return split_heads(node, x, heads);
    if (node.shape(i).size() != 4) {
      node.refuse("input {}: expected rank 3 or 4, found {}", i, to_string(node.shape(i)));
    }
    return x;
  };
  const ValueId q = operand(0, q_heads);
  ValueId k = operand(1, kv_heads), v = operand(2, kv_heads);
  const std::int64_t heads = node.shape_of(q)[1], shared = node.shape_of(k)[1];
  if (heads % shared != 0 || node.shape_of(v)[1] != shared) {
    node.refuse("input 1: expected a divisor of {} heads, found {}", heads, shared);
  }
  k = repeated_heads(node, k, heads / shared);
  v = repeated_heads(node, v, heads / shared);
  Masks masks{.causal = node.flag("is_causal", false)};
  if (node.has_input(3)) {
    const bool truth = node.value(3).type == ElementType::Bool;
    (truth ? masks.seen : masks.added) = truth ? node.input(3) : node.float_input(3);
  }
  const float scale =
      node.real("scale", 1 / std::sqrt(static_cast<float>(node.shape_of(q).back())));
  const ValueId y = attended(node, q, k, v, scale, masks, flat ? kPart : Result{});
  if (flat) join_heads(node, y);
}

// Microsoft's mask of [B, T], 1 where there is something: -10000 elsewhere.
ValueId raw_mask(NodeReader& node, std::size_t i) {
  const Shape shape = node.shape(i);
  if (shape.size() != 2) {
    node.refuse("input {} (mask_index): expected [batch, length], found {}", i, to_string(shape));
  }
  const ValueId real = node.emit(Identity{}, {node.number_input(i)},
                                 {{.output = kIntermediate, .type = ElementType::Float32}});
  const ValueId missing = binary(node, Binary::Kind::Sub, number(node, 1), real);
  const ValueId scores = binary(node, Binary::Kind::Mul, missing, number(node, -10000));
  return node.emit(Reshape{{shape[0], 1, 1, shape[1]}}, {scores}, {kPart});
}

// inputs x [B,S,I], weights [I,3*C] of queries, keys and values, bias [3*C], mask.
void import_microsoft_attention(NodeReader& node) {
  refuse_cache(node, 4, 1);
  const std::int64_t heads = node.required_integer("num_heads");
  node.real("mask_filter_value", -10000);
  Masks masks{.causal = node.flag("unidirectional", false)};
  ValueId all = node.emit(MatMul{}, {node.float_input(0), node.float_input(1)}, {kPart});
  if (node.has_input(2)) all = binary(node, Binary::Kind::Add, all, node.float_input(2));
  if (node.has_input(3)) masks.added = raw_mask(node, 3);
  const std::int64_t width = node.shape_of(all).back();
  if (node.has("qkv_hidden_sizes") || width % 3 != 0) {
    node.refuse("input 1 (weights): expected three parts of one width, found {}", width);
  }
  const auto part = [&](std::int64_t i) {
    const Slice cut{{i * width / 3}, {(i + 1) * width / 3}, {2}, {1}};
    return split_heads(node, node.emit(cut, {all}, {kPart}), heads);
  };
  const ValueId q = part(0), k = part(1), v = part(2);
  const float standard = 1 / std::sqrt(static_cast<float>(node.shape_of(q).back()));
  const float scale = node.real("scale", 0);
  join_heads(node, attended(node, q, k, v, scale == 0 ? standard : scale, masks, kPart));
}

void import_attention(NodeReader& node) {
  if (node.domain() == kMicrosoft) {
    import_microsoft_attention(node);
  } else {
    import_standard_attention(node);
  }
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"Attention", import_attention, 7, 4, false,
     "without a cache; becomes MatMul and Softmax; also com.microsoft", kAnyDomain},
};

}  // namespace

std::span<const ImportRule> attention_rules() { return kRules; }

}  // namespace workbench::importer
