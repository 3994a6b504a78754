#include "explore/bits/selection.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>

#include "core/error.h"

namespace workbench {

namespace {

struct Label {
  double loss = 0;
  std::vector<double> costs;
  std::size_t parent = 0;  // of the labels of the variable before
  std::size_t option = 0;
};

bool no_worse(const std::vector<double>& a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
  }
  return true;
}

bool before(const Label& a, const Label& b) {
  if (a.loss != b.loss) return a.loss < b.loss;
  if (a.costs != b.costs) return a.costs < b.costs;
  return std::pair(a.parent, a.option) < std::pair(b.parent, b.option);
}

// Of labels in ascending order those that none before is as good as.
std::vector<Label> undominated(std::vector<Label> labels) {
  std::sort(labels.begin(), labels.end(), before);
  std::vector<Label> kept;
  for (Label& label : labels) {
    // With one cost the last one kept has the least.
    const std::size_t first = label.costs.size() == 1 && !kept.empty() ? kept.size() - 1 : 0;
    const bool worse =
        std::any_of(kept.begin() + static_cast<std::ptrdiff_t>(first), kept.end(),
                    [&](const Label& better) { return no_worse(better.costs, label.costs); });
    if (!worse) kept.push_back(std::move(label));
  }
  return kept;
}

// One of all labels whose losses lie within a factor, and whose costs are no better than its own.
std::vector<Label> within_factor(std::vector<Label> labels, double factor) {
  std::vector<Label> kept;
  for (std::size_t begin = 0; begin < labels.size();) {
    std::size_t end = begin + 1;
    while (end < labels.size() && labels[end].loss <= factor * labels[begin].loss) ++end;
    std::size_t from = begin;
    begin = end;
    // Later ones have the lower costs: those that no later one is as good as.
    for (; from < end; ++from) {
      const bool worse = std::any_of(
          labels.begin() + static_cast<std::ptrdiff_t>(from) + 1,
          labels.begin() + static_cast<std::ptrdiff_t>(end),
          [&](const Label& later) { return no_worse(later.costs, labels[from].costs); });
      if (!worse) kept.push_back(std::move(labels[from]));
    }
  }
  return kept;
}

// Cuts `labels` to that many, as far as losses within a factor of each other allow; returns the
// factor of loss that this may cost.
double thin(std::vector<Label>& labels, std::size_t most) {
  constexpr double kLeastStep = 1e-5, kMostStep = 4;
  double factor = 1;
  for (double step = kLeastStep; labels.size() > most && step < kMostStep; step *= 2) {
    const std::size_t size = labels.size();
    labels = within_factor(std::move(labels), 1 + step);
    if (labels.size() < size) factor *= 1 + step;
  }
  return factor;
}

class Selection {
 public:
  Selection(const SelectionProblem& problem, std::size_t most_labels, std::size_t most_states)
      : problem_(problem), most_labels_(most_labels), most_states_(most_states) {
    const std::size_t variables = problem.losses.size();
    last_use_.resize(variables);
    for (std::size_t v = 0; v < variables; ++v) last_use_[v] = v;
    closed_.resize(variables);
    for (std::size_t t = 0; t < problem.terms.size(); ++t) {
      const std::vector<std::size_t>& read = problem.terms[t].variables;
      if (read.empty()) continue;
      closed_.at(read.back()).push_back(t);
      for (const std::size_t v : read) last_use_[v] = std::max(last_use_[v], read.back());
    }
  }

  SelectedFront run() {
    Label start{.loss = problem_.base_loss,
                .costs = std::vector<double>(problem_.bounds.size(), 0)};
    for (const CostTerm& term : problem_.terms) {
      if (!term.variables.empty()) continue;
      if (term.costs.at(0).empty()) return {};
      add(term.costs[0], start.costs);
    }
    // State -> positions of its labels in the last of all_.
    std::map<Options, std::vector<std::size_t>> states{{{}, {0}}};
    all_.push_back({start});
    std::vector<std::size_t> open;  // variables that the states are of
    for (std::size_t v = 0; v < problem_.losses.size(); ++v) states = extended(states, open, v);
    return front(states);
  }

 private:
  using States = std::map<Options, std::vector<std::size_t>>;

  static void add(const std::vector<double>& more, std::vector<double>& costs) {
    for (std::size_t i = 0; i < costs.size(); ++i) costs[i] += more[i];
  }

  bool within_bounds(const std::vector<double>& costs) const {
    return no_worse(costs, problem_.bounds);
  }

