#include "explore/sweep/sweep.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "explore/store/store.h"
#include "explore/sweep/parameter.h"
#include "explore/sweep/search.h"
#include "explore/sweep/study.h"
#include "explore/sweep/values.h"

namespace workbench {

namespace {

struct Stopped {};  // thrown out of a search whose points are not all there

bool uses_search(const Study& study) {
  return study.search && choice_count(study) > static_cast<double>(study.search->above);
}

std::vector<std::string> keys_of(std::span<const Point> points) {
  std::vector<std::string> keys;
  for (const Point& point : points) keys.push_back(point_key(point, program_version()));
  return keys;
}

// Asks for points, a batch at a time, and keeps the answers in the order of first asking.
class Runner {
 public:
  Runner(const Study& study, const SweepOptions& options, const SweepProgress& progress)
      : study_(study), options_(options), progress_(progress) {}

  // Their rows, those without an answer left out; then complete() is false.
  std::vector<StudyRow> rows(std::span<const Choice> choices, Tier tier, const std::string& stage) {
    std::vector<Point> points;
    for (const Choice& choice : choices) points.push_back(point_of(study_, choice, tier));
    const std::vector<std::string> keys = keys_of(points);
    compute(points, keys, stage);
    // The last connection to close, since workers that close at once leave the log to each other
    // and one that reads cannot: one that writes puts all of it into the one file.
    const Store store(options_.executor.store, Store::Access::Write);
    std::vector<StudyRow> found;
    for (std::size_t i = 0; i < points.size(); ++i) {
      std::optional<StoredPoint> stored = store.find(keys[i], options_.layers);
      if (!stored) continue;
      found.push_back({choices[i],
                       {.key = keys[i],
                        .point = points[i],
                        .result = std::move(stored->result),
                        .command = sweep_command(points[i]),
                        .run_command = run_command(points[i])}});
      add_objectives(found.back().row);
    }
    missing_ += static_cast<std::int64_t>(points.size() - found.size());
    return found;
  }

  bool complete() const { return missing_ == 0; }

  // Points that were in the store before, against what is computed here now.
  void recheck() {
    if (options_.executor.recheck_stored > 0) note(check_points(stored_, options_.executor));
  }

  void report_into(SweepOutcome& outcome) const {
    outcome.run = run_;
    outcome.missing = missing_;
    outcome.complete = complete();
    outcome.interrupted = interrupted_;
    outcome.report.computed = computed_;
    outcome.report.reused = reused_;
    outcome.report.warnings = warnings_;
  }

 private:
  // Parameters that are objectives are figures of the row, in no store.
  void add_objectives(SweepRow& row) const {
    if (row.result.status != PointResult::Status::Ok) return;
    for (const SweepObjective& objective : study_.objectives) {
      if (find_point_metric(objective.metric) != nullptr) continue;
      const auto setting = std::ranges::find(row.point.settings, objective.metric, &Setting::name);
      CHECK(setting != row.point.settings.end(), "objective {}", objective.metric);
      row.result.metrics[objective.metric] = numeric_value(setting->value).value();
    }
  }

  // A store is never open while processes are forked.
  std::vector<Point> not_in_store(std::span<const Point> points,
                                  std::span<const std::string> keys) {
    Store store(options_.executor.store);
    if (run_ == 0) {
      store.describe_metrics(point_metrics(), layer_metrics());
      run_ = store.begin_run(
          {.kind = options_.kind, .name = study_.name, .study = study_json(study_)}, keys);
    } else {
      store.extend_run(run_, keys);
    }
    const std::vector<bool> present = have_answers(store, keys);
    std::vector<Point> wanted;
    for (std::size_t i = 0; i < points.size(); ++i) {
      (present[i] ? stored_ : wanted).push_back(points[i]);
    }
    reused_ += static_cast<std::int64_t>(points.size() - wanted.size());
    return wanted;
  }

  void note(const ExecutionResult& done) {
    interrupted_ = interrupted_ || done.interrupted;
    warnings_.insert(warnings_.end(), done.warnings.begin(), done.warnings.end());
  }

  void compute(std::span<const Point> points, std::span<const std::string> keys,
               const std::string& stage) {
    std::vector<Point> wanted = not_in_store(points, keys);
    if (options_.limit) {
      const auto so_far = static_cast<std::size_t>(computed_);
      wanted.resize(std::min(wanted.size(), *options_.limit - std::min(*options_.limit, so_far)));
    }
    // One on Slurm that was ended may have left tasks, though all has come.
    if (wanted.empty() && options_.executor.kind != ExecutorOptions::Kind::Slurm) return;
    const auto there = static_cast<std::size_t>(computed_ + reused_);
    std::size_t before = there;
    const ExecutionResult done =
        run_points(wanted, options_.executor, [&](std::size_t finished, std::size_t total) {
          if (progress_) progress_(stage, finished, total);
          signal_.pass(std::exchange(before, there + finished), there + finished);
        });
    computed_ += static_cast<std::int64_t>(done.computed);
    reused_ += static_cast<std::int64_t>(done.present);  // another sweep was faster
    note(done);
  }

