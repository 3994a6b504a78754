// What disappears at import: branches of an `If` whose condition is known, loops whose conditions
// are (ops_loop.cpp), and sequences of tensors whose length is.
#include <algorithm>

#include "compiler/import/function_call.h"
#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

void import_if(NodeReader& node) {
  const Tensor& condition = node.constant(0, "cond");
  if (condition.type() != ElementType::Bool || condition.size() != 1) {
    node.refuse("input 0 (cond): expected one bool, found {} {}", to_string(condition.type()),
                to_string(condition.shape()));
  }
  onnx::GraphProto* then_branch = node.graph("then_branch");
  onnx::GraphProto* else_branch = node.graph("else_branch");
  onnx::GraphProto* taken = condition.values<bool>()[0] ? then_branch : else_branch;
  if (taken == nullptr) node.refuse("expected two branches, found one or none");
  read_branch(*taken, node);
}

void import_sequence_construct(NodeReader& node) {
  std::vector<ValueId> elements;
  for (std::size_t i = 0; i < node.input_count(); ++i) elements.push_back(node.input(i));
  node.bind_sequence(0, std::move(elements));
}

void import_sequence_empty(NodeReader& node) {
  node.ignore("dtype");
  node.bind_sequence(0, {});
}

// A position in a list of `size`, counted from the back when negative.
std::size_t position(const NodeReader& node, std::size_t i, std::size_t size) {
  const Integers index = node.constant_integers(i, "position");
  if (index.size() != 1) node.refuse("input {} (position): expected one number", i);
  return node.axis(index[0], size);
}

void import_sequence_at(NodeReader& node) {
  const std::vector<ValueId>& elements = node.sequence(0);
  node.bind_alias(0, elements[position(node, 1, elements.size())]);
}

void import_sequence_insert(NodeReader& node) {
  std::vector<ValueId> elements = node.sequence(0);
  const std::size_t at =
      node.has_input(2) ? position(node, 2, elements.size() + 1) : elements.size();
  elements.insert(elements.begin() + static_cast<std::ptrdiff_t>(at), node.input(1));
  node.bind_sequence(0, std::move(elements));
}

void import_sequence_erase(NodeReader& node) {
  std::vector<ValueId> elements = node.sequence(0);
  if (elements.empty()) node.refuse("input 0: expected a sequence with elements, found none");
  const std::size_t last = elements.size() - 1;
  const std::size_t at = node.has_input(1) ? position(node, 1, elements.size()) : last;
  elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(at));
  node.bind_sequence(0, std::move(elements));
}

void import_sequence_length(NodeReader& node) {
  node.bind_constant(0, Tensor::scalar(static_cast<std::int64_t>(node.sequence(0).size())));
}

void import_concat_from_sequence(NodeReader& node) {
  std::vector<ValueId> elements = node.sequence(0);
  if (elements.empty()) node.refuse("input 0: expected a sequence with elements, found none");
  const bool stacks = node.flag("new_axis", false);
  const std::int64_t wanted = node.required_integer("axis");
  const Shape first = node.shape_of(elements[0]);
  const std::size_t axis = node.axis(wanted, first.size() + (stacks ? 1 : 0));
  for (ValueId& id : elements) {
    if (!stacks) break;
    Shape shape = node.shape_of(id);
    if (shape.size() < axis)
      node.refuse("expected elements of rank {}, found {}", first.size(), to_string(shape));
    shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
    id = node.reshaped(id, std::move(shape));
  }
  node.emit(Concat{.axis = static_cast<std::int64_t>(axis)}, elements);
}

// The lengths of the parts of `size`: given, of one length with a shorter last one, or 1 each.
Integers part_lengths(const NodeReader& node, std::int64_t size) {
  if (!node.has_input(1)) return Integers(static_cast<std::size_t>(size), 1);
  const Integers given = node.constant_integers(1, "split");
  if (!node.shape(1).empty()) return given;
  if (given[0] < 1) node.refuse("input 1 (split): expected 1 or more, found {}", given[0]);
  Integers lengths;
  for (std::int64_t left = size; left > 0; left -= given[0]) {
    lengths.push_back(std::min(left, given[0]));
  }
  return lengths;
}

void import_split_to_sequence(NodeReader& node) {
  const Shape x = node.shape(0);
  const std::size_t axis = node.axis(node.integer("axis", 0), x.size());
  const bool keeps = node.flag("keepdims", true) || node.has_input(1);
  constexpr std::int64_t kMostParts = 1 << 12;
  if (x[axis] > kMostParts) {
    node.refuse("expected at most {} parts, found {}", kMostParts, x[axis]);
  }
  std::vector<ValueId> elements;
  std::int64_t start = 0;
  for (const std::int64_t length : part_lengths(node, x[axis])) {
    if (length < 1 || length > x[axis] - start) {
      node.refuse("input 1 (split): expected parts of {} that are not empty, found {}", x[axis],
                  length);
    }
    const Slice op{{start}, {start + length}, {static_cast<std::int64_t>(axis)}, {1}};
    ValueId part = node.emit(op, {node.input(0)}, {{.output = kIntermediate}});
    if (!keeps) {
      Shape shape = x;
      shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
      part = node.reshaped(part, std::move(shape));
    }
    elements.push_back(part);
    start += length;
  }
  if (start != x[axis])
    node.refuse("input 1 (split): expected parts of {}, found {}", x[axis], start);
  node.bind_sequence(0, std::move(elements));
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"ConcatFromSequence", import_concat_from_sequence, 1, 1, false, "becomes Concat"},
    {"If", import_if, 1, kAnyNumber, false, "constant condition"},
    {"Loop", import_loop, kAnyNumber, kAnyNumber, false, "conditions known at import"},
    {"Scan", import_scan, kAnyNumber, kAnyNumber, false, "becomes its steps"},
    {"SequenceAt", import_sequence_at, 2, 1, false, "constant position"},
    {"SequenceConstruct", import_sequence_construct, kAnyNumber, 1, false, "disappears at import"},
    {"SequenceEmpty", import_sequence_empty, 0, 1, false, "disappears at import"},
    {"SequenceErase", import_sequence_erase, 2, 1, false, "constant position"},
    {"SequenceInsert", import_sequence_insert, 3, 1, false, "constant position"},
    {"SequenceLength", import_sequence_length, 1, 1, false, "folded at import"},
    {"SplitToSequence", import_split_to_sequence, 2, 1, false, "becomes Slices"},
};

}  // namespace

std::span<const ImportRule> nested_rules() { return kRules; }

}  // namespace workbench::importer
