// Cases recorded from real networks and machines, and what is said when one thing changes.
#include <gtest/gtest.h>

#include "explore/flow/machine.h"
#include "explore/track/compare.h"
#include "explore/track/record.h"

namespace workbench::track {
namespace {

Case case_of(const std::string& network, const std::string& machine,
             std::vector<Setting> settings = {}) {
  return {.name = network + " on " + machine,
          .point = {.network = "zoo:" + network,
                    .machine = machine,
                    .settings = std::move(settings),
                    .tier = Tier::Transaction}};
}

std::string text_of(const CaseRecord& record) {
  return baseline_text({.name = "x", .cases = {record}}, "");
}

bool has(const std::vector<Cause>& causes, Cause::Kind kind) {
  return std::any_of(causes.begin(), causes.end(),
                     [&](const Cause& cause) { return cause.kind == kind; });
}

TEST(TrackRecord, the_same_twice_is_the_same_text) {
  for (const Case& one :
       {case_of("tiny_residual", "v3_96"), case_of("tiny_cnn", "v2_56"),
        case_of("tiny_mobile", "gap8"), case_of("tiny_cnn", "pulp_open", {{"cores", "4"}})}) {
    const CaseRecord first = record_case(one, true), second = record_case(one, true);
    EXPECT_EQ(first.verdict, "bit-exact") << one.name;
    EXPECT_EQ(text_of(first), text_of(second)) << one.name;
    EXPECT_FALSE(first.layers.empty());
    std::int64_t cycles = 0;
    for (const LayerRecord& layer : first.layers) {
      cycles += layer.cycles;
      std::int64_t steps = 0;
      for (const Cycles part : layer.waterfall) steps += part.value;
      EXPECT_EQ(steps, layer.cycles) << layer.name;
    }
    EXPECT_EQ(static_cast<double>(cycles), first.figures.at("cycles")) << one.name;
  }
}

TEST(TrackRecord, the_analytic_tier_has_the_same_program) {
  Case one = case_of("tiny_cnn", "gap8");
  const CaseRecord run = record_case(one, false);
  one.point.tier = Tier::Analytic;
  const CaseRecord analytic = record_case(one, false);
  EXPECT_EQ(analytic.verdict, "not compared");
  EXPECT_EQ(analytic.fingerprints.program, run.fingerprints.program);
  EXPECT_GT(analytic.figures.at("cycles"), 0);
  const CaseChange change = compare(run, analytic);
  EXPECT_TRUE(has(change.causes, Cause::Kind::Asked));
}

// One engine 1 % slower in the simulator, undeclared: neither the machine file nor the
// program has changed.
TEST(TrackRecord, an_engine_one_percent_slower_is_found_and_its_layers_are_named) {
  const auto slower = [](const std::string& machine, const auto& change) {
    CompileRequest request{.model = {.name = "zoo:tiny_residual"},
                           .machine = find_machine_file(machine)};
    request.keep_reference = false;
    const Compiled compiled = compile_network(request);
    Compiled injected = compiled;
    change(injected.machine);
    const CaseRecord before = record_of(compiled, run_network(compiled));
    CaseRecord after = record_of(injected, run_network(injected));
    after.machine = before.machine;
    return compare(before, after);
  };
  const std::vector<CaseChange> changes{
      slower("v3_96", [](Machine& m) { std::get<xdnn::Machine>(m).ddr.efficiency *= 0.99; }),
      slower("v2_56", [](Machine& m) { std::get<xdnn::Machine>(m).ddr.efficiency *= 0.99; }),
      slower("gap8",
             [](Machine& m) { std::get<pulp::Machine>(m).l3.megabytes_per_second *= 0.99; })};
  for (const CaseChange& change : changes) {
    EXPECT_EQ(change.kind, CaseChange::Kind::Worse);
    EXPECT_NE(failure(change, {}), "");
    ASSERT_EQ(change.causes.size(), 1U);
    EXPECT_EQ(change.causes[0].kind, Cause::Kind::Simulator) << change.causes[0].text;
    ASSERT_FALSE(change.layers.empty());
    EXPECT_FALSE(change.layers[0].steps.empty());
    EXPECT_LT(change.figures[0].worse_percent(), 1);  // one engine of several
  }
}

TEST(TrackRecord, what_was_changed_is_what_is_named) {
  const auto causes = [](const Case& before, const Case& after) {
    return compare(record_case(before, false), record_case(after, false)).causes;
  };
  const Case v3 = case_of("tiny_residual", "v3_96");
  const auto machine =
      causes(v3, case_of("tiny_residual", "v3_96", {{"ddr.latency_cycles", "61"}}));
  EXPECT_TRUE(has(machine, Cause::Kind::Machine));
  EXPECT_FALSE(has(machine, Cause::Kind::Weights) || has(machine, Cause::Kind::Simulator));
  const auto weights = causes(v3, case_of("tiny_residual", "v3_96", {{"seed", "2"}}));
  EXPECT_TRUE(has(weights, Cause::Kind::Weights) && has(weights, Cause::Kind::Quantization));
  EXPECT_FALSE(has(weights, Cause::Kind::Network) || has(weights, Cause::Kind::Machine));
  const auto scheme = causes(v3, case_of("tiny_residual", "v3_96", {{"scheme", "default"}}));
  EXPECT_TRUE(has(scheme, Cause::Kind::Quantization));
  EXPECT_FALSE(has(scheme, Cause::Kind::Weights) || has(scheme, Cause::Kind::Network));
  const auto network = causes(v3, case_of("tiny_cnn", "v3_96"));
  EXPECT_TRUE(has(network, Cause::Kind::Network) && has(network, Cause::Kind::Asked));
  const auto passes =
      causes(v3, case_of("tiny_residual", "v3_96", {{"with", "conv1x1_stride2_to_pool"}}));
  EXPECT_TRUE(has(passes, Cause::Kind::Passes));
  EXPECT_FALSE(has(passes, Cause::Kind::Network) || has(passes, Cause::Kind::Quantization));
  const auto tiles = causes(case_of("tiny_residual", "gap8", {{"l1", "16k"}}),
                            case_of("tiny_residual", "gap8", {{"l1", "16k"}, {"tiler", "dory"}}));
  EXPECT_TRUE(has(tiles, Cause::Kind::Tiles));
  EXPECT_FALSE(has(tiles, Cause::Kind::Machine) || has(tiles, Cause::Kind::Quantization));
}

TEST(TrackRecord, a_network_that_does_not_fit_is_an_answer_and_a_missing_one_is_not) {
  const CaseRecord record =
      record_case(case_of("tiny_residual", "gap8", {{"l1", "300"}, {"l2", "1k"}}), false);
  EXPECT_EQ(record.verdict.rfind("fails: ", 0), 0U) << record.verdict;
  EXPECT_TRUE(record.figures.empty());
  for (const Case& one : {case_of("tiny_residul", "gap8"), case_of("tiny_cnn", "gap9"),
                          case_of("tiny_cnn", "gap8", {{"dsp", "32"}})}) {
    EXPECT_THROW(record_case(one, false), Error) << one.name;
  }
}

}  // namespace
}  // namespace workbench::track
