// Report: a pure function of (program info, timeline, machine info), or of a tier's times of
// layers. A member that metrics.cpp has a row for is called as the row. The waterfall gives every
// cycle of [0, timeline.end) exactly one layer and one cause. RunResult: all that one run produced,
// as the writers (text.h, export.h) show it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "explore/energy/estimate.h"
#include "explore/report/advice.h"
#include "isa/bounds.h"
#include "isa/program_info.h"
#include "isa/timeline.h"
#include "sim/verdict.h"

namespace workbench {

// Where a cycle of the whole run went. Sum over steps = total cycles.
enum class Step {
  Ideal,
  EdgeAndPadding,
  FillAndDrain,
  WeightLoad,
  MemoryWait,
  PortStall,
  OtherEngine,
  Issue
};
inline constexpr std::size_t kSteps = 8;
std::string_view to_string(Step step);
// What a cause of a resource's time shows as: work as Ideal, idling as Issue.
Step step_of(Cause cause);
std::string step_key(Step step);  // in JSON and CSV: "memory_wait"
// The family's own word for it: "ddr stall", or "transfers" of a cluster, for MemoryWait.
std::string_view label(Step step, const MachineInfo& machine);

using Waterfall = std::array<Cycles, kSteps>;

// What a program takes of its machine whatever the time it takes, with estimates of energy and
// area: add_costs() of metrics.h.
struct Costs {
  std::int64_t program_bytes = 0, instructions = 0;
  std::optional<std::int64_t> l1_bytes, l2_bytes, dma_bytes, l3_bytes;  // PULP
  std::optional<std::int64_t> dsps, urams, brams;                       // xDNN, of all engines
  Estimate energy_mj, area_mm2;                                         // of one image; of the card
  double power_mw = 0;
};
struct LayerCosts {
  std::optional<std::int64_t> dma_bytes, l3_bytes;  // PULP
  double energy_mj = 0;                             // of one image
};

struct LayerReport {
  std::string name, op, shape;
  std::int64_t macs = 0, ops = 0;
  Cycles cycles;       // of the total that are this layer's: the sum over layers is the total
  Cycles busy_cycles;  // first instruction's begin to last one's end, overlap included
  std::optional<Cycles> num_cycles;  // PULP: between DORY's counter start and stop
  bool on_array = false;             // has work there: cycles say something of the array
  Waterfall waterfall{};             // adds up to `cycles`; all 0 in a tier that does not know it
  std::string waits;                 // causes of waiting, largest first: "weights 31%, ddr 4%"
  std::int64_t external_bytes = 0, result_bytes = 0;
  double mac_per_cycle = 0, percent_of_peak = 0;
  std::optional<LayerCosts> costs;
};

// One engine of the card, all of which run the same program on images of their own.
struct EngineReport {
  Cycles latency;     // of the first image
  Cycles interval;    // from image to image in the steady state
  Cycles ddr_waited;  // its requests, until the DDR bank served them
  double images_per_second = 0;
};

struct Report {
  MachineInfo machine;
  ProgramInfo program;
  std::vector<LayerReport> layers;
  Cycles cycles;  // of engine 0: of a run; in throughput mode from image to image
  std::optional<Cycles> cycles_at_least;  // analytic tier: a bound on `cycles` of the others
  std::optional<Cycles> num_cycles;       // PULP: the sum of the layers'
  Waterfall waterfall{};
  std::vector<EngineReport> engines;
  double run_ms = 0, latency_ms = 0;  // of `cycles`; of one image on engine 0
  double images_per_second = 0;       // of the card: all engines at the pace of the slowest
  double engine_images_per_second = 0;
  double mac_per_cycle = 0, array_efficiency = 0, host_ms = 0;
  std::int64_t external_bytes = 0;
  std::optional<Costs> costs;
};

// Of an instruction, as an index into `layers`; none: it belongs to no layer.
std::optional<std::size_t> layer_of(const ProgramInfo& program, std::int32_t instruction);

// `engines`: one per engine of the card, the first with `timeline` as its interval; none: just that
// one, its latency the timeline's.
Report make_report(const ProgramInfo& program, const Timeline& timeline, const MachineInfo& machine,
                   std::vector<EngineReport> engines = {});

// Of a tier without a timeline. `cycles` is the first engine's interval, to which those of the
// layers, one per layer of the program, add up.
struct LayerTime {
  Cycles cycles;
  bool on_array = false;
};
Report make_report(const ProgramInfo& program, const std::vector<LayerTime>& layers,
                   const MachineInfo& machine, std::vector<EngineReport> engines);

// The program computes so many images at once, all of them in its layers: sets what is counted per
// image or per second.
void count_images(std::int64_t images, Report& report);

// Sets num_cycles of the report and of its layers, one counter for each; none: leaves them unknown.
void add_counters(const std::vector<Cycles>& counters, Report& report);

// A layer whose signal-to-noise against the float network is below this is a failure: its import,
// fold, rewrite or quantization is wrong, however bit-exact the simulation.
inline constexpr double kSignalToNoiseFloorDb = 10;

struct LayerSignalToNoise {
  std::string name;  // of the value
  double decibel = 0;
  bool one_code = false;  // all codes are equal, and the float network's values are not
};

struct ClassScore {
  std::int64_t index = 0;
  double score = 0;
};

// Best five classes of one output, best first, in the float network and in the integer one.
struct Classification {
  std::string output;
  std::vector<ClassScore> in_float, in_integer;
};

// Figures of real machines that the model was held against (docs/validation.md), as far as they say
// something of a run: those of its machine that ran kernels which it runs, too.
struct SupportingFigure {
  std::string name, metric, source, calibrates;  // as in the file of figures
  double value = 0;
};
struct Support {
  std::string machine;               // whose figures they are: the run's, as shipped
  std::vector<std::string> changed;  // knobs in which the run's differs, and theirs do not
  std::vector<SupportingFigure> figures;
  std::vector<std::string> never_measured;  // kernels of the run that no such figure ran
};

struct WallTimes {
  double import_seconds = 0, calibrate_seconds = 0, compile_seconds = 0;
  double simulate_seconds = 0, golden_seconds = 0;
};

struct RunResult {
  Report report;
  Timeline timeline;
  std::optional<Verdict> verdict;  // none: golden was off
  std::optional<Bounds> bounds;    // none: not asked for
  std::vector<Hazard> hazards;
  std::vector<LayerSignalToNoise> signal_to_noise;  // in graph order
  std::vector<Classification> classifications;
  std::vector<std::string> warnings;
  std::optional<std::vector<KnobStep>> advice;  // none: not asked for
  std::optional<Support> support;               // none: nobody asked
  std::optional<WallTimes> wall;                // none: deterministic output was asked for
};

// Values whose signal-to-noise is below the floor.
std::vector<LayerSignalToNoise> failures(const RunResult& result);
// Those, and values that have one code throughout: bit-exact and of no use.
std::vector<LayerSignalToNoise> useless(const RunResult& result);

// Bit-exact as far as it was compared, and without hazard: the exit code. A layer drowned in noise
// is printed as a failure, but how good 8 bits are is another question than whether they are right.
bool passed(const RunResult& result);

}  // namespace workbench
