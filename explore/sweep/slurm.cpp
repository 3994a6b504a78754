#include "explore/sweep/slurm.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <map>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/file.h"
#include "core/units.h"
#include "explore/store/store.h"
#include "explore/sweep/recheck.h"
#include "explore/sweep/worker.h"

namespace workbench {

namespace {

struct Answer {
  int exit_code = 0;
  std::string text;  // both streams
};

// `words` as one command. The shell's 127 says that there is no such program.
Answer call(const std::vector<std::string>& words) {
  std::string command;
  for (const std::string& word : words) command += shell_quoted(word) + " ";
  std::FILE* const pipe = ::popen((command + "2>&1").c_str(), "re");
  if (pipe == nullptr) fail("{}: cannot be started", words.front());
  Answer answer;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    answer.text.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  answer.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  if (answer.exit_code == 127) {
    fail("--executor slurm: expected Slurm's {} in PATH, found none", words.front());
  }
  return answer;
}

std::string last_line(const std::string& text) {
  std::istringstream lines(text);
  std::string line, last = "no reason";
  while (std::getline(lines, line)) {
    if (!line.empty()) last = line;
  }
  return last;
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string shell_quoted(const std::string& word) {
  std::string quoted = "'";
  for (const char letter : word) quoted += letter == '\'' ? "'\\''" : std::string(1, letter);
  return quoted + "'";
}

std::string task_list(std::span<const std::int64_t> tasks) {
  std::string text;
  for (std::size_t i = 0; i < tasks.size();) {
    std::size_t end = i + 1;
    while (end < tasks.size() && tasks[end] == tasks[end - 1] + 1) ++end;
    text += text.empty() ? "" : ",";
    text += end - i > 1 ? fmt::format("{}-{}", tasks[i], tasks[end - 1]) : std::to_string(tasks[i]);
    i = end;
  }
  return text;
}

std::string submit(const ArrayJob& job) {
  std::vector<std::string> words = {"sbatch",
                                    "--parsable",
                                    "--no-requeue",
                                    "--job-name=workbench-sweep",
                                    fmt::format("--array={}%{}", task_list(job.tasks), job.at_once),
                                    "--output=" + job.log.string()};
  words.insert(words.end(), job.arguments.begin(), job.arguments.end());
  words.push_back(job.script.string());
  const Answer answer = call(words);
  const std::string line = last_line(answer.text);
  const std::string id = line.substr(0, line.find(';'));  // "17;cluster" in a federation
  if (answer.exit_code != 0 || !is_number(id)) {
    fail("--executor slurm: sbatch refuses: {}", line);
  }
  return id;
}

ActiveTasks active_tasks(std::span<const std::string> jobs) {
  ActiveTasks active;
  for (const std::string& id : jobs) {
    const Answer answer = call({"squeue", "--noheader", "--array", "--format=%F %K", "--jobs", id});
    if (answer.exit_code != 0) {
      if (answer.text.find("Invalid job id") != std::string::npos) continue;  // over long ago
      fail("--executor slurm: squeue fails: {}", last_line(answer.text));
    }
    std::istringstream lines(answer.text);
    std::string job;
    std::int64_t task = 0;
    while (lines >> job >> task) active.emplace(job, task);
  }
  return active;
}

void cancel(std::span<const std::string> jobs) {
  if (jobs.empty()) return;
  std::vector<std::string> words = {"scancel", "--quiet"};
  words.insert(words.end(), jobs.begin(), jobs.end());
  call(words);
}

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kTasksMax = 1000;  // Slurm's MaxArraySize is 1001 by default
constexpr int kSilentPolls = 30;          // of a controller that does not answer

fs::path spool_of(const fs::path& store) { return fs::absolute(store).string() + ".spool"; }

// One submission's files: job.json, task.sh, jobs.txt (ids), chunk-K-of-N.jsonl, log-K.txt.
struct Folder {
  fs::path path;
  fs::path job() const { return path / "job.json"; }
  fs::path script() const { return path / "task.sh"; }
  fs::path ids() const { return path / "jobs.txt"; }
};

std::vector<std::string> ids_in(const Folder& folder) {
  std::error_code none;
  std::vector<std::string> ids;
  if (!fs::exists(folder.ids(), none)) return ids;
  std::string id;
  for (const char letter : read_file(folder.ids())) {
    if (letter != '\n') {
      id += letter;
    } else if (!id.empty()) {
      ids.push_back(std::exchange(id, {}));
    }
  }
  return ids;
}

// Of a task: how often since it last finished a point, and how many it lacked then.
struct Submissions {
  int without_progress = 0;
  std::ptrdiff_t left = 0;
};

class SlurmSweep {
 public:
  explicit SlurmSweep(const Execution& execution)
      : sweep_(execution), recheck_(execution), missing_(missing_of(execution.points)) {}

  void run() {
    take_over_what_was_left();
    if (!missing_.empty() && !sweep_.result.interrupted) {
      write_job();
      submit_chunks(all_chunks());
      while (!missing_.empty() && !sweep_.result.interrupted) {
        sleep();
        if (sweep_.stops.asked()) {
          sweep_.result.interrupted = true;
          break;
        }
        watch();
      }
      cancel(ids_);
      if (sweep_.result.interrupted) collect();  // what has come until now
    }
    sweep_.result.computed = sweep_.points.size() - missing_.size();
    sweep_.result.interrupted = !missing_.empty();
    if (sweep_.result.interrupted || folder_.path.empty()) return;
    end_tasks(ids_);
    discard(folder_.path);
  }

 private:
  // Cancels tasks, and waits until they have ended: until then they write into their folder.
  void end_tasks(const std::vector<std::string>& ids) const {
    cancel(ids);
    for (int polls = 0; polls < kSilentPolls && !active_tasks(ids).empty(); ++polls) sleep();
  }

  // As often as it takes: files come and go in it while a task ends that Slurm has given up
  // already. What a lost node leaves there the next sweep takes over.
  void discard(const fs::path& folder) const {
    std::error_code busy;
    fs::remove_all(folder, busy);
    for (int polls = 0; polls < kSilentPolls && fs::exists(folder, busy); ++polls) {
      sleep();
      fs::remove_all(folder, busy);
    }
  }

  // Results of a sweep on this store that was ended: its tasks may have gone on alone.
  void take_over_what_was_left() {
    std::error_code none;
    std::vector<fs::path> left;
    for (fs::directory_iterator entry(spool_of(sweep_.options.store), none), end;
         !none && entry != end; entry.increment(none)) {
      if (entry->is_directory()) left.push_back(entry->path());
    }
    std::sort(left.begin(), left.end());
    for (const fs::path& path : left) {
      const Folder old{path};
      end_tasks(ids_in(old));
      if (!keep_checked(finished_in(path))) {  // by the next sweep
        sweep_.result.interrupted = true;
        break;
      }
      discard(path);
    }
    if (!sweep_.points.empty()) tell();
  }

  void write_job() {
    const SweepJob job = job_of(sweep_.points, missing_, sweep_.options.evaluate);
    const std::int64_t count = static_cast<std::int64_t>(job.points.size());
    const std::int64_t wanted =
        sweep_.options.slurm.points_per_task > 0
            ? ceil_div(count, std::int64_t{sweep_.options.slurm.points_per_task})
            : std::int64_t{4} * sweep_.options.jobs;
    chunks_ = std::clamp<std::int64_t>(wanted, 1, std::min(count, kTasksMax));
    const std::string text = job_json(job);
    folder_.path = spool_of(sweep_.options.store) / sha256_hex(text).substr(0, 16);
    fs::create_directories(folder_.path);
    write_file(folder_.job(), text);
    write_file(folder_.script(), script());
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
      for (const KeyedPoint& keyed : chunk_of(job, chunk, chunks_)) {
        chunk_keys_[chunk].push_back(keyed.key);
      }
      submissions_[chunk].left = std::ssize(chunk_keys_[chunk]);
    }
  }

  std::string script() const {
    const fs::path workbench = sweep_.options.slurm.workbench.empty()
                                   ? fs::read_symlink("/proc/self/exe")
                                   : fs::absolute(sweep_.options.slurm.workbench);
    return fmt::format(
        "#!/bin/sh\nexec {} sweep-worker {} --chunk \"$SLURM_ARRAY_TASK_ID\" --chunks {} "
        "--output {}\n",
        shell_quoted(workbench.string()), shell_quoted(folder_.job().string()), chunks_,
        shell_quoted(folder_.path.string()));
  }

  std::vector<std::int64_t> all_chunks() const {
    std::vector<std::int64_t> chunks;
    for (const auto& [chunk, keys] : chunk_keys_) chunks.push_back(chunk);
    return chunks;
  }

  void submit_chunks(const std::vector<std::int64_t>& chunks) {
    const std::string id = submit({.script = folder_.script(),
                                   .tasks = chunks,
                                   .at_once = sweep_.options.jobs,
                                   .log = folder_.path / "log-%a.txt",
                                   .arguments = sweep_.options.slurm.arguments});
    ids_.push_back(id);
    for (const std::int64_t chunk : chunks) ++submissions_[chunk].without_progress;
    std::string text;
    for (const std::string& known : ids_) text += known + "\n";
    write_file(folder_.ids(), text);
  }

  void watch() {
    ActiveTasks active;
    try {
      active = active_tasks(ids_);  // before the files: what is over by now has written them
      silent_polls_ = 0;
    } catch (const Error&) {  // controllers restart
      if (++silent_polls_ > kSilentPolls) throw;
      collect();
      return;
    }
    collect();
    std::vector<std::int64_t> again;
    for (const auto& [chunk, keys] : chunk_keys_) {
      const bool works = std::ranges::any_of(ids_, [&, number = chunk](const std::string& id) {
        return active.contains({id, number});
      });
      const auto left = std::ranges::count_if(
          keys, [&](const std::string& key) { return missing_.contains(key); });
      if (works || left == 0) continue;
      again.push_back(chunk);
      Submissions& so_far = submissions_[chunk];
      if (left < so_far.left) so_far.without_progress = 0;
      so_far.left = left;
    }
    if (again.empty()) return;
    std::erase_if(again, [&](std::int64_t chunk) { return fails_for_good(chunk); });
    if (again.empty()) return;
    sweep_.result.warnings.push_back(fmt::format(
        "Slurm: tasks {} ended without all of their points, submitted again", task_list(again)));
    submit_chunks(again);
  }

  // A task that keeps ending does so at the point it would have finished next. That one is Failed,
  // unless nothing works here at all. True when nothing is left of the chunk.
  bool fails_for_good(std::int64_t chunk) {
    Submissions& so_far = submissions_[chunk];
    if (so_far.without_progress <= sweep_.options.slurm.resubmissions) return false;
    const fs::path log = folder_.path / fmt::format("log-{}.txt", chunk);
    if (missing_.size() == sweep_.points.size()) {
      cancel(ids_);
      fail("--executor slurm: task {} was submitted {} times and finished nothing; its log is {}",
           chunk, so_far.without_progress, log.string());
    }
    so_far.without_progress = 0;
    std::vector<std::string>& keys = chunk_keys_[chunk];
    const auto next = std::find_if(keys.begin(), keys.end(),
                                   [&](const std::string& key) { return missing_.contains(key); });
    CHECK(next != keys.end(), "chunk {} is complete", chunk);
    StoredPoint failed{.key = *next, .point = {}, .result = {}};
    failed.result.status = PointResult::Status::Failed;
    failed.result.reason = fmt::format("its Slurm task ended {} times before it was finished",
                                       sweep_.options.slurm.resubmissions + 1);
    keep({std::move(failed)});
    keys.erase(next);
    return std::none_of(keys.begin(), keys.end(),
                        [&](const std::string& key) { return missing_.contains(key); });
  }

  // New lines of all tasks' files into the store.
  void collect() {
    std::vector<FinishedFile> files;
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
      const fs::path path = chunk_file(folder_.path, chunk, chunks_);
      files.push_back({path, read_finished(path, read_until_[chunk])});
    }
    keep_checked(std::move(files));
    tell();
  }

