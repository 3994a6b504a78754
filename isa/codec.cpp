#include "isa/codec.h"

#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/error.h"
#include "core/shapes.h"

namespace workbench {

namespace {

void put(file::Attribute& to, const std::vector<std::int64_t>& from) {
  to.mutable_ints()->Assign(from.begin(), from.end());
}
void put(file::Attribute& to, const std::vector<float>& from) {
  to.mutable_floats()->Assign(from.begin(), from.end());
}
void put(file::Attribute& to, float from) { to.add_floats(from); }
template <typename T>
requires std::integral<T> || std::is_enum_v<T>
void put(file::Attribute& to, T from) { to.add_ints(static_cast<std::int64_t>(from)); }

// Enumerations outside field lists; all are dense from 0.
constexpr auto last(Rounding) { return Rounding::TowardZero; }
constexpr auto last(Layout) { return Layout::Oihw; }
constexpr auto last(ElementType) { return ElementType::Bool; }

template <typename T>
T decode_enumerator(std::int64_t code, const std::string& name, std::string_view what, T greatest) {
  if (code < 0 || code > static_cast<std::int64_t>(greatest)) {
    fail("{}: not a program: {} {}", name, what, code);
  }
  return static_cast<T>(code);
}

// An attribute into a member; one of another kind than the member leaves it as it is. `greatest`:
// the last value of an enumeration.
void get(const file::Attribute& from, std::vector<std::int64_t>& to, const std::string&) {
  to.assign(from.ints().begin(), from.ints().end());
}
void get(const file::Attribute& from, std::vector<float>& to, const std::string&) {
  to.assign(from.floats().begin(), from.floats().end());
}
void get(const file::Attribute& from, float& to, const std::string&) {
  if (from.floats_size() == 1) to = from.floats(0);
}
template <std::integral T>
void get(const file::Attribute& from, T& to, const std::string&) {
  if (from.ints_size() == 1) to = static_cast<T>(from.ints(0));
}
template <typename T>
requires std::is_enum_v<T>
void get(const file::Attribute& from, T& to, const std::string& name, T greatest) {
  if (from.ints_size() == 1) to = decode_enumerator(from.ints(0), name, from.name(), greatest);
}

template <std::size_t I = 0>
bool make_op(std::string_view name, Op& op) {
  if constexpr (I < std::variant_size_v<Op>) {
    using T = std::variant_alternative_t<I, Op>;
    if (T::kName == name) {
      op = T{};
      return true;
    }
    return make_op<I + 1>(name, op);
  }
  return false;
}

void encode(const Tensor& tensor, file::Tensor& message) {
  message.set_type(static_cast<int>(tensor.type()));
  message.set_layout(static_cast<int>(tensor.layout()));
  message.mutable_shape()->Assign(tensor.shape().begin(), tensor.shape().end());
  message.set_data(tensor.data(), static_cast<std::size_t>(tensor.size_bytes()));
}

Shape decode_shape(const auto& dims, const std::string& name) {
  Shape shape(dims.begin(), dims.end());
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (dim < 0 || (dim > 0 && count > (std::int64_t{1} << 36) / dim)) {
      fail("{}: not a program: shape {}", name, to_string(shape));
    }
    count *= dim;
  }
  return shape;
}

Tensor decode(const file::Tensor& message, const std::string& name) {
  const Shape shape = decode_shape(message.shape(), name);
  const ElementType type =
      decode_enumerator(message.type(), name, "element type", last(ElementType{}));
  const std::int64_t bytes = element_count(shape) * element_bytes(type);
  if (bytes != static_cast<std::int64_t>(message.data().size())) {
    fail("{}: not a program: tensor of shape {} with {} bytes", name, to_string(shape),
         message.data().size());
  }
  Tensor tensor = Tensor::uninitialized(
      type, shape, decode_enumerator(message.layout(), name, "layout", last(Layout{})));
  std::memcpy(tensor.mutable_data(), message.data().data(), message.data().size());
  return tensor;
}

void encode(const AffineRequantize& affine, file::Affine& message) {
  message.mutable_multiplier()->Assign(affine.multiplier.begin(), affine.multiplier.end());
  message.mutable_offset()->Assign(affine.offset.begin(), affine.offset.end());
  message.set_divisor(affine.divisor);
  message.set_rounding(static_cast<int>(affine.rounding));
  message.set_low(affine.low);
  message.set_high(affine.high);
}

AffineRequantize decode(const file::Affine& message, const std::string& name) {
  AffineRequantize affine{
      .multiplier = {message.multiplier().begin(), message.multiplier().end()},
      .offset = {message.offset().begin(), message.offset().end()},
      .divisor = message.divisor(),
      .rounding = decode_enumerator(message.rounding(), name, "rounding", last(Rounding{})),
      .low = message.low(),
      .high = message.high()};
  if (affine.multiplier.empty() || affine.offset.empty() || affine.divisor < 1 ||
      affine.low > affine.high) {
    fail("{}: not a program: rescaling by {} / {} to [{}, {}]", name, to_string(affine.multiplier),
         affine.divisor, affine.low, affine.high);
  }
  return affine;
}

}  // namespace

