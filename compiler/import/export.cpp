#include "compiler/import/export.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "compiler/import/export_ops.h"
#include "compiler/import/node_reader.h"
#include "compiler/import/tensor_proto.h"
#include "core/error.h"
#include "core/file.h"

namespace workbench {

namespace importer {

namespace {

// The first IR version that knows the opset.
int ir_version(std::int64_t opset) {
  if (opset >= 23) return 11;
  if (opset >= 21) return 10;
  if (opset >= 19) return 9;
  return opset >= 15 ? 8 : 7;
}

void write_value_info(onnx::ValueInfoProto& info, const Value& value) {
  info.set_name(value.name);
  onnx::TypeProto_Tensor& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(is_nibble(value) ? onnx_type_of_4_bits(value.quantization->is_signed)
                                      : onnx_type(value.type));
  type.mutable_shape();  // present, and empty for a scalar
  for (const std::int64_t dim : value.shape) type.mutable_shape()->add_dim()->set_dim_value(dim);
}

void write_constants(ExportState& state, const std::vector<bool>& wanted) {
  for (std::size_t i = 0; i < state.source.values.size(); ++i) {
    const Value& value = state.source.values[i];
    if (!value.constant || !wanted[i]) continue;
    onnx::GraphProto& graph = *state.model.mutable_graph();
    if (is_nibble(value)) {
      write_nibbles(graph, value.name, *value.constant);
    } else if (is_clipped(value)) {
      const std::string wide = state.value_names.take(value.name + "_wide");
      write_initializer(graph, wide, *value.constant);
      write_code_clip(state, value, wide);
    } else {
      write_initializer(graph, value.name, *value.constant);
    }
  }
}

// Which nodes are written, in which form, with which operands.
struct Plan {
  std::vector<std::optional<QLinear>> qlinear;  // by node
  std::vector<bool> skipped;                    // by node: part of a QLinear operator
  std::vector<bool> read;                       // by value
};

Plan qoperator_plan(const Graph& graph) {
  const QLinearFinder finder(graph);
  Plan plan{.qlinear = std::vector<std::optional<QLinear>>(graph.nodes.size()),
            .skipped = std::vector<bool>(graph.nodes.size()),
            .read = std::vector<bool>(graph.values.size())};
  const auto read = [&](const std::vector<ValueId>& ids) {
    for (const ValueId id : ids) {
      if (id != kNoValue) plan.read[static_cast<std::size_t>(id)] = true;
    }
  };
  read(graph.outputs);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    QLinear form = finder.find(n, QLinearDemand::All);
    if (!form.obstacle.empty()) continue;
    if (form.result != kNoValue) plan.skipped[finder.quantizer(n)] = true;
    plan.qlinear[n] = std::move(form);
  }
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {  // readers before writers
    const Node& node = graph.nodes[n];
    if (plan.qlinear[n]) {
      read(plan.qlinear[n]->operands);
    } else if (std::holds_alternative<Dequantize>(node.op) &&
               !plan.read[static_cast<std::size_t>(node.outputs[0])]) {
      plan.skipped[n] = true;
    } else if (!plan.skipped[n]) {
      read(node.inputs);
    }
  }
  return plan;
}

void write_qoperators(ExportState& state) {
  const Plan plan = qoperator_plan(state.source);
  write_constants(state, plan.read);
  for (std::size_t n = 0; n < state.source.nodes.size(); ++n) {
    const Node& node = state.source.nodes[n];
    if (plan.qlinear[n]) {
      write_qlinear(state, node, *plan.qlinear[n]);
    } else if (!plan.skipped[n]) {
      write_node(state, node);
    }
  }
  const auto& nodes = state.model.graph().node();
  if (std::ranges::any_of(nodes, [](const auto& node) { return node.domain() == kMicrosoft; })) {
    onnx::OperatorSetIdProto& set = *state.model.add_opset_import();
    set.set_domain(std::string(kMicrosoft));
    set.set_version(1);
  }
}

onnx::ModelProto write_model(const Graph& graph, CodesForm form) {
  ExportState state{.source = graph, .opset = export_opset(graph)};
  state.model.set_ir_version(ir_version(state.opset));
  state.model.set_producer_name("workbench");
  state.model.add_opset_import()->set_version(state.opset);
  onnx::GraphProto& proto = *state.model.mutable_graph();
  proto.set_name(graph.name.empty() ? "graph" : graph.name);
  for (const Value& value : graph.values) state.value_names.reserve(value.name);
  for (const Node& node : graph.nodes) state.node_names.reserve(node.name);
  for (const ValueId id : graph.inputs) write_value_info(*proto.add_input(), graph.value(id));
  for (const ValueId id : graph.outputs) write_value_info(*proto.add_output(), graph.value(id));
  if (form == CodesForm::QOperator) {
    write_qoperators(state);
  } else {
    write_constants(state, std::vector<bool>(graph.values.size(), true));
    for (const Node& node : graph.nodes) write_node(state, node);
  }
  if (state.model.ByteSizeLong() > std::numeric_limits<int>::max()) {
    fail("graph '{}': expected a model below 2 GiB, the limit of ONNX files, found {} bytes",
         graph.name, state.model.ByteSizeLong());
  }
  return std::move(state.model);
}

}  // namespace

}  // namespace importer

std::string export_onnx_bytes(const Graph& graph, CodesForm form) {
  return importer::write_model(graph, form).SerializeAsString();
}

void export_onnx(const Graph& graph, const std::filesystem::path& path, CodesForm form) {
  const onnx::ModelProto model = importer::write_model(graph, form);
  write_file(path, [&](std::ostream& out) { model.SerializeToOstream(&out); });
}

}  // namespace workbench
