#include "compiler/xdnn/placed.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/layout.h"
#include "compiler/xdnn/memory_plan.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

// --- one order -----------------------------------------------------------------------------------

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

namespace {

// Layouts are chosen; addresses are not.
std::optional<Placed> with_addresses(Lowered lowered, const Machine& machine) {
  const auto placement = place(lowered, machine);
  if (!placement) return std::nullopt;
  const Cycles time = modelled_time(lowered, machine);
  return Placed{std::move(lowered), *placement, time};
}

std::optional<Placed> placed_whole(Lowered lowered, const Machine& machine) {
  if (!lowered.obstacle.empty()) return std::nullopt;
  choose_layouts(lowered, machine);
  reuse_operands(lowered);
  return with_addresses(std::move(lowered), machine);
}

// Says why placed_whole() has found nothing.
[[noreturn]] void refuse(Lowered lowered, const Machine& machine) {
  if (!lowered.obstacle.empty()) fail("{}", lowered.obstacle);
  choose_layouts(lowered, machine);
  reuse_operands(lowered);
  CHECK(!place(lowered, machine));
  fail("{}", shortage(lowered, machine));
}

}  // namespace

std::optional<Placed> place_in_order(const Graph& quantized, const Machine& machine,
                                     const std::vector<std::size_t>& order) {
  return placed_whole(lower(quantized, machine, order), machine);
}

// --- networks that need a memory plan ------------------------------------------------------------

// The last way to a program: a network that does not fit the activation memory as it is gets a
// memory plan - channel chunks, spilling, row bands - until it does.

namespace {

// Parts of the memory that the plan may fill: what fits as a sum may still find no addresses.
constexpr std::array kShares = {1.0, 0.97, 0.93, 0.88, 0.8, 0.7, 0.6, 0.5};

std::int64_t capacity(const MemoryModel& model) {
  return model.bucket_words > 0 ? model.machine.am.buffers : model.machine.am_words();
}

std::optional<Placed> planned(const Lowered& whole, const MemoryModel& model, std::int64_t budget,
                              BandChoices& choices) {
  const auto plan = search_plan(model, budget, choices);
  if (!plan) return std::nullopt;
  Lowered lowered = carry_out(whole, model, *plan);
  const auto count = static_cast<std::int64_t>(lowered.ops.size());
  if (count > model.machine.control.instructions_max) return std::nullopt;
  choose_layouts(lowered, model.machine);
  reuse_operands(lowered);
  reuse_chunks(lowered);
  return with_addresses(std::move(lowered), model.machine);
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

bool has_program(const Graph& quantized, const Machine& machine,
                 const std::vector<std::size_t>& order) {
  Lowered whole = lower(quantized, machine, order);
  if (placed_whole(whole, machine)) return true;
  const MemoryModel model(whole, machine);
  return first_that_fits(whole, model).has_value();
}

constexpr std::int64_t kPlannedOps = 20'000;  // in all tries together

// Words beyond which more memory changes nothing: every volume has a place of its own, or each of
// the buffers holds the largest one.
std::int64_t ample_words(const MemoryModel& model) {
  std::int64_t sum = 0, largest = 0;
  const auto add = [&](std::int64_t words) {
    sum += words;
    largest = std::max(largest, words);
  };
  for (const PlanVolume& volume : model.volumes) add(volume.words);
  for (const PlanOp& op : model.ops) add(op.scratch_words);
  return model.bucket_words > 0 ? largest * model.machine.am.buffers : sum;
}

// Bytes of the smallest memory for which a program is found, tried out and not only computed: sizes
// from the least budget on, each a 32nd larger than the one before. Nothing when none of them has
// one, or none of as many as a network of that size is worth.
std::optional<std::int64_t> smallest_memory(const Graph& quantized, const MemoryModel& model,
                                            const std::vector<std::size_t>& order,
                                            std::int64_t least_words) {
  Machine machine = model.machine;
  const std::int64_t buffers = machine.am.buffers;
  const std::int64_t ample = ample_words(model);
  std::int64_t words = buffers > 0 ? machine.am_words() : least_words;
  const auto tries =
      std::max<std::int64_t>(8, kPlannedOps / static_cast<std::int64_t>(model.ops.size() + 1));
  for (std::int64_t tried = 0; tried < tries; ++tried) {
    machine.am.size_bytes = words * machine.word_bytes();
    if (has_program(quantized, machine, order)) return machine.am.size_bytes;
    if (words >= ample) return std::nullopt;
    words += std::max({std::int64_t{1}, buffers, words / 32});
  }
  return std::nullopt;
}

[[noreturn]] void cannot_be_cut(const Graph& quantized, const Machine& machine,
                                const std::vector<std::size_t>& order) {
  Lowered whole = lower(quantized, machine, order);
  const MemoryModel model(whole, machine);
  const LeastBudget least = least_budget(model);
  const std::int64_t layer = whole.ops[static_cast<std::size_t>(least.op)].layer;
  const auto smallest = smallest_memory(quantized, model, order, least.budget);
  fail("{}: layer '{}' cannot be cut small enough for the {} bytes of activation memory of {}{}",
       quantized.name, whole.layers[static_cast<std::size_t>(layer)].name,
       machine.am_words() * machine.word_bytes(), machine.name,
       smallest ? fmt::format("; the smallest memory this compiler can use for this network is {} "
                              "bytes",
                              *smallest)
                : "");
}

// Of the plans for all `candidates` the one that is fastest by modelled time.
Placed place_by_plan(const Graph& quantized, const Machine& machine,
                     const std::vector<CandidateOrder>& candidates) {
  std::optional<Placed> best;
  for (const CandidateOrder& candidate : candidates) {
    Lowered whole = lower(quantized, machine, candidate.nodes);
    const MemoryModel model(whole, machine);
    auto placed = first_that_fits(whole, model);
    if (placed && (!best || placed->time < best->time)) best = std::move(placed);
  }
  if (!best) cannot_be_cut(quantized, machine, candidates.back().nodes);
  return std::move(*best);
}

}  // namespace

// --- all orders ----------------------------------------------------------------------------------

Placed place_fastest_order(const Graph& quantized, const Machine& machine,
                           const OrderOptions& options) {
  const std::vector<CandidateOrder> candidates = candidate_orders(quantized, machine, options);
  const bool stopped =
      std::any_of(candidates.begin(), candidates.end(), [](const auto& c) { return c.stopped; });
  std::optional<Placed> best;
  for (const CandidateOrder& candidate : candidates) {
    auto placed = place_in_order(quantized, machine, candidate.nodes);
    if (!placed) continue;  // another one may fit
    placed->stopped = stopped;
    const bool faster = !best || placed->time < best->time;
    const bool smaller = best && placed->time == best->time &&
                         placed->placement.peak_words < best->placement.peak_words;
    if (faster || smaller) best = std::move(placed);
  }
  if (best) return std::move(*best);
  if (machine.slice0.used == 1) {  // memory plans know nothing of slice 0
    refuse(lower(quantized, machine, candidates.back().nodes), machine);
  }
  Placed planned = place_by_plan(quantized, machine, candidates);
  planned.stopped = stopped;
  return planned;
}

}  // namespace workbench::xdnn