void encode(const Graph& graph, file::Graph& message) {
  message.set_name(graph.name);
  for (const Value& value : graph.values) {
    file::Value& v = *message.add_values();
    v.set_name(value.name);
    v.mutable_shape()->Assign(value.shape.begin(), value.shape.end());
    v.set_type(static_cast<int>(value.type));
    if (value.constant) encode(*value.constant, *v.mutable_constant());
    if (const auto& q = value.quantization) {
      file::Quantization& to = *v.mutable_quantization();
      to.set_bits(q->bits);
      to.set_is_signed(q->is_signed);
      to.mutable_thresholds()->Assign(q->thresholds.begin(), q->thresholds.end());
      to.mutable_zero_points()->Assign(q->zero_points.begin(), q->zero_points.end());
      to.set_axis(q->axis);
      to.set_rounding(static_cast<int>(q->rounding));
    }
  }
  for (const Node& node : graph.nodes) {
    file::Node& n = *message.add_nodes();
    n.set_name(node.name);
    n.mutable_inputs()->Assign(node.inputs.begin(), node.inputs.end());
    n.mutable_outputs()->Assign(node.outputs.begin(), node.outputs.end());
    for (const std::string& merged : node.merged) n.add_merged(merged);
    if (node.affine) encode(*node.affine, *n.mutable_affine());
    for (const auto& affine : node.operand_affine) encode(affine, *n.add_operand_affine());
    std::visit(
        [&]<typename T>(const T& op) {
          n.set_op(std::string(T::kName));
          for_each_leaf_field(op, [&](std::string_view field, const auto& member, auto...) {
            file::Attribute& attribute = *n.add_attributes();
            attribute.set_name(std::string(field));
            put(attribute, member);
          });
        },
        node.op);
  }
  message.mutable_inputs()->Assign(graph.inputs.begin(), graph.inputs.end());
  message.mutable_outputs()->Assign(graph.outputs.begin(), graph.outputs.end());
}

