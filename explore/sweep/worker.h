// A part of a sweep as one command for any scheduler: a job file names all points, a worker
// computes one chunk of them and leaves each finished point where nothing can undo it: as a line of
// its output file, or in a store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explore/store/store.h"
#include "explore/sweep/evaluate.h"
#include "explore/sweep/keyed_point.h"

namespace workbench {

inline constexpr int kJobVersion = 1;

struct SweepJob {
  std::string program;  // program_version() of who wrote it
  EvaluateOptions evaluate;
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

// Where a worker's finished points go: FOLDER/chunk-K-of-N.jsonl, one point_json() per line.
std::filesystem::path chunk_file(const std::filesystem::path& folder, std::int64_t chunk,
                                 std::int64_t chunks);
// Finished points of such a file from byte `offset` on, which is moved behind the last whole line.
// A line that is torn or says nothing is skipped: its point is missing. No file: no points.
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

}  // namespace workbench
