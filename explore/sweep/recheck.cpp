#include "explore/sweep/recheck.h"

#include <algorithm>
#include <optional>
#include <random>
#include <ranges>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "explore/store/store.h"

namespace workbench {

namespace {

using Status = PointResult::Status;

// The first figure that differs: "cycles is 12 there, 13 here".
std::string first_difference(const PointResult& there, const PointResult& here) {
  if (there.status != here.status) {
    const std::string why = there.reason.empty() ? here.reason : there.reason;
    return fmt::format("is {} there, {} here{}", to_string(there.status), to_string(here.status),
                       why.empty() ? "" : ": " + why);
  }
  for (const auto& [name, value] : here.metrics) {
    const auto found = there.metrics.find(name);
    if (found == there.metrics.end()) return fmt::format("has no {} there", name);
    if (found->second != value) {
      return fmt::format("{} is {} there, {} here", name, found->second, value);
    }
  }
  return "figures of layers differ";
}

bool same(const PointResult& a, const PointResult& b) {
  if (a.status != b.status) return false;
  if (a.status != Status::Ok) return true;  // reasons name the files of a machine
  // Points of a recorded suite need not have been compared with the golden model.
  const bool compared = a.bit_exact.has_value() && b.bit_exact.has_value();
  const auto figures = [&](const PointResult& result) {
    StoredPoint stored{.key = {}, .point = {}, .result = result};
    stored.result.seconds = 0;
    if (!compared) stored.result.bit_exact.reset();
    return point_json(stored);
  };
  return figures(a) == figures(b);
}

// Not seeded: no result depends on it, and a worker that lies must not foresee it.
std::string drawn_lot() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

}  // namespace

Recheck::Recheck(const Execution& execution)
    : sweep_(execution), asked_(missing_of(execution.points)), lot_(drawn_lot()) {}

std::vector<FileCheck> Recheck::check(std::span<const FinishedFile> files) {
  std::vector<FileCheck> checks(files.size());
  std::vector<Chosen> chosen;
  for (std::size_t i = 0; i < files.size(); ++i) choose(i, files[i], chosen);
  const std::map<std::string, PointResult> here = computed(chosen);
  for (const Chosen& one : chosen) {
    FileCheck& check = checks[one.file];
    const FinishedFile& file = files[one.file];
    const auto result = here.find(one.there->key);
    if (result == here.end()) {
      check.known = false;
      continue;
    }
    ++checked_[file.path];
    if (check.fault.empty()) check.fault = fault(one, result->second, file);
  }
  return checks;
}

// Each key once: a worker that was killed may have written a point twice.
void Recheck::choose(std::size_t number, const FinishedFile& file, std::vector<Chosen>& chosen) {
  const auto wanted = static_cast<std::size_t>(sweep_.options.recheck);
  const auto before = checked_.find(file.path);
  const std::size_t left = wanted - (before == checked_.end() ? 0 : before->second);
  if (left == 0) return;
  std::map<std::string, Chosen> order;
  for (const StoredPoint& point : file.points) {
    if (point.result.status == Status::Failed) continue;  // it may live here
    const auto asked = asked_.find(point.key);
    if (asked == asked_.end()) continue;  // of another sweep: not taken either
    order.try_emplace(sha256_hex(lot_ + point.key), Chosen{number, &point, asked->second});
  }
  for (const auto& [hash, one] : order | std::views::take(left)) chosen.push_back(one);
}

// By keys; those that a stop came before are not there.
std::map<std::string, PointResult> Recheck::computed(std::span<const Chosen> chosen) {
  std::map<std::string, PointResult> results;
  std::map<std::string, KeyedPoint> once;
  for (const Chosen& one : chosen) once.try_emplace(one.asked->key, *one.asked);
  if (once.empty()) return results;
  std::vector<KeyedPoint> points;
  for (const auto& [key, point] : once) points.push_back(point);
  const ScratchFolder folder;
  ExecutorOptions options = sweep_.options;
  options.kind = ExecutorOptions::Kind::Local;
  options.store = folder.file("recheck.db");
  options.jobs = hardware_threads();
  (void)Store(options.store);  // there before workers are forked, which open it all at once
  ExecutionResult result;
  run_on_workers({points, options, [](std::size_t, std::size_t) {}, sweep_.stops, result});
  const Store store(options.store);
  for (const KeyedPoint& keyed : points) {
    if (auto stored = store.find(keyed.key)) results[keyed.key] = std::move(stored->result);
  }
  return results;
}

std::string Recheck::fault(const Chosen& one, const PointResult& here, const FinishedFile& file) {
  std::string point = fmt::format("{} on {}", one.asked->point.network, one.asked->point.machine);
  for (const Setting& setting : one.asked->point.settings) {
    point += " " + setting.name + "=" + setting.value;
  }
  if (here.status == Status::Failed) {
    sweep_.result.warnings.push_back(fmt::format("{}: {} could not be computed again: {}",
                                                 file.path.string(), point, here.reason));
    return "";
  }
  if (same(one.there->result, here)) return "";
  return fmt::format("{}: {}: {}: {}", file.path.string(), point,
                     first_difference(one.there->result, here),
                     file.path == sweep_.options.store
                         ? "its points are not those of this machine; use another store"
                         : "nothing more of this file is taken; delete it, and have its part "
                           "computed on another machine");
}

void recheck_stored(std::span<const Point> points, const ExecutorOptions& options,
                    const Stops& stops, ExecutionResult& result) {
  std::vector<KeyedPoint> asked;
  std::vector<FinishedFile> files{{options.store, {}}};
  {
    const Store store(options.store, Store::Access::Read);
    for (const Point& point : points) {
      std::string key = point_key(point, program_version());
      std::optional<StoredPoint> stored = store.find(key);
      if (!stored) continue;
      files[0].points.push_back(std::move(*stored));
      asked.push_back({std::move(key), point});
    }
  }
  ExecutorOptions again = options;
  again.recheck = options.recheck_stored;
  const ExecutorProgress silent;
  const FileCheck check = Recheck({asked, again, silent, stops, result}).check(files)[0];
  if (!check.known) result.interrupted = true;
  if (!check.fault.empty()) throw Error(check.fault);
}

}  // namespace workbench
