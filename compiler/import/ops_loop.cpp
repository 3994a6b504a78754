// Loops whose number of iterations is known: the body is read once for each, and nothing of the
// loop is left. Names of an iteration's nodes begin with "NODE/ITERATION/".
#include <algorithm>
#include <utility>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

// Beyond it even a body without nodes is none of a network.
constexpr std::int64_t kMaxIterations = std::int64_t{1} << 16;

class Unrolling {
 public:
  Unrolling(NodeReader& node, onnx::GraphProto& body)
      : node_(node),
        body_(body),
        shared_{.around = node.state().scope,
                .opset = node.opset(),
                .prefix = node.state().scope->prefix + node.name() + "/",
                .attributes = node.state().scope->attributes} {
    within(shared_, [&] { read_initializers(body_, node_.state()); });
  }

  std::size_t inputs() const { return static_cast<std::size_t>(body_.input_size()); }
  std::size_t outputs() const { return static_cast<std::size_t>(body_.output_size()); }

  // The body's results for these operands, in order; nothing where one of them is unknown.
  std::vector<Binding> iterate(const std::vector<Binding>& operands) {
    if (count_ == kMaxIterations) {
      node_.refuse("expected at most {} iterations, found more", kMaxIterations);
    }
    Scope inner{.around = &shared_,
                .opset = shared_.opset,
                .prefix = fmt::format("{}{}/", shared_.prefix, count_++),
                .attributes = shared_.attributes};
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const std::string& name = body_.input(static_cast<int>(i)).name();
      if (!inner.names.emplace(name, operands[i]).second) {
        node_.refuse("body: expected one input '{}', found two", name);
      }
    }
    std::vector<std::string> wanted;
    for (const onnx::ValueInfoProto& output : body_.output()) wanted.push_back(output.name());
    read_nodes(*body_.mutable_node(), wanted, inner, node_.state());
    std::vector<Binding> results;
    for (const std::string& name : wanted) {
      const Binding* found = inner.find(name);
      if (found == nullptr || found->kind == Binding::Kind::Unknown) return {};
      results.push_back(*found);
    }
    return results;
  }

  Binding constant(const Tensor& tensor) { return {.id = node_.add_constant(tensor)}; }

 private:
  template <typename Action>
  void within(Scope& scope, const Action& action) {
    Scope* const around = std::exchange(node_.state().scope, &scope);
    try {
      action();
    } catch (...) {
      node_.state().scope = around;
      throw;
    }
    node_.state().scope = around;
  }

  NodeReader& node_;
  onnx::GraphProto& body_;
  Scope shared_;  // the initializers of the body, which all iterations read
  std::int64_t count_ = 0;
};

onnx::GraphProto& body_of(NodeReader& node) {
  onnx::GraphProto* body = node.graph("body");
  if (body == nullptr) node.refuse("attribute 'body': expected a graph, found none");
  return *body;
}

// Operand `i` of the node as the body gets it.
Binding binding_of(const NodeReader& node, std::size_t i) {
  if (!node.has_input(i)) node.refuse("input {}: expected a value, found none", i);
  return *node.scope().find(node.proto().input(static_cast<int>(i)));
}

ValueId tensor_of(const NodeReader& node, const Binding& binding) {
  if (binding.kind != Binding::Kind::Value) {
    node.refuse("expected tensors from every iteration, found a sequence");
  }
  return binding.id;
}

bool truth_of(NodeReader& node, ValueId id, std::string_view which) {
  const std::optional<Tensor>& constant = node.state().graph.value(id).constant;
  if (!constant) {
    node.refuse(
        "{}: expected a condition that is known at import, found one that depends on data: such "
        "loops are not supported",
        which);
  }
  if (constant->type() != ElementType::Bool || constant->size() != 1) {
    node.refuse("{}: expected one bool, found {} {}", which, to_string(constant->type()),
                to_string(constant->shape()));
  }
  return constant->values<bool>()[0];
}