  // `open` becomes the variables of the new states.
  States extended(const States& states, std::vector<std::size_t>& open, std::size_t v) {
    open.push_back(v);
    std::vector<std::size_t> kept;  // positions in `open`
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (last_use_[open[i]] > v) kept.push_back(i);
    }
    std::map<Options, std::vector<Label>> next;
    for (const auto& [state, labels] : states) {
      Options options = state;
      options.push_back(0);
      for (std::size_t o = 0; o < problem_.losses[v].size(); ++o) {
        options.back() = o;
        const auto costs = costs_of(open, options, v);
        if (!costs) continue;
        Options key;
        for (const std::size_t i : kept) key.push_back(options[i]);
        std::vector<Label>& found = next[key];
        for (const std::size_t position : labels) {
          const Label& from = all_.back()[position];
          Label label{from.loss + problem_.losses[v][o], from.costs, position, o};
          add(*costs, label.costs);
          if (within_bounds(label.costs)) found.push_back(std::move(label));
        }
      }
    }
    std::vector<std::size_t> remaining;
    for (const std::size_t i : kept) remaining.push_back(open[i]);
    open = remaining;
    return stored(next);
  }

  States stored(std::map<Options, std::vector<Label>>& next) {
    if (next.size() > most_states_) {
      fail("search-bits: {} widths of activations are open at once: expected a network with fewer",
           next.size());
    }
    States states;
    std::vector<Label> all;
    double factor = 1;
    for (auto& [key, labels] : next) {
      labels = undominated(std::move(labels));
      factor = std::max(factor, thin(labels, most_labels_));
      for (Label& label : labels) {
        states[key].push_back(all.size());
        all.push_back(std::move(label));
      }
    }
    factor_ *= factor;
    all_.push_back(std::move(all));
    return states;
  }

  // Of the terms that variable `v` is the last of; none: one of them cannot be.
  std::optional<std::vector<double>> costs_of(const std::vector<std::size_t>& open,
                                              const Options& options, std::size_t v) const {
    std::vector<double> costs(problem_.bounds.size(), 0);
    for (const std::size_t t : closed_[v]) {
      const CostTerm& term = problem_.terms[t];
      std::size_t combination = 0, factor = 1;
      for (const std::size_t variable : term.variables) {
        const auto at = std::find(open.begin(), open.end(), variable) - open.begin();
        combination += factor * options[static_cast<std::size_t>(at)];
        factor *= problem_.losses[variable].size();
      }
      if (term.costs.at(combination).empty()) return std::nullopt;
      add(term.costs[combination], costs);
    }
    return costs;
  }

  SelectedFront front(const States& states) {
    std::vector<Label> last;
    for (const auto& [state, positions] : states) {
      for (const std::size_t position : positions) {
        Label label = all_.back()[position];
        label.parent = position;  // its own place, from here on
        last.push_back(std::move(label));
      }
    }
    std::sort(last.begin(), last.end(), before);
    SelectedFront front{.choices = {}, .factor = factor_};
    for (const Label& label : last) {
      const bool better = front.choices.empty() || label.costs[0] < front.choices.back().costs[0];
      if (better) front.choices.push_back({options_of(label.parent), label.loss, label.costs});
    }
    return front;
  }

  Options options_of(std::size_t position) const {
    Options options(problem_.losses.size());
    for (std::size_t v = options.size(); v-- > 0;) {
      const Label& label = all_[v + 1][position];
      options[v] = label.option;
      position = label.parent;
    }
    return options;
  }

  const SelectionProblem& problem_;
  const std::size_t most_labels_, most_states_;
  std::vector<std::size_t> last_use_;             // per variable: the last of a term that reads it
  std::vector<std::vector<std::size_t>> closed_;  // per variable: terms that it is the last of
  std::vector<std::vector<Label>> all_;           // per variable, behind the start
  double factor_ = 1;
};

}  // namespace

SelectedFront best_choices(const SelectionProblem& problem, std::size_t most_labels,
                           std::size_t most_states) {
  CHECK(!problem.bounds.empty() && most_labels > 0, "a selection needs an objective and labels");
  return Selection(problem, most_labels, most_states).run();
}

std::optional<Selected> selected(const SelectionProblem& problem, const Options& options) {
  Selected result{options, problem.base_loss, std::vector<double>(problem.bounds.size(), 0)};
  for (std::size_t v = 0; v < options.size(); ++v) result.loss += problem.losses[v][options[v]];
  for (const CostTerm& term : problem.terms) {
    std::size_t combination = 0, factor = 1;
    for (const std::size_t v : term.variables) {
      combination += factor * options[v];
      factor *= problem.losses[v].size();
    }
    const std::vector<double>& costs = term.costs.at(combination);
    if (costs.empty()) return std::nullopt;
    for (std::size_t i = 0; i < costs.size(); ++i) result.costs[i] += costs[i];
  }
  return result;
}

double share_off(double sum, double cost) { return cost == 0 ? 0 : std::abs(sum / cost - 1); }

}  // namespace workbench
