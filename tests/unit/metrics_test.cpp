#include "explore/report/metrics.h"

#include <gtest/gtest.h>

#include <set>

#include "core/file.h"
#include "tests/support/small_report.h"

namespace workbench {
namespace {

std::string cell(std::string_view meaning, Shown shown, bool memory = false) {
  std::string text = memory ? "`memory`; " : "";
  if (shown == Shown::Run) text += "report: ";
  if (shown == Shown::Points) text += "points: ";
  return text + std::string(meaning);
}

// The table of docs/report-json.md.
std::string documented() {
  std::string text =
      "| name | unit | better | of a run | of a layer |\n"
      "|---|---|---|---|---|\n";
  for (const Metric& metric : metrics()) {
    const auto& [meaning, value, shown, memory] = metric.run;
    text += fmt::format(
        "| `{}` | {} | {} | {} | {} |\n", metric.name, metric.unit, to_string(metric.better),
        value == nullptr ? "" : cell(meaning, shown, memory),
        metric.layer.value == nullptr ? "" : cell(metric.layer.meaning, metric.layer.shown));
  }
  return text;
}

TEST(Metrics, are_documented_as_the_table_has_them) {
  const std::string docs = read_file("docs/report-json.md");
  const std::string begin = "<!-- metrics -->\n";
  const std::size_t at = docs.find(begin);
  ASSERT_NE(at, std::string::npos);
  const std::size_t first = at + begin.size();
  EXPECT_EQ(docs.substr(first, docs.find("<!-- end of metrics -->") - first), documented());
}

TEST(Metrics, have_one_row_for_a_name_and_a_meaning_for_each_value) {
  std::set<std::string_view> names;
  for (const Metric& metric : metrics()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_TRUE(metric.run.value != nullptr || metric.layer.value != nullptr) << metric.name;
    EXPECT_EQ(metric.run.value != nullptr, !metric.run.meaning.empty()) << metric.name;
    EXPECT_EQ(metric.layer.value != nullptr, !metric.layer.meaning.empty()) << metric.name;
  }
}

TEST(Metrics, of_a_card_and_of_an_engine_have_two_names) {
  const Report report = make_report(
      two_layers(), {{{400}, true}, {{600}, false}}, round_machine(),
      {{.latency = {1000}, .interval = {1000}}, {.latency = {2000}, .interval = {2000}}});
  const auto value = [&](std::string_view name) {
    for (const Metric& metric : metrics()) {
      if (metric.name == name) return std::get<double>(metric.run.value(report));
    }
    return -1.0;
  };
  // 100 MHz: an image every 10 us on engine 0, every 20 us on the other one.
  EXPECT_DOUBLE_EQ(value("engine_images_per_second"), 100'000);
  EXPECT_DOUBLE_EQ(value("images_per_second"), 2 * 50'000.0);
}

TEST(Metrics, that_a_report_does_not_know_have_no_value) {
  const Report report = make_report(two_layers(), {{{400}, true}, {{600}, false}}, round_machine(),
                                    {{.latency = {1000}, .interval = {1000}}});
  for (const Metric& metric : metrics()) {
    const bool of_costs = metric.name == "energy_mj" || metric.name == "dma_bytes";
    if (!of_costs) continue;
    EXPECT_TRUE(std::holds_alternative<std::monostate>(metric.run.value(report)));
    EXPECT_TRUE(std::holds_alternative<std::monostate>(metric.layer.value(report.layers[0])));
  }
}

TEST(Metrics, of_files_of_earlier_versions_have_their_present_names) {
  EXPECT_EQ(present_name("ddr_bytes"), "external_bytes");
  EXPECT_NE(find_point_metric(present_name("am_peak_bytes")), nullptr);
  EXPECT_EQ(present_name("ddr_stall"), step_key(Step::MemoryWait));
  EXPECT_EQ(present_name("cycles"), "cycles");
}

}  // namespace
}  // namespace workbench
