// workbench results: the contents of a results store.
#include <algorithm>
#include <charconv>
#include <memory>

#include "app/commands.h"
#include "app/terminal.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/store/result_table.h"
#include "explore/store/salvage.h"
#include "explore/store/store.h"

namespace workbench::app {

namespace {

int salvage_store(const ResultsOptions& options) {
  const SalvageReport report = salvage(options.store, options.salvage);
  std::string text;
  for (const std::string& lost : report.lost) text += "lost: " + lost + "\n";
  print(text + fmt::format("{}: {} points and {} runs kept, {} lost\n", options.salvage.string(),
                           report.points, report.runs, report.lost.size()));
  return report.lost.empty() ? 0 : 1;
}

std::int64_t run_number(const Store& store, const std::string& name) {
  const std::vector<RunRecord> runs = store.runs();
  if (name == "last" && !runs.empty()) return runs.back().id;
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  const bool number = error == std::errc() && end == name.data() + name.size();
  const bool known =
      std::any_of(runs.begin(), runs.end(), [&](const RunRecord& run) { return run.id == id; });
  if (!number || !known) {
    fail("results {}: expected the number of a run ('results' lists them) or last, found '{}'",
         name, name);
  }
  return id;
}

StoredPoint point_named(const Store& store, const std::string& name) {
  const std::vector<std::string> keys = store.keys_beginning_with(name);
  if (keys.size() != 1) {
    fail("--point {}: expected the beginning of one key, found {} points with it", name,
         keys.size());
  }
  return store.find(keys[0]).value();
}

std::vector<StoredPoint> chosen_points(const Store& store, const ResultsOptions& options) {
  std::vector<StoredPoint> points;
  if (!options.point.empty()) {
    points.push_back(point_named(store, options.point));
  } else if (!options.run.empty()) {
    points = store.run_points(run_number(store, options.run), options.layers);
  } else {
    for (const std::string& key : store.keys()) {
      points.push_back(store.find(key, options.layers).value());
    }
    sort_by_question(points);
  }
  return points;
}

// The short forms are conditions too.
ResultQuery query_of(const ResultsOptions& options) {
  ResultQuery query = options.query;
  const auto add = [&](const char* column, const std::string& value) {
    if (!value.empty()) query.where.push_back(fmt::format("{}={}", column, value));
  };
  add("status", options.status);
  add("tier", options.tier);
  add("network", options.network);
  add("machine", options.machine);
  return query;
}

bool asks_for_points(const ResultsOptions& options) {
  const std::array texts = {&options.run,     &options.point, &options.status, &options.network,
                            &options.machine, &options.tier,  &options.csv,    &options.json};
  return options.all || options.layers || !options.query.where.empty() ||
         !options.query.columns.empty() || !options.query.sort.empty() ||
         std::any_of(texts.begin(), texts.end(), [](const auto* text) { return !text->empty(); });
}

}  // namespace

int results(const ResultsOptions& options) {
  if (!options.salvage.empty()) return salvage_store(options);
  const Store store(options.store, Store::Access::Read);
  if (!asks_for_points(options)) {
    print(runs_text(store));
    return 0;
  }
  const std::vector<StoredPoint> points = chosen_points(store, options);
  const ResultQuery query = query_of(options);
  const ResultTable table =
      options.layers ? layer_table(points, query) : result_table(points, query);
  if (!options.csv.empty()) write_file(options.csv, csv(table));
  if (!options.json.empty()) write_file(options.json, json(table));
  if (options.csv.empty() && options.json.empty()) {
    const bool whole_point = !options.point.empty() && !options.layers && !points.empty();
    print(whole_point ? text(points.at(0)) : text(table, query));
  }
  return 0;
}

}  // namespace workbench::app
