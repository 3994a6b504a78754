// Choosing one option for each of many variables: losses add up over variables, costs over terms
// that each depend on a few of them (a layer on the widths of its operands, weights and results).
// All best choices at once, by dynamic programming over the variables in their order: a state is
// what the options of variables are that a later term reads, a label a loss and its costs.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace workbench {

struct CostTerm {
  std::vector<std::size_t> variables;  // ascending, maybe none
  // Per combination of their options, that of the first variable changing fastest: as many costs
  // as the problem has; none: this combination cannot be.
  std::vector<std::vector<double>> costs;
};

struct SelectionProblem {
  double base_loss = 0;
  std::vector<std::vector<double>> losses;  // [variable][option], at least 0
  std::vector<CostTerm> terms;
  // Of the sums of the costs, at least 0, the largest allowed; infinity: any. The first cost is the
  // objective.
  std::vector<double> bounds;
};

using Options = std::vector<std::size_t>;  // one per variable

struct Selected {
  Options options;
  double loss = 0;
  std::vector<double> costs;
};

struct SelectedFront {
  // Least loss first: each has a smaller objective than all before it.
  std::vector<Selected> choices;
  // No choice that meets the bounds has an objective as small as one of these and less than its
  // loss divided by this: 1 where nothing was left out.
  double factor = 1;
};

// At most `most_labels` labels of a state are kept: of losses within a small factor, those with the
// least costs. Throws Error where more than `most_states` states are open at once.
SelectedFront best_choices(const SelectionProblem& problem, std::size_t most_labels = 1000,
                           std::size_t most_states = 20000);

// What these options come to; none: a term cannot be. Bounds are not looked at.
std::optional<Selected> selected(const SelectionProblem& problem, const Options& options);

// By what share of `cost` a sum misses it; 0 where there is no cost, of which nothing is a share.
double share_off(double sum, double cost);

}  // namespace workbench
