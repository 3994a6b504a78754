#include "explore/track/wall.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <ctime>

#include "core/error.h"
#include "core/file.h"
#include "core/math.h"
#include "explore/sweep/parameter.h"
#include "explore/track/record_json.h"

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

namespace {

int sign(double value) { return value > 0 ? 1 : value < 0 ? -1 : 0; }

struct Split {
  std::size_t index = 0;  // first of the right part
  double significance = 1;
};

// U(t) = sum of sign(x[j] - x[i]) over i < t <= j; the step is where |U| is largest.
Split best_split(std::span<const double> values) {
  const std::size_t n = values.size();
  Split split;
  double u = 0, largest = 0;
  for (std::size_t t = 1; t < n; ++t) {
    // x[t - 1] moves from the right part to the left one.
    for (std::size_t j = 0; j < n; ++j) u += sign(values[j] - values[t - 1]);
    if (std::abs(u) > largest) {
      largest = std::abs(u);
      split.index = t;
    }
  }
  const auto size = static_cast<double>(n);
  split.significance = 2 * math::exp(-6 * largest * largest / (size * size * size + size * size));
  return split;
}

void find_change_points(std::span<const double> values, std::size_t offset, double significance,
                        std::vector<std::size_t>& found) {
  if (values.size() < 2) return;
  const Split split = best_split(values);
  if (split.index == 0 || split.significance > significance) return;
  find_change_points(values.first(split.index), offset, significance, found);
  found.push_back(offset + split.index);
  find_change_points(values.subspan(split.index), offset + split.index, significance, found);
}

}  // namespace

double median(std::vector<double> values) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::optional<Interval95> median_interval(std::vector<double> values) {
  constexpr double kOutside = 0.05;
  const std::size_t n = values.size();
  std::size_t below = 0;  // values left out at either end
  while (below < n / 2 && 2 * math::fair_coins_at_most(static_cast<std::int64_t>(below),
                                                       static_cast<std::int64_t>(n)) <=
                              kOutside)
    ++below;
  if (below == 0) return std::nullopt;
  std::sort(values.begin(), values.end());
  return Interval95{values[below - 1], values[n - below]};
}

PairedDifference paired_difference(const PairedTimes& times) {
  CHECK(times.before.size() == times.after.size() && !times.before.empty());
  std::vector<double> percents;
  for (std::size_t i = 0; i < times.before.size(); ++i) {
    CHECK(times.before[i] > 0 && times.after[i] > 0, "a time of {} and {} s", times.before[i],
          times.after[i]);
    percents.push_back(100 * (times.after[i] / times.before[i] - 1));
  }
  return {
      .percent = median(percents), .interval = median_interval(percents), .pairs = percents.size()};
}

std::vector<std::size_t> change_points(std::span<const double> values, double significance) {
  std::vector<std::size_t> found;
  find_change_points(values, 0, significance, found);
  return found;
}

namespace {

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n');
  if (end == std::string::npos) return "nothing said";
  const std::size_t begin = text.find_last_of('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - begin);
}

}  // namespace

std::vector<std::string> run_arguments(const Point& point) {
  const CompileRequest request = request_of(point);
  std::vector<std::string> arguments{"run", point.network, "--hw", request.machine.string()};
  for (std::string& word : run_options(point)) arguments.push_back(std::move(word));
  arguments.insert(arguments.end(), {"--golden", "off", "--brief"});
  return arguments;
}

double simulate_seconds(const fs::path& executable, const Point& point) {
  const ScratchFolder folder;
  const fs::path report = folder.file("report.json");
  std::vector<std::string> arguments = run_arguments(point);
  arguments.insert(arguments.begin(), executable.string());
  arguments.insert(arguments.end(), {"--json", report.string()});
  const FinishedProgram finished = run_program(arguments);
  if (finished.exit_code > 1) {
    fail("{}: expected a run of {}, found exit code {}: {}", executable.string(), point.network,
         finished.exit_code, last_line(finished.errors));
  }
  if (!fs::exists(report)) {
    fail("{}: expected a workbench that writes a report of its run, found one that wrote none",
         executable.string());
  }
  const Reader reader(executable.string() + ": its report");
  const Json json = reader.parse(read_file(report));
  const Json& wall = reader.object(json, "wall");
  if (!wall.contains("simulate_seconds")) reader.refuse("'simulate_seconds'", "none");
  const double seconds = reader.as_number(wall["simulate_seconds"], "simulate_seconds");
  if (!(seconds > 0)) reader.refuse("a time", fmt::format("{} s", seconds));
  return seconds;
}

std::vector<double> repeated_seconds(const fs::path& executable, const Point& point, int repeats) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) seconds.push_back(simulate_seconds(executable, point));
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

PairedTimes paired_times(const fs::path& before, const fs::path& after, const Point& point,
                         int pairs) {
  (void)simulate_seconds(before, point);
  (void)simulate_seconds(after, point);
  PairedTimes times;
  for (int i = 0; i < pairs; ++i) {
    if (i % 2 == 0) times.before.push_back(simulate_seconds(before, point));
    times.after.push_back(simulate_seconds(after, point));
    if (i % 2 != 0) times.before.push_back(simulate_seconds(before, point));
  }
  return times;
}

}  // namespace workbench::track
