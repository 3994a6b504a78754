#include "app/terminal.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace workbench::app {

bool colours_wanted() { return isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void warn(const std::vector<std::string>& warnings) {
  for (const std::string& text : warnings) fmt::print(stderr, "warning: {}\n", text);
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

}  // namespace workbench::app
