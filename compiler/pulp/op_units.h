// Which kernel of the cluster runs an ONNX operator: what `workbench ops` shows. The answer is
// asked of the quantizer and of layers_of() (layer.h) with a typical node, not written down a
// second time.
#pragma once

#include <string>
#include <string_view>

#include "isa/pulp/machine.h"

namespace workbench::pulp {

// "conv", "linear", "add", "avgpool", "maxpool": the kernel that runs it, without its split over
// cores; "merged": it becomes part of the layer before it; "address": it is where a tensor lies, no
// instruction; "folded": gone before the machine sees it; "host": not on the cluster. Of a typical
// node behind a convolution (3x3 window, 2x2 pool, 2-D maps); others may be refused, and say why
// when they are.
std::string where_it_runs(std::string_view onnx_operator, const Machine& machine);

}  // namespace workbench::pulp
