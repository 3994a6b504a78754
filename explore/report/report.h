// Report: a pure function of (program info, timeline, machine info). Metrics with unit and formula,
// per layer and in total; the waterfall gives every cycle of [0, timeline.end) exactly one layer
// and one cause. RunResult: all that one run produced, as the writers (text.h, export.h) show it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  DdrStall,
  PortStall,
  OtherEngine,
  Issue
};
inline constexpr std::size_t kSteps = 8;
std::string_view to_string(Step step);
// What people call it: on a cluster of cores, "bank conflicts" for what is PortStall, and so on.
std::string_view label(Step step, const MachineInfo& machine);

using Waterfall = std::array<Cycles, kSteps>;

struct LayerReport {
  std::string name, op, shape;
  std::int64_t macs = 0, ops = 0;
  Cycles cycles;          // of the total that are this layer's: the sum over layers is the total
  Cycles busy;            // first instruction's begin to last one's end, overlap included
  Waterfall waterfall{};  // adds up to `cycles`
  std::string waits;      // what it waited for, most first: "weights 31%, ddr 4%"
  std::int64_t ddr_bytes = 0, memory_words = 0;
  double mac_per_cycle = 0, percent_of_peak = 0;
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
  Waterfall waterfall{};
  std::vector<EngineReport> engines;
  double latency_milliseconds = 0;    // of one image on engine 0
  double card_images_per_second = 0;  // all engines, at the pace of the slowest
  double milliseconds = 0, images_per_second = 0, mac_per_cycle = 0, array_efficiency = 0;
  std::int64_t ddr_bytes = 0;
  double host_milliseconds = 0;
};

// `engines`: one per engine of the card, the first with `timeline` as its interval; none: just that
// one, its latency the timeline's.
Report make_report(const ProgramInfo& program, const Timeline& timeline, const MachineInfo& machine,
                   std::vector<EngineReport> engines = {});

// A layer whose signal-to-noise against the float network is below this is a failure: its import,
// fold, rewrite or quantization is wrong, however bit-exact the simulation.
inline constexpr double kSignalToNoiseFloorDb = 10;

struct LayerSignalToNoise {
  std::string name;  // of the value
  double decibel = 0;
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

struct WallTimes {
  double import_seconds = 0, calibrate_seconds = 0, compile_seconds = 0;
  double simulate_seconds = 0, golden_seconds = 0;
};

struct RunResult {
  Report report;
  Timeline timeline;
  std::optional<Verdict> verdict;  // none: golden was off
  std::vector<Hazard> hazards;
  std::vector<LayerSignalToNoise> signal_to_noise;  // in graph order
  std::vector<Classification> classifications;
  std::vector<std::string> warnings;
  std::optional<WallTimes> wall;  // none: deterministic output was asked for
};

// Values whose signal-to-noise is below the floor.
std::vector<LayerSignalToNoise> failures(const RunResult& result);

// Bit-exact as far as it was compared, and without hazard: the exit code. A layer drowned in noise
// is printed as a failure, but how good 8 bits are is another question than whether they are right.
bool passed(const RunResult& result);

}  // namespace workbench
