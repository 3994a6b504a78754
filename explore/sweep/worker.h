// A part of a sweep as one command for any scheduler: a job file names all points, a worker
// computes one chunk of them and commits each finished point: as a line of its output file, or in a
// store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explore/store/store.h"
#include "explore/sweep/evaluate.h"
#include "explore/sweep/executor.h"
#include "explore/sweep/point.h"

namespace workbench {

inline constexpr int kJobVersion = 1;

struct SweepJob {
  std::string program;  // program_version() of who wrote it
  EvaluatorOptions evaluate;
  std::vector<KeyedPoint> points;  // those that share work one after the other
};

// {"format": "workbench sweep job", "version": 1, "program": "...", "evaluate": {"golden",
// "values", "layers"}, "points": [{"key", "network", "machine", "settings", "tier"}, ...]}.
std::string job_json(const SweepJob& job);
// Throws Error "PATH: expected ..., found ...", also for a job of another program: its results
// would go by another name.
SweepJob read_job(const std::filesystem::path& path);

// Points of chunk `chunk` of `chunks`: consecutive ones, as many in each as in the others.
std::span<const KeyedPoint> chunk_of(const SweepJob& job, std::int64_t chunk, std::int64_t chunks);

// Where a worker's finished points go: FOLDER/chunk-K-of-N.jsonl, one point_json() per line with a
// last member "sha256", 16 digits of that of the line before it.
std::filesystem::path chunk_file(const std::filesystem::path& folder, std::int64_t chunk,
                                 std::int64_t chunks);
// Finished points of such a file from byte `offset` on, which is moved behind the last whole line.
// A line that is torn, damaged or says nothing is skipped: its point is missing. No file: no
// points.
std::vector<StoredPoint> read_finished(const std::filesystem::path& file, std::uint64_t& offset);

struct WorkerRequest {
  std::filesystem::path job;
  std::int64_t chunk = 0, chunks = 1;
  std::filesystem::path output, store;  // a folder, a store: one of them
};
struct WorkerResult {
  std::size_t computed = 0, present = 0, infeasible = 0, failed = 0;
};

// Computes what is missing of the chunk. Throws Error: a bad job or chunk number, files that cannot
// be written or read.
WorkerResult work_on_chunk(const WorkerRequest& request,
                           const std::function<void(std::size_t, std::size_t)>& progress = {});

// The order in which points are best computed: those that share a network, then its integers, then
// its program come one after the other (evaluate.h). Indices into `points`, each once; depends on
// the points alone.
std::vector<std::size_t> sharing_order(std::span<const Point> points);

// Work stealing over an order of `count` points. Workers take points one by one from a range of
// their own; an idle worker steals the back half of the longest other range.
class Stretches {
 public:
  Stretches(std::size_t count, std::size_t workers);
  // The next position for the worker; `count` when nothing is left for it.
  std::size_t next(std::size_t worker);
  // A position that was given out must be given out again: to this worker, as its next one.
  void put_back(std::size_t worker, std::size_t position);
  bool empty() const;

 private:
  struct Stretch {
    std::vector<std::size_t> again;
    std::size_t begin = 0, end = 0;
    std::size_t left() const { return end - begin; }
  };
  std::size_t count_;
  std::vector<Stretch> stretches_;
};

// The folder that a sweep and its workers share has a job file, and what they have finished. It is
// also the executor for schedulers that have none of their own here: the user runs the workers
// (docs/scale-out.md).

// Points that have no result yet, by key.
using Missing = std::map<std::string, const KeyedPoint*>;
Missing missing_of(std::span<const KeyedPoint> points);

// Those of `points` that are missing, in sharing_order(); files by absolute paths, because a task
// does not run where the sweep was started.
SweepJob job_of(std::span<const KeyedPoint> points, const Missing& missing,
                const EvaluatorOptions& evaluate);

// What workers have left in a folder, files in the order of their names.
struct FinishedFile {
  std::filesystem::path path;
  std::vector<StoredPoint> points;
};
std::vector<FinishedFile> finished_in(const std::filesystem::path& folder);

// Adds those of `finished` that are missing to the store, as they were asked for, and takes them
// out of `missing`.
void add_wanted(std::vector<StoredPoint> finished, Missing& missing, Store& store);

// Collects from options.folder; then FOLDER/job.json has what is still missing, and a warning says
// how to compute it. Throws Error: a folder that cannot be written, and a file whose results are
// not those of this machine (recheck.h), when all others have been collected.
void collect_and_ask(const Execution& execution);

}  // namespace workbench
