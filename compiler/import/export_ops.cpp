#include "compiler/import/export_ops.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "compiler/import/node_reader.h"
#include "compiler/import/tensor_proto.h"
#include "core/error.h"

namespace workbench::importer {

void write_initializer(onnx::GraphProto& graph, const std::string& name, const Tensor& tensor) {
  onnx::TensorProto& proto = *graph.add_initializer();
  proto.set_name(name);
  proto.set_data_type(onnx_type(tensor.type()));
  for (const std::int64_t dim : tensor.shape()) proto.add_dims(dim);
  proto.set_raw_data(tensor.data(), static_cast<std::size_t>(tensor.size_bytes()));
}

void write_nibbles(onnx::GraphProto& graph, const std::string& name, const Tensor& codes) {
  const bool is_signed = codes.type() == ElementType::Int8;
  CHECK(is_signed || codes.type() == ElementType::Uint8, "initializer '{}': codes of type {}", name,
        to_string(codes.type()));
  onnx::TensorProto& proto = *graph.add_initializer();
  proto.set_name(name);
  proto.set_data_type(onnx_type_of_4_bits(is_signed));
  for (const std::int64_t dim : codes.shape()) proto.add_dims(dim);
  const auto count = static_cast<std::size_t>(codes.size());
  std::string bytes((count + 1) / 2, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const auto code = static_cast<unsigned>(codes.data()[i]) & 0xFU;
    const unsigned others = static_cast<unsigned char>(bytes[i / 2]);
    bytes[i / 2] = static_cast<char>(others | (code << (i % 2 * 4)));
  }
  proto.set_raw_data(std::move(bytes));
}

namespace {

bool is_narrow(const Value& value) {
  return (value.type == ElementType::Int8 || value.type == ElementType::Uint8) &&
         value.quantization && value.quantization->bits < 8;
}

}  // namespace

bool is_nibble(const Value& value) { return is_narrow(value) && value.quantization->bits == 4; }
bool is_clipped(const Value& value) { return is_narrow(value) && value.quantization->bits != 4; }

void set(onnx::AttributeProto& attribute, std::int64_t value) {
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(value);
}
void set(onnx::AttributeProto& attribute, float value) {
  attribute.set_type(onnx::AttributeProto::FLOAT);
  attribute.set_f(value);
}
void set(onnx::AttributeProto& attribute, const std::string& value) {
  attribute.set_type(onnx::AttributeProto::STRING);
  attribute.set_s(value);
}
void set(onnx::AttributeProto& attribute, const std::vector<std::int64_t>& values) {
  attribute.set_type(onnx::AttributeProto::INTS);
  attribute.mutable_ints()->Assign(values.begin(), values.end());
}

NodeWriter::NodeWriter(ExportState& export_state, const Node& source_node)
    : state(export_state), node(source_node) {
  for (const ValueId id : node.inputs) inputs.push_back(name_of(id));
  for (const ValueId id : node.outputs) outputs.push_back(name_of(id));
}

std::string NodeWriter::name_of(ValueId id) const {
  return id == kNoValue ? std::string() : state.source.value(id).name;
}

std::string NodeWriter::fresh(const std::string& suffix) const {
  return state.value_names.take(outputs[0] + suffix);
}

std::string NodeWriter::fresh_node(const std::string& name) const {
  return state.node_names.take(name);
}

onnx::NodeProto& NodeWriter::add(const std::string& op, const std::string& name,
                                 const std::vector<std::string>& in,
                                 const std::vector<std::string>& out) const {
  onnx::NodeProto& proto = *state.model.mutable_graph()->add_node();
  proto.set_op_type(op);
  proto.set_name(name);
  for (const std::string& input : in) proto.add_input(input);
  for (const std::string& output : out) proto.add_output(output);
  return proto;
}

void set_window(onnx::NodeProto& proto, const Window& window) {
  std::vector<std::int64_t> pads = window.pads_begin;
  pads.insert(pads.end(), window.pads_end.begin(), window.pads_end.end());
  attribute(proto, "kernel_shape", window.kernel);
  attribute(proto, "strides", window.strides);
  attribute(proto, "pads", pads);
}

void set_conv(onnx::NodeProto& proto, const Conv& op) {
  set_window(proto, op.window);
  attribute(proto, "dilations", op.window.dilations);
  attribute(proto, "group", op.groups);
}

void set_average_pool(onnx::NodeProto& proto, const AveragePool& op, const std::string& node_name) {
  for (const std::int64_t d : op.window.dilations) {
    CHECK(d == 1, "node '{}': AveragePool has no dilations in opset 13", node_name);
  }
  set_window(proto, op.window);
  attribute(proto, "ceil_mode", std::int64_t{op.ceil_mode});
  attribute(proto, "count_include_pad", std::int64_t{op.count_include_pad});
}

namespace {

template <typename T>
std::string zero_point_list(const NodeWriter& writer, const std::string& name, const Shape& shape,
                            const Value& code) {
  const Quantization& codes = *code.quantization;
  std::vector<T> points;
  for (std::size_t i = 0; i < codes.thresholds.size(); ++i) {
    points.push_back(static_cast<T>(codes.zero_point(i)));
  }
  if (!is_nibble(code)) return writer.initializer<T>(name, shape, points);
  const std::string list = writer.fresh(name);
  write_nibbles(*writer.state.model.mutable_graph(), list, Tensor::from<T>(shape, points));
  return list;
}

}  // namespace

LinearOperands write_scale(const NodeWriter& writer, const Value& code, const std::string& prefix) {
  CHECK(code.quantization.has_value(), "node '{}': no quantization", writer.node.name);
  const Quantization& codes = *code.quantization;
  std::vector<float> scales;
  for (std::size_t i = 0; i < codes.thresholds.size(); ++i) {
    scales.push_back(static_cast<float>(codes.step(i)));
  }
  const Shape shape =
      scales.size() == 1 ? Shape{} : Shape{static_cast<std::int64_t>(scales.size())};
  LinearOperands operands{.scale = writer.initializer<float>(prefix + "_scale", shape, scales),
                          .zero_point = {}};
  if (code.type == ElementType::Int8) {
    operands.zero_point = zero_point_list<std::int8_t>(writer, prefix + "_zero_point", shape, code);
  } else if (code.type == ElementType::Uint8) {
    operands.zero_point =
        zero_point_list<std::uint8_t>(writer, prefix + "_zero_point", shape, code);
  } else {
    CHECK(code.type == ElementType::Int32, "node '{}': codes of type {}", writer.node.name,
          to_string(code.type));
  }
  return operands;
}

void write_code_clip(ExportState& state, const Value& code, const std::string& from) {
  const Quantization& codes = *code.quantization;
  onnx::GraphProto& graph = *state.model.mutable_graph();
  const auto bound = [&](const std::string& suffix, std::int64_t number) {
    std::string name = state.value_names.take(code.name + suffix);
    const Tensor tensor = codes.is_signed
                              ? Tensor::from<std::int8_t>({}, {static_cast<std::int8_t>(number)})
                              : Tensor::from<std::uint8_t>({}, {static_cast<std::uint8_t>(number)});
    write_initializer(graph, name, tensor);
    return name;
  };
  const std::string low = bound("_low", codes.low()), high = bound("_high", codes.high());
  onnx::NodeProto& proto = *graph.add_node();
  proto.set_op_type("Clip");
  proto.set_name(state.node_names.take(code.name + "_clip"));
  for (const std::string& input : {from, low, high}) proto.add_input(input);
  proto.add_output(code.name);
}

// Activations as ONNX nodes of their own, opset 13.

namespace {

class ActivationWriter {
 public:
  ActivationWriter(const NodeWriter& writer, const Activation& activation, const std::string& name,
                   const std::string& input)
      : writer_(writer), activation_(activation), name_(name), input_(input) {}

