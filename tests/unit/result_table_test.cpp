// Tables of stored points: selection, columns and order; CSV, JSON and text.
#include "explore/store/result_table.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

StoredPoint point(const std::string& key, const std::string& l1, double cycles) {
  return {.key = key,
          .point = {.network = "nets/tiny.onnx",
                    .machine = "gap8",
                    .settings = {{"l1", l1}, {"tiler", "dory"}}},
          .result = {.metrics = {{"cycles", cycles}, {"aaa_of_tomorrow", 0.1}},
                     .layers = {{.name = "conv,1",
                                 .op = "Conv",
                                 .shape = "8x4x4",
                                 .metrics = {{"cycles", cycles / 2}}}}}};
}

std::vector<StoredPoint> points() {
  std::vector<StoredPoint> result{point("k1", "64k", 1000), point("k2", "128k", 900)};
  StoredPoint infeasible = point("k3", "8k", 0);
  infeasible.result = {.status = PointResult::Status::Infeasible,
                       .reason = "layer \"a\": no tile, found none"};
  result.push_back(infeasible);
  return result;
}

std::string keys(const ResultTable& table) {
  std::string text;
  for (const auto& row : table.rows) text += std::get<std::string>(row.back()) + " ";
  return text;
}

std::string where(std::vector<std::string> conditions) {
  return keys(result_table(points(), {.where = std::move(conditions)}));
}

std::string error_of(const ResultQuery& query) {
  try {
    result_table(points(), query);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ResultTable, csv_has_every_column_quoted_where_needed) {
  EXPECT_EQ(csv(result_table(points(), {})),
            "network,machine,l1,tiler,tier,status,bit_exact,reason,cycles,aaa_of_tomorrow,key\n"
            "nets/tiny.onnx,gap8,64k,dory,analytic,ok,,,1000,0.1,k1\n"
            "nets/tiny.onnx,gap8,128k,dory,analytic,ok,,,900,0.1,k2\n"
            "nets/tiny.onnx,gap8,8k,dory,analytic,infeasible,,\"layer \"\"a\"\": no tile, found "
            "none\",,,k3\n");
}

TEST(ResultTable, conditions_compare_numbers_as_numbers_and_words_as_words) {
  EXPECT_EQ(where({"l1 = 65536"}), "k1 ");
  EXPECT_EQ(where({"l1>=64k"}), "k1 k2 ");
  EXPECT_EQ(where({"l1 != 64k"}), "k2 k3 ");
  EXPECT_EQ(where({"cycles<=900"}), "k2 ") << "what has no cycles meets nothing";
  EXPECT_EQ(where({"tiler==dory", "status=ok", "cycles > 900"}), "k1 ");
  EXPECT_EQ(where({"tiler!=dory"}), "");
  EXPECT_EQ(where({"network=tiny.onnx", "machine=gap8"}), "k1 k2 k3 ");
  EXPECT_EQ(where({"network=tiny"}), "k1 k2 k3 ");
  EXPECT_EQ(where({"network=nets"}), "");
}

TEST(ResultTable, refuses_conditions_it_cannot_read) {
  EXPECT_EQ(error_of({.where = {"cycels<9"}}),
            "--where 'cycels<9': expected a column of these results, such as cycles; found "
            "'cycels'");
  EXPECT_EQ(error_of({.where = {"cycles"}}),
            "--where 'cycles': expected NAME=VALUE, NAME<VALUE or the like");
  EXPECT_EQ(error_of({.where = {"cycles=<9"}}),
            "--where 'cycles=<9': expected =, !=, <, <=, > or >=, found '=<'");
  EXPECT_EQ(error_of({.where = {"cycles<few"}}),
            "--where 'cycles<few': expected a number after <, found 'few'");
  EXPECT_EQ(error_of({.columns = {"keys"}}),
            "--columns keys: expected a column of these results, such as key; found 'keys'");
  EXPECT_EQ(error_of({.sort = "-l2"}),
            "--sort -l2: expected a column of these results, such as l1; found 'l2'");
}

TEST(ResultTable, sorts_numbers_by_value_with_missing_ones_last) {
  EXPECT_EQ(keys(result_table(points(), {.sort = "l1"})), "k3 k1 k2 ");
  EXPECT_EQ(keys(result_table(points(), {.sort = "cycles"})), "k2 k1 k3 ");
  EXPECT_EQ(keys(result_table(points(), {.sort = "-cycles"})), "k1 k2 k3 ");
  std::vector<StoredPoint> mixed = points();
  sort_by_question(mixed);
  EXPECT_EQ(keys(result_table(mixed, {})), "k3 k1 k2 ");
}

TEST(ResultTable, shows_what_tells_rows_apart) {
  EXPECT_EQ(text(result_table(points(), {.where = {"status=ok"}}), {}),
            "network: nets/tiny.onnx\nmachine: gap8\ntiler: dory\ntier: analytic\nstatus: ok\n"
            "aaa_of_tomorrow: 0.1\n"
            "l1   cycles key\n64k   1,000 k1\n128k    900 k2\n");
  const ResultQuery query{.where = {"l1=8k"}, .columns = {"l1", "cycles", "status"}};
  EXPECT_EQ(text(result_table(points(), query), query), "l1 cycles status\n8k      - infeasible\n");
  EXPECT_EQ(text(result_table({}, {}), {}), "no results\n");
}

TEST(ResultTable, has_layers_too) {
  EXPECT_EQ(csv(layer_table(points(), {.where = {"l1=64k"}})),
            "key,position,layer,op,shape,cycles\nk1,0,\"conv,1\",Conv,8x4x4,500\n");
}

TEST(ResultTable, json_has_numbers_words_and_null) {
  EXPECT_EQ(json(result_table(points(), {.where = {"l1=8k"}, .columns = {"l1", "cycles"}})),
            R"({
  "schema_version": 1,
  "columns": [
    "l1",
    "cycles"
  ],
  "rows": [
    {
      "l1": "8k",
      "cycles": null
    }
  ]
}
)");
}

TEST(ResultText, of_a_point_has_units_and_layers) {
  EXPECT_EQ(text(point("k1", "64k", 1000)),
            "point k1\nnetwork nets/tiny.onnx\nmachine gap8\nl1 = 64k\ntiler = dory\n"
            "analytic: ok\n\n"
            "metric          value unit\n"
            "cycles          1,000 cycles\n"
            "aaa_of_tomorrow   0.1\n\n"
            "position layer  op   shape cycles\n"
            "       0 conv,1 Conv 8x4x4    500\n");
}

TEST(ResultText, of_runs_counts_points) {
  const TemporaryFolder folder;
  Store store(folder.path() / "results.db");
  EXPECT_EQ(runs_text(store), "no runs\n");
  store.add(points());
  const std::vector<std::string> keys{"k1", "k3"}, more{"k1", "k4", "k2"};
  const std::int64_t run =
      store.begin_run({.kind = "sweep", .name = "study", .created = "2026"}, keys);
  store.extend_run(run, more);
  EXPECT_EQ(store.run_keys(run), (std::vector<std::string>{"k1", "k3", "k4", "k2"}));
  EXPECT_EQ(runs_text(store),
            "run kind  name  created points ok infeasible failed missing revision\n"
            "  1 sweep study 2026         4  2          1      0       1\n");
}

}  // namespace
}  // namespace workbench
