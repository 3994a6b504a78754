#include "compiler/xdnn/scheduled.h"

#include <optional>

#include "compiler/xdnn/tight.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/schedule.h"

namespace workbench::xdnn {

Cycles modelled_time(const Lowered& placed, const Machine& machine) {
  Lowered lowered = placed;
  std::int64_t ddr = 0;  // tensors apart from each other, wherever emit() puts them
  for (DdrTensor& tensor : lowered.ddr_tensors) {
    tensor.address = ddr;
    ddr += round_up(
        ddr_tensor_bytes(tensor.channels, tensor.height, tensor.width, machine.geometry()), 4096);
  }
  Program program;
  for (const LoweredOp& op : lowered.ops) {
    program.steps.push_back({instruction_of(lowered, op, machine), ddr, {}});
  }
  program.host_steps = lowered.host_steps;
  set_wait_bits(program, machine);
  return analytic_schedule(program, machine).end;
}

Scheduled schedule_in_order(const Graph& quantized, const Machine& machine,
                            const std::vector<std::size_t>& order) {
  Scheduled scheduled{.lowered = lower(quantized, machine, order), .placement = {}, .time = {}};
  choose_layouts(scheduled.lowered, machine);
  reuse_operands(scheduled.lowered);
  scheduled.placement = place(scheduled.lowered, machine);
  scheduled.time = modelled_time(scheduled.lowered, machine);
  return scheduled;
}

Scheduled schedule(const Graph& quantized, const Machine& machine, const ScheduleOptions& options) {
  const std::vector<CandidateOrder> candidates = candidate_orders(quantized, machine, options);
  std::optional<Scheduled> best;
  for (const CandidateOrder& candidate : candidates) {
    try {
      Scheduled scheduled = schedule_in_order(quantized, machine, candidate.nodes);
      const bool faster = !best || scheduled.time < best->time;
      const bool smaller = best && scheduled.time == best->time &&
                           scheduled.placement.peak_words < best->placement.peak_words;
      if (faster || smaller) best = std::move(scheduled);
    } catch (const Error&) {  // this order does not fit; another one may
    }
  }
  if (!best && machine.slice0.used == 1) {  // pieces know nothing of slice 0: say what is missing
    return schedule_in_order(quantized, machine, candidates.back().nodes);
  }
  if (!best) {
    std::vector<std::vector<std::size_t>> orders;
    for (const CandidateOrder& candidate : candidates) orders.push_back(candidate.nodes);
    return schedule_tight(quantized, machine, orders);
  }
  return std::move(*best);
}

}  // namespace workbench::xdnn