  void run() const {
    using Kind = Activation::Kind;
    switch (activation_.kind) {
      case Kind::None:
      case Kind::Relu:
      case Kind::Sigmoid:
      case Kind::Tanh:
      case Kind::Exp:
      case Kind::Floor:
      case Kind::Abs:
      case Kind::Neg:
      case Kind::Sign:
      case Kind::Ceil:
      case Kind::Round:
      case Kind::Sqrt:
      case Kind::Reciprocal:
      case Kind::Log:
      case Kind::Erf:
      case Kind::Sin:
      case Kind::Cos:
      case Kind::Tan:
      case Kind::Asin:
      case Kind::Acos:
      case Kind::Atan:
      case Kind::Sinh:
      case Kind::Cosh:
      case Kind::Asinh:
      case Kind::Acosh:
      case Kind::Atanh:
      case Kind::Softplus:
      case Kind::Softsign:
      case Kind::Not:
      case Kind::IsNaN:
        add_plain();
        break;
      case Kind::Elu:
      case Kind::Celu:
      case Kind::ThresholdedRelu:
        attribute(add_plain(), "alpha", activation_.alpha);
        break;
      case Kind::Selu: {
        onnx::NodeProto& proto = add_plain();
        attribute(proto, "alpha", activation_.alpha);
        attribute(proto, "gamma", activation_.beta);
        break;
      }
      case Kind::Shrink: {
        onnx::NodeProto& proto = add_plain();
        attribute(proto, "lambd", activation_.alpha);
        attribute(proto, "bias", activation_.beta);
        break;
      }
      case Kind::Gelu:
        write_gelu();
        break;
      case Kind::GeluTanh:
        write_gelu_by_tanh();
        break;
      case Kind::Mish:
        write_mish();
        break;
      case Kind::LeakyRelu:
        attribute(add_plain(), "alpha", activation_.alpha);
        break;
      case Kind::HardSigmoid:
        hard_sigmoid(add_plain(), activation_.alpha, activation_.beta);
        break;
      case Kind::HardSwish:
        write_hard_swish();
        break;
      case Kind::Truncate:
        write_truncate();
        break;
      case Kind::PRelu:
        writer_.add("PRelu", name_, {input_, per_channel("_slope", activation_.slopes)},
                    writer_.outputs);
        break;
      case Kind::Clip:
        write_clip();
        break;
    }
  }

