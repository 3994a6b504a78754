#include "compiler/import/export_ops.h"

#include <cmath>
#include <limits>
#include <utility>

#include "compiler/import/tensor_proto.h"
#include "compiler/import/text.h"
#include "core/error.h"

namespace workbench::importer {

void write_initializer(onnx::GraphProto& graph, const std::string& name, const Tensor& tensor) {
  onnx::TensorProto& proto = *graph.add_initializer();
  proto.set_name(name);
  proto.set_data_type(onnx_type(tensor.type()));
  for (const std::int64_t dim : tensor.shape()) proto.add_dims(dim);
  proto.set_raw_data(tensor.data(), static_cast<std::size_t>(tensor.size_bytes()));
}

namespace {

using Integers = std::vector<std::int64_t>;

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

template <typename T>
void attribute(onnx::NodeProto& node, const std::string& name, const T& value) {
  onnx::AttributeProto& proto = *node.add_attribute();
  proto.set_name(name);
  set(proto, value);
}

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
  }
  CHECK(false, "pad {}", static_cast<int>(mode));
}

// One graph node being written: one write() per op.
class OpWriter {
 public:
  OpWriter(ExportState& state, const Node& node) : state_(state), node_(node) {
    for (const ValueId id : node.inputs) inputs_.push_back(name_of(id));
    for (const ValueId id : node.outputs) outputs_.push_back(name_of(id));
  }

  void run() {
    std::visit([this](const auto& op) { write(op); }, node_.op);
  }

 private:
  std::string name_of(ValueId id) const {
    return id == kNoValue ? std::string() : state_.source.value(id).name;
  }
  const Shape& shape(std::size_t i) const { return state_.source.value(node_.inputs[i]).shape; }

  std::string fresh(const std::string& suffix) {
    return unique_name(state_.value_names, outputs_[0] + suffix);
  }
  template <typename T>
  std::string initializer(const std::string& suffix, Shape shape, const std::vector<T>& values) {
    std::string name = fresh(suffix);
    write_initializer(*state_.model.mutable_graph(), name, Tensor::from<T>(shape, values));
    return name;
  }
  template <typename T>
  std::string list(const std::string& suffix, const std::vector<T>& values) {
    return initializer(suffix, {static_cast<std::int64_t>(values.size())}, values);
  }

  onnx::NodeProto& add(const std::string& op, const std::string& name,
                       const std::vector<std::string>& inputs,
                       const std::vector<std::string>& outputs) {
    onnx::NodeProto& proto = *state_.model.mutable_graph()->add_node();
    proto.set_op_type(op);
    proto.set_name(name);
    for (const std::string& input : inputs) proto.add_input(input);
    for (const std::string& output : outputs) proto.add_output(output);
    return proto;
  }
  onnx::NodeProto& add(const std::string& op) { return add(op, node_.name, inputs_, outputs_); }
  onnx::NodeProto& add(const std::string& op, const std::string& second) {
    inputs_.push_back(second);
    return add(op);
  }

  // The operator itself and, behind it, what is fused into it.
  onnx::NodeProto& add_fused(const std::string& op, const Activation& activation) {
    if (activation.kind == Activation::Kind::None) return add(op);
    const std::string between = fresh("_linear");
    const int index = state_.model.graph().node_size();
    add(op, node_.name, inputs_, {between});
    const std::string name = unique_name(state_.node_names, node_.name + "_activation");
    write_activation(activation, name, between);
    return *state_.model.mutable_graph()->mutable_node(index);
  }

  void write_activation(const Activation& activation, const std::string& name,
                        const std::string& input) {
    using Kind = Activation::Kind;
    const auto add_plain = [&]() -> onnx::NodeProto& {
      return add(op_name(Activate{activation}), name, {input}, outputs_);
    };
    switch (activation.kind) {
      case Kind::None:
      case Kind::Relu:
      case Kind::Sigmoid:
      case Kind::Tanh:
      case Kind::Exp:
      case Kind::Floor:
        add_plain();
        break;
      case Kind::LeakyRelu:
        attribute(add_plain(), "alpha", activation.alpha);
        break;
      case Kind::HardSigmoid:
        hard_sigmoid(add_plain(), activation.alpha, activation.beta);
        break;
      case Kind::HardSwish:
        write_hard_swish(name, input);
        break;
      case Kind::Truncate:
        write_truncate(name, input);
        break;
      case Kind::PRelu:
        add("PRelu", name, {input, per_channel("_slope", activation.slopes)}, outputs_);
        break;
      case Kind::Clip:
        if (!activation.bounds.empty()) return write_channel_clip(activation, name, input);
        add("Clip", name,
            {input, initializer<float>("_min", {}, {activation.alpha}),
             initializer<float>("_max", {}, {activation.beta})},
            outputs_);
        break;
    }
  }

  static void hard_sigmoid(onnx::NodeProto& proto, float alpha, float beta) {
    attribute(proto, "alpha", alpha);
    attribute(proto, "beta", beta);
  }

