#include "explore/track/side_by_side.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/json_fault.h"
#include "explore/flow/request.h"
#include "explore/report/metrics.h"
#include "explore/report/text.h"
#include "explore/sweep/parameter.h"
#include "explore/track/causes.h"
#include "explore/track/compare_report.h"
#include "explore/track/record.h"

namespace workbench::track {

namespace {

using Json = nlohmann::ordered_json;

struct Asked {
  ComparedRun run;
  std::optional<CaseRecord> record;  // of a run that was computed
};

ComparedRun of_report(const std::string& path) {
  ComparedRun run{.name = path};
  const std::string text = read_file(path);
  check_json_depth(text, path);
  try {
    const Json json = Json::parse(text);
    run.machine = json.at("machine").at("name");
    run.network = json.at("network").at("name");
    run.microseconds_per_cycle = 1 / json.at("machine").at("report_clock_mhz").get<double>();
    const Json& exact = json.at("verdict").at("bit_exact");
    run.verdict = exact.is_null() ? "not compared" : exact.get<bool>() ? "bit-exact" : "MISMATCH";
    for (const char* group : {"totals", "memory"}) {
      for (const auto& [name, value] : json.at(group).items()) {
        if (value.is_number()) run.figures[name] = value;
      }
    }
    for (std::size_t s = 0; s < kSteps; ++s) {
      run.waterfall[s] =
          Cycles{json.at("waterfall").at(step_key(static_cast<Step>(s))).get<std::int64_t>()};
    }
    for (const Json& layer : json.at("layers")) {
      run.layers.push_back({layer.at("name"), layer.at("op"), layer.at("cycles")});
    }
  } catch (const nlohmann::json::exception& error) {
    fail("{}: expected a report of `run --json`, found {}", path, json_fault(error.what()));
  }
  return run;
}

Case case_of(const std::string& text) {
  std::istringstream words(text);
  Case one{.name = text};
  one.point.tier = Tier::Transaction;
  words >> one.point.machine >> one.point.network;
  if (one.point.network.empty()) {
    fail("{}: expected FILE.json or 'MACHINE NETWORK [PARAMETER=VALUE ...]'", text);
  }
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      fail("{}: expected PARAMETER=VALUE, found '{}'", text, word);
    }
    one.point.settings.push_back({word.substr(0, equals), word.substr(equals + 1)});
  }
  std::ranges::sort(one.point.settings);
  return one;
}

Asked computed(const std::string& text, bool golden) {
  const Case asked = case_of(text);
  const std::optional<Machine> machine = machine_of(request_of(asked.point));
  CHECK(machine, "'{}' names no machine", text);
  CaseRecord record = record_case(asked, golden);
  if (record.verdict.starts_with(kFails))
    fail("{}: {}", text, record.verdict.substr(kFails.size()));
  ComparedRun run{.name = text,
                  .machine = record.asked.point.machine,
                  .network = record.asked.point.network,
                  .verdict = record.verdict,
                  .figures = record.figures,
                  .microseconds_per_cycle = 1 / machine_info(*machine).report_clock_mhz};
  for (const LayerRecord& layer : record.layers) {
    run.layers.push_back({layer.name, layer.op, layer.cycles});
    for (std::size_t s = 0; s < kSteps; ++s) run.waterfall[s] += layer.waterfall[s];
  }
  return {std::move(run), std::move(record)};
}

std::vector<std::string> differences_of(const Asked& first, const Asked& other) {
  std::vector<std::string> lines;
  if (first.record && other.record) {
    for (const Cause& cause : differences(*first.record, *other.record)) {
      lines.push_back(cause_text(cause));
    }
    return lines;
  }
  const ComparedRun &a = first.run, &b = other.run;
  if (a.machine != b.machine)
    lines.push_back(fmt::format("machine: {} -> {}", a.machine, b.machine));
  if (a.network != b.network)
    lines.push_back(fmt::format("network: {} -> {}", a.network, b.network));
  return lines;
}

// Layers by name; of several of one name the nth belongs to the nth. In the order of the first run,
// then what only later ones have.
struct AlignedLayer {
  std::string name;
  std::vector<std::optional<std::int64_t>> cycles;  // of each run
};

std::vector<AlignedLayer> aligned_layers(std::span<const ComparedRun> runs) {
  std::vector<AlignedLayer> rows;
  std::map<std::pair<std::string, int>, std::size_t> places;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    std::map<std::string, int> seen;
    for (const ComparedLayer& layer : runs[r].layers) {
      const auto [place, is_new] =
          places.try_emplace({layer.name, seen[layer.name]++}, rows.size());
      if (is_new) {
        rows.push_back({layer.name, std::vector<std::optional<std::int64_t>>(runs.size())});
      }
      rows[place->second].cycles[r] = layer.cycles;
    }
  }
  return rows;
}

// Cycles of other clocks are no measure of one another.
bool one_clock(std::span<const ComparedRun> runs) {
  return std::ranges::all_of(runs, [&](const ComparedRun& run) {
    return std::abs(run.microseconds_per_cycle / runs[0].microseconds_per_cycle - 1) < 1e-9;
  });
}

// "A" to "F": names of runs are too long for columns.
std::string letter(std::size_t run) { return std::string(1, static_cast<char>('A' + run)); }

std::string ratio_text(double first, double other) {
  return first == 0 ? "" : fmt::format("x {:.3g}", other / first);
}

