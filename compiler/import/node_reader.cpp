#include "compiler/import/node_reader.h"

#include <algorithm>
#include <cmath>

#include "compiler/import/node_order.h"
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

namespace {

// Before IR 2 an attribute does not say its type; the field that is set does.
void set_type(onnx::AttributeProto& attribute) {
  if (attribute.has_f()) attribute.set_type(Type::FLOAT);
  if (attribute.has_i()) attribute.set_type(Type::INT);
  if (attribute.has_s()) attribute.set_type(Type::STRING);
  if (attribute.has_t()) attribute.set_type(Type::TENSOR);
  if (attribute.has_g()) attribute.set_type(Type::GRAPH);
  if (attribute.floats_size() > 0) attribute.set_type(Type::FLOATS);
  if (attribute.ints_size() > 0) attribute.set_type(Type::INTS);
  if (attribute.strings_size() > 0) attribute.set_type(Type::STRINGS);
}

}  // namespace

NodeReader::NodeReader(onnx::NodeProto& proto, std::string name, ImportState& state)
    : proto_(proto), state_(state), name_(std::move(name)) {
  for (onnx::AttributeProto& attribute : *proto.mutable_attribute()) {
    if (attribute.type() == Type::UNDEFINED) set_type(attribute);
    onnx::AttributeProto* meant = &attribute;
    if (!attribute.ref_attr_name().empty()) {  // of the function around
      const auto found = state.scope->attributes.find(attribute.ref_attr_name());
      if (found == state.scope->attributes.end()) continue;
      meant = found->second;
    }
    if (!attributes_.emplace(attribute.name(), meant).second) {
      refuse("attribute '{}': expected once, found twice", attribute.name());
    }
  }
}

onnx::AttributeProto* NodeReader::find(std::string_view attribute, Type::AttributeType type) {
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
  onnx::AttributeProto* found = find(attribute, Type::TENSOR);
  if (found == nullptr) return std::nullopt;
  const std::string where = fmt::format("node '{}' ({}): attribute '{}'", name_, op(), attribute);
  return state_.source.tensors.take(*found->mutable_t(), where);
}

std::optional<Tensor> NodeReader::sparse_tensor(std::string_view attribute) {
  onnx::AttributeProto* found = find(attribute, Type::SPARSE_TENSOR);
  if (found == nullptr) return std::nullopt;
  const std::string where = fmt::format("node '{}' ({}): attribute '{}'", name_, op(), attribute);
  return state_.source.tensors.take(*found->mutable_sparse_tensor(), where);
}

onnx::GraphProto* NodeReader::graph(std::string_view attribute) {
  onnx::AttributeProto* found = find(attribute, Type::GRAPH);
  return found != nullptr ? found->mutable_g() : nullptr;
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
    if (name == "consumed_inputs" && opset() < 6) continue;  // a memory hint of the first versions
    if (!asked_.contains(name) && !name.ends_with("_bits")) {
      refuse("attribute '{}' = {} is not supported", name, print(*attribute));
    }
  }
}

const Binding& NodeReader::binding(std::size_t i) const {
  const Binding* found = state_.scope->find(proto_.input(static_cast<int>(i)));
  CHECK(found != nullptr, "'{}' is read before it is there", proto_.input(static_cast<int>(i)));
  return *found;
}

bool NodeReader::has_input(std::size_t i) const {
  return i < input_count() && !proto_.input(static_cast<int>(i)).empty() &&
         binding(i).kind != Binding::Kind::Absent;
}

ValueId NodeReader::input(std::size_t i) const {
  if (!has_input(i)) refuse("input {}: expected a value, found none", i);
  const Binding& found = binding(i);
  if (found.kind != Binding::Kind::Value) {
    refuse("input {} '{}': expected a tensor, found a sequence", i,
           proto_.input(static_cast<int>(i)));
  }
  return found.id;
}

bool NodeReader::is_sequence(std::size_t i) const {
  return has_input(i) && binding(i).kind == Binding::Kind::Sequence;
}

const std::vector<ValueId>& NodeReader::sequence(std::size_t i) const {
  if (!has_input(i)) refuse("input {}: expected a sequence, found none", i);
  const Binding& found = binding(i);
  if (found.kind != Binding::Kind::Sequence) {
    refuse("input {} '{}': expected a sequence, found a tensor", i,
           proto_.input(static_cast<int>(i)));
  }
  return found.elements;
}

bool NodeReader::any_unknown() const {
  bool any = false;
  for_each_operand(proto_, [&](const std::string& name) {
    const Binding* found = state_.scope->find(name);
    any = any || (found != nullptr && found->kind == Binding::Kind::Unknown);
  });
  return any;
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
  copy.name = state_.value_names.take(value.name);
  copy.quantization = codes;
  return state_.graph.add_value(std::move(copy));
}

int NodeReader::code_bits(std::size_t i) const {
  const auto found = state_.narrow.find(input(i));
  if (value(i).quantization) return value(i).quantization->bits;
  return found != state_.narrow.end() ? found->second
                                      : static_cast<int>(8 * element_bytes(value(i).type));
}

