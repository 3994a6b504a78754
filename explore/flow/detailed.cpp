#include "explore/flow/detailed.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "compiler/pulp/c_kernels.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/flow/application.h"
#include "explore/flow/pipeline.h"
#include "explore/flow/tools.h"
#include "sim/riscv/network.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

constexpr const char* kProgram = "main.elf";

// As runtime/pulp/platform/platform.mk names it.
std::string compiler_name() {
  const char* chosen = std::getenv("PULP_CC");
  return chosen == nullptr ? "riscv64-unknown-elf-gcc" : chosen;
}

// The compiler's first complaint; without one the last line.
std::string complaint_in(const std::string& log) {
  std::istringstream lines(log);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("error") != std::string::npos || line.find("overflowed") != std::string::npos) {
      return line;
    }
    if (!line.empty()) last = line;
  }
  return last;
}

// The application's folder, built.
void build(const Compiled& compiled, const ScratchFolder& folder) {
  for (const auto& [path, contents] : application_of(compiled, pulp::HostNodes::Watched).files) {
    fs::create_directories(folder.file(path).parent_path());
    write_file(folder.file(path), contents);
  }
  const int status = run_tool(
      {"make", "-s", "-C", folder.file("").string(), "-f", "Makefile.plain", "REPORT=0", kProgram},
      {.output = folder.file("log")});
  if (status == 0) return;
  fail(
      "{} does not build the application: {} (Debian: apt install gcc-riscv64-unknown-elf "
      "picolibc-riscv64-unknown-elf)",
      compiler_name(), complaint_in(read_file(folder.file("log"))));
}

std::map<std::string, std::string> files_in(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = read_file(entry.path());
  }
  return files;
}

std::vector<std::string> kernel_functions(const pulp::Program& program) {
  std::vector<std::string> names;
  for (const pulp::Instruction& instruction : program.instructions) {
    const auto* const kernel = std::get_if<pulp::Kernel>(&instruction);
    if (kernel != nullptr) names.push_back(pulp::c_kernel(*kernel));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

riscv::NetworkRun execute(const Compiled& compiled) {
  const ScratchFolder folder;
  build(compiled, folder);
  const pulp::Program& program = compiled.pulp_program();
  const riscv::Application application{
      .program = program,
      .kernels = kernel_functions(program),
      .elf = riscv::parse_elf(read_file(folder.file(kProgram)), kProgram),
      .files = files_in(folder.file("hex"))};
  return riscv::run_network(application, compiled.pulp_machine(), compiled.input);
}

}  // namespace

void require_riscv_compiler() {
  for (const std::string& program : {compiler_name(), std::string("make")}) {
    if (is_installed(program) || fs::exists(program)) continue;
    fail(
        "--tier detailed: the application is built by {}, which is not installed (Debian: apt "
        "install gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf make)",
        program);
  }
}

DetailedRun run_detailed(const Compiled& compiled, const RunRequest& request,
                         const Progress& progress) {
  if (is_xdnn(compiled)) {
    fail("--tier detailed: expected a PULP machine, found {}", name(compiled.machine));
  }
  if (!request.values) fail("--tier detailed: expected values, found --timing-only");
  DetailedRun run;
  const Simulator simulator = [&](const Compiled& of) {
    const Stopwatch stopwatch;
    riscv::NetworkRun done;
    try {
      done = execute(of);
    } catch (const Error& error) {
      fail("--tier detailed: {}", error.what());
    }
    run.layers = std::move(done.layers);
    run.instructions = done.instructions;
    return Simulated{.outputs = std::move(done.result.outputs),
                     .tensors = std::move(done.result.tensors),
                     .timeline = std::move(done.result.timeline),
                     .counters = std::move(done.result.counters),
                     .seconds = stopwatch.seconds()};
  };
  run.network = run_network(compiled, request, simulator, progress);
  run.network.result.report.machine.summary += ", detailed tier";
  return run;
}

}  // namespace workbench
