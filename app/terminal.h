// What depends on who is looking: colours and progress on a terminal, plain text in a pipe.
#pragma once

#include <string>
#include <vector>

#include "explore/flow/pipeline.h"

namespace workbench::app {

bool colours_wanted();  // stdout is a terminal and NO_COLOR is not set

void print(const std::string& text);  // to stdout
// One line of text, whatever libraries say and files hold that it quotes: spaces for control
// characters.
std::string one_line(std::string text);
// "warning: TEXT" lines to stderr. Called when all went well: an error is the only line then.
void warn(const std::vector<std::string>& warnings);

// A bar on stderr when that is a terminal, nothing otherwise. The line is erased at the end.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  Progress callback();
  void clear();

 private:
  bool shown_;
  bool drawn_ = false;
};

}  // namespace workbench::app
