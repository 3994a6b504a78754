// workbench verify: the simulated network against somebody else's golden tensors.
#include <algorithm>

#include "app/commands.h"
#include "app/network.h"
#include "app/terminal.h"
#include "explore/flow/expectation.h"
#include "explore/flow/golden_files.h"
#include "explore/table.h"
#include "sim/golden/golden.h"

namespace workbench::app {

namespace {

std::string line(const Difference& one) {
  std::string text =
      fmt::format("{} {}: {} of {} values differ, largest error {:g}, {:.1f} dB",
                  one.mismatches == 0 ? "ok  " : "FAIL", one.value, thousands(one.mismatches),
                  thousands(one.values), one.largest_error, one.decibel);
  if (one.mismatches > 0) {
    text += fmt::format("; first at {}: expected {:g}, got {:g}", one.first, one.expected, one.got);
  }
  return text + "\n";
}

struct Checked {
  std::vector<std::string> mapping;  // of files to layers
  std::vector<Difference> differences;
  std::vector<Hazard> hazards;
};

// DORY's and Deeploy's files say what a layer's codes are, and some what the accumulators behind
// them were, which exist in the golden model alone.
Checked check_golden_files(const VerifyOptions& options, const Compiled& compiled,
                           const Progress& progress) {
  Checked checked;
  const auto files = read_golden_folder(options.expect, compiled.quantized);
  for (const GoldenFile& file : files) checked.mapping.push_back(mapping_line(file));
  SimulatedNetwork run = run_network(compiled, {.golden = false}, progress);
  checked.differences = compare(files, compiled.quantized, run.tensors,
                                golden::run(compiled.quantized, compiled.input));
  checked.hazards = std::move(run.result.hazards);
  return checked;
}

Checked check_tensors(const VerifyOptions& options, const Compiled& compiled,
                      const Progress& progress) {
  Checked checked;
  const auto expectations = read_expectations(options.expect, compiled.quantized);
  SimulatedNetwork run = run_network(compiled, {.golden = false}, progress);
  checked.differences =
      compare(expectations, compiled.quantized, run.tensors,
              {.absolute = options.absolute_tolerance, .relative = options.relative_tolerance});
  checked.hazards = std::move(run.result.hazards);
  return checked;
}

}  // namespace

int verify(const VerifyOptions& options) {
  ProgressBar progress;
  const Compiled compiled = compile_from(options.network, false, progress.callback());
  const bool files = compiled.was_integer && is_golden_folder(options.expect);
  const Checked checked = files ? check_golden_files(options, compiled, progress.callback())
                                : check_tensors(options, compiled, progress.callback());
  progress.clear();
  warn(compiled.warnings);
  for (const std::string& note : compiled.notes) print(note + "\n");
  for (const std::string& mapped : checked.mapping) print(mapped + "\n");
  const std::vector<Difference>& differences = checked.differences;
  for (const Difference& one : differences) print(line(one));
  for (const Hazard& hazard : checked.hazards) print("hazard: " + to_string(hazard) + "\n");
  const bool equal = std::all_of(differences.begin(), differences.end(),
                                 [](const Difference& one) { return one.mismatches == 0; });
  return equal && checked.hazards.empty() ? 0 : 1;
}

}  // namespace workbench::app
