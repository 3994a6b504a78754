// Better choices by programs: where layers wait for one L3, or one layer's weights leave room for
// another's, costs do not add up over layers, and the best of the sums (selection.h) is not the
// best of the programs.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "explore/bits/selection.h"

namespace workbench {

// Costs of a choice, as many as the problem has; none: it cannot be.
using ChoiceCosts = std::function<std::optional<std::vector<double>>(const Options&)>;

struct ProgramSearch {
  std::vector<Selected> choices;  // as SelectedFront has them, losses by the sums, costs as told
  std::size_t tried = 0, refused = 0;
};

// Asks for the costs of at most `most` choices: of the widest, of `start`; of the one of least loss
// among those that can be, which is the widest where that can, with one variable changed; of these
// changes together, those first that cost least loss for what they save; then, seeded, of choices
// that are near the best so far or between two of them. `told` after each.
ProgramSearch search_programs(const SelectionProblem& problem, const std::vector<Options>& start,
                              std::size_t most, const ChoiceCosts& costs,
                              const std::function<void(std::size_t)>& told = {});

}  // namespace workbench
