// Points computed by worker processes: nothing that was finished is lost, whichever process is
// killed when.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <sstream>
#include <tuple>

#include "core/error.h"
#include "core/file.h"
#include "explore/store/store.h"
#include "explore/sweep/executor.h"
#include "explore/sweep/worker.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

std::vector<Point> some_points() {
  std::vector<Point> points;
  for (const char* cores : {"1", "2", "4", "8"}) {
    for (const char* l1 : {"1k", "8k", "16k"}) {  // nothing fits 1k
      points.push_back({.network = "zoo:tiny_mobile",
                        .machine = "gap8",
                        .settings = {{"cores", cores}, {"l1", l1}}});
    }
  }
  for (const char* memory : {"0.0625", "1"}) {
    for (const Tier tier : {Tier::Analytic, Tier::Transaction}) {
      points.push_back({.network = "zoo:tiny_cnn",
                        .machine = "v3_96",
                        .settings = {{"memory", memory}},
                        .tier = tier});
    }
  }
  return points;
}

// All that is in the store of these points, without times, one line each.
std::string contents(const std::filesystem::path& path, std::span<const Point> points) {
  const Store store(path);  // to write: the file of one that was killed at once is no store yet
  std::string text;
  for (const Point& point : points) {
    auto stored = store.find(point_key(point, program_version()));
    if (!stored) {
      text += "missing\n";
      continue;
    }
    stored->result.seconds = 0;
    text += point_json(*stored) + "\n";
  }
  return text;
}

// What an uninterrupted execution leaves.
const std::string& expected() {
  static const std::string text = [] {
    const TemporaryFolder folder;
    const std::vector<Point> points = some_points();
    Store store(folder.path() / "store.db");
    Evaluator evaluator;
    for (const Point& point : points) {
      store.add(StoredPoint{point_key(point, program_version()), point, evaluator.evaluate(point)});
    }
    return contents(folder.path() / "store.db", points);
  }();
  return text;
}

std::vector<pid_t> children_of(pid_t process) {
  std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", process));
  std::vector<pid_t> children;
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

int doomed_children = 0;

// So many of the processes that this one forks next are killed before they do anything.
void kill_next_children(int count) {
  static const int registered = ::pthread_atfork(
      nullptr, [] { doomed_children = std::max(doomed_children - 1, 0); },
      [] {
        if (doomed_children > 0) ::raise(SIGKILL);
      });
  ASSERT_EQ(registered, 0);
  doomed_children = count;
}

ExecutorOptions options_for(const TemporaryFolder& folder, int jobs) {
  return {.store = folder.path() / "store.db", .jobs = jobs};
}

TEST(SweepExecutor, results_do_not_depend_on_who_computes_them) {
  const std::vector<Point> points = some_points();
  for (const int jobs : {1, 3, 40}) {
    const TemporaryFolder folder;
    const ExecutionResult result = run_points(points, options_for(folder, jobs));
    EXPECT_EQ(result.computed, points.size());
    EXPECT_FALSE(result.interrupted);
    EXPECT_TRUE(result.warnings.empty());
    EXPECT_EQ(contents(folder.path() / "store.db", points), expected());
  }
}

TEST(SweepExecutor, only_what_is_missing_is_computed) {
  std::vector<Point> points = some_points();
  const TemporaryFolder folder;
  const auto first = run_points(std::span(points).first(5), options_for(folder, 2));
  EXPECT_EQ(first.computed, 5U);
  points.push_back(points.front());  // twice
  std::vector<std::size_t> done;
  const auto second =
      run_points(points, options_for(folder, 2), [&](std::size_t count, std::size_t total) {
        EXPECT_EQ(total, points.size() - 1);
        done.push_back(count);
      });
  EXPECT_EQ(second.computed, points.size() - 6);
  EXPECT_EQ(second.present, 5U);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.front(), 5U);
  EXPECT_EQ(done.back(), points.size() - 1);
  EXPECT_EQ(run_points(points, options_for(folder, 2)).computed, 0U);
}