  // x * HardSigmoid(x): HardSwish itself came with opset 14.
  void write_hard_swish(const std::string& name, const std::string& input) {
    const std::string gate = fresh("_gate");
    const std::string gate_node = unique_name(state_.node_names, name + "_gate");
    hard_sigmoid(add("HardSigmoid", gate_node, {input}, {gate}), 1.0F / 6.0F, 0.5F);
    add("Mul", name, {input, gate}, outputs_);
  }

  // ONNX's Clip has one bound: the lower one is a Relu or Clip, the upper ones are a Min.
  void write_channel_clip(const Activation& activation, const std::string& name,
                          const std::string& input) {
    const std::string above = fresh("_above");
    const std::string lower = unique_name(state_.node_names, name + "_lower");
    if (activation.alpha == 0) {
      add("Relu", lower, {input}, {above});
    } else {
      add("Clip", lower, {input, initializer<float>("_min", {}, {activation.alpha})}, {above});
    }
    add("Min", name, {above, per_channel("_bound", activation.bounds)}, outputs_);
  }

  // To integers and back.
  void write_truncate(const std::string& name, const std::string& input) {
    const std::string whole = fresh("_whole");
    const std::string cut = unique_name(state_.node_names, name + "_cut");
    attribute(add("Cast", cut, {input}, {whole}), "to", std::int64_t{onnx::TensorProto::INT64});
    attribute(add("Cast", name, {whole}, outputs_), "to", std::int64_t{onnx::TensorProto::FLOAT});
  }

  // One number, or [C, 1, ..., 1] so that channel c of [N, C, spatial] takes number c.
  std::string per_channel(const std::string& suffix, const std::vector<float>& numbers) {
    Shape shape{static_cast<std::int64_t>(numbers.size())};
    const std::size_t out_rank = state_.source.value(node_.outputs[0]).shape.size();
    if (numbers.size() > 1) shape.resize(out_rank - 1, 1);
    return initializer<float>(suffix, shape, numbers);
  }

  static void window(onnx::NodeProto& proto, const Window& window) {
    attribute(proto, "kernel_shape", window.kernel);
    attribute(proto, "strides", window.strides);
    attribute(proto, "pads", joined(window.pads_begin, window.pads_end));
  }

