// The ranking of schedules per sub-graph, in the spirit of the xfDNN slides: how many valid ones
// there are, what they take of time and memory, which one is best.
#pragma once

#include <string>

#include "compiler/xdnn/order.h"

namespace workbench {

// Every sub-graph with more than one valid schedule, once node by node and, where 1x1 reduces can
// be merged, once merged; then the orders of the whole network, placed and timed. `goal` ranks.
// Bytes are given in the published model (2 per pixel and channel, a concat copies its parts) and
// as this compiler allocates the AM.
std::string schedule_report(const Graph& quantized, const xdnn::Machine& machine,
                            const xdnn::ScheduleOptions& options);

}  // namespace workbench
