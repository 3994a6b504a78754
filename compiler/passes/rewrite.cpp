#include "compiler/passes/rewrite.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace workbench {

namespace {

void replace_reads(Graph& graph, ValueId from, ValueId to) {
  for (Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
}

// N of a name base_N, 1 of the base itself; 0 of all others.
std::size_t suffix_of(std::string_view name, std::string_view base) {
  if (!name.starts_with(base)) return 0;
  name.remove_prefix(base.size());
  if (name.empty()) return 1;
  if (name.size() < 2 || name[0] != '_' || name[1] == '0') return 0;
  std::size_t suffix = 0;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), suffix);
  return error == std::errc{} && end == name.data() + name.size() && suffix > 1 ? suffix : 0;
}

// Looks at each name once: networks that were cut for a machine's limits have thousands of one
// base.
template <typename Named>
std::string unique_name(const std::vector<Named>& taken, const std::string& base) {
  std::vector<bool> is_taken(taken.size() + 2, false);  // by suffix: one of these is free
  for (const Named& one : taken) {
    const std::size_t suffix = suffix_of(one.name, base);
    if (suffix < is_taken.size()) is_taken[suffix] = true;
  }
  const auto free = std::find(is_taken.begin() + 1, is_taken.end(), false);
  CHECK(free != is_taken.end(), "{} names have {} suffixes", taken.size(), is_taken.size());
  const std::ptrdiff_t suffix = free - is_taken.begin();
  return suffix == 1 ? base : fmt::format("{}_{}", base, suffix);
}

}  // namespace

std::optional<std::size_t> writer_of(const Graph& graph, ValueId id) {
  if (id == kNoValue) return std::nullopt;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::vector<ValueId>& outputs = graph.nodes[n].outputs;
    if (std::find(outputs.begin(), outputs.end(), id) != outputs.end()) return n;
  }
  return std::nullopt;
}

std::optional<std::size_t> sole_reader(const Graph& graph, ValueId id) {
  if (is_graph_output(graph, id)) return std::nullopt;
  std::optional<std::size_t> reader;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const std::vector<ValueId>& inputs = graph.nodes[n].inputs;
    const auto reads = std::count(inputs.begin(), inputs.end(), id);
    if (reads == 0) continue;
    if (reads > 1 || reader) return std::nullopt;
    reader = n;
  }
  return reader;
}

bool is_graph_output(const Graph& graph, ValueId id) {
  return std::find(graph.outputs.begin(), graph.outputs.end(), id) != graph.outputs.end();
}

bool is_constant(const Graph& graph, ValueId id) {
  return id != kNoValue && graph.value(id).constant.has_value();
}

std::string unique_value_name(const Graph& graph, const std::string& base) {
  return unique_name(graph.values, base);
}

std::string unique_node_name(const Graph& graph, const std::string& base) {
  return unique_name(graph.nodes, base);
}

ValueId operand(const Node& node, std::size_t slot) {
  return slot < node.inputs.size() ? node.inputs[slot] : kNoValue;
}

const Tensor* float_constant(const Graph& graph, const Node& node, std::size_t slot) {
  const ValueId id = operand(node, slot);
  if (!is_constant(graph, id)) return nullptr;
  const Tensor& tensor = *graph.value(id).constant;
  return tensor.type() == ElementType::Float32 ? &tensor : nullptr;
}

void set_constant(Graph& graph, std::size_t n, std::size_t slot, Tensor tensor,
                  const std::string& base) {
  const ValueId old = operand(graph.nodes[n], slot);
  if (is_constant(graph, old) && sole_reader(graph, old) == n) {
    Value& value = graph.value(old);
    value.shape = tensor.shape();
    value.type = tensor.type();
    value.constant = std::move(tensor);
    value.quantization.reset();  // it described the old numbers
    return;
  }
  const ValueId id = graph.add_constant(unique_value_name(graph, base), std::move(tensor));
  std::vector<ValueId>& inputs = graph.nodes[n].inputs;
  if (inputs.size() <= slot) inputs.resize(slot + 1, kNoValue);
  inputs[slot] = id;
}

void record_merged(Node& into, const Node& from) {
  into.merged.push_back(from.name);
  into.merged.insert(into.merged.end(), from.merged.begin(), from.merged.end());
}

void fuse_behind(Graph& graph, std::size_t first, std::size_t second) {
  record_merged(graph.nodes[first], graph.nodes[second]);
  graph.nodes[first].outputs[0] = graph.nodes[second].outputs[0];
  erase_node(graph, second);
}

bool bypass(Graph& graph, std::size_t n) {
  const ValueId from = graph.nodes[n].inputs[0];
  const ValueId to = graph.nodes[n].outputs[0];
  const std::optional<std::size_t> writer = writer_of(graph, from);
  const bool keep_result = is_graph_output(graph, to);
  if (keep_result && (!writer || is_graph_output(graph, from))) return false;
  const ValueId kept = keep_result ? to : from;
  const ValueId gone = keep_result ? from : to;
  if (keep_result) {
    std::vector<ValueId>& outputs = graph.nodes[*writer].outputs;
    std::replace(outputs.begin(), outputs.end(), from, to);
  }
  replace_reads(graph, gone, kept);
  if (!graph.value(kept).quantization && !is_constant(graph, kept)) {
    graph.value(kept).quantization = graph.value(gone).quantization;
  }
  if (writer) record_merged(graph.nodes[*writer], graph.nodes[n]);
  erase_node(graph, n);
  return true;
}

