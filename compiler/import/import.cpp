// Model -> Graph: the order of the nodes, one import rule for each, checks of what the file
// claims.
#include "compiler/import/import.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/import/model_builder.h"
#include "compiler/import/model_file.h"
#include "compiler/import/node_reader.h"
#include "compiler/import/tensor_proto.h"
#include "core/error.h"
#include "core/eval/evaluate.h"

namespace workbench::importer {

// The nodes of an ONNX graph: their names and the order in which they can be read.

// Indices of the nodes, operands before their readers, otherwise as in the file. `known`: names of
// graph inputs and initializers. Throws Error on a name written twice, a name never written, and a
// cycle.
std::vector<int> node_order(const onnx::GraphProto& graph, const std::set<std::string>& known);

// Gives every node a name of its own: the file's, with a number behind it where two nodes share
// one, or operator and first output.
void name_nodes(onnx::GraphProto& graph, std::set<std::string>& taken);

std::string describe(const onnx::NodeProto& node);  // for errors

namespace {

std::map<std::string, int> writers(const onnx::GraphProto& graph,
                                   const std::set<std::string>& known) {
  std::map<std::string, int> writer;
  for (int n = 0; n < graph.node_size(); ++n) {
    const onnx::NodeProto& node = graph.node(n);
    for (const std::string& output : node.output()) {
      if (output.empty()) continue;
      if (known.contains(output) || !writer.emplace(output, n).second) {
        fail("{}: expected an output name of its own, found '{}', which is already taken",
             describe(node), output);
      }
    }
  }
  return writer;
}

// Names a cycle among the remaining nodes: follows operands until a node repeats.
[[noreturn]] void fail_at_cycle(const onnx::GraphProto& graph,
                                const std::map<std::string, int>& writer,
                                const std::vector<int>& missing) {
  int at = 0;
  while (missing[static_cast<std::size_t>(at)] == 0) ++at;
  std::set<int> seen;
  while (seen.insert(at).second) {
    for (const std::string& input : graph.node(at).input()) {
      const auto found = writer.find(input);
      if (found != writer.end() && missing[static_cast<std::size_t>(found->second)] > 0) {
        at = found->second;
        break;
      }
    }
  }
  fail("{}: expected a graph without cycles, found one through this node",
       describe(graph.node(at)));
}

}  // namespace

std::string describe(const onnx::NodeProto& node) {
  return fmt::format("node '{}' ({})", node.name(), node.op_type());
}

void name_nodes(onnx::GraphProto& graph, std::set<std::string>& taken) {
  for (const bool named : {true, false}) {  // the names in the file come first
    for (onnx::NodeProto& node : *graph.mutable_node()) {
      if (named == node.name().empty()) continue;
      const std::string output = node.output_size() > 0 ? node.output(0) : "";
      const std::string wanted = named ? node.name() : fmt::format("{}_{}", node.op_type(), output);
      node.set_name(unique_name(taken, wanted));
    }
  }
}

std::vector<int> node_order(const onnx::GraphProto& graph, const std::set<std::string>& known) {
  const std::map<std::string, int> writer = writers(graph, known);
  const auto count = static_cast<std::size_t>(graph.node_size());
  std::vector<int> missing(count, 0);  // operands not yet written
  std::vector<std::vector<int>> readers(count);
  std::set<int> ready;
  for (int n = 0; n < graph.node_size(); ++n) {
    const auto index = static_cast<std::size_t>(n);
    for (const std::string& input : graph.node(n).input()) {
      if (input.empty() || known.contains(input)) continue;
      const auto found = writer.find(input);
      if (found == writer.end()) {
        fail(
            "{}: expected an input that something writes, found '{}', which no node, graph input "
            "or initializer provides",
            describe(graph.node(n)), input);
      }
      ++missing[index];
      readers[static_cast<std::size_t>(found->second)].push_back(n);
    }
    if (missing[index] == 0) ready.insert(n);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    const int n = ready.extract(ready.begin()).value();
    order.push_back(n);
    for (const int reader : readers[static_cast<std::size_t>(n)]) {
      if (--missing[static_cast<std::size_t>(reader)] == 0) ready.insert(reader);
    }
  }
  if (order.size() != count) fail_at_cycle(graph, writer, missing);
  return order;
}

}  // namespace workbench::importer

