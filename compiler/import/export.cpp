#include "compiler/import/export.h"

#include <limits>
#include <utility>

#include "compiler/import/export_ops.h"
#include "compiler/import/tensor_proto.h"
#include "core/error.h"
#include "core/file.h"

namespace workbench {

namespace importer {

namespace {

constexpr int kOpset = 13;
constexpr int kIrVersion = 7;  // the first that knows opset 13

void write_value_info(onnx::ValueInfoProto& info, const Value& value) {
  info.set_name(value.name);
  onnx::TypeProto_Tensor& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx_type(value.type));
  type.mutable_shape();  // present, and empty for a scalar
  for (const std::int64_t dim : value.shape) type.mutable_shape()->add_dim()->set_dim_value(dim);
}

onnx::ModelProto write_model(const Graph& graph) {
  ExportState state{.source = graph};
  state.model.set_ir_version(kIrVersion);
  state.model.set_producer_name("workbench");
  state.model.add_opset_import()->set_version(kOpset);
  onnx::GraphProto& proto = *state.model.mutable_graph();
  proto.set_name(graph.name.empty() ? "graph" : graph.name);
  for (const Value& value : graph.values) state.value_names.insert(value.name);
  for (const Node& node : graph.nodes) state.node_names.insert(node.name);
  for (const ValueId id : graph.inputs) write_value_info(*proto.add_input(), graph.value(id));
  for (const ValueId id : graph.outputs) write_value_info(*proto.add_output(), graph.value(id));
  for (const Value& value : graph.values) {
    if (value.constant) write_initializer(proto, value.name, *value.constant);
  }
  for (const Node& node : graph.nodes) write_node(state, node);
  if (state.model.ByteSizeLong() > std::numeric_limits<int>::max()) {
    fail("graph '{}': expected a model below 2 GiB, the limit of ONNX files, found {} bytes",
         graph.name, state.model.ByteSizeLong());
  }
  return std::move(state.model);
}

}  // namespace

}  // namespace importer

std::string export_onnx_bytes(const Graph& graph) {
  return importer::write_model(graph).SerializeAsString();
}

void export_onnx(const Graph& graph, const std::filesystem::path& path) {
  const onnx::ModelProto model = importer::write_model(graph);
  write_file(path, [&](std::ostream& out) { model.SerializeToOstream(&out); });
}

}  // namespace workbench