void insert_node(Graph& graph, std::size_t before, Node node) {
  graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(before), std::move(node));
}

void erase_node(Graph& graph, std::size_t n) {
  graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(n));
}

std::int64_t normalized_axis(std::int64_t axis, std::size_t rank) {
  return axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis;
}

namespace {

std::optional<ChannelAffine> from_batch_norm(const Graph& graph, const Node& node,
                                             const BatchNorm& op) {
  const Tensor* scale = float_constant(graph, node, 1);
  const Tensor* bias = float_constant(graph, node, 2);
  const Tensor* mean = float_constant(graph, node, 3);
  const Tensor* variance = float_constant(graph, node, 4);
  if (!scale || !bias || !mean || !variance) return std::nullopt;
  ChannelAffine affine{.x = node.inputs[0]};
  for (std::size_t c = 0; c < static_cast<std::size_t>(scale->size()); ++c) {
    const double deviation = std::sqrt(double{variance->values<float>()[c]} + double{op.epsilon});
    const double factor = double{scale->values<float>()[c]} / deviation;
    affine.scale.push_back(factor);
    affine.shift.push_back(double{bias->values<float>()[c]} -
                           double{mean->values<float>()[c]} * factor);
  }
  return affine;
}

std::optional<ChannelAffine> from_binary(const Graph& graph, const Node& node, const Binary& op) {
  const bool constant_first = is_constant(graph, node.inputs[0]);
  const ValueId x = node.inputs[constant_first ? 1 : 0];
  const Shape& shape = graph.value(x).shape;
  if (graph.value(node.outputs[0]).shape != shape) return std::nullopt;
  const auto constant = per_channel(graph, node.inputs[constant_first ? 0 : 1], shape);
  if (!constant || !is_affine(op.kind)) return std::nullopt;
  if (op.kind == Binary::Kind::Div && constant_first) return std::nullopt;
  ChannelAffine affine{.x = x, .activation = op.activation};
  for (const double k : *constant) {
    switch (op.kind) {
      case Binary::Kind::Add:
        affine.scale.push_back(1);
        affine.shift.push_back(k);
        break;
      case Binary::Kind::Sub:  // k - x, or x - k
        affine.scale.push_back(constant_first ? -1 : 1);
        affine.shift.push_back(constant_first ? k : -k);
        break;
      case Binary::Kind::Mul:
        affine.scale.push_back(k);
        affine.shift.push_back(0);
        break;
      case Binary::Kind::Div:
        affine.scale.push_back(1 / k);
        affine.shift.push_back(0);
        break;
      default:
        CHECK(false, "{} is not affine", op.name());
    }
  }
  return affine;
}

}  // namespace

bool ChannelAffine::is_pure_scale() const {
  return std::all_of(shift.begin(), shift.end(), [](double s) { return s == 0; });
}

std::optional<std::vector<float>> per_channel(const Graph& graph, ValueId id, const Shape& shape) {
  if (!is_constant(graph, id) || shape.size() < 2) return std::nullopt;
  const Tensor& constant = *graph.value(id).constant;
  if (constant.type() != ElementType::Float32 || constant.rank() > shape.size()) {
    return std::nullopt;
  }
  const std::size_t offset = shape.size() - constant.rank();  // numpy aligns the last dimensions
  for (std::size_t i = 0; i < constant.rank(); ++i) {
    const bool is_channel = i + offset == 1 && constant.dim(i) == shape[1];
    if (constant.dim(i) != 1 && !is_channel) return std::nullopt;
  }
  const std::span<const float> values = constant.values<float>();
  if (values.size() == 1) {
    return std::vector<float>(static_cast<std::size_t>(shape[1]), values[0]);
  }
  return std::vector<float>(values.begin(), values.end());
}

std::optional<ChannelAffine> channel_affine(const Graph& graph, const Node& node) {
  std::optional<ChannelAffine> affine;
  if (const auto* norm = std::get_if<BatchNorm>(&node.op)) {
    affine = from_batch_norm(graph, node, *norm);
  } else if (const auto* binary = std::get_if<Binary>(&node.op)) {
    affine = from_binary(graph, node, *binary);
  }
  if (!affine || is_constant(graph, affine->x)) return std::nullopt;
  const auto finite = [](double v) { return std::isfinite(v); };
  const bool usable = std::all_of(affine->scale.begin(), affine->scale.end(), finite) &&
                      std::all_of(affine->shift.begin(), affine->shift.end(), finite);
  return usable ? affine : std::nullopt;
}

}  // namespace workbench
