// Channel chunks: convolutions and the ops that work channel by channel behind them are done for
// some channels at a time, so that what lies between them never exists whole (and needs no DDR).
#pragma once

#include <functional>
#include <optional>

#include "compiler/xdnn/memory_plan.h"

namespace workbench::xdnn {

enum class Where : std::uint8_t { Nowhere, Am, Ddr, Both };

// The ops of the segment can be done chunk by chunk of the same channels.
bool can_chunk(const MemoryModel& model, const Segment& segment);

struct GroupCost {
  std::int64_t extra = 0;     // weight beside the volumes that are in the AM already
  double cycles = 0;          // beyond computing each op once, whole
  std::vector<int> gathered;  // volumes that must be brought back whole
};
// Of the segment in chunks of `segment.chunk`, results that others read going to DDR when `to_ddr`
// has them. `where`: before the step.
std::optional<GroupCost> group_cost(const MemoryModel& model, const Segment& segment,
                                    const std::vector<int>& to_ddr,
                                    const std::function<Where(int)>& where);

// A channelwise operand of a chunked op that is gathered chunk by chunk, not whole.
bool gathered_in_chunks(const MemoryModel& model, const PlanOp& op, const Access& read);

}  // namespace workbench::xdnn
