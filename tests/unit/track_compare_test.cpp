#include <gtest/gtest.h>

#include "explore/track/causes.h"
#include "explore/track/compare.h"
#include "explore/track/compare_report.h"
#include "tests/support/track_records.h"

namespace workbench::track {
namespace {

std::vector<Cause::Kind> kinds(const std::vector<Cause>& causes) {
  std::vector<Cause::Kind> list;
  for (const Cause& cause : causes) list.push_back(cause.kind);
  return list;
}
using Kinds = std::vector<Cause::Kind>;

Comparison comparison_of(CaseChange change) {
  return {.name = "small", .before_revision = "aaa", .after_revision = "bbb", .cases = {change}};
}

TEST(TrackCompare, a_record_beside_itself_has_nothing_to_say) {
  const CaseChange change = compare(small_case(), small_case());
  EXPECT_EQ(change.kind, CaseChange::Kind::Same);
  EXPECT_TRUE(change.figures.empty() && change.layers.empty() && change.causes.empty());
  EXPECT_EQ(failure(change, {.per_layer = true, .strict = true}), "");
}

TEST(TrackCompare, with_all_fingerprints_alike_it_is_the_simulators_model) {
  CaseRecord after = small_case();
  slow_down(after, 1, 20);
  const CaseChange change = compare(small_case(), after);
  EXPECT_EQ(change.kind, CaseChange::Kind::Worse);
  EXPECT_EQ(kinds(change.causes), Kinds{Cause::Kind::Simulator});
  ASSERT_EQ(change.layers.size(), 1U);
  EXPECT_EQ(change.layers[0].name, "conv2");
  EXPECT_EQ(change.layers[0].worse_percent(), 1);  // 20 of 2000
  ASSERT_EQ(change.layers[0].steps.size(), 1U);
  EXPECT_EQ(change.layers[0].steps[0].step, Step::MemoryWait);
  EXPECT_EQ(change.layers[0].steps[0].cycles, 20);
  EXPECT_EQ(kinds(change.layers[0].causes), Kinds{Cause::Kind::Simulator});
}

TEST(TrackCompare, machine_constants_are_named_with_both_values) {
  CaseRecord after = small_case();
  after.machine[1].second = "0.7";
  slow_down(after, 0, 10);
  const CaseChange change = compare(small_case(), after);
  ASSERT_EQ(kinds(change.causes), Kinds{Cause::Kind::Machine});
  EXPECT_EQ(change.causes[0].text, "ddr.efficiency 0.71 -> 0.7");
  EXPECT_EQ(kinds(change.layers[0].causes), Kinds{Cause::Kind::Machine});
}

TEST(TrackCompare, tiles_and_instructions_are_causes_of_the_layer_that_has_them) {
  CaseRecord after = small_case();
  after.layers[0].tiles = "4x4";
  after.layers[0].code = "0ther";
  after.layers[1].code = "0ther";
  after.layers[1].instructions = 3;
  for (const std::size_t layer : {0U, 1U, 2U})
    slow_down(after, layer, 30 - 10 * static_cast<int>(layer));
  const CaseChange change = compare(small_case(), after);
  EXPECT_EQ(kinds(change.causes), (Kinds{Cause::Kind::Tiles, Cause::Kind::Program}));
  EXPECT_EQ(change.causes[1].text, "instructions of 2 layers: conv1, conv2");
  ASSERT_EQ(change.layers.size(), 3U);
  EXPECT_EQ(kinds(change.layers[0].causes), Kinds{Cause::Kind::Tiles});
  EXPECT_EQ(change.layers[0].causes[0].text, "8x4 -> 4x4");
  EXPECT_EQ(kinds(change.layers[1].causes), Kinds{Cause::Kind::Program});
  EXPECT_EQ(change.layers[1].causes[0].text, "2 -> 3 instructions");
  EXPECT_EQ(kinds(change.layers[2].causes), Kinds{Cause::Kind::OtherLayers});
}

TEST(TrackCompare, another_order_of_layers_is_the_schedule) {
  CaseRecord after = small_case();
  std::swap(after.layers[0], after.layers[1]);
  slow_down(after, 0, 5);
  const CaseChange change = compare(small_case(), after);
  ASSERT_EQ(kinds(change.causes), Kinds{Cause::Kind::Schedule});
  EXPECT_EQ(change.causes[0].text, "layer 1 was conv1, is conv2");
}

TEST(TrackCompare, network_weights_passes_and_quantization_are_told_apart) {
  const auto causes_with = [](const Fingerprints& prints) {
    CaseRecord after = small_case();
    after.fingerprints = prints;
    return kinds(compare(small_case(), after).causes);
  };
  // A later stage follows from an earlier one: only the earliest is a cause.
  EXPECT_EQ(causes_with({"N", "W", "P", "Q", "b", "c", "t"}), Kinds{Cause::Kind::Network});
  EXPECT_EQ(causes_with({"n", "W", "p", "Q", "b", "C", "t"}),
            (Kinds{Cause::Kind::Weights, Cause::Kind::Quantization, Cause::Kind::Constants}));
  EXPECT_EQ(causes_with({"n", "w", "P", "Q", "b", "c", "t"}), Kinds{Cause::Kind::Passes});
  EXPECT_EQ(causes_with({"n", "w", "p", "Q", "b", "c", "t"}), Kinds{Cause::Kind::Quantization});
  EXPECT_EQ(causes_with({"n", "w", "p", "q", "B", "c", "t"}), Kinds{Cause::Kind::Program});
}

TEST(TrackCompare, fingerprints_alone_never_fail) {
  CaseRecord after = small_case();
  after.fingerprints.program = "B";
  const CaseChange change = compare(small_case(), after);
  EXPECT_EQ(change.kind, CaseChange::Kind::Other);
  EXPECT_EQ(failure(change, {.strict = true}), "");
}

TEST(TrackCompare, energies_have_causes_of_their_own) {
  CaseRecord before = small_case(), after = before;
  before.figures["energy_mj"] = 1;
  after.figures["energy_mj"] = 2;
  EXPECT_EQ(kinds(compare(before, after).causes), Kinds{Cause::Kind::Formulas});
  after.fingerprints.technology = "T";
  EXPECT_EQ(kinds(compare(before, after).causes), Kinds{Cause::Kind::Technology});
  EXPECT_EQ(failure(compare(before, after), {}), "");
  slow_down(after, 0, 1);
  EXPECT_EQ(kinds(compare(before, after).causes),
            (Kinds{Cause::Kind::Technology, Cause::Kind::Simulator}));
}

TEST(TrackCompare, another_question_under_the_same_name_is_said) {
  CaseRecord after = small_case();
  after.asked.point.settings[0].value = "32";
  const CaseChange change = compare(small_case(), after);
  ASSERT_EQ(kinds(change.causes), Kinds{Cause::Kind::Asked});
  EXPECT_EQ(change.causes[0].text, "dsp 64 -> 32");
}

TEST(TrackCompare, layers_that_come_and_go_are_named) {
  CaseRecord after = small_case();
  after.layers[2].name = "fc_renamed";
  slow_down(after, 2, 1);
  const CaseChange change = compare(small_case(), after);
  ASSERT_EQ(change.layers.size(), 2U);
  EXPECT_TRUE(change.layers[0].added);
  EXPECT_TRUE(change.layers[1].gone);
  EXPECT_EQ(change.causes[0].text, "new layers: fc_renamed; layers gone: fc");
}

TEST(TrackCompare, layers_of_one_name_are_paired_in_order) {
  CaseRecord before = small_case();
  before.layers[1].name = "conv1";
  CaseRecord after = before;
  slow_down(after, 1, 4);
  const CaseChange change = compare(before, after);
  ASSERT_EQ(change.layers.size(), 1U);
  EXPECT_EQ(change.layers[0].before, 2000);
}

TEST(TrackCompare, the_threshold_is_let_pass_and_no_more) {
  CaseRecord after = small_case();
  slow_down(after, 0, 35);  // of 3500: 1 %
  const CaseChange change = compare(small_case(), after);
  EXPECT_EQ(failure(change, {.threshold_percent = 1}), "");
  EXPECT_EQ(failure(change, {.threshold_percent = 0.999}), "cycles worse by 1 %");
  EXPECT_EQ(failure(change, {.threshold_percent = 2, .per_layer = true}),
            "layer conv1 worse by 3.5 %");
}

TEST(TrackCompare, an_improvement_fails_strictly_alone) {
  CaseRecord after = small_case();
  slow_down(after, 0, -100);
  const CaseChange change = compare(small_case(), after);
  EXPECT_EQ(change.kind, CaseChange::Kind::Better);
  EXPECT_EQ(failure(change, {}), "");
  EXPECT_EQ(failure(change, {.strict = true}), "cycles differs from the baseline");
}

TEST(TrackCompare, layers_that_move_cycles_between_them_fail_per_layer_alone) {
  CaseRecord after = small_case();
  slow_down(after, 0, 10);
  slow_down(after, 1, -10);
  const CaseChange change = compare(small_case(), after);
  EXPECT_EQ(change.kind, CaseChange::Kind::Other);
  EXPECT_EQ(failure(change, {}), "");
  EXPECT_EQ(failure(change, {.per_layer = true}), "layer conv1 worse by 1 %");
}

TEST(TrackCompare, a_wrong_result_or_none_fails_at_any_threshold) {
  CaseRecord wrong = small_case();
  wrong.verdict = "3 of 9 values differ from the golden model";
  EXPECT_EQ(failure(compare(small_case(), wrong), {.threshold_percent = 100}), wrong.verdict);
  CaseRecord none;
  none.asked = small_case().asked;
  none.verdict = "fails: layer conv1 does not fit";
  const CaseChange change = compare(small_case(), none);
  EXPECT_EQ(change.kind, CaseChange::Kind::Broken);
  EXPECT_TRUE(change.layers.empty());
  EXPECT_EQ(failure(change, {.threshold_percent = 100}), none.verdict);
}

TEST(TrackCompare, a_case_that_the_baseline_lacks_is_an_error_and_one_the_suite_lacks_is_gone) {
  const Baseline both = small_baseline();
  Baseline one = both;
  one.cases.pop_back();
  const Comparison comparison = compare(both, one, "b.json");
  ASSERT_EQ(comparison.cases.size(), 2U);
  EXPECT_EQ(comparison.cases[1].kind, CaseChange::Kind::Gone);
  EXPECT_FALSE(failed(comparison, {}));
  EXPECT_TRUE(failed(comparison, {.strict = true}));
  try {
    compare(one, both, "b.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "b.json: expected a case 'two', found none of that name: record the suite again");
  }
}

TEST(TrackCompare, text_tells_cycles_once_and_causes_once) {
  CaseRecord after = small_case();
  slow_down(after, 0, 35);
  EXPECT_EQ(compare_text(comparison_of(compare(small_case(), after)), {}),
            "worse  one: FAILED, cycles worse by 1 %\n"
            "  cycles 3,500 -> 3,535 (+1.00 %), and with them latency_ms, images_per_second\n"
            "  simulator's model: machine constants and program are the same\n"
            "  layer cycles ->   now  change  where          cause\n"
            "  conv1  1,000 -> 1,035 +3.50 %  ddr stall +35  simulator's model\n"
            "\n"
            "small: 1 case beside aaa: 1 worse; 1 failed (threshold 0 %)\n");
}

// 35 cycles more in all; with the old constants 15 of them are still there, all in conv2.
TEST(TrackCompare, steps_of_a_cluster_have_its_names) {
  CaseRecord before = small_case();
  before.machine.emplace_back("family", "pulp");
  CaseRecord after = before;
  slow_down(after, 0, 35);
  EXPECT_NE(compare_text(comparison_of(compare(before, after)), {}).find(" transfers +35 "),
            std::string::npos);
}

TEST(TrackCompare, an_experiment_tells_the_machine_from_the_simulator) {
  const CaseRecord before = small_case();
  CaseRecord after = before, control = before;
  after.machine[1].second = "0.7";
  slow_down(after, 0, 20);
  slow_down(after, 1, 15);
  slow_down(control, 1, 15);
  control.asked.point.settings.push_back({"ddr.efficiency", "0.71"});
  control.verdict = "not compared";
  CaseChange change = compare(before, after);
  attribute(before, after, control, change);
  EXPECT_EQ(change.machine_cycles, 20);
  EXPECT_EQ(kinds(change.causes), (Kinds{Cause::Kind::Machine, Cause::Kind::Simulator}));
  ASSERT_EQ(change.layers.size(), 2U);
  EXPECT_EQ(kinds(change.layers[0].causes), Kinds{Cause::Kind::Machine});
  EXPECT_EQ(kinds(change.layers[1].causes), (Kinds{Cause::Kind::Machine, Cause::Kind::Simulator}));
  EXPECT_NE(compare_text(comparison_of(change), {})
                .find("  of +35 cycles, +20 by machine constants, +15 by the rest\n"),
            std::string::npos);
}

TEST(TrackCompare, a_slower_clock_moves_no_cycles_to_tell_apart) {
  CaseChange change = compare(small_case(), small_case());
  change.kind = CaseChange::Kind::Other;
  change.machine_cycles = 0;
  Comparison comparison = comparison_of(change);
  comparison.before_revision = "";
  EXPECT_EQ(compare_text(comparison, {}),
            "other  one\n\nsmall: 1 case beside the baseline: 1 other\n");
}

TEST(TrackCompare, junit_is_xml_whatever_cases_are_called) {
  CaseRecord before = small_case("<a & \"b\">\x01"), after = before;
  slow_down(after, 0, 35);
  const std::string xml = compare_junit(comparison_of(compare(before, after)), {}, "s&t");
  EXPECT_NE(xml.find("<testsuite name=\"s&amp;t\" tests=\"1\" failures=\"1\""), std::string::npos);
  EXPECT_NE(xml.find("name=\"&lt;a &amp; &quot;b&quot;&gt;?\""), std::string::npos) << xml;
  EXPECT_NE(xml.find("<failure message=\"cycles worse by 1 %\" type=\"worse\">"),
            std::string::npos);
  EXPECT_NE(xml.find("layer conv1: 1,000 -&gt; 1,035 cycles"), std::string::npos);
}

TEST(TrackCompare, annotations_are_one_line_each_at_the_cases_line) {
  CaseRecord before = small_case("a, b: 100 %"), after = before;
  before.asked.line = after.asked.line = 7;
  slow_down(after, 0, 35);
  const std::string text =
      compare_annotations(comparison_of(compare(before, after)), {}, "dir/suite.yaml");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(text.rfind("::error file=dir/suite.yaml,line=7,title=track%3A a%2C b%3A 100 %25::"
                       "cycles worse by 1 %25%0A",
                       0),
            0U)
      << text;
  CaseRecord better = small_case();
  slow_down(better, 0, -35);
  EXPECT_EQ(compare_annotations(comparison_of(compare(small_case(), better)), {}, "")
                .rfind("::notice title=track%3A one::better%0A", 0),
            0U);
}

}  // namespace
}  // namespace workbench::track