Table figure_table(std::span<const ComparedRun> runs) {
  Table table{.columns = {{"figure", false}}};
  for (std::size_t r = 0; r < runs.size(); ++r) {
    table.columns.push_back({letter(r)});
    if (r > 0) table.columns.push_back({letter(r) + " of A"});
  }
  for (const PointMetric& metric : point_metrics()) {
    const std::string key(metric.name);
    if (std::ranges::none_of(runs, [&](const auto& run) { return run.figures.contains(key); })) {
      continue;
    }
    std::vector<std::string> row{metric.unit.empty() || metric.unit == metric.name
                                     ? key
                                     : fmt::format("{} ({})", key, metric.unit)};
    for (std::size_t r = 0; r < runs.size(); ++r) {
      const auto found = runs[r].figures.find(key);
      const auto first = runs[0].figures.find(key);
      const bool known = found != runs[r].figures.end();
      row.push_back(known ? figure_text(found->second) : "-");
      if (r == 0) continue;
      const bool both = known && first != runs[0].figures.end();
      row.push_back(both ? ratio_text(first->second, found->second) : "");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::int64_t total(const ComparedRun& run) {
  std::int64_t sum = 0;
  for (const Cycles cycles : run.waterfall) sum += cycles.value;
  return sum;
}

Table waterfall_table(std::span<const ComparedRun> runs) {
  Table table{.columns = {{"where the cycles went", false}}};
  for (std::size_t r = 0; r < runs.size(); ++r) table.columns.push_back({letter(r)});
  for (std::size_t s = 0; s < kSteps; ++s) {
    std::vector<std::string> row{std::string(to_string(static_cast<Step>(s)))};
    for (const ComparedRun& run : runs) {
      const auto whole = static_cast<double>(std::max<std::int64_t>(total(run), 1));
      row.push_back(
          fmt::format("{:.1f} %", 100 * static_cast<double>(run.waterfall[s].value) / whole));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table layer_table(std::span<const ComparedRun> runs, std::size_t most) {
  const bool cycles = one_clock(runs);
  Table table{.columns = {{cycles ? "layer (cycles)" : "layer (us)", false, 40}}};
  for (std::size_t r = 0; r < runs.size(); ++r) table.columns.push_back({letter(r)});
  for (const AlignedLayer& layer : aligned_layers(runs)) {
    if (table.rows.size() == most) break;
    std::vector<std::string> row{layer.name};
    for (std::size_t r = 0; r < runs.size(); ++r) {
      row.push_back(!layer.cycles[r] ? "-"
                    : cycles         ? thousands(*layer.cycles[r])
                                     : fmt::format("{:.1f}", static_cast<double>(*layer.cycles[r]) *
                                                                 runs[r].microseconds_per_cycle));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

std::vector<ComparedRun> compared_runs(std::span<const std::string> runs, bool golden,
                                       const Progress& progress) {
  if (runs.size() < kFewestRuns || runs.size() > kMostRuns) {
    fail("expected {} to {} runs, found {}", kFewestRuns, kMostRuns, runs.size());
  }
  std::vector<Asked> asked;
  for (const std::string& text : runs) {
    if (progress) {
      progress(text, static_cast<double>(asked.size()) / static_cast<double>(runs.size()));
    }
    asked.push_back(text.ends_with(".json") ? Asked{of_report(text), std::nullopt}
                                            : computed(text, golden));
    if (asked.size() > 1) {
      asked.back().run.differences = differences_of(asked.front(), asked.back());
    }
  }
  std::vector<ComparedRun> result;
  for (Asked& one : asked) result.push_back(std::move(one.run));
  return result;
}

std::string compared_text(std::span<const ComparedRun> runs, std::size_t layers) {
  constexpr std::size_t kWidth = 200;  // of a difference: machines of two families differ in all
  std::string text;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    text += fmt::format("{}  {}: {}\n", letter(r), runs[r].name, runs[r].verdict);
  }
  for (const Table& table :
       {figure_table(runs), waterfall_table(runs), layer_table(runs, layers)}) {
    text += "\n";
    for (const std::string& line : lines(table)) text += line + "\n";
  }
  const std::size_t count = aligned_layers(runs).size();
  if (count > layers) text += fmt::format("... {} more layers\n", count - layers);
  for (std::size_t r = 1; r < runs.size(); ++r) {
    text += fmt::format("\nwhat differs in {} from A\n", letter(r));
    if (runs[r].differences.empty()) text += "  nothing that is known\n";
    for (const std::string& line : runs[r].differences) {
      text += "  " + shortened(line, kWidth) + "\n";
    }
  }
  return text;
}

std::string compared_json(std::span<const ComparedRun> runs) {
  Json json = {{"runs", Json::array()}, {"layers", Json::array()}};
  for (const ComparedRun& run : runs) {
    Json figures = Json::object(), waterfall = Json::object();
    for (const PointMetric& metric : point_metrics()) {  // in their order, then all others
      const auto known = run.figures.find(std::string(metric.name));
      if (known != run.figures.end()) figures[known->first] = known->second;
    }
    for (const auto& [name, value] : run.figures) figures[name] = value;
    for (std::size_t s = 0; s < kSteps; ++s) {
      waterfall[step_key(static_cast<Step>(s))] = run.waterfall[s].value;
    }
    json["runs"].push_back({{"name", run.name},
                            {"machine", run.machine},
                            {"network", run.network},
                            {"verdict", run.verdict},
                            {"microseconds_per_cycle", run.microseconds_per_cycle},
                            {"figures", std::move(figures)},
                            {"waterfall", std::move(waterfall)},
                            {"differences", run.differences}});
  }
  for (const AlignedLayer& layer : aligned_layers(runs)) {
    Json cycles = Json::array();
    for (const auto& one : layer.cycles) cycles.push_back(one ? Json(*one) : Json(nullptr));
    json["layers"].push_back({{"name", layer.name}, {"cycles", std::move(cycles)}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace workbench::track
