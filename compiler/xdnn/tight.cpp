#include "compiler/xdnn/tight.h"

#include <array>
#include <optional>

#include "compiler/xdnn/memory_plan.h"
#include "compiler/xdnn/pieces.h"

namespace workbench::xdnn {

namespace {

// Parts of the memory that the plan may fill: what fits as a sum may still find no addresses.
constexpr std::array kShares = {1.0, 0.97, 0.93, 0.88, 0.8, 0.7, 0.6, 0.5};

std::int64_t capacity(const MemoryModel& model) {
  return model.bucket_words > 0 ? model.machine.am.buffers : model.machine.am_words();
}

std::optional<Scheduled> planned(const Lowered& whole, const MemoryModel& model,
                                 std::int64_t budget, BandChoices& choices) {
  const auto plan = search_plan(model, budget, choices);
  if (!plan) return std::nullopt;
  Scheduled scheduled{.lowered = carry_out(whole, model, *plan), .placement = {}, .time = {}};
  if (static_cast<std::int64_t>(scheduled.lowered.ops.size()) >
      model.machine.control.instructions_max) {
    return std::nullopt;
  }
  choose_layouts(scheduled.lowered, model.machine);
  reuse_operands(scheduled.lowered);
  reuse_chunks(scheduled.lowered);
  try {
    scheduled.placement = place(scheduled.lowered, model.machine);
  } catch (const Error&) {
    return std::nullopt;
  }
  scheduled.time = modelled_time(scheduled.lowered, model.machine);
  return scheduled;
}

std::optional<Scheduled> first_that_fits(const Lowered& whole, const MemoryModel& model) {
  BandChoices choices(model);
  std::int64_t last = -1;
  for (const double share : kShares) {
    const auto budget = static_cast<std::int64_t>(share * static_cast<double>(capacity(model)));
    if (budget == last) continue;
    last = budget;
    if (auto scheduled = planned(whole, model, budget, choices)) return scheduled;
  }
  return std::nullopt;
}

bool fits_whole(const Graph& quantized, const Machine& machine,
                const std::vector<std::size_t>& order) {
  try {
    schedule_in_order(quantized, machine, order);
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

}  // namespace

Scheduled schedule_tight(const Graph& quantized, const Machine& machine,
                         std::span<const std::vector<std::size_t>> orders) {
  std::optional<Scheduled> best;
  for (const auto& order : orders) {
    Lowered whole = lower(quantized, machine, order);
    const MemoryModel model(whole, machine);
    auto scheduled = first_that_fits(whole, model);
    if (scheduled && (!best || scheduled->time < best->time)) best = std::move(scheduled);
  }
  if (!best) does_not_fit(quantized, machine, orders.back());
  return std::move(*best);
}

}  // namespace workbench::xdnn
