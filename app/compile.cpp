// workbench compile: what the machine would run, without running it.
#include "app/commands.h"
#include "app/network.h"
#include "app/terminal.h"
#include "explore/graph_drawing.h"
#include "explore/schedule_report.h"
#include "explore/table.h"

namespace workbench::app {

namespace {

std::string memories(const xdnn::Program& program) {
  return fmt::format(
      "AM            peak {} of {}, at least {} needed\n"
      "DDR           {}, of which {} are constants\n",
      byte_text(program.info.peak_bytes), byte_text(program.info.capacity_bytes),
      byte_text(program.info.minimum_bytes), byte_text(program.ddr_bytes),
      byte_text(static_cast<std::int64_t>(program.constants.size())));
}

std::string memories(const pulp::Program& program) {
  return fmt::format("L1, L2        {} and {} used\nL3            {}, of which {} are constants\n",
                     byte_text(program.l1_bytes), byte_text(program.l2_bytes),
                     byte_text(program.l3_bytes),
                     byte_text(static_cast<std::int64_t>(program.constants.size())));
}

std::string summary(const Compiled& compiled) {
  const ProgramInfo& info = compiled.info();
  std::string text = fmt::format(
      "machine       {}\nnetwork       {}: {} MACs, {} ops, {} parameters\n"
      "instructions  {} in {} layers\n",
      name(compiled.machine), info.network, thousands(info.network_macs),
      thousands(info.network_ops), thousands(info.network_parameters),
      thousands(static_cast<std::int64_t>(info.instruction_layer.size())), info.layers.size());
  text += std::visit([](const auto& program) { return memories(program); }, compiled.program);
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
    if (!is_xdnn(compiled)) {
      fail("--dump-schedules: expected an xDNN machine, found {}", name(compiled.machine));
    }
    print(schedule_report(compiled.quantized, compiled.xdnn_machine(),
                          {.goal = options.network.schedule}));
  }
  return 0;
}

}  // namespace workbench::app
