// Whether two float graphs compute the same values under the same names.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "core/graph.h"
#include "core/tensor.h"

namespace workbench {

// Evaluates both on `inputs` (double inside). The graph outputs must have the same names in the
// same order; they, and every other value whose name both have, must have the same shape and agree
// within `tolerance` of the tensor's largest magnitude.
testing::AssertionResult same_network(const Graph& expected, const Graph& found,
                                      const std::vector<Tensor>& inputs, double tolerance = 1e-4);

}  // namespace workbench
