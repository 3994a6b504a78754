#include <gtest/gtest.h>

#include "explore/track/baseline.h"
#include "tests/support/track_records.h"

namespace workbench::track {
namespace {

std::string refusal(const std::string& text) {
  try {
    parse_baseline(text, "b.json", "");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

TEST(TrackBaseline, reads_what_it_wrote) {
  Baseline baseline = small_baseline();
  baseline.cases[1].wall = WallRecord{{0.5, 0.75}};
  baseline.cases[1].asked.point.network = "models/a \"b\"\n.onnx";
  const std::string text = baseline_text(baseline, "");
  const Baseline again = parse_baseline(text, "b.json", "");
  EXPECT_EQ(baseline_text(again, ""), text);
  EXPECT_EQ(again.cases[0].machine, baseline.cases[0].machine);
  EXPECT_EQ(again.cases[0].layers[1].waterfall, baseline.cases[0].layers[1].waterfall);
  EXPECT_EQ(again.cases[1].wall->seconds, baseline.cases[1].wall->seconds);
  EXPECT_EQ(again.cases[1].asked.point.network, "models/a \"b\"\n.onnx");
  EXPECT_EQ(again.cases[1].figures, baseline.cases[1].figures);
}

TEST(TrackBaseline, a_layer_that_differs_is_one_line_of_a_diff) {
  Baseline baseline = small_baseline();
  const std::string before = baseline_text(baseline, "");
  baseline.cases[0].layers[1].cycles += 7;
  const std::string after = baseline_text(baseline, "");
  std::istringstream left(before), right(after);
  int differing = 0;
  for (std::string a, b; std::getline(left, a) && std::getline(right, b);) differing += a != b;
  EXPECT_EQ(differing, 1);
}

TEST(TrackBaseline, what_is_no_baseline_is_refused) {
  const std::string good = baseline_text(small_baseline(), "");
  EXPECT_EQ(refusal(good), "no error");
  EXPECT_EQ(refusal("{}"),
            "b.json: expected a baseline that `workbench track record` wrote, found something "
            "else");
  EXPECT_EQ(refusal(replaced(good, "\"version\": 1", "\"version\": 2")),
            "b.json: expected a baseline of version 1, found version 2");
  EXPECT_EQ(refusal(replaced(good, "\"name\": \"two\"", "\"name\": \"one\"")),
            "b.json: expected each case once, found two named 'one'");
  EXPECT_EQ(refusal(replaced(good, "\"cycles\":1000", "\"cycles\":\"many\"")),
            "b.json: case 'one': layer 'conv1': expected a whole number for 'cycles', found "
            "\"many\"");
  EXPECT_EQ(refusal(replaced(good, "\"cycles\":1000", "\"cycles\":18446744073709551615")),
            "b.json: case 'one': layer 'conv1': expected a whole number for 'cycles', found "
            "18446744073709551615");
  EXPECT_NE(refusal(replaced(good, "\"cycles\": 3500", "\"cycles\": 1e999")), "no error");
  EXPECT_EQ(refusal(replaced(good, "\"tier\": \"transaction\",",
                             "\"tier\": \"transaction\", \"wall_seconds\": [],")),
            "b.json: case 'one': expected times under 'wall_seconds', found none");
  EXPECT_EQ(refusal(replaced(good, "\"ideal\"", "\"idle\"")),
            "b.json: case 'one': layer 'conv1': expected steps of the waterfall, found 'idle'");
  EXPECT_EQ(
      refusal(replaced(good, "\"verdict\"", "\"opinion\"")).rfind("b.json: expected one of", 0),
      0U);
  EXPECT_EQ(refusal(replaced(good, "\"cycles\": 3500", "\"circles\": 3500")),
            "b.json: case 'one': expected a figure 'cycles', found none");
  EXPECT_EQ(refusal(replaced(good, "\"tier\": \"transaction\"", "\"tier\": \"exact\"")),
            "b.json: case 'one': expected the tier analytic or transaction, found 'exact'");
}

TEST(TrackBaseline, a_truncated_file_is_refused_wherever_it_ends) {
  const std::string good = baseline_text(small_baseline(), "");
  for (std::size_t size = 0; size + 2 < good.size(); size += 37) {
    EXPECT_NE(refusal(good.substr(0, size)), "no error") << size;
  }
}

}  // namespace
}  // namespace workbench::track