TEST(SweepExecutor, stops_when_asked_and_goes_on_later) {
  const std::vector<Point> points = some_points();
  const TemporaryFolder folder;
  ExecutorOptions options = options_for(folder, 2);
  std::size_t finished = 0;
  options.interrupted = [&] { return finished >= 3; };
  const auto stopped =
      run_points(points, options, [&](std::size_t done, std::size_t) { finished = done; });
  EXPECT_TRUE(stopped.interrupted);
  EXPECT_GE(stopped.computed, 3U);
  EXPECT_LT(stopped.computed, points.size());
  const auto resumed = run_points(points, options_for(folder, 2));
  EXPECT_EQ(resumed.present, stopped.computed);
  EXPECT_EQ(contents(folder.path() / "store.db", points), expected());
}

TEST(SweepExecutor, stops_at_ctrl_c) {
  const std::vector<Point> points = some_points();
  const TemporaryFolder folder;
  const auto stopped = run_points(points, options_for(folder, 1), [&](std::size_t done, auto) {
    if (done == 2) ::raise(SIGINT);
  });
  EXPECT_TRUE(stopped.interrupted);
  EXPECT_LT(stopped.computed, points.size());
  run_points(points, options_for(folder, 1));
  EXPECT_EQ(contents(folder.path() / "store.db", points), expected());
}

TEST(SweepExecutor, a_killed_worker_is_replaced) {
  const std::vector<Point> points = some_points();
  const TemporaryFolder folder;
  int killed = 0;
  const auto result = run_points(points, options_for(folder, 2), [&](std::size_t done, auto) {
    const auto workers = children_of(::getpid());
    if (done >= 4 && killed < 1 && !workers.empty()) {
      ::kill(workers.front(), SIGKILL);
      ++killed;
    }
  });
  EXPECT_EQ(killed, 1);
  EXPECT_EQ(result.computed, points.size());
  EXPECT_EQ(contents(folder.path() / "store.db", points), expected());
}

TEST(SweepExecutor, a_point_that_ends_its_worker_twice_is_failed_until_asked_again) {
  const std::vector<Point> points = {some_points().back()};
  const TemporaryFolder folder;
  kill_next_children(2);
  const auto result = run_points(points, options_for(folder, 1));
  EXPECT_EQ(result.computed, 1U);
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_NE(result.warnings[0].find("signal 9"), std::string::npos) << result.warnings[0];
  const auto key = point_key(points[0], program_version());
  const auto failed = Store(folder.path() / "store.db").find(key);
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->result.status, PointResult::Status::Failed);
  EXPECT_EQ(failed->result.reason, "its worker ended by signal 9 (Killed)");
  EXPECT_EQ(run_points(points, options_for(folder, 1)).computed, 1U);
  EXPECT_EQ(Store(folder.path() / "store.db").find(key)->result.status, PointResult::Status::Ok);
}