 private:
  onnx::NodeProto& add_plain() const {
    return writer_.add(op_name(Activate{activation_}), name_, {input_}, writer_.outputs);
  }

  static void hard_sigmoid(onnx::NodeProto& proto, float alpha, float beta) {
    attribute(proto, "alpha", alpha);
    attribute(proto, "beta", beta);
  }

  // x * HardSigmoid(x): HardSwish itself came with opset 14.
  void write_hard_swish() const {
    const std::string gate = writer_.fresh("_gate");
    const std::string gate_node = writer_.fresh_node(name_ + "_gate");
    hard_sigmoid(writer_.add("HardSigmoid", gate_node, {input_}, {gate}), 1.0F / 6.0F, 0.5F);
    writer_.add("Mul", name_, {input_, gate}, writer_.outputs);
  }

  std::string scalar(const std::string& suffix, float value) const {
    return writer_.initializer<float>(suffix, {}, {value});
  }
  // A node of the definition, under a name of its own.
  std::string step(const std::string& op, const std::vector<std::string>& in,
                   const std::string& suffix) const {
    const std::string result = writer_.fresh(suffix);
    writer_.add(op, writer_.fresh_node(name_ + suffix), in, {result});
    return result;
  }
  // x / 2 * (1 + f), f in [-1, 1]: Gelu came with opset 20.
  void write_half_of(const std::string& f) const {
    const std::string above = step("Add", {f, scalar("_one", 1)}, "_above");
    const std::string half = step("Mul", {input_, scalar("_half", 0.5F)}, "_halved");
    writer_.add("Mul", name_, {half, above}, writer_.outputs);
  }
  void write_gelu() const {
    const std::string inner =
        step("Mul", {input_, scalar("_root_of_half", 0.70710678118654752440F)}, "_inner");
    write_half_of(step("Erf", {inner}, "_erf"));
  }
  void write_gelu_by_tanh() const {
    const std::string cube = step("Pow", {input_, scalar("_three", 3)}, "_cube");
    const std::string small = step("Mul", {cube, scalar("_coefficient", 0.044715F)}, "_small");
    const std::string sum = step("Add", {input_, small}, "_sum");
    const std::string inner =
        step("Mul", {sum, scalar("_root_of_two_per_pi", 0.79788456080286535588F)}, "_inner");
    write_half_of(step("Tanh", {inner}, "_tanh"));
  }
  // x * tanh(softplus(x)): Mish came with opset 18.
  void write_mish() const {
    const std::string gate = step("Tanh", {step("Softplus", {input_}, "_softplus")}, "_gate");
    writer_.add("Mul", name_, {input_, gate}, writer_.outputs);
  }

  // To integers, which may be the result's type, and back.
  void write_truncate() const {
    const ElementType type = writer_.state.source.value(writer_.node.outputs[0]).type;
    if (type != ElementType::Float32) {
      attribute(writer_.add("Cast", name_, {input_}, writer_.outputs), "to",
                std::int64_t{onnx_type(type)});
      return;
    }
    const std::string whole = writer_.fresh("_whole");
    const std::string cut = writer_.fresh_node(name_ + "_cut");
    attribute(writer_.add("Cast", cut, {input_}, {whole}), "to",
              std::int64_t{onnx::TensorProto::INT64});
    attribute(writer_.add("Cast", name_, {whole}, writer_.outputs), "to",
              std::int64_t{onnx::TensorProto::FLOAT});
  }

