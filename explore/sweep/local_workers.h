// Worker processes of this machine, forked: each has its own simulator, its own caches and its own
// connection to the store.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "explore/sweep/executor.h"
#include "explore/sweep/keyed_point.h"

namespace workbench {

// Whether somebody wants an end: after the points that are being computed, or at once.
struct Stops {
  std::function<bool()> asked, insisted;
};

// Computes `points`, none of which is in the store. A worker that dies takes its point with it,
// which is tried once more; then its result is Failed. Throws Error with what a worker could not
// do: write to the store, read a file.
void run_on_workers(std::span<const KeyedPoint> points, const ExecutorOptions& options,
                    const ExecutorProgress& progress, const Stops& stops, ExecutionResult& result);

}  // namespace workbench
