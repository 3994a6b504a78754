// workbench evaluate: the network in floating point, as imported or after the passes, against
// arrays that another tool computed. How an import is held to its source. TensorFlow Lite files
// also in their integers.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "compiler/passes/passes.h"
#include "explore/flow/inputs.h"
#include "explore/report/difference.h"

namespace workbench {

struct EvaluationRequest {
  ModelSource model;
  // Files of arrays: .npy or .pb for the inputs (results) in their order, or one .npz with an array
  // for each by name, by number (arr_0) or by shape. No inputs: seeded samples. Arrays of codes
  // stand for real numbers where the network rounds to such codes at once, and maps may have their
  // channels last.
  std::vector<std::filesystem::path> inputs, expected;
  // How images among the inputs become arrays: a file of steps (empty: MODEL.preprocess.yaml, if
  // there), and steps in place of its own.
  std::filesystem::path preprocessing;
  PreprocessingOptions steps;
  bool passes = false;  // evaluate what the float passes make of the network
  // "twice" or "once": a TensorFlow Lite file in its own integers, so rounded; empty: in floating
  // point. Arrays are in the file's order, codes are compared exactly.
  std::string integers;
  PassSwitches switches;
};

struct Evaluation {
  std::vector<std::pair<std::string, Tensor>> inputs, outputs;  // by name, in the network's order
  // Of each expected array, in the order of the outputs. Errors are relative to the largest
  // magnitude that is expected; a mismatch is a value that is off by more than kTolerance.
  struct Comparison {
    Difference difference;
    double relative_error = 0;
    double step = 0;  // of the codes that the array holds; 0 where it holds real numbers
  };
  std::vector<Comparison> comparisons;
  std::vector<std::string> warnings;  // on how the network's file was read
  static constexpr double kTolerance = 1e-4;
  // Of codes: one step, and what float loses.
  static constexpr double kOneCode = 1.001;
};

// Throws Error for files that cannot be read and arrays that do not fit.
Evaluation evaluate_network(const EvaluationRequest& request);

std::string to_text(const Evaluation& evaluation);

}  // namespace workbench
