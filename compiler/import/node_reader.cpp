#include "compiler/import/node_reader.h"

#include <algorithm>
#include <cmath>

#include "compiler/import/tensor_proto.h"
#include "core/shapes.h"

namespace workbench::importer {

using Type = onnx::AttributeProto;

namespace {

// An attribute as an error shows it.
std::string print(const onnx::AttributeProto& attribute) {
  switch (attribute.type()) {
    case Type::INT:
      return fmt::format("{}", attribute.i());
    case Type::FLOAT:
      return fmt::format("{}", attribute.f());
    case Type::STRING:
      return fmt::format("'{}'", attribute.s());
    case Type::INTS:
      return to_string(Shape(attribute.ints().begin(), attribute.ints().end()));
    default:
      return Type::AttributeType_Name(attribute.type());
  }
}

}  // namespace

NodeReader::NodeReader(onnx::NodeProto& proto, ImportState& state)
    : proto_(proto), state_(state), name_(proto.name()) {
  for (onnx::AttributeProto& attribute : *proto.mutable_attribute()) {
    if (!attributes_.emplace(attribute.name(), &attribute).second) {
      refuse("attribute '{}': expected once, found twice", attribute.name());
    }
  }
}

const onnx::AttributeProto* NodeReader::find(std::string_view attribute, Type::AttributeType type) {
  const auto found = attributes_.find(attribute);
  if (found == attributes_.end()) return nullptr;
  asked_.emplace(attribute);
  if (found->second->type() != type) {
    refuse("attribute '{}': expected {}, found {}", attribute, Type::AttributeType_Name(type),
           Type::AttributeType_Name(found->second->type()));
  }
  return found->second;
}

std::int64_t NodeReader::integer(std::string_view attribute, std::int64_t fallback) {
  const auto* found = find(attribute, Type::INT);
  return found != nullptr ? found->i() : fallback;
}

std::int64_t NodeReader::required_integer(std::string_view attribute) {
  const auto* found = find(attribute, Type::INT);
  if (found == nullptr) refuse("attribute '{}': expected an integer, found none", attribute);
  return found->i();
}

bool NodeReader::flag(std::string_view attribute, bool fallback) {
  const std::int64_t value = integer(attribute, fallback ? 1 : 0);
  if (value != 0 && value != 1) {
    refuse("attribute '{}': expected 0 or 1, found {}", attribute, value);
  }
  return value == 1;
}

float NodeReader::real(std::string_view attribute, float fallback) {
  const auto* found = find(attribute, Type::FLOAT);
  if (found == nullptr) return fallback;
  if (std::isnan(found->f())) refuse("attribute '{}': expected a number, found nan", attribute);
  return found->f();
}

std::string NodeReader::text(std::string_view attribute, const std::string& fallback) {
  const auto* found = find(attribute, Type::STRING);
  return found != nullptr ? found->s() : fallback;
}

std::optional<std::vector<std::string>> NodeReader::texts(std::string_view attribute) {
  const auto* found = find(attribute, Type::STRINGS);
  if (found == nullptr) return std::nullopt;
  return std::vector<std::string>(found->strings().begin(), found->strings().end());
}

std::optional<Integers> NodeReader::integers(std::string_view attribute) {
  const auto* found = find(attribute, Type::INTS);
  if (found == nullptr) return std::nullopt;
  return Integers(found->ints().begin(), found->ints().end());
}

std::optional<std::vector<float>> NodeReader::reals(std::string_view attribute) {
  const auto* found = find(attribute, Type::FLOATS);
  if (found == nullptr) return std::nullopt;
  return std::vector<float>(found->floats().begin(), found->floats().end());
}

std::optional<Tensor> NodeReader::tensor(std::string_view attribute) {
  if (find(attribute, Type::TENSOR) == nullptr) return std::nullopt;
  const std::string where = fmt::format("node '{}' ({}): attribute '{}'", name_, op(), attribute);
  return take_tensor(*attributes_.find(attribute)->second->mutable_t(), where);
}

std::optional<double> NodeReader::number(std::string_view attribute) {
  const auto found = attributes_.find(attribute);
  if (found == attributes_.end()) return std::nullopt;
  if (found->second->type() == Type::INT) return static_cast<double>(integer(attribute, 0));
  if (found->second->type() == Type::FLOAT) return real(attribute, 0);
  const std::optional<Tensor> value = tensor(attribute);
  if (value->size() != 1) {
    refuse("attribute '{}': expected one number, found {}", attribute, value->size());
  }
  switch (value->type()) {
    case ElementType::Float32:
      return value->values<float>()[0];
    case ElementType::Int32:
      return value->values<std::int32_t>()[0];
    case ElementType::Int64:
      return static_cast<double>(value->values<std::int64_t>()[0]);
    case ElementType::Bool:
      return value->values<bool>()[0] ? 1 : 0;
    default:
      refuse("attribute '{}': expected a number, found {}", attribute, to_string(value->type()));
  }
}

void NodeReader::only_integer(std::string_view attribute, std::int64_t only) {
  const std::int64_t found = integer(attribute, only);
  if (found != only) {
    refuse("attribute '{}': only {} is supported, found {}", attribute, only, found);
  }
}

void NodeReader::finish() const {
  for (const auto& [name, attribute] : attributes_) {
    if (!asked_.contains(name) && !name.ends_with("_bits")) {
      refuse("attribute '{}' = {} is not supported", name, print(*attribute));
    }
  }
}

bool NodeReader::has_input(std::size_t i) const {
  return i < input_count() && !proto_.input(static_cast<int>(i)).empty();
}

ValueId NodeReader::input(std::size_t i) const {
  if (!has_input(i)) refuse("input {}: expected a value, found none", i);
  return state_.values.at(proto_.input(static_cast<int>(i)));
}

ValueId NodeReader::float_input(std::size_t i) const {
  const ValueId id = input(i);
  const ElementType type = state_.graph.value(id).type;
  if (type != ElementType::Float32) {
    refuse("input {} '{}': expected float32, found {}", i, state_.graph.value(id).name,
           to_string(type));
  }
  return id;
}

ValueId NodeReader::number_input(std::size_t i) const {
  if (value(i).type == ElementType::Bool) return float_input(i);
  return input(i);
}

ValueId NodeReader::with_codes(std::size_t i, const Quantization& codes) {
  Value& value = mutable_value(i);
  if (!value.quantization) value.quantization = codes;
  if (*value.quantization == codes) return input(i);
  if (!value.constant) {
    refuse("input {} '{}': expected the scale and zero point it already has, found others", i,
           value.name);
  }
  Value copy = value;
  copy.name = unique_name(state_.value_names, value.name);
  copy.quantization = codes;
  return state_.graph.add_value(std::move(copy));
}

bool NodeReader::all_constant() const {
  for (std::size_t i = 0; i < input_count(); ++i) {
    if (has_input(i) && !value(i).constant) return false;
  }
  return true;
}

const Tensor& NodeReader::constant(std::size_t i, std::string_view meaning) const {
  const Value& operand = value(i);
  if (!operand.constant) {
    refuse("input {} ({}): expected a constant, found '{}', known only at run time", i, meaning,
           operand.name);
  }
  return *operand.constant;
}

Integers NodeReader::constant_integers(std::size_t i, std::string_view meaning) const {
  const Tensor& tensor = constant(i, meaning);
  if (tensor.type() == ElementType::Int64) {
    const auto values = tensor.values<std::int64_t>();
    return {values.begin(), values.end()};
  }
  if (tensor.type() == ElementType::Int32) {
    const auto values = tensor.values<std::int32_t>();
    return {values.begin(), values.end()};
  }
  refuse("input {} ({}): expected int64, found {}", i, meaning, to_string(tensor.type()));
}

std::vector<float> NodeReader::constant_reals(std::size_t i, std::string_view meaning) const {
  const Tensor& tensor = constant(i, meaning);
  if (tensor.type() != ElementType::Float32) {
    refuse("input {} ({}): expected float32, found {}", i, meaning, to_string(tensor.type()));
  }
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

float NodeReader::constant_scalar(std::size_t i, std::string_view meaning) const {
  const std::vector<float> values = constant_reals(i, meaning);
  if (values.size() != 1) {
    refuse("input {} ({}): expected one number, found {}", i, meaning, values.size());
  }
  if (std::isnan(values[0])) refuse("input {} ({}): expected a number, found nan", i, meaning);
  return values[0];
}

std::optional<Integers> NodeReader::list(std::string_view attribute, std::size_t i,
                                         std::int64_t since) {
  if (opset() < since) {
    if (has_input(i)) {
      refuse("input {}: expected '{}' as an attribute before opset {}", i, attribute, since);
    }
    return integers(attribute);
  }
  if (!has_input(i)) return std::nullopt;
  return constant_integers(i, attribute);
}

std::size_t NodeReader::axis(std::int64_t axis, std::size_t rank) const {
  const auto bound = static_cast<std::int64_t>(rank);
  if (axis < -bound || axis >= bound) {
    refuse("axis: expected a value in [{}, {}), found {}", -bound, bound, axis);
  }
  return static_cast<std::size_t>(axis < 0 ? axis + bound : axis);
}

bool NodeReader::wants_output(std::size_t i) const {
  return i < output_count() && !proto_.output(static_cast<int>(i)).empty();
}

ValueId NodeReader::add_result(const Result& result, ElementType fallback) {
  std::string value_name;
  if (result.output == kIntermediate) {
    const std::string base = result.name.empty() ? proto_.output(0) + "_part" : result.name;
    value_name = unique_name(state_.value_names, base);
  } else {
    value_name = proto_.output(result.output);
  }
  Value value{.name = value_name, .shape = {}, .type = result.type.value_or(fallback)};
  value.quantization = result.quantization;
  const ValueId id = state_.graph.add_value(std::move(value));
  state_.values.emplace(value_name, id);
  return id;
}

ValueId NodeReader::emit(Op op, std::vector<ValueId> inputs, const std::vector<Result>& results) {
  for (const ValueId id : inputs) {
    if (id == kNoValue) continue;
    const Value& operand = state_.graph.value(id);
    if (element_count(operand.shape) == 0) {
      refuse("'{}': expected elements, found none (shape {})", operand.name,
             to_string(operand.shape));
    }
  }
  Node node{.name = name_, .op = std::move(op), .inputs = std::move(inputs)};
  if (emitted_) node.name = unique_name(state_.node_names, name_ + "_part");
  emitted_ = true;
  const ElementType type = state_.graph.value(node.inputs.at(0)).type;
  for (const Result& result : results) node.outputs.push_back(add_result(result, type));
  const std::vector<Shape> shapes = output_shapes(state_.graph, node);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    Value& value = state_.graph.value(node.outputs[i]);
    value.shape = shapes.at(i);
    check_shape(value.shape,
                fmt::format("node '{}' ({}): output '{}'", name_, this->op(), value.name));
    if (element_count(value.shape) == 0) {
      refuse("output '{}': expected elements, found none (shape {})", value.name,
             to_string(value.shape));
    }
  }
  const ValueId written = node.outputs[0];
  state_.graph.nodes.push_back(std::move(node));
  return written;
}

std::vector<ValueId> NodeReader::emit_all(Op op, std::vector<ValueId> inputs,
                                          const std::vector<Result>& results) {
  emit(std::move(op), std::move(inputs), results);
  return state_.graph.nodes.back().outputs;
}

ValueId NodeReader::add_constant(Tensor tensor) {
  const std::string base = proto_.output_size() > 0 ? proto_.output(0) : name_;
  return state_.graph.add_constant(unique_name(state_.value_names, base + "_constant"),
                                   std::move(tensor));
}

ValueId NodeReader::emit_affine(const AffineRequantize& affine, ValueId x, const Result& result) {
  const ValueId written = emit(Identity{}, {x}, {result});
  state_.graph.nodes.back().affine = affine;
  return written;
}

void NodeReader::take_name() {
  std::vector<Node>& nodes = state_.graph.nodes;
  const auto named = std::find_if(nodes.rbegin(), nodes.rend(),
                                  [&](const Node& node) { return node.name == name_; });
  CHECK(named != nodes.rend(), "'{}' has emitted nothing", name_);
  std::swap(named->name, nodes.back().name);
}

void NodeReader::bind_constant(std::size_t i, Tensor tensor) {
  const std::string& output = proto_.output(static_cast<int>(i));
  state_.values.emplace(output, state_.graph.add_constant(output, std::move(tensor)));
}

void NodeReader::bind_alias(std::size_t i, ValueId id) {
  state_.values.emplace(proto_.output(static_cast<int>(i)), id);
}

namespace {

std::vector<ImportRule> all_rules() {
  std::vector<ImportRule> rules;
  for (const auto family : {arithmetic_rules(), attention_rules(), code_rules(), compare_rules(),
                            constant_rules(), elementary_rules(), index_rules(), movement_rules(),
                            normalize_rules(), qonnx_rules(), sequence_rules(), window_rules()}) {
    rules.insert(rules.end(), family.begin(), family.end());
  }
  std::ranges::sort(rules, {}, &ImportRule::name);
  return rules;
}

struct Refusal {
  std::string_view name, reason;
};
constexpr std::string_view kDynamic =
    "its scales are known at run time only, the targets need them now: quantize statically";
constexpr std::string_view kReal = "the targets compute it in real numbers: leave it unquantized";
constexpr Refusal kRefusals[] = {
    {"DynamicQuantizeLSTM", kDynamic},
    {"QAttention", kReal},
    {"QLinearSoftmax", kReal},
};

}  // namespace

std::string_view refusal(std::string_view name) {
  const auto found = std::find_if(std::begin(kRefusals), std::end(kRefusals),
                                  [&](const Refusal& known) { return known.name == name; });
  return found != std::end(kRefusals) ? found->reason : std::string_view();
}

std::span<const ImportRule> import_table() {
  static const std::vector<ImportRule> rules = all_rules();
  return rules;
}

const ImportRule* find_rule(std::string_view name) {
  const auto rules = import_table();
  const auto found = std::ranges::lower_bound(rules, name, {}, &ImportRule::name);
  return found != rules.end() && found->name == name ? &*found : nullptr;
}

}  // namespace workbench::importer