namespace {

// One step for all, or one for each index of a dimension.
bool is_of(const Quantization& quantization, const Shape& shape) {
  const std::size_t count = quantization.thresholds.size(), zeros = quantization.zero_points.size();
  if (zeros > 1 && zeros != count) return false;
  if (count == 1) return true;
  const auto rank = static_cast<int>(shape.size());
  const int axis = quantization.axis < 0 ? quantization.axis + rank : quantization.axis;
  return axis >= 0 && axis < rank &&
         shape[static_cast<std::size_t>(axis)] == static_cast<std::int64_t>(count);
}

Value decode_value(const file::Value& v, const std::string& name) {
  Value value{.name = v.name(), .shape = decode_shape(v.shape(), name)};
  value.type = decode_enumerator(v.type(), name, "element type", last(ElementType{}));
  if (v.has_constant()) {
    value.constant = decode(v.constant(), name);
    if (value.constant->shape() != value.shape || value.constant->type() != value.type) {
      fail("{}: not a program: constant '{}'", name, v.name());
    }
  }
  if (!v.has_quantization()) return value;
  const file::Quantization& q = v.quantization();
  if (q.bits() < 2 || q.bits() > 32 || q.thresholds_size() == 0) {
    fail("{}: not a program: quantization of '{}'", name, v.name());
  }
  value.quantization =
      Quantization{.bits = q.bits(),
                   .is_signed = q.is_signed(),
                   .thresholds = {q.thresholds().begin(), q.thresholds().end()},
                   .zero_points = {q.zero_points().begin(), q.zero_points().end()},
                   .axis = q.axis(),
                   .rounding = decode_enumerator(q.rounding(), name, "rounding", last(Rounding{}))};
  if (!is_of(*value.quantization, value.shape)) {
    fail("{}: not a program: quantization of '{}'", name, v.name());
  }
  return value;
}

// Operands fit together, and results have the shapes that follow from them.
void check_node(const Graph& graph, const Node& node, const std::string& name) {
  std::vector<Shape> shapes;
  try {
    shapes = output_shapes(graph, node);
  } catch (const Error& error) {
    fail("{}: not a program: host {}", name, error.what());
  }
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.outputs[i] == kNoValue) continue;
    if (i >= shapes.size() || shapes[i] != graph.value(node.outputs[i]).shape) {
      fail("{}: not a program: host node '{}' gives '{}' another shape", name, node.name,
           graph.value(node.outputs[i]).name);
    }
  }
}

}  // namespace

Graph decode(const file::Graph& message, const std::string& name) {
  Graph graph{.name = message.name()};
  for (const file::Value& v : message.values()) graph.values.push_back(decode_value(v, name));
  const auto ids = [&](const auto& list, bool may_be_absent) {
    std::vector<ValueId> result(list.begin(), list.end());
    for (const ValueId id : result) {
      const bool absent = may_be_absent && id == kNoValue;
      if (!absent && (id < 0 || static_cast<std::size_t>(id) >= graph.values.size())) {
        fail("{}: not a program: host value {}", name, id);
      }
    }
    return result;
  };
  for (const file::Node& n : message.nodes()) {
    Node node{.name = n.name()};
    if (!make_op(n.op(), node.op)) fail("{}: not a program: host op '{}'", name, n.op());
    std::visit(
        [&](auto& op) {
          for_each_leaf_field(op, [&](std::string_view field, auto& member, auto... greatest) {
            for (const file::Attribute& attribute : n.attributes()) {
              if (attribute.name() == field) get(attribute, member, name, greatest...);
            }
          });
        },
        node.op);
    node.inputs = ids(n.inputs(), true);
    node.outputs = ids(n.outputs(), true);
    if (node.outputs.empty()) fail("{}: not a program: host node '{}'", name, n.name());
    node.merged.assign(n.merged().begin(), n.merged().end());
    if (n.has_affine()) node.affine = decode(n.affine(), name);
    for (const file::Affine& a : n.operand_affine()) node.operand_affine.push_back(decode(a, name));
    graph.nodes.push_back(std::move(node));
  }
  for (const Node& node : graph.nodes) check_node(graph, node, name);
  graph.inputs = ids(message.inputs(), false);
  graph.outputs = ids(message.outputs(), false);
  return graph;
}