  // ONNX's Clip has one upper bound: of several, the lower one is a Relu or Clip, these are a Min.
  void write_clip() const {
    if (activation_.bounds.empty()) {
      const std::string low = writer_.initializer<float>("_min", {}, {activation_.alpha});
      const std::string high = writer_.initializer<float>("_max", {}, {activation_.beta});
      writer_.add("Clip", name_, {input_, low, high}, writer_.outputs);
      return;
    }
    const std::string above = writer_.fresh("_above");
    const std::string lower = writer_.fresh_node(name_ + "_lower");
    if (activation_.alpha == 0) {
      writer_.add("Relu", lower, {input_}, {above});
    } else {
      const std::string low = writer_.initializer<float>("_min", {}, {activation_.alpha});
      writer_.add("Clip", lower, {input_, low}, {above});
    }
    writer_.add("Min", name_, {above, per_channel("_bound", activation_.bounds)}, writer_.outputs);
  }

  // One number, or [C, 1, ..., 1] so that channel c of [N, C, spatial] takes number c.
  std::string per_channel(const std::string& suffix, const std::vector<float>& numbers) const {
    Shape shape{static_cast<std::int64_t>(numbers.size())};
    const std::size_t rank = writer_.state.source.value(writer_.node.outputs[0]).shape.size();
    if (numbers.size() > 1) shape.resize(rank - 1, 1);
    return writer_.initializer<float>(suffix, shape, numbers);
  }

