#include "compiler/import/external_data.h"

#include <set>

#include "compiler/import/model_file.h"

namespace workbench {

namespace {

using Locations = std::set<std::string>;

void collect(const onnx::TensorProto& tensor, Locations& locations) {
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (entry.key() == "location") locations.insert(entry.value());
  }
}

void collect(const onnx::SparseTensorProto& tensor, Locations& locations) {
  collect(tensor.values(), locations);
  collect(tensor.indices(), locations);
}

void collect(const onnx::GraphProto& graph, Locations& locations);

void collect(const onnx::NodeProto& node, Locations& locations) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    collect(attribute.t(), locations);
    collect(attribute.sparse_tensor(), locations);
    for (const auto& tensor : attribute.tensors()) collect(tensor, locations);
    for (const auto& tensor : attribute.sparse_tensors()) collect(tensor, locations);
    if (attribute.has_g()) collect(attribute.g(), locations);
    for (const auto& graph : attribute.graphs()) collect(graph, locations);
  }
}

void collect(const onnx::GraphProto& graph, Locations& locations) {
  for (const auto& tensor : graph.initializer()) collect(tensor, locations);
  for (const auto& tensor : graph.sparse_initializer()) collect(tensor, locations);
  for (const auto& node : graph.node()) collect(node, locations);
}

}  // namespace

std::vector<std::string> external_data_locations(const std::filesystem::path& model) {
  const onnx::ModelProto proto = importer::read_model(model);
  Locations locations;
  collect(proto.graph(), locations);
  for (const auto& function : proto.functions()) {
    for (const auto& node : function.node()) collect(node, locations);
  }
  return {locations.begin(), locations.end()};
}

}  // namespace workbench
