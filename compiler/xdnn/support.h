// What an xDNN overlay can run, and why the rest cannot: the reasons a host step carries.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/quantize/quantize.h"
#include "core/graph.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// For QuantizeOptions::host_reason. The function keeps a copy of `machine`.
std::function<std::optional<std::string>(const Graph&, const Node&)> host_reasons(
    const Machine& machine);

RequantizeLimits requantize_limits(const Machine& machine);

// First channel of a map that a slice of it takes.
std::int64_t first_channel(const Slice& op);

// True for ops that xfDNN always left to the CPU and that --no-host tolerates: the classifier tail
// (FC, softmax), LRN, and the reshaping between them.
bool host_by_design(const Op& op);

// --- units ---------------------------------------------------------------------------------------

// Which unit of an overlay runs an ONNX operator: what `workbench ops` shows. The answer is asked
// of host_reasons() (support.h) with a typical node, not written down a second time.

// "array", "pool", "eltwise", "upsample": the unit that runs it; "merged": it becomes part of the
// layer before it; "address": it is where a tensor lies, no instruction; "folded": gone before the
// machine sees it; "rewritten": as other operators (fit_limits.h); "host": not on the overlay. Of
// a typical node (3x3 convolution, 2x2 pool, 2-D maps); others may be rewritten or refused, and say
// why when they are.
std::string where_it_runs(std::string_view onnx_operator, const Machine& machine);

}  // namespace workbench::xdnn
