#include "explore/track/suite_store.h"

#include "core/error.h"
#include "core/file.h"
#include "explore/sweep/point_metrics.h"

namespace workbench::track {

namespace fs = std::filesystem;

namespace {

constexpr const char* kKind = "track";

StoredPoint stored(const CaseRecord& record, const std::string& key) {
  CHECK(record.answer.has_value(), "case '{}' was read, not computed", record.asked.name);
  StoredPoint stored{.key = key, .point = record.asked.point, .result = *record.answer};
  if (record.verdict == "bit-exact") stored.result.bit_exact = true;
  return stored;
}

}  // namespace

void add_to_store(const Baseline& baseline, const fs::path& store_path) {
  Store store(store_path);
  store.describe_metrics(point_metrics(), layer_metrics());
  std::vector<std::string> keys;
  for (const CaseRecord& record : baseline.cases) {
    keys.push_back(point_key(record.asked.point, program_version()));
    store.add(stored(record, keys.back()));
  }
  store.begin_run({.kind = kKind,
                   .name = baseline.name,
                   .revision = baseline.revision,
                   .version = program_version(),
                   .study = baseline_text(baseline, store_path.parent_path())},
                  keys);
}

std::vector<Baseline> baselines_in_store(const fs::path& store_path, const std::string& name) {
  const Store store(store_path, Store::Access::Read);
  std::vector<Baseline> baselines;
  for (const RunRecord& run : store.runs()) {
    if (run.kind != kKind || (!name.empty() && run.name != name)) continue;
    baselines.push_back(parse_baseline(run.study,
                                       fmt::format("{}: run {}", store_path.string(), run.id),
                                       store_path.parent_path()));
  }
  if (baselines.empty()) {
    fail("{}: expected recorded suites{}, found none", store_path.string(),
         name.empty() ? "" : " named '" + name + "'");
  }
  return baselines;
}

}  // namespace workbench::track
