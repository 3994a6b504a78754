#include "compiler/import/describe.h"

#include <algorithm>
#include <map>
#include <set>

#include "compiler/import/external_data.h"
#include "compiler/import/model_file.h"
#include "compiler/import/names.h"
#include "core/error.h"

namespace workbench {

namespace importer {

namespace {

std::string type_text(const onnx::TypeProto& type) {
  if (!type.has_tensor_type()) return type.value_case() == 0 ? "" : "no tensor";
  const int element = type.tensor_type().elem_type();
  if (!onnx::TensorProto::DataType_IsValid(element)) return fmt::format("type {}", element);
  std::string name = onnx::TensorProto::DataType_Name(element);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name == "float" ? "float32" : name;
}

std::string shape_text(const onnx::TypeProto& type) {
  if (!type.tensor_type().has_shape()) return "";
  std::string text;
  for (const auto& dimension : type.tensor_type().shape().dim()) {
    text += text.empty() ? "" : ",";
    if (dimension.has_dim_value()) {
      text += fmt::format("{}", dimension.dim_value());
    } else {
      text += dimension.dim_param().empty() ? "?" : one_line(dimension.dim_param());
    }
  }
  return fmt::format("[{}]", text);
}

ModelFacts::Value describe(const onnx::ValueInfoProto& value) {
  return {.name = one_line(value.name()),
          .type = type_text(value.type()),
          .shape = shape_text(value.type())};
}

std::vector<ModelFacts::Operator> operators(const onnx::GraphProto& graph) {
  std::map<std::string, std::int64_t> counts;
  for (const onnx::NodeProto& node : graph.node()) {
    const bool standard = node.domain().empty() || node.domain() == "ai.onnx";
    ++counts[one_line(standard ? node.op_type() : node.domain() + "." + node.op_type())];
  }
  std::vector<ModelFacts::Operator> sorted;
  for (const auto& [name, nodes] : counts) sorted.push_back({name, nodes});
  std::ranges::stable_sort(sorted, std::greater(), &ModelFacts::Operator::nodes);
  return sorted;
}

ModelFacts describe(const onnx::ModelProto& model) {
  ModelFacts facts;
  facts.producer = one_line(model.producer_name());
  if (!model.producer_version().empty()) facts.producer += " " + one_line(model.producer_version());
  if (model.has_ir_version()) facts.versions.push_back(fmt::format("IR {}", model.ir_version()));
  for (const onnx::OperatorSetIdProto& set : model.opset_import()) {
    const std::string domain = set.domain().empty() ? "opset" : one_line(set.domain());
    facts.versions.push_back(fmt::format("{} {}", domain, set.version()));
  }
  std::set<std::string> initialized;
  for (const auto& tensor : model.graph().initializer()) initialized.insert(tensor.name());
  for (const onnx::ValueInfoProto& input : model.graph().input()) {
    if (!initialized.contains(input.name())) facts.inputs.push_back(describe(input));
  }
  for (const auto& output : model.graph().output()) facts.outputs.push_back(describe(output));
  facts.operators = operators(model.graph());
  for (const auto& entry : model.metadata_props()) {
    facts.notes.push_back(one_line(entry.key() + ": " + entry.value()));
  }
  return facts;
}

}  // namespace

}  // namespace importer

ModelFacts describe_model(const std::filesystem::path& path, const ImportOptions& options) {
  const importer::AnyModel model = importer::read_any(path, options);
  ModelFacts facts = importer::describe(model.proto);
  facts.format = model.format;
  return facts;
}

std::string converted_onnx_bytes(const std::filesystem::path& path, const ImportOptions& options) {
  onnx::ModelProto model = importer::read_model(path, options);
  importer::embed_external_data(model, path);
  return model.SerializeAsString();
}

}  // namespace workbench
