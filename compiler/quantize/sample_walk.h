// A graph's nodes in their order, each on all samples before the next: what steps need that change
// a layer by what the changed layers before it give.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/graph.h"
#include "data/samples.h"

namespace workbench {

// `node` without its activation.
Node linear_part(Node node);

// Of the values that are alive at once, at most, for one sample.
std::int64_t live_bytes(const Graph& graph);

// Values live from the node that writes them to the last that reads them, results of the network to
// the end.
class SampleWalk {
 public:
  // Over the first `count` samples, with their inputs as the values that are there.
  SampleWalk(Graph graph, const SampleSource& samples, std::size_t count);

  // Constants and biases of nodes that have not run may be changed; values and nodes stay.
  Graph& graph() { return graph_; }
  const Graph& graph() const { return graph_; }
  std::size_t samples() const { return count_; }
  // One tensor for each sample; empty: not written yet, dead or a constant.
  std::vector<Tensor>& of(ValueId id) { return values_[static_cast<std::size_t>(id)]; }

  // Writes the results of node `n`, computed as `as` says.
  void run(std::size_t n, const Node& as);
  void run(std::size_t n) { run(n, graph_.nodes[n]); }
  // Applies the activation of node `n`, which has run as its linear_part().
  void activate(std::size_t n);
  // Lets go what node `n` was the last to read.
  void leave(std::size_t n);

 private:
  Graph graph_;
  std::vector<std::size_t> last_;  // per value: index of its last reader
  std::vector<std::vector<Tensor>> values_;
  std::size_t count_;
};

}  // namespace workbench
