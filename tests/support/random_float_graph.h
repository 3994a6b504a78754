// Random small float networks, as an exporter would write them: unfused activations and batch
// norms, scales by constants, explicit padding, residuals, concats of concats, pools, squeeze and
// excitation, identities, 1-D chains, a classifier tail.
#pragma once

#include <cstdint>

#include "core/graph.h"

namespace workbench {

// The same network for the same seed; 1 to 3 graph outputs, batch 1 or 2.
Graph random_float_graph(std::uint64_t seed);

}  // namespace workbench
