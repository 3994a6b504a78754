#include "explore/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

namespace workbench {

namespace {

// What one resource does during [begin, end) for one layer; only useful or stalled time, no waits.
struct Busy {
  Cycles begin, end;
  std::int32_t instruction = 0;
  std::size_t layer = 0;
  Cause cause = Cause::Work;
};

// `explains`: of a resource that answers for its waits itself.
bool is_busy(Cause cause, bool explains = false) {
  switch (cause) {
    case Cause::Work:
    case Cause::FillDrain:
    case Cause::WeightLoad:
    case Cause::MemoryWait:
    case Cause::PortStall:
      return true;
    case Cause::WaitEngine:
    case Cause::Issue:
      return explains;
    case Cause::Idle:
      return false;
  }
  CHECK(false, "cause {}", static_cast<int>(cause));
}

// Work counts as EdgeAndPadding until the layer's MACs are known to be a part of it.
Step array_step(Cause cause) {
  CHECK(cause != Cause::Idle, "the array is not busy with {}", to_string(cause));
  return cause == Cause::Work ? Step::EdgeAndPadding : step_of(cause);
}

// Busy intervals of each resource, in order of time.
std::vector<std::vector<Busy>> busy_by_resource(const ProgramInfo& program,
                                                const Timeline& timeline,
                                                const MachineInfo& machine) {
  std::vector<std::vector<Busy>> result(timeline.resources.size());
  for (const Interval& interval : timeline.intervals) {
    const bool explains =
        machine.cluster &&
        timeline.resources[static_cast<std::size_t>(interval.resource)] == machine.array_resource;
    if (!is_busy(interval.cause, explains) || interval.begin == interval.end) continue;
    const auto layer = layer_of(program, interval.instruction);
    if (!layer) continue;
    result.at(static_cast<std::size_t>(interval.resource))
        .push_back({interval.begin, interval.end, interval.instruction, *layer, interval.cause});
  }
  return result;
}

// Walks the busy lists of all resources together, from one change to the next.
class Sweep {
 public:
  // `background`: resources that work on another image, in throughput mode.
  Sweep(std::vector<std::vector<Busy>> busy, std::size_t array, std::vector<bool> background,
        Cycles end)
      : busy_(std::move(busy)),
        cursor_(busy_.size()),
        array_(array),
        background_(std::move(background)),
        end_(end) {
    for (const auto& list : busy_) starts_.insert(starts_.end(), list.begin(), list.end());
    std::sort(starts_.begin(), starts_.end(), [](const Busy& a, const Busy& b) {
      return std::tie(a.begin, a.instruction) < std::tie(b.begin, b.instruction);
    });
  }

  // Calls account(layer, step, cycles) for consecutive pieces of [0, end).
  template <typename Account>
  void run(const Account& account) {
    Cycles now;
    while (now < end_) {
      const Cycles next = skip_to(now);
      const auto [layer, step] = explain(now);
      account(layer, step, next - now);
      now = next;
    }
  }

 private:
  const Busy* current(std::size_t resource, Cycles now) const {
    const auto& list = busy_[resource];
    if (cursor_[resource] == list.size() || list[cursor_[resource]].begin > now) return nullptr;
    return &list[cursor_[resource]];
  }

  // Moves the cursors past what ended by `now`; the time of the next change.
  Cycles skip_to(Cycles now) {
    Cycles next = end_;
    for (std::size_t r = 0; r < busy_.size(); ++r) {
      const auto& list = busy_[r];
      while (cursor_[r] < list.size() && list[cursor_[r]].end <= now) ++cursor_[r];
      if (cursor_[r] == list.size()) continue;
      const Busy& busy = list[cursor_[r]];
      next = std::min(next, busy.begin > now ? busy.begin : busy.end);
    }
    return next;
  }

  std::pair<std::size_t, Step> explain(Cycles now) const {
    if (const Busy* array = current(array_, now)) return {array->layer, array_step(array->cause)};
    if (const auto own = explain_by(now, false)) return *own;
    if (const auto other_image = explain_by(now, true)) return *other_image;
    return {upcoming_layer(now), Step::Issue};
  }

  // By the earliest issued instruction that keeps a resource busy: one of the image in the array,
  // or one in the background.
  std::optional<std::pair<std::size_t, Step>> explain_by(Cycles now, bool background) const {
    const Busy* first = nullptr;
    bool memory_wait = false;
    for (std::size_t r = 0; r < busy_.size(); ++r) {
      const Busy* busy = current(r, now);
      if (busy == nullptr || background_[r] != background) continue;
      const bool stalled = busy->cause == Cause::MemoryWait;
      if (first == nullptr || busy->instruction < first->instruction) {
        first = busy;
        memory_wait = stalled;
      } else if (busy->instruction == first->instruction) {
        memory_wait = memory_wait || stalled;
      }
    }
    if (first == nullptr) return std::nullopt;
    return std::pair{first->layer, memory_wait ? Step::MemoryWait : Step::OtherEngine};
  }

