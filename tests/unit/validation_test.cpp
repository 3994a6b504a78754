#include "explore/validate/validation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "explore/flow/machine.h"
#include "explore/sweep/evaluate.h"
#include "explore/sweep/parameter.h"
#include "explore/validate/support.h"

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

TEST(Validation, a_figure_of_a_program_replays_it_or_says_that_it_is_missing) {
  const std::string program = testing::TempDir() + "validation_program.txt";
  const Compiled compiled =
      compile_network(request_of({.network = "zoo:tiny_cnn", .machine = "v3_96", .settings = {}}));
  write_file(program, xdnn::disassemble(compiled.xdnn_program()));
  const auto figures = parse_figures(row("    program: validation_program.txt\n"), "f.yaml");
  EXPECT_EQ(validate(figures, {}).figures[0].reason,
            "needs validation_program.txt below --networks FOLDER");
  const HeldFigure held = validate(figures, testing::TempDir()).figures.at(0);
  ASSERT_TRUE(held.modelled) << held.reason;
  EXPECT_EQ(*held.modelled, *validate(parse_figures(row(""), "f.yaml"), {}).figures[0].modelled);
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

Compiled compiled_point(const std::string& network, const std::string& machine,
                        const std::vector<Setting>& settings = {}) {
  return compile_network(
      request_of({.network = network, .machine = machine, .settings = settings}));
}

// Two figures of gap8, one of a kernel that tiny_cnn does not run.
std::vector<RealFigure> two_figures() {
  return {{.name = "conv", .machine = "gap8", .settings = "l1=36700", .kernels = "Conv, MaxPool"},
          {.name = "depthwise", .machine = "gap8", .kernels = "Depthwise"},
          {.name = "another machine", .machine = "mr_wolf", .kernels = "Conv"}};
}

std::vector<std::string> names(const Support& support) {
  std::vector<std::string> names;
  for (const SupportingFigure& one : support.figures) names.push_back(one.name);
  return names;
}

TEST(Support, figures_support_runs_of_their_machine_and_kernels) {
  const Compiled compiled = compiled_point("zoo:tiny_cnn", "gap8");
  ASSERT_TRUE(kernels_of(compiled.program, compiled.machine).contains("Conv"));
  const Support support = support_of(compiled.program, compiled.machine, two_figures());
  EXPECT_EQ(names(support), std::vector<std::string>{"conv"});
  EXPECT_TRUE(support.changed.empty());
  EXPECT_EQ(std::ranges::count(support.never_measured, "first use of code"), 1);
  EXPECT_EQ(std::ranges::count(support.never_measured, "Conv"), 0);
}

TEST(Support, knobs_that_figures_vary_are_no_other_machine) {
  const Compiled compiled =
      compiled_point("zoo:tiny_cnn", "gap8", {{"dma.latency_cycles", "9"}, {"l1", "30000"}});
  EXPECT_EQ(support_of(compiled.program, compiled.machine, two_figures()).changed,
            std::vector<std::string>{"dma.latency_cycles"});
}

TEST(Support, a_machine_without_figures_has_none) {
  const Compiled compiled = compiled_point("zoo:tiny_cnn", "v2_28");
  const Support support = support_of(compiled);
  EXPECT_TRUE(support.figures.empty());
  EXPECT_EQ(std::ranges::count(support.never_measured, "XNConv"), 1);
}

// What the file says a figure of the zoo ran is what the program for it runs. The engines of a card
// run one program.
TEST(Support, shipped_figures_name_the_kernels_that_their_networks_run) {
  PreparedNetworks networks;
  std::map<std::string, std::set<std::string>> ran;
  for (const RealFigure& figure : load_figures(find_config_file("validation/published.yaml"))) {
    EXPECT_FALSE(kernels_of(figure).empty()) << figure.name;
    if (!figure.network.starts_with("zoo:") || !figure.program.empty()) continue;
    Point point = point_of(figure);
    std::erase_if(point.settings, [](const Setting& one) { return one.name == "engines"; });
    std::string question = figure.network + figure.machine;
    for (const Setting& one : point.settings) question += " " + one.name + "=" + one.value;
    const auto [kernels, is_new] = ran.try_emplace(question);
    if (is_new) {
      const CompileRequest request = request_of(point);
      const Machine machine = load_machine(request.machine, request.overrides);
      kernels->second =
          kernels_of(networks.program(request, machine, false).compiled.program, machine);
      kernels->second.erase("first use of code");
    }
    for (const std::string& one : kernels_of(figure)) {
      EXPECT_TRUE(kernels->second.contains(one)) << figure.name << ": " << one;
    }
    if (figure.layer.empty()) {
      EXPECT_EQ(kernels_of(figure), kernels->second) << figure.name;
    }
  }
}

}  // namespace
}  // namespace workbench
