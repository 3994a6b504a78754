// What the two families do differently between a network and a result; pipeline.cpp joins it.
#pragma once

#include <chrono>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize_target.h"
#include "core/graph.h"
#include "explore/flow/pipeline.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

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

// The network's own numbers: the imported graph's, whatever the passes make of it.
struct NetworkNumbers {
  std::string name;
  std::int64_t macs = 0, ops = 0, parameters = 0;
};
NetworkNumbers numbers_of(const Graph& imported);
void describe_network(const NetworkNumbers& numbers, ProgramInfo& info);

// The arrows of compile_network(), for those who share what one gives between machines. First:
// `imported` as the integers that `compiled.machine` runs. Sets `quantized`, `input`, `reference`,
// `was_integer` of `compiled`, adds notes and warnings. Throws Error.
void make_integers(Graph imported, const CompileRequest& request, Compiled& compiled,
                   const Progress& progress);
// Second: the compiler's program. Without `constants` it is good for timing alone (of PULP it has
// them all the same). Throws Error naming what does not fit.
Program make_program(const Graph& quantized, const Machine& machine, const CompileRequest& request,
                     bool constants = true);

// Calibration of a float network (flow.cpp).
struct Measured {
  Thresholds thresholds;
  NamedTensors reference;
};
// What `data` calibrates with, and the request's cache, which warns by way of `compiled`.
SampleSource calibration_samples(const RunData& data, const CompileRequest& request,
                                 Compiled& compiled);
// Thresholds of every value of `passed`, over `samples`, which are those of `data`. They and the
// reference come from evaluating `imported`, so that no pass has touched them; only values that a
// pass invented are measured on `passed`.
Measured measure(const Graph& imported, const Graph& passed, const RunData& data,
                 const SampleSource& samples, int bits, bool keep_reference);
// Float values of the run's input, for the names that the passes keep.
NamedTensors reference_values(const Graph& imported, const Graph& passed,
                              std::span<const Tensor> input);
// `imported` as integers by the scheme that the request names; `prepared`: the same after the
// passes. Sets `reference` of `compiled`, adds notes and warnings.
Graph integers_by_scheme(Graph imported, Graph prepared, const RunData& data,
                         const CompileRequest& request, const QuantizeTarget& target,
                         Compiled& compiled, const Progress& progress);
// Whether the request wants integers as published for the family.
bool wants_published(const CompileRequest& request);
// Thresholds of `prepared` for a network quantized as published: measured, or none where all codes
// have come with the file. Sets `reference` of `compiled`, and adds the warnings of `data`, and of
// codes that the target changes.
Thresholds published_thresholds(const Graph& imported, const Graph& prepared, const RunData& data,
                                const CompileRequest& request, const QuantizeTarget& target,
                                int bits, Compiled& compiled);
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

// Text or JSON, or the vendor's text. Throws Error.
xdnn::Listing load_listing(const std::filesystem::path& path);

// The listing as a program for `machine`, with what it leaves open told in `remarks`, and how many
// of its wait bits nothing depends on.
xdnn::Program replayed_program(const xdnn::Listing& listing, const Graph& quantized,
                               const xdnn::Machine& machine, std::vector<std::string>& remarks);

}  // namespace workbench
