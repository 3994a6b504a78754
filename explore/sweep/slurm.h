// A sweep on a Slurm cluster (docs/scale-out.md). Beside the store a spool folder holds the job
// file and one output file per array task (worker.h), on a file system that all nodes share. Points
// are collected into the store as they come; tasks that end without all of theirs (a lost node, a
// time limit, a kill) are submitted again. A sweep that was itself ended leaves the folder: the
// next one collects from it.
#pragma once

#include "explore/sweep/executor.h"
#include "explore/sweep/local_workers.h"

namespace workbench {

// Computes `points`, none of which is in the store. Throws Error: no Slurm, a submission it
// refuses, a task that failed too often (naming its log).
void run_on_slurm(std::span<const KeyedPoint> points, const ExecutorOptions& options,
                  const ExecutorProgress& progress, const Stops& stops, ExecutionResult& result);

}  // namespace workbench
