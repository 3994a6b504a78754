// workbench inspect: what a model file is and where it would run; convert: any format as ONNX;
// evaluate: the network in floating point.
#include <algorithm>

#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/import/describe.h"
#include "core/file.h"
#include "data/arrays.h"
#include "explore/flow/float_evaluation.h"
#include "explore/flow/inspect.h"
#include "explore/flow/machine.h"

namespace workbench::app {

int inspect(const InspectOptions& options) {
  CompileRequest request = options.request;
  request.keep_reference = false;
  if (!request.machine.empty()) {
    request.machine = find_machine_file(request.machine.string());
  } else if (request.target.empty()) {
    request.target = "none";
  }
  const Inspection inspection = workbench::inspect(request);
  warn(inspection.warnings);
  print(to_text(inspection));
  return inspection.obstacle.empty() ? 0 : 1;
}

int convert(const ConvertOptions& options) {
  require_writable_file(options.output);
  write_file(options.output, converted_onnx_bytes(options.model.name, options.model.import));
  return 0;
}

namespace {

// Numbered as in ONNX's test data: names may have any characters.
void write_arrays(const std::filesystem::path& folder, std::string_view what,
                  const std::vector<std::pair<std::string, Tensor>>& arrays) {
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    write_file(folder / fmt::format("{}_{}.npy", what, i), npy_bytes(arrays[i].second));
  }
}

}  // namespace

int evaluate(const EvaluateCommandOptions& options) {
  limit_threads(options.threads);
  const OutputFolder output(options.output);
  const Evaluation evaluation = evaluate_network(options.request);
  if (!options.output.empty()) {
    write_arrays(options.output, "input", evaluation.inputs);
    write_arrays(options.output, "output", evaluation.outputs);
  }
  warn(evaluation.warnings);
  print(to_text(evaluation));
  return std::ranges::all_of(evaluation.comparisons,
                             [](const auto& one) { return one.difference.mismatches == 0; })
             ? 0
             : 1;
}

}  // namespace workbench::app
