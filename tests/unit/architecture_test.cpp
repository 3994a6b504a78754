// The one-way rule of the folders (app -> explore -> {compiler, sim} -> isa -> core; data, which
// the compiler calibrates with, includes core alone), read off the include lines of the whole tree.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace workbench {
namespace {

struct Include {
  std::string file;    // relative to the root of the repository
  std::string target;  // "core/graph.h", "onnx/onnx_pb.h"
  bool quoted = false;
};

bool begins_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

// `#include <...>` or `#include "..."`, or nothing.
std::vector<Include> include_in(const std::string& file, const std::string& line) {
  if (!begins_with(line, "#include ")) return {};
  const std::size_t open = line.find_first_of("<\"");
  if (open == std::string::npos) return {};
  const bool quoted = line[open] == '"';
  const std::size_t close = line.find(quoted ? '"' : '>', open + 1);
  return {{file, line.substr(open + 1, close - open - 1), quoted}};
}

std::vector<Include> includes_under(const std::string& folder) {
  std::vector<Include> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string extension = entry.path().extension().string();
    if (!entry.is_regular_file() || (extension != ".h" && extension != ".cpp")) continue;
    std::istringstream lines(read_file(entry.path()));
    for (std::string line; std::getline(lines, line);) {
      const auto in_line = include_in(entry.path().generic_string(), line);
      found.insert(found.end(), in_line.begin(), in_line.end());
    }
  }
  return found;
}

const std::vector<std::string> kFolders = {"core",    "data", "isa",       "compiler", "sim",
                                           "explore", "app",  "workloads", "python",   "train"};

std::string first_folder(const std::string& path) { return path.substr(0, path.find('/')); }

// Every include of ours, as "FILE includes TARGET", that `allowed` refuses.
template <typename Allowed>
std::vector<std::string> violations(Allowed allowed) {
  std::vector<std::string> found;
  for (const std::string& folder : kFolders) {
    for (const Include& include : includes_under(folder)) {
      if (!allowed(include)) found.push_back(include.file + " includes " + include.target);
    }
  }
  return found;
}

const std::vector<std::string> kNone;

TEST(Architecture, the_tree_is_found) {
  // Everything below would pass on an empty list.
  EXPECT_GT(includes_under("core").size(), 20U);
  EXPECT_GT(includes_under("sim/golden").size(), 10U);
}

TEST(Architecture, includes_point_one_way) {
  const std::map<std::string, std::set<std::string>> may_include = {
      {"core", {"core"}},
      {"data", {"data", "core"}},
      {"isa", {"isa", "core"}},
      {"compiler", {"compiler", "data", "isa", "core"}},
      {"sim", {"sim", "isa", "core"}},
      {"workloads", {"workloads", "core"}},
      {"explore", {"explore", "compiler", "sim", "workloads", "data", "isa", "core"}},
      {"app", {"app", "explore", "workloads", "compiler", "sim", "data", "isa", "core"}},
      {"python", {"python", "explore", "core"}},
      {"train",
       {"train", "app", "explore", "workloads", "compiler", "sim", "data", "isa", "core"}}};
  EXPECT_EQ(violations([&](const Include& include) {
              const std::string to = first_folder(include.target);
              const bool ours = std::find(kFolders.begin(), kFolders.end(), to) != kFolders.end();
              return !ours || may_include.at(first_folder(include.file)).contains(to);
            }),
            kNone);
}

TEST(Architecture, back_ends_take_no_error_for_an_answer) {
  // Their searches return nothing where something does not fit: any Error is the caller's to see,
  // at most with the place of the program that it is about.
  const std::regex caught(R"(catch \((?!const Error& error\) \{\s*refuse\(error\.what\(\)\);))");
  std::vector<std::string> found;
  for (const char* folder : {"compiler/xdnn", "compiler/pulp", "compiler/memory"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file() && std::regex_search(read_file(entry.path()), caught)) {
        found.push_back(entry.path().generic_string());
      }
    }
  }
  EXPECT_EQ(found, kNone);
}

TEST(Architecture, our_headers_are_quoted_from_the_root_and_foreign_ones_are_not) {
  EXPECT_EQ(violations([&](const Include& include) {
              const std::string to = first_folder(include.target);
              const bool ours = std::find(kFolders.begin(), kFolders.end(), to) != kFolders.end();
              const bool generated = include.target.find(".pb.") != std::string::npos;
              return generated || ours == include.quoted;
            }),
            kNone);
}

TEST(Architecture, only_the_store_knows_sqlite) {
  EXPECT_EQ(violations([](const Include& include) {
              return include.target != "sqlite3.h" || begins_with(include.file, "explore/store/");
            }),
            kNone);
}

TEST(Architecture, one_file_knows_libtorch) {
  EXPECT_EQ(violations([](const Include& include) {
              const bool torch = begins_with(include.target, "torch/") ||
                                 begins_with(include.target, "ATen/") ||
                                 begins_with(include.target, "c10/");
              return !torch || include.file == "train/torch_network.cpp";
            }),
            kNone);
}

TEST(Architecture, only_the_simulators_know_systemc) {
  EXPECT_EQ(violations([](const Include& include) {
              const bool systemc = begins_with(include.target, "systemc") ||
                                   begins_with(include.target, "tlm") ||
                                   begins_with(include.target, "sysc/");
              return !systemc || begins_with(include.file, "sim/");
            }),
            kNone);
}

TEST(Architecture, only_the_importer_knows_onnx) {
  EXPECT_EQ(violations([](const Include& include) {
              return !begins_with(include.target, "onnx/") ||
                     begins_with(include.file, "compiler/import/");
            }),
            kNone);
}

TEST(Architecture, the_golden_model_shares_no_arithmetic) {
  // It sees core's data types, the fork-join loop and the elementary functions that stand for the
  // C library's, its own headers, and the standard library.
  const std::set<std::string> of_core = {"core/error.h",    "core/graph.h",        "core/math.h",
                                         "core/parallel.h", "core/quantization.h", "core/tensor.h"};
  EXPECT_EQ(violations([&](const Include& include) {
              if (!begins_with(include.file, "sim/golden/")) return true;
              const bool standard = !include.quoted &&
                                    include.target.find('/') == std::string::npos &&
                                    include.target.find('.') == std::string::npos;
              return standard || begins_with(include.target, "sim/golden/") ||
                     of_core.contains(include.target);
            }),
            kNone);
}

TEST(Architecture, the_evaluator_is_apart_from_the_rest_of_core) {
  EXPECT_EQ(violations([](const Include& include) {
              const bool in_core =
                  begins_with(include.file, "core/") && !begins_with(include.file, "core/eval/");
              return !in_core || !begins_with(include.target, "core/eval/");
            }),
            kNone);
}

}  // namespace
}  // namespace workbench
