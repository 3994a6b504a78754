#include <gtest/gtest.h>

#include "explore/track/baseline.h"

namespace workbench::track {
namespace {

constexpr const char* kGood = R"(name: small
cases:
  - name: one
    network: nets/a.onnx
    machine: gap8
    settings: {tiler: dory, l1: 36k}
  - name: two
    network: zoo:tiny_cnn?seed=2
    machine: ../machines/own.yaml
    tier: analytic
)";

std::string refusal(const std::string& yaml) {
  try {
    parse_suite(yaml, "dir/suite.yaml");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TrackSuite, paths_are_relative_to_the_file_and_names_are_names) {
  const Suite suite = parse_suite(kGood, "dir/suite.yaml");
  EXPECT_EQ(suite.name, "small");
  EXPECT_TRUE(suite.golden);
  ASSERT_EQ(suite.cases.size(), 2U);
  EXPECT_EQ(suite.cases[0].line, 3);
  EXPECT_EQ(suite.cases[0].point.network, "dir/nets/a.onnx");
  EXPECT_EQ(suite.cases[0].point.machine, "gap8");
  EXPECT_EQ(suite.cases[0].point.tier, Tier::Transaction);
  EXPECT_EQ(suite.cases[1].point.network, "zoo:tiny_cnn?seed=2");
  EXPECT_EQ(suite.cases[1].point.machine, "machines/own.yaml");
  EXPECT_EQ(suite.cases[1].point.tier, Tier::Analytic);
}

TEST(TrackSuite, settings_are_in_order_of_their_names) {
  const Suite suite = parse_suite(kGood, "dir/suite.yaml");
  EXPECT_EQ(suite.cases[0].point.settings,
            (std::vector<Setting>{{"l1", "36k"}, {"tiler", "dory"}}));
}

TEST(TrackSuite, names_of_files_survive_a_change_of_folder) {
  for (const std::string name : {"zoo:tiny_cnn", "gap8", "nets/a.onnx", "../up/a.onnx", "a.onnx"}) {
    EXPECT_EQ(resolved(named_from(name, "base/line"), "base/line"), name);
  }
}

TEST(TrackSuite, what_is_wrong_is_said_with_its_line) {
  EXPECT_EQ(refusal(""), "dir/suite.yaml:1: the suite is empty");
  EXPECT_EQ(refusal("name: a\n"),
            "dir/suite.yaml:1: expected a list of 1 to 10000 cases under "
            "'cases'");
  EXPECT_EQ(refusal("name: a\ncases: []\n"),
            "dir/suite.yaml:2: expected a list of 1 to 10000 cases under 'cases'");
  EXPECT_EQ(refusal("name: a\ncase: 1\n"),
            "dir/suite.yaml:2: a suite: expected one of the keys name, golden, cases, found "
            "'case'");
  EXPECT_EQ(refusal("name: a\ncases:\n  - name: x\n    network: n\n"),
            "dir/suite.yaml:3: case 'x': key 'machine' is missing");
  EXPECT_EQ(refusal("name: a\ncases:\n  - {name: x, network: n, machine: m, tier: exact}\n"),
            "dir/suite.yaml:3: case 'x': expected the tier analytic or transaction, found 'exact'");
  EXPECT_EQ(refusal("name: a\ncases:\n  - {name: x, network: n, machine: m}\n"
                    "  - {name: x, network: n, machine: m}\n"),
            "dir/suite.yaml:4: case 'x' appears twice");
  EXPECT_EQ(refusal("name: a\ncases:\n  - {name: x, network: n, machine: m, settings: [1]}\n"),
            "dir/suite.yaml:3: case 'x': settings: expected a mapping of parameters to values");
  EXPECT_EQ(refusal("name: a\ngolden: maybe\ncases:\n  - {name: x, network: n, machine: m}\n"),
            "dir/suite.yaml:2: golden must be true or false, found 'maybe'");
  EXPECT_EQ(refusal("name: [\n").rfind("dir/suite.yaml:", 0), 0U);
}

}  // namespace
}  // namespace workbench::track
