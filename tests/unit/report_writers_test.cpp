#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "explore/report/export.h"
#include "explore/report/text.h"
#include "tests/support/small_report.h"

namespace workbench {
namespace {

// conv1 works [0, 10), pool1 [10, 14): with 100 MHz 0.14 us.
Timeline fourteen_cycles() {
  return {
      .resources = {"conv", "pool"},
      .intervals = {interval(0, 1, 0, 10, Cause::Work), interval(0, -1, 10, 14, Cause::Idle),
                    interval(1, -1, 0, 10, Cause::Idle), interval(1, 2, 10, 13, Cause::Work, 32),
                    interval(1, 2, 13, 14, Cause::PortStall)},
      .end = {14}};
}

RunResult small_result() {
  RunResult result;
  result.timeline = fourteen_cycles();
  result.report = make_report(two_layers(), result.timeline, round_machine());
  result.verdict = Verdict{.layers = {{.name = "conv1", .values = 128}}, .values_compared = 128};
  return result;
}

RunResult wrong_result() {
  RunResult result = small_result();
  result.verdict->layers[0] = {.name = "conv1",
                               .values = 128,
                               .mismatches = 3,
                               .coordinates = {0, 1, 2, 3},
                               .expected = 7,
                               .got = -8};
  result.verdict->mismatches = 3;
  return result;
}

TEST(Json, has_every_documented_key) {
  const auto json = nlohmann::json::parse(json_report(small_result()));
  EXPECT_EQ(json["schema_version"], 2);
  EXPECT_EQ(json["machine"]["name"], "round");
  EXPECT_EQ(json["network"]["macs"], 100);
  EXPECT_EQ(json["totals"]["cycles"], 14);
  EXPECT_DOUBLE_EQ(json["totals"]["mac_per_cycle"].get<double>(), 100.0 / 14);
  EXPECT_EQ(json["verdict"]["bit_exact"], true);
  EXPECT_EQ(json["verdict"]["values_compared"], 128);
  EXPECT_EQ(json["layers"][1]["name"], "pool1");
  EXPECT_EQ(json["layers"][1]["waits"]["other_engine"], 4);
  EXPECT_FALSE(json.contains("wall"));
}

TEST(Text, noise_fails_tensors_only_where_accuracy_is_judged) {
  RunResult result = small_result();
  result.signal_to_noise = {{.name = "conv1", .decibel = 3}};
  EXPECT_NE(text_report(result, {}).find("FAIL conv1"), std::string::npos);
  const std::string synthetic = text_report(result, {.judge_accuracy = false});
  EXPECT_EQ(synthetic.find("FAIL"), std::string::npos);
  EXPECT_EQ(synthetic.find("useless"), std::string::npos);
  EXPECT_NE(synthetic.find("3.0 dB"), std::string::npos);
}

TEST(Text, one_code_is_said_under_every_verdict) {
  RunResult result = small_result();
  result.signal_to_noise = {{.name = "conv1", .decibel = 3},
                            {.name = "pool1", .decibel = 0, .one_code = true}};
  for (const bool judged : {true, false}) {
    const std::string text = text_report(result, {.judge_accuracy = judged});
    EXPECT_NE(text.find("pool1 (all codes equal)"), std::string::npos) << judged;
    EXPECT_EQ(text.find("conv1 (3.0 dB)") != std::string::npos, judged);
  }
}

TEST(Json, names_the_figures_that_support_the_run) {
  RunResult result = small_result();
  EXPECT_FALSE(nlohmann::json::parse(json_report(result)).contains("support"));
  result.support = Support{.machine = "round",
                           .changed = {"dma.latency_cycles"},
                           .figures = {{.name = "a", .calibrates = "k", .value = 5}, {.name = "b"}},
                           .never_measured = {"Add"}};
  const auto support = nlohmann::json::parse(json_report(result))["support"];
  EXPECT_EQ(support["figures"].size(), 2U);
  EXPECT_EQ(support["figures"][0]["value"], 5);
  EXPECT_EQ(support["never_measured"][0], "Add");
  const std::string text = text_report(result, {});
  EXPECT_NE(text.find("support  2 published figures of round, 1 of them used to calibrate "
                      "(workbench validate)\n"
                      "         but of other values of dma.latency_cycles\n"
                      "         never measured: Add\n"),
            std::string::npos)
      << text;
}

// Steps up by what they save, then those down that cost less than 0.5 %; never more than five.
TEST(Advice, says_what_helps_most_and_what_is_more_than_enough) {
  const KnobStep wide{.knob = "DMA", .from = "8", .to = "16", .change = -0.012};
  const KnobStep large{.knob = "L2", .from = "1 KB", .to = "2 KB", .change = -0.19};
  const KnobStep idle{.knob = "L1", .from = "1 KB", .to = "2 KB", .change = -0.004};
  const KnobStep enough{.knob = "L1", .from = "1 KB", .to = "512 B", .up = false, .change = 0.004};
  const KnobStep needed{.knob = "L2", .from = "1 KB", .to = "512 B", .up = false, .change = 0.3};
  EXPECT_EQ(advice_lines({idle, needed, enough, wide, large}),
            (std::vector<std::string>{"L2 1 KB -> 2 KB: -19.0 %", "DMA 8 -> 16: -1.2 %",
                                      "L1 1 KB -> 512 B: +0.4 %, half is enough"}));
  EXPECT_EQ(advice_lines({large, large, large, wide, wide, enough}).size(), 5U);
  EXPECT_EQ(
      advice_lines({idle, needed}),
      std::vector<std::string>{"no knob of the machine, doubled or halved, matters by 0.5 %"});
  RunResult result = small_result();
  EXPECT_FALSE(nlohmann::json::parse(json_report(result)).contains("advice"));
  result.advice = {large, needed};
  const auto advice = nlohmann::json::parse(json_report(result))["advice"];
  EXPECT_EQ(advice["lines"], nlohmann::json({"L2 1 KB -> 2 KB: -19.0 %"}));
  EXPECT_EQ(advice["steps"].size(), 2U);
  EXPECT_EQ(advice["steps"][1]["change"], 0.3);
}

TEST(Json, golden_off_leaves_the_verdict_open) {
  RunResult result = small_result();
  result.verdict.reset();
  const auto json = nlohmann::json::parse(json_report(result));
  EXPECT_TRUE(json["verdict"]["bit_exact"].is_null());
}

TEST(Json, infinite_signal_to_noise_is_null) {
  RunResult result = small_result();
  result.signal_to_noise = {{"conv1", INFINITY}};
  const auto json = nlohmann::json::parse(json_report(result));
  EXPECT_TRUE(json["accuracy"]["signal_to_noise"][0]["decibel"].is_null());
  EXPECT_TRUE(passed(result));
}

TEST(Csv, has_one_line_per_layer) {
  const std::string csv = csv_report(small_result().report);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_NE(csv.find("\nconv1,Conv 3x3,8x4x4,10,10,,10,100,100,200,"), std::string::npos) << csv;
}

TEST(Csv, quotes_a_name_with_a_comma) {
  ProgramInfo program = two_layers();
  program.layers[0].name = "a,\"b\"";
  const Report report = make_report(program, fourteen_cycles(), round_machine());
  EXPECT_NE(csv_report(report).find("\n\"a,\"\"b\"\"\",Conv"), std::string::npos);
}

TEST(Trace, tells_time_in_microseconds_and_names_layers) {
  const auto json =
      nlohmann::json::parse(trace_json(two_layers(), fourteen_cycles(), round_machine()));
  std::vector<nlohmann::json> slices;
  for (const auto& event : json["traceEvents"]) {
    if (event["ph"] == "X") slices.push_back(event);
  }
  ASSERT_EQ(slices.size(), 3U);  // idle time is not drawn
  EXPECT_EQ(slices[0]["name"], "Conv conv1");
  EXPECT_DOUBLE_EQ(slices[0]["dur"].get<double>(), 0.1);  // 10 cycles of 10 ns
  EXPECT_DOUBLE_EQ(slices[1]["ts"].get<double>(), 0.1);
  EXPECT_EQ(slices[1]["args"]["bytes"], 32);
  EXPECT_EQ(slices[2]["name"], "port stall: pool1");
}

TEST(Trace, escapes_what_json_does_not_allow) {
  ProgramInfo program = two_layers();
  program.instruction_text[1] = "a\"\\\n";
  const auto json = nlohmann::json::parse(trace_json(program, fourteen_cycles(), round_machine()));
  EXPECT_EQ(json["traceEvents"][5]["name"], "a\"\\\n");
}

TEST(Text, fits_the_terminal_and_has_no_colour_when_piped) {
  ProgramInfo program = two_layers();
  program.layers[0].name = std::string(200, 'n');
  program.layers[0].op = std::string(200, 'o');
  program.layers[0].macs = 12345678;
  RunResult result = small_result();
  result.report = make_report(program, result.timeline, round_machine());
  result.report.layers[0].cycles = {12345678};
  result.report.layers[0].mac_per_cycle = 6144;
  result.report.layers[0].percent_of_peak = 100;
  result.report.layers[0].shape = "1024x112x112";
  result.report.layers[0].waits = "engine 16%, weights 12%, fill 8%, ddr 8%";
  result.report.layers[0].external_bytes = 123456789;
  result.report.layers[0].result_bytes = 98304;
  const std::string text = text_report(result, {});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    EXPECT_LE(end - at, 120U) << text.substr(at, end - at);
    at = end + 1;
  }
}

TEST(Text, shows_the_first_difference_of_a_wrong_layer) {
  const RunResult result = wrong_result();
  EXPECT_FALSE(passed(result));
  const std::string text = text_report(result, {});
  EXPECT_NE(text.find("MISMATCH: 3 of 128 values"), std::string::npos) << text;
  EXPECT_NE(text.find("conv1: 3 of 128 values differ, first at [0, 1, 2, 3]: expected 7, got -8"),
            std::string::npos)
      << text;
}

TEST(Text, a_layer_drowned_in_noise_is_printed_as_a_failure_but_is_no_mismatch) {
  RunResult result = small_result();
  result.signal_to_noise = {{"conv1", 31.0}, {"pool1", 9.9}};
  EXPECT_TRUE(passed(result));
  EXPECT_NE(text_report(result, {}).find("FAIL pool1: 9.9 dB, at least 10 dB expected"),
            std::string::npos);
}

TEST(Text, a_hazard_fails_the_run_and_names_the_layer) {
  RunResult result = small_result();
  result.hazards = {
      {.instruction = 1, .layer = "conv1", .address = 255, .space = "AM", .time = {5}}};
  EXPECT_FALSE(passed(result));
  EXPECT_NE(text_report(result, {})
                .find("hazard: instruction 1 (conv1) reads memory nobody wrote: "
                      "AM 0xff at cycle 5"),
            std::string::npos);
}

}  // namespace
}  // namespace workbench
