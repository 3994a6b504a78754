#include "compiler/xdnn/placed.h"

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "compiler/xdnn/carry_out.h"
#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/layout.h"
#include "compiler/xdnn/memory_plan.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

// --- networks that need a memory plan ------------------------------------------------------------

// The last way to a program: a network that does not fit the activation memory as it is gets a
// memory plan (memory_plan.h) - channel chunks, spilling, row bands - until it does.

// Of the plans for all `orders` the one that is fastest by modelled time. Throws Error naming the
// layer and the smallest memory that would do when there is none.
Placed place_by_plan(const Graph& quantized, const Machine& machine,
                     std::span<const std::vector<std::size_t>> orders);

// Parts of the memory that the plan may fill: what fits as a sum may still find no addresses.
constexpr std::array kShares = {1.0, 0.97, 0.93, 0.88, 0.8, 0.7, 0.6, 0.5};

std::int64_t capacity(const MemoryModel& model) {
  return model.bucket_words > 0 ? model.machine.am.buffers : model.machine.am_words();
}

std::optional<Placed> planned(const Lowered& whole, const MemoryModel& model, std::int64_t budget,
                              BandChoices& choices) {
  const auto plan = search_plan(model, budget, choices);
  if (!plan) return std::nullopt;
  Placed placed{.lowered = carry_out(whole, model, *plan), .placement = {}, .time = {}};
  if (static_cast<std::int64_t>(placed.lowered.ops.size()) >
      model.machine.control.instructions_max) {
    return std::nullopt;
  }
  choose_layouts(placed.lowered, model.machine);
  reuse_operands(placed.lowered);
  reuse_chunks(placed.lowered);
  try {
    placed.placement = place(placed.lowered, model.machine);
  } catch (const Error&) {
    return std::nullopt;
  }
  placed.time = modelled_time(placed.lowered, model.machine);
  return placed;
}

std::optional<Placed> first_that_fits(const Lowered& whole, const MemoryModel& model) {
  BandChoices choices(model);
  std::int64_t last = -1;
  for (const double share : kShares) {
    const auto budget = static_cast<std::int64_t>(share * static_cast<double>(capacity(model)));
    if (budget == last) continue;
    last = budget;
    if (auto placed = planned(whole, model, budget, choices)) return placed;
  }
  return std::nullopt;
}

bool fits_whole(const Graph& quantized, const Machine& machine,
                const std::vector<std::size_t>& order) {
  try {
    place_in_order(quantized, machine, order);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// Bytes of the smallest memory for which a program is found, tried out and not only computed.
std::int64_t smallest_memory(const Graph& quantized, const Machine& machine,
                             const std::vector<std::size_t>& order) {
  Machine other = machine;
  Lowered whole = lower(quantized, machine, order);
  const MemoryModel model(whole, machine);
  const LeastBudget least = least_budget(model);
  std::int64_t words = machine.am.buffers > 0 ? machine.am_words() : least.budget;
  for (int i = 0; i < 256; ++i) {
    other.am.size_bytes = words * machine.word_bytes();
    Lowered again = lower(quantized, other, order);
    const MemoryModel larger(again, other);
    if (fits_whole(quantized, other, order) || first_that_fits(again, larger)) {
      return other.am.size_bytes;
    }
    words += std::max<std::int64_t>(std::max<std::int64_t>(1, machine.am.buffers), words / 32);
  }
  return 0;
}

[[noreturn]] void does_not_fit(const Graph& quantized, const Machine& machine,
                               const std::vector<std::size_t>& order) {
  Lowered whole = lower(quantized, machine, order);
  const MemoryModel model(whole, machine);
  const LeastBudget least = least_budget(model);
  const std::int64_t layer = whole.ops[static_cast<std::size_t>(least.op)].layer;
  const std::int64_t smallest = smallest_memory(quantized, machine, order);
  fail(
      "{}: layer '{}' cannot be cut small enough for the {} bytes of activation memory of {}; the "
      "smallest memory this compiler can use for this network is {} bytes",
      quantized.name, whole.layers[static_cast<std::size_t>(layer)].name,
      machine.am_words() * machine.word_bytes(), machine.name, smallest);
}

Placed place_by_plan(const Graph& quantized, const Machine& machine,
                     std::span<const std::vector<std::size_t>> orders) {
  std::optional<Placed> best;
  for (const auto& order : orders) {
    Lowered whole = lower(quantized, machine, order);
    const MemoryModel model(whole, machine);
    auto placed = first_that_fits(whole, model);
    if (placed && (!best || placed->time < best->time)) best = std::move(placed);
  }
  if (!best) does_not_fit(quantized, machine, orders.back());
  return std::move(*best);
}

}  // namespace

// --- orders --------------------------------------------------------------------------------------

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
  return earliest_times(program, machine).end;
}

Placed place_in_order(const Graph& quantized, const Machine& machine,
                      const std::vector<std::size_t>& order) {
  Placed placed{.lowered = lower(quantized, machine, order), .placement = {}, .time = {}};
  choose_layouts(placed.lowered, machine);
  reuse_operands(placed.lowered);
  placed.placement = place(placed.lowered, machine);
  placed.time = modelled_time(placed.lowered, machine);
  return placed;
}

Placed place_fastest_order(const Graph& quantized, const Machine& machine,
                           const OrderOptions& options) {
  const std::vector<CandidateOrder> candidates = candidate_orders(quantized, machine, options);
  std::optional<Placed> best;
  for (const CandidateOrder& candidate : candidates) {
    try {
      Placed placed = place_in_order(quantized, machine, candidate.nodes);
      const bool faster = !best || placed.time < best->time;
      const bool smaller = best && placed.time == best->time &&
                           placed.placement.peak_words < best->placement.peak_words;
      if (faster || smaller) best = std::move(placed);
    } catch (const Error&) {  // this order does not fit; another one may
    }
  }
  if (!best && machine.slice0.used == 1) {  // pieces know nothing of slice 0: say what is missing
    return place_in_order(quantized, machine, candidates.back().nodes);
  }
  if (!best) {
    std::vector<std::vector<std::size_t>> orders;
    for (const CandidateOrder& candidate : candidates) orders.push_back(candidate.nodes);
    return place_by_plan(quantized, machine, orders);
  }
  return std::move(*best);
}

}  // namespace workbench::xdnn
