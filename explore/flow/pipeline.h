// `workbench run` as values, each returned by one function from those before it: Imported
// (target.h) -> Quantized (quantization.h) -> Compiled -> Simulated, beside the golden model ->
// SimulatedNetwork, the result. What families do differently is a Target's.
#pragma once

#include <functional>
#include <vector>

#include "explore/flow/quantization.h"
#include "explore/flow/request.h"
#include "explore/flow/signal_to_noise.h"
#include "explore/flow/target.h"
#include "explore/report/report.h"

namespace workbench {

// Images that one run of a program computes beside those that a machine computes side by side.
inline std::int64_t images_of(const Program& program) {
  const auto* xdnn = std::get_if<xdnn::Program>(&program);
  return xdnn != nullptr ? xdnn->images : 1;
}

// A program, and all that is needed to simulate it and to judge the result.
struct Compiled {
  Machine machine;
  Graph quantized;
  Program program;           // of the machine's family
  bool was_integer = false;  // the network came as integers: there is no float one to compare with
  std::vector<Tensor> input;
  NamedTensors reference;  // float value of each name that the passes keep; empty if not kept
  std::vector<std::string> warnings;
  std::vector<std::string> notes;  // which array of the input file went where
  WallTimes wall;

  const ProgramInfo& info() const { return workbench::info(program); }
  // Of the family that the machine is of; throws std::bad_variant_access for the other.
  const xdnn::Machine& xdnn_machine() const { return std::get<xdnn::Machine>(machine); }
  const xdnn::Program& xdnn_program() const { return std::get<xdnn::Program>(program); }
  const pulp::Machine& pulp_machine() const { return std::get<pulp::Machine>(machine); }
  const pulp::Program& pulp_program() const { return std::get<pulp::Program>(program); }
};

inline bool is_xdnn(const Compiled& compiled) {
  return std::holds_alternative<xdnn::Machine>(compiled.machine);
}

// The third stage; `target` has a machine. Without `constants` the program is good for timing
// alone. Throws Error naming what does not fit.
Compiled compile_network(const Imported& imported, const Quantized& quantized, const Target& target,
                         const CompileRequest& request, bool constants = true,
                         const Progress& progress = {});
// The three stages. Throws Error for whatever the user's files get wrong.
Compiled compile_network(const CompileRequest& request, const Progress& progress = {});

struct SimulatedNetwork {
  RunResult result;
  std::vector<Cycles> counters;  // PULP: per layer, what DORY's counter measures
  std::vector<Tensor> outputs;
  NamedTensors tensors;  // inputs, and every value that can be read from the modelled memories
};

struct RunRequest {
  bool golden = true;   // the golden model runs beside, and the verdict is set
  bool values = true;   // false: PULP only, timing without data; then no golden either
  bool bounds = false;  // result.bounds is set
};

// Simulates. result.wall is set. Throws Error when a machine that computes values is to do without.
SimulatedNetwork run_network(const Compiled& compiled, const RunRequest& request = {},
                             const Progress& progress = {});
// The same by another simulator than the target's own: another tier.
using Simulator = std::function<Simulated(const Compiled&)>;
SimulatedNetwork run_network(const Compiled& compiled, const RunRequest& request,
                             const Simulator& simulator, const Progress& progress);

}  // namespace workbench
