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

constexpr std::size_t kFirstParameter = 2;  // of a Choice

// Positions of the points that are up to `steps` values of one parameter away from `centre`.
std::vector<std::size_t> neighbours_of(const Choice& centre, std::size_t steps,
                                       const std::map<Choice, std::size_t>& positions) {
  std::vector<std::size_t> found;
  const auto look_up = [&](const Choice& choice) {
    if (const auto at = positions.find(choice); at != positions.end()) found.push_back(at->second);
  };
  for (std::size_t i = kFirstParameter; i < centre.size(); ++i) {
    Choice choice = centre;
    for (std::size_t step = 1; step <= steps; ++step) {
      if (step <= centre[i]) {
        choice[i] = centre[i] - step;
        look_up(choice);
      }
      choice[i] = centre[i] + step;
      look_up(choice);
    }
  }
  return found;
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
  std::map<Choice, std::size_t> positions;
  std::size_t values_max = 0;  // no parameter has more: larger steps lead nowhere
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (is_ok(rows[i])) positions[rows[i].choice] = i;
    values_max = std::max(values_max, *std::ranges::max_element(rows[i].choice));
  }
  const std::size_t steps = std::min(values_max, static_cast<std::size_t>(refine.neighbours));
  for (const std::size_t i : front) {
    const std::vector<std::size_t> beside = neighbours_of(rows[i].choice, steps, positions);
    taken.insert(beside.begin(), beside.end());
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
