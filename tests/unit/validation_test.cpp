#include "explore/validate/validation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "explore/flow/machine.h"

namespace workbench {
namespace {

std::string row(const std::string& more) {
  return "figures:\n  - name: one\n    machine: v3_96\n    network: zoo:tiny_cnn\n"
         "    metric: cycles\n    value: 1000\n    source: facts/xdnn.md 5.1\n" +
         more;
}

std::string refusal(const std::string& yaml) {
  try {
    parse_figures(yaml, "f.yaml");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(RealFigures, a_row_is_a_question_at_the_transaction_tier) {
  const auto figures = parse_figures(row("    settings: mode=throughput engines=4\n"), "f.yaml");
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_EQ(figures[0].line, 2);
  const Point point = point_of(figures[0]);
  EXPECT_EQ(point.tier, Tier::Transaction);
  EXPECT_EQ(point.settings, (std::vector<Setting>{{"engines", "4"}, {"mode", "throughput"}}));
}

TEST(RealFigures, what_is_wrong_is_said_with_its_line) {
  EXPECT_EQ(refusal("a: 1\n"),
            "f.yaml:1: expected the key 'figures' with a list of at most 10000 rows");
  EXPECT_EQ(refusal("figures: [{name: one}]\n"), "f.yaml:1: key 'figures.machine' is missing");
  EXPECT_EQ(refusal(row("    settings: throughput\n")),
            "f.yaml:2: settings: expected PARAMETER=VALUE, found 'throughput'");
  EXPECT_TRUE(refusal(row("    colour: 3\n"))
                  .starts_with("f.yaml:8: unknown key 'figures.colour', expected one of: name"));
  std::string twice = row("");
  twice += twice.substr(twice.find("  - name"));
  EXPECT_EQ(refusal(twice), "f.yaml:8: figure 'one' appears twice");
  std::string negative = row("");
  negative.replace(negative.find("1000"), 4, "-1");
  EXPECT_EQ(refusal(negative), "f.yaml:2: value: expected a number above 0, found -1");
  std::string unknown = row("    layer: conv1\n");
  unknown.replace(unknown.find("cycles"), 6, "latency_ms");
  EXPECT_TRUE(refusal(unknown).ends_with("; found 'latency_ms'")) << refusal(unknown);
}

TEST(RealFigures, the_shipped_ones_can_be_read) {
  const auto figures = load_figures(find_config_file("validation/published.yaml"));
  EXPECT_GT(figures.size(), 10U);
}

HeldFigure held(const std::string& machine, const std::string& calibrates, double modelled) {
  HeldFigure one;
  one.figure = {
      .name = machine + calibrates, .machine = machine, .value = 100, .calibrates = calibrates};
  one.modelled = modelled;
  return one;
}

// |+10 %| and |-30 %| have the mean 20 %; the figure without a model counts nowhere.
TEST(Validation, figures_that_calibrated_a_constant_are_summed_up_apart) {
  Validation validation;
  validation.figures = {held("a", "k", 101), held("a", "", 110), held("b", "", 100),
                        held("a", "", 70), held("a", "", 0)};
  validation.figures.back().modelled.reset();
  const auto all = summaries(validation);
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].machine, "a");
  EXPECT_FALSE(all[0].calibrating);
  EXPECT_EQ(all[0].figures, 2);
  EXPECT_NEAR(all[0].mean_error, 0.2, 1e-12);
  EXPECT_NEAR(all[0].worst->error(), -0.3, 1e-12);
  EXPECT_TRUE(all[1].calibrating);
  EXPECT_NEAR(all[1].mean_error, 0.01, 1e-12);
  EXPECT_EQ(all[2].machine, "b");
}

TEST(Validation, a_figure_without_its_network_or_layer_says_so) {
  std::vector<RealFigure> figures = parse_figures(
      row("  - name: file\n    machine: gap8\n    network: folder/model.onnx\n    metric: cycles\n"
          "    value: 5\n    source: s\n"
          "  - name: layer\n    machine: v3_96\n    network: zoo:tiny_cnn\n    metric: cycles\n"
          "    layer: no such layer\n    value: 5\n    source: s\n"),
      "f.yaml");
  const Validation validation = validate(figures, {});
  ASSERT_EQ(validation.figures.size(), 3U);
  EXPECT_GT(validation.figures[0].modelled.value_or(0), 0);
  EXPECT_EQ(validation.figures[1].reason, "needs folder/model.onnx below --networks FOLDER");
  EXPECT_EQ(validation.figures[2].reason, "zoo:tiny_cnn has no layer 'no such layer'");
  const auto json = nlohmann::json::parse(validation_json(validation));
  EXPECT_EQ(json["figures"].size(), 3U);
  EXPECT_TRUE(json["figures"][1]["modelled"].is_null());
  EXPECT_NEAR(json["figures"][0]["error"].get<double>(), validation.figures[0].error(), 1e-12);
}

}  // namespace
}  // namespace workbench
