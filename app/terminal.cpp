#include "app/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace workbench::app {

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

}  // namespace workbench::app