  const NodeWriter& writer_;
  const Activation& activation_;
  const std::string& name_;
  const std::string& input_;
};

}  // namespace

void write_activation(const NodeWriter& writer, const Activation& activation,
                      const std::string& name, const std::string& input) {
  ActivationWriter(writer, activation, name, input).run();
}

namespace {

using Integers = std::vector<std::int64_t>;

Integers joined(const Integers& a, const Integers& b) {
  Integers both = a;
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

std::string text(Resize::Coordinates mode) {
  switch (mode) {
    case Resize::Coordinates::HalfPixel:
      return "half_pixel";
    case Resize::Coordinates::Asymmetric:
      return "asymmetric";
    case Resize::Coordinates::AlignCorners:
      return "align_corners";
    case Resize::Coordinates::PytorchHalfPixel:
      return "pytorch_half_pixel";
    case Resize::Coordinates::TfCropAndResize:
      return "tf_crop_and_resize";
    case Resize::Coordinates::HalfPixelSymmetric:
      return "half_pixel_symmetric";
    case Resize::Coordinates::TfHalfPixelForNn:
      return "tf_half_pixel_for_nn";
  }
  CHECK(false, "coordinates {}", static_cast<int>(mode));
}

std::string text(Resize::Nearest mode) {
  switch (mode) {
    case Resize::Nearest::RoundPreferFloor:
      return "round_prefer_floor";
    case Resize::Nearest::RoundPreferCeil:
      return "round_prefer_ceil";
    case Resize::Nearest::Floor:
      return "floor";
    case Resize::Nearest::Ceil:
      return "ceil";
  }
  CHECK(false, "nearest {}", static_cast<int>(mode));
}

std::string text(Pad::Mode mode) {
  switch (mode) {
    case Pad::Mode::Constant:
      return "constant";
    case Pad::Mode::Reflect:
      return "reflect";
    case Pad::Mode::Edge:
      return "edge";
    case Pad::Mode::Wrap:
      return "wrap";
  }
  CHECK(false, "pad {}", static_cast<int>(mode));
}

// One graph node being written: one write() per op.
class OpWriter {
 public:
  OpWriter(ExportState& state, const Node& node) : writer_(state, node) {}

  void run() {
    std::visit([this](const auto& op) { write(op); }, writer_.node.op);
  }

 private:
  // The operator itself, followed by what is fused into it.
  onnx::NodeProto& add_fused(const std::string& op, const Activation& activation) {
    if (activation.kind == Activation::Kind::None) return writer_.add(op);
    const std::string between = writer_.fresh("_linear");
    const int index = writer_.state.model.graph().node_size();
    writer_.add(op, writer_.node.name, writer_.inputs, {between});
    const std::string name = writer_.fresh_node(writer_.node.name + "_activation");
    write_activation(writer_, activation, name, between);
    return *writer_.state.model.mutable_graph()->mutable_node(index);
  }

  void write(const Conv& op) { set_conv(add_fused("Conv", op.activation), op); }
  void write(const ConvTranspose& op) {
    onnx::NodeProto& proto = add_fused("ConvTranspose", op.activation);
    set_window(proto, op.window);
    attribute(proto, "dilations", op.window.dilations);
    attribute(proto, "output_padding", op.output_padding);
    attribute(proto, "group", op.groups);
  }
  void write(const BatchNorm& op) {
    attribute(writer_.add("BatchNormalization"), "epsilon", op.epsilon);
  }
  void write(const Activate& op) {
    write_activation(writer_, op.activation, writer_.node.name, writer_.inputs[0]);
  }
  void write(const PRelu&) { writer_.add("PRelu"); }
  void write(const MaxPool& op) {
    onnx::NodeProto& proto = writer_.add("MaxPool");
    set_window(proto, op.window);
    attribute(proto, "dilations", op.window.dilations);
    attribute(proto, "ceil_mode", std::int64_t{op.ceil_mode});
    attribute(proto, "storage_order", op.storage_order);
  }
  void write(const AveragePool& op) {
    set_average_pool(writer_.add("AveragePool"), op, writer_.node.name);
  }
  void write(const Binary& op) {
    const bool whole = writer_.state.source.value(writer_.node.inputs[0]).type !=
                       ElementType::Float32;  // whose division truncates
    const bool cuts = whole && op.activation.kind == Activation::Kind::Truncate;
    onnx::NodeProto& proto = add_fused(op_name(op), cuts ? Activation{} : op.activation);
    if (op.kind == Binary::Kind::Fmod) attribute(proto, "fmod", std::int64_t{1});
  }
  void write(const Concat& op) { attribute(writer_.add("Concat"), "axis", op.axis); }
  void write(const Gemm& op) {
    onnx::NodeProto& proto = add_fused("Gemm", op.activation);
    attribute(proto, "alpha", op.alpha);
    attribute(proto, "beta", op.beta);
    attribute(proto, "transA", std::int64_t{op.transpose_a});
    attribute(proto, "transB", std::int64_t{op.transpose_b});
  }
  void write(const MatMul&) { writer_.add("MatMul"); }
  void write(const Reshape& op) { writer_.add("Reshape", writer_.list("_shape", op.shape)); }
  void write(const Transpose& op) { attribute(writer_.add("Transpose"), "perm", op.permutation); }
  void write(const Pad& op) {
    writer_.inputs.push_back(writer_.list("_pads", joined(op.begin, op.end)));
    if (op.mode == Pad::Mode::Constant) {
      writer_.inputs.push_back(writer_.initializer<float>("_value", {}, {op.value}));
    }
    attribute(writer_.add("Pad"), "mode", text(op.mode));
  }
  void write(const Identity&) {
    const ElementType from = writer_.state.source.value(writer_.node.inputs[0]).type;
    const ElementType to = writer_.state.source.value(writer_.node.outputs[0]).type;
    if (from == to) {
      writer_.add("Identity");
    } else {
      attribute(writer_.add("Cast"), "to", std::int64_t{onnx_type(to)});
    }
  }
  void write(const Softmax& op) {
    attribute(writer_.add(op.log ? "LogSoftmax" : "Softmax"), "axis", op.axis);
  }
  void write(const Lrn& op) {
    onnx::NodeProto& proto = writer_.add("LRN");
    attribute(proto, "size", op.size);
    attribute(proto, "alpha", op.alpha);
    attribute(proto, "beta", op.beta);
    attribute(proto, "bias", op.bias);
  }
  void write(const InstanceNorm& op) {
    attribute(writer_.add("InstanceNormalization"), "epsilon", op.epsilon);
  }
  void write(const Resize& op) {
    onnx::NodeProto& proto = add_resize(op);
    attribute(proto, "mode", std::string("nearest"));
    attribute(proto, "nearest_mode", text(op.nearest));
  }
  void write(const Interpolate& op) {
    onnx::NodeProto& proto = add_resize(op.resize);
    attribute(proto, "mode", std::string(op.cubic ? "cubic" : "linear"));
    if (op.cubic) attribute(proto, "cubic_coeff_a", op.cubic_coefficient);
    attribute(proto, "exclude_outside", std::int64_t{op.exclude_outside});
  }
  onnx::NodeProto& add_resize(const Resize& op) {
    writer_.inputs.push_back(op.roi.empty() ? std::string() : writer_.list("_roi", op.roi));
    if (scales_say_sizes(op)) {
      writer_.inputs.push_back(writer_.list("_scales", op.scales));
    } else {
      writer_.inputs.emplace_back();
      writer_.inputs.push_back(writer_.list("_sizes", op.sizes));
    }
    onnx::NodeProto& proto = writer_.add("Resize");
    attribute(proto, "coordinate_transformation_mode", text(op.coordinates));
    attribute(proto, "extrapolation_value", op.extrapolation_value);
    return proto;
  }
  // ONNX takes scales or sizes, and coordinates follow the exact scales; cropping scales its roi.
  bool scales_say_sizes(const Resize& op) const {
    if (op.scales.empty()) return false;
    for (std::size_t i = 0; i < op.scales.size(); ++i) {
      float extent = static_cast<float>(writer_.shape(0)[i]);
      if (op.coordinates == Resize::Coordinates::TfCropAndResize) {
        extent *= op.roi[i + op.scales.size()] - op.roi[i];
      }
      if (std::floor(extent * op.scales[i]) != static_cast<float>(op.sizes[i])) return false;
    }
    return true;
  }
  void write(const SpaceToDepth& op) {
    attribute(writer_.add("SpaceToDepth"), "blocksize", op.block);
  }
  void write(const DepthToSpace& op) {
    onnx::NodeProto& proto = writer_.add("DepthToSpace");
    attribute(proto, "blocksize", op.block);
    attribute(proto, "mode", std::string(op.column_row_depth ? "CRD" : "DCR"));
  }
  void write(const Slice& op) {
    Integers ends = op.ends;
    for (std::int64_t& end : ends) {  // -1, before the first element, would mean the last in ONNX
      if (end < 0) end = std::numeric_limits<std::int64_t>::min();
    }
    writer_.inputs.push_back(writer_.list("_starts", op.starts));
    writer_.inputs.push_back(writer_.list("_ends", ends));
    writer_.inputs.push_back(writer_.list("_axes", op.axes));
    writer_.add("Slice", writer_.list("_steps", op.steps));
  }
  void write(const Reduce& op) {
    if (op.axes.empty() &&
        op.kind <= Reduce::Kind::Prod) {  // nothing is reduced; in ONNX no axes mean all of them
      writer_.add("Identity");
      return;
    }
    const bool as_input = op.kind == Reduce::Kind::Sum || writer_.state.opset >= 18;
    if (as_input) writer_.inputs.push_back(writer_.list("_axes", op.axes));
    onnx::NodeProto& proto = writer_.add(op_name(op));
    if (!as_input) attribute(proto, "axes", op.axes);
    attribute(proto, "keepdims", std::int64_t{op.keep_dims});
  }
  void write(const GridSample& op) {
    constexpr const char* kModes[] = {"bilinear", "nearest", "bicubic"};
    constexpr const char* kModesOf20[] = {"linear", "nearest", "cubic"};
    constexpr const char* kOutside[] = {"zeros", "border", "reflection"};
    const auto& modes = writer_.state.opset >= 20 ? kModesOf20 : kModes;
    onnx::NodeProto& proto = writer_.add("GridSample");
    attribute(proto, "mode", std::string(modes[static_cast<std::size_t>(op.mode)]));
    attribute(proto, "padding_mode", std::string(kOutside[static_cast<std::size_t>(op.outside)]));
    attribute(proto, "align_corners", std::int64_t{op.align_corners});
  }
  void write(const Where&) { writer_.add("Where"); }
  void write(const Repeat& op) {
    const Shape& x = writer_.shape(0);
    Integers repeats;
    bool stretches = true;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::int64_t size = op.shape[op.shape.size() - x.size() + i];
      repeats.push_back(x[i] == 0 ? 1 : size / x[i]);
      stretches = stretches && (x[i] == 1 || size == x[i]);
    }
    CHECK(stretches || x.size() == op.shape.size(), "node '{}'", writer_.node.name);
    if (stretches) {
      writer_.add("Expand", writer_.list("_shape", op.shape));
    } else {
      writer_.add("Tile", writer_.list("_repeats", repeats));
    }
  }
  void write(const Gather& op) { attribute(writer_.add("Gather"), "axis", op.axis); }
  void write(const GatherElements& op) {
    attribute(writer_.add("GatherElements"), "axis", op.axis);
  }
  void write(const GatherNd& op) {
    attribute(writer_.add("GatherND"), "batch_dims", op.batch_dims);
  }
  static void set_reduction(onnx::NodeProto& proto, ScatterReduction reduction) {
    constexpr const char* kNames[] = {"none", "add", "mul", "max", "min"};
    if (reduction == ScatterReduction::None) return;  // an attribute since opset 16
    attribute(proto, "reduction", std::string(kNames[static_cast<std::size_t>(reduction)]));
  }
  void write(const ScatterElements& op) {
    onnx::NodeProto& proto = writer_.add("ScatterElements");
    attribute(proto, "axis", op.axis);
    set_reduction(proto, op.reduction);
  }
  void write(const ScatterNd& op) { set_reduction(writer_.add("ScatterND"), op.reduction); }
  void write(const ArgReduce& op) {
    onnx::NodeProto& proto = writer_.add(op_name(op));
    attribute(proto, "axis", op.axis);
    attribute(proto, "keepdims", std::int64_t{op.keep_dims});
    attribute(proto, "select_last_index", std::int64_t{op.last});
  }
  void write(const TopK& op) {
    if (writer_.outputs.size() < 2) writer_.outputs.push_back(writer_.fresh("_indices"));
    onnx::NodeProto& proto = writer_.add("TopK", writer_.list("_k", Integers{op.count}));
    attribute(proto, "axis", op.axis);
    attribute(proto, "largest", std::int64_t{!op.least});
  }
  void write(const CumSum& op) {
    onnx::NodeProto& proto =
        writer_.add("CumSum", writer_.initializer<std::int64_t>("_axis", {}, {op.axis}));
    attribute(proto, "exclusive", std::int64_t{op.exclusive});
    attribute(proto, "reverse", std::int64_t{op.reverse});
  }
  void write(const LayerNorm& op) {
    onnx::NodeProto& proto = writer_.add(op_name(op));
    attribute(proto, "axis", op.axis);
    attribute(proto, "epsilon", op.epsilon);
  }
  void write(const Recurrent& op) {
    auto& in = writer_.inputs;
    if (in.size() > 4) in.insert(in.begin() + 4, std::string());  // the lengths of the sequences
    onnx::NodeProto& proto = writer_.add(op_name(op));
    constexpr const char* kDirections[] = {"forward", "reverse", "bidirectional"};
    attribute(proto, "direction", std::string(kDirections[static_cast<std::size_t>(op.direction)]));
    attribute(proto, "hidden_size", op.hidden);
    onnx::AttributeProto& functions = *proto.add_attribute();
    functions.set_name("activations");
    functions.set_type(onnx::AttributeProto::STRINGS);
    const auto add_function = [&](Activation::Kind kind) {
      functions.add_strings(std::string(Activation{.kind = kind}.name()));
    };
    for (std::int64_t d = 0; d < op.directions(); ++d) {
      add_function(op.gate);
      if (op.kind != Recurrent::Kind::Rnn) add_function(op.cell);
      if (op.kind == Recurrent::Kind::Lstm) add_function(op.result);
    }
    if (op.clip > 0) attribute(proto, "clip", op.clip);
    if (op.kind == Recurrent::Kind::Gru) {
      attribute(proto, "linear_before_reset", std::int64_t{op.linear_before_reset});
    }
    if (op.kind == Recurrent::Kind::Lstm) {
      attribute(proto, "input_forget", std::int64_t{op.input_forget});
    }
  }
  void write(const Quantize&) {
    const Value& code = writer_.state.source.value(writer_.node.outputs[0]);
    if (!is_clipped(code)) return write_linear("QuantizeLinear", code);
    const std::string wide = writer_.fresh("_wide");
    writer_.outputs = {wide};
    write_linear("QuantizeLinear", code);
    write_code_clip(writer_.state, code, wide);
  }
  void write(const Dequantize&) {
    const Value& code = writer_.state.source.value(writer_.node.inputs[0]);
    write_linear("DequantizeLinear", code);
  }

  void write_linear(const std::string& op, const Value& code) {
    const auto [scale, zero_point] = write_scale(writer_, code);
    writer_.inputs.push_back(scale);
    if (!zero_point.empty()) writer_.inputs.push_back(zero_point);
    CHECK(!zero_point.empty() || op == "DequantizeLinear", "node '{}': codes of type {}",
          writer_.node.name, to_string(code.type));
    onnx::NodeProto& proto = writer_.add(op);
    const Quantization& codes = *code.quantization;
    if (codes.thresholds.size() > 1) attribute(proto, "axis", std::int64_t{codes.axis});
  }

  NodeWriter writer_;
};

}  // namespace

namespace {

// When the operator, or the form of it that is written, came.
struct Since {
  std::int64_t operator()(const Pad& op) const { return op.mode == Pad::Mode::Wrap ? 19 : 13; }
  std::int64_t operator()(const Resize& op) const {
    return op.coordinates == Resize::Coordinates::HalfPixelSymmetric ? 19 : 13;
  }
  std::int64_t operator()(const Interpolate& op) const { return (*this)(op.resize); }
  std::int64_t operator()(const GridSample&) const { return 16; }
  std::int64_t operator()(const ScatterElements& op) const { return of(op.reduction); }
  std::int64_t operator()(const ScatterNd& op) const { return of(op.reduction); }
  std::int64_t operator()(const LayerNorm& op) const { return op.rms ? 23 : 17; }
  template <typename Other>
  std::int64_t operator()(const Other&) const {
    return 13;
  }

