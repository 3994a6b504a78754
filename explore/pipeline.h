// `workbench run` as functions: model -> Graph -> integer Graph -> Program -> simulation beside the
// golden model -> result. Each arrow is a function of another folder; here they are joined.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "compiler/passes/switches.h"
#include "compiler/quantize/quantize.h"
#include "compiler/xdnn/order.h"
#include "explore/accuracy.h"
#include "explore/data.h"
#include "explore/model.h"
#include "explore/result.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/overrides.h"
#include "isa/xdnn/program.h"

namespace workbench {

// Told what is about to be done, and how much of the whole lies behind (0 to 1).
using Progress = std::function<void(std::string_view stage, double fraction)>;

// Every pass that can be switched: those of the float pipeline in the order they run, then the
// rewrites that fit a network into a machine's limits.
std::vector<PassDescription> known_passes();

struct CompileRequest {
  ModelSource model;
  std::filesystem::path machine;
  xdnn::MachineOverrides overrides;  // of what that file says
  DataOptions data;
  std::filesystem::path quantizer_table;  // quantizer JSON to use; empty: none
  std::filesystem::path dump_passes;      // folder; empty: no dump
  std::filesystem::path save_optimized;   // ONNX file for the network after the passes; empty: none
  PassSwitches passes;                    // which of known_passes() run
  std::filesystem::path program;  // somebody else's, to run instead of compiling; empty: none. Then
                                  // the model gives the weights, or is empty: seeded ones
  bool allow_host = true;
  xdnn::ScheduleOptions schedule;
  bool keep_reference = true;  // float values of the run's input, for accuracy figures
};

struct Compiled {
  xdnn::Machine machine;
  Graph quantized;
  xdnn::Program program;
  std::vector<Tensor> input;
  NamedTensors reference;  // float value of each name that the passes keep; empty if not kept
  std::vector<std::string> warnings;
  WallTimes wall;
};

// Throws Error for whatever the user's files get wrong.
Compiled compile_network(const CompileRequest& request, const Progress& progress = {});

struct SimulatedNetwork {
  RunResult result;
  std::vector<Tensor> outputs;
  NamedTensors tensors;  // inputs, and every value that can be read from the modelled memories
};

// Simulates, with the golden model running beside when `golden`. result.wall is set.
SimulatedNetwork run_network(const Compiled& compiled, bool golden, const Progress& progress = {});

}  // namespace workbench
