// The folder that a sweep and its workers share: a job file, and what they have finished. Also the
// executor for schedulers we know nothing of: the user runs the workers (docs/scale-out.md).
#pragma once

#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "explore/sweep/executor.h"
#include "explore/sweep/keyed_point.h"
#include "explore/sweep/worker.h"

namespace workbench {

// Those of `points` whose keys are in `missing`, in sharing_order(); files by absolute paths,
// because a task does not run where the sweep was started.
SweepJob job_of(std::span<const KeyedPoint> points, const std::set<std::string>& missing,
                const EvaluateOptions& evaluate);

// All that workers have left in the folder, files in the order of their names.
std::vector<StoredPoint> finished_in(const std::filesystem::path& folder);

// Adds those of `finished` that are missing to the store, as they were asked for in `points`, and
// takes their keys out of `missing`.
void add_wanted(std::vector<StoredPoint> finished, std::span<const KeyedPoint> points,
                std::set<std::string>& missing, Store& store);

// Collects from options.folder; then FOLDER/job.json has what is still missing, and a warning says
// how to compute it. Throws Error: a folder that cannot be written.
void collect_and_ask(std::span<const KeyedPoint> points, const ExecutorOptions& options,
                     const ExecutorProgress& progress, ExecutionResult& result);

}  // namespace workbench
