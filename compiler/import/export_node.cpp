#include "compiler/import/export_node.h"

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
  return unique_name(state.value_names, outputs[0] + suffix);
}

std::string NodeWriter::fresh_node(const std::string& name) const {
  return unique_name(state.node_names, name);
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
                            const Quantization& codes) {
  std::vector<T> points;
  for (std::size_t i = 0; i < codes.thresholds.size(); ++i) {
    points.push_back(static_cast<T>(codes.zero_point(i)));
  }
  return writer.initializer<T>(name, shape, points);
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
    operands.zero_point =
        zero_point_list<std::int8_t>(writer, prefix + "_zero_point", shape, codes);
  } else if (code.type == ElementType::Uint8) {
    operands.zero_point =
        zero_point_list<std::uint8_t>(writer, prefix + "_zero_point", shape, codes);
  } else {
    CHECK(code.type == ElementType::Int32, "node '{}': codes of type {}", writer.node.name,
          to_string(code.type));
  }
  return operands;
}

}  // namespace workbench::importer
