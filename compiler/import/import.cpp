// A model of any format, which a front end made an ONNX model -> Graph: its initializers and
// inputs, its nodes (nodes.cpp), its outputs, and checks of what the file claims.
#include "compiler/import/import.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/import/code_clips.h"
#include "compiler/import/function_call.h"
#include "compiler/import/import_state.h"
#include "compiler/import/input_facts.h"
#include "compiler/import/input_sizes.h"
#include "compiler/import/model_builder.h"
#include "compiler/import/model_file.h"
#include "compiler/import/node_order.h"
#include "compiler/import/node_reader.h"
#include "compiler/import/tensor_proto.h"
#include "core/error.h"

namespace workbench::importer {

bool is_standard(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

std::int64_t standard_opset(
    const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports,
    std::int64_t fallback) {
  for (const onnx::OperatorSetIdProto& set : imports) {
    if (is_standard(set.domain())) return set.version();
  }
  return fallback;
}

const Binding* Scope::find(const std::string& name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->around) {
    if (const auto found = scope->names.find(name); found != scope->names.end()) {
      return &found->second;
    }
  }
  return nullptr;
}

std::string ImportState::graph_name(const std::string& name) {
  if (const auto found = scope->visible.find(name); found != scope->visible.end()) {
    return found->second;
  }
  std::string text = text_name(name);
  if (scope->around == nullptr && scope->prefix.empty() && text == name) return text;
  return value_names.take(scope->prefix + text);
}

void ImportState::bind(const std::string& name, Binding binding) {
  if (!name.empty()) scope->names[name] = std::move(binding);
}

namespace {

// Beyond it, attributes that a new version adds are refused as all that are not known; that a known
// one means something else cannot be seen.
constexpr std::int64_t kNewestOpset = 24;

std::int64_t read_opset(const onnx::ModelProto& model) {
  constexpr std::int64_t kImportsSinceIr = 3;
  const std::int64_t opset =
      standard_opset(model.opset_import(), model.ir_version() < kImportsSinceIr ? 1 : 0);
  if (opset < 1) fail("opset_import: expected a version of ONNX's operators, found {}", opset);
  return opset;
}

// Initializers before inputs: older files list them among the inputs too.
void add_initializer(const std::string& name, const Tensor& tensor, int narrow,
                     ImportState& state) {
  const ValueId id = state.graph.add_constant(state.graph_name(name), tensor);
  if (narrow != 0) state.narrow[id] = narrow;
  if (state.scope->names.contains(name)) {
    fail("initializer '{}': expected one initializer of this name, found two", name);
  }
  state.bind(name, id);
}

}  // namespace

void read_initializers(onnx::GraphProto& proto, ImportState& state) {
  for (onnx::TensorProto& initializer : *proto.mutable_initializer()) {
    const std::string where = fmt::format("initializer '{}'", initializer.name());
    if (initializer.name().empty()) fail("initializer: expected a name, found none");
    const Tensor tensor = state.source.tensors.take(initializer, where);
    state.source.tensors.expect_finite(tensor, where);
    add_initializer(initializer.name(), tensor, narrow_bits(initializer.data_type()), state);
  }
  for (onnx::SparseTensorProto& initializer : *proto.mutable_sparse_initializer()) {
    const std::string& name = initializer.values().name();
    const std::string where = fmt::format("sparse initializer '{}'", name);
    if (name.empty()) fail("sparse initializer: expected a name, found none");
    const Tensor tensor = state.source.tensors.take(initializer, where);
    state.source.tensors.expect_finite(tensor, where);
    add_initializer(name, tensor, 0, state);
  }
}

namespace {

void read_input(const onnx::ValueInfoProto& input, const Shape& shape, ImportState& state) {
  const std::string where = fmt::format("input '{}'", input.name());
  if (input.name().empty()) fail("graph input: expected a name, found none");
  if (!input.type().has_tensor_type()) fail("{}: expected a tensor, found another type", where);
  Value value{.name = state.graph_name(input.name()), .shape = shape};
  value.type = element_type(input.type().tensor_type().elem_type(), where);
  check_shape(value.shape, where);
  if (element_count(value.shape) == 0) {
    fail("{}: expected elements, found none (shape {})", where, to_string(value.shape));
  }
  if (state.scope->names.contains(input.name())) {
    fail("{}: expected one input of this name, found two", where);
  }
  const ValueId id = state.graph.add_value(std::move(value));
  const int narrow = narrow_bits(input.type().tensor_type().elem_type());
  if (narrow != 0) state.narrow[id] = narrow;
  state.graph.inputs.push_back(id);
  state.bind(input.name(), id);
}

void read_inputs(const onnx::GraphProto& proto, const InputShapes& shapes, ImportState& state) {
  for (const onnx::ValueInfoProto& input : proto.input()) {
    const Binding* found = state.scope->find(input.name());
    if (found != nullptr && found->kind == Binding::Kind::Value &&
        state.graph.value(found->id).constant) {
      continue;  // an initializer
    }
    const auto shape = shapes.find(input.name());
    try {
      read_input(input, shape != shapes.end() ? shape->second : Shape(), state);
    } catch (const Error& error) {
      state.obstacles.add(error.what());
      state.bind(input.name(), {.kind = Binding::Kind::Unknown});
    }
  }
}

// `id` under a name of its own.
ValueId renamed(ValueId id, const std::string& name, ImportState& state) {
  if (state.graph.value(id).constant) {
    const Tensor tensor = *state.graph.value(id).constant;
    return state.graph.add_constant(name, tensor);
  }
  Value copy = state.graph.value(id);
  copy.name = name;
  const ValueId output = state.graph.add_value(std::move(copy));
  Node node{.name = state.node_names.take("Identity_" + name), .op = Identity{}};
  node.inputs = {id};
  node.outputs = {output};
  state.graph.nodes.push_back(std::move(node));
  return output;
}

// False: something was refused that it depends on.
bool read_output(const std::string& name, ImportState& state) {
  const Binding* found = state.scope->find(name);
  if (found == nullptr) {
    fail("output '{}': expected a value that something writes, found none", name);
  }
  if (found->kind == Binding::Kind::Unknown) return false;
  if (found->kind != Binding::Kind::Value) {
    fail("output '{}': expected a tensor, found a sequence", name);
  }
  const std::string wanted = text_name(name);
  ValueId id = found->id;
  // Results of nodes and constants that are called otherwise, or are another output already.
  const bool has_name = state.graph.value(id).name == wanted || wanted != name;
  if (!has_name) id = renamed(id, wanted, state);
  state.graph.outputs.push_back(id);
  return true;
}

// Whether all of them are known.
bool read_outputs(const onnx::GraphProto& proto, ImportState& state) {
  if (proto.output_size() == 0) fail("expected a graph with outputs, found none");
  std::set<std::string> seen;
  bool all_known = true;
  for (const onnx::ValueInfoProto& output : proto.output()) {
    if (!seen.insert(output.name()).second) {
      state.notes.push_back(fmt::format(
          "output '{}' is listed more than once: it is one output here", text_name(output.name())));
      continue;
    }
    try {
      all_known = read_output(output.name(), state) && all_known;
    } catch (const Error& error) {
      state.obstacles.add(error.what());
      all_known = false;
    }
  }
  return all_known;
}

// Nodes that no output depends on: what only the branch not taken reads, parts of folded shapes.
void drop_unused_nodes(Graph& graph) {
  std::vector<bool> is_read(graph.values.size(), false);
  const auto mark = [&](const std::vector<ValueId>& ids) {
    for (const ValueId id : ids) {
      if (id != kNoValue) is_read[static_cast<std::size_t>(id)] = true;
    }
  };
  mark(graph.outputs);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    Node& node = graph.nodes[n];
    const bool any = std::ranges::any_of(
        node.outputs, [&](ValueId id) { return is_read[static_cast<std::size_t>(id)]; });
    if (any) {
      mark(node.inputs);
    } else {
      node.outputs.clear();
    }
  }
  std::erase_if(graph.nodes, [](const Node& node) { return node.outputs.empty(); });
}

// Shape arithmetic leaves dead constants behind.
void drop_unused_values(Graph& graph) {
  std::vector<ValueId> renamed(graph.values.size(), kNoValue);
  const auto keep = [&](std::vector<ValueId>& ids) {
    for (const ValueId id : ids) {
      if (id != kNoValue) renamed[static_cast<std::size_t>(id)] = 0;
    }
  };
  const auto rename = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) {
      if (id != kNoValue) id = renamed[static_cast<std::size_t>(id)];
    }
  };
  const auto for_all_lists = [&](const auto& visit) {
    visit(graph.inputs);
    visit(graph.outputs);
    for (Node& node : graph.nodes) {
      visit(node.inputs);
      visit(node.outputs);
    }
  };
  for_all_lists(keep);
  std::vector<Value> kept;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (renamed[i] == kNoValue) continue;
    renamed[i] = static_cast<ValueId>(kept.size());
    kept.push_back(std::move(graph.values[i]));
  }
  graph.values = std::move(kept);
  for_all_lists(rename);
}

