// workbench sweep: many points, one report.
#include "explore/sweep/sweep.h"

#include <algorithm>

#include "app/commands.h"
#include "app/terminal.h"
#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "explore/html/page.h"
#include "explore/report/text.h"
#include "explore/sweep/parameter.h"
#include "explore/sweep/study.h"
#include "explore/sweep/values.h"
#include "explore/sweep/worker.h"

namespace workbench::app {

namespace fs = std::filesystem;

namespace {

constexpr int kFailedPoints = 1, kInterrupted = 130;  // exit codes

bool is_study_file(const std::string& text) {
  const fs::path extension = fs::path(text).extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

// The study file, if there is one; all other names are networks.
Study study_of_words(const SweepCommandOptions& options) {
  Study study;
  std::vector<std::string> networks;
  std::string file;
  for (const std::string& word : options.what) {
    if (!is_study_file(word)) {
      networks.push_back(word);
    } else if (!file.empty()) {
      fail("{}: expected one study, found {} before it", word, file);
    } else {
      study = read_study(word);
      file = word;
    }
  }
  if (!networks.empty()) study.networks = networks;
  return study;
}

// Replaces the study's values of the parameter, or appends a parameter.
void set_parameter(Study& study, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail("--set {}: expected NAME=VALUES, such as l1=16k..128k:x2", text);
  }
  const std::string name = text.substr(0, equals);
  std::vector<std::string> values = parse_values(text.substr(equals + 1), "--set " + name);
  std::erase_if(study.options, [&](const Setting& option) { return option.name == name; });
  for (Dimension& parameter : study.parameters) {
    if (parameter.name != name) continue;
    parameter.values = std::move(values);
    return;
  }
  study.parameters.push_back({name, std::move(values)});
}

void set_search(Study& study, const SweepCommandOptions& options) {
  if (options.search && !study.search) study.search.emplace();
  if (!study.search) return;
  study.search->population = options.population.value_or(study.search->population);
  study.search->generations = options.generations.value_or(study.search->generations);
  study.search->seed = options.seed.value_or(study.search->seed);
  if (study.search->population < 8 || study.search->population % 4 != 0) {
    fail("--population {}: expected a multiple of 4 of at least 8", study.search->population);
  }
  if (study.search->generations < 1) {
    fail("--generations {}: expected at least 1", study.search->generations);
  }
}

void set_refinement(Study& study, const SweepCommandOptions& options) {
  if (!options.tier.empty()) {
    study.tier = options.tier == "analytic" ? Tier::Analytic : Tier::Transaction;
    if (study.tier == Tier::Transaction && !options.refine) study.refine.reset();
  }
  if (options.refine && !study.refine) study.refine.emplace();
  if (!study.refine) return;
  study.refine->neighbours = options.neighbours.value_or(study.refine->neighbours);
  study.refine->sample = options.sample.value_or(study.refine->sample);
  study.refine->seed = options.seed.value_or(study.refine->seed);
}

Study study_of(const SweepCommandOptions& options) {
  Study study = study_of_words(options);
  if (!options.machines.empty()) study.machines = options.machines;
  std::vector<std::string> seen;
  for (const std::string& text : options.settings) {
    const std::string name = text.substr(0, text.find('='));
    if (std::ranges::find(seen, name) != seen.end()) {
      fail("--set {}: expected once, found twice", name);
    }
    seen.push_back(name);
    set_parameter(study, text);
  }
  study.conditions.insert(study.conditions.end(), options.conditions.begin(),
                          options.conditions.end());
  if (!options.objectives.empty()) study.objectives.clear();
  for (const std::string& text : options.objectives) {
    study.objectives.push_back(parse_objective(text, "--objective"));
  }
  for (const std::string& text : options.constraints) {
    study.constraints.push_back(parse_constraint(text, "--constraint"));
  }
  if (study.objectives.empty()) study.objectives = {default_objective(study)};
  set_refinement(study, options);
  set_search(study, options);
  if (!options.name.empty()) study.name = options.name;
  if (study.name.empty() && !study.networks.empty() && !study.machines.empty()) {
    study.name =
        fmt::format("{} on {}", fmt::join(study.networks, ", "), fmt::join(study.machines, ", "));
  }
  if (study.name.empty()) study.name = "sweep";
  return study;
}

// Count and rate of the stage that is running; the bar adds its share and the time left.
SweepProgress progress_on(ProgressBar& bar) {
  const Progress draw = bar.callback();
  if (!draw) return {};
  return [draw](std::string_view stage, std::size_t done, std::size_t total) {
    draw(fmt::format("of {} points: {}", total, stage),
         static_cast<double>(done) / static_cast<double>(std::max<std::size_t>(total, 1)));
  };
}

int show_plan(const Study& study, const fs::path& store) {
  const SweepPlan plan = workbench::plan(study, store);
  std::string text = fmt::format("sweep    {}\nspace    {}\n", study.name, shape_text(study));
  if (plan.search) {
    text += fmt::format("search   at most {} points of {:.6g}\n", plan.points, choice_count(study));
  } else {
    text += fmt::format("points   {}: {} to compute, {} in {}", plan.points,
                        plan.points - plan.present, plan.present, store.string());
    if (plan.excluded > 0) text += fmt::format("; {} left out by conditions", plan.excluded);
    text += "\n";
  }
  print(text);
  return 0;
}

const char* what_it_decides(const Parameter& parameter) {
  switch (parameter.stage) {
    case Stage::Hardware:
      return "machine";
    case Stage::Imported:
      return "network";
    case Stage::Quantized:
      return "integers";
    case Stage::Compiled:
      return "program";
    case Stage::Reported:
    case Stage::Shown:
      return "report";
  }
  CHECK(false, "parameter {}", parameter.name);
}

int show_parameters() {
  Table table{.columns = {{.title = "parameter", .right_aligned = false},
                          {.title = "machines", .right_aligned = false},
                          {.title = "decides", .right_aligned = false},
                          {.title = "without", .right_aligned = false},
                          {.title = "meaning", .right_aligned = false}}};
  for (const Parameter& parameter : named_parameters()) {
    const std::string family = parameter.family == "xdnn"   ? "xDNN"
                               : parameter.family == "pulp" ? "PULP"
                                                            : "all";
    table.rows.push_back({parameter.name, family, what_it_decides(parameter), parameter.without,
                          std::string(parameter.meaning)});
  }
  table.rows.push_back(
      {"GROUP.KNOB", "all", "machine", "", "any number of the machine's file: ddr.efficiency"});
  for (const std::string& line : lines(table)) print(line + "\n");
  return 0;
}

int show_metrics() {
  Table table{.columns = {{.title = "metric", .right_aligned = false},
                          {.title = "unit", .right_aligned = false},
                          {.title = "better", .right_aligned = false},
                          {.title = "meaning", .right_aligned = false}}};
  for (const PointMetric& metric : point_metrics()) {
    const char* better = metric.better == Better::Lower    ? "lower"
                         : metric.better == Better::Higher ? "higher"
                                                           : "";
    table.rows.push_back(
        {std::string(metric.name), std::string(metric.unit), better, std::string(metric.formula)});
  }
  for (const std::string& line : lines(table)) print(line + "\n");
  return 0;
}

void write_reports(const SweepCommandOptions& options, const SweepReport& report) {
  if (!options.csv.empty()) write_file(options.csv, sweep_csv(report));
  if (!options.json.empty()) write_file(options.json, sweep_json(report));
  if (options.html.empty() && options.png.empty()) return;
  const std::string html = sweep_html(report);
  if (!options.html.empty()) write_file(options.html, html);
  if (!options.png.empty()) write_picture(options.png, html, "front");
}

}  // namespace

int sweep(const SweepCommandOptions& options) {
  if (options.parameters) return show_parameters();
  if (options.metrics) return show_metrics();
  for (const fs::path* path : {&options.csv, &options.json, &options.html, &options.png}) {
    if (*path == "-") fail("-: expected a file; `workbench results last` prints CSV and JSON");
    require_writable_file(*path);
  }
  require_picture(options.png);
  const Study study = study_of(options);
  check(study);
  if (options.dry_run) return show_plan(study, options.store);
  require_writable_file(options.store);
  SweepOptions request{.layers = !options.json.empty() || !options.html.empty()};
  if (options.limit) request.limit = static_cast<std::size_t>(*options.limit);
  request.executor.store = options.store;
  request.executor.kind =
      options.executor == "slurm" ? ExecutorOptions::Kind::Slurm : ExecutorOptions::Kind::Local;
  request.executor.jobs = options.jobs > 0 ? options.jobs : hardware_threads();
  request.executor.slurm = options.slurm;
  request.executor.recheck = options.recheck;
  request.executor.recheck_stored = options.recheck_stored;
  if (!options.job_folder.empty()) {
    request.executor.kind = ExecutorOptions::Kind::Folder;
    request.executor.folder = options.job_folder;
  }
  ProgressBar bar;
  const SweepOutcome outcome = workbench::sweep(study, request, progress_on(bar));
  bar.clear();
  write_reports(options, outcome.report);
  warn(outcome.report.warnings);
  print(sweep_text(outcome));
  if (outcome.interrupted) return kInterrupted;
  const bool failed = std::ranges::any_of(outcome.report.rows, [](const SweepRow& row) {
    return row.result.status == PointResult::Status::Failed;
  });
  return failed ? kFailedPoints : 0;
}

int sweep_worker(const WorkerRequest& request) {
  const WorkerResult result = work_on_chunk(request);
  std::string text = fmt::format("chunk {} of {}: {} points computed, {} were there", request.chunk,
                                 request.chunks, result.computed, result.present);
  if (result.infeasible > 0) text += fmt::format(", {} infeasible", result.infeasible);
  if (result.failed > 0) text += fmt::format(", {} failed", result.failed);
  print(text + "\n");
  return result.failed > 0 ? 1 : 0;
}

}  // namespace workbench::app
