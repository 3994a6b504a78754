// A Pareto search where there is too much to enumerate: NSGA-II (Deb et al. 2002) as libpagmo has
// it, on the indices of a study's choices.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "explore/sweep/study.h"

namespace workbench {

// Values to be made small, one per objective, for each choice of a batch. Every choice is asked for
// once; no NaN. May throw to end the search.
using EvaluateChoices =
    std::function<std::vector<std::vector<double>>(std::span<const Choice> batch)>;

// Asks for populations and their offspring, generation by generation, the same ones for the same
// seed. `sizes`: values of each index, at least 1; `objectives`: at least 1.
void search_front(std::span<const std::size_t> sizes, std::size_t objectives,
                  const SearchOptions& options, const EvaluateChoices& evaluate);

}  // namespace workbench
