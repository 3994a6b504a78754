#include "isa/codec.h"

#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/error.h"

namespace workbench {

namespace {

// --- field lists of the ops ---------------------------------------------------------------------

void window_fields(auto& window, auto&& visit) {
  visit("kernel", window.kernel);
  visit("strides", window.strides);
  visit("dilations", window.dilations);
  visit("pads_begin", window.pads_begin);
  visit("pads_end", window.pads_end);
}
void activation_fields(auto& activation, auto&& visit) {
  visit("activation", activation.kind);
  visit("alpha", activation.alpha);
  visit("beta", activation.beta);
  visit("slopes", activation.slopes);
  visit("bounds", activation.bounds);
}

template <typename T, typename U>
concept Is = std::same_as<std::remove_cvref_t<T>, U>;

// One branch per op with attributes; `op` may be const or not.
template <typename T>
void op_fields(T& op, auto&& visit) {
  if constexpr (Is<T, Conv> || Is<T, ConvTranspose>) {
    window_fields(op.window, visit);
    visit("groups", op.groups);
    if constexpr (Is<T, ConvTranspose>) visit("output_padding", op.output_padding);
    activation_fields(op.activation, visit);
  } else if constexpr (Is<T, BatchNorm>) {
    visit("epsilon", op.epsilon);
  } else if constexpr (Is<T, Activate>) {
    activation_fields(op.activation, visit);
  } else if constexpr (Is<T, MaxPool> || Is<T, AveragePool>) {
    window_fields(op.window, visit);
    visit("ceil_mode", op.ceil_mode);
    if constexpr (Is<T, MaxPool>) visit("storage_order", op.storage_order);
    if constexpr (Is<T, AveragePool>) visit("count_include_pad", op.count_include_pad);
  } else if constexpr (Is<T, Binary>) {
    visit("kind", op.kind);
    activation_fields(op.activation, visit);
  } else if constexpr (Is<T, Concat>) {
    visit("axis", op.axis);
  } else if constexpr (Is<T, Gemm>) {
    visit("transpose_a", op.transpose_a);
    visit("transpose_b", op.transpose_b);
    visit("gemm_alpha", op.alpha);
    visit("gemm_beta", op.beta);
    activation_fields(op.activation, visit);
  } else if constexpr (Is<T, Reshape>) {
    visit("shape", op.shape);
  } else if constexpr (Is<T, Transpose>) {
    visit("permutation", op.permutation);
  } else if constexpr (Is<T, Pad>) {
    visit("mode", op.mode);
    visit("begin", op.begin);
    visit("end", op.end);
    visit("value", op.value);
  } else if constexpr (Is<T, Softmax>) {
    visit("axis", op.axis);
    visit("log", op.log);
  } else if constexpr (Is<T, Lrn>) {
    visit("size", op.size);
    visit("alpha", op.alpha);
    visit("beta", op.beta);
    visit("bias", op.bias);
  } else if constexpr (Is<T, Resize>) {
    visit("scales", op.scales);
    visit("sizes", op.sizes);
    visit("coordinates", op.coordinates);
    visit("nearest", op.nearest);
    visit("roi", op.roi);
    visit("extrapolation_value", op.extrapolation_value);
  } else if constexpr (Is<T, SpaceToDepth>) {
    visit("block", op.block);
  } else if constexpr (Is<T, DepthToSpace>) {
    visit("block", op.block);
    visit("column_row_depth", op.column_row_depth);
  } else if constexpr (Is<T, Slice>) {
    visit("starts", op.starts);
    visit("ends", op.ends);
    visit("axes", op.axes);
    visit("steps", op.steps);
  } else if constexpr (Is<T, Reduce>) {
    visit("kind", op.kind);
    visit("axes", op.axes);
    visit("keep_dims", op.keep_dims);
  }
}

template <typename T>
constexpr std::string_view type_name() {
  const std::string_view name = __PRETTY_FUNCTION__;  // "... [with T = workbench::Conv; ...]"
  const std::size_t begin = name.find("T = workbench::") + 15;
  return name.substr(begin, name.find_first_of(";]", begin) - begin);
}

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

// The last enumerator of each enumeration in a file: all are dense from 0.
constexpr auto last(Activation::Kind) { return Activation::Kind::Truncate; }
constexpr auto last(Binary::Kind) { return Binary::Kind::Div; }
constexpr auto last(Pad::Mode) { return Pad::Mode::Edge; }
constexpr auto last(Resize::Coordinates) { return Resize::Coordinates::TfCropAndResize; }
constexpr auto last(Resize::Nearest) { return Resize::Nearest::Ceil; }
constexpr auto last(Reduce::Kind) { return Reduce::Kind::Max; }
constexpr auto last(Rounding) { return Rounding::TowardZero; }
constexpr auto last(Layout) { return Layout::Oihw; }
constexpr auto last(ElementType) { return ElementType::Bool; }

template <typename T>
T decode_enumerator(std::int64_t code, const std::string& name, std::string_view what) {
  if (code < 0 || code > static_cast<std::int64_t>(last(T{}))) {
    fail("{}: not a program: {} {}", name, what, code);
  }
  return static_cast<T>(code);
}

// An attribute into a member; one of another kind than the member leaves it as it is.
void get(const file::Attribute& from, std::vector<std::int64_t>& to, const std::string&) {
  to.assign(from.ints().begin(), from.ints().end());
}
void get(const file::Attribute& from, std::vector<float>& to, const std::string&) {
  to.assign(from.floats().begin(), from.floats().end());
}
void get(const file::Attribute& from, float& to, const std::string&) {
  if (from.floats_size() == 1) to = from.floats(0);
}
template <typename T>
requires std::integral<T> || std::is_enum_v<T>
void get(const file::Attribute& from, T& to, const std::string& name) {
  if (from.ints_size() != 1) return;
  if constexpr (std::is_enum_v<T>) {
    to = decode_enumerator<T>(from.ints(0), name, from.name());
  } else {
    to = static_cast<T>(from.ints(0));
  }
}

template <std::size_t I = 0>
bool make_op(std::string_view name, Op& op) {
  if constexpr (I < std::variant_size_v<Op>) {
    using T = std::variant_alternative_t<I, Op>;
    if (type_name<T>() == name) {
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
  const ElementType type = decode_enumerator<ElementType>(message.type(), name, "element type");
  const std::int64_t bytes = element_count(shape) * element_bytes(type);
  if (bytes != static_cast<std::int64_t>(message.data().size())) {
    fail("{}: not a program: tensor of shape {} with {} bytes", name, to_string(shape),
         message.data().size());
  }
  Tensor tensor = Tensor::uninitialized(
      type, shape, decode_enumerator<Layout>(message.layout(), name, "layout"));
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
      .rounding = decode_enumerator<Rounding>(message.rounding(), name, "rounding"),
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
        [&](const auto& op) {
          n.set_op(std::string(type_name<std::remove_cvref_t<decltype(op)>>()));
          op_fields(op, [&](const char* field, const auto& member) {
            file::Attribute& attribute = *n.add_attributes();
            attribute.set_name(field);
            put(attribute, member);
          });
        },
        node.op);
  }
  message.mutable_inputs()->Assign(graph.inputs.begin(), graph.inputs.end());
  message.mutable_outputs()->Assign(graph.outputs.begin(), graph.outputs.end());
}

namespace {

Value decode_value(const file::Value& v, const std::string& name) {
  Value value{.name = v.name(), .shape = decode_shape(v.shape(), name)};
  value.type = decode_enumerator<ElementType>(v.type(), name, "element type");
  if (v.has_constant()) value.constant = decode(v.constant(), name);
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
                   .rounding = decode_enumerator<Rounding>(q.rounding(), name, "rounding")};
  return value;
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
          op_fields(op, [&](const char* field, auto& member) {
            for (const file::Attribute& attribute : n.attributes()) {
              if (attribute.name() == field) get(attribute, member, name);
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
  graph.inputs = ids(message.inputs(), false);
  graph.outputs = ids(message.outputs(), false);
  return graph;
}

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
    to.set_memory_words(layer.memory_words);
  }
  message.mutable_instruction_layer()->Assign(info.instruction_layer.begin(),
                                              info.instruction_layer.end());
  for (const std::string& text : info.instruction_text) message.add_instruction_text(text);
  for (const HostStepInfo& step : info.host_steps) {
    file::HostStepInfo& to = *message.add_host_steps();
    to.set_name(step.name);
    to.set_op(step.op);
    to.set_reason(step.reason);
    to.set_milliseconds(step.milliseconds);
    to.set_macs(step.macs);
  }
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
                           layer.memory_words()});
  }
  info.instruction_layer.assign(message.instruction_layer().begin(),
                                message.instruction_layer().end());
  info.instruction_text.assign(message.instruction_text().begin(),
                               message.instruction_text().end());
  for (const file::HostStepInfo& step : message.host_steps()) {
    info.host_steps.push_back(
        {step.name(), step.op(), step.reason(), step.milliseconds(), step.macs()});
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
