// Computes many points on many processors. What is finished is in the store at once, written by
// the process that computed it: a kill of any process at any moment loses nothing finished, and the
// next call computes only what is missing.
//
// Local: worker processes, forked, so that each has a simulator of its own. The caller must have no
// thread that holds a lock (a plain command line has none).
// Slurm: array jobs of `workbench sweep-worker` (slurm.h, docs/scale-out.md).
// Folder: nothing is computed here. What workers of any other scheduler have left in the folder is
// collected, and a job file for what is still missing is put there (worker.h).
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "explore/sweep/evaluate.h"
#include "explore/sweep/point.h"

namespace workbench {

class Store;

struct SlurmOptions {
  std::filesystem::path workbench;     // executable of the tasks; empty: the running one
  int points_per_task = 0;             // 0: as many as make four tasks per job slot
  int resubmissions = 3;               // of a task that finished no point since the last
  std::vector<std::string> arguments;  // of sbatch, "--partition=..." and the like
  double poll_seconds = 1;
};

struct ExecutorOptions {
  enum class Kind { Local, Slurm, Folder };
  Kind kind = Kind::Local;
  std::filesystem::path store;  // is created when there is none
  int jobs = 1;                 // worker processes; of Slurm: tasks at once
  EvaluatorOptions evaluate;
  SlurmOptions slurm;
  std::filesystem::path folder;  // of Kind::Folder
  int recheck = 1;  // of Slurm and Folder: points of each task's file that are computed again here
  int recheck_stored = 0;  // points that the store has already, likewise
  // Asked between points: true stops as Ctrl-C does. Empty: never. Ctrl-C (SIGINT, SIGTERM) is
  // taken notice of in any case while points are being computed.
  std::function<bool()> interrupted;
};

struct ExecutionResult {
  std::size_t computed = 0;           // points whose result is in the store now and was not before
  std::size_t present = 0;            // points whose result was there already
  bool interrupted = false;           // stopped before all were there: ask again to resume
  std::vector<std::string> warnings;  // workers that died, tasks that were submitted again
};

// WORKBENCH_SIGNAL_AFTER=COUNT:SIGNAL[:group] in the environment of a sweep or of one of its
// workers, with SIGNAL one of INT, KILL, STOP and TERM: a test's way of interrupting it at a given
// point of its work instead of at some time. It signals itself, or its whole process group, when
// the COUNTth of the points that it was asked for is persistent. One that was there when it began
// is counted, too: where it begins beyond COUNT, nothing is sent.
class PlannedSignal {
 public:
  PlannedSignal();  // throws Error: a value of another form

  // There are `now` persistent points, and there were `before` of them.
  void pass(std::size_t before, std::size_t now) const;

 private:
  std::size_t count_ = 0;  // 0: none is planned
  int signal_ = 0;
  bool to_group_ = false;
};

// Called with the number of points done, stored ones included.
using ExecutorProgress = std::function<void(std::size_t done, std::size_t total)>;

// Which of the keys need not be computed, in the order given: those with a result. One that says
// Failed is none: a worker that died for lack of memory may live the next time.
std::vector<bool> have_answers(const Store& store, std::span<const std::string> keys);

// Results of `points` into the store; a point twice is computed once. Throws Error: a store that
// cannot be written, a network or machine that cannot be read at all, Slurm that refuses.
ExecutionResult run_points(std::span<const Point> points, const ExecutorOptions& options,
                           const ExecutorProgress& progress = {});

// Computes options.recheck_stored of those points again that the store has, and compares. Throws
// Error: other figures.
ExecutionResult check_points(std::span<const Point> points, const ExecutorOptions& options);

// Whether an end is asked for: after the points that are being computed, or at once.
struct Stops {
  std::function<bool()> asked, insisted;
};

// Points to compute, none of which is in the store, and whom to tell.
struct Execution {
  std::span<const KeyedPoint> points;
  const ExecutorOptions& options;
  const ExecutorProgress& progress;
  const Stops& stops;
  ExecutionResult& result;
};

// Forks worker processes, each with its own simulator, caches and connection to the store. A worker
// that dies takes its point with it, which is tried once more; then its result is Failed. Throws
// Error with what a worker could not do: write to the store, read a file.
void run_on_workers(const Execution& execution);

}  // namespace workbench
