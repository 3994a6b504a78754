// Statistics kept between runs: the same bits as without, whatever became of the file.
#include "compiler/quantize/statistics_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>

#include "compiler/quantize/graph_digest.h"
#include "core/file.h"
#include "tests/support/float_graph.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

Graph network(float weight = 1, std::int64_t stride = 1) {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 2, 1, 2});
  const ValueId y = build.conv("y", x, 2, {weight, 1, 0, -1});
  build.output(build.add("z", MaxPool{.window = FloatGraph::window(1, stride)}, {y}));
  return build.graph();
}

std::vector<std::vector<Tensor>> samples(float last = 1) {
  const auto sample = [](const std::vector<float>& values) {
    return std::vector{Tensor::from<float>({1, 2, 1, 2}, values, Layout::Nchw)};
  };
  return {sample({1, 2, 3, 5}), sample({0, 4, -1, last})};
}

class StatisticsCache : public testing::Test {
 protected:
  Statistics statistics(const Graph& graph = network()) {
    std::map<std::string, int> seen;
    Statistics result =
        collect_statistics(graph, with_cache(in_memory(samples_), folder_.path(), warn_), {}, {},
                           [&](ValueId id, const Tensor&) { ++seen[graph.value(id).name]; });
    // Once each, from the cache or not.
    EXPECT_EQ(seen, (std::map<std::string, int>{{"x", 1}, {"y", 1}, {"z", 1}}));
    return result;
  }
  fs::path entry() const {
    std::vector<fs::path> found;
    for (const auto& file : fs::directory_iterator(folder_.path())) found.push_back(file.path());
    EXPECT_EQ(found.size(), 1U);
    return found.at(0);
  }
  std::string key(const Graph& graph, const std::vector<std::string>& names) {
    return cache_key(graph, names, with_cache(in_memory(samples_), folder_.path(), warn_));
  }

  TemporaryFolder folder_;
  std::vector<std::string> warnings_;
  std::function<void(const std::string&)> warn_ = [this](const std::string& text) {
    warnings_.push_back(text);
  };
  std::vector<std::vector<Tensor>> samples_ = samples();
};

TEST_F(StatisticsCache, what_is_read_is_what_was_measured) {
  const std::string plain = statistics_bytes(collect_statistics(network(), in_memory(samples_)));
  EXPECT_EQ(statistics_bytes(statistics()), plain);
  const std::string entry_bytes = read_file(entry());
  EXPECT_EQ(entry_bytes, plain);
  EXPECT_EQ(statistics_bytes(statistics()), plain);
  EXPECT_EQ(warnings_, std::vector<std::string>());
}

// Numbers that no calibration yields can only come from the file.
TEST_F(StatisticsCache, what_is_known_is_not_measured_again) {
  Statistics other = statistics();
  other.at("y").high = 12345;
  write_file(entry(), statistics_bytes(other));
  EXPECT_EQ(statistics().at("y").high, 12345);
}

TEST_F(StatisticsCache, no_byte_of_an_entry_can_change_unseen) {
  const std::string plain = statistics_bytes(statistics());
  const fs::path path = entry();
  for (std::size_t at = 0; at < plain.size(); ++at) {
    std::string damaged = plain;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    ASSERT_FALSE(statistics_from(damaged)) << at;
    ASSERT_FALSE(statistics_from(plain.substr(0, at))) << at;
  }
  EXPECT_FALSE(statistics_from(plain + "x"));
  ASSERT_TRUE(statistics_from(plain));
  EXPECT_EQ(statistics_bytes(*statistics_from(plain)), plain);

  write_file(path, plain.substr(0, plain.size() / 2));
  EXPECT_EQ(statistics_bytes(statistics()), plain);
  EXPECT_EQ(warnings_,
            std::vector<std::string>{path.string() + ": the entry is damaged; calibrated anew"});
  EXPECT_EQ(read_file(path), plain);
}

TEST_F(StatisticsCache, what_is_no_file_is_not_opened) {
  const std::string plain = statistics_bytes(statistics());
  const fs::path path = entry();
  const std::vector<std::string> warning = {path.string() +
                                            ": expected a regular file; calibrated anew"};
  const std::vector<std::function<void()>> others = {
      [&] { ASSERT_EQ(mkfifo(path.c_str(), 0600), 0); },
      [&] { fs::create_symlink("/dev/zero", path); }, [&] { fs::create_directory(path); }};
  for (const auto& put : others) {
    fs::remove(path);
    put();
    warnings_.clear();
    EXPECT_EQ(statistics_bytes(statistics()), plain);
    EXPECT_EQ(warnings_, warning);
    EXPECT_FALSE(fs::is_regular_file(path));
  }
}

