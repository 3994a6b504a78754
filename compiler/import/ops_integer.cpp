// Operators of integer networks (pulp.md 3.1): ConvInteger and MatMulInteger, Deeploy's
// RequantShift, the attributes Quantlab puts on Add, and Floor, Cast and Gather of activations.
#include <algorithm>
#include <cmath>

#include "compiler/import/op_table.h"
#include "core/shapes.h"

namespace workbench::importer {

namespace {

bool is_integer(ElementType type) {
  return type != ElementType::Float32 && type != ElementType::Float64 && type != ElementType::Bool;
}

template <typename Visit>
void for_values(const NodeReader& node, std::size_t i, const Tensor& tensor, Visit visit) {
  const auto all = [&]<typename T>(T) {
    for (const T v : tensor.values<T>()) visit(v);
  };
  switch (tensor.type()) {
    case ElementType::Float32:
      return all(float{});
    case ElementType::Int8:
      return all(std::int8_t{});
    case ElementType::Uint8:
      return all(std::uint8_t{});
    case ElementType::Int32:
      return all(std::int32_t{});
    case ElementType::Int64:
      return all(std::int64_t{});
    default:
      node.refuse("input {}: expected whole numbers, found {}", i, to_string(tensor.type()));
  }
}

constexpr double kMostExact = 9007199254740992;  // 2^53: a double holds every integer up to it

// The whole numbers of constant operand `i`: one, or one per channel of operand 0.
Integers channel_integers(const NodeReader& node, std::size_t i, std::string_view meaning) {
  const Tensor& tensor = node.constant(i, meaning);
  if (!is_per_channel(tensor.shape(), node.shape(0))) {
    node.refuse("input {} ({}): expected one number or one per channel of {}, found shape {}", i,
                meaning, to_string(node.shape(0)), to_string(tensor.shape()));
  }
  Integers result;
  for_values(node, i, tensor, [&]<typename T>(T v) {
    if constexpr (std::is_floating_point_v<T>) {
      if (!(std::abs(v) < kMostExact) || v != std::floor(v)) {
        node.refuse("input {} ({}): expected whole numbers, found {}", i, meaning, v);
      }
    }
    result.push_back(static_cast<std::int64_t>(v));
  });
  return result;
}

std::int64_t whole(const NodeReader& node, std::string_view attribute, double value) {
  if (!(std::abs(value) < kMostExact) || value != std::floor(value)) {
    node.refuse("attribute '{}': expected a whole number, found {}", attribute, value);
  }
  return static_cast<std::int64_t>(value);
}

std::int64_t whole_attribute(NodeReader& node, std::string_view attribute) {
  const auto value = node.number(attribute);
  if (!value) node.refuse("attribute '{}': expected a number, found none", attribute);
  return whole(node, attribute, *value);
}

// Codes of `levels` values.
void set_range(AffineRequantize& affine, std::int64_t levels, bool is_signed) {
  affine.low = is_signed ? -(levels / 2) : 0;
  affine.high = affine.low + levels - 1;
}

std::int64_t levels_attribute(NodeReader& node, std::string_view attribute) {
  const std::int64_t levels = whole_attribute(node, attribute);
  if (levels < 2 || levels > (std::int64_t{1} << 32)) {
    node.refuse("attribute '{}': expected 2 to 2^32, found {}", attribute, levels);
  }
  return levels;
}

// Zero points are operands 2 and 3 of both integer products.
void refuse_zero_points(const NodeReader& node) {
  for (const std::size_t i : {std::size_t{2}, std::size_t{3}}) {
    if (!node.has_input(i)) continue;
    for_values(node, i, node.constant(i, "zero_point"), [&](auto v) {
      if (v != 0) {
        node.refuse("input {} (zero_point): expected 0 or none, found {}", i,
                    static_cast<double>(v));
      }
    });
  }
}

ValueId code_input(const NodeReader& node, std::size_t i) {
  const ElementType type = node.value(i).type;
  if (type != ElementType::Int8 && type != ElementType::Uint8) {
    node.refuse("input {}: expected int8 or uint8, found {}", i, to_string(type));
  }
  return node.input(i);
}

// Quantlab: ((x * mul + add) >> shift) clipped to n_levels codes, of each operand of an Add and of
// their sum. Where the file does not say whether codes are signed, both ranges are kept together;
// which it is follows from the operands, and the recognition of chains finds out.
std::optional<AffineRequantize> quantlab_step(NodeReader& node, const std::string& prefix) {
  const auto attribute = [&](const char* name) { return prefix + name; };
  const std::int64_t used =
      node.has(attribute("_rq")) ? whole_attribute(node, attribute("_rq")) : 1;
  if (!node.has(attribute("_mul"))) return std::nullopt;
  AffineRequantize affine;
  affine.multiplier = {whole_attribute(node, attribute("_mul"))};
  affine.offset = {whole_attribute(node, attribute("_add"))};
  const std::int64_t shift = whole_attribute(node, attribute("_shift"));
  if (shift < 0 || shift > 62) {
    node.refuse("attribute '{}': expected 0 to 62, found {}", attribute("_shift"), shift);
  }
  affine.divisor = std::int64_t{1} << shift;
  const std::int64_t levels = levels_attribute(node, attribute("_n_levels"));
  if (const auto sign = node.number(attribute("_signed"))) {
    set_range(affine, levels, *sign != 0);
  } else {
    affine.low = -(levels / 2);
    affine.high = levels - 1;
  }
  return used == 0 ? std::nullopt : std::optional(affine);
}

}  // namespace

void import_conv_integer(NodeReader& node) {
  refuse_zero_points(node);
  node.emit(conv_op(node), {code_input(node, 0), code_input(node, 1)},
            {{.type = ElementType::Int32}});
}

void import_matmul_integer(NodeReader& node) {
  refuse_zero_points(node);
  node.emit(MatMul{}, {code_input(node, 0), code_input(node, 1)}, {{.type = ElementType::Int32}});
}

void import_requant_shift(NodeReader& node) {
  AffineRequantize affine{.rounding = Rounding::HalfUp};
  affine.multiplier = channel_integers(node, 1, "mul");
  affine.offset = channel_integers(node, 2, "add");
  affine.divisor = whole_attribute(node, "div");
  if (affine.divisor < 1)
    node.refuse("attribute 'div': expected 1 or more, found {}", affine.divisor);
  const char* levels = node.has("n_levels") ? "n_levels" : "n_levels_out";
  const bool is_signed = whole_attribute(node, "signed") != 0;
  set_range(affine, levels_attribute(node, levels), is_signed);
  const ElementType type = node.value(0).type;
  node.emit_affine(affine, node.input(0), {.type = type});
}

bool import_quantlab_add(NodeReader& node) {
  if (!node.has("in1_mul") && !node.has("in2_mul") && !node.has("out_mul")) return false;
  const std::optional<AffineRequantize> steps[] = {
      quantlab_step(node, "in1"), quantlab_step(node, "in2"), quantlab_step(node, "out")};
  std::vector<ValueId> operands{node.float_input(0), node.float_input(1)};
  for (std::size_t i = 0; i < 2; ++i) {
    if (steps[i]) operands[i] = node.emit_affine(*steps[i], operands[i], {.output = kIntermediate});
  }
  const Binary sum{.kind = Binary::Kind::Add};
  const int output = steps[2] ? kIntermediate : 0;
  const ValueId total = node.emit(sum, operands, {{.output = output}});
  node.take_name();
  if (steps[2]) node.emit_affine(*steps[2], total, {});
  return true;
}

void import_running_cast(NodeReader& node, ElementType type) {
  const ElementType from = node.value(0).type;
  if (type == ElementType::Bool || from == ElementType::Bool) {
    node.refuse("input 0 '{}': expected a constant to become {}, found a value known at run time",
                node.value(0).name, to_string(type));
  }
  if (is_integer(type) && !is_integer(from)) {
    node.emit(Activate{{.kind = Activation::Kind::Truncate}}, {node.input(0)}, {{.type = type}});
  } else {
    node.emit(Identity{}, {node.input(0)}, {{.type = type}});
  }
}

void import_running_gather(NodeReader& node) {
  const Integers indices = node.constant_integers(1, "indices");
  const Shape& x = node.shape(0);
  const std::size_t axis = node.axis(node.integer("axis", 0), x.size());
  Integers places = indices;
  for (std::int64_t& place : places) {
    if (place < -x[axis] || place >= x[axis]) {
      node.refuse("input 1 (indices): expected values in [{}, {}), found {}", -x[axis], x[axis],
                  place);
    }
    if (place < 0) place += x[axis];
  }
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i] != places[i - 1] + 1) {
      node.refuse("input 1 (indices): expected neighbours in order, found {}", to_string(indices));
    }
  }
  if (places.empty() || node.shape(1).size() > 1) {
    node.refuse("input 1 (indices): expected a number or a list, found shape {}",
                to_string(node.shape(1)));
  }
  const auto along = static_cast<std::int64_t>(axis);
  const Slice slice{{places.front()}, {places.back() + 1}, {along}, {1}};
  if (!node.shape(1).empty()) {
    node.emit(slice, {node.input(0)});
    return;
  }
  Shape shape = x;
  shape.erase(shape.begin() + along);
  const ValueId part = node.emit(slice, {node.input(0)}, {{.output = kIntermediate}});
  node.emit(Reshape{shape}, {part});
}

}  // namespace workbench::importer
