#include "compiler/import/export_ops.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace workbench::importer {

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
  OpWriter(ExportState& state, const Node& node) : writer_(state, node) {}

  void run() {
    std::visit([this](const auto& op) { write(op); }, writer_.node.op);
  }

 private:
  // The operator itself and, behind it, what is fused into it.
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
  void write(const Binary& op) { add_fused(op_name(op), op.activation); }
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
  void write(const Identity&) { writer_.add("Identity"); }
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
  void write(const Resize& op) {
    writer_.inputs.push_back(op.roi.empty() ? std::string() : writer_.list("_roi", op.roi));
    if (scales_say_sizes(op)) {
      writer_.inputs.push_back(writer_.list("_scales", op.scales));
    } else {
      writer_.inputs.emplace_back();
      writer_.inputs.push_back(writer_.list("_sizes", op.sizes));
    }
    onnx::NodeProto& proto = writer_.add("Resize");
    attribute(proto, "mode", std::string("nearest"));
    attribute(proto, "coordinate_transformation_mode", text(op.coordinates));
    attribute(proto, "nearest_mode", text(op.nearest));
    attribute(proto, "extrapolation_value", op.extrapolation_value);
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
    if (op.axes.empty()) {  // nothing is reduced; in ONNX no axes mean all of them
      writer_.add("Identity");
      return;
    }
    if (op.kind == Reduce::Kind::Sum) writer_.inputs.push_back(writer_.list("_axes", op.axes));
    onnx::NodeProto& proto = writer_.add(op_name(op));
    if (op.kind != Reduce::Kind::Sum) attribute(proto, "axes", op.axes);
    attribute(proto, "keepdims", std::int64_t{op.keep_dims});
  }
  void write(const Quantize&) {
    const Value& code = writer_.state.source.value(writer_.node.outputs[0]);
    write_linear("QuantizeLinear", code);
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

void write_node(ExportState& state, const Node& node) {
  CHECK(!node.requantize && !node.affine,
        "node '{}' is an integer node: only float graphs are exported", node.name);
  OpWriter(state, node).run();
}

}  // namespace workbench::importer
