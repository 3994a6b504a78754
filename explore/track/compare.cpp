#include "explore/track/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "explore/track/causes.h"

namespace workbench::track {

namespace {

double percent_of(double difference, double whole) {
  if (difference == 0) return 0;
  if (whole == 0) return std::copysign(std::numeric_limits<double>::infinity(), difference);
  return 100 * difference / whole;
}

std::vector<FigureChange> figure_changes(const CaseRecord& before, const CaseRecord& after) {
  std::vector<FigureChange> changes;
  for (const PointMetric& figure : point_metrics()) {
    const std::string name(figure.name);
    const auto was = before.figures.find(name), is = after.figures.find(name);
    // A figure that one of the revisions did not know yet has not moved.
    if (was == before.figures.end() || is == after.figures.end()) continue;
    if (was->second == is->second) continue;
    changes.push_back({.name = name,
                       .unit = std::string(figure.unit),
                       .before = was->second,
                       .after = is->second,
                       .better = figure.better,
                       .gates = gates(name)});
  }
  return changes;
}

std::vector<StepChange> step_changes(const LayerRecord& before, const LayerRecord& after) {
  std::vector<StepChange> steps;
  for (std::size_t s = 0; s < kSteps; ++s) {
    const std::int64_t cycles = after.waterfall[s].value - before.waterfall[s].value;
    if (cycles != 0) steps.push_back({static_cast<Step>(s), cycles});
  }
  std::stable_sort(steps.begin(), steps.end(), [](const StepChange& a, const StepChange& b) {
    return std::abs(a.cycles) > std::abs(b.cycles);
  });
  return steps;
}

// Whose cycles differ, by pairs of layers of the same name.
std::vector<LayerChange> layer_changes(const CaseRecord& before, const CaseRecord& after,
                                       const std::vector<Cause>& case_causes) {
  std::vector<LayerChange> changes;
  const LayerPairs pairs = pair_layers(before, after);
  const std::pair<std::string, std::string> family{"family", "pulp"};
  const bool cluster =
      std::find(after.machine.begin(), after.machine.end(), family) != after.machine.end();
  const bool same_code = std::none_of(pairs.both.begin(), pairs.both.end(), [](const auto& pair) {
    return pair.first->code != pair.second->code;
  });
  for (const auto& [was, is] : pairs.both) {
    if (was->cycles == is->cycles) continue;
    changes.push_back({.name = is->name,
                       .before = was->cycles,
                       .after = is->cycles,
                       .cluster = cluster,
                       .steps = step_changes(*was, *is),
                       .causes = layer_causes(*was, *is, case_causes, same_code)});
  }
  for (const LayerRecord* layer : pairs.added) {
    changes.push_back({.name = layer->name, .added = true, .after = layer->cycles});
  }
  for (const LayerRecord* layer : pairs.gone) {
    changes.push_back({.name = layer->name, .gone = true, .before = layer->cycles});
  }
  std::stable_sort(changes.begin(), changes.end(), [](const LayerChange& a, const LayerChange& b) {
    return std::abs(a.after - a.before) > std::abs(b.after - b.before);
  });
  return changes;
}

bool sound(const std::string& verdict) {
  return verdict == "bit-exact" || verdict == "not compared";
}

CaseChange::Kind kind_of(const CaseChange& change) {
  if (!change.verdict_after.empty() && !sound(change.verdict_after)) {
    return CaseChange::Kind::Broken;
  }
  const auto worse = [](const FigureChange& figure) {
    return figure.gates && figure.worse_percent() > 0;
  };
  if (std::any_of(change.figures.begin(), change.figures.end(), worse)) {
    return CaseChange::Kind::Worse;
  }
  const auto gating = [](const FigureChange& figure) { return figure.gates; };
  if (std::any_of(change.figures.begin(), change.figures.end(), gating)) {
    return CaseChange::Kind::Better;
  }
  const bool same = change.figures.empty() && change.layers.empty() && change.causes.empty() &&
                    change.verdict_after.empty();
  return same ? CaseChange::Kind::Same : CaseChange::Kind::Other;
}

}  // namespace

std::string_view to_string(CaseChange::Kind kind) {
  switch (kind) {
    case CaseChange::Kind::Same:
      return "same";
    case CaseChange::Kind::Other:
      return "other";
    case CaseChange::Kind::Better:
      return "better";
    case CaseChange::Kind::Worse:
      return "worse";
    case CaseChange::Kind::Broken:
      return "broken";
    case CaseChange::Kind::Gone:
      return "gone";
  }
  CHECK(false, "kind {}", static_cast<int>(kind));
}

double FigureChange::worse_percent() const {
  if (better == Better::Neither) return 0;
  return percent_of(better == Better::Lower ? after - before : before - after, before);
}

double LayerChange::worse_percent() const {
  return percent_of(static_cast<double>(after - before), static_cast<double>(before));
}

CaseChange compare(const CaseRecord& before, const CaseRecord& after) {
  CaseChange change{.name = after.asked.name, .line = after.asked.line};
  if (before.verdict != after.verdict) {
    change.verdict_before = before.verdict;
    change.verdict_after = after.verdict;
  }
  if (after.figures.empty()) {  // it fails: there is nothing else to compare
    change.kind = CaseChange::Kind::Broken;
    return change;
  }
  change.figures = figure_changes(before, after);
  change.causes = differences(before, after);
  change.layers = layer_changes(before, after, change.causes);
  const auto gating = [](const FigureChange& figure) { return figure.gates; };
  const bool times_moved =
      !change.layers.empty() || std::any_of(change.figures.begin(), change.figures.end(), gating);
  // A table of energies is no cause of another time.
  const bool explained = std::any_of(
      change.causes.begin(), change.causes.end(),
      [&](const Cause& cause) { return !times_moved || cause.kind != Cause::Kind::Technology; });
  if (!explained && (times_moved || !change.figures.empty())) {
    change.causes.push_back(remaining_cause(times_moved));
  }
  change.kind = kind_of(change);
  return change;
}

Comparison compare(const Baseline& before, const Baseline& after, const std::string& where) {
  Comparison comparison{.name = before.name,
                        .before_revision = before.revision,
                        .after_revision = after.revision,
                        .before_date = before.date,
                        .cases = {}};
  for (const CaseRecord& record : after.cases) {
    const CaseRecord* old = before.find(record.asked.name);
    if (old == nullptr) {
      fail("{}: expected a case '{}', found none of that name: record the suite again", where,
           record.asked.name);
    }
    comparison.cases.push_back(compare(*old, record));
  }
  for (const CaseRecord& record : before.cases) {
    if (after.find(record.asked.name) != nullptr) continue;
    comparison.cases.push_back({.name = record.asked.name, .kind = CaseChange::Kind::Gone});
  }
  return comparison;
}

std::string failure(const CaseChange& change, const Gate& gate) {
  if (change.kind == CaseChange::Kind::Broken) return change.verdict_after;
  if (change.kind == CaseChange::Kind::Gone) return gate.strict ? "not in the suite any more" : "";
  for (const FigureChange& figure : change.figures) {
    if (figure.gates && figure.worse_percent() > gate.threshold_percent) {
      return fmt::format("{} worse by {:.3g} %", figure.name, figure.worse_percent());
    }
  }
  for (const LayerChange& layer : change.layers) {
    if (gate.per_layer && layer.worse_percent() > gate.threshold_percent) {
      return fmt::format("layer {} worse by {:.3g} %", layer.name, layer.worse_percent());
    }
  }
  if (gate.strict && !change.figures.empty()) {
    return fmt::format("{} differs from the baseline", change.figures[0].name);
  }
  if (gate.strict && !change.layers.empty()) {
    return fmt::format("layer {} differs from the baseline", change.layers[0].name);
  }
  return "";
}

bool failed(const Comparison& comparison, const Gate& gate) {
  return std::any_of(comparison.cases.begin(), comparison.cases.end(),
                     [&](const CaseChange& change) { return !failure(change, gate).empty(); });
}

}  // namespace workbench::track
