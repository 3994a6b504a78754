// ONNX models built in a few lines, for tests of the importer.
#pragma once

#include <onnx/onnx_pb.h>

#include <string>
#include <vector>

#include "compiler/import/import.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/graph.h"

namespace workbench::test {

inline void set_value(onnx::AttributeProto& a, std::int64_t v) {
  a.set_type(onnx::AttributeProto::INT);
  a.set_i(v);
}
inline void set_value(onnx::AttributeProto& a, int v) { set_value(a, std::int64_t{v}); }
inline void set_value(onnx::AttributeProto& a, float v) {
  a.set_type(onnx::AttributeProto::FLOAT);
  a.set_f(v);
}
inline void set_value(onnx::AttributeProto& a, const char* v) {
  a.set_type(onnx::AttributeProto::STRING);
  a.set_s(v);
}
inline void set_value(onnx::AttributeProto& a, const std::vector<std::int64_t>& v) {
  a.set_type(onnx::AttributeProto::INTS);
  a.mutable_ints()->Assign(v.begin(), v.end());
}
inline void set_value(onnx::AttributeProto& a, const std::vector<float>& v) {
  a.set_type(onnx::AttributeProto::FLOATS);
  a.mutable_floats()->Assign(v.begin(), v.end());
}

class NodeBuilder {
 public:
  explicit NodeBuilder(onnx::NodeProto& proto) : proto_(proto) {}
  template <typename T>
  NodeBuilder& with(const std::string& name, const T& value) {
    onnx::AttributeProto& attribute = *proto_.add_attribute();
    attribute.set_name(name);
    set_value(attribute, value);
    return *this;
  }
  NodeBuilder& named(const std::string& name) {
    proto_.set_name(name);
    return *this;
  }
  onnx::NodeProto& proto() { return proto_; }

 private:
  onnx::NodeProto& proto_;
};

class OnnxModel {
 public:
  explicit OnnxModel(std::int64_t opset = 13) {
    proto_.set_ir_version(7);
    proto_.add_opset_import()->set_version(opset);
    graph().set_name("test");
  }

  onnx::ModelProto& proto() { return proto_; }
  onnx::GraphProto& graph() { return *proto_.mutable_graph(); }

  // A dimension of -1 is symbolic, named "d0", "d1", ...
  OnnxModel& input(const std::string& name, const Shape& shape,
                   int type = onnx::TensorProto::FLOAT) {
    onnx::ValueInfoProto& info = *graph().add_input();
    info.set_name(name);
    auto& tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape();
    for (std::size_t i = 0; i < shape.size(); ++i) {
      auto& dim = *tensor.mutable_shape()->add_dim();
      if (shape[i] == -1) {
        dim.set_dim_param(fmt::format("d{}", i));
      } else {
        dim.set_dim_value(shape[i]);
      }
    }
    return *this;
  }
  OnnxModel& output(const std::string& name) {
    graph().add_output()->set_name(name);
    return *this;
  }
  onnx::TensorProto& floats(const std::string& name, const Shape& shape,
                            const std::vector<float>& values) {
    onnx::TensorProto& tensor = declare(name, shape, onnx::TensorProto::FLOAT);
    tensor.mutable_float_data()->Assign(values.begin(), values.end());
    return tensor;
  }
  onnx::TensorProto& integers(const std::string& name, const std::vector<std::int64_t>& values) {
    const auto count = static_cast<std::int64_t>(values.size());
    onnx::TensorProto& tensor = declare(name, {count}, onnx::TensorProto::INT64);
    tensor.mutable_int64_data()->Assign(values.begin(), values.end());
    return tensor;
  }
  // For the types that ONNX keeps in int32_data.
  onnx::TensorProto& codes(const std::string& name, const Shape& shape, int type,
                           const std::vector<std::int32_t>& values) {
    onnx::TensorProto& tensor = declare(name, shape, type);
    tensor.mutable_int32_data()->Assign(values.begin(), values.end());
    return tensor;
  }
  NodeBuilder node(const std::string& op, const std::vector<std::string>& inputs,
                   const std::vector<std::string>& outputs) {
    onnx::NodeProto& proto = *graph().add_node();
    proto.set_op_type(op);
    for (const auto& name : inputs) proto.add_input(name);
    for (const auto& name : outputs) proto.add_output(name);
    return NodeBuilder(proto);
  }

  Graph import(const ImportOptions& options = {}) const {
    return import_onnx_bytes(proto_.SerializeAsString(), "test", options);
  }
  // What the import chose.
  std::vector<std::string> notes(const ImportOptions& options = {}) const {
    return import_onnx_with_notes(proto_.SerializeAsString(), "test", options).notes;
  }
  // The message of the Error that importing ends in; empty when it succeeds.
  std::string import_error(const ImportOptions& options = {}) const {
    try {
      import(options);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }

 private:
  onnx::TensorProto& declare(const std::string& name, const Shape& shape, int type) {
    onnx::TensorProto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    for (const std::int64_t dim : shape) tensor.add_dims(dim);
    return tensor;
  }

  onnx::ModelProto proto_;
};

// A network, as bytes, whose weights lie beside it.
inline std::string model_with_external_data(const std::string& location) {
  onnx::ModelProto model;
  onnx::TensorProto& weights = *model.mutable_graph()->add_initializer();
  weights.set_data_location(onnx::TensorProto::EXTERNAL);
  onnx::StringStringEntryProto& entry = *weights.add_external_data();
  entry.set_key("location");
  entry.set_value(location);
  return model.SerializeAsString();
}

inline std::vector<float> floats_of(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

// The only output of a graph with one input of `values`.
inline Tensor evaluate_one(const Graph& graph, const std::vector<float>& values) {
  const std::vector<Tensor> inputs{
      Tensor::from<float>(graph.value(graph.inputs.at(0)).shape, values)};
  return evaluate(graph, inputs, {.arithmetic = Arithmetic::Exact, .threads = 1}).at(0);
}

template <typename OpType>
const OpType& op_of(const Graph& graph, std::size_t node = 0) {
  return std::get<OpType>(graph.nodes.at(node).op);
}

}  // namespace workbench::test
