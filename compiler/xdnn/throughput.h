// Throughput mode (docs/facts/xdnn.md 1.7): the first convolution, and a pool fused behind it,
// moves to slice 0 and leaves its result in DDR, where slice 1 fetches it while slice 0 works on
// the next image.
#pragma once

#include "compiler/xdnn/lower.h"

namespace workbench::xdnn {

// Changes what lower() made, before layouts and addresses. Returns why the first instruction cannot
// run on slice 0, naming the layer: empty when it does. `lowered` is of no use otherwise.
std::string use_slice0(Lowered& lowered, const Machine& machine);

}  // namespace workbench::xdnn
