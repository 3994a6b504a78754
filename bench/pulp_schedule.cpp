// The analytic tier of PULP against the transaction tier over L1 x cores, by hand: error, rank
// correlation and time per program. Usage: pulp_schedule MODEL MACHINE L1,L1,... CORES,CORES,...
// [optimal|dory], e.g. zoo:mobilenet_v1?resolution=128 configs/gap8.yaml 16000,32000 1,2,4,8.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <vector>

#include "core/error.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "isa/pulp/schedule.h"
#include "sim/pulp/simulate.h"

namespace workbench {
namespace {

std::vector<std::string> list(const std::string& text) {
  std::vector<std::string> items;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) items.push_back(item);
  return items;
}

double milliseconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

struct Row {
  double earliest = 0, expected = 0, simulated = 0;
};

double kendall(const std::vector<Row>& rows, double Row::*figure) {
  double sum = 0, pairs = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double a = rows[i].*figure - rows[j].*figure;
      const double b = rows[i].simulated - rows[j].simulated;
      sum += a * b > 0 ? 1 : a * b < 0 ? -1 : 0;
      ++pairs;
    }
  }
  return pairs > 0 ? sum / pairs : 1;
}

void run(int count, char** arguments) {
  CompileRequest request;
  request.model.name = arguments[1];
  request.machine = find_machine_file(arguments[2]);
  request.keep_reference = false;
  if (count > 5 && std::string(arguments[5]) == "dory") request.tiler = pulp::Tiler::Dory;
  // The networks of the zoo are the same for every cluster: quantized once.
  const Compiled first = compile_network(request);
  std::vector<Row> rows;
  double error = 0;
  for (const std::string& l1 : list(arguments[3])) {
    for (const std::string& cores : list(arguments[4])) {
      pulp::Machine machine =
          pulp::with_overrides(first.pulp_machine(), {.l1 = l1, .cores = std::stoll(cores)});
      auto begin = std::chrono::steady_clock::now();
      pulp::Program program;
      try {
        program = pulp::compile(first.quantized, machine, {.tiler = request.tiler});
      } catch (const Error& infeasible) {
        fmt::print("l1 {:>6} cores {:>2}  {}\n", l1, cores, infeasible.what());
        continue;
      }
      const double compile_ms = milliseconds_since(begin);
      begin = std::chrono::steady_clock::now();
      const pulp::AnalyticSchedule schedule = pulp::analytic_schedule(program, machine);
      const double schedule_ms = milliseconds_since(begin);
      begin = std::chrono::steady_clock::now();
      const auto simulated = pulp::simulate(program, machine, {}, {.values = false});
      const double simulate_ms = milliseconds_since(begin);
      const Row row{static_cast<double>(schedule.earliest.end.value),
                    static_cast<double>(schedule.expected.end.value),
                    static_cast<double>(simulated.timeline.end.value)};
      rows.push_back(row);
      error += std::abs(row.expected / row.simulated - 1);
      fmt::print(
          "l1 {:>6} cores {:>2}  {:>6} instructions  transaction {:>10}  expected {:+6.2f} %  "
          "bound {:+6.2f} %   compile {:.1f} ms, analytic {:.2f} ms, transaction {:.0f} ms\n",
          l1, cores, program.instructions.size(), row.simulated,
          100 * (row.expected / row.simulated - 1), 100 * (row.earliest / row.simulated - 1),
          compile_ms, schedule_ms, simulate_ms);
      std::fflush(stdout);
    }
  }
  fmt::print("{} points: mean absolute error {:.2f} %, Kendall tau expected {:.3f}, bound {:.3f}\n",
             rows.size(), 100 * error / static_cast<double>(rows.size()),
             kendall(rows, &Row::expected), kendall(rows, &Row::earliest));
}

}  // namespace
}  // namespace workbench

// libsystemc owns main().
extern "C" int sc_main(int count, char** arguments) {
  if (count < 5) {
    fmt::print(stderr, "usage: pulp_schedule MODEL MACHINE L1,... CORES,... [optimal|dory]\n");
    return 2;
  }
  try {
    workbench::run(count, arguments);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
  return 0;
}
