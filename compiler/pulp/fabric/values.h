// The values of the host's graph as the fabric controller has them: where each lies, who makes it,
// and what is made anew wherever it is read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "isa/pulp/program.h"

namespace workbench::pulp {

// A step of the host that has layers before and behind it.
bool is_between(const Program& program, const HostStep& step);

// The program's steps, those before one instruction together.
std::vector<HostStep> turns_of(const Program& program);

// The host's graph, its constants as the C reads them: numbers where they are codes, and a
// transposed convolution's weights in the order in which they are summed up. Throws Error where
// those are none.
Graph prepared(const Program& program);

// What is true of the host's graph as a whole.
class HostValues {
 public:
  HostValues(const Program& program, const std::vector<HostStep>& turns);

  const Graph& graph() const { return graph_; }
  const Value& value(ValueId id) const { return graph_.value(id); }
  const Node* writer(ValueId id) const;  // nullptr: not on the host
  // The turn whose node makes it; -1: none does.
  int turn_of(ValueId id) const;
  int turn_of_node(std::size_t n) const { return turn_of_[n]; }
  const std::vector<std::size_t>& readers(ValueId id) const;
  // Where layers of the cluster read it or leave it; nullptr: they do not.
  const TensorPlace* place(ValueId id) const;

  // Made anew wherever it is read: codes as numbers, and other names.
  bool is_made_anew(ValueId id) const;
  // What lies in a memory for it.
  ValueId root(ValueId id) const;
  // The first turn that reads what lies in a memory for a value that turn `turn` reads.
  int first_read(ValueId id, int turn) const;

 private:
  const Graph graph_;
  std::vector<std::ptrdiff_t> writer_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<int> turn_of_;
  std::map<std::string, const TensorPlace*> places_;
};

}  // namespace workbench::pulp
