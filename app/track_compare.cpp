// workbench track compare.
#include "app/network.h"
#include "app/terminal.h"
#include "app/track_options.h"
#include "core/file.h"
#include "explore/sweep/parameter.h"
#include "explore/table.h"
#include "explore/track/attribute.h"
#include "explore/track/compare_report.h"
#include "explore/track/figure_text.h"
#include "explore/track/program_run.h"
#include "explore/track/record.h"
#include "explore/track/suite_store.h"
#include "explore/track/wall_run.h"

namespace workbench::app {

namespace {

using track::Baseline;
using track::Case;
using track::CaseRecord;

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
