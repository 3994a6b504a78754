// What a command finds around it: a terminal (colours, progress) or a pipe (plain text), CPUs, and
// files to write.
#pragma once

#include <filesystem>
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

// Uses at most that many CPUs from now on (0: all); all thread pools of the process share them.
void limit_threads(int threads);

// Throw Error now if a file (or, for a folder, anything in it) could not be written after the
// simulation. Empty paths are no files.
void require_writable_file(const std::filesystem::path& path);
void create_folder(const std::filesystem::path& path);

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
