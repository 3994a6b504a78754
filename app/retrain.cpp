// workbench retrain, search-bits --retrain: training needs libtorch, which nothing else does. The
// program that has it is this one with train/ in place of this file, and takes the same arguments.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "app/commands.h"
#include "core/error.h"

namespace workbench::app {

namespace {

namespace fs = std::filesystem;

constexpr const char* kProgram = "workbench-retrain";

// Beside this program, or where an installation keeps what users do not call themselves.
fs::path program_beside() {
  std::error_code ignored;
  const fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  const fs::path installed = folder.parent_path() / "libexec" / "workbench" / kProgram;
  return fs::exists(installed, ignored) ? installed : folder / kProgram;
}

// `what`: that needs it.
[[noreturn]] void run_in_place(const char* what, std::vector<std::string> arguments) {
  const fs::path program = program_beside();
  std::error_code ignored;
  if (!fs::exists(program, ignored)) {
    fail(
        "{}: expected the program {}, found none: scripts/workbench retrain installs "
        "libtorch-dev and builds it, as does cmake -DWORKBENCH_RETRAIN=ON where libtorch is",
        what, program.string());
  }
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  execv(program.c_str(), pointers.data());
  fail("{}: cannot run: {}", program.string(), std::strerror(errno));
}

}  // namespace

int retrain(const RetrainCommandOptions& options) { run_in_place("retrain", options.arguments); }

PointTrainer point_trainer(const SearchBitsOptions& options) {
  run_in_place("search-bits --retrain", options.arguments);
}

}  // namespace workbench::app
