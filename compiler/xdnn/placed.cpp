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

Program modelled_program(const Lowered& placed, const Machine& machine) {
  Lowered lowered = placed;
  std::int64_t ddr = 0;  // tensors apart from each other, wherever emit() puts them
  for (DdrTensor& tensor : lowered.ddr_tensors) {
    tensor.address = ddr;
    ddr += round_up(
        ddr_tensor_bytes(tensor.channels, tensor.height, tensor.width, machine.geometry()), 4096);
  }
  Program program;
  const LoweredOp* before = nullptr;  // the convolution before; same filters have the same address
  for (const LoweredOp& op : lowered.ops) {
    if (op.kind == LoweredKind::Conv) {
      if (before != nullptr && !same_filters(lowered, *before, op)) ++ddr;
      before = &op;
    }
    program.steps.push_back({instruction_of(lowered, op, machine), ddr, {}});
  }
  program.host_steps = lowered.host_steps;
  return program;
}

Cycles modelled_time(const Lowered& placed, const Machine& machine) {
  Program program = modelled_program(placed, machine);
  set_wait_bits(program, machine);
  return likely_end(program, machine);
}

namespace {

// The faster one; of equals that which peaks lower, then the first.
void keep_better(std::optional<Placed>& best, std::optional<Placed> other) {
  if (!other) return;
  const bool faster = !best || other->time < best->time;
  const bool smaller =
      best && other->time == best->time && other->placement.peak_words < best->placement.peak_words;
  if (faster || smaller) best = std::move(other);
}

// For how many ops words stay unused; the last: for ever.
constexpr std::array<std::int64_t, 4> kSpreads = {2, 8, 32, 1 << 30};

// Layouts are chosen; addresses are not.
std::optional<Placed> with_addresses(Lowered lowered, const Machine& machine, Use spread) {
  const auto placement = place(lowered, machine);
  if (!placement) return std::nullopt;
  Placed best{lowered, *placement, modelled_time(lowered, machine)};
  if (spread == Use::Never || machine.serial()) return best;
  for (const std::int64_t ops : kSpreads) {
    Lowered apart = lowered;
    const auto other = place_spread(apart, machine, ops);
    if (!other) continue;
    const Cycles time = modelled_time(apart, machine);
    if (time >= best.time && spread != Use::Always) continue;
    best = {std::move(apart), *other, time};
  }
  return best;
}

std::vector<SharedLayout> shared_layouts(Use use) {
  if (use == Use::Never) return {SharedLayout::Plain};
  if (use == Use::Always) return {SharedLayout::MostCopies, SharedLayout::Plain};
  return {SharedLayout::Plain, SharedLayout::Fastest};
}

bool laid_out_alike(const Lowered& a, const Lowered& b) {
  return std::equal(a.volumes.begin(), a.volumes.end(), b.volumes.begin(), b.volumes.end(),
                    [](const auto& v, const auto& w) { return v.layout == w.layout; });
}

// What has neither layouts nor addresses; `chunked`: of a memory plan.
std::optional<Placed> laid_out(const Lowered& lowered, const Machine& machine,
                               const Choices& choices, bool chunked) {
  std::optional<Placed> best;
  std::optional<Lowered> before;
  for (const SharedLayout shared : shared_layouts(choices.shared_copies)) {
    if (best && choices.shared_copies == Use::Always) break;  // the first that fits
    Lowered candidate = lowered;
    choose_layouts(candidate, machine, shared);
    if (before && laid_out_alike(candidate, *before)) continue;
    before = candidate;
    reuse_operands(candidate);
    if (chunked) reuse_chunks(candidate);
    if (choices.half_rate != Use::Always) {
      keep_better(best, with_addresses(candidate, machine, choices.spread));
    }
    if (choices.half_rate == Use::Never) continue;
    choose_rates(candidate, machine, choices.half_rate == Use::Always);
    keep_better(best, with_addresses(std::move(candidate), machine, choices.spread));
  }
  return best;
}

// Says why place_lowered() has found nothing.
[[noreturn]] void refuse(Lowered lowered, const Machine& machine) {
  if (!lowered.obstacle.empty()) fail("{}", lowered.obstacle);
  choose_layouts(lowered, machine, SharedLayout::Plain);
  reuse_operands(lowered);
  CHECK(!place(lowered, machine));
  fail("{}", shortage(lowered, machine));
}

}  // namespace

std::optional<Placed> place_lowered(const Lowered& lowered, const Machine& machine,
                                    const Choices& choices) {
  if (!lowered.obstacle.empty()) return std::nullopt;
  return laid_out(lowered, machine, choices, false);
}

std::optional<Placed> place_in_order(const Graph& quantized, const Machine& machine,
                                     const std::vector<std::size_t>& order,
                                     const Choices& choices) {
  return place_lowered(lower(quantized, machine, order), machine, choices);
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
                              BandChoices& bands, PlanSteps& steps, const Choices& choices) {
  const auto plan = search_plan(model, budget, bands);
  if (!plan) return std::nullopt;
  Lowered lowered = carry_out(whole, model, *plan);
  const auto count = static_cast<std::int64_t>(lowered.ops.size());
  steps.taken += PlanSteps::kOfPlannedOp * count;
  if (count > model.machine.control.instructions_max) return std::nullopt;
  return laid_out(lowered, model.machine, choices, true);
}

