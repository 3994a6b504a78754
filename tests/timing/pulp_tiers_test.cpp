// The analytic tier ranks machines as the transaction tier does, Kendall tau 0.9 at least.
#include <gtest/gtest.h>

#include <cmath>
#include <iostream>

#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "isa/pulp/schedule.h"
#include "sim/pulp/simulate.h"

namespace workbench {
namespace {

struct Pair {
  double expected = 0, simulated = 0;
};

double kendall_tau(const std::vector<Pair>& points) {
  double sum = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double agrees =
          (points[i].expected - points[j].expected) * (points[i].simulated - points[j].simulated);
      sum += agrees > 0 ? 1 : agrees < 0 ? -1 : 0;
    }
  }
  return 2 * sum / static_cast<double>(points.size() * (points.size() - 1));
}

TEST(PulpTiers, rank_mobilenet_alike_over_l1_and_cores) {
  CompileRequest request;
  request.model.name = "zoo:mobilenet_v1?resolution=128&width=0.5";
  request.machine = find_machine_file("gap8");
  request.keep_reference = false;
  const Compiled first = compile_network(request);
  std::vector<Pair> points;
  double error = 0;
  for (const char* l1 : {"16k", "24k", "36k", "60k"}) {
    for (const std::int64_t cores : {2, 3, 4, 6, 7, 8}) {
      const pulp::Machine machine =
          pulp::with_overrides(first.pulp_machine(), {.l1 = l1, .cores = cores});
      const pulp::Program program = pulp::compile(first.quantized, machine);
      const pulp::AnalyticSchedule schedule = pulp::analytic_schedule(program, machine);
      const auto run = pulp::simulate(program, machine, {}, {.values = false});
      EXPECT_LE(schedule.earliest.end, run.timeline.end) << l1 << ", " << cores << " cores";
      points.push_back({static_cast<double>(schedule.expected.end.value),
                        static_cast<double>(run.timeline.end.value)});
      error += std::abs(points.back().expected / points.back().simulated - 1);
    }
  }
  error /= static_cast<double>(points.size());
  const double tau = kendall_tau(points);
  std::cout << fmt::format("{} points: Kendall tau {:.3f}, mean absolute error {:.2f} %\n",
                           points.size(), tau, 100 * error);
  EXPECT_GE(tau, 0.9);
  EXPECT_LE(error, 0.02);
}

}  // namespace
}  // namespace workbench
