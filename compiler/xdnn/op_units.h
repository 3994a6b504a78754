// Which unit of an overlay runs an ONNX operator: what `workbench ops` shows. The answer is asked
// of host_reasons() (support.h) with a typical node, not written down a second time.
#pragma once

#include <string>
#include <string_view>

#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// "array", "pool", "eltwise", "upsample": the unit that runs it; "merged": it becomes part of the
// layer before it; "address": it is where a tensor lies, no instruction; "folded": gone before the
// machine sees it; "rewritten": as other operators (fit_limits.h); "host": not on the overlay. Of
// a typical node (3x3 convolution, 2x2 pool, 2-D maps); others may be rewritten or refused, and say
// why when they are.
std::string where_it_runs(std::string_view onnx_operator, const Machine& machine);

}  // namespace workbench::xdnn
