// `workbench run` as functions: model -> Graph -> integer Graph -> Program -> simulation beside the
// golden model -> result. Each arrow is a function of another folder; here they are joined.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/pulp/compile.h"
#include "compiler/quantize/recipe.h"
#include "compiler/xdnn/order.h"
#include "explore/flow/inputs.h"
#include "explore/flow/machine.h"
#include "explore/flow/signal_to_noise.h"
#include "explore/report/report.h"

namespace workbench {

// Told what is about to be done, and how much of the whole lies behind (0 to 1).
using Progress = std::function<void(std::string_view stage, double fraction)>;
// Of a stage that takes that part of the whole.
Progress within(const Progress& whole, double begin, double end);

// Every pass that can be switched: those of the float pipeline in the order they run, then the
// rewrites that fit a network into a machine's limits.
std::vector<PassDescription> known_passes();

struct CompileRequest {
  ModelSource model;
  std::filesystem::path machine;
  MachineOptions overrides;  // of what that file says
  DataOptions data;
  std::filesystem::path quantizer_table;  // quantizer JSON to use; empty: none
  // How a float network is quantized (explore/scheme.h); empty: "published", xfDNN's thresholds, on
  // PULP in NEMO's integers.
  std::string scheme;
  std::vector<std::string> transforms;  // of the scheme "graffitist"; empty: the published ones
  Effort effort = Effort::Normal;
  std::filesystem::path calibration_cache;  // folder (statistics_cache.h); empty: none
  std::filesystem::path dump_passes;        // folder; empty: no dump
  std::filesystem::path save_optimized;  // ONNX file for the network after the passes; empty: none
  PassSwitches passes;                   // which of known_passes() run
  std::filesystem::path program;  // somebody else's, to run instead of compiling; empty: none. Then
                                  // the model gives the weights, or is empty: seeded ones
  bool allow_host = true;
  xdnn::OrderOptions schedule;  // xDNN
  pulp::Tiler tiler = pulp::Tiler::Optimal;
  pulp::NormBits norm_bits = pulp::NormBits::Auto;
  bool keep_reference = true;  // float values of the run's input, for accuracy figures
};

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

// Throws Error for whatever the user's files get wrong.
Compiled compile_network(const CompileRequest& request, const Progress& progress = {});

struct SimulatedNetwork {
  RunResult result;
  std::vector<Cycles> counters;  // PULP: per layer, what DORY's counter measures
  std::vector<Tensor> outputs;
  NamedTensors tensors;  // inputs, and every value that can be read from the modelled memories
};

struct RunRequest {
  bool golden = true;  // the golden model runs beside, and the verdict is set
  bool values = true;  // false: PULP only, timing without data; then no golden either
};

// Simulates. result.wall is set. Throws Error when a machine that computes values is to do without.
SimulatedNetwork run_network(const Compiled& compiled, const RunRequest& request = {},
                             const Progress& progress = {});

}  // namespace workbench
