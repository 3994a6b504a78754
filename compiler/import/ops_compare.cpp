// Functions of two and more elements beside arithmetic: comparisons, logic, extremes, powers.
#include <cmath>
#include <functional>
#include <limits>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

using Kind = Binary::Kind;

constexpr Result kPart{.output = kIntermediate};
constexpr Result kTruth{.type = ElementType::Bool};

constexpr std::pair<std::string_view, Kind> kKinds[] = {
    {"And", Kind::And},         {"Equal", Kind::Equal},
    {"Greater", Kind::Greater}, {"GreaterOrEqual", Kind::GreaterOrEqual},
    {"Less", Kind::Less},       {"LessOrEqual", Kind::LessOrEqual},
    {"Max", Kind::Max},         {"Min", Kind::Min},
    {"Or", Kind::Or},           {"Xor", Kind::Xor},
};

Kind kind_of(const NodeReader& node) {
  for (const auto& [name, kind] : kKinds) {
    if (name == node.op()) return kind;
  }
  CHECK(false, "{} compares nothing", node.op());
}

void same_types(const NodeReader& node, std::size_t a, std::size_t b) {
  if (node.value(a).type == node.value(b).type) return;
  node.refuse("input {} '{}': expected {} like input {}, found {}", b, node.value(b).name,
              to_string(node.value(a).type), a, to_string(node.value(b).type));
}

void import_comparison(NodeReader& node) {
  const Kind kind = kind_of(node);
  same_types(node, 0, 1);
  const ElementType type = node.value(0).type;
  const bool logic = kind == Kind::And || kind == Kind::Or || kind == Kind::Xor;
  if (logic && type != ElementType::Bool) {
    node.refuse("input 0: expected bool, found {}", to_string(type));
  }
  node.integer("broadcast", 0);  // of opset 1, whose other attribute says the axis
  node.emit(Binary{.kind = kind}, {node.input(0), node.input(1)}, {kTruth});
}

// The bound of a Clip from above: a constant that is one number, or one per index of axis 1.
std::optional<Activation> upper_bound(const NodeReader& node) {
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  const Value& bound = node.value(1);
  if (!bound.constant || bound.type != ElementType::Float32 || node.value(0).constant) {
    return std::nullopt;
  }
  const Shape& shape = node.shape(0);
  const std::vector<float> bounds = node.constant_reals(1, "bounds");
  for (const float b : bounds) {
    if (std::isnan(b)) node.refuse("input 1 (bounds): expected numbers, found nan");
  }
  Shape per_channel(shape.size(), 1);
  if (shape.size() > 1) per_channel[1] = shape[1];
  Shape found = bound.shape;
  if (found.size() > shape.size()) return std::nullopt;
  found.insert(found.begin(), shape.size() - found.size(), 1);
  Activation activation{
      .kind = Activation::Kind::Clip, .alpha = kLowest, .beta = std::numeric_limits<float>::max()};
  if (bounds.size() == 1) {
    activation.beta = bounds[0];
  } else if (found == per_channel) {
    activation.bounds = bounds;
  } else {
    return std::nullopt;
  }
  return activation;
}

// f(f(f(a, b), c), ...); `last` is applied to the result of the last.
ValueId chain(NodeReader& node, Kind kind, const Result& result) {
  ValueId value = node.number_input(0);
  for (std::size_t i = 1; i < node.input_count(); ++i) {
    same_types(node, 0, i);
    const bool last = i + 1 == node.input_count();
    value = node.emit(Binary{.kind = kind}, {value, node.number_input(i)}, {last ? result : kPart});
  }
  return value;
}

void import_extreme(NodeReader& node) {
  if (node.input_count() == 1) {
    node.emit(Identity{}, {node.number_input(0)});
    return;
  }
  if (node.op() == "Min" && node.input_count() == 2) {
    if (const auto activation = upper_bound(node)) {
      node.emit(Activate{*activation}, {node.float_input(0)});
      return;
    }
  }
  chain(node, kind_of(node), {});
}

