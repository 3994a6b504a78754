#include "app/terminal.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace workbench::app {

namespace fs = std::filesystem;

bool colours_wanted() { return isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string one_line(std::string text) {
  const auto is_control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  std::replace_if(text.begin(), text.end(), is_control, ' ');
  return text;
}

void warn(const std::vector<std::string>& warnings) {
  for (const std::string& text : warnings) fmt::print(stderr, "warning: {}\n", one_line(text));
}

ProgressBar::ProgressBar() : shown_(isatty(STDERR_FILENO) == 1) {}

Progress ProgressBar::callback() {
  if (!shown_) return {};
  return [this](std::string_view stage, double fraction) {
    constexpr int kCells = 30;
    const auto cells = static_cast<std::size_t>(fraction * kCells);
    fmt::print(stderr, "\r\x1b[K[{:<30}] {}", std::string(cells, '#'), stage);
    std::fflush(stderr);
    drawn_ = true;
  };
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
  if (path.empty()) return;
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

void create_folder(const fs::path& path) {
  if (path.empty()) return;
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("{}: cannot create the folder: {}", path.string(), error.message());
  if (!fs::is_directory(path)) fail("{}: expected a folder, found a file", path.string());
  if (access(path.c_str(), W_OK) != 0) {
    fail("{}: cannot write: {}", path.string(), std::strerror(errno));
  }
}

}  // namespace workbench::app
