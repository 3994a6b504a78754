#include "app/terminal.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/standard_output.h"
#include "explore/flow/tools.h"

namespace workbench::app {

namespace fs = std::filesystem;

bool colours_wanted() { return isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

void print(const std::string& text) {
  if (standard_output_is_a_file()) return;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    fail("standard output: cannot write: {}", std::strerror(errno));
  }
}

void require_printed() {
  std::cout.flush();
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && std::cout.good()) return;
  // The reason is lost where an earlier write failed.
  fail("standard output: cannot write: {}",
       errno != 0 ? std::strerror(errno) : "not all of it was taken (a full disk?)");
}

std::string one_line(std::string text) {
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  std::replace_if(text.begin(), text.end(), is_control, ' ');
  return text;
}

namespace {

Verbosity chosen_verbosity = Verbosity::Normal;  // of the process, as the command line has it

}  // namespace

void set_verbosity(Verbosity verbosity) { chosen_verbosity = verbosity; }

void warn(const std::vector<std::string>& warnings) {
  if (chosen_verbosity == Verbosity::Quiet) return;
  for (const std::string& text : warnings) fmt::print(stderr, "warning: {}\n", one_line(text));
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

ProgressBar::ProgressBar()
    : terminal_(isatty(STDERR_FILENO) == 1), begun_(Clock::now()), told_(begun_) {}

Progress ProgressBar::callback() {
  if (chosen_verbosity == Verbosity::Quiet) return {};
  return [this](std::string_view stage, double fraction) { show(stage, fraction); };
}

void ProgressBar::show(std::string_view stage, double fraction) {
  constexpr std::chrono::seconds kShort{2}, kBetweenLines{10};
  const Clock::time_point now = Clock::now();
  const bool changed = stage != stage_;
  if (changed) {
    stage_ = stage;
    stage_begun_ = now;
    first_fraction_ = fraction;
  }
  if (!terminal_) {
    const bool verbose = changed && chosen_verbosity == Verbosity::Verbose;
    if (!verbose && now - told_ < kBetweenLines) return;
    told_ = now;
    fmt::print(stderr, "workbench: {}\n", text(fraction, now));
    return;
  }
  if (now - begun_ < kShort && chosen_verbosity != Verbosity::Verbose) return;
  constexpr int kCells = 30;
  const auto cells = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * kCells);
  fmt::print(stderr, "\r\x1b[K[{:<30}] {}", std::string(cells, '#'), text(fraction, now));
  std::fflush(stderr);
  drawn_ = true;
}

// "43 % calibrate, 12 s left": the stage's share, and its end at the pace that it has had.
std::string ProgressBar::text(double fraction, Clock::time_point now) const {
  std::string line = fmt::format("{:.0f} % {}", 100 * std::clamp(fraction, 0.0, 1.0), stage_);
  const double seconds = std::chrono::duration<double>(now - stage_begun_).count();
  const double done = fraction - first_fraction_;
  if (done > 0 && seconds > 1) {
    line += fmt::format(", {} left", duration_text(seconds * (1 - fraction) / done));
  }
  return line;
}

void ProgressBar::clear() {
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  drawn_ = false;
}

void limit_threads(int threads) {
  if (threads <= 0) return;
  cpu_set_t allowed, limited;
  CPU_ZERO(&allowed);
  CPU_ZERO(&limited);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&limited) < threads; ++cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) {
      CPU_SET(static_cast<std::size_t>(cpu), &limited);
    }
  }
  if (sched_setaffinity(0, sizeof limited, &limited) != 0) {
    fail("--threads {}: {}", threads, std::strerror(errno));
  }
}

void require_writable_file(const fs::path& path) {
  if (path.empty() || is_standard_output(path)) return;
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (fs::is_directory(path, error)) {
    fail("{}: cannot write: expected a file, found a folder", path.string());
  }
  if (!fs::is_directory(folder, error)) {
    fail("{}: cannot write: {} is not a folder", path.string(), folder.string());
  }
  if (access(folder.c_str(), W_OK) != 0) {
    fail("{}: cannot write: {}: {}", path.string(), folder.string(), std::strerror(errno));
  }
}

OutputFolder::OutputFolder(const fs::path& path) {
  if (path.empty()) return;
  std::error_code error;
  for (fs::path one = path; !one.empty() && !fs::exists(fs::symlink_status(one, error));
       one = one.parent_path()) {
    made_.push_back(one);
  }
  fs::create_directories(path, error);
  if (error) fail("{}: cannot create the folder: {}", path.string(), error.message());
  if (!fs::is_directory(path)) fail("{}: expected a folder, found a file", path.string());
  if (access(path.c_str(), W_OK) != 0) {
    fail("{}: cannot write: {}", path.string(), std::strerror(errno));
  }
}

OutputFolder::~OutputFolder() {
  std::error_code none;  // of one that has something in it
  for (const fs::path& one : made_) {
    if (fs::is_directory(fs::symlink_status(one, none))) fs::remove(one, none);
  }
}

namespace {

constexpr const char* kGraphviz = "dot";

std::optional<std::string> browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (is_installed(name)) return name;
  }
  return std::nullopt;
}

}  // namespace

void require_drawable(const fs::path& path) {
  if (path.empty() || path.extension() == ".dot") return;
  if (path.extension() != ".svg") {
    fail("--graph: expected FILE.dot or FILE.svg, found '{}'", path.string());
  }
  if (is_installed(kGraphviz)) return;
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
  const ScratchFolder folder;
  const fs::path in = folder.file("graph.dot"), out = folder.file("graph.svg");
  write_file(in, dot);
  const int status = run_tool({kGraphviz, "-Tsvg", in.string(), "-o", out.string()},
                              {.output = folder.file("log")});
  if (status != 0) {
    const std::string log = read_file(folder.file("log"));
    fail("{}: `dot` failed: {}", path.string(), log.substr(0, log.find('\n')));
  }
  write_file(path, read_file(out));
}

void require_picture(const fs::path& path) {
  if (path.empty()) return;
  if (path.extension() != ".png") {
    fail("--png: expected FILE.png, found '{}'", path.string());
  }
  if (browser()) return;
  fail(
      "--png {}: the picture is taken by Chromium, which is not installed (Debian: apt install "
      "chromium); --html FILE needs nothing",
      path.string());
}

void write_picture(const fs::path& path, const std::string& html, const std::string& chart) {
  const ScratchFolder folder;
  const fs::path page = folder.file("page.html"), picture = folder.file("picture.png");
  write_file(page, html);
  std::vector<std::string> command = {browser().value_or("chromium"),
                                      "--headless=new",
                                      "--disable-gpu",
                                      "--disable-dev-shm-usage",
                                      "--hide-scrollbars",
                                      "--no-first-run",
                                      "--disable-background-networking",
                                      "--disable-component-update",
                                      "--disable-sync",
                                      "--force-device-scale-factor=2",
                                      "--window-size=1280,800",
                                      "--virtual-time-budget=4000",
                                      "--user-data-dir=" + folder.file("profile").string(),
                                      "--screenshot=" + picture.string()};
  if (geteuid() == 0) command.push_back("--no-sandbox");  // root has no sandbox to give
  command.push_back("file://" + page.string() + "#chart=" + chart);
  run_tool(command, {.output = folder.file("log")});
  if (!fs::exists(picture)) {
    const std::string log = read_file(folder.file("log"));
    fail("{}: {} took no picture: {}", path.string(), command[0], log.substr(0, log.find('\n')));
  }
  write_file(path, read_file(picture));
}

}  // namespace workbench::app
