// Other people's programs, run without a shell: Graphviz's `dot`, a browser.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace workbench::app {

bool is_installed(const std::string& program);  // on $PATH

// A folder of our own for what goes between us and a program, gone with its contents in the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path file(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Runs it to its end, what it says on stdout and stderr going to `log`. How it ended, as wait()
// says. Throws Error when it cannot be started.
int run_program(const std::vector<std::string>& command, const std::filesystem::path& log);

}  // namespace workbench::app
