// workbench track record|compare|report: figures of a suite of cases at one revision, what moved
// since, and when it did (docs/track.md).
#include <algorithm>

#include "app/commands.h"
#include "app/terminal.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/html/page.h"
#include "explore/report/text.h"
#include "explore/sweep/parameter.h"
#include "explore/track/baseline.h"
#include "explore/track/causes.h"
#include "explore/track/compare_report.h"
#include "explore/track/history.h"
#include "explore/track/record.h"
#include "explore/track/wall.h"

namespace workbench::app {

namespace fs = std::filesystem;

namespace {

using track::Baseline;
using track::Case;
using track::CaseRecord;

fs::path own_executable() { return fs::read_symlink("/proc/self/exe"); }

// Leaves those of `cases` that are named; all when none is. Throws Error for a name there is not.
template <typename T>
void keep_cases(const std::vector<std::string>& names, std::vector<T>& cases,
                const std::string& where) {
  if (names.empty()) return;
  std::vector<std::string> known;
  for (const T& one : cases) known.push_back(one.name);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    fail("--case {}: expected a case of {}, e.g. '{}'; found no such case", name, where,
         known.empty() ? "" : nearest_name(name, known));
  }
  std::erase_if(cases, [&](const T& one) {
    return std::find(names.begin(), names.end(), one.name) == names.end();
  });
}

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

// A wrong baseline would persist. Returns whether all cases are sound.
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

}  // namespace

int track_report(const TrackReportOptions& options) {
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

int track_record(const TrackRecordOptions& options) {
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

namespace {

Baseline chosen_baseline(const TrackCompareOptions& options) {
  if (options.store.empty()) return track::load_baseline(options.baseline);
  return track::baselines_in_store(options.store, options.baseline).back();
}

// The suite's cases; without one, those that the baseline was recorded of.
track::Suite chosen_suite(const TrackCompareOptions& options, const Baseline& baseline) {
  if (!options.suite.empty()) return track::load_suite(options.suite);
  track::Suite suite{.name = baseline.name, .golden = baseline.golden, .cases = {}};
  for (const CaseRecord& record : baseline.cases) suite.cases.push_back(record.asked);
  return suite;
}

void put(const Setting& setting, std::vector<Setting>& settings) {
  std::erase_if(settings, [&](const Setting& one) { return one.name == setting.name; });
  settings.push_back(setting);
  std::sort(settings.begin(), settings.end());
}

// Into every case whose machine has such a parameter. Throws Error when none has.
void set_everywhere(const std::string& text, std::vector<Case>& cases) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail("--set {}: expected PARAMETER=VALUE, found no '='", text);
  }
  const Setting setting{text.substr(0, equals), text.substr(equals + 1)};
  std::string refusal;
  bool taken = false;
  for (Case& one : cases) {
    try {
      check_parameter(setting.name, one.point.machine);
    } catch (const Error& error) {
      refusal = error.what();
      continue;
    }
    put(setting, one.point.settings);
    taken = true;
  }
  if (!taken) fail("--set {}: {}", text, refusal);
}

Baseline computed(const TrackCompareOptions& options, const Baseline& before) {
  if (!options.results.empty()) {
    if (!options.settings.empty() || !options.suite.empty()) {
      fail("--results: expected no suite and no --set beside it, which say what to compute");
    }
    return track::load_baseline(options.results);
  }
  track::Suite suite = chosen_suite(options, before);
  keep_cases(options.cases, suite.cases,
             suite.file.empty() ? options.baseline : suite.file.string());
  for (const Case& one : suite.cases) {
    if (before.find(one.name) == nullptr) {  // before anything is computed
      fail("{}: expected a case '{}', found none of that name: record the suite again",
           options.baseline, one.name);
    }
  }
  for (const std::string& setting : options.settings) set_everywhere(setting, suite.cases);
  ProgressBar progress;
  Baseline after = track::record_suite(suite, progress.callback());
  after.revision = track::revision_of(suite.file.parent_path()).id;
  return after;
}

// Cases whose machine has other constants now are computed once more with the old ones.
void tell_machines_apart(const Baseline& before, const Baseline& after,
                         track::Comparison& comparison) {
  for (track::CaseChange& change : comparison.cases) {
    const CaseRecord* was = before.find(change.name);
    const CaseRecord* is = after.find(change.name);
    if (is == nullptr || change.figures.empty()) continue;
    if (const auto control = track::with_old_constants(*was, *is)) {
      track::attribute(*was, *is, *control, change);
    }
  }
}

std::string range_text(const std::optional<track::Interval95>& interval) {
  if (!interval) return "(too few for an interval)";
  return fmt::format("[{:+.1f}, {:+.1f}] %", interval->low, interval->high);
}

// Prints what --wall asked for. Returns whether the simulator is slower than the threshold.
bool wall_times(const TrackCompareOptions& options, const Baseline& before, const Baseline& after) {
  bool slower = false;
  std::string text = options.against.empty()
                         ? "\nwall time of the simulator, not paired: it never fails\n"
                         : "\nwall time of the simulator in pairs, 95 % interval of the median\n";
  for (const CaseRecord& record : after.cases) {
    const Point& point = record.asked.point;
    if (point.tier != Tier::Transaction || record.figures.empty()) continue;
    if (options.against.empty()) {
      const std::vector<double> now =
          track::repeated_seconds(own_executable(), point, options.wall);
      const CaseRecord* old = before.find(record.asked.name);
      text += fmt::format("  {}: {:.3g} s, {:.3g} to {:.3g}", record.asked.name, track::median(now),
                          now.front(), now.back());
      if (old != nullptr && old->wall) {
        text += fmt::format("; the baseline had {:.3g} s, {:.3g} to {:.3g}",
                            track::median(old->wall->seconds), old->wall->seconds.front(),
                            old->wall->seconds.back());
      }
      text += "\n";
      continue;
    }
    const track::PairedDifference difference = track::paired_difference(
        track::paired_times(options.against, own_executable(), point, options.wall));
    const bool fails = options.wall_threshold && difference.interval &&
                       difference.interval->low > *options.wall_threshold;
    slower = slower || fails;
    text += fmt::format("  {}: {:+.1f} % {} of {} pairs{}\n", record.asked.name, difference.percent,
                        range_text(difference.interval), difference.pairs, fails ? ": FAILED" : "");
  }
  print(text);
  return slower;
}

}  // namespace

int track_compare(const TrackCompareOptions& options) {
  for (const auto* path : {&options.junit, &options.json}) require_writable_file(*path);
  Baseline before = chosen_baseline(options);
  const Baseline after = computed(options, before);
  if (!options.cases.empty()) {
    std::erase_if(before.cases, [&](const CaseRecord& record) {
      return after.find(record.asked.name) == nullptr;
    });
  }
  track::Comparison comparison = track::compare(before, after, options.baseline);
  if (options.results.empty()) tell_machines_apart(before, after, comparison);
  print(track::compare_text(comparison, options.gate,
                            {.colour = colours_wanted(), .layers = options.layers}));
  if (!options.junit.empty()) {
    write_file(options.junit, track::compare_junit(comparison, options.gate, before.name));
  }
  if (!options.json.empty())
    write_file(options.json, track::compare_json(comparison, options.gate));
  if (options.github) {
    print(track::compare_annotations(comparison, options.gate, options.suite.string()));
  }
  bool failed = track::failed(comparison, options.gate);
  if (options.wall > 0) failed = wall_times(options, before, after) || failed;
  return failed ? 1 : 0;
}

}  // namespace workbench::app
