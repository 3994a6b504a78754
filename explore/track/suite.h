// What is tracked: a suite file (YAML, docs/track.md) names cases, each a network on a machine with
// its options. Paths in it are relative to the file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "explore/sweep/point.h"

namespace workbench::track {

struct Case {
  std::string name;  // unique in its suite
  Point point;       // paths resolved: they work from the current folder; settings by name
  int line = 0;      // in the suite file; 0: not from one
};

struct Suite {
  std::string name;
  std::filesystem::path file;
  bool golden = true;  // cases are compared with the golden model
  std::vector<Case> cases;
};

// Throws Error "FILE:LINE: ..." on anything that is no suite: unknown and repeated keys, a case
// without network or machine, names that repeat, no case at all.
Suite load_suite(const std::filesystem::path& path);
// As load_suite(), from text; `path` is where the text would be.
Suite parse_suite(const std::string& yaml, const std::filesystem::path& path);

// A network or machine as a file in `folder` has to name it: zoo networks and shipped machines are
// names, files are paths from there. The inverse of resolved().
std::string named_from(const std::string& name, const std::filesystem::path& folder);
std::string resolved(const std::string& name, const std::filesystem::path& folder);

}  // namespace workbench::track