std::vector<std::string> wanted_names(const onnx::GraphProto& proto) {
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto& output : proto.output()) names.push_back(output.name());
  return names;
}

// Computing so many bytes takes about as long as reading a node.
constexpr std::int64_t kBytesLikeANode = 4096;

// The graph with inputs of these sizes; without them where there are obstacles.
Attempt read_graph(Source& source, const std::string& name, const InputShapes& shapes,
                   std::int64_t patience) {
  ImportState state{.source = source, .patience = patience};
  onnx::GraphProto& proto = *source.model.mutable_graph();
  Scope scope{.opset = read_opset(source.model)};
  state.scope = &scope;
  state.graph.name = text_name(proto.name().empty() ? name : proto.name());
  read_initializers(proto, state);
  read_inputs(proto, shapes, state);
  for (const onnx::NodeProto& node : proto.node()) {
    state.node_names.reserve(node.name());
    for (const std::string& output : node.output()) state.value_names.reserve(output);
  }
  for (const auto& [taken, binding] : scope.names) state.value_names.reserve(taken);
  read_nodes(*proto.mutable_node(), wanted_names(proto), scope, state);
  state.scope = &scope;
  const bool all_known = read_outputs(proto, state);
  if (all_known && state.obstacles.count() > 0) {  // before the branch that is not taken
    state.notes.push_back("no output depends on what is refused: " + state.obstacles.text());
    state.obstacles = {};
  }
  if (state.made_static > 0) {
    state.notes.push_back(
        fmt::format("dynamic quantization made static: the scales that {} operators find at run "
                    "time are those of the calibration",
                    state.made_static));
  }
  if (scope.opset > kNewestOpset) {
    state.notes.push_back(
        fmt::format("opset {}: operators are known as of {}, what came later is "
                    "refused where it is an operator or an attribute",
                    scope.opset, kNewestOpset));
  }
  Attempt attempt{.obstacles = std::move(state.obstacles),
                  .work = state.nodes_read + state.computed_bytes / kBytesLikeANode,
                  .progress = state.nodes_before_obstacle,
                  .notes = std::move(state.notes)};
  if (attempt.obstacles.count() > 0) return attempt;
  narrow_clipped_codes(state.graph);
  drop_unused_nodes(state.graph);
  drop_unused_values(state.graph);
  const std::vector<Violation> violations = verify(state.graph);
  if (!violations.empty()) fail("{}", violations.front().message);
  attempt.graph = std::move(state.graph);
  return attempt;
}

