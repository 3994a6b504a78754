// How far the results of an annotated network are from those of the float network.
#pragma once

#include <cstddef>
#include <vector>

#include "core/graph.h"
#include "data/samples.h"

namespace workbench {

// The network with logits in place of a softmax's results, which are too similar to compare.
Graph with_logits(Graph graph);

// What a float network gives for some samples, which many annotated ones are compared with.
class ResultReference {
 public:
  // At most `most` samples, spread over all of them.
  ResultReference(const Graph& floats, const SampleSource& samples, std::size_t most);
  // Squared error over square of the float results, a number from 0 to 1 for each of the samples;
  // their mean. No image counts for more than another, however large its activations are.
  double error_of(const Graph& annotated) const;

 private:
  std::vector<std::vector<Tensor>> inputs_, results_;
};

// Of one annotated network.
double result_error(const Graph& annotated, const Graph& floats, const SampleSource& samples,
                    std::size_t most);

}  // namespace workbench