  // Layer of the next instruction to start; of the last one when none is left.
  std::size_t upcoming_layer(Cycles now) const {
    if (starts_.empty()) return 0;
    const auto next = std::lower_bound(starts_.begin(), starts_.end(), now,
                                       [](const Busy& busy, Cycles t) { return busy.begin < t; });
    return next == starts_.end() ? starts_.back().layer : next->layer;
  }

  std::vector<std::vector<Busy>> busy_;
  std::vector<std::size_t> cursor_;
  std::vector<Busy> starts_;
  std::size_t array_;
  std::vector<bool> background_;
  Cycles end_;
};

Cycles& at(Waterfall& waterfall, Step step) { return waterfall[static_cast<std::size_t>(step)]; }

std::size_t array_index(const Timeline& timeline, const MachineInfo& machine) {
  const auto found =
      std::find(timeline.resources.begin(), timeline.resources.end(), machine.array_resource);
  CHECK(found != timeline.resources.end(), "no resource {}", machine.array_resource);
  return static_cast<std::size_t>(found - timeline.resources.begin());
}

// Those of the array for the first layer, which is an image ahead (sim/xdnn/overlay.cpp names
// them).
std::vector<bool> background_resources(const Timeline& timeline) {
  std::vector<bool> result;
  for (const std::string& name : timeline.resources) result.push_back(name.starts_with("slice 0 "));
  return result;
}

// "64x56x56": channels, rows, columns of [1, C, H, W].
std::string shape_text(const Shape& shape) {
  const std::size_t skip = shape.size() > 1 && shape[0] == 1 ? 1 : 0;
  return fmt::format(
      "{}", fmt::join(shape.begin() + static_cast<std::ptrdiff_t>(skip), shape.end(), "x"));
}

std::string_view wait_name(Step step, bool cluster) {
  switch (step) {
    case Step::WeightLoad:
      return "weights";
    case Step::MemoryWait:
      return cluster ? "transfers" : "ddr";
    case Step::PortStall:
      return cluster ? "banks" : "port";
    case Step::OtherEngine:
      return cluster ? "barriers" : "engine";
    case Step::Issue:
      return cluster ? "code" : "issue";
    case Step::FillAndDrain:
      return "fill";
    case Step::Ideal:
    case Step::EdgeAndPadding:
      break;
  }
  return "";
}

// Everything but work, largest first, from one percent of the layer's cycles on.
std::string waits_text(const LayerReport& layer, bool cluster) {
  std::vector<std::pair<Cycles, Step>> waits;
  for (std::size_t s = static_cast<std::size_t>(Step::FillAndDrain); s < kSteps; ++s) {
    if (layer.waterfall[s].value * 100 >= std::max<std::int64_t>(layer.cycles.value, 1)) {
      waits.emplace_back(layer.waterfall[s], static_cast<Step>(s));
    }
  }
  std::stable_sort(waits.begin(), waits.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  for (const auto& [cycles, step] : waits) {
    text += fmt::format("{}{} {}%", text.empty() ? "" : ", ", wait_name(step, cluster),
                        cycles.value * 100 / layer.cycles.value);
  }
  return text;
}

std::vector<LayerReport> empty_layers(const ProgramInfo& program, const MachineInfo& machine) {
  std::vector<LayerReport> layers;
  for (const LayerInfo& info : program.layers) {
    layers.push_back({.name = info.name,
                      .op = info.op,
                      .shape = shape_text(info.shape),
                      .macs = info.macs,
                      .ops = info.ops,
                      .result_bytes = info.result_words * machine.word_bytes});
  }
  return layers;
}

// A layer without work on this array has run on another engine, whose share does not count here.
void add_rate(LayerReport& layer, const MachineInfo& machine) {
  if (layer.cycles.value > 0 && layer.on_array) {
    layer.mac_per_cycle =
        static_cast<double>(layer.macs * machine.images) / static_cast<double>(layer.cycles.value);
  }
  layer.percent_of_peak = 100 * layer.mac_per_cycle / machine.peak_macs_per_cycle;
}

void finish_layer(LayerReport& layer, const MachineInfo& machine) {
  const Cycles work = at(layer.waterfall, Step::EdgeAndPadding);
  const auto macs = static_cast<double>(layer.macs * machine.images);
  const auto ideal = static_cast<std::int64_t>(std::llround(macs / machine.peak_macs_per_cycle));
  at(layer.waterfall, Step::Ideal) = std::min(work, Cycles{ideal});
  at(layer.waterfall, Step::EdgeAndPadding) = work - at(layer.waterfall, Step::Ideal);
  layer.on_array = work.value > 0;
  add_rate(layer, machine);
  layer.waits = waits_text(layer, machine.cluster);
}

void add_spans_and_bytes(std::vector<LayerReport>& layers, const ProgramInfo& program,
                         const Timeline& timeline) {
  std::vector<Cycles> first(layers.size(), timeline.end), last(layers.size());
  for (const Interval& interval : timeline.intervals) {
    const auto layer = layer_of(program, interval.instruction);
    if (!layer) continue;
    layers[*layer].external_bytes += interval.bytes.value;
    if (!is_busy(interval.cause)) continue;
    first[*layer] = std::min(first[*layer], interval.begin);
    last[*layer] = std::max(last[*layer], interval.end);
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (last[i] > first[i]) layers[i].busy_cycles = last[i] - first[i];
  }
}

void add_totals(Report& report) {
  for (const LayerReport& layer : report.layers) {
    for (std::size_t s = 0; s < kSteps; ++s) report.waterfall[s] += layer.waterfall[s];
    report.external_bytes += layer.external_bytes;
  }
  for (const HostStepInfo& step : report.program.host_steps) {
    report.host_ms += step.milliseconds;
  }
  if (report.cycles.value == 0) return;  // nothing ran on the accelerator
  const auto cycles = static_cast<double>(report.cycles.value);
  report.run_ms = cycles / (report.machine.report_clock_mhz * 1e3);
  const std::int64_t images = report.machine.images;
  std::int64_t macs = 0;  // of the accelerator: host steps do not count
  for (const LayerReport& layer : report.layers) macs += layer.macs;
  report.mac_per_cycle = static_cast<double>(macs * images) / cycles;
  report.array_efficiency = report.mac_per_cycle / report.machine.peak_macs_per_cycle;
}

void add_engines(Report& report, std::vector<EngineReport> engines) {
  if (engines.empty()) engines.push_back({.latency = report.cycles, .interval = report.cycles});
  const double cycles_per_ms = report.machine.report_clock_mhz * 1e3;
  const auto images = static_cast<double>(report.machine.images);
  // The host of a cluster is a core of the same chip, which the image and the next one wait for;
  // that of a card computes beside it.
  const double waiting_ms = report.machine.cluster ? report.host_ms : 0;
  report.latency_ms = static_cast<double>(engines[0].latency.value) / cycles_per_ms + waiting_ms;
  for (EngineReport& engine : engines) {
    const double ms = static_cast<double>(engine.interval.value) / cycles_per_ms + waiting_ms;
    if (ms > 0) engine.images_per_second = 1e3 * images / ms;  // or nothing ran on the accelerator
  }
  const auto slowest = std::min_element(engines.begin(), engines.end(),
                                        [](const EngineReport& a, const EngineReport& b) {
                                          return a.images_per_second < b.images_per_second;
                                        });
  report.images_per_second = static_cast<double>(engines.size()) * slowest->images_per_second;
  report.engine_images_per_second = engines[0].images_per_second;
  report.engines = std::move(engines);
}

}  // namespace

std::string_view to_string(Step step) {
  switch (step) {
    case Step::Ideal:
      return "ideal";
    case Step::EdgeAndPadding:
      return "edge and padding";
    case Step::FillAndDrain:
      return "fill and drain";
    case Step::WeightLoad:
      return "weight load";
    case Step::MemoryWait:
      return "memory wait";
    case Step::PortStall:
      return "port stall";
    case Step::OtherEngine:
      return "other engine";
    case Step::Issue:
      return "issue";
  }
  CHECK(false, "step {}", static_cast<int>(step));
}

Step step_of(Cause cause) {
  switch (cause) {
    case Cause::Work:
      return Step::Ideal;
    case Cause::FillDrain:
      return Step::FillAndDrain;
    case Cause::WeightLoad:
      return Step::WeightLoad;
    case Cause::MemoryWait:
      return Step::MemoryWait;
    case Cause::PortStall:
      return Step::PortStall;
    case Cause::WaitEngine:
      return Step::OtherEngine;
    case Cause::Issue:
    case Cause::Idle:
      return Step::Issue;
  }
  CHECK(false, "cause {}", static_cast<int>(cause));
}

std::string step_key(Step step) {
  std::string text(to_string(step));
  std::replace(text.begin(), text.end(), ' ', '_');
  return text;
}

std::string_view label(Step step, const MachineInfo& machine) {
  if (!machine.cluster) return step == Step::MemoryWait ? "ddr stall" : to_string(step);
  switch (step) {
    case Step::Ideal:
      return "ideal";
    case Step::EdgeAndPadding:
      return "kernel code";
    case Step::FillAndDrain:
    case Step::WeightLoad:
      return to_string(step);
    case Step::MemoryWait:
      return "transfers";
    case Step::PortStall:
      return "bank conflicts";
    case Step::OtherEngine:
      return "barriers";
    case Step::Issue:
      return "tile code";
  }
  CHECK(false, "step {}", static_cast<int>(step));
}

std::optional<std::size_t> layer_of(const ProgramInfo& program, std::int32_t instruction) {
  if (instruction < 0) return std::nullopt;
  const auto index = static_cast<std::size_t>(instruction);
  CHECK(index < program.instruction_layer.size(), "instruction {} of {}", index,
        program.instruction_layer.size());
  const std::int32_t layer = program.instruction_layer[index];
  if (layer < 0) return std::nullopt;
  CHECK(static_cast<std::size_t>(layer) < program.layers.size(), "layer {}", layer);
  return static_cast<std::size_t>(layer);
}

Report make_report(const ProgramInfo& program, const Timeline& timeline, const MachineInfo& machine,
                   std::vector<EngineReport> engines) {
  CHECK(!program.layers.empty() || timeline.end == Cycles{}, "cycles but no layer");
  CHECK(machine.peak_macs_per_cycle > 0 && machine.report_clock_mhz > 0, "machine {}",
        machine.name);
  Report report{.machine = machine, .program = program, .layers = empty_layers(program, machine)};
  report.cycles = timeline.end;
  if (timeline.end > Cycles{}) {
    Sweep sweep(busy_by_resource(program, timeline, machine), array_index(timeline, machine),
                background_resources(timeline), timeline.end);
    sweep.run([&report](std::size_t layer, Step step, Cycles cycles) {
      report.layers[layer].cycles += cycles;
      at(report.layers[layer].waterfall, step) += cycles;
    });
  }
  for (LayerReport& layer : report.layers) finish_layer(layer, machine);
  add_spans_and_bytes(report.layers, program, timeline);
  add_totals(report);
  add_engines(report, std::move(engines));
  return report;
}

Report make_report(const ProgramInfo& program, const std::vector<LayerTime>& layers,
                   const MachineInfo& machine, std::vector<EngineReport> engines) {
  CHECK(layers.size() == program.layers.size(), "times of {} layers of {}", layers.size(),
        program.layers.size());
  // Nothing of single instructions is asked of a report without a timeline.
  ProgramInfo about{.network = program.network,
                    .machine = program.machine,
                    .layers = program.layers,
                    .host_steps = program.host_steps,
                    .network_macs = program.network_macs,
                    .network_ops = program.network_ops,
                    .network_parameters = program.network_parameters,
                    .peak_bytes = program.peak_bytes,
                    .minimum_bytes = program.minimum_bytes,
                    .extent_bytes = program.extent_bytes,
                    .capacity_bytes = program.capacity_bytes,
                    .moveops = program.moveops,
                    .io_bytes = program.io_bytes};
  Report report{.machine = machine,
                .program = std::move(about),
                .layers = empty_layers(program, machine),
                .cycles = engines.at(0).interval};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    report.layers[i].cycles = layers[i].cycles;
    report.layers[i].on_array = layers[i].on_array;
    add_rate(report.layers[i], machine);
  }
  add_totals(report);
  add_engines(report, std::move(engines));
  return report;
}

std::vector<LayerSignalToNoise> failures(const RunResult& result) {
  std::vector<LayerSignalToNoise> failures;
  for (const LayerSignalToNoise& layer : result.signal_to_noise) {
    // Negated so that NaN fails too.
    if (!(layer.decibel >= kSignalToNoiseFloorDb)) failures.push_back(layer);
  }
  return failures;
}

std::vector<LayerSignalToNoise> useless(const RunResult& result) {
  std::vector<LayerSignalToNoise> found;
  for (const LayerSignalToNoise& layer : result.signal_to_noise) {
    if (layer.one_code || !(layer.decibel >= kSignalToNoiseFloorDb)) found.push_back(layer);
  }
  return found;
}

bool passed(const RunResult& result) {
  return (!result.verdict || result.verdict->bit_exact()) && result.hazards.empty();
}

void count_images(std::int64_t images, Report& report) {
  const auto factor = static_cast<double>(images);
  report.machine.images *= images;
  report.images_per_second *= factor;
  report.engine_images_per_second *= factor;
  for (EngineReport& engine : report.engines) engine.images_per_second *= factor;
}

void add_counters(const std::vector<Cycles>& counters, Report& report) {
  if (counters.empty()) return;
  CHECK(counters.size() == report.layers.size(), "{} counters of {} layers", counters.size(),
        report.layers.size());
  Cycles sum;
  for (std::size_t i = 0; i < counters.size(); ++i) {
    report.layers[i].num_cycles = counters[i];
    sum += counters[i];
  }
  report.num_cycles = sum;
}

}  // namespace workbench