TEST_F(StatisticsCache, a_folder_that_cannot_be_written_costs_a_warning) {
  const fs::path file = folder_.write("file", "");
  const SampleSource source = with_cache(in_memory(samples_), file / "cache", warn_);
  EXPECT_EQ(statistics_bytes(collect_statistics(network(), source)),
            statistics_bytes(collect_statistics(network(), in_memory(samples_))));
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_TRUE(warnings_[0].starts_with("calibration cache: " + file.string())) << warnings_[0];
}

TEST_F(StatisticsCache, an_entry_is_of_one_network_some_values_and_some_samples) {
  const std::string plain = key(network(), {"x", "y"});
  EXPECT_EQ(key(network(), {"x", "y"}), plain);
  EXPECT_NE(key(network(std::nextafter(1.0F, 2.0F)), {"x", "y"}), plain);
  EXPECT_NE(key(network(1, 2), {"x", "y"}), plain);
  EXPECT_NE(key(network(), {"x"}), plain);
  EXPECT_NE(key(network(), {"xy"}), key(network(), {"x", "y"}));
  samples_ = samples(std::nextafter(1.0F, 2.0F));
  EXPECT_NE(key(network(), {"x", "y"}), plain);
  samples_ = samples();
  std::swap(samples_[0], samples_[1]);  // another one is the last
  EXPECT_NE(key(network(), {"x", "y"}), plain);
}

TEST_F(StatisticsCache, names_of_nodes_are_not_part_of_what_is_computed) {
  Graph renamed = network();
  renamed.nodes[0].name = "other";
  EXPECT_EQ(graph_digest(renamed), graph_digest(network()));
  renamed.values[0].name = "other";  // statistics are by this name
  EXPECT_NE(graph_digest(renamed), graph_digest(network()));
}

TEST_F(StatisticsCache, one_sample_is_not_worth_an_entry) {
  samples_.resize(1);
  EXPECT_FALSE(with_cache(in_memory(samples_), folder_.path(), warn_).cache);
  EXPECT_FALSE(with_cache(in_memory(samples()), {}, warn_).cache);
}

class CacheFolder : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"WORKBENCH_CACHE", "XDG_CACHE_HOME", "HOME"}) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      unsetenv(name);
    }
  }
  void TearDown() override {
    for (const char* name : {"WORKBENCH_CACHE", "XDG_CACHE_HOME", "HOME"}) unsetenv(name);
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }

  TemporaryFolder folder_;
  std::map<std::string, std::string> before_;
};

TEST_F(CacheFolder, is_what_was_asked_for_else_the_users) {
  EXPECT_EQ(cache_folder(""), "");
  setenv("HOME", folder_.path().c_str(), 1);
  EXPECT_EQ(cache_folder(""), folder_.path() / ".cache" / "workbench");
  setenv("XDG_CACHE_HOME", (folder_.path() / "xdg").c_str(), 1);
  EXPECT_EQ(cache_folder(""), folder_.path() / "xdg" / "workbench");
  setenv("WORKBENCH_CACHE", (folder_.path() / "own").c_str(), 1);
  EXPECT_EQ(cache_folder(""), folder_.path() / "own");
  EXPECT_TRUE(fs::is_directory(folder_.path() / "own"));
  EXPECT_EQ(cache_folder("none"), "");
  EXPECT_EQ(cache_folder((folder_.path() / "asked").string()), folder_.path() / "asked");
  setenv("WORKBENCH_CACHE", "none", 1);
  EXPECT_EQ(cache_folder(""), "");
}

TEST_F(CacheFolder, that_was_asked_for_and_cannot_be_is_an_error) {
  const std::string asked = (folder_.write("file", "") / "cache").string();
  try {
    cache_folder(asked);
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "--calibration-cache " + asked + ": cannot create the folder: Not a directory");
  }
  setenv("HOME", (folder_.path() / "file").c_str(), 1);  // the user's own: none, without a word
  EXPECT_EQ(cache_folder(""), "");
}

}  // namespace
}  // namespace workbench
