// Everything one run produced, as the writers (text.h, json.h, trace.h) show it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "explore/report.h"
#include "sim/verdict.h"

namespace workbench {

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
