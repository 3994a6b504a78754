#include "explore/sweep/executor.h"

#include <algorithm>
#include <csignal>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "explore/store/store.h"
#include "explore/sweep/job_folder.h"
#include "explore/sweep/local_workers.h"
#include "explore/sweep/slurm.h"

namespace workbench {

namespace {

// volatile: a signal handler writes it.
volatile std::sig_atomic_t signals_taken = 0;

void take(int) { signals_taken = signals_taken + 1; }

// Ctrl-C and SIGTERM are noted and nothing else, as long as this lives.
class NotedSignals {
 public:
  NotedSignals() {
    signals_taken = 0;
    struct sigaction action {};
    action.sa_handler = take;  // without SA_RESTART: poll() returns
    sigaction(SIGINT, &action, &interrupt_);
    sigaction(SIGTERM, &action, &terminate_);
  }
  ~NotedSignals() {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGTERM, &terminate_, nullptr);
  }
  NotedSignals(const NotedSignals&) = delete;
  NotedSignals& operator=(const NotedSignals&) = delete;

 private:
  struct sigaction interrupt_ {
  }, terminate_{};
};

// The points of the call, each once, that have no answer yet.
std::vector<KeyedPoint> missing_points(std::span<const Point> points,
                                       const std::filesystem::path& path, ExecutionResult& result) {
  std::vector<KeyedPoint> unique;
  std::set<std::string> known;
  for (const Point& point : points) {
    std::string key = point_key(point, program_version());
    if (known.insert(key).second) unique.push_back({std::move(key), point});
  }
  std::vector<std::string> keys;
  for (const KeyedPoint& keyed : unique) keys.push_back(keyed.key);
  const Store store(path);
  const std::vector<bool> present = have_answers(store, keys);
  std::vector<KeyedPoint> missing;
  for (std::size_t i = 0; i < unique.size(); ++i) {
    if (present[i]) {
      ++result.present;
    } else {
      missing.push_back(std::move(unique[i]));
    }
  }
  return missing;
}

}  // namespace

std::vector<bool> have_answers(const Store& store, std::span<const std::string> keys) {
  std::vector<bool> answered = store.present(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!answered[i]) continue;
    const std::optional<StoredPoint> stored = store.find(keys[i], false);
    answered[i] = stored && stored->result.status != PointResult::Status::Failed;
  }
  return answered;
}

ExecutionResult run_points(std::span<const Point> points, const ExecutorOptions& options,
                           const ExecutorProgress& progress) {
  if (options.jobs < 1) fail("--jobs {}: expected at least 1", options.jobs);
  ExecutionResult result;
  // In the store's own scope: workers are forked without a connection.
  const std::vector<KeyedPoint> missing = missing_points(points, options.store, result);
  const std::size_t total = result.present + missing.size();
  const ExecutorProgress tell = [&](std::size_t done, std::size_t) {
    if (progress) progress(result.present + done, total);
  };
  tell(0, total);
  if (missing.empty()) return result;
  const NotedSignals signals;
  const Stops stops{
      .asked = [&] { return signals_taken > 0 || (options.interrupted && options.interrupted()); },
      .insisted = [] { return signals_taken > 1; }};
  switch (options.kind) {
    case ExecutorOptions::Kind::Local:
      run_on_workers(missing, options, tell, stops, result);
      break;
    case ExecutorOptions::Kind::Slurm:
      run_on_slurm(missing, options, tell, stops, result);
      break;
    case ExecutorOptions::Kind::Folder:
      collect_and_ask(missing, options, tell, result);
      break;
  }
  return result;
}

}  // namespace workbench
