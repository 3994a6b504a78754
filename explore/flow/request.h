// All that may be asked of a network and a machine: every stage (pipeline.h) reads its part.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/pulp/compile.h"
#include "compiler/quantize/recipe.h"
#include "compiler/xdnn/order.h"
#include "explore/flow/inputs.h"
#include "explore/flow/machine.h"

namespace workbench {

// Wall time since it was made.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Told what is about to be done, and how much of the whole lies behind (0 to 1).
using Progress = std::function<void(std::string_view stage, double fraction)>;
// Of a stage that takes that part of the whole.
Progress within(const Progress& whole, double begin, double end);

// Every pass that can be switched: those of the float pipeline in the order they run, then the
// rewrites that fit a network into a machine's limits.
std::vector<PassDescription> known_passes();

struct CompileRequest {
  ModelSource model;
  // "xdnn", "pulp": the machine is of that family, v3_96 or gap8 if none is named; "none": no
  // machine, to quantize and to measure accuracy alone; empty: whatever the machine is of.
  std::string target;
  std::filesystem::path machine;
  MachineOptions overrides;  // of what that file says
  DataOptions data;
  std::filesystem::path quantizer_table;  // quantizer JSON to use; empty: none
  // One of scheme_names() (quantization.h); empty: "published". All but that leave a network that
  // came quantized (QDQ, QOperator) its own codes, and so does that where the target has them.
  std::string scheme;
  std::vector<std::string> transforms;  // of the scheme "graffitist"; empty: the published ones
  Effort effort = Effort::Normal;
  std::filesystem::path calibration_cache;  // folder (statistics_cache.h); empty: none
  std::filesystem::path dump_passes;        // folder; empty: no dump
  std::filesystem::path save_optimized;  // ONNX file for the network after the passes; empty: none
  PassSwitches passes;                   // which of known_passes() run
  // A saved or third-party program to run instead of compiling; empty: none. With one, the model
  // gives the weights; an xDNN program without a model gets seeded ones.
  std::filesystem::path program;
  bool allow_host = true;
  xdnn::OrderOptions schedule;  // xDNN
  pulp::Tiler tiler = pulp::Tiler::Optimal;
  pulp::NormBits norm_bits = pulp::NormBits::Auto;
  bool keep_reference = true;  // float values of the run's input, for accuracy figures
};

// The machine that the request names; none for the target "none". Throws Error.
std::optional<Machine> machine_of(const CompileRequest& request);

}  // namespace workbench