std::optional<Placed> first_that_fits(const Lowered& whole, const MemoryModel& model,
                                      BandChoices& bands, PlanSteps& steps,
                                      const Choices& choices) {
  std::int64_t last = -1;
  for (const double share : kShares) {
    const auto budget = static_cast<std::int64_t>(share * static_cast<double>(capacity(model)));
    if (budget == last) continue;
    last = budget;
    if (steps.spent()) return std::nullopt;
    if (auto placed = planned(whole, model, budget, bands, steps, choices)) return placed;
  }
  return std::nullopt;
}

// `known`: bands of the network on this machine with another memory. What they cost and need does
// not depend on it, unless it is one of buffers.
bool has_program(const Graph& quantized, const Machine& machine,
                 const std::vector<std::size_t>& order, BandChoices& known, PlanSteps& steps) {
  const Choices plain = all_choices(Use::Never);  // they decide about time, not about room
  Lowered whole = lower(quantized, machine, order);
  if (place_lowered(whole, machine, plain)) return true;
  const MemoryModel model(whole, machine);
  steps.taken += PlanSteps::kOfPlannedOp * static_cast<std::int64_t>(model.ops.size());
  BandChoices own(model, steps);
  BandChoices& bands = model.bucket_words > 0 ? own : known;
  return first_that_fits(whole, model, bands, steps, plain).has_value();
}

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
// one, or the steps are spent.
std::optional<std::int64_t> smallest_memory(const Graph& quantized, const MemoryModel& model,
                                            const std::vector<std::size_t>& order,
                                            std::int64_t least_words) {
  Machine machine = model.machine;
  const std::int64_t buffers = machine.am.buffers;
  const std::int64_t ample = ample_words(model);
  std::int64_t words = buffers > 0 ? machine.am_words() : least_words;
  PlanSteps steps{.limit = PlanSteps::kMostForAnError};
  BandChoices bands(model, steps);
  while (!steps.spent()) {
    machine.am.size_bytes = words * machine.word_bytes();
    if (has_program(quantized, machine, order, bands, steps)) return machine.am.size_bytes;
    if (words >= ample) return std::nullopt;
    words += std::max({std::int64_t{1}, buffers, words / 32});
  }
  return std::nullopt;
}

[[noreturn]] void cannot_be_cut(const Graph& quantized, const Machine& machine,
                                const std::vector<std::size_t>& order, bool stopped) {
  Lowered whole = lower(quantized, machine, order);
  const MemoryModel model(whole, machine);
  const LeastBudget least = least_budget(model);
  const std::int64_t layer = whole.ops[static_cast<std::size_t>(least.op)].layer;
  const auto smallest = smallest_memory(quantized, model, order, least.budget);
  fail("{}: layer '{}' cannot be cut small enough for the {} bytes of activation memory of {}{}{}",
       quantized.name, whole.layers[static_cast<std::size_t>(layer)].name,
       machine.am_words() * machine.word_bytes(), machine.name,
       stopped ? " in the steps that the search for a memory plan has" : "",
       smallest ? fmt::format("; the smallest memory this compiler can use for this network is {} "
                              "bytes",
                              *smallest)
                : "");
}

// Of the plans for all `candidates` the one that is fastest by modelled time.
Placed place_by_plan(const Graph& quantized, const Machine& machine,
                     const std::vector<CandidateOrder>& candidates, const Choices& choices) {
  std::optional<Placed> best;
  PlanSteps steps;
  for (const CandidateOrder& candidate : candidates) {
    if (steps.spent()) break;
    Lowered whole = lower(quantized, machine, candidate.nodes);
    const MemoryModel model(whole, machine);
    BandChoices bands(model, steps);
    auto placed = first_that_fits(whole, model, bands, steps, choices);
    if (placed && (!best || placed->time < best->time)) best = std::move(placed);
  }
  if (!best) cannot_be_cut(quantized, machine, candidates.back().nodes, steps.spent());
  best->stopped = steps.spent(), best->plan_steps = steps.taken;
  return std::move(*best);
}

}  // namespace

// --- all orders ----------------------------------------------------------------------------------

namespace {

bool any_stopped(const std::vector<CandidateOrder>& candidates) {
  return std::any_of(candidates.begin(), candidates.end(), [](const auto& c) { return c.stopped; });
}

std::optional<Placed> fastest_of(const Graph& quantized, const Machine& machine,
                                 const std::vector<CandidateOrder>& candidates,
                                 const Choices& choices) {
  std::optional<Placed> best;
  for (const CandidateOrder& candidate : candidates) {
    keep_better(best, place_in_order(quantized, machine, candidate.nodes, choices));
  }
  if (best) best->stopped = any_stopped(candidates);
  return best;
}

}  // namespace

std::optional<Placed> place_whole(const Graph& quantized, const Machine& machine,
                                  const OrderOptions& options, const Choices& choices) {
  return fastest_of(quantized, machine, candidate_orders(quantized, machine, options), choices);
}

Placed place_candidates(const Graph& quantized, const Machine& machine,
                        const std::vector<CandidateOrder>& candidates, const Choices& choices) {
  if (auto best = fastest_of(quantized, machine, candidates, choices)) return std::move(*best);
  if (machine.slice0.used == 1) {  // memory plans know nothing of slice 0
    refuse(lower(quantized, machine, candidates.back().nodes), machine);
  }
  Placed planned = place_by_plan(quantized, machine, candidates, choices);
  planned.stopped = planned.stopped || any_stopped(candidates);
  return planned;
}

Placed place_fastest_order(const Graph& quantized, const Machine& machine,
                           const OrderOptions& options, const Choices& choices) {
  return place_candidates(quantized, machine, candidate_orders(quantized, machine, options),
                          choices);
}

}  // namespace workbench::xdnn
