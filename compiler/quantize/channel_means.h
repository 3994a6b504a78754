// Means of a layer's channels over samples, and biases that make them what they should be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "compiler/quantize/sample_walk.h"
#include "compiler/quantize/weighted_layers.h"
#include "core/graph.h"

namespace workbench {

// Mean of each index of axis 1, over all tensors seen.
struct ChannelMeans {
  std::vector<double> sums;
  std::int64_t count = 0;  // values of each

  void add(const Tensor& tensor);
  double mean(std::size_t channel) const { return sums[channel] / static_cast<double>(count); }
};

// Runs node `n` of `walk`, the rounded network, with a bias that makes the means of its channels,
// before the activation, `wanted`; that bias becomes `layer`'s in `annotated`, the same network.
void run_with_means(SampleWalk& walk, std::size_t n, const ChannelMeans& wanted, Graph& annotated,
                    const WeightedLayer& layer);

}  // namespace workbench
