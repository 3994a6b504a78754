#include "compiler/pulp/fabric/values.h"

#include <algorithm>

#include "core/error.h"
#include "core/eval/evaluate.h"

namespace workbench::pulp {

namespace {

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

// The same node with a constant of other elements in place of operand k.
void replace_constant(Graph& graph, Node& node, std::size_t k, const std::string& name,
                      Tensor tensor) {
  node.inputs[k] = graph.add_constant(fmt::format("{} ({})", name, node.name), std::move(tensor));
}

// [Ci, Co/groups, kernel] as [Co, Ci/groups, kernel].
Tensor by_filter(const Tensor& weights, std::int64_t groups) {
  const std::int64_t channels = weights.dim(0) / groups, filters = weights.dim(1);
  const std::int64_t taps = weights.size() / (weights.dim(0) * filters);
  Tensor result = Tensor::uninitialized(ElementType::Float32, weights.shape());
  const auto from = weights.values<float>();
  const auto to = result.mutable_values<float>();
  std::size_t i = 0;
  for (std::int64_t filter = 0; filter < groups * filters; ++filter) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t row = (filter / filters * channels + c) * filters + filter % filters;
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        to[i++] = from[static_cast<std::size_t>(row * taps + tap)];
      }
    }
  }
  return result;
}

}  // namespace

std::vector<HostStep> turns_of(const Program& program) {
  const auto end = static_cast<std::int32_t>(program.instructions.size());
  HostStep first{.before = 0, .nodes = {}}, last{.before = end, .nodes = {}};
  std::map<std::int32_t, HostStep> between;
  for (const HostStep& step : program.host_steps) {
    if (step.nodes.empty()) continue;
    HostStep& turn = step.before >= end ? last : step.before <= 0 ? first : between[step.before];
    turn.before = step.before;
    turn.nodes.insert(turn.nodes.end(), step.nodes.begin(), step.nodes.end());
  }
  std::vector<HostStep> list = {std::move(first)};
  for (auto& [before, turn] : between) list.push_back(std::move(turn));
  list.push_back(std::move(last));
  return list;
}

Graph prepared(const Program& program) {
  Graph graph = program.host;
  const std::vector<std::ptrdiff_t> writer = producers(graph);
  for (const HostStep& step : program.host_steps) {
    for (const std::size_t n : step.nodes) {
      Node& node = graph.nodes[n];
      for (std::size_t k = 0; k < node.inputs.size(); ++k) {
        const ValueId id = node.inputs[k];
        const std::ptrdiff_t from = id == kNoValue ? -1 : writer[at(id)];
        if (from < 0) continue;
        const Node& before = graph.nodes[static_cast<std::size_t>(from)];
        const Value& codes = graph.value(before.inputs[0]);
        if (!std::holds_alternative<Dequantize>(before.op) || !codes.constant) continue;
        const Tensor numbers = evaluate_node(graph, before, std::vector{*codes.constant})[0];
        replace_constant(graph, node, k, codes.name, numbers);
      }
      const auto* deconv = std::get_if<ConvTranspose>(&node.op);
      if (deconv == nullptr) continue;
      const Value& weights = graph.value(node.inputs[1]);
      if (!weights.constant) continue;
      const std::string name = weights.name;
      replace_constant(graph, node, 1, name, by_filter(*weights.constant, deconv->groups));
    }
  }
  return graph;
}

HostValues::HostValues(const Program& program, const std::vector<HostStep>& turns)
    : graph_(prepared(program)),
      writer_(producers(graph_)),
      readers_(consumers(graph_)),
      turn_of_(graph_.nodes.size(), -1),
      last_turn_(static_cast<int>(turns.size()) - 1) {
  for (const auto* list : {&program.inputs, &program.outputs}) {
    for (const TensorPlace& place : *list) places_[place.value] = &place;
  }
  for (std::size_t t = 0; t < turns.size(); ++t) {
    for (const std::size_t n : turns[t].nodes) turn_of_[n] = static_cast<int>(t);
  }
  step_of_ = turn_of_;
}

const Node* HostValues::writer(ValueId id) const {
  const std::ptrdiff_t n = writer_[at(id)];
  return n < 0 ? nullptr : &graph_.nodes[static_cast<std::size_t>(n)];
}

int HostValues::turn_of(ValueId id) const {
  const std::ptrdiff_t n = writer_[at(id)];
  return n < 0 ? -1 : turn_of_[static_cast<std::size_t>(n)];
}

bool HostValues::is_input(ValueId id) const {
  return std::ranges::find(graph_.inputs, id) != graph_.inputs.end();
}
bool HostValues::is_by_cluster(ValueId id) const {
  return writer_[at(id)] < 0 && !is_input(id) && !value(id).constant;
}

const std::vector<std::size_t>& HostValues::readers(ValueId id) const { return readers_[at(id)]; }

const TensorPlace* HostValues::place(ValueId id) const {
  const auto found = places_.find(value(id).name);
  return found == places_.end() ? nullptr : found->second;
}

bool HostValues::is_made_anew(ValueId id) const {
  const Node* node = writer(id);
  return node != nullptr && (std::holds_alternative<Dequantize>(node->op) || is_renamed(id));
}
bool HostValues::is_renamed(ValueId id) const {
  const Node* node = writer(id);
  return node != nullptr && traits(node->op).silent && traits(node->op).moves_data &&
         !node->affine && value(node->inputs[0]).type == value(id).type;
}

ValueId HostValues::root(ValueId id) const {
  while (is_made_anew(id) && place(id) == nullptr) id = writer(id)->inputs[0];
  return id;
}

int HostValues::first_read(ValueId id, int turn) const {
  for (; is_made_anew(id) && place(id) == nullptr; id = writer(id)->inputs[0]) {
    turn = std::min(turn, step_of_[static_cast<std::size_t>(writer_[at(id)])]);
  }
  return turn;
}

}  // namespace workbench::pulp
