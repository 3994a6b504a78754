// A max pool behind a concat as one in each branch: there it can be done in the pipeline of the
// convolution that writes the branch, and the concat's full map is never stored.
#pragma once

#include <optional>

#include "core/graph.h"

namespace workbench::xdnn {

// `quantized` with such pools moved; nothing when it has none on the accelerator alone.
std::optional<Graph> pools_in_branches(const Graph& quantized);

}  // namespace workbench::xdnn
