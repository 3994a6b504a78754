// What is on the command line of `workbench track`.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "explore/track/compare.h"

namespace workbench::app {

struct TrackRecordOptions {
  std::filesystem::path suite, baseline, store;
  std::string name, revision, date;
  std::vector<std::string> cases;
  int wall = 0;
};

struct TrackCompareOptions {
  std::string baseline;
  std::filesystem::path suite, store, results;
  std::vector<std::string> cases, settings;
  track::Gate gate;
  std::size_t layers = 10;
  std::filesystem::path junit, json;
  bool github = false;
  int wall = 0;
  std::filesystem::path against;
  std::optional<double> wall_threshold;
};

struct TrackReportOptions {
  std::vector<std::filesystem::path> files;
  std::filesystem::path store, json, html, png;
  std::string name;
  std::vector<std::string> cases;
};

int track_compare(const TrackCompareOptions& options);
std::filesystem::path own_executable();

// Leaves those of `cases` that are named; all when none is. Throws Error for a name there is not.
template <typename T>
void keep_cases(const std::vector<std::string>& names, std::vector<T>& cases,
                const std::string& where) {
  if (names.empty()) return;
  std::vector<std::string> known;
  for (const T& one : cases) known.push_back(one.name);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    fail("--case {}: expected a case of {}, e.g. '{}'; found no such case", name, where,
         known.empty() ? "" : nearest_name(name, known));
  }
  std::erase_if(cases, [&](const T& one) {
    return std::find(names.begin(), names.end(), one.name) == names.end();
  });
}

}  // namespace workbench::app
