// Analysis of a sweep's rows: fronts, the points to refine, and the agreement of the tiers.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "explore/sweep/study.h"
#include "explore/sweep/sweep_report.h"

namespace workbench {

// A row of the report and what it is of: both tiers of a point have the same choice.
struct StudyRow {
  Choice choice;
  SweepRow row;
};

// Sets `meets` and `on_front` of all rows: a front per network and tier, of points that are Ok and
// meet the constraints. Rows without one of the objectives are on none.
void mark_fronts(const Study& study, std::vector<StudyRow>& rows);

// Of the analytic rows (with their fronts marked), those to compute at the transaction tier, in
// order: front, neighbours, sample.
std::vector<Choice> choices_to_refine(const Refinement& refine, const std::vector<StudyRow>& rows);

// Per objective that both tiers have on some point; empty when nothing was refined. Positions are
// of `rows`.
std::vector<TierAgreement> agreement(const Study& study, const std::vector<StudyRow>& rows);

// A Pareto search where there is too much to enumerate: NSGA-II (Deb et al. 2002) as libpagmo has
// it, on the indices of a study's choices.

// Values to be made small, one per objective, for each choice of a batch. Every choice is asked for
// once; no NaN. May throw to end the search.
using EvaluateChoices =
    std::function<std::vector<std::vector<double>>(std::span<const Choice> batch)>;

// Asks for populations and their offspring, generation by generation, the same ones for the same
// seed. `sizes`: values of each index, at least 1; `objectives`: at least 1.
void search_front(std::span<const std::size_t> sizes, std::size_t objectives,
                  const SearchOptions& options, const EvaluateChoices& evaluate);

}  // namespace workbench
