// evaluate(), sweep() and results().
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "explore/report/metrics.h"
#include "explore/store/result_table.h"
#include "explore/store/store.h"
#include "explore/sweep/evaluate.h"
#include "explore/sweep/parameter.h"
#include "explore/sweep/study.h"
#include "explore/sweep/sweep.h"
#include "python/native.h"

namespace workbench::python {

namespace {

using nlohmann::ordered_json;

std::string evaluate(const std::string& network, const std::string& machine,
                     const Settings& settings, const std::string& tier) {
  StoredPoint stored{.point = {.network = network, .machine = machine, .settings = {}}};
  for (const auto& [name, value] : settings) stored.point.settings.push_back({name, value});
  stored.point.tier = tier_from(tier, "tier");
  stored.key = point_key(stored.point, program_version());
  stored.result = Evaluator().evaluate(stored.point);
  return point_json(stored);
}

// Progress of a sweep for the caller; an exception from it ends the sweep.
class Listener {
 public:
  explicit Listener(py::object call) : call_(std::move(call)) {}

  SweepProgress progress() {
    if (call_.is_none()) return {};
    return [this](std::string_view stage, std::size_t done, std::size_t total) {
      const py::gil_scoped_acquire lock;
      if (error_) return;
      try {
        call_(std::string(stage), done, total);
      } catch (py::error_already_set& error) {
        error_.emplace(std::move(error));
      }
    };
  }
  bool failed() const { return error_.has_value(); }
  void rethrow() {
    if (error_) throw std::move(*error_);
  }

 private:
  py::object call_;
  std::optional<py::error_already_set> error_;
};

Study study_from(const std::string& study, bool is_file) {
  Study result = is_file ? read_study(study) : parse_study(study, "study");
  if (result.objectives.empty()) result.objectives = {default_objective(result)};
  check(result);
  return result;
}

// The store's number of the run, how it went, and the report for people.
std::string outcome_json(const SweepOutcome& outcome) {
  const SweepReport& report = outcome.report;
  ordered_json front = ordered_json::array(), meets = ordered_json::array();
  ordered_json keys = ordered_json::array();
  for (const SweepRow& row : report.rows) {
    keys.push_back(row.key);
    front.push_back(row.on_front);
    meets.push_back(row.meets);
  }
  ordered_json agreement = ordered_json::array();
  for (const TierAgreement& each : report.agreement) {
    agreement.push_back({{"metric", each.metric},
                         {"points", each.points},
                         {"kendall_tau", each.kendall_tau},
                         {"mean_absolute_error", each.mean_absolute_error}});
  }
  const ordered_json whole = {{"run", outcome.run},
                              {"complete", outcome.complete},
                              {"computed", report.computed},
                              {"reused", report.reused},
                              {"keys", keys},
                              {"on_front", front},
                              {"meets", meets},
                              {"agreement", agreement},
                              {"warnings", report.warnings},
                              {"text", sweep_text(outcome)}};
  return whole.dump();
}

std::string sweep(const std::string& study, bool is_file, const std::string& store, int jobs,
                  std::optional<std::size_t> limit, const py::object& progress) {
  Listener listener(progress);
  SweepOutcome outcome;
  {
    const py::gil_scoped_release unlocked;
    const OneAtATime lock;
    SweepOptions options;
    options.executor.store = store;
    options.executor.jobs = jobs > 0 ? jobs : hardware_threads();
    options.executor.interrupted = [&] { return listener.failed(); };
    options.limit = limit;
    options.kind = "python";
    outcome = workbench::sweep(study_from(study, is_file), options, listener.progress());
  }
  listener.rethrow();
  if (outcome.interrupted) {
    PyErr_SetString(PyExc_KeyboardInterrupt, "what was finished is in the store");
    throw py::error_already_set();
  }
  return outcome_json(outcome);
}

// Points of a run (0: of all) as a JSON table.
std::string results(const std::string& file, std::int64_t run,
                    const std::vector<std::string>& where, bool layers) {
  const Store store(file, Store::Access::Read);
  std::vector<StoredPoint> points;
  if (run != 0) {
    points = store.run_points(run, layers);
  } else {
    for (const std::string& key : store.keys()) {
      if (std::optional<StoredPoint> point = store.find(key, layers)) {
        points.push_back(std::move(*point));
      }
    }
    sort_by_question(points);
  }
  const ResultQuery query{.where = where, .columns = {}, .sort = {}};
  return json(layers ? layer_table(points, query) : result_table(points, query));
}

std::string runs(const std::string& file) {
  const Store store(file, Store::Access::Read);
  ordered_json list = ordered_json::array();
  for (const RunRecord& run : store.runs()) {
    const RunCounts counts = store.counts(run.id);
    list.push_back({{"run", run.id},
                    {"kind", run.kind},
                    {"name", run.name},
                    {"created", run.created},
                    {"revision", run.revision},
                    {"points", counts.asked},
                    {"ok", counts.ok},
                    {"infeasible", counts.infeasible},
                    {"failed", counts.failed}});
  }
  return list.dump();
}

std::string metrics() {
  ordered_json list = ordered_json::array();
  for (const PointMetric& metric : point_metrics()) {
    list.push_back({{"name", metric.name}, {"unit", metric.unit}, {"formula", metric.formula}});
  }
  return list.dump();
}

std::string parameters() {
  ordered_json list = ordered_json::array();
  for (const Parameter& parameter : named_parameters()) {
    list.push_back(
        {{"name", parameter.name}, {"family", parameter.family}, {"meaning", parameter.meaning}});
  }
  return list.dump();
}

}  // namespace

void add_points(py::module_& module) {
  module.def("evaluate", &evaluate, Computes());
  module.def("sweep", &sweep);
  module.def("results", &results, Computes());
  module.def("runs", &runs, Computes());
  module.def("metrics", &metrics);
  module.def("parameters", &parameters);
}

}  // namespace workbench::python
