// Points of workers, computed again where their results are collected: a machine that computes
// wrong figures signs what it has written like any other.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "explore/store/store.h"
#include "explore/sweep/evaluate.h"
#include "explore/sweep/point.h"

namespace workbench {

class Recheck {
 public:
  // `of_each`: how many points of each file; 0: none. `asked` is kept.
  Recheck(std::span<const KeyedPoint> asked, const EvaluatorOptions& evaluate, int of_each);

  // What is wrong with the results of `file`; none: those that were computed again are the same.
  // The choice among `finished` follows from their keys. Throws Error as an evaluation does.
  std::optional<std::string> fault(const std::filesystem::path& file,
                                   std::span<const StoredPoint> finished);

 private:
  std::optional<std::string> difference(const StoredPoint& there);

  std::span<const KeyedPoint> asked_;
  Evaluator evaluator_;
  std::size_t of_each_;
};

}  // namespace workbench
