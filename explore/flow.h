// What the two families do differently between a network and a result; pipeline.cpp joins it.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "explore/pipeline.h"

namespace workbench {

// Wall time of a stage, added to `seconds` when the scope ends.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Calibration of a float network (flow.cpp).
struct Measured {
  Thresholds thresholds;
  NamedTensors reference;
};
// Thresholds of every value of `passed`. They and the reference come from evaluating `imported`,
// so that no pass has touched them; only values that a pass invented are measured on `passed`.
Measured measure(const Graph& imported, const Graph& passed, const RunData& data, int bits,
                 bool keep_reference);
// Float values of the run's input, for the names that the passes keep.
NamedTensors reference_values(const Graph& imported, const Graph& passed,
                              std::span<const Tensor> input);
// `prepared` as integers by the recipe that the request names. Sets `reference` of `compiled`.
Graph integers_by_recipe(const Graph& imported, const Graph& prepared, const RunData& data,
                         const CompileRequest& request, const QuantizeTarget& target,
                         Compiled& compiled, const Progress& progress);
// Writes what --save-optimized asks for. Thresholds that came with a quantized model are no part of
// a float network: says so.
void save_optimized(const Graph& passed, const std::filesystem::path& path,
                    std::vector<std::string>& warnings);

// A program that was saved, or its assembly, to run instead of compiling. Throws Error when it was
// not made from `quantized`.
pulp::Program pulp_program(const std::filesystem::path& path, const Graph& quantized);

// What a network that came as integers runs on: its golden input, or seeded codes.
RunData integer_data(const Graph& imported, const CompileRequest& request);

// The integer network that the family's compiler reads. Sets `input` and `reference` of `compiled`.
Graph xdnn_integers(Graph imported, const CompileRequest& request, RunData data, Compiled& compiled,
                    const Progress& progress);
Graph pulp_integers(Graph imported, const CompileRequest& request, RunData data, Compiled& compiled,
                    const Progress& progress);

struct Simulated {
  std::vector<Tensor> outputs;
  NamedTensors tensors;
  Timeline timeline;
  std::vector<Hazard> hazards;
  std::vector<EngineReport> engines;
  std::vector<Cycles> counters;
  std::vector<std::string> warnings;
};
Simulated xdnn_simulated(const Compiled& compiled, bool values);
Simulated pulp_simulated(const Compiled& compiled, bool values);

}  // namespace workbench
