// What an xDNN overlay can run, and why the rest cannot: the reasons a host step carries.
#pragma once

#include <functional>
#include <optional>
#include <string>

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

}  // namespace workbench::xdnn