 private:
  static std::int64_t of(ScatterReduction reduction) {
    if (reduction == ScatterReduction::None) return 13;
    const bool extreme = reduction == ScatterReduction::Max || reduction == ScatterReduction::Min;
    return extreme ? 18 : 16;
  }
};

}  // namespace

std::int64_t export_opset(const Graph& graph) {
  std::int64_t opset = 13;
  for (const Node& node : graph.nodes) opset = std::max(opset, std::visit(Since{}, node.op));
  constexpr std::int64_t kNibbles = 21;
  return std::ranges::any_of(graph.values, is_nibble) ? std::max(opset, kNibbles) : opset;
}

void write_node(ExportState& state, const Node& node) {
  CHECK(!node.requantize && !node.affine,
        "node '{}' is an integer node: only float graphs are exported", node.name);
  OpWriter(state, node).run();
}

namespace {

// One node being written: one write() per operator, operands in its order.
class QLinearWriter {
 public:
  QLinearWriter(ExportState& state, const Node& node, const QLinear& form)
      : writer_(state, node), form_(form) {
    writer_.inputs.clear();
    if (form.result != kNoValue) writer_.outputs = {writer_.name_of(form.result)};
  }

  void run() {
    std::visit([this](const auto& op) { write(op); }, writer_.node.op);
  }

