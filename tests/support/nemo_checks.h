// How integers that NEMO's stages gave are held against what else they should be.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Codes of the network's one input as numbers: what a file of NEMO's convention is given.
Tensor nemo_input_codes(const Graph& integers, const Tensor& x);

// Through a file of NEMO's convention and back: the same integers, value by value. `form`: what is
// written; `x`: one sample.
void check_nemo_round_trip(const Graph& form, const Graph& integers, const Tensor& x);

struct CodeDifference {
  std::int64_t values = 0, differing = 0;
  double largest = 0;
  void add(double steps) {
    ++values;
    if (steps > 0.5) ++differing;
    largest = std::max(largest, steps);
  }
};

// The integers `ids`, of all `values` by id, against a float graph that has values of the same
// names, given x. `real`: those are `step` times the codes; else the codes.
void add_differences(const Graph& integers, const std::vector<Tensor>& values,
                     const std::vector<ValueId>& ids, const Graph& reference, const Tensor& x,
                     bool real, CodeDifference& difference);

}  // namespace workbench