TEST(SweepExecutor, killing_all_of_it_loses_nothing_that_was_finished) {
  const std::vector<Point> points = some_points();
  expected();  // before any fork: it costs time
  for (const std::size_t finished : {0U, 1U, 4U, 9U, 15U}) {
    SCOPED_TRACE(finished);
    const TemporaryFolder folder;
    const bool with_workers = finished % 2 == 0;  // else they end by themselves, after their point
    const pid_t sweep = ::fork();
    ASSERT_GE(sweep, 0);
    if (sweep == 0) {
      ::setpgid(0, 0);
      run_points(points, options_for(folder, 2), [&](std::size_t done, std::size_t) {
        if (done >= finished) ::kill(with_workers ? 0 : ::getpid(), SIGKILL);
      });
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(sweep, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::string before = contents(folder.path() / "store.db", points);
    const auto resumed = run_points(points, options_for(folder, 2));
    const std::string after = contents(folder.path() / "store.db", points);
    EXPECT_EQ(after, expected());
    std::istringstream had(before), has(after);
    std::size_t kept = 0;
    for (std::string line, now; std::getline(had, line) && std::getline(has, now);) {
      if (line == "missing") continue;
      EXPECT_EQ(line, now);
      ++kept;
    }
    EXPECT_GE(kept, finished);
    EXPECT_GE(resumed.present, kept);
    EXPECT_EQ(resumed.present + resumed.computed, points.size());
  }
}

// What a planned signal of this text says of itself; empty: it is understood.
std::string refused_plan(const char* text) {
  ::setenv("WORKBENCH_SIGNAL_AFTER", text, 1);
  std::string refused;
  try {
    const PlannedSignal signal;
  } catch (const Error& error) {
    refused = error.what();
  }
  ::unsetenv("WORKBENCH_SIGNAL_AFTER");
  return refused;
}

TEST(SweepExecutor, a_planned_signal_is_a_count_and_a_name) {
  for (const char* good : {"", "1:INT", "20:KILL:group", "3:STOP", "3:TERM:group"}) {
    EXPECT_EQ(refused_plan(good), "") << good;
  }
  for (const char* bad : {"x", "1", "1:", "0:INT", "-1:INT", "1:HUP", "1:INT:all",
                          "1:INT:group:group", "99999999999999999999:INT", ":INT", "1INT"}) {
    EXPECT_EQ(refused_plan(bad),
              fmt::format("WORKBENCH_SIGNAL_AFTER: expected COUNT:SIGNAL or COUNT:SIGNAL:group "
                          "with a count from 1 and INT, KILL, STOP or TERM, found '{}'",
                          bad));
  }
}

TEST(SweepExecutor, a_planned_signal_is_sent_where_its_count_is_passed_and_nowhere_else) {
  for (const auto& [before, now, sent] :
       {std::tuple(0, 1, false), {2, 2, false}, {3, 4, false}, {1, 3, true}, {2, 3, true}}) {
    SCOPED_TRACE(fmt::format("{} to {}", before, now));
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::setenv("WORKBENCH_SIGNAL_AFTER", "3:KILL", 1);
      PlannedSignal().pass(static_cast<std::size_t>(before), static_cast<std::size_t>(now));
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WIFSIGNALED(status), sent);
  }
}

TEST(SweepExecutor, any_scheduler_can_run_the_workers_of_a_job_folder) {
  const std::vector<Point> points = some_points();
  const TemporaryFolder folder;
  ExecutorOptions options = options_for(folder, 1);
  options.kind = ExecutorOptions::Kind::Folder;
  options.folder = folder.path() / "jobs";
  const auto job = options.folder / "job.json";
  const auto asked = run_points(points, options);
  EXPECT_EQ(asked.computed, 0U);
  EXPECT_FALSE(asked.interrupted);
  ASSERT_EQ(asked.warnings.size(), 1U);
  EXPECT_EQ(asked.warnings[0],
            fmt::format("16 points are to be computed by: workbench sweep-worker {0}/job.json "
                        "--chunk K --chunks N --output {0}, for K from 0 to N-1; then give this "
                        "command again",
                        options.folder.string()));
  for (const std::int64_t chunk : {2, 0}) {  // of three
    work_on_chunk({.job = job, .chunk = chunk, .chunks = 3, .output = options.folder, .store = {}});
  }
  const auto some = run_points(points, options);
  EXPECT_GT(some.computed, 0U);
  EXPECT_EQ(some.warnings.size(), 1U);
  const SweepJob rest = read_job(job);
  EXPECT_EQ(rest.points.size() + some.computed, points.size());
  work_on_chunk({.job = job, .output = options.folder, .store = {}});
  const auto all = run_points(points, options);
  EXPECT_EQ(all.computed, rest.points.size());
  EXPECT_TRUE(all.warnings.empty());
  EXPECT_FALSE(std::filesystem::exists(job));
  EXPECT_EQ(contents(folder.path() / "store.db", points), expected());
}

std::string refusal(std::span<const Point> points, const ExecutorOptions& options) {
  try {
    run_points(points, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(SweepExecutor, what_cannot_be_read_or_written_is_an_error) {
  const TemporaryFolder folder;
  const auto broken = folder.write("broken.onnx", "this is no model");
  const std::vector<Point> unreadable = {
      {.network = broken.string(), .machine = "v3_96", .settings = {}}};
  EXPECT_NE(refusal(unreadable, options_for(folder, 1)).find("broken.onnx"), std::string::npos);
  const std::vector<Point> unknown = {
      {.network = "zoo:tiny_cnn", .machine = "v3_96", .settings = {{"dps", "96"}}}};
  EXPECT_NE(refusal(unknown, options_for(folder, 1)).find("dsp"), std::string::npos);
  EXPECT_EQ(refusal(some_points(), options_for(folder, 0)), "--jobs 0: expected at least 1");
  const ExecutorOptions nowhere{.store = folder.path() / "none" / "store.db", .jobs = 1};
  EXPECT_NE(refusal(some_points(), nowhere).find("store.db"), std::string::npos);
}

}  // namespace
}  // namespace workbench
