#include "explore/sweep/search.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <pagmo/algorithms/nsga2.hpp>
#include <pagmo/bfe.hpp>
#include <pagmo/population.hpp>
#include <pagmo/problem.hpp>
#include <random>
#include <set>
#include <tuple>

#include "core/error.h"
#include "explore/sweep/objectives.h"

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
    if (find_point_metric(objective.metric) == nullptr) continue;  // a parameter: the same in both
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

namespace {

// What pagmo copies around: all of it points here.
struct Space {
  std::vector<std::size_t> sizes;
  std::vector<std::size_t> free;  // indices with more than one value: the genes
  std::size_t objectives = 1;
  const EvaluateChoices* evaluate = nullptr;
  std::map<Choice, std::vector<double>> known;

  Choice choice_of(std::span<const double> genes) const {
    Choice choice(sizes.size(), 0);
    for (std::size_t i = 0; i < free.size(); ++i) {
      choice[free[i]] = static_cast<std::size_t>(std::llround(genes[i]));
    }
    return choice;
  }

  void learn(std::span<const Choice> wanted) {
    std::vector<Choice> batch;
    for (const Choice& choice : wanted) {
      if (!known.contains(choice)) batch.push_back(choice);
    }
    std::ranges::sort(batch);
    const auto repeated = std::ranges::unique(batch);
    batch.erase(repeated.begin(), repeated.end());
    if (batch.empty()) return;
    const std::vector<std::vector<double>> values = (*evaluate)(batch);
    CHECK(values.size() == batch.size(), "{} answers to {} questions", values.size(), batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) known[batch[i]] = values[i];
  }

  // NSGA-II wants two objectives: one alone gets a companion that is always the same.
  std::size_t fitness_size() const { return std::max<std::size_t>(objectives, 2); }
};

struct Problem {
  Space* space = nullptr;

  pagmo::vector_double fitness(const pagmo::vector_double& genes) const {
    const Choice choice = space->choice_of(genes);
    space->learn({&choice, 1});
    pagmo::vector_double values = space->known.at(choice);
    values.resize(space->fitness_size(), 0);
    return values;
  }
  std::pair<pagmo::vector_double, pagmo::vector_double> get_bounds() const {
    pagmo::vector_double low(space->free.size(), 0), high;
    for (const std::size_t index : space->free) {
      high.push_back(static_cast<double>(space->sizes[index] - 1));
    }
    return {low, high};
  }
  pagmo::vector_double::size_type get_nobj() const { return space->fitness_size(); }
  pagmo::vector_double::size_type get_nix() const { return space->free.size(); }
};

// A whole population at once.
struct Batch {
  pagmo::vector_double operator()(const pagmo::problem& problem,
                                  const pagmo::vector_double& genes) const {
    const auto* ours = problem.extract<Problem>();
    CHECK(ours != nullptr, "a batch of another problem");
    const std::size_t width = ours->space->free.size();
    std::vector<Choice> batch;
    for (std::size_t at = 0; at < genes.size(); at += width) {
      batch.push_back(ours->space->choice_of(std::span(genes).subspan(at, width)));
    }
    ours->space->learn(batch);
    pagmo::vector_double all;
    for (const Choice& choice : batch) {
      const std::vector<double>& values = ours->space->known.at(choice);
      all.insert(all.end(), values.begin(), values.end());
      all.resize(all.size() + ours->space->fitness_size() - values.size(), 0);
    }
    return all;
  }
};

}  // namespace

void search_front(std::span<const std::size_t> sizes, std::size_t objectives,
                  const SearchOptions& options, const EvaluateChoices& evaluate) {
  CHECK(objectives > 0, "a search for nothing");
  Space space{
      .sizes = {sizes.begin(), sizes.end()}, .objectives = objectives, .evaluate = &evaluate};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    CHECK(sizes[i] > 0, "index {} has no values", i);
    if (sizes[i] > 1) space.free.push_back(i);
  }
  if (space.free.empty()) {  // one point, nothing to search
    const Choice only(sizes.size(), 0);
    return space.learn({&only, 1});
  }
  const auto seed = static_cast<unsigned>(options.seed ^ (options.seed >> 32));
  constexpr double kCrossover = 0.9, kCrossoverSpread = 10, kMutationSpread = 10;
  const double mutation = 1.0 / static_cast<double>(space.free.size());  // one gene, on average
  pagmo::nsga2 algorithm(static_cast<unsigned>(options.generations), kCrossover, kCrossoverSpread,
                         mutation, kMutationSpread, seed);
  const pagmo::bfe batch{Batch{}};
  algorithm.set_bfe(batch);
  pagmo::population population(pagmo::problem(Problem{&space}), batch,
                               static_cast<pagmo::population::size_type>(options.population), seed);
  (void)algorithm.evolve(population);
}

}  // namespace workbench