void import_mean(NodeReader& node) {
  if (node.input_count() == 1) {
    node.emit(Identity{}, {node.float_input(0)});
    return;
  }
  for (std::size_t i = 0; i < node.input_count(); ++i) node.float_input(i);
  const ValueId sum = chain(node, Kind::Add, kPart);
  const auto count = static_cast<float>(node.input_count());
  node.emit(Binary{.kind = Kind::Div}, {sum, node.add_constant(Tensor::scalar(count))});
}

bool is_float(const NodeReader& node, std::size_t i) {
  return node.value(i).type == ElementType::Float32;
}

// Base and exponent may differ in type; the result has the base's.
void import_pow(NodeReader& node) {
  const Value& exponent = node.value(1);
  ValueId x = node.number_input(0), y = node.number_input(1);
  const bool known = exponent.constant && exponent.constant->size() == 1 && is_float(node, 1);
  const float number = known ? exponent.constant->values<float>()[0] : 0;
  const bool keeps_rank = exponent.shape.size() <= node.shape(0).size();
  if (is_float(node, 0) && known && keeps_rank && (number == 2 || number == 0.5F)) {
    if (number == 2) {
      node.emit(Binary{.kind = Kind::Mul}, {x, x});
    } else {
      node.emit(Activate{{.kind = Activation::Kind::Sqrt}}, {x});
    }
    return;
  }
  const ElementType type = node.value(0).type;
  if (type == exponent.type) {
    node.emit(Binary{.kind = Kind::Pow}, {x, y});
    return;
  }
  const Result real{.output = kIntermediate, .type = ElementType::Float32};
  if (!is_float(node, 0)) x = node.emit(Identity{}, {x}, {real});
  if (!is_float(node, 1)) y = node.emit(Identity{}, {y}, {real});
  if (type == ElementType::Float32) {
    node.emit(Binary{.kind = Kind::Pow}, {x, y});
    return;
  }
  const ValueId power = node.emit(Binary{.kind = Kind::Pow}, {x, y}, {real});
  node.emit(Activate{{.kind = Activation::Kind::Truncate}}, {power}, {{.type = type}});
}

void import_mod(NodeReader& node) {
  const bool fmod = node.flag("fmod", false);
  same_types(node, 0, 1);
  if (is_float(node, 0) && !fmod) {
    node.refuse("attribute 'fmod': expected 1 for operands of type float32, found 0");
  }
  node.emit(Binary{.kind = fmod ? Kind::Fmod : Kind::Mod},
            {node.number_input(0), node.number_input(1)});
}

void import_where(NodeReader& node) {
  if (node.value(0).type != ElementType::Bool) {
    node.refuse("input 0 (condition): expected bool, found {}", to_string(node.value(0).type));
  }
  same_types(node, 1, 2);
  node.emit(Where{}, {node.input(0), node.input(1), node.input(2)}, {{.type = node.value(1).type}});
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"And", import_comparison, 2, 1, true, ""},
    {"Equal", import_comparison, 2, 1, true, "numpy broadcasting"},
    {"Greater", import_comparison, 2, 1, true, "numpy broadcasting"},
    {"GreaterOrEqual", import_comparison, 2, 1, true, "numpy broadcasting"},
    {"Less", import_comparison, 2, 1, true, "numpy broadcasting"},
    {"LessOrEqual", import_comparison, 2, 1, true, "numpy broadcasting"},
    {"Max", import_extreme, kAnyNumber, 1, true, "numpy broadcasting"},
    {"Mean", import_mean, kAnyNumber, 1, true, "becomes a chain of Add, and Div"},
    {"Min", import_extreme, kAnyNumber, 1, true, "numpy broadcasting; constants become Clip"},
    {"Mod", import_mod, 2, 1, true, "numpy broadcasting"},
    {"Or", import_comparison, 2, 1, true, ""},
    {"Pow", import_pow, 2, 1, true, "numpy broadcasting"},
    {"Where", import_where, 3, 1, true, "numpy broadcasting"},
    {"Xor", import_comparison, 2, 1, true, ""},
};

}  // namespace

std::span<const ImportRule> compare_rules() { return kRules; }

}  // namespace workbench::importer
