// Job files, chunks of them, and the output files of workers.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "explore/sweep/recheck.h"
#include "explore/sweep/slurm.h"
#include "explore/sweep/worker.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

SweepJob small_job() {
  SweepJob job{.program = program_version(), .evaluate = {.layers = false}, .points = {}};
  for (const char* cores : {"1", "2", "4", "8"}) {
    Point point{.network = "zoo:tiny_mobile", .machine = "gap8", .settings = {{"cores", cores}}};
    job.points.push_back({point_key(point, job.program), point});
  }
  return job;
}

std::string refusal(const auto& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

TEST(SweepWorker, a_job_comes_back_as_it_was_written) {
  const TemporaryFolder folder;
  SweepJob job = small_job();
  job.evaluate = {.golden = false, .values = false, .layers = true};
  job.points[1].point.tier = Tier::Transaction;
  job.points[1].point.settings = {{"l1", "16k"}, {"cores", "2"}};  // in their order
  const SweepJob back = read_job(folder.write("job.json", job_json(job)));
  EXPECT_FALSE(back.evaluate.golden);
  EXPECT_FALSE(back.evaluate.values);
  EXPECT_TRUE(back.evaluate.layers);
  ASSERT_EQ(back.points.size(), job.points.size());
  for (std::size_t i = 0; i < job.points.size(); ++i) {
    EXPECT_EQ(back.points[i].key, job.points[i].key);
    EXPECT_EQ(back.points[i].point.network, job.points[i].point.network);
    EXPECT_EQ(back.points[i].point.machine, job.points[i].point.machine);
    EXPECT_EQ(back.points[i].point.settings, job.points[i].point.settings);
    EXPECT_EQ(back.points[i].point.tier, job.points[i].point.tier);
  }
}

TEST(SweepWorker, jobs_of_others_are_refused) {
  const TemporaryFolder folder;
  SweepJob other = small_job();
  other.program = std::string(64, 'a');
  const auto path = folder.write("other.json", job_json(other));
  EXPECT_EQ(refusal([&] { read_job(path); }),
            fmt::format("{}: expected a job of this program ({}), found one of aaaaaaaaaaaa",
                        path.string(), program_version().substr(0, 12)));
  const auto text = folder.write("text.json", "no json");
  EXPECT_NE(refusal([&] { read_job(text); }).find("text.json: expected a job file of a sweep"),
            std::string::npos);
  const auto object = folder.write("object.json", "{\"a\": 1}");
  EXPECT_EQ(refusal([&] { read_job(object); }),
            object.string() + ": expected a job file of a sweep, found something else");
  std::string newer = job_json(small_job());
  newer.replace(newer.find("\"version\": 1"), 12, "\"version\": 2");
  const auto future = folder.write("newer.json", newer);
  EXPECT_EQ(refusal([&] { read_job(future); }),
            future.string() + ": expected a job file of version 1, found 2");
}

TEST(SweepWorker, chunks_are_all_points_each_once) {
  SweepJob job;
  for (int i = 0; i < 17; ++i) job.points.push_back({std::to_string(i), {}});
  for (const std::int64_t chunks : {1, 2, 5, 17, 40}) {
    std::vector<std::string> keys;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      for (const KeyedPoint& keyed : chunk_of(job, chunk, chunks)) keys.push_back(keyed.key);
    }
    ASSERT_EQ(keys.size(), 17U) << chunks;
    for (int i = 0; i < 17; ++i) EXPECT_EQ(keys[static_cast<std::size_t>(i)], std::to_string(i));
  }
  EXPECT_EQ(refusal([&] { chunk_of(job, 3, 3); }),
            "--chunk 3 --chunks 3: expected a chunk from 0 to one less than there are");
}