bool NodeReader::all_constant() const {
  for (std::size_t i = 0; i < input_count(); ++i) {
    if (!has_input(i)) continue;
    if (binding(i).kind != Binding::Kind::Value || !value(i).constant) return false;
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

void NodeReader::note_made_static() { ++state_.made_static; }

bool NodeReader::wants_output(std::size_t i) const {
  if (i >= output_count()) return false;
  const std::string& output = proto_.output(static_cast<int>(i));
  return !output.empty() && state_.scope->read.contains(output);
}

ValueId NodeReader::add_result(const Result& result, ElementType fallback) {
  const bool is_output = result.output != kIntermediate &&
                         static_cast<std::size_t>(result.output) < output_count() &&
                         !proto_.output(result.output).empty();
  std::string value_name;
  if (is_output) {
    value_name = state_.graph_name(proto_.output(result.output));
  } else if (result.name.empty()) {
    const auto named = std::ranges::find_if(
        proto_.output(), [](const std::string& output) { return !output.empty(); });
    const std::string base = named != proto_.output().end() ? text_name(*named) : name_;
    value_name = state_.value_names.take(state_.scope->prefix + base + "_part");
  } else {
    value_name = state_.value_names.take(result.name);
  }
  Value value{.name = value_name, .shape = {}, .type = result.type.value_or(fallback)};
  value.quantization = result.quantization;
  const ValueId id = state_.graph.add_value(std::move(value));
  if (is_output) state_.bind(proto_.output(result.output), id);
  return id;
}

ValueId NodeReader::emit(Op op, std::vector<ValueId> inputs, const std::vector<Result>& results) {
  for (const ValueId id : inputs) {
    if (id == kNoValue || state_.may_be_empty) continue;
    const Value& operand = state_.graph.value(id);
    if (element_count(operand.shape) == 0) {
      refuse("'{}': expected elements, found none (shape {})", operand.name,
             to_string(operand.shape));
    }
  }
  Node node{.name = name_, .op = std::move(op), .inputs = std::move(inputs)};
  if (emitted_) node.name = state_.node_names.take(name_ + "_part");
  emitted_ = true;
  const ElementType type = state_.graph.value(node.inputs.at(0)).type;
  for (const Result& result : results) node.outputs.push_back(add_result(result, type));
  const std::vector<Shape> shapes = output_shapes(state_.graph, node);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    Value& value = state_.graph.value(node.outputs[i]);
    value.shape = shapes.at(i);
    check_shape(value.shape,
                fmt::format("node '{}' ({}): output '{}'", name_, this->op(), value.name));
    if (element_count(value.shape) == 0 && !state_.may_be_empty) {
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
  const std::string base = proto_.output_size() > 0 ? text_name(proto_.output(0)) : name_;
  return state_.graph.add_constant(
      state_.value_names.take(state_.scope->prefix + base + "_constant"), std::move(tensor));
}

ValueId NodeReader::reshaped(ValueId id, Shape shape) {
  const Value& value = state_.graph.value(id);
  if (!value.constant || element_count(shape) != value.constant->size()) {
    return emit(Reshape{std::move(shape)}, {id}, {{.output = kIntermediate}});
  }
  const Tensor tensor = value.constant->reshaped(std::move(shape));
  return state_.graph.add_constant(state_.value_names.take(value.name + "_reshaped"), tensor);
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
  state_.computed_bytes += tensor.size_bytes();
  if (state_.computed_bytes > kMaxComputedBytes) {
    refuse("output {}: expected at most {} bytes of constants computed at import, found more", i,
           kMaxComputedBytes);
  }
  bind_stored(i, std::move(tensor));
}

void NodeReader::bind_stored(std::size_t i, Tensor tensor) {
  const std::string& output = proto_.output(static_cast<int>(i));
  state_.bind(output, state_.graph.add_constant(state_.graph_name(output), std::move(tensor)));
}

void NodeReader::bind_alias(std::size_t i, ValueId id) {
  state_.bind(proto_.output(static_cast<int>(i)), id);
}

void NodeReader::bind_sequence(std::size_t i, std::vector<ValueId> elements) {
  state_.bind(proto_.output(static_cast<int>(i)),
              {.kind = Binding::Kind::Sequence, .elements = std::move(elements)});
}

namespace {

std::vector<ImportRule> all_rules() {
  std::vector<ImportRule> rules;
  for (const auto family :
       {arithmetic_rules(), attention_rules(), code_rules(), compare_rules(), constant_rules(),
        elementary_rules(), index_rules(), movement_rules(), nested_rules(), normalize_rules(),
        qonnx_rules(), sequence_rules(), window_rules()}) {
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
};

}  // namespace

std::string_view refusal(std::string_view name) {
  const auto found = std::find_if(std::begin(kRefusals), std::end(kRefusals),
                                  [&](const Refusal& known) { return known.name == name; });
  return found != std::end(kRefusals) ? found->reason : std::string_view();
}

bool is_microsoft_copy(const ImportRule& rule, std::string_view domain) {
  return domain == kMicrosoft && (rule.name == "QuantizeLinear" || rule.name == "DequantizeLinear");
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
