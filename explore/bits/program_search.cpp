#include "explore/bits/program_search.h"

#include <algorithm>
#include <map>
#include <random>
#include <utility>

namespace workbench {

namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::size_t kMostDraws = 20;  // for one choice that is new

// One variable at another option than in the choice that is changed.
struct Change {
  std::size_t variable = 0, option = 0;
  double loss = 0, saved = 0;
};

class Search {
 public:
  Search(const SelectionProblem& problem, std::size_t most, const ChoiceCosts& costs,
         const std::function<void(std::size_t)>& told)
      : problem_(problem), most_(most), costs_(costs), told_(told), random_(kSeed) {}

  ProgramSearch run(const std::vector<Options>& start) {
    try_choice(Options(problem_.losses.size(), 0));
    for (const Options& options : start) try_choice(options);
    if (const auto base = base_) try_together(*base, single_changes(*base));
    while (try_near()) {
    }
    std::ranges::sort(front_, {}, &Selected::loss);
    result_.choices = std::move(front_);
    return std::move(result_);
  }

 private:
  bool spent() const { return result_.tried >= most_; }

  double loss_of(const Options& options) const {
    double loss = problem_.base_loss;
    for (std::size_t v = 0; v < options.size(); ++v) loss += problem_.losses[v][options[v]];
    return loss;
  }

  // Its costs; none: it cannot be, or the budget is spent.
  std::optional<std::vector<double>> try_choice(const Options& options) {
    if (const auto known = known_.find(options); known != known_.end()) return known->second;
    if (spent()) return std::nullopt;
    ++result_.tried;
    const auto found = known_[options] = costs_(options);
    if (told_) told_(result_.tried);
    if (!found) {
      ++result_.refused;
      return std::nullopt;
    }
    const Selected choice{options, loss_of(options), *found};
    keep(choice);
    if (!base_ || choice.loss < base_->loss) base_ = choice;
    return found;
  }

  void keep(Selected choice) {
    for (std::size_t k = 0; k < choice.costs.size(); ++k) {
      if (choice.costs[k] > problem_.bounds[k]) return;
    }
    const auto no_worse = [](const Selected& a, const Selected& b) {
      return a.loss <= b.loss && a.costs[0] <= b.costs[0];
    };
    if (std::ranges::any_of(front_, [&](const Selected& one) { return no_worse(one, choice); })) {
      return;
    }
    std::erase_if(front_, [&](const Selected& one) { return no_worse(choice, one); });
    front_.push_back(std::move(choice));
  }

  // Of `base`. Half of the budget at most.
  std::vector<Change> single_changes(const Selected& base) {
    std::vector<Change> all;
    for (std::size_t v = 0; v < problem_.losses.size(); ++v) {
      const std::vector<double>& losses = problem_.losses[v];
      for (std::size_t o = 0; o < losses.size(); ++o) {
        if (o == base.options[v]) continue;
        all.push_back({.variable = v, .option = o, .loss = losses[o] - losses[base.options[v]]});
      }
    }
    std::ranges::stable_sort(all, {}, &Change::loss);
    const std::size_t end = result_.tried + (most_ - std::min(most_, result_.tried)) / 2;
    std::vector<Change> seen;
    for (Change& change : all) {
      if (result_.tried >= end) break;
      Options options = base.options;
      options[change.variable] = change.option;
      const auto costs = try_choice(options);
      if (!costs) continue;
      change.saved = base.costs.front() - costs->front();
      seen.push_back(change);
    }
    return seen;
  }

  // Changes of `base` that save anything, one after the other; of a variable changed already only
  // one that saves more.
  void try_together(const Selected& base, std::vector<Change> changes) {
    std::erase_if(changes, [](const Change& change) { return change.saved <= 0; });
    std::ranges::stable_sort(changes, [](const Change& a, const Change& b) {
      return a.loss * b.saved < b.loss * a.saved;
    });
    Options options = base.options;
    std::vector<double> saved(options.size(), 0);
    for (const Change& change : changes) {
      if (change.saved <= saved[change.variable]) continue;
      saved[change.variable] = change.saved;
      options[change.variable] = change.option;
      try_choice(options);
    }
  }

  // False: there is nothing left to try.
  bool try_near() {
    if (spent() || front_.empty()) return false;
    for (std::size_t draw = 0; draw < kMostDraws; ++draw) {
      const Options options = drawn();
      if (known_.contains(options)) continue;
      try_choice(options);
      return true;
    }
    return false;
  }

  Options drawn() {
    Options options = front_[random_() % front_.size()].options;
    if (random_() % 2 == 0) {
      const Options& other = front_[random_() % front_.size()].options;
      for (std::size_t v = 0; v < options.size(); ++v) {
        if (random_() % 2 == 0) options[v] = other[v];
      }
      return options;
    }
    const std::size_t changed = 1 + random_() % 3;
    for (std::size_t i = 0; i < changed; ++i) {
      const std::size_t v = random_() % options.size();
      options[v] = random_() % problem_.losses[v].size();
    }
    return options;
  }

  const SelectionProblem& problem_;
  const std::size_t most_;
  const ChoiceCosts& costs_;
  const std::function<void(std::size_t)>& told_;
  std::mt19937_64 random_;
  std::map<Options, std::optional<std::vector<double>>> known_;
  std::vector<Selected> front_;
  std::optional<Selected> base_;  // of least loss, whether it meets the bounds or not
  ProgramSearch result_;
};

}  // namespace

ProgramSearch search_programs(const SelectionProblem& problem, const std::vector<Options>& start,
                              std::size_t most, const ChoiceCosts& costs,
                              const std::function<void(std::size_t)>& told) {
  return Search(problem, most, costs, told).run(start);
}

}  // namespace workbench
