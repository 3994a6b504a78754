#include "explore/track/program_run.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>

#include "core/error.h"

extern char**
    environ;  // NOLINT(readability-redundant-declaration): unistd.h has it with _GNU_SOURCE

namespace workbench::track {

namespace fs = std::filesystem;

namespace {

class Pipe {
 public:
  Pipe() { CHECK(pipe2(ends_.data(), O_CLOEXEC) == 0, "pipe2: {}", std::strerror(errno)); }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  int reading() const { return ends_[0]; }
  int writing() const { return ends_[1]; }
  void close_end(std::size_t end) {
    if (ends_.at(end) >= 0) close(ends_.at(end));
    ends_.at(end) = -1;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

// Both at once: a program that fills the one that is not read would wait for ever.
void read_all(const Pipe& output, const Pipe& errors, FinishedProgram& finished) {
  std::array<pollfd, 2> waits{{{output.reading(), POLLIN, 0}, {errors.reading(), POLLIN, 0}}};
  const std::array<std::string*, 2> texts{&finished.output, &finished.errors};
  std::array<char, 65536> block{};
  while (waits[0].fd >= 0 || waits[1].fd >= 0) {
    if (poll(waits.data(), waits.size(), -1) < 0) {
      CHECK(errno == EINTR, "poll: {}", std::strerror(errno));
      continue;
    }
    for (std::size_t i = 0; i < waits.size(); ++i) {
      if (waits.at(i).fd < 0 || waits.at(i).revents == 0) continue;
      const ssize_t count = read(waits.at(i).fd, block.data(), block.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        waits.at(i).fd = -1;
      } else {
        texts.at(i)->append(block.data(), static_cast<std::size_t>(count));
      }
    }
  }
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

FinishedProgram run_program(const std::vector<std::string>& arguments) {
  CHECK(!arguments.empty());
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));  // posix_spawn does not write to them
  }
  pointers.push_back(nullptr);
  Pipe output, errors;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output.writing(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors.writing(), STDERR_FILENO);
  pid_t child = 0;
  const int refused =
      posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (refused != 0) fail("{}: cannot run: {}", arguments[0], std::strerror(refused));
  output.close_end(1);
  errors.close_end(1);
  FinishedProgram finished;
  read_all(output, errors, finished);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) CHECK(errno == EINTR, "waitpid: {}", std::strerror(errno));
  finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

std::string utc_text(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

Revision revision_of(const fs::path& folder, const fs::path& apart) {
  const std::string root = fs::absolute(folder.empty() ? fs::path(".") : folder).string();
  const auto git = [&](std::vector<std::string> arguments) -> FinishedProgram {
    arguments.insert(arguments.begin(), {"git", "-C", root});
    try {
      return run_program(arguments);
    } catch (const Error&) {
      return {.exit_code = 127, .output = "", .errors = ""};  // there is no git
    }
  };
  const FinishedProgram head = git({"show", "-s", "--format=%H %ct", "HEAD"});
  const std::string text = trimmed(head.output);
  const std::size_t space = text.find(' ');
  if (head.exit_code != 0 || space == std::string::npos) return {};
  Revision revision{.id = text.substr(0, space)};
  std::int64_t seconds = 0;
  std::from_chars(text.data() + space + 1, text.data() + text.size(), seconds);
  revision.date = utc_text(seconds);
  std::vector<std::string> status{"status", "--porcelain", "--untracked-files=no", "--", ":(top)"};
  if (!apart.empty()) {
    status.push_back(":(exclude)" + fs::weakly_canonical(apart).string());
  }
  FinishedProgram changes = git(status);
  if (changes.exit_code != 0) {  // `apart` lies outside the repository
    status.pop_back();
    changes = git(status);
  }
  if (!trimmed(changes.output).empty()) revision.id += "-dirty";
  return revision;
}

}  // namespace workbench::track
