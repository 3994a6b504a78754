// What the console of the xfDNN compiler shows (xdnn.md 4.3), from our own data and in its layout,
// for people and scripts that know it: docs/xfdnn-report.md explains each line.
#pragma once

#include <string>

#include "explore/flow/pipeline.h"

namespace workbench {

// Schedule, minimum memory before anything has an address, strategies, extents, what the overlay
// cannot run, operations and DDR transfers. Steps are numbered in the order of the model, as xfDNN
// did, or in that of the program.
enum class StepOrder { Model, Schedule };
std::string xfdnn_report(const Compiled& compiled, StepOrder order);

}  // namespace workbench
