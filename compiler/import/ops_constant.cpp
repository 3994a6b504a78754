// Operators that are computed at import because their operands are known: constants and the shape
// arithmetic that exporters leave behind.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/import/node_reader.h"
#include "compiler/import/tensor_proto.h"
#include "core/eval/kernels.h"

namespace workbench::importer {

namespace {

// A hostile file must not make us fill memory; weights that are all one number exist.
constexpr std::int64_t kMaxFolded = std::int64_t{1} << 27;

void check_foldable(const NodeReader& node, const Shape& shape) {
  check_shape(shape, fmt::format("node '{}' ({}): output", node.name(), node.op()));
  if (element_count(shape) > kMaxFolded) {
    node.refuse("output: expected at most {} elements to fold, found {}", kMaxFolded,
                to_string(shape));
  }
}

template <typename Function>
decltype(auto) with_values(const Tensor& tensor, Function&& function) {
  switch (tensor.type()) {
    case ElementType::Float32:
      return function(tensor.values<float>());
    case ElementType::Float64:
      return function(tensor.values<double>());
    case ElementType::Int8:
      return function(tensor.values<std::int8_t>());
    case ElementType::Uint8:
      return function(tensor.values<std::uint8_t>());
    case ElementType::Int16:
      return function(tensor.values<std::int16_t>());
    case ElementType::Uint16:
      return function(tensor.values<std::uint16_t>());
    case ElementType::Int32:
      return function(tensor.values<std::int32_t>());
    case ElementType::Uint32:
      return function(tensor.values<std::uint32_t>());
    case ElementType::Int64:
      return function(tensor.values<std::int64_t>());
    case ElementType::Uint64:
      return function(tensor.values<std::uint64_t>());
    case ElementType::Bool:
      return function(tensor.values<bool>());
  }
  CHECK(false, "element type {}", static_cast<int>(tensor.type()));
}

}  // namespace

Tensor cast_constant(const Tensor& tensor, ElementType type) { return eval::as_type(tensor, type); }

namespace {

Shape broadcast(const NodeReader& node, const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < out.size(); ++i) {  // aligned at the back
    const std::int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t right = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (left != right && left != 1 && right != 1) {
      node.refuse("input 1: expected a shape that broadcasts with {}, found {}", to_string(a),
                  to_string(b));
    }
    out[out.size() - 1 - i] = left == 1 ? right : left;
  }
  return out;
}

// Index in an operand of shape `from` of element `flat` of the broadcast shape `to`.
std::size_t broadcast_index(std::int64_t flat, const Shape& to, const Shape& from) {
  std::int64_t index = 0;
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::int64_t position = flat % to[to.size() - 1 - i];
    flat /= to[to.size() - 1 - i];
    const std::int64_t dim = from[from.size() - 1 - i];
    if (dim != 1) index += position * stride;
    stride *= dim;
  }
  return static_cast<std::size_t>(index);
}

template <typename T>
T combine(const NodeReader& node, Binary::Kind kind, T a, T b) {
  T result = 0;
  bool overflow = false;
  switch (kind) {
    case Binary::Kind::Add:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Binary::Kind::Sub:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Binary::Kind::Mul:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Binary::Kind::Div:
      if (b == 0) node.refuse("input 1: expected no zero to divide by, found one");
      overflow = std::is_signed_v<T> && a == std::numeric_limits<T>::min() && b == T(-1);
      if (!overflow) result = static_cast<T>(a / b);
      break;
    default:
      CHECK(false, "binary {} is folded elsewhere", static_cast<int>(kind));
  }
  if (overflow) {
    node.refuse("expected a result that fits {}, found operands {} and {}",
                to_string(element_type_of<T>()), a, b);
  }
  return result;
}

}  // namespace

void fold_integer_binary(NodeReader& node, Binary::Kind kind) {
  const Tensor& a = node.constant(0, "a");
  const Tensor& b = node.constant(1, "b");
  if (a.type() != b.type() || a.type() == ElementType::Bool) {
    node.refuse("expected two operands of one number type, found {} and {}", to_string(a.type()),
                to_string(b.type()));
  }
  const Shape shape = broadcast(node, a.shape(), b.shape());
  check_foldable(node, shape);
  Tensor result = Tensor::uninitialized(a.type(), shape);
  with_values(a, [&](const auto left) {
    using T = typename decltype(left)::value_type;
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      const auto right = b.values<T>();
      auto out = result.mutable_values<T>();
      for (std::int64_t i = 0; i < result.size(); ++i) {
        out[static_cast<std::size_t>(i)] =
            combine<T>(node, kind, left[broadcast_index(i, shape, a.shape())],
                       right[broadcast_index(i, shape, b.shape())]);
      }
    }
  });
  node.bind_constant(0, result);
}

