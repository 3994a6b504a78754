// One ONNX node after the other: its import rule, or the body of the function it calls, or an
// obstacle.
#include <algorithm>
#include <utility>

#include "compiler/import/channels_last.h"
#include "compiler/import/function_call.h"
#include "compiler/import/node_order.h"
#include "compiler/import/node_reader.h"
#include "core/eval/evaluate.h"

namespace workbench::importer {

namespace {

// Nodes of functions and branches, each time they are read.
constexpr std::int64_t kMaxInner = std::int64_t{1} << 17;
void fold_nodes(Graph& graph, std::size_t first) {
  for (std::size_t n = first; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    std::vector<Tensor> operands;
    for (const ValueId id : node.inputs) {
      operands.push_back(id != kNoValue ? *graph.value(id).constant : Tensor());
    }
    const Value& first_result = graph.value(node.outputs[0]);
    if (element_count(first_result.shape) == 0) {
      const Tensor nothing = Tensor::zeros(first_result.type, first_result.shape);
      graph.value(node.outputs[0]).constant = nothing;
      continue;
    }
    std::vector<Tensor> results =
        evaluate_node(graph, node, operands, {.arithmetic = Arithmetic::Exact, .threads = 1});
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      graph.value(node.outputs[i]).constant = std::move(results.at(i));
    }
  }
  graph.nodes.resize(first);
}

// A hostile file must not make us fill memory: a fold may not grow much beyond its operands.
bool is_small_fold(ImportState& state, std::size_t first) {
  constexpr std::int64_t kSmall = std::int64_t{1} << 22;
  const Graph& graph = state.graph;
  std::int64_t bytes = 0;
  for (std::size_t n = first; n < graph.nodes.size(); ++n) {
    std::int64_t operands = 0;
    for (const ValueId id : graph.nodes[n].inputs) {
      if (id != kNoValue) operands += element_count(graph.value(id).shape);
    }
    const std::int64_t result = element_count(graph.value(graph.nodes[n].outputs[0]).shape);
    if (result > std::max(kSmall, operands)) return false;
    for (const ValueId id : graph.nodes[n].outputs) {
      const Value& value = graph.value(id);
      bytes += element_count(value.shape) * element_bytes(value.type);
    }
  }
  if (bytes > kMaxComputedBytes - state.computed_bytes) return false;
  state.computed_bytes += bytes;
  return true;
}

// The row for the node's operator and domain; nullptr: there is none.
const ImportRule* rule_for(const onnx::NodeProto& proto) {
  const ImportRule* rule = find_rule(proto.op_type());
  if (rule == nullptr) return nullptr;
  if (rule->domain == kAnyDomain || proto.domain() == rule->domain) return rule;
  if (rule->domain.empty() && is_standard(proto.domain())) return rule;
  return is_microsoft_copy(*rule, proto.domain()) ? rule : nullptr;
}

[[noreturn]] void refuse_operator(const NodeReader& node) {
  const onnx::NodeProto& proto = node.proto();
  const std::string_view reason = refusal(proto.op_type());
  if (!reason.empty()) node.refuse("not supported: {}", reason);
  if (!is_standard(proto.domain())) {
    node.refuse("operator of domain '{}' is not supported", proto.domain());
  }
  if (const ImportRule* rule = find_rule(proto.op_type())) {
    node.refuse("expected an operator of domain '{}', found the standard's", rule->domain);
  }
  node.refuse("operator is not supported");
}

// Shape arithmetic has lists without elements: parts of a shape that are none. No activation has.
bool may_be_empty(const ImportRule& rule, const NodeReader& node) {
  constexpr std::string_view kMoves[] = {"Concat",  "Flatten",   "Reshape",  "Slice",
                                         "Squeeze", "Transpose", "Unsqueeze"};
  return std::ranges::find(kMoves, rule.name) != std::end(kMoves) && node.all_constant();
}

void apply(const ImportRule& rule, NodeReader& node, ImportState& state) {
  if (node.input_count() > rule.max_inputs) {
    node.refuse("expected at most {} inputs, found {}", rule.max_inputs, node.input_count());
  }
  if (node.output_count() > rule.max_outputs) {
    node.refuse("expected at most {} outputs, found {}", rule.max_outputs, node.output_count());
  }
  const std::size_t first = state.graph.nodes.size();
  state.may_be_empty = may_be_empty(rule, node);
  rule.import(node);
  node.finish();
  // Weights that came with codes keep them.
  const auto has_codes = [](const Node& made) {
    return std::holds_alternative<Dequantize>(made.op);
  };
  const bool is_coded = std::any_of(state.graph.nodes.begin() + static_cast<std::ptrdiff_t>(first),
                                    state.graph.nodes.end(), has_codes);
  if (rule.folds && !is_coded && node.all_constant() && is_small_fold(state, first)) {
    fold_nodes(state.graph, first);
  }
}

void import_node(onnx::NodeProto& proto, const std::string& name, ImportState& state);

void import_channels_last(NodeReader& node, ImportState& state) {
  if (node.any_unknown()) return;
  if (node.input_count() < 1 || node.output_count() != 1) {
    node.refuse("expected operands and one output, found {} and {}", node.input_count(),
                node.output_count());
  }
  std::vector<onnx::NodeProto> nodes = with_channels_first(node);
  for (onnx::NodeProto& part : nodes) {
    const bool is_it = part.op_type() == node.op();
    import_node(part, is_it ? node.name() : state.node_names.take(node.name() + "_layout"), state);
  }
}

void import_node(onnx::NodeProto& proto, const std::string& name, ImportState& state) {
  NodeReader node(proto, name, state);
  if (is_channels_last(proto)) return import_channels_last(node, state);
  const ImportRule* rule = rule_for(proto);
  onnx::FunctionProto* function = rule == nullptr ? find_function(node) : nullptr;
  if (rule == nullptr && function == nullptr) refuse_operator(node);
  if (function != nullptr) {
    call(*function, node);  // whose own nodes may be obstacles, even where operands are unknown
  } else if (!node.any_unknown()) {
    apply(*rule, node, state);
  }
}

void read_node(onnx::NodeProto& proto, ImportState& state) {
  state.may_be_empty = false;
  const std::string name = state.scope->prefix.empty() && state.depth == 1
                               ? proto.name()
                               : state.node_names.take(state.scope->prefix + title(proto));
  const std::size_t first = state.graph.nodes.size();
  try {
    ++state.nodes_read;
    if (state.depth > 1 && ++state.inner_nodes > kMaxInner) {
      fail(
          "{}: expected at most {} nodes in functions and branches, each time they are called, "
          "found more",
          describe(proto), kMaxInner);
    }
    if (state.obstacles.count() <= state.patience) import_node(proto, name, state);
  } catch (const Error& error) {
    state.graph.nodes.resize(first);
    for (const std::string& output : proto.output()) state.scope->names.erase(output);
    if (state.obstacles.count() == 0) state.nodes_before_obstacle = state.nodes_read;
    state.obstacles.add(name, proto.op_type(), error.what());
  }
  for (const std::string& output : proto.output()) {
    if (!output.empty() && !state.scope->names.contains(output)) {
      state.bind(output, {.kind = Binding::Kind::Unknown});
    }
  }
}

}  // namespace

void read_nodes(Nodes& nodes, const std::vector<std::string>& wanted, Scope& scope,
                ImportState& state) {
  constexpr int kMaxDepth = 32;
  if (state.depth >= kMaxDepth) {
    fail("expected branches and functions nested at most {} deep, found more", kMaxDepth);
  }
  const Reading reading = reading_of(
      nodes, wanted, [&](const std::string& name) { return scope.names.contains(name); },
      [&](const std::string& name) { return scope.find(name) != nullptr; });
  scope.read = reading.names;
  Scope* const around = std::exchange(state.scope, &scope);
  ++state.depth;
  for (const int n : reading.order) read_node(nodes[n], state);
  --state.depth;
  state.scope = around;
}

}  // namespace workbench::importer
