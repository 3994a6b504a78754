// The last way to a program: a network that does not fit the activation memory as it is gets a
// memory plan (memory_plan.h) - channel chunks, spilling, row bands - until it does.
#pragma once

#include <span>
#include <vector>

#include "compiler/xdnn/scheduled.h"

namespace workbench::xdnn {

// Of the plans for all `orders` the one that is fastest by modelled time. Throws Error naming the
// layer and the smallest memory that would do when there is none.
Scheduled schedule_tight(const Graph& quantized, const Machine& machine,
                         std::span<const std::vector<std::size_t>> orders);

}  // namespace workbench::xdnn
