// The store under what happens to files: processes that are killed while they write, pages that are
// destroyed.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <set>

#include "explore/store/salvage.h"
#include "explore/store/sqlite.h"
#include "explore/store/store.h"
#include "tests/support/random_point.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 20261122;

// The point that writer `writer` adds as its `index`-th; each index is written by two writers.
StoredPoint point_of(std::uint64_t index) {
  std::mt19937_64 random(kSeed + index);
  return test::random_point(random, std::to_string(index));
}

// Adds points until it is killed; tells of each that is finished.
[[noreturn]] void write_points(const std::filesystem::path& path, std::uint64_t first, int told) {
  Store store(path);
  for (std::uint64_t index = first;; ++index) {
    store.add(point_of(index));
    if (write(told, &index, sizeof index) != sizeof index) _exit(1);
  }
}

TEST(StoreUnderKills, nothing_that_was_finished_is_lost_and_nothing_is_torn) {
  std::mt19937_64 random(kSeed);
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "results.db";
  std::set<std::uint64_t> finished, starts;
  // More where processes are slow to start. Every other round waits for a point: the rest is as
  // likely to be killed while it opens the store.
  for (int round = 0; round < 8 || (finished.size() <= 10 && round < 100); ++round) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    std::vector<pid_t> writers;
    for (std::uint64_t writer = 0; writer < 3; ++writer) {
      // Two of the three write the same points.
      const std::uint64_t first = finished.size() + writer / 2 * 1'000'000;
      starts.insert(first);
      const pid_t child = fork();
      if (child == 0) write_points(path, first, ends[1]);
      writers.push_back(child);
    }
    close(ends[1]);
    std::uint64_t index = 0;
    if (round % 2 == 1 && read(ends[0], &index, sizeof index) == sizeof index) {
      finished.insert(index);
    }
    usleep(static_cast<useconds_t>(20'000 + random() % 60'000));
    for (const pid_t writer : writers) kill(writer, SIGKILL);
    for (const pid_t writer : writers) waitpid(writer, nullptr, 0);
    while (read(ends[0], &index, sizeof index) == sizeof index) finished.insert(index);
    close(ends[0]);
  }
  ASSERT_GT(finished.size(), 10U);
  const Store store(path);
  std::map<std::string, std::string> possible;  // finished, or written and not told of any more
  for (const std::uint64_t index : finished) {
    const StoredPoint expected = point_of(index);
    const std::optional<StoredPoint> found = store.find(expected.key);
    ASSERT_TRUE(found) << "seed " << kSeed << " point " << index;
    possible[expected.key] = point_json(expected);
    possible[point_of(index + 1).key] = point_json(point_of(index + 1));
  }
  for (const std::uint64_t index : starts) {
    possible[point_of(index).key] = point_json(point_of(index));
  }
  for (const std::string& key : store.keys()) {
    ASSERT_TRUE(possible.contains(key)) << "seed " << kSeed;
    EXPECT_EQ(point_json(*store.find(key)), possible.at(key)) << "seed " << kSeed;
  }
  const sqlite::Connection connection(path, path.string(), SQLITE_OPEN_READONLY);
  sqlite::Statement check = connection.statement("PRAGMA integrity_check");
  ASSERT_TRUE(check.step());
  EXPECT_EQ(check.text(0), "ok");
}

class Salvage : public testing::Test {
 protected:
  // A store of `count` points, closed, and what is in it by key.
  void fill(std::mt19937_64& random, int count) {
    std::vector<StoredPoint> points;
    std::vector<std::string> keys;
    for (int i = 0; i < count; ++i) {
      points.push_back(test::random_point(random, std::to_string(i)));
      keys.push_back(points.back().key);
      contents_[keys.back()] = point_json(points.back());
    }
    Store store(damaged_);
    store.begin_run({.kind = "sweep", .name = "all"}, keys);
    store.add(points);
  }

  void overwrite(std::uint64_t offset, const std::string& bytes) const {
    std::fstream file(damaged_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
  }

  // Everything in the new store is as it was in the old one.
  void check_kept(const SalvageReport& report) const {
    const Store store(fresh_);
    const std::vector<std::string> keys = store.keys();
    EXPECT_EQ(static_cast<std::int64_t>(keys.size()), report.points);
    for (const std::string& key : keys) {
      EXPECT_EQ(point_json(*store.find(key)), contents_.at(key));
    }
  }

  TemporaryFolder folder_;
  std::filesystem::path damaged_ = folder_.path() / "damaged.db";
  std::filesystem::path fresh_ = folder_.path() / "fresh.db";
  std::map<std::string, std::string> contents_;
};

TEST_F(Salvage, of_a_store_that_is_whole_keeps_everything) {
  std::mt19937_64 random(kSeed);
  fill(random, 50);
  const SalvageReport report = salvage(damaged_, fresh_);
  EXPECT_EQ(report.points, 50);
  EXPECT_EQ(report.runs, 1);
  EXPECT_TRUE(report.lost.empty()) << report.lost.front();
  check_kept(report);
  EXPECT_EQ(Store(fresh_).run_keys(1), Store(damaged_).run_keys(1));
  EXPECT_THROW(salvage(damaged_, fresh_), Error);  // it exists
}

TEST_F(Salvage, of_destroyed_pages_keeps_what_is_true_and_names_the_rest) {
  std::mt19937_64 random(kSeed);
  fill(random, 200);
  const std::string whole = [&] {
    std::ifstream file(damaged_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  std::int64_t kept = 0, lost = 0;
  constexpr int kCases = 40;
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    overwrite(0, whole);
    std::filesystem::remove(fresh_);
    const std::uint64_t page = random() % 4 == 0 ? 0 : random() % (whole.size() / 4096);
    std::string junk(random() % 2 == 0 ? 4096 : 64, '\0');
    if (random() % 2 == 0) {
      for (char& byte : junk) byte = static_cast<char>(random());
    }
    overwrite(page * 4096 + random() % (4097 - junk.size()), junk);
    const SalvageReport report = salvage(damaged_, fresh_);
    check_kept(report);
    kept += report.points;
    lost += static_cast<std::int64_t>(report.lost.size());
    // One page of many has a part of the points; the index names every one that is lost.
    EXPECT_TRUE(report.points == 200 || !report.lost.empty());
  }
  EXPECT_GT(kept, kCases * 200 * 8 / 10);
  EXPECT_GT(lost, 0);
}

TEST_F(Salvage, of_a_store_without_its_first_pages_finds_the_tables) {
  std::mt19937_64 random(kSeed);
  fill(random, 30);
  const PointMetric metric{"metric1", "cycles", "what is counted"};
  { Store(damaged_).describe_metrics({&metric, 1}, {}); }  // views, hence more pages of contents
  overwrite(0, std::string(4096, 'x'));
  const SalvageReport report = salvage(damaged_, fresh_);
  EXPECT_EQ(report.points, 30);
  EXPECT_EQ(report.runs, 1);
  EXPECT_EQ(report.lost, std::vector<std::string>{"the table of contents, replaced"});
  check_kept(report);
}

TEST_F(Salvage, of_what_is_no_store_leaves_no_file) {
  std::mt19937_64 random(kSeed);
  std::string junk(50'000, '\0');
  for (char& byte : junk) byte = static_cast<char>(random());
  for (const std::string& bytes : {std::string(), std::string("no store"), junk}) {
    folder_.write("damaged.db", bytes);
    EXPECT_THROW(salvage(damaged_, fresh_), Error);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
  }
}

}  // namespace
}  // namespace workbench
