// workbench verify: the simulated network against somebody else's golden tensors.
#include <algorithm>

#include "app/commands.h"
#include "app/network.h"
#include "app/terminal.h"
#include "explore/expectation.h"
#include "explore/table.h"

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

}  // namespace

int verify(const VerifyOptions& options) {
  ProgressBar progress;
  const Compiled compiled = compile_from(options.network, false, progress.callback());
  const auto expectations = read_expectations(options.expect, compiled.quantized);
  const SimulatedNetwork simulated = run_network(compiled, false, progress.callback());
  progress.clear();
  const auto differences =
      compare(expectations, compiled.quantized, simulated.tensors,
              {.absolute = options.absolute_tolerance, .relative = options.relative_tolerance});
  warn(compiled.warnings);
  for (const Difference& one : differences) print(line(one));
  for (const Hazard& hazard : simulated.result.hazards)
    print("hazard: " + to_string(hazard) + "\n");
  const bool equal = std::all_of(differences.begin(), differences.end(),
                                 [](const Difference& one) { return one.mismatches == 0; });
  return equal && simulated.result.hazards.empty() ? 0 : 1;
}

}  // namespace workbench::app