namespace {

// A number since opset 6; before it the name of the type.
std::int32_t target_type(NodeReader& node) {
  std::int64_t to = 0;
  if (node.opset() < 6) {
    const std::string name = node.text("to", "");
    onnx::TensorProto::DataType type{};
    if (!onnx::TensorProto::DataType_Parse(name, &type)) {
      node.refuse("attribute 'to': expected a type, found '{}'", name);
    }
    to = type;
  } else {
    to = node.required_integer("to");
  }
  if (to < 0 || to > kMaxParameter) node.refuse("attribute 'to': expected a type, found {}", to);
  return static_cast<std::int32_t>(to);
}

void import_cast(NodeReader& node) {
  const std::int32_t to = target_type(node);
  node.ignore("saturate");    // of casts to float8, which have no type here
  node.ignore("round_mode");  // likewise
  if (narrow_bits(to) != 0) node.refuse("attribute 'to': codes of {} bits", narrow_bits(to));
  const std::string where = fmt::format("node '{}' (Cast): attribute 'to'", node.name());
  const ElementType type = element_type(to, where);
  if (node.value(0).constant) {
    node.bind_constant(0, cast_constant(node.constant(0, "x"), type));
  } else {
    import_running_cast(node, type);
  }
}

void import_constant(NodeReader& node) {
  std::optional<Tensor> value = node.tensor("value");
  if (!value) value = node.sparse_tensor("sparse_value");
  const bool is_stored = value.has_value();
  if (!value) {
    if (const auto reals = node.reals("value_floats")) {
      value = Tensor::from<float>({static_cast<std::int64_t>(reals->size())}, *reals);
    } else if (const auto integers = node.integers("value_ints")) {
      value = Tensor::from<std::int64_t>({static_cast<std::int64_t>(integers->size())}, *integers);
    } else if (node.has("value_float")) {
      value = Tensor::scalar(node.real("value_float", 0));
    } else if (node.has("value_int")) {
      value = Tensor::scalar(node.integer("value_int", 0));
    }
  }
  node.finish();  // an unknown kind of value is better named than called missing
  if (!value) node.refuse("attribute 'value': expected a tensor, found none");
  const std::string where = fmt::format("node '{}' (Constant)", node.name());
  if (is_stored) {
    node.state().source.tensors.expect_finite(*value, where);
  } else {
    check_finite(*value, where);
  }
  node.bind_stored(0, *value);
}

void import_constant_of_shape(NodeReader& node) {
  const Shape shape = node.constant_integers(0, "shape");
  check_foldable(node, shape);
  const Tensor value = node.tensor("value").value_or(Tensor::from<float>({1}, {0.0F}));
  if (value.size() != 1) {
    node.refuse("attribute 'value': expected one element, found {}", value.size());
  }
  Tensor result = Tensor::uninitialized(value.type(), shape);
  with_values(value, [&](const auto values) {
    using T = typename decltype(values)::value_type;
    std::ranges::fill(result.mutable_values<T>(), values[0]);
  });
  node.bind_constant(0, result);
}

void import_floor(NodeReader& node) {
  if (!node.value(0).constant) {
    node.emit(Activate{{.kind = Activation::Kind::Floor}}, {node.float_input(0)});
    return;
  }
  Tensor result = node.constant(0, "x");
  if (result.type() != ElementType::Float32) {
    node.refuse("input 0: expected float32, found {}", to_string(result.type()));
  }
  for (float& x : result.mutable_values<float>()) x = std::floor(x);
  node.bind_constant(0, result);
}

void import_gather(NodeReader& node) {
  if (!node.value(0).constant || !node.value(1).constant) return import_running_gather(node);
  const Tensor data = node.constant(0, "data");
  const Integers indices = node.constant_integers(1, "indices");
  const Shape& x = data.shape();
  const std::size_t axis = node.axis(node.integer("axis", 0), x.size());
  const auto at = x.begin() + static_cast<std::ptrdiff_t>(axis);
  Shape shape(x.begin(), at);
  shape.insert(shape.end(), node.shape(1).begin(), node.shape(1).end());
  shape.insert(shape.end(), at + 1, x.end());
  check_foldable(node, shape);
  const std::int64_t outer = element_count(Shape(x.begin(), at));
  const std::int64_t block_bytes =
      element_count(Shape(at + 1, x.end())) * element_bytes(data.type());
  Tensor result = Tensor::uninitialized(data.type(), shape);
  std::byte* out = result.mutable_data();
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const std::int64_t wanted : indices) {
      if (wanted < -x[axis] || wanted >= x[axis]) {
        node.refuse("input 1 (indices): expected values in [{}, {}), found {}", -x[axis], x[axis],
                    wanted);
      }
      const std::int64_t index = wanted < 0 ? wanted + x[axis] : wanted;
      out = std::copy_n(data.data() + (o * x[axis] + index) * block_bytes, block_bytes, out);
    }
  }
  node.bind_constant(0, result);
}

void import_shape(NodeReader& node) {
  const Shape& x = node.shape(0);
  const auto rank = static_cast<std::int64_t>(x.size());
  const auto position = [&](std::int64_t v) {
    return std::clamp<std::int64_t>(v < 0 ? std::max(v, -rank) + rank : v, 0, rank);
  };
  const std::int64_t start = position(node.integer("start", 0));
  const std::int64_t end = std::max(start, position(node.integer("end", rank)));
  const Integers dims(x.begin() + start, x.begin() + end);
  node.bind_constant(0, Tensor::from<std::int64_t>({end - start}, dims));
}

void import_size(NodeReader& node) {
  node.bind_constant(0, Tensor::scalar(element_count(node.shape(0))));
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"Cast", import_cast, 1, 1, false, "between numbers"},
    {"Constant", import_constant, 0, 1, false, "dense numbers"},
    {"ConstantOfShape", import_constant_of_shape, 1, 1, false, "folded at import"},
    {"Floor", import_floor, 1, 1, false, ""},
    {"Gather", import_gather, 2, 1, false, "of neighbours: Slice"},
    {"Shape", import_shape, 1, 1, false, "folded at import"},
    {"Size", import_size, 1, 1, false, "folded at import"},
};

}  // namespace

std::span<const ImportRule> constant_rules() { return kRules; }

}  // namespace workbench::importer