void bind_result(NodeReader& node, std::size_t i, const Binding& binding) {
  if (i < node.output_count() && !node.output_name(i).empty()) {
    node.state().bind(node.output_name(i), binding);
  }
}

// What the iterations gave, one upon the other along a new dimension.
void bind_stack(NodeReader& node, std::size_t i, std::vector<ValueId> parts,
                std::int64_t wanted_axis) {
  if (!node.wants_output(i)) return;
  if (parts.empty()) node.refuse("output {}: expected iterations, found none", i);
  const Shape first = node.shape_of(parts[0]);
  const std::size_t axis = node.axis(wanted_axis, first.size() + 1);
  for (ValueId& part : parts) {
    Shape shape = node.shape_of(part);
    if (shape != first) {
      node.refuse("output {}: expected parts of one shape, found {} and {}", i, to_string(first),
                  to_string(shape));
    }
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    part = node.reshaped(part, std::move(shape));
  }
  node.emit(Concat{.axis = static_cast<std::int64_t>(axis)}, parts,
            {{.output = static_cast<int>(i)}});
}

// How often a Loop runs at most.
std::int64_t trip_count(NodeReader& node) {
  if (!node.has_input(0)) return kMaxIterations + 1;
  const Integers count = node.constant_integers(0, "M");
  if (count.size() != 1) node.refuse("input 0 (M): expected one number");
  return count[0];
}

}  // namespace

// M, condition, variables -> variables, what every iteration adds to.
void import_loop(NodeReader& node) {
  onnx::GraphProto& body = body_of(node);
  const std::int64_t count = trip_count(node);
  bool goes_on = !node.has_input(1) || truth_of(node, node.input(1), "input 1 (cond)");
  Unrolling loop(node, body);
  constexpr std::size_t kBefore = 2;  // of the node's and the body's inputs: number, condition
  const std::size_t variables = node.input_count() - std::min(kBefore, node.input_count());
  if (loop.inputs() != variables + kBefore || loop.outputs() < variables + 1) {
    node.refuse("body: expected {} inputs and {} outputs or more, found {} and {}",
                variables + kBefore, variables + 1, loop.inputs(), loop.outputs());
  }
  std::vector<Binding> carried;
  for (std::size_t i = 0; i < variables; ++i) carried.push_back(binding_of(node, kBefore + i));
  std::vector<std::vector<ValueId>> added(loop.outputs() - variables - 1);
  for (std::int64_t k = 0; k < count && goes_on; ++k) {
    std::vector<Binding> operands{loop.constant(Tensor::scalar(k)),
                                  loop.constant(Tensor::scalar(true))};
    operands.insert(operands.end(), carried.begin(), carried.end());
    const std::vector<Binding> results = loop.iterate(operands);
    if (results.empty()) return;  // an obstacle, which has been named
    goes_on = truth_of(node, tensor_of(node, results[0]), "body, output 0 (cond)");
    carried.assign(results.begin() + 1, results.begin() + 1 + static_cast<long>(variables));
    for (std::size_t i = 0; i < added.size(); ++i) {
      added[i].push_back(tensor_of(node, results[1 + variables + i]));
    }
  }
  for (std::size_t i = 0; i < variables; ++i) bind_result(node, i, carried[i]);
  for (std::size_t i = 0; i < added.size(); ++i) bind_stack(node, variables + i, added[i], 0);
}

