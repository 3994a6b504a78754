// From a graph to instructions with addresses: of the orders that the options allow, the one that
// is fastest once everything has its place.
#pragma once

#include <optional>

#include "compiler/xdnn/choices.h"
#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/order.h"
#include "compiler/xdnn/place.h"

namespace workbench::xdnn {

struct Placed {
  Lowered lowered;
  Placement placement;
  Cycles time;                  // modelled_time()
  std::int64_t plan_steps = 0;  // of the search for a memory plan (PlanSteps)
  bool stopped = false;         // the search for an order (SearchLimits), or for a memory plan
};

// Lowers, lays out and places one order, of the `choices` the fastest; nothing when it does not fit
// the memory, or the first layer slice 0.
std::optional<Placed> place_in_order(const Graph& quantized, const Machine& machine,
                                     const std::vector<std::size_t>& order,
                                     const Choices& choices = {});

// The same of what is lowered already.
std::optional<Placed> place_lowered(const Lowered& lowered, const Machine& machine,
                                    const Choices& choices);

// Lowers, lays out and places each of candidate_orders() and takes the one of least modelled time,
// of equals the one of least peak. When none fits, the fastest of the memory plans for them
// (memory_plan.h). Throws Error naming the layer and the smallest memory that would do when there
// is none either, or what is in the way of slice 0.
Placed place_fastest_order(const Graph& quantized, const Machine& machine,
                           const OrderOptions& options = {}, const Choices& choices = {});
// The same of these orders.
Placed place_candidates(const Graph& quantized, const Machine& machine,
                        const std::vector<CandidateOrder>& candidates, const Choices& choices);
// The same without a memory plan: nothing when no order fits.
std::optional<Placed> place_whole(const Graph& quantized, const Machine& machine,
                                  const OrderOptions& options, const Choices& choices);

// likely_end() of the placed program (isa/xdnn/cost.h), wait bits included.
Cycles modelled_time(const Lowered& placed, const Machine& machine);
// The program that this is the time of: instructions, without what they compute with.
Program modelled_program(const Lowered& placed, const Machine& machine);

}  // namespace workbench::xdnn
