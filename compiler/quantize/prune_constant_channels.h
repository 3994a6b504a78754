// Constant-channel pruning (quantization.md 5.2): folding a batch norm divides by the variance, so
// that channels which never change carry the largest weights of their layer, and a scale per tensor
// is spent on them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "compiler/quantize/statistics.h"
#include "core/graph.h"

namespace workbench {

// Channels of weighted layers whose result (after the fused activation) was the same number
// wherever `statistics` of `samples` samples saw it: weights 0, the bias what the activation makes
// that number of. Where the number is 0, the weights that read the channel become 0, too. The
// network computes what it did on the data of `statistics`. Fewer than 256 values of a channel
// prove nothing; results of the network are left alone. One note per layer.
void prune_constant_channels(Graph& graph, const Statistics& statistics, std::size_t samples,
                             std::vector<std::string>& notes);

}  // namespace workbench