namespace {

// A list with one entry per scanned operand or result; 0 where there is none.
Integers per_scan(NodeReader& node, std::string_view attribute, std::size_t count) {
  const Integers given = node.integers(attribute).value_or(Integers(count, 0));
  if (given.size() != count) {
    node.refuse("attribute '{}': expected {} numbers, found {}", attribute, count, given.size());
  }
  return given;
}

ValueId slice_at(NodeReader& node, ValueId x, std::size_t axis, std::int64_t index) {
  Shape shape = node.shape_of(x);
  const Slice op{{index}, {index + 1}, {static_cast<std::int64_t>(axis)}, {1}};
  const ElementType type = node.state().graph.value(x).type;
  const ValueId part = node.emit(op, {x}, {{.output = kIntermediate, .type = type}});
  shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return node.reshaped(part, std::move(shape));
}

// What a Scan's attributes and operands say.
struct Scanning {
  std::size_t states = 0, scanned = 0;
  std::int64_t count = 0;         // of iterations
  std::vector<std::size_t> axes;  // of scanned operands
  Integers backwards, result_axes, results_backwards;
};

Scanning read_scanning(NodeReader& node, const Unrolling& loop) {
  const std::int64_t scanned = node.required_integer("num_scan_inputs");
  const auto inputs = static_cast<std::int64_t>(node.input_count());
  if (scanned < 1 || scanned > inputs) {
    node.refuse("attribute 'num_scan_inputs': expected 1 to {}, found {}", inputs, scanned);
  }
  Scanning scan{.states = static_cast<std::size_t>(inputs - scanned),
                .scanned = static_cast<std::size_t>(scanned)};
  if (loop.inputs() != node.input_count() || loop.outputs() < scan.states) {
    node.refuse("body: expected {} inputs and {} outputs or more, found {} and {}", inputs,
                scan.states, loop.inputs(), loop.outputs());
  }
  const std::size_t results = loop.outputs() - scan.states;
  const Integers axes = per_scan(node, "scan_input_axes", scan.scanned);
  scan.backwards = per_scan(node, "scan_input_directions", scan.scanned);
  scan.result_axes = per_scan(node, "scan_output_axes", results);
  scan.results_backwards = per_scan(node, "scan_output_directions", results);
  for (std::size_t i = 0; i < scan.scanned; ++i) {
    const Shape& shape = node.shape(scan.states + i);
    scan.axes.push_back(node.axis(axes[i], shape.size()));
    const std::int64_t count = shape[scan.axes[i]];
    if (i > 0 && count != scan.count) {
      node.refuse("expected {} steps of every scanned input, found {}", scan.count, count);
    }
    scan.count = count;
  }
  return scan;
}

}  // namespace

// States, what is scanned -> states, what every iteration adds to.
void import_scan(NodeReader& node) {
  constexpr std::int64_t kWithoutBatch = 9;
  if (node.opset() < kWithoutBatch) {
    node.refuse("expected opset 9 or later, found {}", node.opset());
  }
  Unrolling loop(node, body_of(node));
  const Scanning scan = read_scanning(node, loop);
  std::vector<Binding> carried;
  for (std::size_t i = 0; i < scan.states; ++i) carried.push_back(binding_of(node, i));
  std::vector<std::vector<ValueId>> added(loop.outputs() - scan.states);
  for (std::int64_t k = 0; k < scan.count; ++k) {
    std::vector<Binding> operands = carried;
    for (std::size_t i = 0; i < scan.scanned; ++i) {
      const std::int64_t index = scan.backwards[i] != 0 ? scan.count - 1 - k : k;
      const ValueId x = node.input(scan.states + i);
      operands.push_back({.id = slice_at(node, x, scan.axes[i], index)});
    }
    const std::vector<Binding> results = loop.iterate(operands);
    if (results.empty()) return;  // an obstacle, which has been named
    carried.assign(results.begin(), results.begin() + static_cast<long>(scan.states));
    for (std::size_t i = 0; i < added.size(); ++i) {
      added[i].push_back(tensor_of(node, results[scan.states + i]));
    }
  }
  for (std::size_t i = 0; i < scan.states; ++i) bind_result(node, i, carried[i]);
  for (std::size_t i = 0; i < added.size(); ++i) {
    if (scan.results_backwards[i] != 0) std::ranges::reverse(added[i]);
    bind_stack(node, scan.states + i, added[i], scan.result_axes[i]);
  }
}

}  // namespace workbench::importer
