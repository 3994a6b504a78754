// workbench compile: what the machine would run, without running it.
#include "app/commands.h"
#include "app/network.h"
#include "app/terminal.h"
#include "explore/graph_drawing.h"
#include "explore/schedule_report.h"
#include "explore/table.h"

namespace workbench::app {

namespace {

std::string summary(const Compiled& compiled) {
  const ProgramInfo& info = compiled.program.info;
  std::string text = fmt::format(
      "machine       {}\nnetwork       {}: {} MACs, {} ops, {} parameters\n"
      "instructions  {} in {} layers\nAM            peak {} of {}, at least {} needed\n"
      "DDR           {}, of which {} are constants\n",
      compiled.machine.name, info.network, thousands(info.network_macs),
      thousands(info.network_ops), thousands(info.network_parameters),
      thousands(static_cast<std::int64_t>(compiled.program.steps.size())), info.layers.size(),
      byte_text(info.peak_bytes), byte_text(info.capacity_bytes), byte_text(info.minimum_bytes),
      byte_text(compiled.program.ddr_bytes),
      byte_text(static_cast<std::int64_t>(compiled.program.constants.size())));
  for (const HostStepInfo& step : info.host_steps) {
    text += fmt::format("on the host   {} ({}): {}\n", step.name, step.op, step.reason);
  }
  return text;
}

}  // namespace

int compile(const CompileCommandOptions& options) {
  ProgressBar progress;
  const Compiled compiled = compile_from(options.network, false, progress.callback());
  progress.clear();
  warn(compiled.warnings);
  show_views(options.network, compiled, cycles_alone(compiled), "alone");
  print(summary(compiled));
  if (options.dump_schedules) {
    print(
        schedule_report(compiled.quantized, compiled.machine, {.goal = options.network.schedule}));
  }
  return 0;
}

}  // namespace workbench::app