namespace {

void encode(const HostStepInfo& step, file::HostStepInfo& message) {
  message.set_name(step.name);
  message.set_op(step.op);
  message.set_reason(step.reason);
  message.set_milliseconds(step.milliseconds);
  message.set_macs(step.macs);
  message.set_bytes_in(step.bytes_in);
  message.set_bytes_out(step.bytes_out);
  for (const HostNodeInfo& node : step.nodes) {
    file::HostNodeInfo& to = *message.add_nodes();
    to.set_name(node.name);
    to.set_op(node.op);
    to.set_reason(node.reason);
  }
}

HostStepInfo decode(const file::HostStepInfo& message) {
  HostStepInfo step{.name = message.name(),
                    .op = message.op(),
                    .reason = message.reason(),
                    .milliseconds = message.milliseconds(),
                    .macs = message.macs(),
                    .bytes_in = message.bytes_in(),
                    .bytes_out = message.bytes_out(),
                    .nodes = {}};
  for (const file::HostNodeInfo& node : message.nodes()) {
    step.nodes.push_back({node.name(), node.op(), node.reason()});
  }
  return step;
}

}  // namespace

void encode(const ProgramInfo& info, file::Info& message) {
  message.set_network(info.network);
  message.set_machine(info.machine);
  for (const LayerInfo& layer : info.layers) {
    file::Layer& to = *message.add_layers();
    to.set_name(layer.name);
    to.set_op(layer.op);
    to.mutable_shape()->Assign(layer.shape.begin(), layer.shape.end());
    for (const std::string& merged : layer.merged) to.add_merged(merged);
    to.set_macs(layer.macs);
    to.set_ops(layer.ops);
    to.set_result_words(layer.result_words);
  }
  message.mutable_instruction_layer()->Assign(info.instruction_layer.begin(),
                                              info.instruction_layer.end());
  for (const std::string& text : info.instruction_text) message.add_instruction_text(text);
  for (const HostStepInfo& step : info.host_steps) encode(step, *message.add_host_steps());
  message.set_network_macs(info.network_macs);
  message.set_network_ops(info.network_ops);
  message.set_network_parameters(info.network_parameters);
  message.set_peak_bytes(info.peak_bytes);
  message.set_minimum_bytes(info.minimum_bytes);
  message.set_extent_bytes(info.extent_bytes);
  message.set_capacity_bytes(info.capacity_bytes);
  message.set_moveops(info.moveops);
  message.set_io_bytes(info.io_bytes);
}

ProgramInfo decode(const file::Info& message) {
  ProgramInfo info;
  info.network = message.network();
  info.machine = message.machine();
  for (const file::Layer& layer : message.layers()) {
    info.layers.push_back({layer.name(),
                           layer.op(),
                           {layer.shape().begin(), layer.shape().end()},
                           {layer.merged().begin(), layer.merged().end()},
                           layer.macs(),
                           layer.ops(),
                           layer.result_words()});
  }
  info.instruction_layer.assign(message.instruction_layer().begin(),
                                message.instruction_layer().end());
  info.instruction_text.assign(message.instruction_text().begin(),
                               message.instruction_text().end());
  for (const file::HostStepInfo& step : message.host_steps()) {
    info.host_steps.push_back(decode(step));
  }
  info.network_macs = message.network_macs();
  info.network_ops = message.network_ops();
  info.network_parameters = message.network_parameters();
  info.peak_bytes = message.peak_bytes();
  info.minimum_bytes = message.minimum_bytes();
  info.extent_bytes = message.extent_bytes();
  info.capacity_bytes = message.capacity_bytes();
  info.moveops = message.moveops();
  info.io_bytes = message.io_bytes();
  return info;
}

namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t j) -> std::uint32_t {
      return i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U;
    };
    const std::uint32_t bits = byte(0) << 16U | byte(1) << 8U | byte(2);
    for (std::size_t digit = 0; digit < 4; ++digit) {
      const bool padding = digit > 0 && i + digit - 1 >= bytes.size();
      text += padding ? '=' : kDigits[bits >> (18U - 6U * static_cast<unsigned>(digit)) & 63U];
    }
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes;
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool pad = i + padding >= text.size();
    const std::size_t digit = pad ? 0 : kDigits.find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (const unsigned shift : {16U, 8U, 0U}) bytes += static_cast<char>(bits >> shift & 255U);
    bits = 0;
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

}  // namespace workbench
