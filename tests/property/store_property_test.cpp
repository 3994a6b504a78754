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

// Writes and removals of files that SQLite still makes in this process; the one that brings it to
// zero is torn: half of its bytes are written, then the process is killed.
int changes_left = 0;

ssize_t write_or_die(int file, const void* bytes, std::size_t size, off_t offset) {
  if (--changes_left > 0) return ::pwrite(file, bytes, size, offset);
  (void)!::pwrite(file, bytes, size / 2, offset);
  ::raise(SIGKILL);
  return -1;
}

int unlink_or_die(const char* path) {
  if (--changes_left > 0) return ::unlink(path);
  ::raise(SIGKILL);
  return -1;
}

// SQLite's own hooks for tests of this kind: the system calls of its Unix files.
void die_at_change(int count) {
  changes_left = count;
  sqlite3_vfs& files = *sqlite3_vfs_find(nullptr);
  for (const char* name : {"pwrite", "pwrite64"}) {
    files.xSetSystemCall(&files, name, reinterpret_cast<sqlite3_syscall_ptr>(&write_or_die));
  }
  files.xSetSystemCall(&files, "unlink", reinterpret_cast<sqlite3_syscall_ptr>(&unlink_or_die));
}

// Forks a writer that adds `count` points from `first` on, is killed at that change of a file, and
// says of each point that it is finished.
pid_t start_writer(const std::filesystem::path& path, std::uint64_t first, std::uint64_t count,
                   int change, int told) {
  const pid_t child = fork();
  if (child != 0) return child;
  die_at_change(change);
  Store store(path);
  for (std::uint64_t index = first; index < first + count; ++index) {
    store.add(point_of(index));
    if (write(told, &index, sizeof index) != sizeof index) _exit(1);
  }
  _exit(0);
}

// What the writers said, whose ends of the pipe are closed.
std::set<std::uint64_t> heard(int pipe_end) {
  std::set<std::uint64_t> finished;
  for (std::uint64_t index = 0; read(pipe_end, &index, sizeof index) == sizeof index;) {
    finished.insert(index);
  }
  close(pipe_end);
  return finished;
}

// All of `finished` is there as it was added, and nothing but that and some of `begun`.
void expect_whole(const std::filesystem::path& path, const std::set<std::uint64_t>& finished,
                  const std::set<std::uint64_t>& begun) {
  const Store store(path);
  std::map<std::string, std::string> possible;
  for (const std::uint64_t index : begun) {
    possible[point_of(index).key] = point_json(point_of(index));
  }
  for (const std::uint64_t index : finished) {
    const StoredPoint expected = point_of(index);
    EXPECT_TRUE(store.find(expected.key)) << "seed " << kSeed << " point " << index;
    possible[expected.key] = point_json(expected);
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

TEST(StoreUnderKills, at_any_write_nothing_that_was_finished_is_lost_and_nothing_is_torn) {
  constexpr std::uint64_t kPoints = 2;
  bool killed = true;
  int change = 0;
  while (killed) {
    SCOPED_TRACE(testing::Message() << "killed at change " << ++change);
    const TemporaryFolder folder;
    const std::filesystem::path path = folder.path() / "results.db";
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const pid_t writer = start_writer(path, 0, kPoints, change, ends[1]);
    close(ends[1]);
    const std::set<std::uint64_t> finished = heard(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(writer, &status, 0), writer);
    killed = WIFSIGNALED(status);
    if (!killed) {
      EXPECT_EQ(finished.size(), kPoints);
    }
    expect_whole(path, finished, {0, 1});
  }
  EXPECT_GT(change, 20);  // tables, views and points are more than a few writes
}

TEST(StoreUnderKills, of_several_writers_none_loses_or_tears_anything) {
  std::mt19937_64 random(kSeed);
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "results.db";
  std::set<std::uint64_t> finished, begun;
  for (int round = 0; round < 8; ++round) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    std::vector<pid_t> writers;
    for (std::uint64_t writer = 0; writer < 3; ++writer) {
      constexpr std::uint64_t kPoints = 20;
      // Two of the three write the same points.
      const std::uint64_t first = finished.size() + writer / 2 * 1'000'000;
      for (std::uint64_t index = first; index < first + kPoints; ++index) begun.insert(index);
      const auto change = static_cast<int>(1 + random() % 150);
      writers.push_back(start_writer(path, first, kPoints, change, ends[1]));
    }
    close(ends[1]);
    finished.merge(heard(ends[0]));
    for (const pid_t writer : writers) waitpid(writer, nullptr, 0);
  }
  ASSERT_GT(finished.size(), 10U);
  expect_whole(path, finished, begun);
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
