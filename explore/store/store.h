// All results, in one SQLite file (docs/store.md has the schema for users of sqlite3 and
// pandas): runs (a sweep, a recorded suite), points by their content address, their figures and
// their layers'. WAL; any number of processes may read and write at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explore/report/metrics.h"
#include "explore/sweep/point.h"

namespace workbench {

inline constexpr int kStoreVersion = 1;

// One command that asked for points.
struct RunRecord {
  std::int64_t id = 0;   // given by the store
  std::string kind;      // "sweep", "track", "python"
  std::string name;      // of the study, or of the baseline
  std::string revision;  // git revision of the tree, empty: not known
  std::string version;   // program_version()
  std::string created;   // UTC, "2026-11-22T19:30:00Z"
  std::string study;     // JSON: what was asked, as the command needs it to ask again
};

struct StoredPoint {
  std::string key;
  Point point;
  PointResult result;
};

// How far the points of a run are.
struct RunCounts {
  std::int64_t asked = 0;  // run_points
  std::int64_t ok = 0, infeasible = 0, failed = 0;
};

// A connection of its own: each process opens the store after it was forked. Metrics are finite.
class Store {
 public:
  // Write creates the file when there is none; Read refuses that, and reads files in folders that
  // cannot be written.
  enum class Access { Write, Read };

  // Throws Error: not a database, not ours, from a newer version (says which), damaged (says how to
  // salvage: `workbench results --salvage`), no permission, disk full. So do all others.
  explicit Store(const std::filesystem::path& path, Access access = Access::Write);
  ~Store();
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;

  // One transaction: all of it is there after a kill at any moment, or nothing. The same key again
  // replaces the result.
  void add(const StoredPoint& point);
  void add(std::span<const StoredPoint> points);

  std::optional<StoredPoint> find(const std::string& key, bool with_layers = true) const;
  // Which of the keys have a result, in the order given.
  std::vector<bool> present(std::span<const std::string> keys) const;
  // Of all points, in order.
  std::vector<std::string> keys() const;
  std::vector<std::string> keys_beginning_with(const std::string& prefix) const;

  // Figures' names and units for users of SQL (metric_names, point_table, layer_table), set
  // before a run begins. Costs nothing when they are as before.
  void describe_metrics(std::span<const PointMetric> of_points,
                        std::span<const PointMetric> of_layers);

  // A run and its points in their order; points need no result yet. `created` and `version` are set
  // here when they are empty.
  std::int64_t begin_run(const RunRecord& run, std::span<const std::string> keys);
  // More points of a run, behind those it has; a point it has already stays where it is.
  void extend_run(std::int64_t run, std::span<const std::string> keys);
  std::vector<RunRecord> runs() const;  // oldest first
  RunCounts counts(std::int64_t run) const;
  std::vector<std::string> run_keys(std::int64_t run) const;
  // Of a run, in its order; those without a result are left out.
  std::vector<StoredPoint> run_points(std::int64_t run, bool with_layers = false) const;

 private:
  struct Database;
  std::unique_ptr<Database> database_;
};

// A point and its answer as one line of JSON: the form in which points travel between processes
// and to other programs. {"key", "network", "machine", "settings": {NAME: VALUE, ...} in their
// order, "tier", "status", "reason", "bit_exact": true, false or null, "seconds", "metrics": {...},
// "layers": [{"name", "op", "shape", "metrics"}, ...]}. Doubles are the shortest text that reads
// back the same. Throws Error: names that are no UTF-8.
std::string point_json(const StoredPoint& point);

// The member "settings" alone.
std::string settings_json(const std::vector<Setting>& settings);

// The other way. Throws Error "WHERE: expected ..., found ..." for anything else.
StoredPoint point_from_json(std::string_view text, const std::string& where);

// "analytic", "transaction"; "ok", "infeasible", "failed". Throw Error "WHERE: expected ...".
Tier tier_from(std::string_view text, const std::string& where);
PointResult::Status status_from(std::string_view text, const std::string& where);

}  // namespace workbench
