#include "compiler/import/model_builder.h"

#include "compiler/import/tensor_proto.h"

namespace workbench::importer {

namespace {

constexpr std::string_view kRemark = "remark";

}  // namespace

void add_remark(onnx::ModelProto& model, const std::string& text) {
  auto& entry = *model.add_metadata_props();  // keys are to be unique
  entry.set_key(fmt::format("{}_{}", kRemark, model.metadata_props_size()));
  entry.set_value(text);
}

std::vector<std::string> remarks(const onnx::ModelProto& model) {
  std::vector<std::string> all;
  for (const auto& entry : model.metadata_props()) {
    if (entry.key().starts_with(kRemark)) all.push_back(one_line(entry.value()));
  }
  return all;
}

ModelBuilder::ModelBuilder(const std::string& graph_name, const std::string& producer) {
  constexpr int kIrVersion = 8;  // the first that knows opset 17
  model_.set_ir_version(kIrVersion);
  model_.set_producer_name(producer);
  model_.add_opset_import()->set_version(kOpset);
  model_.mutable_graph()->set_name(graph_name);
}

void ModelBuilder::input(const std::string& name, ElementType type, const Shape& shape) {
  onnx::ValueInfoProto& info = *model_.mutable_graph()->add_input();
  info.set_name(name);
  onnx::TypeProto_Tensor& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx_type(type));
  tensor.mutable_shape();  // present, and empty for a scalar
  for (const std::int64_t size : shape) {
    auto* dimension = tensor.mutable_shape()->add_dim();
    if (size >= 0) dimension->set_dim_value(size);
  }
  values_.reserve(name);
}

void ModelBuilder::output(const std::string& name) {
  model_.mutable_graph()->add_output()->set_name(name);
}

std::string ModelBuilder::value_name(const std::string& wanted) { return values_.take(wanted); }

std::string ModelBuilder::constant(const std::string& wanted, const Tensor& tensor) {
  std::string name = value_name(wanted);
  write_initializer(*model_.mutable_graph(), name, tensor);
  return name;
}

onnx::NodeProto& ModelBuilder::node(const std::string& op, const std::string& name,
                                    const std::vector<std::string>& inputs,
                                    const std::vector<std::string>& outputs) {
  onnx::NodeProto& proto = *model_.mutable_graph()->add_node();
  proto.set_op_type(op);
  proto.set_name(nodes_.take(name));
  for (const std::string& input : inputs) proto.add_input(input);
  for (const std::string& output : outputs) {
    proto.add_output(output);
    values_.reserve(output);
  }
  return proto;
}

std::string ModelBuilder::value(const std::string& op, const std::string& name,
                                const std::vector<std::string>& inputs) {
  std::string output = value_name(name);
  node(op, name, inputs, {output});
  return output;
}

void ModelBuilder::note(const std::string& key, const std::string& text) {
  auto& entry = *model_.add_metadata_props();
  entry.set_key(key);
  entry.set_value(text);
}

}  // namespace workbench::importer
