#include "app/graphviz.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "core/error.h"
#include "core/file.h"

extern char** environ;

namespace workbench::app {

namespace fs = std::filesystem;

namespace {

constexpr const char* kProgram = "dot";

bool is_installed(const char* program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (access((fs::path(folder) / program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

// A folder of our own for what goes between us and `dot`, gone with its contents in the end.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(fs::temp_directory_path() / "workbench-XXXXXX") {
    std::string name = path_.string();
    if (mkdtemp(name.data()) == nullptr) fail("{}: {}", name, std::strerror(errno));
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  fs::path file(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

// Runs `dot -Tsvg in -o out`, its messages going to `log`. How it ended, as wait() says.
int run_dot(const fs::path& in, const fs::path& out, const fs::path& log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(), O_WRONLY | O_CREAT, 0600);
  std::string arguments[] = {kProgram, "-Tsvg", in.string(), "-o", out.string()};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                  arguments[3].data(), arguments[4].data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, kProgram, &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) fail("{}: {}", kProgram, std::strerror(error));
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("{}: {}", kProgram, std::strerror(errno));
  }
  return status;
}

}  // namespace

void require_drawable(const fs::path& path) {
  if (path.empty() || path.extension() == ".dot") return;
  if (path.extension() != ".svg") {
    fail("--graph: expected FILE.dot or FILE.svg, found '{}'", path.string());
  }
  if (is_installed(kProgram)) return;
  fail(
      "--graph {}: SVG is drawn by Graphviz's `dot`, which is not installed (Debian: apt install "
      "graphviz); FILE.dot needs nothing",
      path.string());
}

void write_drawing(const fs::path& path, const std::string& dot) {
  if (path.extension() == ".dot") {
    write_file(path, dot);
    return;
  }
  const TemporaryFolder folder;
  write_file(folder.file("graph.dot"), dot);
  write_file(folder.file("log"), "");
  const int status =
      run_dot(folder.file("graph.dot"), folder.file("graph.svg"), folder.file("log"));
  if (status != 0) {
    const std::string log = read_file(folder.file("log"));
    fail("{}: `dot` failed: {}", path.string(), log.substr(0, log.find('\n')));
  }
  write_file(path, read_file(folder.file("graph.svg")));
}

}  // namespace workbench::app
