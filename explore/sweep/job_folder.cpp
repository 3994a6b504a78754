#include "explore/sweep/job_folder.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/file.h"
#include "explore/sweep/sharing.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

void use_absolute_paths(Point& point) {
  std::error_code none;
  for (std::string* name : {&point.network, &point.machine}) {
    if (fs::exists(*name, none)) *name = fs::absolute(*name).string();
  }
  for (Setting& setting : point.settings) {
    if (fs::is_regular_file(setting.value, none) || fs::is_directory(setting.value, none)) {
      setting.value = fs::absolute(setting.value).string();
    }
  }
}

}  // namespace

SweepJob job_of(std::span<const KeyedPoint> points, const std::set<std::string>& missing,
                const EvaluateOptions& evaluate) {
  SweepJob job{.program = program_version(), .evaluate = evaluate, .points = {}};
  std::vector<Point> plain;
  for (const KeyedPoint& keyed : points) plain.push_back(keyed.point);
  for (const std::size_t i : sharing_order(plain)) {
    if (missing.contains(points[i].key)) job.points.push_back(points[i]);
  }
  for (KeyedPoint& keyed : job.points) use_absolute_paths(keyed.point);
  return job;
}

std::vector<StoredPoint> finished_in(const fs::path& folder) {
  std::error_code none;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(folder, none), end; !none && entry != end;
       entry.increment(none)) {
    if (entry->path().extension() == ".jsonl") files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  std::vector<StoredPoint> all;
  for (const fs::path& file : files) {
    std::uint64_t offset = 0;
    std::ranges::move(read_finished(file, offset), std::back_inserter(all));
  }
  return all;
}

void add_wanted(std::vector<StoredPoint> finished, std::span<const KeyedPoint> points,
                std::set<std::string>& missing, Store& store) {
  std::vector<StoredPoint> wanted;
  for (StoredPoint& point : finished) {
    if (missing.erase(point.key) == 0) continue;
    const auto asked = std::ranges::find(points, point.key, &KeyedPoint::key);
    CHECK(asked != points.end(), "{}", point.key);
    point.point = asked->point;
    wanted.push_back(std::move(point));
  }
  if (!wanted.empty()) store.add(wanted);
}

void collect_and_ask(std::span<const KeyedPoint> points, const ExecutorOptions& options,
                     const ExecutorProgress& progress, ExecutionResult& result) {
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error) fail("{}: cannot be made: {}", options.folder.string(), error.message());
  std::set<std::string> missing;
  for (const KeyedPoint& keyed : points) missing.insert(keyed.key);
  {
    Store store(options.store);
    add_wanted(finished_in(options.folder), points, missing, store);
  }
  result.computed = points.size() - missing.size();
  progress(result.computed, points.size());
  const fs::path job = options.folder / "job.json";
  if (missing.empty()) {
    fs::remove(job, error);
    return;
  }
  write_file(job, job_json(job_of(points, missing, options.evaluate)));
  result.warnings.push_back(
      fmt::format("{} points are to be computed by: workbench sweep-worker {} --chunk K --chunks N "
                  "--output {}, "
                  "for K from 0 to N-1; then give this command again",
                  missing.size(), job.string(), options.folder.string()));
}

}  // namespace workbench
