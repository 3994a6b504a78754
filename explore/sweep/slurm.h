// A sweep on a Slurm cluster (docs/scale-out.md). Beside the store a spool folder holds the job
// file and one output file per array task (worker.h), on a file system that all nodes share. Points
// are collected into the store as they come; tasks that end without all of theirs (a lost node, a
// time limit, a kill) are submitted again. A sweep that was itself ended leaves the folder: the
// next one collects from it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "explore/sweep/executor.h"

namespace workbench {

// Computes `points`, none of which is in the store. Throws Error: no Slurm, a submission it
// refuses, a task that failed too often (naming its log).
void run_on_slurm(const Execution& execution);

// Slurm by its command line.

// A word as the shell takes it literally.
std::string shell_quoted(const std::string& word);

// Array tasks "ID_INDEX" that Slurm has pending, running or ending.
using ActiveTasks = std::set<std::pair<std::string, std::int64_t>>;

struct ArrayJob {
  std::filesystem::path script;
  std::vector<std::int64_t> tasks;
  int at_once = 1;
  std::filesystem::path log;           // "%a" is the task's number
  std::vector<std::string> arguments;  // further ones
};

// The job's id. Slurm is asked not to requeue what is lost, which it would do minutes later.
// Throws Error with what sbatch says.
std::string submit(const ArrayJob& job);
// Of the jobs given. Throws Error with what squeue says when it fails; jobs it no longer knows are
// over.
ActiveTasks active_tasks(std::span<const std::string> jobs);
// Ends the jobs; those that are over do not matter.
void cancel(std::span<const std::string> jobs);

// "0-3,7" for 0, 1, 2, 3, 7.
std::string task_list(std::span<const std::int64_t> tasks);

}  // namespace workbench
