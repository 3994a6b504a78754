// A point's figures are those of `workbench run` and `compile`, whatever was computed before it in
// the same evaluator; the analytic tier is where the transaction tier allows it to be.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "compiler/quantize/graph_digest.h"
#include "explore/report/metrics.h"
#include "explore/sweep/evaluate.h"
#include "explore/sweep/figures.h"
#include "explore/sweep/objectives.h"
#include "explore/sweep/parameter.h"
#include "tests/support/sanitized.h"

namespace workbench {
namespace {

using Random = std::mt19937_64;

std::string one_of(Random& random, const std::vector<std::string>& values) {
  return values[random() % values.size()];
}

Point xdnn_point(Random& random) {
  Point point{.network = one_of(random, {"zoo:tiny_cnn", "zoo:tiny_residual", "zoo:tiny_inception",
                                         "zoo:tiny_mobile"}),
              .machine = one_of(random, {"v3_96", "v3_96", "v2_28", "darius_32"}),
              .settings = {}};
  const auto maybe = [&](const std::string& name, const std::vector<std::string>& values) {
    if (random() % 2 == 0) point.settings.push_back({name, one_of(random, values)});
  };
  if (point.machine.starts_with("v3")) {
    maybe("dsp", {"16", "32", "48", "96"});
    maybe("mode", {"latency", "throughput"});
  }
  maybe("memory", {"0.03125", "0.0625", "0.25", "9"});
  maybe("engines", {"1", "2", "3", "4"});
  maybe("board.ddr_banks", {"1", "2"});
  maybe("ddr.efficiency", {"0.05", "0.3", "1"});
  maybe("control.issue_cycles", {"0", "16", "100"});
  maybe("control.queue_depth", {"1", "3"});
  maybe("filters.buffer_steps", {"16", "32", "64"});
  return point;
}

Point pulp_point(Random& random) {
  Point point{.network = one_of(random, {"zoo:tiny_cnn", "zoo:tiny_residual", "zoo:tiny_mobile"}),
              .machine = one_of(random, {"gap8", "mr_wolf"}),
              .settings = {}};
  const auto maybe = [&](const std::string& name, const std::vector<std::string>& values) {
    if (random() % 2 == 0) point.settings.push_back({name, one_of(random, values)});
  };
  maybe("l1", {"4k", "8k", "16k", "64k"});
  maybe("cores", {"1", "2", "3", "8"});
  maybe("dma-width", {"1", "8"});
  maybe("tiler", {"optimal", "dory"});
  return point;
}

Point at(Point point, Tier tier) {
  point.tier = tier;
  return point;
}

std::string text_of(const PointResult& result) {
  std::string text = fmt::format("{} {}", to_string(result.status), result.reason);
  for (const auto& [name, value] : result.metrics) text += fmt::format("\n{} {}", name, value);
  for (const LayerFigures& layer : result.layers) {
    text += fmt::format("\n{} {} {}", layer.name, layer.op, layer.shape);
    for (const auto& [name, value] : layer.metrics) text += fmt::format(" {} {}", name, value);
  }
  return text;
}

// What `workbench run` would say of the point.
void expect_as_run(const Point& point, const PointResult& result) {
  CompileRequest request = request_of(point);
  const Compiled compiled = compile_network(request);
  const Report report = run_network(compiled).result.report;
  const auto& metrics = result.metrics;
  EXPECT_EQ(metrics.at("cycles"), static_cast<double>(report.cycles.value));
  EXPECT_EQ(metrics.at("latency_ms"), report.latency_ms);
  EXPECT_EQ(metrics.at("images_per_second"), report.images_per_second);
  EXPECT_EQ(metrics.at("mac_per_cycle"), report.mac_per_cycle);
  EXPECT_EQ(metrics.at("array_efficiency"), report.array_efficiency);
  EXPECT_EQ(metrics.at("host_ms"), report.host_ms);
  EXPECT_EQ(metrics.at("macs"), static_cast<double>(report.program.network_macs));
  if (!report.machine.throughput) {
    EXPECT_EQ(metrics.at("external_bytes"), static_cast<double>(report.external_bytes));
  }
  EXPECT_EQ(metrics.at("peak_bytes"), static_cast<double>(report.program.peak_bytes));
  if (is_xdnn(compiled)) {
    EXPECT_EQ(metrics.at("program_bytes"),
              static_cast<double>(compiled.xdnn_program().constants.size()));
  }
  ASSERT_EQ(result.layers.size(), report.layers.size());
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    const LayerReport& layer = report.layers[i];
    const auto& figures = result.layers[i].metrics;
    EXPECT_EQ(result.layers[i].name, layer.name);
    EXPECT_EQ(result.layers[i].shape, layer.shape);
    EXPECT_EQ(figures.at("cycles"), static_cast<double>(layer.cycles.value)) << layer.name;
    EXPECT_EQ(figures.at("mac_per_cycle"), layer.mac_per_cycle) << layer.name;
    EXPECT_EQ(figures.at("percent_of_peak"), layer.percent_of_peak) << layer.name;
    if (!report.machine.throughput) {
      EXPECT_EQ(figures.at("external_bytes"), static_cast<double>(layer.external_bytes))
          << layer.name;
    }
    if (!is_xdnn(compiled)) {
      EXPECT_EQ(figures.at("external_bytes"), figures.at("dma_bytes") + figures.at("l3_bytes"));
    }
  }
}

void expect_tiers_agree(const PointResult& analytic, const PointResult& transaction) {
  EXPECT_LE(analytic.metrics.at("cycles_at_least"), transaction.metrics.at("cycles"));
  for (const auto& [name, value] : transaction.metrics) {
    const bool of_time = name == "cycles" || name == "latency_ms" || name == "images_per_second" ||
                         name == "mac_per_cycle" || name == "array_efficiency" ||
                         name.starts_with("energy_") || name == "power_mw";
    if (!of_time) {
      EXPECT_EQ(analytic.metrics.at(name), value) << name;
    }
  }
  ASSERT_EQ(analytic.layers.size(), transaction.layers.size());
  double cycles = 0;
  for (const LayerFigures& layer : analytic.layers) cycles += layer.metrics.at("cycles");
  EXPECT_EQ(cycles, analytic.metrics.at("cycles"));
}

void expect_complete(const PointResult& result) {
  for (const auto& [name, value] : result.metrics) {
    EXPECT_NE(find_point_metric(name), nullptr) << name;
  }
}

// Returns whether the machine can run it.
bool check_point(Evaluator& evaluator, const Point& point) {
  const PointResult analytic = evaluator.evaluate(at(point, Tier::Analytic));
  const PointResult transaction = evaluator.evaluate(at(point, Tier::Transaction));
  EXPECT_EQ(analytic.status, transaction.status) << analytic.reason << transaction.reason;
  EXPECT_EQ(analytic.reason, transaction.reason);
  EXPECT_EQ(text_of(Evaluator().evaluate(at(point, Tier::Analytic))), text_of(analytic));
  if (analytic.status != PointResult::Status::Ok) {
    EXPECT_EQ(analytic.status, PointResult::Status::Infeasible) << analytic.reason;
    EXPECT_FALSE(analytic.reason.empty());
    EXPECT_EQ(analytic.reason.find('\n'), std::string::npos);
    return false;
  }
  EXPECT_EQ(transaction.bit_exact, std::optional(true));
  EXPECT_EQ(analytic.bit_exact, std::nullopt);
  expect_as_run(point, transaction);
  expect_tiers_agree(analytic, transaction);
  expect_complete(analytic);
  return true;
}

std::string described(const Point& point) {
  std::string text = point.network + " " + point.machine;
  for (const Setting& setting : point.settings) text += " " + setting.name + "=" + setting.value;
  return text;
}

bool shares_a_bank(const Point& point) {
  const CompileRequest request = request_of(point);
  const Machine machine = load_machine(request.machine, request.overrides);
  const xdnn::Machine::Board& board = std::get<xdnn::Machine>(machine).board;
  return board.engines > board.ddr_banks;
}

TEST(SweepEvaluate, xdnn_points_are_what_run_says_and_bounded_by_analytic) {
  Random random(1);
  Evaluator evaluator;
  int ran = 0;
  constexpr int kPoints = kSanitized ? 10 : 25;
  for (int i = 0; i < kPoints && !HasFailure(); ++i) {
    const Point point = xdnn_point(random);
    SCOPED_TRACE(described(point));
    if (!check_point(evaluator, point)) continue;
    ++ran;
    const PointResult analytic = evaluator.evaluate(at(point, Tier::Analytic));
    const PointResult transaction = evaluator.evaluate(at(point, Tier::Transaction));
    if (shares_a_bank(point)) continue;  // then cycles are no bound, but what is to be expected
    EXPECT_EQ(analytic.metrics.at("cycles"), analytic.metrics.at("cycles_at_least"));
    EXPECT_LE(analytic.metrics.at("latency_ms"), transaction.metrics.at("latency_ms"));
    EXPECT_GE(analytic.metrics.at("images_per_second") * (1 + 1e-12),
              transaction.metrics.at("images_per_second"));
  }
  EXPECT_GE(ran, kPoints * 2 / 5);
}

TEST(SweepEvaluate, pulp_points_are_what_run_says_and_near_analytic) {
  Random random(2);
  Evaluator evaluator;
  int ran = 0;
  constexpr int kPoints = kSanitized ? 4 : 12;
  for (int i = 0; i < kPoints && !HasFailure(); ++i) {
    const Point point = pulp_point(random);
    SCOPED_TRACE(described(point));
    ran += check_point(evaluator, point) ? 1 : 0;
  }
  EXPECT_GE(ran, kPoints / 2);
}

// Engines that share a bank: analytic ranks cards as simulation does.
TEST(SweepEvaluate, cards_of_a_shared_bank_are_ranked_alike) {
  Evaluator evaluator;
  std::map<std::string, Paired> compared{{"cycles", {}}, {"images_per_second", {}}};
  for (const char* dsp : {"16", "48", "96"}) {
    for (const char* efficiency : {"0.02", "0.1", "0.71"}) {
      for (const char* engines : {"1", "2", "4"}) {
        const Point point{.network = "zoo:tiny_residual",
                          .machine = "v3_96",
                          .settings = {{"dsp", dsp},
                                       {"ddr.efficiency", efficiency},
                                       {"engines", engines},
                                       {"board.ddr_banks", "1"}}};
        const auto analytic = evaluator.evaluate(at(point, Tier::Analytic)).metrics;
        const auto transaction = evaluator.evaluate(at(point, Tier::Transaction)).metrics;
        for (auto& [metric, values] : compared) {
          values.estimate.push_back(analytic.at(metric));
          values.truth.push_back(transaction.at(metric));
          values.group.push_back(0);
        }
      }
    }
  }
  for (const auto& [metric, values] : compared) {
    EXPECT_GE(kendall_tau(values), 0.9) << metric;
    EXPECT_LE(mean_absolute_relative_error(values), 0.1) << metric;
  }
}

// What the key of integers leaves out has no say in them.
TEST(SweepEvaluate, machines_with_the_same_key_quantize_alike) {
  Random random(3);
  int same = 0;
  for (int i = 0; i < 30 && !HasFailure(); ++i) {
    Point a = xdnn_point(random), b = a;
    std::erase_if(b.settings, [](const Setting& setting) {
      return setting.name != "dsp" && setting.name != "filters.buffer_steps";
    });
    for (const auto& [name, values] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"memory", {"0.0625", "1"}},
             {"ddr.latency_cycles", {"0", "500"}},
             {"clocks.ddr", {"100", "400"}},
             {"control.instructions_max", {"100", "5000"}},
             {"am.read_ports", {"1", "2"}},
             {"host.gflops", {"1", "5"}}}) {
      if (random() % 2 == 0) b.settings.push_back({name, one_of(random, values)});
    }
    SCOPED_TRACE(described(a) + " | " + described(b));
    std::vector<std::string> graphs;
    std::vector<std::string> keys;
    for (const Point& point : {a, b}) {
      CompileRequest request = request_of(point);
      request.keep_reference = false;
      try {
        const Machine machine = load_machine(request.machine, request.overrides);
        keys.push_back(integers_key(request, machine));
        const Target target = target_for(machine);
        graphs.push_back(
            graph_digest(quantize_network(target.import(request), target, request).integers));
      } catch (const Error&) {
        break;  // a machine that cannot be
      }
    }
    if (graphs.size() < 2) continue;
    EXPECT_EQ(keys[0], keys[1]);
    EXPECT_EQ(graphs[0], graphs[1]);
    ++same;
  }
  EXPECT_GE(same, 15);
}

}  // namespace
}  // namespace workbench