namespace workbench {

namespace importer {

namespace {

constexpr std::int64_t kMinOpset = 7, kMaxOpset = 17;

bool is_standard(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

std::int64_t read_opset(const onnx::ModelProto& model) {
  for (const onnx::OperatorSetIdProto& set : model.opset_import()) {
    if (!is_standard(set.domain())) continue;
    if (set.version() < kMinOpset || set.version() > kMaxOpset) {
      fail("opset_import: expected opset {} to {}, found {}", kMinOpset, kMaxOpset, set.version());
    }
    return set.version();
  }
  fail("opset_import: expected opset {} to {}, found none", kMinOpset, kMaxOpset);
}

std::string shape_hint(const onnx::TensorShapeProto& shape) {
  std::string hint;
  for (int i = 0; i < shape.dim_size(); ++i) {
    const std::int64_t value = shape.dim(i).dim_value();
    const std::int64_t shown = value > 0 ? value : (i == 0 ? 1 : 224);
    hint += fmt::format("{}{}", i > 0 ? "," : "", shown);
  }
  return hint;
}

// The shape of a graph input: what the model fixes, then what --shape says, then batch 1.
Shape input_shape(const onnx::ValueInfoProto& input, const ImportOptions& options) {
  const std::string& name = input.name();
  const auto given = options.input_shapes.find(name);
  const bool has_given = given != options.input_shapes.end();
  if (!input.type().tensor_type().has_shape()) {
    if (has_given) return given->second;
    fail("input '{}' has no shape: fix it with --shape {}=1,3,224,224", name, name);
  }
  const onnx::TensorShapeProto& declared = input.type().tensor_type().shape();
  Shape shape;
  for (int i = 0; i < declared.dim_size(); ++i) {
    const auto& dim = declared.dim(i);
    const bool dynamic = !dim.has_dim_value() || dim.dim_value() < 0;
    if (has_given && given->second.size() == static_cast<std::size_t>(declared.dim_size())) {
      shape.push_back(given->second[static_cast<std::size_t>(i)]);
      if (!dynamic && shape.back() != dim.dim_value()) {
        fail("--shape {}: expected {} for dimension {}, as the model says, found {}", name,
             dim.dim_value(), i, shape.back());
      }
    } else if (has_given) {
      fail("--shape {}: expected {} dimensions, found {}", name, declared.dim_size(),
           given->second.size());
    } else if (dynamic && i > 0) {
      fail("input '{}' has dynamic dimension {} ('{}'): fix it with --shape {}={}", name, i,
           dim.dim_param(), name, shape_hint(declared));
    } else {
      shape.push_back(dynamic ? 1 : dim.dim_value());
    }
  }
  return shape;
}

void read_input(const onnx::ValueInfoProto& input, const ImportOptions& options,
                ImportState& state) {
  const std::string where = fmt::format("input '{}'", input.name());
  check_name(input.name(), "graph input");
  if (!input.type().has_tensor_type()) fail("{}: expected a tensor, found another type", where);
  Value value{.name = input.name(), .shape = input_shape(input, options)};
  value.type = element_type(input.type().tensor_type().elem_type(), where);
  check_shape(value.shape, where);
  if (element_count(value.shape) == 0) {
    fail("{}: expected elements, found none (shape {})", where, to_string(value.shape));
  }
  const ValueId id = state.graph.add_value(std::move(value));
  state.graph.inputs.push_back(id);
  if (!state.values.emplace(input.name(), id).second) {
    fail("{}: expected one input of this name, found two", where);
  }
}

// Initializers before inputs: older files list them among the inputs too.
void read_initializers(onnx::GraphProto& proto, ImportState& state) {
  if (proto.sparse_initializer_size() > 0) {
    fail("sparse_initializer: expected dense initializers, found sparse ones");
  }
  for (onnx::TensorProto& initializer : *proto.mutable_initializer()) {
    const std::string where = fmt::format("initializer '{}'", initializer.name());
    check_name(initializer.name(), "initializer");
    Tensor tensor = take_tensor(initializer, where);
    check_finite(tensor, where);
    const ValueId id = state.graph.add_constant(initializer.name(), std::move(tensor));
    if (!state.values.emplace(initializer.name(), id).second) {
      fail("{}: expected one initializer of this name, found two", where);
    }
  }
}

void read_inputs(const onnx::GraphProto& proto, const ImportOptions& options, ImportState& state) {
  std::string names;
  std::set<std::string> known;
  for (const onnx::ValueInfoProto& input : proto.input()) {
    const auto found = state.values.find(input.name());
    const bool initialized =
        found != state.values.end() && state.graph.value(found->second).constant.has_value();
    if (initialized) continue;
    known.insert(input.name());
    names += fmt::format("{}'{}'", names.empty() ? "" : ", ", input.name());
    read_input(input, options, state);
  }
  for (const auto& [name, shape] : options.input_shapes) {
    if (!known.contains(name)) fail("--shape {}: expected one of the inputs {}", name, names);
  }
}

// Replaces graph nodes [first, end) by their results; all their operands are constants.
void fold_nodes(Graph& graph, std::size_t first) {
  for (std::size_t n = first; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    std::vector<Tensor> operands;
    for (const ValueId id : node.inputs) operands.push_back(*graph.value(id).constant);
    std::vector<Tensor> results =
        evaluate_node(graph, node, operands, {.arithmetic = Arithmetic::Exact, .threads = 1});
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      graph.value(node.outputs[i]).constant = std::move(results.at(i));
    }
  }
  graph.nodes.resize(first);
}

// A hostile file must not make us fill memory: a fold may not grow much beyond its operands.
bool is_small_fold(const Graph& graph, std::size_t first) {
  constexpr std::int64_t kSmall = std::int64_t{1} << 22;
  for (std::size_t n = first; n < graph.nodes.size(); ++n) {
    std::int64_t operands = 0;
    for (const ValueId id : graph.nodes[n].inputs) operands += element_count(graph.value(id).shape);
    const std::int64_t result = element_count(graph.value(graph.nodes[n].outputs[0]).shape);
    if (result > std::max(kSmall, operands)) return false;
  }
  return true;
}

const ImportRule* rule_for(const onnx::NodeProto& proto) {
  const std::string_view reason = refusal(proto.op_type());
  if (!reason.empty()) fail("{}: not supported: {}", describe(proto), reason);
  const ImportRule* rule = find_rule(proto.op_type());
  const bool standard = is_standard(proto.domain());
  const std::string_view wanted = rule != nullptr ? rule->domain : std::string_view();
  if (wanted == kAnyDomain) return rule;
  if (!standard && proto.domain() != wanted) {
    fail("{}: operator of domain '{}' is not supported", describe(proto), proto.domain());
  }
  if (rule == nullptr) fail("{}: operator is not supported", describe(proto));
  if (standard && !wanted.empty()) {
    fail("{}: expected an operator of domain '{}', found the standard's", describe(proto), wanted);
  }
  return rule;
}

void read_node(onnx::NodeProto& proto, ImportState& state) {
  for (const std::string& output : proto.output()) {
    if (!output.empty()) check_name(output, "output");
  }
  check_name(proto.name(), "node");
  const ImportRule* rule = rule_for(proto);
  NodeReader node(proto, state);
  if (!node.wants_output(0)) node.refuse("output 0: expected a name, found none");
  if (node.input_count() > rule->max_inputs) {
    node.refuse("expected at most {} inputs, found {}", rule->max_inputs, node.input_count());
  }
  if (node.output_count() > rule->max_outputs) {
    node.refuse("expected at most {} outputs, found {}", rule->max_outputs, node.output_count());
  }
  const std::size_t first = state.graph.nodes.size();
  rule->import(node);
  node.finish();
  if (rule->folds && node.all_constant() && is_small_fold(state.graph, first)) {
    fold_nodes(state.graph, first);
  }
}

void read_outputs(const onnx::GraphProto& proto, ImportState& state) {
  if (proto.output_size() == 0) fail("expected a graph with outputs, found none");
  std::set<std::string> seen;
  for (const onnx::ValueInfoProto& output : proto.output()) {
    const std::string& name = output.name();
    const auto found = state.values.find(name);
    if (found == state.values.end()) {
      fail("output '{}': expected a value that something writes, found none", name);
    }
    if (!seen.insert(name).second) {
      fail("output '{}': expected one output of this name, found two", name);
    }
    ValueId id = found->second;
    if (state.graph.value(id).name != name) {  // another name of a constant
      const Tensor tensor = *state.graph.value(id).constant;
      id = state.graph.add_constant(name, tensor);
    }
    state.graph.outputs.push_back(id);
  }
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

Graph read_graph(onnx::ModelProto model, const std::string& name, const ImportOptions& options) {
  ImportState state{.opset = read_opset(model)};
  onnx::GraphProto& proto = *model.mutable_graph();
  state.graph.name = proto.name().empty() ? name : proto.name();
  check_name(state.graph.name, "graph");
  read_initializers(proto, state);
  read_inputs(proto, options, state);
  name_nodes(proto, state.node_names);
  std::set<std::string> known;
  for (const auto& [value, id] : state.values) known.insert(value);
  const std::vector<int> order = node_order(proto, known);
  state.value_names = known;
  for (const onnx::NodeProto& node : proto.node()) {
    state.value_names.insert(node.output().begin(), node.output().end());
  }
  for (const int n : order) read_node(*proto.mutable_node(n), state);
  read_outputs(proto, state);
  drop_unused_values(state.graph);
  const std::vector<Violation> violations = verify(state.graph);
  if (!violations.empty()) fail("{}", violations.front().message);
  return std::move(state.graph);
}

// Every error of an import begins with the file and is one line, whatever the names in the file.
template <typename Read>
Graph with_context(const std::string& where, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    fail("{}: {}", where, one_line(error.what()));
  }
}

}  // namespace

}  // namespace importer

Graph import_model(const std::filesystem::path& path, const ImportOptions& options,
                   std::vector<std::string>* remarks) {
  onnx::ModelProto model = importer::read_model(path, options);
  if (remarks != nullptr) *remarks = importer::remarks(model);
  return importer::with_context(path.string(), [&] {
    return importer::read_graph(std::move(model), path.stem().string(), options);
  });
}

Graph import_onnx_bytes(std::string_view bytes, const std::string& name,
                        const ImportOptions& options) {
  onnx::ModelProto model = importer::parse_model(bytes, name);
  return importer::with_context(
      name, [&] { return importer::read_graph(std::move(model), name, options); });
}

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
  const std::optional<onnx::ModelProto> proto = importer::read_onnx(model);
  if (!proto) return {};  // no other format names files
  Locations locations;
  collect(proto->graph(), locations);
  for (const auto& function : proto->functions()) {
    for (const auto& node : function.node()) collect(node, locations);
  }
  return {locations.begin(), locations.end()};
}

std::vector<SupportedOp> importable_ops() {
  std::vector<SupportedOp> ops;
  for (const importer::ImportRule& rule : importer::import_table()) {
    ops.push_back({std::string(rule.name), std::string(rule.note)});
  }
  return ops;
}

}  // namespace workbench
