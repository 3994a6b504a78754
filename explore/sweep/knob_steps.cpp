#include "explore/sweep/knob_steps.h"

#include <cmath>
#include <optional>
#include <span>

#include "core/error.h"
#include "core/fields.h"
#include "explore/report/text.h"
#include "explore/sweep/evaluate.h"
#include "explore/sweep/figures.h"

namespace workbench {

namespace {

// A step doubles or halves all of `keys` at once: a buffer grows with its memory.
struct Knob {
  std::string_view name;
  std::string_view unit;  // "bytes": as byte_text() has it
  std::vector<std::string> keys;
};

std::vector<Knob> knobs(const xdnn::Machine&) {
  return {{"activation memory", "bytes", {"am.size_bytes"}},
          {"DDR", " bytes a cycle", {"ddr.word_bytes"}},
          {"filter buffers", "", {"filters.buffers"}},
          {"width of the array", "", {"array.rows"}},
          {"columns of the array", "", {"array.columns"}}};
}

std::vector<Knob> knobs(const pulp::Machine&) {
  return {{"cores", "", {"cluster.cores"}},
          {"L1", "bytes", {"l1.buffer_bytes", "l1.size_bytes"}},
          {"L2", "bytes", {"l2.buffer_bytes", "l2.size_bytes"}},
          {"DMA", " bytes a cycle", {"dma.bytes_per_cycle"}},
          {"L3", " MB/s", {"l3.megabytes_per_second"}}};
}

// The number of that dotted name.
template <HasFields T>
double value_of(const T& object, const std::string& name) {
  const std::size_t dot = name.find('.');
  double found = 0;
  for_each_field(object, [&](std::string_view field, const auto& member, auto&&...) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if (field != name.substr(0, dot)) return;
    if constexpr (HasFields<Member>) {
      if (dot != std::string::npos) found = value_of(member, name.substr(dot + 1));
    } else if constexpr (std::is_arithmetic_v<Member>) {
      found = static_cast<double>(member);
    }
  });
  return found;
}

template <typename M>
struct OverridesOf;
template <>
struct OverridesOf<xdnn::Machine> {
  using Type = xdnn::MachineOverrides;
};
template <>
struct OverridesOf<pulp::Machine> {
  using Type = pulp::MachineOverrides;
};

// With the knob's numbers times `factor`; none: there is no such machine.
template <typename M>
std::optional<Machine> stepped(const M& machine, const Knob& knob, double factor) {
  typename OverridesOf<M>::Type overrides;
  for (const std::string& key : knob.keys) {
    const double value = value_of(machine, key) * factor;
    if (value != std::floor(value) && knob.unit != " MB/s") return std::nullopt;
    overrides.settings.push_back(fmt::format("{}={}", key, value));
  }
  try {
    return with_overrides(machine, overrides);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string value_text(const Knob& knob, double value) {
  if (knob.unit == "bytes") return byte_text(static_cast<std::int64_t>(value));
  return fmt::format("{:g}{}", value, knob.unit);
}

// Milliseconds of an image by the analytic tier; none: the network does not fit.
std::optional<double> milliseconds(PreparedNetworks& networks, const CompileRequest& request,
                                   const Machine& machine) {
  const auto& answer = networks.program(request, machine, false);
  if (!answer.obstacle.empty()) return std::nullopt;
  const double pace = analytic_report(answer.compiled.program, machine).images_per_second;
  if (pace <= 0) return std::nullopt;
  return 1e3 / pace;
}

}  // namespace

std::vector<KnobStep> knob_steps(const CompileRequest& request, const Progress& progress) {
  PreparedNetworks networks;
  const Machine base = load_machine(request.machine, request.overrides);
  const std::optional<double> now = milliseconds(networks, request, base);
  std::vector<KnobStep> steps;
  if (!now) return steps;
  const auto add_steps = [&](const auto& machine) {
    const std::vector<Knob> all = knobs(machine);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Knob& knob = all[i];
      if (progress) progress("advise", static_cast<double>(i) / static_cast<double>(all.size()));
      const double value = value_of(machine, knob.keys.front());
      for (const double factor : {2.0, 0.5}) {
        const std::optional<Machine> other = stepped(machine, knob, factor);
        const auto then = other ? milliseconds(networks, request, *other) : std::nullopt;
        if (!then) continue;
        steps.push_back({.knob = std::string(knob.name),
                         .from = value_text(knob, value),
                         .to = value_text(knob, value * factor),
                         .up = factor > 1,
                         .change = *then / *now - 1});
      }
    }
  };
  std::visit(add_steps, base);
  return steps;
}

}  // namespace workbench
