#include "explore/sweep/front.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "explore/sweep/pareto.h"

namespace workbench {

namespace {

bool is_ok(const StudyRow& row) { return row.row.result.status == PointResult::Status::Ok; }

// Steps between two choices that differ in one parameter alone; 0: the same, or not so.
std::size_t steps_between(const Choice& a, const Choice& b) {
  constexpr std::size_t kFirstParameter = 2;
  std::size_t steps = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    if (i < kFirstParameter || steps > 0) return 0;
    steps = a[i] > b[i] ? a[i] - b[i] : b[i] - a[i];
  }
  return steps;
}

std::set<std::size_t> drawn(const Refinement& refine, const std::set<std::size_t>& taken,
                            const std::vector<StudyRow>& rows) {
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (is_ok(rows[i]) && !taken.contains(i)) left.push_back(i);
  }
  std::mt19937_64 random(refine.seed);
  std::set<std::size_t> sample;
  while (!left.empty() && sample.size() < static_cast<std::size_t>(refine.sample)) {
    const std::size_t at = random() % left.size();  // the bias of 2^64 % n is none
    sample.insert(left[at]);
    left[at] = left.back();
    left.pop_back();
  }
  return sample;
}

}  // namespace

void mark_fronts(const Study& study, std::vector<StudyRow>& rows) {
  std::map<std::tuple<std::size_t, Tier>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SweepRow& row = rows[i].row;
    row.meets = is_ok(rows[i]) && meets(row.result.metrics, study.constraints);
    row.on_front = false;
    if (row.meets) groups[{rows[i].choice[0], row.point.tier}].push_back(i);
  }
  for (const auto& [group, members] : groups) {
    std::vector<std::vector<double>> values;
    std::vector<std::size_t> candidates;
    for (const std::size_t i : members) {
      auto of_row = objective_values(rows[i].row.result.metrics, study.objectives);
      if (!of_row) continue;
      values.push_back(std::move(*of_row));
      candidates.push_back(i);
    }
    for (const std::size_t i : pareto_front(values)) rows[candidates[i]].row.on_front = true;
  }
}

std::vector<Choice> choices_to_refine(const Refinement& refine, const std::vector<StudyRow>& rows) {
  std::set<std::size_t> taken;
  std::vector<std::size_t> front;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (refine.front && rows[i].row.on_front) front.push_back(i);
  }
  taken.insert(front.begin(), front.end());
  for (std::size_t i = 0; i < rows.size() && refine.neighbours > 0; ++i) {
    const bool beside = std::ranges::any_of(front, [&](std::size_t on_front) {
      const std::size_t steps = steps_between(rows[on_front].choice, rows[i].choice);
      return steps > 0 && steps <= static_cast<std::size_t>(refine.neighbours);
    });
    if (beside && is_ok(rows[i])) taken.insert(i);
  }
  taken.merge(drawn(refine, taken, rows));
  std::vector<Choice> choices;
  for (const std::size_t i : taken) choices.push_back(rows[i].choice);
  return choices;
}

std::vector<TierAgreement> agreement(const Study& study, const std::vector<StudyRow>& rows) {
  std::map<Choice, std::size_t> analytic;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].row.point.tier == Tier::Analytic && is_ok(rows[i])) analytic[rows[i].choice] = i;
  }
  std::vector<TierAgreement> all;
  for (const SweepObjective& objective : study.objectives) {
    Paired paired;
    std::vector<std::size_t> positions;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].row.point.tier != Tier::Transaction || !is_ok(rows[i])) continue;
      const auto same = analytic.find(rows[i].choice);
      if (same == analytic.end()) continue;
      const Metrics& estimate = rows[same->second].row.result.metrics;
      const Metrics& truth = rows[i].row.result.metrics;
      if (!estimate.contains(objective.metric) || !truth.contains(objective.metric)) continue;
      paired.estimate.push_back(estimate.at(objective.metric));
      paired.truth.push_back(truth.at(objective.metric));
      paired.group.push_back(rows[i].choice[0]);
      positions.push_back(i);
    }
    if (positions.empty()) continue;
    TierAgreement& one = all.emplace_back(
        TierAgreement{.metric = objective.metric,
                      .points = static_cast<std::int64_t>(positions.size()),
                      .kendall_tau = kendall_tau(paired),
                      .mean_absolute_error = mean_absolute_relative_error(paired)});
    for (const SwappedPair& pair : swapped_pairs(paired)) {
      one.swaps.push_back({positions[pair.first], positions[pair.second]});
    }
  }
  return all;
}

}  // namespace workbench
