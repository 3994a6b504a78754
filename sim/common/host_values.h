// The values of the graph that the host of a program runs: the network's inputs, what its nodes
// make, and what the device made, read where it left it.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/graph.h"
#include "core/tensor.h"

namespace workbench::sim {

class HostValues {
 public:
  // `inputs`: one per input of the graph, or none where nothing is computed.
  HostValues(const Graph& graph, std::span<const Tensor> inputs);

  // A constant, or what is known; else `read` brings it from the device, once.
  using Read = std::function<Tensor(const Value&)>;
  Tensor operand(ValueId id, const Read& read);
  std::vector<Tensor> operands(const Node& node, const Read& read);

  // A node of the host makes it: with its tensor, or, where programs are only timed, without.
  const Tensor& computed(ValueId id, Tensor tensor);
  void computed(ValueId id) { computed_[static_cast<std::size_t>(id)] = true; }
  bool is_computed(ValueId id) const { return computed_[static_cast<std::size_t>(id)]; }

  std::vector<Tensor> outputs() const;
  // Every value the host computed, by name.
  std::map<std::string, Tensor> by_name() const;

 private:
  const Graph& graph_;
  std::vector<Tensor> values_;  // by ValueId
  std::vector<bool> known_, computed_;
};

}  // namespace workbench::sim
