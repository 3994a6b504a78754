// What a sweep makes of its rows: fronts, the points to refine, and how far the tiers agree.
#pragma once

#include <cstddef>
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

}  // namespace workbench
