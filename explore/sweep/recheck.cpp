#include "explore/sweep/recheck.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/file.h"

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
  const auto without_times = [](const PointResult& result) {
    StoredPoint stored{.key = {}, .point = {}, .result = result};
    stored.result.seconds = 0;
    return point_json(stored);
  };
  return without_times(a) == without_times(b);
}

}  // namespace

Recheck::Recheck(std::span<const KeyedPoint> asked, const EvaluatorOptions& evaluate, int of_each)
    : asked_(asked), evaluator_(evaluate), of_each_(static_cast<std::size_t>(of_each)) {}

std::optional<std::string> Recheck::fault(const std::filesystem::path& file,
                                          std::span<const StoredPoint> finished) {
  if (of_each_ == 0) return std::nullopt;
  std::vector<std::pair<std::string, const StoredPoint*>> order;
  for (const StoredPoint& point : finished) {
    if (point.result.status == Status::Failed) continue;  // it may live here
    order.emplace_back(sha256_hex(point.key), &point);
  }
  std::sort(order.begin(), order.end());
  order.resize(std::min(order.size(), of_each_));
  for (const auto& [hash, point] : order) {
    if (const auto wrong = difference(*point)) {
      return fmt::format(
          "{}: {}: nothing of this file is taken; delete it, and have its part computed on another "
          "machine",
          file.string(), *wrong);
    }
  }
  return std::nullopt;
}

std::optional<std::string> Recheck::difference(const StoredPoint& there) {
  const auto asked = std::ranges::find(asked_, there.key, &KeyedPoint::key);
  if (asked == asked_.end()) return std::nullopt;  // of another sweep: not taken either
  const PointResult here = evaluator_.evaluate(asked->point);
  if (same(there.result, here)) return std::nullopt;
  std::string settings;
  for (const Setting& setting : asked->point.settings) {
    settings += " " + setting.name + "=" + setting.value;
  }
  return fmt::format("{} on {}{}: {}", asked->point.network, asked->point.machine, settings,
                     first_difference(there.result, here));
}

}  // namespace workbench
