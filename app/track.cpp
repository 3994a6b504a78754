// workbench track record|compare|report: figures of a suite of cases at one revision, what moved
// since, and when it did (docs/track.md).
#include <CLI/CLI.hpp>
#include <cctype>
#include <memory>

#include "app/network.h"
#include "app/option_checks.h"
#include "app/picture.h"
#include "app/subcommands.h"
#include "app/terminal.h"
#include "app/track_options.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/html/track_page.h"
#include "explore/table.h"
#include "explore/track/figure_text.h"
#include "explore/track/history.h"
#include "explore/track/program_run.h"
#include "explore/track/record.h"
#include "explore/track/suite_store.h"
#include "explore/track/wall_run.h"

namespace workbench::app {

namespace fs = std::filesystem;

namespace {

using track::Baseline;
using track::CaseRecord;

std::string case_table(const Baseline& baseline) {
  Table table{.columns = {{"case", false, 50},
                          {"cycles"},
                          {"ms"},
                          {"layers"},
                          {"verdict", false},
                          {"wall", false}},
              .rows = {}};
  for (const CaseRecord& record : baseline.cases) {
    table.rows.push_back(
        {record.asked.name, track::figure_text(record.figures.at("cycles")),
         track::figure_text(record.figures.at("latency_ms")),
         fmt::format("{}", record.layers.size()), record.verdict,
         record.wall ? fmt::format("{:.3g} s", track::median(record.wall->seconds)) : ""});
  }
  std::string text;
  for (const std::string& line : lines(table)) text += line + "\n";
  return text;
}

// A baseline of what is wrong would be compared with for ever. Returns whether all cases are right.
bool all_sound(const Baseline& baseline) {
  bool sound = true;
  for (const CaseRecord& record : baseline.cases) {
    const std::string& verdict = record.verdict;
    if (verdict.starts_with(track::kFails)) {
      fail("case '{}': {}", record.asked.name, verdict.substr(track::kFails.size()));
    }
    if (verdict == "bit-exact" || verdict == "not compared") continue;
    fmt::print(stderr, "workbench: case '{}': {}: not recorded\n", record.asked.name, verdict);
    sound = false;
  }
  return sound;
}

int record(const TrackRecordOptions& options) {
  if (options.baseline.empty() && options.store.empty()) {
    fail("track record: expected --baseline FILE or --store FILE, found neither");
  }
  track::Suite suite = track::load_suite(options.suite);
  keep_cases(options.cases, suite.cases, options.suite.string());
  require_writable_file(options.baseline);
  ProgressBar progress;
  Baseline baseline = track::record_suite(suite, progress.callback());
  if (!all_sound(baseline)) return 1;
  if (options.wall > 0) {
    for (CaseRecord& one : baseline.cases) {
      if (one.asked.point.tier != Tier::Transaction) continue;
      one.wall = {track::repeated_seconds(own_executable(), one.asked.point, options.wall)};
    }
  }
  progress.clear();
  if (!options.name.empty()) baseline.name = options.name;
  const track::Revision revision = track::revision_of(suite.file.parent_path(), options.baseline);
  baseline.revision = options.revision.empty() ? revision.id : options.revision;
  baseline.date = options.revision.empty() ? revision.date : options.date;
  if (!options.baseline.empty()) track::save_baseline(baseline, options.baseline);
  if (!options.store.empty()) track::add_to_store(baseline, options.store);
  print(case_table(baseline));
  return 0;
}

// Files, and those of folders by name; or a store.
std::vector<Baseline> recorded(const TrackReportOptions& options) {
  if (options.files.empty() == options.store.empty()) {
    fail("track report: expected baseline files or folders of them, or --store FILE; found {}",
         options.files.empty() ? "neither" : "both");
  }
  if (!options.store.empty()) return track::baselines_in_store(options.store, options.name);
  std::vector<fs::path> files;
  for (const fs::path& given : options.files) {
    if (!fs::is_directory(given)) {
      files.push_back(given);
      continue;
    }
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(given)) {
      if (entry.path().extension() == ".json") inside.push_back(entry.path());
    }
    if (inside.empty()) fail("{}: expected baselines (*.json), found none", given.string());
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  std::vector<Baseline> baselines;
  for (const fs::path& file : files) baselines.push_back(track::load_baseline(file));
  return baselines;
}

int report(const TrackReportOptions& options) {
  for (const auto* path : {&options.json, &options.html, &options.png}) {
    require_writable_file(*path);
  }
  require_picture(options.png);
  std::vector<Baseline> baselines = track::oldest_first(recorded(options));
  track::History history = track::history_of(baselines);
  keep_cases(options.cases, history.cases, "the history");
  const std::string json = track::track_json(history);
  if (!options.json.empty()) write_file(options.json, json);
  if (!options.html.empty() || !options.png.empty()) {
    const std::string html = track_html(json);
    if (!options.html.empty()) write_file(options.html, html);
    if (!options.png.empty()) write_picture(options.png, html, "history");
  }
  print(track::history_text(history));
  return 0;
}

// "2026-11-22T19:30:00Z": texts that sort as the times do.
std::string not_a_date(const std::string& text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  bool good = text.size() == kForm.size();
  for (std::size_t i = 0; good && i < kForm.size(); ++i) {
    good = kForm[i] == '0' ? std::isdigit(static_cast<unsigned char>(text[i])) != 0
                           : text[i] == kForm[i];
  }
  return good ? "" : fmt::format("expected a date as 2026-11-22T19:30:00Z, found '{}'", text);
}

void add_record(CLI::App& track, TrackRecordOptions& options) {
  CLI::App& command =
      *track.add_subcommand("record", "compute every case, write a baseline of them");
  command.add_option("suite", options.suite, "suite file (YAML, docs/track.md)")->required();
  command.add_option("--baseline,-o", options.baseline, "JSON file to write");
  command.add_option("--store", options.store, "SQLite file to add them to as a run");
  command.add_option("--name", options.name, "of the baseline (default: the suite's)");
  command.add_option("--revision", options.revision,
                     "of what is measured (default: git's of the suite's folder)");
  command.add_option("--date", options.date, "of that revision: 2026-11-22T19:30:00Z")
      ->check(not_a_date)
      ->needs("--revision");
  command.add_option("--case", options.cases, "that case only; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--wall", options.wall, "time the simulator, too: runs per case, each of its own")
      ->check(whole_number(1, 1000));
}

void add_compare(CLI::App& track, TrackCompareOptions& options) {
  CLI::App& command = *track.add_subcommand(
      "compare", "compute every case again; what changed, and why; exit code 1 for a regression");
  command.add_option("baseline", options.baseline, "JSON file; with --store: the run's name")
      ->required();
  command.add_option("suite", options.suite, "suite file (default: the baseline's own cases)");
  command.add_option("--store", options.store, "SQLite file that has the baseline: its newest");
  command.add_option("--results", options.results,
                     "compare with this baseline file instead of computing");
  command.add_option("--case", options.cases, "that case only; may be repeated")
      ->allow_extra_args(false);
  command
      .add_option("--set", options.settings,
                  "PARAMETER=VALUE in every case whose machine has it: what would change?")
      ->allow_extra_args(false);
  command
      .add_option("--threshold", options.gate.threshold_percent,
                  "percent that a figure may get worse by (default: 0)")
      ->check(not_negative());
  command.add_flag("--per-layer", options.gate.per_layer, "each layer's cycles must hold it, too");
  command.add_flag("--strict", options.gate.strict, "any figure that differs fails");
  command.add_option("--layers", options.layers, "layers to print per case (default: 10)");
  command.add_option("--junit", options.junit, "JUnit XML file to write");
  command.add_flag("--github", options.github, "print GitHub Actions annotations");
  command.add_option("--json", options.json, "JSON file to write");
  CLI::Option& wall =
      *command.add_option("--wall", options.wall, "time the simulator, too: runs per case")
           ->check(whole_number(1, 1000));
  CLI::Option& against =
      *command
           .add_option("--against", options.against,
                       "executable that --wall is paired with, e.g. of the last release")
           ->needs(&wall);
  command
      .add_option("--wall-threshold", options.wall_threshold,
                  "percent; fail when the simulator is slower than that for certain (95 %)")
      ->check(not_negative())
      ->needs(&against);
}

void add_report(CLI::App& track, TrackReportOptions& options) {
  CLI::App& command =
      *track.add_subcommand("report", "figures over revisions, and where they moved");
  command.add_option("baselines", options.files, "baseline files, or folders of them");
  command.add_option("--store", options.store, "SQLite file that has them");
  command.add_option("--name", options.name, "of the runs in the store (default: all)");
  command.add_option("--case", options.cases, "that case only; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--json", options.json, "JSON file to write");
  command.add_option("--html", options.html, "write the history as one self-contained page");
  command.add_option("--png", options.png, "write its chart as a picture, by a Chromium");
}

}  // namespace

fs::path own_executable() { return fs::read_symlink("/proc/self/exe"); }

void add_track(CLI::App& app, Commands& commands) {
  CLI::App& track = *app.add_subcommand(
      "track", "record figures of a suite, compare with them, show their history");
  track.require_subcommand(1);
  struct Options {
    TrackRecordOptions record;
    TrackCompareOptions compare;
    TrackReportOptions report;
  };
  const auto options = std::make_shared<Options>();
  add_record(track, options->record);
  add_compare(track, options->compare);
  add_report(track, options->report);
  commands["track"] = [options, &track] {
    const std::string name = track.get_subcommands().front()->get_name();
    if (name == "record") return record(options->record);
    if (name == "compare") return track_compare(options->compare);
    CHECK(name == "report", "track {}", name);
    return report(options->report);
  };
}

}  // namespace workbench::app