  void write(const Conv& op) {
    onnx::NodeProto& proto = add_fused("Conv", op.activation);
    window(proto, op.window);
    attribute(proto, "dilations", op.window.dilations);
    attribute(proto, "group", op.groups);
  }
  void write(const ConvTranspose& op) {
    onnx::NodeProto& proto = add_fused("ConvTranspose", op.activation);
    window(proto, op.window);
    attribute(proto, "dilations", op.window.dilations);
    attribute(proto, "output_padding", op.output_padding);
    attribute(proto, "group", op.groups);
  }
  void write(const BatchNorm& op) { attribute(add("BatchNormalization"), "epsilon", op.epsilon); }
  void write(const Activate& op) { write_activation(op.activation, node_.name, inputs_[0]); }
  void write(const PRelu&) { add("PRelu"); }
  void write(const MaxPool& op) {
    onnx::NodeProto& proto = add("MaxPool");
    window(proto, op.window);
    attribute(proto, "dilations", op.window.dilations);
    attribute(proto, "ceil_mode", std::int64_t{op.ceil_mode});
    attribute(proto, "storage_order", op.storage_order);
  }
  void write(const AveragePool& op) {
    for (const std::int64_t d : op.window.dilations) {
      CHECK(d == 1, "node '{}': AveragePool has no dilations in opset 13", node_.name);
    }
    onnx::NodeProto& proto = add("AveragePool");
    window(proto, op.window);
    attribute(proto, "ceil_mode", std::int64_t{op.ceil_mode});
    attribute(proto, "count_include_pad", std::int64_t{op.count_include_pad});
  }
  void write(const Binary& op) { add_fused(op_name(op), op.activation); }
  void write(const Concat& op) { attribute(add("Concat"), "axis", op.axis); }
  void write(const Gemm& op) {
    onnx::NodeProto& proto = add_fused("Gemm", op.activation);
    attribute(proto, "alpha", op.alpha);
    attribute(proto, "beta", op.beta);
    attribute(proto, "transA", std::int64_t{op.transpose_a});
    attribute(proto, "transB", std::int64_t{op.transpose_b});
  }
  void write(const MatMul&) { add("MatMul"); }
  void write(const Reshape& op) { add("Reshape", list("_shape", op.shape)); }
  void write(const Transpose& op) { attribute(add("Transpose"), "perm", op.permutation); }
  void write(const Pad& op) {
    inputs_.push_back(list("_pads", joined(op.begin, op.end)));
    if (op.mode == Pad::Mode::Constant) {
      inputs_.push_back(initializer<float>("_value", {}, {op.value}));
    }
    attribute(add("Pad"), "mode", text(op.mode));
  }
  void write(const Identity&) { add("Identity"); }
  void write(const Softmax& op) {
    attribute(add(op.log ? "LogSoftmax" : "Softmax"), "axis", op.axis);
  }
  void write(const Lrn& op) {
    onnx::NodeProto& proto = add("LRN");
    attribute(proto, "size", op.size);
    attribute(proto, "alpha", op.alpha);
    attribute(proto, "beta", op.beta);
    attribute(proto, "bias", op.bias);
  }
  void write(const Resize& op) {
    inputs_.push_back(op.roi.empty() ? std::string() : list("_roi", op.roi));
    if (scales_say_sizes(op)) {
      inputs_.push_back(list("_scales", op.scales));
    } else {
      inputs_.emplace_back();
      inputs_.push_back(list("_sizes", op.sizes));
    }
    onnx::NodeProto& proto = add("Resize");
    attribute(proto, "mode", std::string("nearest"));
    attribute(proto, "coordinate_transformation_mode", text(op.coordinates));
    attribute(proto, "nearest_mode", text(op.nearest));
    attribute(proto, "extrapolation_value", op.extrapolation_value);
  }
  // ONNX takes scales or sizes, and coordinates follow the exact scales; cropping scales its roi.
  bool scales_say_sizes(const Resize& op) const {
    if (op.scales.empty()) return false;
    for (std::size_t i = 0; i < op.scales.size(); ++i) {
      float extent = static_cast<float>(shape(0)[i]);
      if (op.coordinates == Resize::Coordinates::TfCropAndResize) {
        extent *= op.roi[i + op.scales.size()] - op.roi[i];
      }
      if (std::floor(extent * op.scales[i]) != static_cast<float>(op.sizes[i])) return false;
    }
    return true;
  }
  void write(const SpaceToDepth& op) { attribute(add("SpaceToDepth"), "blocksize", op.block); }
  void write(const DepthToSpace& op) {
    onnx::NodeProto& proto = add("DepthToSpace");
    attribute(proto, "blocksize", op.block);
    attribute(proto, "mode", std::string(op.column_row_depth ? "CRD" : "DCR"));
  }
  void write(const Slice& op) {
    Integers ends = op.ends;
    for (std::int64_t& end : ends) {  // -1, before the first element, would mean the last in ONNX
      if (end < 0) end = std::numeric_limits<std::int64_t>::min();
    }
    inputs_.push_back(list("_starts", op.starts));
    inputs_.push_back(list("_ends", ends));
    inputs_.push_back(list("_axes", op.axes));
    add("Slice", list("_steps", op.steps));
  }
  void write(const Reduce& op) {
    if (op.axes.empty()) {  // nothing is reduced; in ONNX no axes mean all of them
      add("Identity");
      return;
    }
    if (op.kind == Reduce::Kind::Sum) inputs_.push_back(list("_axes", op.axes));
    onnx::NodeProto& proto = add(op_name(op));
    if (op.kind != Reduce::Kind::Sum) attribute(proto, "axes", op.axes);
    attribute(proto, "keepdims", std::int64_t{op.keep_dims});
  }
  void write(const Quantize&) {
    const Value& code = state_.source.value(node_.outputs[0]);
    write_linear("QuantizeLinear", code, code.type);
  }
  void write(const Dequantize&) {
    const Value& code = state_.source.value(node_.inputs[0]);
    write_linear("DequantizeLinear", code, code.type);
  }

  template <typename T>
  std::string zero_point_list(const Shape& list_shape, const Quantization& quantization) {
    std::vector<T> points;
    for (std::size_t i = 0; i < quantization.thresholds.size(); ++i) {
      points.push_back(static_cast<T>(quantization.zero_point(i)));
    }
    return initializer<T>("_zero_point", list_shape, points);
  }

  void write_linear(const std::string& op, const Value& code, ElementType type) {
    CHECK(code.quantization.has_value(), "node '{}': no quantization", node_.name);
    const Quantization& quantization = *code.quantization;
    std::vector<float> scales;
    for (std::size_t i = 0; i < quantization.thresholds.size(); ++i) {
      scales.push_back(static_cast<float>(quantization.step(i)));
    }
    const Shape list_shape =
        scales.size() == 1 ? Shape{} : Shape{static_cast<std::int64_t>(scales.size())};
    inputs_.push_back(initializer<float>("_scale", list_shape, scales));
    if (type == ElementType::Int8) {
      inputs_.push_back(zero_point_list<std::int8_t>(list_shape, quantization));
    } else if (type == ElementType::Uint8) {
      inputs_.push_back(zero_point_list<std::uint8_t>(list_shape, quantization));
    } else {
      CHECK(type == ElementType::Int32 && op == "DequantizeLinear", "node '{}': codes of type {}",
            node_.name, to_string(type));
    }
    onnx::NodeProto& proto = add(op);
    if (scales.size() > 1) attribute(proto, "axis", std::int64_t{quantization.axis});
  }

  ExportState& state_;
  const Node& node_;
  std::vector<std::string> inputs_, outputs_;
};

}  // namespace

void write_node(ExportState& state, const Node& node) {
  CHECK(!node.requantize && !node.affine,
        "node '{}' is an integer node: only float graphs are exported", node.name);
  OpWriter(state, node).run();
}

}  // namespace workbench::importer