 private:
  void push_scale(ValueId id, const std::string& prefix) {
    const auto [scale, zero_point] = write_scale(writer_, writer_.state.source.value(id), prefix);
    writer_.inputs.push_back(scale);
    writer_.inputs.push_back(zero_point);
  }
  void push_codes(std::size_t i, const std::string& prefix) {
    writer_.inputs.push_back(writer_.name_of(form_.operands[i]));
    push_scale(form_.operands[i], prefix);
  }
  void push_result() { push_scale(form_.result, "_y"); }
  bool has_bias() const { return form_.operands.size() > 2; }
  std::string bias() const { return writer_.name_of(form_.operands[2]); }

  onnx::NodeProto& add_microsoft(const std::string& op) {
    onnx::NodeProto& proto = writer_.add(op);
    proto.set_domain(std::string(kMicrosoft));
    return proto;
  }

  void write(const Conv& op) {
    push_codes(0, "_x");
    push_codes(1, "_w");
    push_result();
    if (has_bias()) writer_.inputs.push_back(bias());
    set_conv(writer_.add("QLinearConv"), op);
  }
  void write(const MatMul&) {
    push_codes(0, "_a");
    push_codes(1, "_b");
    push_result();
    writer_.add("QLinearMatMul");
  }
  void write(const Gemm& op) {
    push_codes(0, "_a");
    push_codes(1, "_b");
    writer_.inputs.push_back(has_bias() ? bias() : std::string());
    if (form_.result != kNoValue) push_result();
    onnx::NodeProto& proto = add_microsoft("QGemm");
    attribute(proto, "alpha", op.alpha);
    attribute(proto, "transA", std::int64_t{op.transpose_a});
    attribute(proto, "transB", std::int64_t{op.transpose_b});
  }
  void write(const Binary& op) {
    push_codes(0, "_a");
    push_codes(1, "_b");
    push_result();
    add_microsoft("QLinear" + op_name(op));
  }
  void write(const Concat& op) {
    push_result();
    for (std::size_t i = 0; i < form_.operands.size(); ++i) push_codes(i, fmt::format("_x{}", i));
    attribute(add_microsoft("QLinearConcat"), "axis", op.axis);
  }
  void write(const AveragePool& op) {
    push_codes(0, "_x");
    push_result();
    set_average_pool(add_microsoft("QLinearAveragePool"), op, writer_.node.name);
  }
  void write(const Activate& op) {
    push_codes(0, "_x");
    push_result();
    onnx::NodeProto& proto = add_microsoft("QLinear" + op_name(op));
    if (op.activation.kind == Activation::Kind::LeakyRelu) {
      attribute(proto, "alpha", op.activation.alpha);
    }
  }
  template <typename T>
  void write(const T&) {
    CHECK(false, "node '{}': no QLinear operator", writer_.node.name);
  }

  NodeWriter writer_;
  const QLinear& form_;
};

}  // namespace

void write_qlinear(ExportState& state, const Node& node, const QLinear& form) {
  CHECK(form.obstacle.empty(), "node '{}': {}", node.name, form.obstacle);
  QLinearWriter(state, node, form).run();
}

}  // namespace workbench::importer
