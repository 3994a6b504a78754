#include "explore/track/wall_run.h"

#include <unistd.h>

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "explore/sweep/parameter.h"
#include "explore/track/program_run.h"
#include "explore/track/record_json.h"

namespace workbench::track {

namespace fs = std::filesystem;

namespace {

// A file of this process that is gone when the scope ends.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_(fs::temp_directory_path() / fmt::format("workbench-track-{}.json", getpid())) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string with_commas(std::string passes) {
  std::replace(passes.begin(), passes.end(), '+', ',');
  return passes;
}

void add_setting(const Setting& setting, std::vector<std::string>& arguments) {
  const auto& [name, value] = setting;
  if (name.starts_with("clock.")) {
    arguments.insert(arguments.end(), {"--clock", name.substr(6) + "=" + value});
  } else if (name.find('.') != std::string::npos) {
    arguments.insert(arguments.end(), {"--set", name + "=" + value});
  } else if (name == "with" || name == "without") {
    if (value != "none") arguments.insert(arguments.end(), {"--" + name, with_commas(value)});
  } else {
    arguments.insert(arguments.end(), {"--" + name, value});
  }
}

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
  for (const Setting& setting : point.settings) {
    // Parameters of sweeps alone: one stands for a clock, one is nothing to a simulation.
    if (setting.name != "bandwidth" && setting.name != "technology")
      add_setting(setting, arguments);
  }
  for (const std::string& clock : request.overrides.clocks) {
    const bool asked = std::find(arguments.begin(), arguments.end(), clock) != arguments.end();
    if (!asked) arguments.insert(arguments.end(), {"--clock", clock});
  }
  arguments.insert(arguments.end(), {"--golden", "off", "--brief"});
  return arguments;
}

double simulate_seconds(const fs::path& executable, const Point& point) {
  const TemporaryFile report;
  std::vector<std::string> arguments = run_arguments(point);
  arguments.insert(arguments.begin(), executable.string());
  arguments.insert(arguments.end(), {"--json", report.path().string()});
  const FinishedProgram finished = run_program(arguments);
  if (finished.exit_code > 1) {
    fail("{}: expected a run of {}, found exit code {}: {}", executable.string(), point.network,
         finished.exit_code, last_line(finished.errors));
  }
  if (!fs::exists(report.path())) {
    fail("{}: expected a workbench that writes a report of its run, found one that wrote none",
         executable.string());
  }
  const Reader reader(executable.string() + ": its report");
  const Json json = reader.parse(read_file(report.path()));
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
