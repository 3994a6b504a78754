#include "sim/common/host_values.h"

#include "core/error.h"

namespace workbench::sim {

HostValues::HostValues(const Graph& graph, std::span<const Tensor> inputs)
    : graph_(graph),
      values_(graph.values.size()),
      known_(graph.values.size(), false),
      computed_(graph.values.size(), false) {
  if (inputs.empty()) return;
  CHECK(inputs.size() == graph.inputs.size(), "{} inputs for {}", inputs.size(),
        graph.inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto id = static_cast<std::size_t>(graph.inputs[i]);
    CHECK(inputs[i].shape() == graph.values[id].shape, "input {}", i);
    values_[id] = inputs[i];
    known_[id] = true;
  }
}

Tensor HostValues::operand(ValueId id, const Read& read) {
  if (id == kNoValue) return {};
  const auto index = static_cast<std::size_t>(id);
  const Value& value = graph_.values[index];
  if (value.constant) return *value.constant;
  if (!known_[index]) {
    values_[index] = read(value);
    known_[index] = true;
  }
  return values_[index];
}

std::vector<Tensor> HostValues::operands(const Node& node, const Read& read) {
  std::vector<Tensor> operands;
  for (const ValueId id : node.inputs) operands.push_back(operand(id, read));
  return operands;
}

const Tensor& HostValues::computed(ValueId id, Tensor tensor) {
  const auto index = static_cast<std::size_t>(id);
  const Value& value = graph_.values[index];
  if (tensor.type() != value.type || tensor.shape() != value.shape) {  // of a program from a file
    fail("host value '{}': expected {} {}, found {} {}", value.name, to_string(value.type),
         to_string(value.shape), to_string(tensor.type()), to_string(tensor.shape()));
  }
  values_[index] = std::move(tensor);
  known_[index] = computed_[index] = true;
  return values_[index];
}

std::vector<Tensor> HostValues::outputs() const {
  std::vector<Tensor> result;
  for (const ValueId id : graph_.outputs) result.push_back(values_[static_cast<std::size_t>(id)]);
  return result;
}

std::map<std::string, Tensor> HostValues::by_name() const {
  std::map<std::string, Tensor> result;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (computed_[i] && known_[i]) result[graph_.values[i].name] = values_[i];
  }
  return result;
}

}  // namespace workbench::sim
