#include "explore/sweep/search.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <pagmo/algorithms/nsga2.hpp>
#include <pagmo/bfe.hpp>
#include <pagmo/population.hpp>
#include <pagmo/problem.hpp>

#include "core/error.h"

namespace workbench {

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
    CHECK(ours != nullptr, "a batch of somebody else's problem");
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
