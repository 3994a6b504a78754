// Points of workers, computed again where their results are collected: a machine that computes
// wrong figures signs what it has written like any other.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "explore/sweep/worker.h"

namespace workbench {

// What computing points of a file again has shown.
struct FileCheck {
  bool known = true;  // false: a stop was asked for before
  std::string fault;  // empty: the same figures
};

class Recheck {
 public:
  // Computes options.recheck points of each file again: of one that grows, of all that it has
  // shown. What `execution` refers to is kept.
  explicit Recheck(const Execution& execution);

  // Of each file with what has been read of it since the last call; which of its points are
  // computed again is drawn by lot, so that a worker that lies does not know it. All of them at
  // once, on the processors of this machine (executor.h: the caller has no connection to a store
  // open). A point that cannot be computed here says nothing: a warning. Throws Error as an
  // evaluation does.
  std::vector<FileCheck> check(std::span<const FinishedFile> files);

 private:
  struct Chosen {
    std::size_t file = 0;
    const StoredPoint* there = nullptr;
    const KeyedPoint* asked = nullptr;
  };

  void choose(std::size_t number, const FinishedFile& file, std::vector<Chosen>& chosen);
  std::map<std::string, PointResult> computed(std::span<const Chosen> chosen);
  std::string fault(const Chosen& one, const PointResult& here, const FinishedFile& file);

  const Execution sweep_;
  const Missing asked_;
  const std::string lot_;
  std::map<std::filesystem::path, std::size_t> checked_;  // points
};

// The same of a store, which workers may have written themselves: of those of `points` that it has,
// options.recheck_stored are computed again. Throws Error with the point and the figure that
// differs.
void recheck_stored(std::span<const Point> points, const ExecutorOptions& options,
                    const Stops& stops, ExecutionResult& result);

}  // namespace workbench
