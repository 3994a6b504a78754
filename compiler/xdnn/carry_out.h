// A memory plan carried out: the ops of a Lowered network again, on pieces of its volumes, with the
// gathers and scatters between AM and DDR that the plan asks for (docs/facts/xdnn.md 2.3, 4.6).
#pragma once

#include "compiler/xdnn/memory_plan.h"

namespace workbench::xdnn {

// `whole`: as lower() makes it, layouts not yet chosen; the one `model` was made of.
Lowered carry_out(const Lowered& whole, const MemoryModel& model, const MemoryPlan& plan);

// Eltwises that together write a whole volume, chunk by chunk over the same chunks of an operand
// that is dead afterwards, get that operand's volume for their result. Complements
// reuse_operands().
void reuse_chunks(Lowered& lowered);

}  // namespace workbench::xdnn
