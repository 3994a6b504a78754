// The ONNX nodes of one graph node, opset 13 or what they need: writers of names, initializers and
// attributes.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "compiler/import/names.h"
#include "compiler/import/qoperator_form.h"
#include "core/graph.h"

namespace workbench::importer {

// What every writer of ONNX nodes is written in: names, initializers, attributes.

// The model being written and the names taken in it.
struct ExportState {
  const Graph& source;
  std::int64_t opset = 13;
  onnx::ModelProto model = {};
  Names value_names = {}, node_names = {};
};

// Appends `tensor` as an initializer named `name`.
void write_initializer(onnx::GraphProto& graph, const std::string& name, const Tensor& tensor);
// The same of int8 or uint8 codes of 4 bits, as int4 or uint4: two a byte, the first in the low
// half.
void write_nibbles(onnx::GraphProto& graph, const std::string& name, const Tensor& codes);

// How codes of fewer than 8 bits are written: ONNX has a type for 4 (opset 21); a Clip says the
// width of others, behind QuantizeLinear or constant int8 and uint8 (QCDQ, code_clips.h).
bool is_nibble(const Value& value);
bool is_clipped(const Value& value);

// One graph node on its way into the model.
struct NodeWriter {
  NodeWriter(ExportState& export_state, const Node& source_node);

  std::string name_of(ValueId id) const;
  const Shape& shape(std::size_t i) const { return state.source.value(node.inputs[i]).shape; }
  // A name for a value of its own.
  std::string fresh(const std::string& suffix) const;
  std::string fresh_node(const std::string& name) const;

  template <typename T>
  std::string initializer(const std::string& suffix, const Shape& list_shape,
                          const std::vector<T>& values) const {
    std::string name = fresh(suffix);
    write_initializer(*state.model.mutable_graph(), name, Tensor::from<T>(list_shape, values));
    return name;
  }
  template <typename T>
  std::string list(const std::string& suffix, const std::vector<T>& values) const {
    return initializer(suffix, {static_cast<std::int64_t>(values.size())}, values);
  }

  onnx::NodeProto& add(const std::string& op, const std::string& name,
                       const std::vector<std::string>& in,
                       const std::vector<std::string>& out) const;
  // From `inputs` to `outputs`, under the node's own name.
  onnx::NodeProto& add(const std::string& op) const { return add(op, node.name, inputs, outputs); }
  onnx::NodeProto& add(const std::string& op, const std::string& last_input) {
    inputs.push_back(last_input);
    return add(op);
  }

  ExportState& state;
  const Node& node;
  std::vector<std::string> inputs, outputs;  // names; empty for one that is absent
};

void set(onnx::AttributeProto& attribute, std::int64_t value);
void set(onnx::AttributeProto& attribute, float value);
void set(onnx::AttributeProto& attribute, const std::string& value);
void set(onnx::AttributeProto& attribute, const std::vector<std::int64_t>& values);

template <typename T>
void attribute(onnx::NodeProto& node, const std::string& name, const T& value) {
  onnx::AttributeProto& proto = *node.add_attribute();
  proto.set_name(name);
  set(proto, value);
}

// Attributes that the float and the integer form of an operator share. set_window: without
// dilations, which pools of opset 13 do not have.
void set_window(onnx::NodeProto& proto, const Window& window);
void set_conv(onnx::NodeProto& proto, const Conv& op);
void set_average_pool(onnx::NodeProto& proto, const AveragePool& op, const std::string& node_name);

// Appends the nodes of `activation` from `input` to the outputs of `writer`'s node.
void write_activation(const NodeWriter& writer, const Activation& activation,
                      const std::string& name, const std::string& input);

// Scale and zero point of `code` as initializers, named after the node's output, `prefix`, and
// _scale or _zero_point; int32 has no zero point. CHECKs a type that ONNX of opset 13 has.
struct LinearOperands {
  std::string scale, zero_point;  // zero_point may be empty
};
LinearOperands write_scale(const NodeWriter& writer, const Value& code,
                           const std::string& prefix = {});
// Appends the Clip of 8-bit codes `from` that leaves `code`, for which is_clipped().
void write_code_clip(ExportState& state, const Value& code, const std::string& from);

// The QLinear operators of ONNX and of ONNX Runtime (domain com.microsoft).

// Appends `node` as the operator on codes that `form` (without an obstacle) says it is.
void write_qlinear(ExportState& state, const Node& node, const QLinear& form);

// The oldest opset from 13 on that has all operators and codes of the graph.
std::int64_t export_opset(const Graph& graph);

// Appends the ONNX nodes that compute `node`: one, or several when an activation is fused or a
// function is younger than opset 13. CHECKs that the node is a float one.
void write_node(ExportState& state, const Node& node);

}  // namespace workbench::importer
