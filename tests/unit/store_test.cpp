// What is put into a store comes out of it, and files that are no store are refused in one line.
#include "explore/store/store.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "core/error.h"
#include "explore/store/sqlite.h"
#include "explore/store/tables.h"
#include "tests/support/random_point.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

std::string as_text(const std::optional<StoredPoint>& point) {
  return point ? point_json(*point) : "none";
}

void run_sql(const std::filesystem::path& path, const std::string& sql) {
  sqlite::Connection(path, path.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE).execute(sql);
}

std::string text_of(const std::filesystem::path& path, const char* sql) {
  const sqlite::Connection connection(path, path.string(), SQLITE_OPEN_READONLY);
  sqlite::Statement query = connection.statement(sql);
  return query.step() ? query.text(0) : "no row";
}

template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

class StoreTest : public testing::Test {
 protected:
  std::string open_error() const {
    return error_of([&] { Store store(path_); });
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_.path() / "results.db";
  std::mt19937_64 random_{42};
};

TEST_F(StoreTest, gives_back_what_it_was_given_after_it_was_opened_again) {
  std::vector<StoredPoint> points;
  for (int i = 0; i < 20; ++i) points.push_back(test::random_point(random_, std::to_string(i)));
  { Store(path_).add(points); }
  const Store store(path_);
  for (const StoredPoint& point : points) {
    EXPECT_EQ(as_text(store.find(point.key)), point_json(point));
    StoredPoint without = point;
    without.result.layers.clear();
    EXPECT_EQ(as_text(store.find(point.key, false)), point_json(without));
  }
  EXPECT_EQ(store.keys().size(), points.size());
  EXPECT_EQ(store.keys_beginning_with(points[3].key.substr(0, 20)),
            std::vector<std::string>{points[3].key});
}

TEST_F(StoreTest, replaces_the_result_of_a_key) {
  Store store(path_);
  StoredPoint point = test::random_point(random_, "p");
  point.result.layers = {{.name = "a"}, {.name = "b"}};
  store.add(point);
  point.result = {.metrics = {{"cycles", 7}}};
  store.add(point);
  EXPECT_EQ(as_text(store.find(point.key)), point_json(point));
  EXPECT_EQ(text_of(path_, "SELECT count(*) FROM layers"), "0");
}

TEST_F(StoreTest, says_which_keys_it_has) {
  Store store(path_);
  store.add(test::random_point(random_, "here"));
  const std::vector<std::string> keys = {sha256_hex("not"), sha256_hex("here"), sha256_hex("nor")};
  EXPECT_EQ(store.present(keys), (std::vector<bool>{false, true, false}));
  EXPECT_EQ(as_text(store.find(keys[0])), "none");
}

TEST_F(StoreTest, a_run_has_its_points_in_its_order) {
  Store store(path_);
  StoredPoint ok = test::random_point(random_, "ok");
  ok.result.status = PointResult::Status::Ok;
  StoredPoint failed = test::random_point(random_, "failed");
  failed.result.status = PointResult::Status::Failed;
  const std::vector<std::string> keys = {failed.key, sha256_hex("missing"), ok.key};
  const std::int64_t run =
      store.begin_run({.kind = "sweep", .name = "study", .revision = "abc", .study = "{}"}, keys);
  store.add(ok);
  store.add(failed);
  EXPECT_EQ(store.run_keys(run), keys);
  const std::vector<StoredPoint> points = store.run_points(run, true);
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(point_json(points[0]), point_json(failed));
  EXPECT_EQ(point_json(points[1]), point_json(ok));
  const RunCounts counts = store.counts(run);
  EXPECT_EQ(counts.asked, 3);
  EXPECT_EQ(counts.ok, 1);
  EXPECT_EQ(counts.infeasible, 0);
  EXPECT_EQ(counts.failed, 1);
  const std::vector<RunRecord> runs = store.runs();
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].id, run);
  EXPECT_EQ(runs[0].name, "study");
  EXPECT_EQ(runs[0].version, program_version());
  EXPECT_EQ(runs[0].created.size(), std::string("2026-11-22T19:30:00Z").size());
}

TEST_F(StoreTest, tables_have_a_column_for_each_figure_that_any_version_named) {
  Store store(path_);
  const std::vector<PointMetric> old = {{"gone", "s", "a"}};
  const std::vector<PointMetric> now = {{"cycles", "cycles", "it's", Better::Lower}};
  store.describe_metrics(old, {});
  store.describe_metrics(now, now);
  store.describe_metrics(now, now);
  StoredPoint point = test::random_point(random_, "p");
  point.point.settings = {{"l1", "64k"}, {"clock.fabric", "150"}};
  point.result.metrics = {{"cycles", 12}, {"gone", 3}};
  point.result.layers = {{.name = "conv", .metrics = {{"cycles", 5}}}, {.name = "empty"}};
  store.add(point);
  EXPECT_EQ(text_of(path_, "SELECT cycles || ' ' || gone FROM point_table"), "12.0 3.0");
  EXPECT_EQ(text_of(path_, "SELECT settings ->> '$.\"clock.fabric\"' FROM point_table"), "150");
  EXPECT_EQ(text_of(path_, "SELECT number FROM settings WHERE name = 'l1'"), "65536.0");
  EXPECT_EQ(text_of(path_, "SELECT group_concat(name || ifnull(cycles, '-')) FROM layer_table"),
            "conv5.0,empty-");
  EXPECT_EQ(text_of(path_,
                    "SELECT unit || better || formula FROM metric_names "
                    "WHERE scope = 'point' AND name = 'cycles'"),
            "cycleslowerit's");
}

