#include "explore/bits/width_costs.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "core/error.h"
#include "explore/report/metrics.h"
#include "explore/sweep/evaluate.h"

namespace workbench {

namespace {

constexpr std::size_t kMostPrograms = 120, kDeals = 24;
constexpr std::uint64_t kSeed = 1;

// A layer of programs: the variables that it depends on, and what has been seen of it.
struct SeenLayer {
  std::vector<std::size_t> variables;
  std::map<std::size_t, std::vector<double>> seen;  // by combination
};

std::size_t combination_of(const std::vector<std::size_t>& variables, const Options& options,
                           std::size_t choices) {
  std::size_t combination = 0, factor = 1;
  for (const std::size_t v : variables) {
    combination += factor * options[v];
    factor *= choices;
  }
  return combination;
}

class CostMeasurement {
 public:
  CostMeasurement(const CostQuestion& question, const StageProgress& progress)
      : q_(question),
        widths_(question.network.widths),
        progress_(progress),
        programs_(question.network, question.machine),
        random_(kSeed) {
    for (const Node& node : q_.network.base.annotated.nodes) nodes_[node.name] = &node;
  }

  WidthCosts run() {
    const std::size_t choices = widths_.choices.size();
    for (std::size_t c = 0; c < choices; ++c) see(Options(widths_.variables.size(), c));
    while (result_.programs < kMostPrograms) {
      const std::optional<Options> next = newest();
      if (!next) break;
      see(*next);
      if (!progress_) continue;
      progress_("compiling at other widths",
                static_cast<double>(result_.programs) / static_cast<double>(kMostPrograms));
    }
    add_terms();
    return std::move(result_);
  }

 private:
  std::size_t combination(const SeenLayer& layer, const Options& options) const {
    return combination_of(layer.variables, options, widths_.choices.size());
  }

  void see(const Options& options) {
    ++result_.programs;
    try {
      note(programs_.compiled(options), options);
    } catch (const Error&) {
      if (layers_.empty()) throw;  // nothing is known, not even at full width
      ++result_.refused;
    }
    for (const auto& [name, layer] : layers_) tried_.insert({name, combination(layer, options)});
  }

  void note(const Compiled& program, const Options& options) {
    const PointResult figures = analytic_figures(program, q_.network.request.technology, true);
    for (std::size_t i = 0; i < figures.layers.size(); ++i) {
      const LayerFigures& found = figures.layers[i];
      const auto [at, is_new] = layers_.try_emplace(found.name);
      SeenLayer& layer = at->second;
      if (is_new) layer.variables = variables_of(found.name, program.info().layers.at(i).merged);
      std::vector<double> costs;
      for (const std::string& metric : q_.metrics) {
        const auto figure = found.metrics.find(metric);
        costs.push_back(figure == found.metrics.end() ? 0 : figure->second);
      }
      layer.seen.try_emplace(combination(layer, options), std::move(costs));
    }
  }

  // Of a layer of the program and what is computed with it; none: it is no node of the network.
  std::vector<std::size_t> variables_of(const std::string& name,
                                        std::vector<std::string> with) const {
    with.push_back(name);
    std::set<std::size_t> found;
    for (const std::string& one : with) {
      const auto node = nodes_.find(one);
      if (node == nodes_.end()) continue;
      std::vector<ValueId> values = node->second->inputs;
      values.insert(values.end(), node->second->outputs.begin(), node->second->outputs.end());
      for (const ValueId id : values) {
        if (id == kNoValue) continue;
        if (const auto v = widths_.variable_of(id)) found.insert(*v);
      }
    }
    return {found.begin(), found.end()};
  }

  // Of some ways to deal out widths the one that shows most that is new; none: nothing is.
  std::optional<Options> newest() {
    std::optional<Options> best;
    std::size_t most = 0;
    for (std::size_t deal = 0; deal < kDeals; ++deal) {
      const Options options = dealt();
      std::size_t fresh = 0;
      for (const auto& [name, layer] : layers_) {
        fresh += tried_.contains({name, combination(layer, options)}) ? 0 : 1;
      }
      if (fresh > most) most = fresh, best = options;
    }
    return best;
  }

  // Variable by variable, the choice with which most of the layers that are then known show
  // something new; of equals any.
  Options dealt() {
    Options options(widths_.variables.size(), 0);
    for (std::size_t v = 0; v < options.size(); ++v) {
      std::vector<std::size_t> best;
      std::size_t most = 0;
      for (std::size_t choice = 0; choice < widths_.choices.size(); ++choice) {
        options[v] = choice;
        std::size_t fresh = 0;
        for (const auto& [name, layer] : layers_) {
          if (layer.variables.empty() || layer.variables.back() != v) continue;
          fresh += tried_.contains({name, combination(layer, options)}) ? 0 : 1;
        }
        if (best.empty() || fresh > most) best.clear(), most = fresh;
        if (fresh == most) best.push_back(choice);
      }
      options[v] = best[random_() % best.size()];
    }
    return options;
  }

  void add_terms() {
    const std::size_t choices = widths_.choices.size();
    for (const auto& [name, layer] : layers_) {
      std::size_t combinations = 1;
      for (std::size_t i = 0; i < layer.variables.size(); ++i) combinations *= choices;
      CostTerm term{.variables = layer.variables, .costs = {}};
      term.costs.resize(combinations);
      for (const auto& [at, costs] : layer.seen) term.costs.at(at) = costs;
      for (const auto& costs : term.costs) result_.unknown += costs.empty() ? 1 : 0;
      result_.terms.push_back(std::move(term));
    }
    const auto bytes = std::ranges::find(q_.metrics, "weight_bytes");
    if (bytes == q_.metrics.end()) return;
    for (std::size_t v = 0; v < widths_.variables.size(); ++v) {
      const WidthVariable& variable = widths_.variables[v];
      if (!variable.weights) continue;
      CostTerm term{.variables = {v}, .costs = {}};
      for (const int bits : widths_.choices) {
        std::vector<double> costs(q_.metrics.size(), 0);
        costs[static_cast<std::size_t>(bytes - q_.metrics.begin())] =
            static_cast<double>((variable.elements * bits + 7) / 8);
        term.costs.push_back(std::move(costs));
      }
      result_.terms.push_back(std::move(term));
    }
  }

  const CostQuestion& q_;
  const Widths& widths_;
  const StageProgress& progress_;
  WidthPrograms programs_;
  std::mt19937_64 random_;
  std::map<std::string, const Node*> nodes_;  // of the annotated network
  std::map<std::string, SeenLayer> layers_;
  std::set<std::pair<std::string, std::size_t>> tried_;
  WidthCosts result_;
};

}  // namespace

WidthCosts measure_costs(const CostQuestion& question, const StageProgress& progress) {
  return CostMeasurement(question, progress).run();
}

}  // namespace workbench