  const Study& study_;
  const SweepOptions& options_;
  const SweepProgress& progress_;
  std::int64_t run_ = 0, computed_ = 0, reused_ = 0, missing_ = 0;
  bool interrupted_ = false;
  std::vector<std::string> warnings_;
  std::vector<Point> stored_;  // before this sweep
  PlannedSignal signal_;
};

// The fitness of a point in a search: its objectives; or, worse than any of those, its violation of
// constraints; or infeasible, the worst.
constexpr double kUnusable = 1e30, kBroken = 1e15;

std::vector<double> values_for_search(const Study& study, const StudyRow& row) {
  const PointResult& result = row.row.result;
  std::optional<std::vector<double>> values;
  if (result.status == PointResult::Status::Ok) {
    values = objective_values(result.metrics, study.objectives);
  }
  if (!values) return std::vector(study.objectives.size(), kUnusable);
  const double broken = violation(result.metrics, study.constraints);
  if (broken > 0) values->assign(values->size(), kBroken * (1 + broken));
  return *values;
}

std::vector<StudyRow> search_rows(const Study& study, Runner& runner) {
  const auto left = left_by_conditions(study);
  std::map<Choice, StudyRow> all;
  std::vector<std::size_t> sizes = choice_sizes(study);
  sizes.front() = 1;  // a search for each network
  for (std::size_t network = 0; network < study.networks.size(); ++network) {
    std::int64_t generation = 0;
    const auto evaluate = [&](std::span<const Choice> batch) {
      std::vector<Choice> asked;
      for (Choice choice : batch) {
        choice.front() = network;
        if (left(choice)) asked.push_back(std::move(choice));
      }
      const std::string stage =
          generation == 0
              ? std::string("search, first population")
              : fmt::format("search, generation {} of {}", generation, study.search->generations);
      ++generation;
      for (StudyRow& row : runner.rows(asked, study.tier, stage)) {
        Choice choice = row.choice;
        all.emplace(std::move(choice), std::move(row));
      }
      if (!runner.complete()) throw Stopped();
      std::vector<std::vector<double>> values;
      for (Choice choice : batch) {
        choice.front() = network;
        const auto row = all.find(choice);
        values.push_back(row == all.end() ? std::vector(study.objectives.size(), kUnusable)
                                          : values_for_search(study, row->second));
      }
      return values;
    };
    try {
      search_front(sizes, study.objectives.size(), *study.search, evaluate);
    } catch (const Stopped&) {
      break;
    }
  }
  std::vector<StudyRow> rows;
  for (auto& [choice, row] : all) rows.push_back(std::move(row));
  return rows;
}

SweepReport empty_report(const Study& study, const SweepOptions& options) {
  SweepReport report{.name = study.name,
                     .networks = study.networks,
                     .machines = study.machines,
                     .objectives = study.objectives,
                     .store = options.executor.store.string()};
  for (const Dimension& parameter : study.parameters) {
    if (parameter.values.size() > 1) report.parameters.push_back(parameter.name);
  }
  for (const Constraint& constraint : study.constraints) {
    report.constraints.push_back(to_string(constraint));
  }
  return report;
}

}  // namespace

SweepOutcome sweep(const Study& study, const SweepOptions& options, const SweepProgress& progress) {
  const auto begin = std::chrono::steady_clock::now();
  SweepOutcome outcome{.report = empty_report(study, options),
                       .space = shape_text(study),
                       .searched = uses_search(study)};
  Runner runner(study, options, progress);
  std::vector<StudyRow> rows;
  if (outcome.searched) {
    rows = search_rows(study, runner);
  } else {
    const std::vector<Choice> all = choices(study);
    outcome.excluded =
        static_cast<std::int64_t>(choice_count(study)) - static_cast<std::int64_t>(all.size());
    rows = runner.rows(all, study.tier, std::string(to_string(study.tier)));
  }
  mark_fronts(study, rows);
  if (study.refine && runner.complete()) {
    const std::vector<Choice> refined = choices_to_refine(*study.refine, rows);
    std::vector<StudyRow> exact;
    if (!refined.empty()) exact = runner.rows(refined, Tier::Transaction, "transaction");
    std::ranges::move(exact, std::back_inserter(rows));
    mark_fronts(study, rows);
    outcome.report.agreement = agreement(study, rows);
  }
  for (StudyRow& row : rows) outcome.report.rows.push_back(std::move(row.row));
  runner.recheck();
  runner.report_into(outcome);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return outcome;
}

SweepPlan plan(const Study& study, const std::filesystem::path& store) {
  SweepPlan result{.search = uses_search(study)};
  if (result.search) {
    result.points = static_cast<std::int64_t>(study.networks.size()) * study.search->population *
                    (study.search->generations + 1);
    return result;
  }
  const std::vector<Point> all = points(study);
  result.points = static_cast<std::int64_t>(all.size());
  result.excluded = static_cast<std::int64_t>(choice_count(study)) - result.points;
  std::error_code ignored;
  if (std::filesystem::exists(store, ignored)) {
    const std::vector<std::string> keys = keys_of(all);
    for (const bool there : Store(store, Store::Access::Read).present(keys)) {
      result.present += there ? 1 : 0;
    }
  }
  return result;
}

}  // namespace workbench