TEST(SweepWorker, finished_points_are_skipped_and_torn_lines_computed_again) {
  const TemporaryFolder folder;
  WorkerRequest request{.job = folder.write("job.json", job_json(small_job())),
                        .chunk = 0,
                        .chunks = 1,
                        .output = folder.path() / "out",
                        .store = {}};
  EXPECT_EQ(work_on_chunk(request).computed, 4U);
  const auto file = chunk_file(request.output, 0, 1);
  const std::string whole = read_file(file);
  EXPECT_EQ(work_on_chunk(request).present, 4U);
  EXPECT_EQ(read_file(file), whole);

  // Every place at which a line can be torn would take long: a few, seeded.
  std::mt19937_64 random(1);
  for (int i = 0; i < 6; ++i) {
    const std::size_t size = random() % whole.size();
    std::ofstream(file, std::ios::binary) << whole.substr(0, size);
    std::uint64_t offset = 0;
    const std::size_t had = read_finished(file, offset).size();
    EXPECT_LE(offset, size);
    const WorkerResult result = work_on_chunk(request);
    // A line that lacks nothing but its end counts for the worker once it has one.
    EXPECT_EQ(result.present, had);
    EXPECT_EQ(result.computed + result.present, 4U);
    offset = 0;
    std::set<std::string> keys;
    for (const StoredPoint& point : read_finished(file, offset)) keys.insert(point.key);
    EXPECT_EQ(keys.size(), 4U);
    EXPECT_EQ(offset, read_file(file).size());
  }
}

TEST(SweepWorker, a_store_takes_the_place_of_the_folder) {
  const TemporaryFolder folder;
  const SweepJob job = small_job();
  const WorkerRequest request{.job = folder.write("job.json", job_json(job)),
                              .chunk = 1,
                              .chunks = 2,
                              .output = {},
                              .store = folder.path() / "store.db"};
  EXPECT_EQ(work_on_chunk(request).computed, 2U);
  EXPECT_EQ(work_on_chunk(request).present, 2U);
  const Store store(request.store);
  EXPECT_FALSE(store.find(job.points[1].key).has_value());
  EXPECT_TRUE(store.find(job.points[2].key).has_value());
  EXPECT_EQ(refusal([&] { work_on_chunk({.job = request.job}); }),
            "sweep-worker: expected one of --output and --store");
}

// Workers' files of which one or more points are computed again.
class SweepRecheck : public testing::Test {
 protected:
  SweepRecheck() {
    const WorkerRequest request{.job = folder_.write("job.json", job_json(job_)),
                                .chunk = 0,
                                .chunks = 1,
                                .output = folder_.path() / "out",
                                .store = {}};
    work_on_chunk(request);
    std::uint64_t offset = 0;
    honest_ = read_finished(chunk_file(request.output, 0, 1), offset);
    options_.evaluate = job_.evaluate;
  }

  static StoredPoint lie(StoredPoint point) {
    point.result.metrics.at("cycles") += 1;
    return point;
  }

  const TemporaryFolder folder_;
  const SweepJob job_ = small_job();
  std::vector<StoredPoint> honest_;
  ExecutorOptions options_{.recheck = 2};
  bool stopped_ = false;
  const ExecutorProgress progress_;
  const Stops stops_{.asked = [this] { return stopped_; }, .insisted = [] { return false; }};
  ExecutionResult result_;
  Recheck recheck_{{job_.points, options_, progress_, stops_, result_}};
};

TEST_F(SweepRecheck, counts_the_points_of_each_file_for_itself_as_it_grows) {
  const auto faults = [&](const std::vector<FinishedFile>& files) {
    std::string text;
    for (const FileCheck& check : recheck_.check(files)) text += check.fault.empty() ? "-" : "x";
    return text;
  };
  ASSERT_EQ(honest_.size(), 4U);
  EXPECT_EQ(faults({{"a", {honest_[0]}}, {"b", {honest_[1]}}}), "--");
  // The second of each file is computed again, too; a third is not.
  EXPECT_EQ(faults({{"a", {honest_[2]}}, {"b", {lie(honest_[2])}}}), "-x");
  EXPECT_EQ(faults({{"a", {lie(honest_[3])}}, {"c", {lie(honest_[3])}}}), "-x");
}

