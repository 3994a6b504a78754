// The values of the host's graph as the fabric controller has them: where each lies, who makes it,
// and what is made anew wherever it is read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "isa/pulp/program.h"

namespace workbench::pulp {

// The program's steps, those before one instruction together. The first comes before all layers,
// the last behind them; both may have no nodes. Without layers all is in the last.
std::vector<HostStep> turns_of(const Program& program);

// The host's graph, its constants as the C reads them: numbers where they are codes, and a
// transposed convolution's weights in the order in which they are summed up.
Graph prepared(const Program& program);

// What is true of the host's graph as a whole.
class HostValues {
 public:
  HostValues(const Program& program, const std::vector<HostStep>& turns);

  const Graph& graph() const { return graph_; }
  const Value& value(ValueId id) const { return graph_.value(id); }
  const Node* writer(ValueId id) const;  // nullptr: not on the host
  std::ptrdiff_t writer_number(ValueId id) const { return writer_[static_cast<std::size_t>(id)]; }
  // The turn whose node makes it; -1: none does.
  int turn_of(ValueId id) const;
  int turn_of_node(std::size_t n) const { return turn_of_[n]; }
  int last_turn() const { return last_turn_; }
  bool is_input(ValueId id) const;
  bool is_by_cluster(ValueId id) const;

  // What is left out is in no turn.
  void leave_out(std::size_t n) { turn_of_[n] = -1; }
  const std::vector<std::size_t>& readers(ValueId id) const;
  // Where layers of the cluster read it or leave it; nullptr: they do not.
  const TensorPlace* place(ValueId id) const;

  // Made anew wherever it is read: codes as numbers, and other names.
  bool is_made_anew(ValueId id) const;
  // Such a node that is only another name.
  bool is_renamed(ValueId id) const;
  // What lies in a memory for it.
  ValueId root(ValueId id) const;
  // The first turn that reads what lies in a memory for a value that turn `turn` reads.
  int first_read(ValueId id, int turn) const;

 private:
  const Graph graph_;
  std::vector<std::ptrdiff_t> writer_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<int> turn_of_, step_of_;  // step_of_: of what is left out, too
  int last_turn_ = 0;
  std::map<std::string, const TensorPlace*> places_;
};

}  // namespace workbench::pulp