TEST_F(StoreTest, refuses_files_that_are_no_store) {
  const std::string name = path_.string();
  folder_.write("results.db", std::string(5000, 'x'));
  EXPECT_EQ(open_error(),
            name + ": expected a results store, found a file that is no SQLite database");
  std::filesystem::remove(path_);
  run_sql(path_, "CREATE TABLE songs (title TEXT)");
  EXPECT_EQ(open_error(),
            name + ": expected a results store, found another program's SQLite database");
  std::filesystem::remove(path_);
  EXPECT_EQ(error_of([&] { Store store(path_, Store::Access::Read); }),
            name + ": expected a results store, found no such file");
  EXPECT_FALSE(std::filesystem::exists(path_));
  std::filesystem::create_directory(path_);
  EXPECT_EQ(open_error(), name + ": expected a results store, found no regular file");
  path_ = folder_.path() / "none" / "results.db";
  EXPECT_EQ(open_error(), path_.string() + ": cannot open: No such file or directory");
}

TEST_F(StoreTest, an_empty_file_becomes_a_store) {
  folder_.write("results.db", "");
  EXPECT_EQ(open_error(), "no error");
}

TEST_F(StoreTest, refuses_stores_of_other_versions_and_shapes) {
  { Store store(path_); }
  run_sql(path_, "DROP TABLE metrics");
  EXPECT_EQ(open_error(), path_.string() +
                              ": expected a store of version 1, found one without "
                              "metrics.name");
  run_sql(path_, "PRAGMA user_version = 7");
  EXPECT_EQ(open_error(), path_.string() +
                              ": expected a store of version 1, found version 7: a newer workbench "
                              "wrote it");
  run_sql(path_, "PRAGMA user_version = 0");
  EXPECT_EQ(open_error(), path_.string() + ": expected a store of version 1, found version 0");
}

TEST_F(StoreTest, names_the_salvage_of_a_damaged_file) {
  { Store(path_).add(test::random_point(random_, "p")); }
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2 / 4096 * 4096);
  const std::string name = path_.string();
  const std::string error = error_of([&] { Store(path_).find(sha256_hex("p")); });
  EXPECT_TRUE(error.starts_with(name + ": damaged: ")) << error;
  EXPECT_TRUE(error.ends_with("; what can be read is kept by: workbench results --store " + name +
                              " --salvage NEW.db"))
      << error;
}

// What `call` throws in a process of its own, with what `prepare` takes away from it.
template <typename Prepare, typename Call>
std::string error_in_child(const Prepare& prepare, const Call& call) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    prepare();
    const std::string text = error_of(call);
    const bool told = write(ends[1], text.data(), text.size()) >= 0;
    _exit(told ? 0 : 1);
  }
  close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(read(ends[0], text.data(), 4096), 0)));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return text;
}

// Root may write everywhere; nobody may not.
void become_nobody() {
  if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0)) _exit(1);
}

TEST_F(StoreTest, reads_but_does_not_write_where_nothing_can_be_written) {
  const StoredPoint point = test::random_point(random_, "p");
  { Store(path_).add(point); }
  std::filesystem::permissions(path_, std::filesystem::perms(0444));
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0555));
  const auto write = [&] { Store(path_).add(point); };
  EXPECT_EQ(error_in_child(become_nobody, write),
            path_.string() + ": cannot write: the file or its folder is read-only");
  const auto read = [&] {
    const Store store(path_, Store::Access::Read);
    fail("read {}", as_text(store.find(point.key)));
  };
  EXPECT_EQ(error_in_child(become_nobody, read), "read " + point_json(point));
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
}

// Adds one point, then more than fit; what is said of those, and what is there afterwards.
std::string fill_up(const std::filesystem::path& path) {
  std::mt19937_64 random(7);
  const StoredPoint first = test::random_point(random, "first");
  { Store(path).add(first); }
  const std::string error = error_of([&] {
    std::vector<StoredPoint> many;
    for (int i = 0; i < 2000; ++i) many.push_back(test::random_point(random, std::to_string(i)));
    Store(path).add(many);
  });
  const Store store(path, Store::Access::Read);
  const bool kept = store.keys().size() == 1 && as_text(store.find(first.key)) == point_json(first);
  return error + (kept ? " (the first is kept)" : " (the first is lost)");
}

TEST_F(StoreTest, a_file_that_cannot_grow_keeps_what_was_finished) {
  const auto limit_files = [] {
    const rlimit limit{.rlim_cur = 300'000, .rlim_max = 300'000};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
  };
  EXPECT_EQ(error_in_child(limit_files, [&] { fail("{}", fill_up(path_)); }),
            path_.string() + ": cannot read or write: disk I/O error (the first is kept)");
}

TEST_F(StoreTest, a_full_disk_keeps_what_was_finished) {
  const auto small_disk = [&] {
    const bool mounted = unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) == 0 &&
                         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         mount("none", folder_.path().c_str(), "tmpfs", 0, "size=400k") == 0;
    if (!mounted) _exit(0);
  };
  const std::string error = error_in_child(small_disk, [&] { fail("{}", fill_up(path_)); });
  if (error.empty()) GTEST_SKIP() << "no file system may be mounted here";
  EXPECT_EQ(error, path_.string() +
                       ": cannot write: disk full; what was finished before is in it "
                       "(the first is kept)");
}

}  // namespace
}  // namespace workbench