TEST_F(SweepRecheck, a_point_twice_and_one_of_another_sweep_are_not_counted) {
  StoredPoint other = honest_[0];
  other.key = "another";
  StoredPoint failed = honest_[1];
  failed.result.status = PointResult::Status::Failed;
  std::vector<StoredPoint> points{honest_[2], honest_[2], other, failed};
  EXPECT_EQ(recheck_.check(std::vector<FinishedFile>{{"a", points}}).at(0).fault, "");
  const auto checks = recheck_.check(std::vector<FinishedFile>{{"a", {lie(honest_[3])}}});
  EXPECT_EQ(checks.at(0).fault.find("a: zoo:tiny_mobile on gap8 cores="), 0U) << checks.at(0).fault;
}

// Each worker finishes the point that it has when a stop is asked for.
TEST_F(SweepRecheck, a_stop_leaves_files_unknown) {
  std::vector<KeyedPoint> points;
  std::vector<FinishedFile> files;
  for (int i = 0; i <= hardware_threads(); ++i) {
    Point point = job_.points[0].point;
    point.settings = {{"l1", std::to_string(16 + i) + "k"}};
    points.push_back({point_key(point, job_.program), point});
    files.push_back({std::to_string(i), {{points.back().key, point, {}}}});
  }
  stopped_ = true;
  Recheck recheck({points, options_, progress_, stops_, result_});
  const std::vector<FileCheck> checks = recheck.check(files);
  EXPECT_EQ(std::ranges::count(checks, false, &FileCheck::known), 1);
}

TEST(SweepSharing, points_that_share_come_one_after_the_other) {
  std::vector<Point> points;
  std::mt19937_64 random(3);
  for (int i = 0; i < 200; ++i) {
    points.push_back({.network = random() % 2 == 0 ? "a" : "b",
                      .machine = "v3_96",
                      .settings = {{"engines", std::to_string(random() % 3)},
                                   {"memory", std::to_string(random() % 4)},
                                   {"dsp", std::to_string(16 * (random() % 5))}}});
  }
  const std::vector<std::size_t> order = sharing_order(points);
  EXPECT_EQ(std::set<std::size_t>(order.begin(), order.end()).size(), points.size());
  // A group that was left does not come again: networks, then their integers, then programs.
  const auto changes = [&](const auto& group) {
    std::set<std::string> seen;
    std::string last;
    int returns = 0;
    for (const std::size_t i : order) {
      const std::string now = group(points[i]);
      if (now != last && !seen.insert(now).second) ++returns;
      last = now;
    }
    return returns;
  };
  const auto network = [](const Point& p) { return p.network; };
  const auto integers = [](const Point& p) { return p.network + p.settings[2].value; };
  const auto program = [&](const Point& p) { return integers(p) + "," + p.settings[1].value; };
  EXPECT_EQ(changes(network), 0);
  EXPECT_EQ(changes(integers), 0);
  EXPECT_EQ(changes(program), 0);
}

TEST(SweepSharing, every_position_is_given_out_once_however_fast_workers_are) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    std::mt19937_64 random(seed);
    const std::size_t count = random() % 50, workers = 1 + random() % 6;
    Stretches stretches(count, workers);
    std::multiset<std::size_t> given;
    int put_back = 3;
    while (!stretches.empty()) {
      const std::size_t worker = random() % workers;
      const std::size_t position = stretches.next(worker);
      if (position == count) continue;  // others have to give back what they were given
      if (put_back > 0 && random() % 10 == 0) {
        --put_back;
        stretches.put_back(worker, position);
      } else {
        given.insert(position);
      }
    }
    ASSERT_EQ(given.size(), count);
    EXPECT_EQ(std::set<std::size_t>(given.begin(), given.end()).size(), count);
    EXPECT_EQ(stretches.next(0), count);
  }
}

TEST(SlurmCommands, task_lists_and_quotes_are_what_the_shell_and_sbatch_read) {
  EXPECT_EQ(task_list(std::vector<std::int64_t>{0, 1, 2, 3, 7, 9, 10}), "0-3,7,9-10");
  EXPECT_EQ(task_list(std::vector<std::int64_t>{5}), "5");
  EXPECT_EQ(shell_quoted("it's a $HOME"), "'it'\\''s a $HOME'");
}

}  // namespace
}  // namespace workbench