  // False: a stop came before all were checked. Those that were not stay where they are.
  bool keep_checked(std::vector<FinishedFile> files) {
    std::erase_if(files, [](const FinishedFile& file) { return file.points.empty(); });
    const std::vector<FileCheck> checks = recheck_.check(files);
    std::vector<StoredPoint> taken;
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (!checks[i].known || !checks[i].fault.empty()) continue;
      std::ranges::move(files[i].points, std::back_inserter(taken));
    }
    keep(std::move(taken));
    for (const FileCheck& check : checks) {
      if (check.fault.empty()) continue;
      cancel(ids_);
      throw Error(check.fault);
    }
    return std::ranges::all_of(checks, &FileCheck::known);
  }

  // No connection is left open: workers are forked to compute points again.
  void keep(std::vector<StoredPoint> finished) {
    if (finished.empty()) return;
    Store store(sweep_.options.store);
    add_wanted(std::move(finished), missing_, store);
  }

  void tell() const {
    sweep_.progress(sweep_.points.size() - missing_.size(), sweep_.points.size());
  }

  // Wakes up for Ctrl-C.
  void sleep() const {
    using Clock = std::chrono::steady_clock;
    const auto until =
        Clock::now() + std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(sweep_.options.slurm.poll_seconds));
    while (Clock::now() < until && !sweep_.stops.asked()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  const Execution& sweep_;
  Recheck recheck_;
  Missing missing_;
  Folder folder_;
  std::int64_t chunks_ = 0;
  std::map<std::int64_t, std::vector<std::string>> chunk_keys_;  // in the order of computing
  std::map<std::int64_t, std::uint64_t> read_until_;
  std::map<std::int64_t, Submissions> submissions_;
  std::vector<std::string> ids_;
  int silent_polls_ = 0;
};

}  // namespace

void run_on_slurm(const Execution& execution) { SlurmSweep(execution).run(); }

}  // namespace workbench
