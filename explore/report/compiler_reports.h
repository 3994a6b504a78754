// What the published compilers print of a network, from our own data and in their layout: the
// console of xfDNN (docs/xfdnn-report.md explains each line), its ranking of schedules, and the log
// of DORY.
#pragma once

#include <string>

#include "compiler/xdnn/order.h"
#include "explore/flow/pipeline.h"

namespace workbench {

// Schedule, minimum memory before anything has an address, strategies, extents, what the overlay
// cannot run, operations and DDR transfers. Steps are numbered in the order of the model, as xfDNN
// did, or in that of the program.
enum class StepOrder { Model, Schedule };
std::string xfdnn_report(const Compiled& compiled, StepOrder order);

// Per layer: num_cycles (between the performance counter's start and stop), MACs, MAC/cycle; sizes
// of tiles and slices per level, bytes, number of tiles, share of L1; byte sums of weights, of the
// activations read and written (as far as the run kept them). Then the totals of the counters, as
// DORY adds them up: what passes between layers is not in them.
std::string dory_report(const Compiled& compiled, const SimulatedNetwork& run);

// Every sub-graph with more than one valid schedule, once node by node and, where 1x1 reduces can
// be merged, once merged; then the orders of the whole network, placed and timed. `goal` ranks.
// Bytes are given in the published model (2 per pixel and channel, a concat copies its parts) and
// as this compiler allocates the AM.
std::string schedule_report(const Graph& quantized, const xdnn::Machine& machine,
                            const xdnn::OrderOptions& options);

}  // namespace workbench
