#include "sim/pulp/host.h"

#include "core/error.h"
#include "core/eval/evaluate.h"
#include "sim/pulp/places.h"

namespace workbench::pulp {

Host::Host(const Program& program, Memory& memory, HazardMonitor& hazards,
           std::span<const Tensor> inputs, int threads)
    : program_(program),
      memory_(memory),
      hazards_(hazards),
      threads_(threads),
      values_(program.host.values.size()),
      known_(program.host.values.size(), false),
      computed_(program.host.values.size(), false) {
  for (const auto* list : {&program.inputs, &program.outputs}) {
    for (const TensorPlace& place : *list) places_[place.value] = &place;
  }
  if (inputs.empty()) return;  // nothing is computed
  CHECK(inputs.size() == program.host.inputs.size(), "{} inputs for {}", inputs.size(),
        program.host.inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto id = static_cast<std::size_t>(program.host.inputs[i]);
    CHECK(inputs[i].shape() == program.host.values[id].shape, "input {}", i);
    values_[id] = inputs[i];
    known_[id] = true;
  }
}

const TensorPlace* Host::place_of(ValueId id) const {
  const auto found = places_.find(program_.host.value(id).name);
  return found == places_.end() ? nullptr : found->second;
}

Tensor Host::operand(ValueId id) {
  if (id == kNoValue) return {};
  const auto index = static_cast<std::size_t>(id);
  const Value& value = program_.host.values[index];
  if (value.constant) return *value.constant;
  if (!known_[index]) {  // computed by the cluster
    const TensorPlace* place = place_of(id);
    CHECK(place != nullptr, "host value '{}' comes from nowhere", value.name);
    values_[index] = read_tensor(memory_, *place).reshaped(value.shape);
    known_[index] = true;
  }
  return values_[index];
}

void Host::check(const HostStep& step, std::int64_t time) {
  for (const std::size_t n : step.nodes) {
    const Node& node = program_.host.nodes.at(n);
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || computed_[static_cast<std::size_t>(id)]) continue;
      const TensorPlace* place = place_of(id);
      if (place != nullptr) hazards_.result_read(*place, step.before - 1, time);
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      computed_[static_cast<std::size_t>(id)] = true;
      const TensorPlace* place = place_of(id);
      if (place != nullptr) hazards_.host_wrote(*place);
    }
  }
}

void Host::run(const HostStep& step, std::int64_t time) {
  check(step, time);
  for (const std::size_t n : step.nodes) {
    const Node& node = program_.host.nodes.at(n);
    std::vector<Tensor> operands;
    for (const ValueId id : node.inputs) operands.push_back(operand(id));
    std::vector<Tensor> results =
        evaluate_node(program_.host, node, operands,
                      {.arithmetic = Arithmetic::Exact, .threads = threads_, .observe = {}});
    for (std::size_t i = 0; i < node.outputs.size() && i < results.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const auto index = static_cast<std::size_t>(node.outputs[i]);
      values_[index] = std::move(results[i]);
      known_[index] = true;
      const TensorPlace* place = place_of(node.outputs[i]);
      if (place != nullptr) write_tensor(memory_, *place, values_[index]);
    }
  }
}

std::vector<Tensor> Host::outputs() const {
  std::vector<Tensor> result;
  for (const ValueId id : program_.host.outputs) {
    result.push_back(values_[static_cast<std::size_t>(id)]);
  }
  return result;
}

std::map<std::string, Tensor> Host::values() const {
  std::map<std::string, Tensor> result;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (computed_[i] && known_[i]) result[program_.host.values[i].name] = values_[i];
  }
  return result;
}

}  // namespace workbench::pulp
