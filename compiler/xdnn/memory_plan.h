// How a network lives in a memory that cannot hold it as it is: which ops run whole, which in
// channel chunks and which in row bands, and what leaves the memory before each. Found by a search
// over all ops, in order, for the least modelled cost; isa-independent but for MemoryModel.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/xdnn/plan_cuts.h"

namespace workbench::xdnn {

struct PlanStep {
  enum class Kind {
    Whole,    // one op, its operands and result whole in the AM
    Chunked,  // ops one after the other for `segment.chunk` channels, then for the next ones
    Banded,   // row bands, from DDR to DDR
  };
  Kind kind = Kind::Whole;
  Segment segment;
  std::vector<int> evict;   // volumes that leave the AM before it
  std::vector<int> to_ddr;  // results that go to DDR piece by piece (Whole and Chunked)
};

struct MemoryPlan {
  std::vector<PlanStep> steps;
  double cycles = 0;  // what it costs beyond computing, by the model
};

// The cheapest plan whose pieces never weigh more than `budget` (MemoryModel::weight). Nothing when
// there is none. `choices` are of the model.
std::optional<MemoryPlan> search_plan(const MemoryModel& model, std::int64_t budget,
                                      BandChoices& choices);

// The least budget for which search_plan() finds a plan, and the op that needs it.
struct LeastBudget {
  std::int64_t budget = 0;
  int op = 0;
};
LeastBudget least_budget(const MemoryModel& model);

// A memory plan carried out (carry_out.cpp): the ops of a Lowered network again, on pieces of its
// volumes, with the gathers and scatters between AM and DDR that the plan asks for
// (docs/facts/xdnn.md 2.3, 4.6).

// `whole`: as lower() makes it, layouts not yet chosen; the one `model` was made of.
Lowered carry_out(const Lowered& whole, const MemoryModel& model, const MemoryPlan& plan);

// Eltwises that together write a whole volume, chunk by chunk over the same chunks of an operand
// that is dead afterwards, get that operand's volume for their result. Complements
// reuse_operands().
void reuse_chunks(Lowered& lowered);

}  // namespace workbench::xdnn
