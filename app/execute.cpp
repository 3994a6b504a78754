// workbench execute: a program of a PULP cluster, instruction by instruction.
#include <fmt/format.h>

#include <algorithm>

#include "app/commands.h"
#include "app/terminal.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/flow/machine.h"
#include "explore/html/page.h"
#include "explore/report/execution.h"
#include "explore/report/execution_trace.h"

namespace workbench::app {

namespace fs = std::filesystem;

namespace {

const pulp::Machine& pulp_machine(const Machine& machine, const std::string& name) {
  const auto* const pulp = std::get_if<pulp::Machine>(&machine);
  if (pulp == nullptr) fail("--hw {}: expected a PULP machine", name);
  return *pulp;
}

// By their names in the folder.
std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  if (folder.empty()) return files;
  if (!fs::is_directory(folder)) fail("--files {}: expected a folder", folder.string());
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) files[entry.path().filename().string()] = read_file(entry.path());
  }
  return files;
}

std::vector<riscv::Word> addresses_of(const riscv::Profile& profile) {
  std::vector<riscv::Word> addresses;
  for (const riscv::FunctionProfile& function : profile.functions) {
    for (const riscv::InstructionProfile& one : function.instructions) {
      addresses.push_back(one.address);
    }
  }
  return addresses;
}

}  // namespace

int execute(const ExecuteOptions& options) {
  require_writable_file(options.json);
  require_writable_file(options.folded);
  require_writable_file(options.trace);
  require_writable_file(options.html);
  MachineOptions overrides;
  overrides.settings = options.settings;
  const Machine machine = load_machine(find_machine_file(options.machine), overrides);
  const pulp::Machine& pulp = pulp_machine(machine, options.machine);
  const std::string file = options.program.string();
  const riscv::Elf program = riscv::parse_elf(read_file(options.program), file);
  riscv::ClusterOptions how{.max_cycles = options.max_cycles,
                            .files = files_of(options.files),
                            .tree = !options.folded.empty(),
                            .watch_all = !options.trace.empty()};
  CallRecorder calls(program, pulp);
  if (how.watch_all) {
    how.observe = [&](const riscv::Cluster&, const riscv::CoreEvent& event) { calls(event); };
  }
  const auto named = [&](const Error& error) { fail("{}: {}", file, error.what()); };
  std::optional<riscv::Cluster> cluster;
  ExecutedProgram execution{.program = options.program.filename().string(), .machine = pulp.name};
  try {
    cluster.emplace(program, pulp, how);
    execution.exit_code = cluster->run();
  } catch (const Error& error) {
    if (cluster) print(cluster->console());
    named(error);
  }
  execution.console = cluster->console();
  execution.profile = riscv::profile_of(program, pulp, *cluster);
  if (options.profile || !options.json.empty() || !options.html.empty()) {
    execution.lines = source_lines(options.program, addresses_of(execution.profile));
  }
  if (!options.json.empty()) write_file(options.json, execution_json(execution));
  if (!options.html.empty()) write_file(options.html, execution_html(execution_json(execution)));
  if (!options.folded.empty()) write_file(options.folded, folded_stacks(execution.profile));
  if (!options.trace.empty()) {
    write_file(options.trace, calls.trace(*cluster, execution.program));
  }
  print(execution.console);
  if (!options.brief) {
    print(execution_text(execution,
                         {.functions = options.functions, .instructions = options.instructions}));
    if (calls.shortest_cycles() > 1) {
      print(fmt::format("\ntrace: of {} cycles and more\n", calls.shortest_cycles()));
    }
  }
  return execution.exit_code == 0 ? 0 : 1;
}

}  // namespace workbench::app