ModelImport read_source(Source& source, const std::string& name, const ImportOptions& options) {
  onnx::GraphProto& proto = *source.model.mutable_graph();
  Names node_names;
  name_nodes(*proto.mutable_node(), node_names);
  index_functions(source);
  InputSizes sizes = input_sizes_of(proto, options);
  Attempt attempt = fitting_sizes(sizes, proto.node_size(),
                                  [&](const InputShapes& shapes, std::int64_t patience) {
                                    return read_graph(source, name, shapes, patience);
                                  });
  if (attempt.obstacles.count() > 0) {
    fail("{}{}", attempt.obstacles.text(), sizes.hint());
  }
  std::vector<std::string> notes = remarks(source.model);
  const std::vector<std::string> chosen = sizes.notes();
  notes.insert(notes.end(), chosen.begin(), chosen.end());
  notes.insert(notes.end(), attempt.notes.begin(), attempt.notes.end());
  return {std::move(attempt.graph), std::move(notes)};
}

// Every error of an import begins with the file and is one line, whatever the names in the file.
template <typename Read>
ModelImport with_context(const std::string& where, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    fail("{}: {}", where, one_line(error.what()));
  } catch (const std::bad_alloc&) {
    fail("{}: expected a network that fits into memory, found one that does not", where);
  }
}

}  // namespace

}  // namespace workbench::importer

namespace workbench {

ModelImport import_with_notes(const std::filesystem::path& path, const ImportOptions& options) {
  importer::Source source{.model = importer::read_model(path, options),
                          .tensors = importer::TensorSource(path.parent_path())};
  return importer::with_context(
      path.string(), [&] { return importer::read_source(source, path.stem().string(), options); });
}

Graph import_model(const std::filesystem::path& path, const ImportOptions& options) {
  return import_with_notes(path, options).graph;
}

ModelImport import_onnx_with_notes(std::string_view bytes, const std::string& name,
                                   const ImportOptions& options) {
  importer::Source source{.model = importer::parse_model(bytes, name),
                          .tensors = importer::TensorSource(std::nullopt)};
  return importer::with_context(name, [&] { return importer::read_source(source, name, options); });
}

Graph import_onnx_bytes(std::string_view bytes, const std::string& name,
                        const ImportOptions& options) {
  return import_onnx_with_notes(bytes, name, options).graph;
}

std::vector<std::string> external_data_locations(const std::filesystem::path& model) {
  std::optional<onnx::ModelProto> proto = importer::read_onnx(model);
  if (!proto) return {};  // no other format names files
  std::set<std::string> locations;
  importer::for_each_tensor(*proto, [&](const onnx::TensorProto& tensor) {
    for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
      if (entry.key() == "location") locations.insert(entry.value());
    }
  });
  return {locations.begin(), locations.end()};
}

std::vector<SupportedOp> importable_ops() {
  std::vector<SupportedOp> ops;
  for (const importer::ImportRule& rule : importer::import_table()) {
    const bool nested =
        std::ranges::find(importer::nested_rules(), rule.name, &importer::ImportRule::name) !=
        importer::nested_rules().end();
    ops.push_back({std::string(rule.name), std::string(rule.note), nested});
  }
  return ops;
}

}  // namespace workbench
