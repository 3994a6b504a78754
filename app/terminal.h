// What a command finds around it: a terminal (colours, progress) or a pipe (plain text), CPUs,
// files to write, and programs that draw.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "explore/flow/pipeline.h"

namespace workbench::app {

bool colours_wanted();  // stdout is a terminal and NO_COLOR is not set

void print(const std::string& text);  // to stdout; throws Error where it cannot be written
// Throws Error when stdout did not take all that was printed: a full disk, a closed pipe.
void require_printed();
// One line of text, whatever libraries say and files hold that it quotes: spaces for control
// characters.
std::string one_line(std::string text);
// "warning: TEXT" lines to stderr. Called when all went well: an error is the only line then.
void warn(const std::vector<std::string>& warnings);

// Uses at most that many CPUs from now on (0: all); all thread pools of the process share them.
void limit_threads(int threads);

// Throws Error now if a file could not be written after the simulation. An empty path is no file.
void require_writable_file(const std::filesystem::path& path);

// A folder for output, made with those that it lies in. Of those that were not there, the ones that
// nothing was written into go again with this object: a command that fails leaves none.
class OutputFolder {
 public:
  // Throws Error where there can be none, or nothing can be written into it. An empty path is none.
  explicit OutputFolder(const std::filesystem::path& path);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

 private:
  std::vector<std::filesystem::path> made_;  // the innermost first
};

// What goes to stderr beside an error: nothing; warnings, and progress of what takes seconds; that
// and the stages of short work.
enum class Verbosity { Quiet, Normal, Verbose };
void set_verbosity(Verbosity verbosity);

std::string duration_text(double seconds);  // 12 s, 3:05 min, 1:20 h

// How far work is, on stderr: on a terminal a bar, from the third second on, erased at the end;
// else a line every ten seconds.
class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  Progress callback();
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  void show(std::string_view stage, double fraction);
  std::string text(double fraction, Clock::time_point now) const;

  bool terminal_;
  bool drawn_ = false;
  Clock::time_point begun_, told_, stage_begun_;
  std::string stage_;
  double first_fraction_ = 0;
};

// Pictures are made by other programs, run without a shell, which only these options need. --png: a
// chart of a report page, taken by a browser without a window. --graph FILE.svg: laid out by
// Graphviz's `dot`.

// Throws Error unless `path` is empty, or a .png file and there is a browser to make it.
void require_picture(const std::filesystem::path& path);

// Writes the section `chart` of a report page (explore/html/page.h), in light colours, twice 1280 x
// 800 pixels. Throws Error when the browser fails.
void write_picture(const std::filesystem::path& path, const std::string& html,
                   const std::string& chart);

// Throws Error unless `path` is empty, a .dot file, or a .svg file and there is a `dot` to make it.
void require_drawable(const std::filesystem::path& path);

// Writes the drawing: .dot as it is, .svg as `dot` lays it out. Throws Error when `dot` fails.
void write_drawing(const std::filesystem::path& path, const std::string& dot);

}  // namespace workbench::app
